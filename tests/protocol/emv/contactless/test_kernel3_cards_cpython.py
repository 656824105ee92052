"""Entry point and Kernel 3 against simulated cards with real certificates and cryptograms; pyemv then checks what was presented."""

from typing import Any

import pytest
from pyemv import ac, kd

from protocol import records, tlv
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result
from protocol.errors import CardRemovedError
from sim.cards.base import Card
from sim.cards.emv.contactless import build, dual, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support.emv_machine import purchase

UN = bytes.fromhex("A1B2C3D4")
SMALL, LARGE = 90_000, 600_000


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def tap(card: Card, pki: Pki, amount: int = SMALL, **how: Any) -> tuple[Result, list[tuple[Any, ...]], list[bytes]]:
    """`online`, `online_pin`, `identified`, `remove_at`, `crypto`, `again` (how often somebody presents the card again)."""
    params = ContactlessParams({**emv_body(pki), **how.get("body", {})})
    txn = purchase(amount)
    machine = entry.transact(txn, params, how.get("crypto", NativeCrypto)(), UN, TornLog())
    again = how.get("again", 0)
    asked: list[tuple[Any, ...]] = []
    commands: list[bytes] = []
    card.power_off()
    request = next(machine)
    while True:
        try:
            if request[0] == "apdu":
                commands.append(bytes(request[1]))
                if len(commands) == how.get("remove_at"):
                    if how.get("processed"):
                        card.respond(commands[-1])
                    card.power_off()
                    request = machine.throw(CardRemovedError("the card left"))
                    continue
                answer: Any = card.respond(commands[-1])
            elif request[0] == "timed_apdu":
                commands.append(bytes(request[1]))
                answer = (card.respond(commands[-1]), 54)
            else:
                asked.append(request)
                answer = how.get(request[0])
                if request[0] == "random":
                    answer = bytes([7]) * request[1]
                if request[0] == "again":
                    answer, again = again > 0 or None, again - 1
                    card.power_off()
            request = machine.send(answer)
        except StopIteration as stop:
            return stop.value, asked, commands


def _genuine(result: Result, pki: Pki) -> None:
    """The presented cryptogram, computed anew from the issuer's master key by a library that the card does not use."""
    chip = {tag: bytes(value) for tag, value in tlv.parse(result.de55)}
    pan = result.pan.decode()
    master = kd.derive_icc_mk_a(pki.schemes.issuer_of(pan).master_keys.ac, pan, f"{result.psn:02d}")
    session = kd.derive_common_sk(master, chip[0x9F36] + bytes(6))
    tags = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36, 0x9F10)
    data = b"".join(chip[tag] for tag in tags)
    assert ac.generate_ac(session, data, ac.PaddingType.EMV, 8) == chip[0x9F26] == result.cryptogram


@pytest.mark.parametrize("crypto", [NativeCrypto, PureCrypto])
def test_a_card_approves_offline_with_no_command_too_many(pki: Pki, crypto: Any) -> None:
    result, _, commands = tap(build(profile("tap-approve"), pki), pki, crypto=crypto)
    assert (result.outcome, result.reason, result.oda) == (records.OUTCOME_APPROVED, "Y1", "fdda"), result.explain
    assert [command[1] for command in commands] == [0xA4, 0xA4, 0xA8, 0xB2, 0xB2, 0xB2]
    _genuine(result, pki)


def test_a_card_that_asks_its_bank(pki: Pki) -> None:
    result, asked, _ = tap(build(profile("tap-online"), pki), pki, online={"arc": "00", "auth_code": "123456"})
    assert (result.outcome, result.reason, result.cid) == (records.OUTCOME_APPROVED, "00", 0x80), result.explain
    _genuine(result, pki)
    result, _, _ = tap(build(profile("tap-online"), pki), pki)
    assert (result.outcome, result.reason) == (records.OUTCOME_PROVISIONAL, "DEFERRED")
    _genuine(result, pki)


def test_a_card_that_declines(pki: Pki) -> None:
    result, _, commands = tap(build(profile("tap-decline"), pki), pki)
    assert (result.outcome, result.reason, len(commands)) == (records.OUTCOME_DECLINED, "Z1", 3)


