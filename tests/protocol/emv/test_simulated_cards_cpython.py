"""The kernel against the simulated cards of both schemes (sim.cards.emv), whose cryptograms pyemv then checks."""

from typing import Any

import pytest

from protocol import records, tlv
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import Result, transact
from protocol.emv.params import EmvParams
from protocol.errors import CardRemovedError
from sim.cards.emv import EmvCard, build, profile
from sim.pki import Pki, make_pki
from tests.support.emv_machine import purchase

UN = bytes.fromhex("A1B2C3D4")
OPEN = {"tac_denial": "0010000000", "tac_online": "FC50ACF800", "tac_default": "FC50ACA000"}
PINS = {"cib-approve": b"1234", "cib-online": b"2345", "cib-decline": b"3456"}
PINS |= {"edahabia-approve": b"4321", "edahabia-online": b"5432", "edahabia-decline": b"6543"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def _params(pki: Pki, **changes: Any) -> EmvParams:
    codes = {name: bytes.fromhex(value) for name, value in OPEN.items()}
    aids = [
        {
            "aid": bytes.fromhex("F000005444") + bytes([i]),
            "label": label,
            "floor": 1_000_000,
            "version": b"\x00\x01",
            **codes,
        }
        for i, label in ((1, "CIB TEST"), (2, "EDAHABIA TEST"))
    ]
    return EmvParams({"aids": aids, "ca_keys": [pki.schemes.capk()], "exceptions": [], "deferral": True, **changes})


def _pay(
    card: EmvCard,
    params: EmvParams,
    pins: list[bytes],
    amount: int = 500_000,
    online: Any = None,
    remove_at: int = 0,
    crypto: Any = None,
) -> tuple[Result, list[tuple[Any, ...]], list[bytes]]:
    txn = purchase(amount)
    card.power_off()
    machine = transact(txn, params, crypto or NativeCrypto(), UN)
    asked: list[tuple[Any, ...]] = []
    commands: list[bytes] = []
    answer: Any = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as stop:
            return stop.value, asked, commands
        if request[0] == "apdu":
            commands.append(bytes(request[1]))
            if len(commands) == remove_at:
                machine.throw(CardRemovedError("the card left"))
            answer = card.respond(bytes(request[1]))
            continue
        asked.append(request)
        if request[0] == "pin":
            answer = pins.pop(0) if pins else None
        else:
            answer = (
                bytes([0x63]) * request[1]
                if request[0] == "random"
                else {"choose": 0, "online": online}.get(request[0])
            )


@pytest.mark.parametrize("name", ["cib-approve", "edahabia-approve"])
def test_approving_card_gives_a_tc(pki: Pki, name: str) -> None:
    result, asked, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]])
    assert (result.outcome, result.reason) == (records.OUTCOME_APPROVED, "Y1"), (
        result.reason,
        result.detail,
        result.explain,
    )
    assert (result.cda_ok, result.tvr, result.pin_ok) == (True, bytes(5), True)
    assert not [a for a in asked if a[0] == "online"]


@pytest.mark.parametrize("name", ["cib-online", "edahabia-online"])
def test_card_that_wants_to_go_online_is_provisional_without_a_network(pki: Pki, name: str) -> None:
    result, _, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000)
    assert (result.outcome, result.reason) == (records.OUTCOME_PROVISIONAL, "DEFERRED"), result.explain
    assert result.cda_ok and result.cid == 0x80 and result.track2


@pytest.mark.parametrize("name", ["cib-approve", "cib-online", "edahabia-online"])
def test_presented_cryptogram_holds_for_pyemv(pki: Pki, name: str) -> None:
    """TC or ARQC, over the DE55 as the terminal kept it: computed anew from the issuer's master key by a library."""
    from pyemv import ac, kd

    result, _, _ = _pay(
        build(profile(name), pki), _params(pki), [PINS[name]], amount=999_999 if "approve" in name else 1_000_000
    )
    chip = {tag: bytes(value) for tag, value in tlv.parse(result.de55)}
    issuer = pki.schemes.issuer_of(result.pan.decode())
    master = kd.derive_icc_mk_a(issuer.master_keys.ac, result.pan.decode(), f"{result.psn:02d}")
    session = kd.derive_common_sk(master, chip[0x9F36] + bytes(6))
    tags = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36, 0x9F10)
    data = b"".join(chip[tag] for tag in tags)
    assert ac.generate_ac(session, data, ac.PaddingType.EMV, 8) == chip[0x9F26] == result.cryptogram


@pytest.mark.parametrize("name", ["cib-decline", "edahabia-decline"])
def test_declining_card_gives_an_aac(pki: Pki, name: str) -> None:
    result, _, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]])
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "Z1")


def test_wrong_pin_then_right(pki: Pki) -> None:
    result, asked, _ = _pay(build(profile("cib-approve"), pki), _params(pki), [b"0000", b"1234"])
    assert [a for a in asked if a[0] == "pin"] == [("pin", 3, False), ("pin", 2, False)]
    assert result.outcome == records.OUTCOME_APPROVED


def test_three_wrong_pins_block_the_card_for_later_transactions_too(pki: Pki) -> None:
    card = build(profile("cib-approve"), pki)
    result, asked, _ = _pay(card, _params(pki), [b"0000", b"0001", b"0002"])
    assert [a for a in asked if a[0] == "pin"] == [("pin", 3, False), ("pin", 2, False), ("pin", 1, True)]
    assert result.outcome == records.OUTCOME_DECLINED and result.tvr[2] == 0xA0
    result, asked, _ = _pay(card, _params(pki), [b"1234"])
    assert not [a for a in asked if a[0] == "pin"]
    assert result.outcome == records.OUTCOME_DECLINED and result.tvr[2] == 0xA0


def test_last_try(pki: Pki) -> None:
    _, asked, _ = _pay(build(profile("cib-last-try"), pki), _params(pki), [b"1234"])
    assert [a for a in asked if a[0] == "pin"] == [("pin", 1, True)]


def test_enciphered_pin(pki: Pki) -> None:
    result, _, commands = _pay(build(profile("cib-enciphered-pin"), pki), _params(pki), [b"1234"])
    assert (result.outcome, result.cvm_results.hex()) == (records.OUTCOME_APPROVED, "040302")
    assert not [c for c in commands if bytes.fromhex("241234FFFFFFFFFF") in c]


@pytest.mark.parametrize("name", ["cib-copied", "cib-forged"])
def test_copied_and_forged_cards_are_declined(pki: Pki, name: str) -> None:
    result, _, _ = _pay(build(profile(name), pki), _params(pki), [b"1234"])
    assert result.outcome == records.OUTCOME_DECLINED and not result.cda_ok
    assert result.tvr[0] & 0x04


@pytest.mark.parametrize("name", ["cib-dda", "cib-sda", "cib-without-oda"])
def test_no_offline_approval_without_cda(pki: Pki, name: str) -> None:
    result, _, _ = _pay(build(profile(name), pki), _params(pki), [b"1234"])
    assert result.outcome == (records.OUTCOME_PROVISIONAL if name == "cib-dda" else records.OUTCOME_DECLINED), (
        result.explain
    )


def test_pse_and_two_applications(pki: Pki) -> None:
    result, _, commands = _pay(build(profile("cib-pse"), pki), _params(pki), [b"1234"])
    assert result.outcome == records.OUTCOME_APPROVED
    assert len([c for c in commands if c[1] == 0xA4]) == 2
    result, asked, _ = _pay(build(profile("two-applications"), pki), _params(pki), [b"1234"])
    assert asked[1] == ("choose", ["CIB TEST", "EDAHABIA TEST"])
    assert result.outcome == records.OUTCOME_APPROVED


@pytest.mark.parametrize("name", ["cib-online", "edahabia-approve"])
def test_pulled_at_every_command(pki: Pki, name: str) -> None:
    _, _, commands = _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000)
    for at in range(1, len(commands) + 1):
        with pytest.raises(CardRemovedError):
            _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000, remove_at=at)


@pytest.mark.parametrize("crypto", [NativeCrypto, PureCrypto])
def test_both_implementations_of_the_crypto_seam_agree(pki: Pki, crypto: Any) -> None:
    result, _, _ = _pay(build(profile("cib-approve"), pki), _params(pki), [b"1234"], crypto=crypto())
    assert (result.outcome, result.cda_ok) == (records.OUTCOME_APPROVED, True)


def test_online_authorisation_with_the_issuers_cryptogram(pki: Pki) -> None:
    """The issuer's answer by pyemv: the card checks it (EXTERNAL AUTHENTICATE, or inside GENERATE AC) and gives its TC."""
    from pyemv import ac, kd

    for name in ("cib-online", "edahabia-online"):
        first, asked, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000)
        chip = {tag: bytes(value) for tag, value in tlv.parse(next(a[1] for a in asked if a[0] == "online"))}
        pan = first.pan.decode()
        master = kd.derive_icc_mk_a(pki.schemes.issuer_of(pan).master_keys.ac, pan, f"{first.psn:02d}")
        session = kd.derive_common_sk(master, chip[0x9F36] + bytes(6))
        csu = bytes.fromhex("00800000")
        # a fresh card of the same profile has the same ATC and results, so it gives the same ARQC again
        answer = {"arc": "00", "issuer_auth": ac.generate_arpc_2(session, chip[0x9F26], csu) + csu, "auth_code": "77"}
        result, _, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000, online=answer)
        assert (result.outcome, result.reason, result.auth_code) == (records.OUTCOME_APPROVED, "00", "77"), (
            result.explain
        )
        answer["issuer_auth"] = bytes(4) + csu
        result, _, _ = _pay(build(profile(name), pki), _params(pki), [PINS[name]], amount=1_000_000, online=answer)
        assert (result.outcome, result.reversal) == (records.OUTCOME_DECLINED, True)