def test_a_large_amount_wants_the_pin_of_a_card_and_the_lock_of_a_phone(pki: Pki) -> None:
    online = {"arc": "00", "auth_code": "1"}
    result, asked, _ = tap(build(profile("tap-approve"), pki), pki, LARGE, online=online, online_pin=True)
    assert result.outcome == records.OUTCOME_APPROVED and [a for a in asked if a[0] == "online_pin"]
    phone = build(profile("tap-phone"), pki)
    result, asked, _ = tap(phone, pki, LARGE, online=online, again=1)
    assert (result.outcome, [a for a in asked if a[0] == "again"]) == (records.OUTCOME_APPROVED, [("again", 0x20)])
    assert not [a for a in asked if a[0] == "online_pin"] and not result.signature
    result, _, _ = tap(build(profile("tap-phone"), pki), pki, LARGE)
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "EMV-141")
    result, _, _ = tap(build(profile("tap-signature"), pki), pki, LARGE, online=online)
    assert (result.outcome, result.signature) == (records.OUTCOME_APPROVED, True)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("tap-copied", "EMV-121"), ("tap-replayed", "EMV-121"), ("tap-stripped", "EMV-121"), ("tap-switch", "EMV-140"),
        ("tap-expired", "Z1"), ("tap-relayed", "EMV-121"),
    ],
)  # fmt: skip
def test_what_is_not_genuine_is_never_approved(pki: Pki, name: str, reason: str) -> None:
    result, _, _ = tap(build(profile(name), pki), pki, online={"arc": "00"}, online_pin=True)
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, reason), result.explain
    result, _, _ = tap(build(profile(name), pki), pki, LARGE, online_pin=True)
    assert result.outcome == records.OUTCOME_DECLINED


def test_a_card_that_says_yes_to_everything_is_declined_above_the_floor(pki: Pki) -> None:
    result, _, _ = tap(build(profile("tap-yes"), pki), pki, 700_000, online={"arc": "00"})
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "EMV-120")


@pytest.mark.parametrize("wish", ["switch", "online"])
def test_a_card_may_wish_to_be_inserted(pki: Pki, wish: str) -> None:
    result, _, _ = tap(build({**profile("tap-copied"), "wish": wish}, pki), pki)
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "EMV-140")


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize("name", ["tap-approve", "tap-online"])
def test_torn_at_every_command_nothing_is_taken_and_the_next_tap_pays_once(
    pki: Pki, name: str, processed: bool
) -> None:
    for at in range(1, 7):
        with pytest.raises(CardRemovedError):
            tap(build(profile(name), pki), pki, remove_at=at, processed=processed)
        card = build(profile(name), pki)
        result, asked, commands = tap(card, pki, remove_at=at, processed=processed, again=1, online={"arc": "00"})
        assert result.outcome == records.OUTCOME_APPROVED and len(commands) == at + 6
        assert len([a for a in asked if a[0] == "online"]) == (name == "tap-online")
        _genuine(result, pki)


def test_the_entry_point_takes_a_card_of_the_other_kernel_too(pki: Pki) -> None:
    """Kernel 2 from the directory to the outcome: its own command sequence, the same result."""
    name = {**profile("tap-approve"), "kernel": 2, "number": 71, "verify": "none"}
    result, _, commands = tap(build(name, pki), pki)
    assert (result.outcome, result.reason, result.kernel, result.oda) == (records.OUTCOME_APPROVED, "Y1", 2, "cda"), (
        result.explain
    )
    assert result.un != UN  # its relay resistance takes a number of its own
    _genuine(result, pki)
    result, asked, _ = tap(
        build({**name, "tap": "online", "number": 72}, pki), pki, online={"arc": "00", "auth_code": "1"}
    )
    assert (result.outcome, result.reason, result.kernel) == (records.OUTCOME_APPROVED, "00", 2), result.explain
    _genuine(result, pki)
    for at in range(1, len(commands) + 1):
        for processed in (False, True):
            card = build({**name, "number": 73}, pki)
            result, _, _ = tap(card, pki, remove_at=at, processed=processed, again=2)
            assert (result.outcome, result.reason) == (records.OUTCOME_APPROVED, "Y1"), (at, processed, result.explain)
            _genuine(result, pki)


def test_both_interfaces_count_in_one_memory(pki: Pki) -> None:
    contact, air = dual(profile("tap-approve"), pki)
    first, _, _ = tap(air, pki)
    second, _, _ = tap(air, pki)
    assert (first.atc, second.atc) == (1, 2) and contact.application.state["atc"] == 2
    assert contact.application.state["offline_count"] == 2


def test_offline_counters_of_the_card_send_it_online(pki: Pki) -> None:
    card = build({**profile("tap-approve"), "offline_max": 1}, pki)
    assert tap(card, pki)[0].reason == "Y1"
    assert tap(card, pki)[0].reason == "DEFERRED"
