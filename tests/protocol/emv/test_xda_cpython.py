"""XDA with simulated cards, which sign with `cryptography` and plain numbers: proved offline, and every way in which it is not proved.

Clauses: EMV 4.4 Book 2, 12; Book 3, 10.3; Book 4, 6.3.2.2.
"""

from pathlib import Path
from typing import Any

import pytest

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import Result, transact
from protocol.emv.oda import authenticate, ecc
from protocol.emv.params import EmvParams
from protocol.errors import ParameterError
from sim.acquirer import emv as issuer
from sim.cards.emv import build, profile
from sim.pki import Pki, make_pki
from sim.pki import ecc as signer
from tests.support.emv_machine import purchase
from tools.emv import explain

UN = b"\x01\x02\x03\x04"
SELECTED, SIGNATURE, CA_MISSING, RECOVERY = (0, 0x01), (3, 0x01), (4, 0x04), (4, 0x02)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def params(pki: Pki, **changes: Any) -> EmvParams:
    codes: dict[str, Any] = {name: bytes(5) for name in ("tac_denial", "tac_online", "tac_default")}
    codes.update({name: changes.pop(name) for name in list(codes) if name in changes})
    capabilities = changes.pop("capabilities", bytes.fromhex("20B8CC"))
    aids = [
        {
            "aid": bytes.fromhex("F000005444") + bytes([at]), "label": "TEST", "floor": 1_000_000, "version": b"\0\1",
            "capabilities": capabilities, **codes,
        }
        for at in (1, 2)
    ]  # fmt: skip
    body = {
        "aids": aids, "ca_keys": [pki.schemes.capk()], "deferral": True, "deferral_oda": ["cda", "xda"],
        "ecc_ca_keys": [pki.schemes.ecc_capk(suite) for suite in (signer.P256, signer.P521)],
    }  # fmt: skip
    return EmvParams({**body, **changes})


def pay(
    card: dict[str, Any], pki: Pki, online: Any = None, crypto: Any = None, **changes: Any
) -> tuple[Result, list[bytes], list[bytes]]:
    """(result, commands, DE55 put to the issuer)."""
    chip = build(card, pki)
    chip.power_off()
    txn = purchase(500_000)
    machine = transact(txn, params(pki, **changes), crypto or NativeCrypto(), UN)
    commands: list[bytes] = []
    asked: list[bytes] = []
    answer: Any = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as stop:
            assert explain.untraced(stop.value.explain, stop.value.tvr, stop.value.tsi) == [], stop.value.explain
            return stop.value, commands, asked
        if request[0] == "apdu":
            commands.append(bytes(request[1]))
            answer = chip.respond(commands[-1])
        elif request[0] == "online":
            asked.append(bytes(request[1]))
            answer = online
        else:
            answer = {"pin": bytearray(b"1234"), "choose": 0, "random": bytes(8)}.get(request[0])


def cryptograms(commands: list[bytes]) -> list[int]:
    """P1 of every GENERATE AC."""
    return [command[2] for command in commands if command[1] == 0xAE]


def bits(result: Result) -> set[tuple[int, int]]:
    return {bit for bit in (SELECTED, SIGNATURE, CA_MISSING, RECOVERY) if result.tvr[bit[0]] & bit[1]}


@pytest.mark.parametrize(("suite", "algorithm"), [(signer.P256, 2), (signer.P256, 3), (signer.P521, 2)])
@pytest.mark.parametrize("crypto", [NativeCrypto(), PureCrypto()], ids=["native", "pure"])
def test_a_genuine_card_is_approved_offline(pki: Pki, suite: int, algorithm: int, crypto: Any) -> None:
    result, commands, _ = pay({**profile("cib-xda"), "suite": suite, "hash": algorithm}, pki, crypto=crypto)
    assert (result.outcome, result.reason, result.oda, result.cda_ok) == (records.OUTCOME_APPROVED, "Y1", "xda", True)
    assert bits(result) == {SELECTED} and cryptograms(commands) == [0x48]


def test_xda_is_chosen_before_cda_and_only_where_both_can_do_it() -> None:
    assert authenticate.method(0xE1, 0xCC) == "xda"
    assert authenticate.method(0xE1, 0xC8) == "cda"
    assert authenticate.method(0x61, 0xCC) == "cda"
    assert authenticate.method(0x80, 0xC8) == "none"


def test_a_terminal_that_does_not_announce_xda_does_not_do_it(pki: Pki) -> None:
    result, commands, _ = pay(profile("cib-xda"), pki, capabilities=bytes.fromhex("20B8C8"))
    assert result.oda == "none" and result.outcome != records.OUTCOME_APPROVED and cryptograms(commands)[0] == 0x80


def test_unable_to_go_online_the_second_signature_counts(pki: Pki) -> None:
    card = {**profile("edahabia-xda-online"), "after_unable": "approve", "iac_default": "0000000000"}
    result, commands, _ = pay(card, pki)
    assert (result.outcome, result.reason, result.cda_ok) == (records.OUTCOME_APPROVED, "Y3", True)
    assert cryptograms(commands) == [0x48, 0x48]
    assert [what for what, why in result.explain if what == "XDA"] == ["XDA", "XDA"]


def test_a_deferral_rests_on_a_proved_arqc(pki: Pki) -> None:
    result, commands, _ = pay(profile("edahabia-xda-online"), pki, tac_default=b"\x01\0\0\0\0")
    assert (result.outcome, result.reason) == (records.OUTCOME_PROVISIONAL, "DEFERRED")
    assert cryptograms(commands) == [0x48, 0x08]  # an XDA signature is asked for with an AAC too


@pytest.mark.parametrize("fault", ["bad-signature", "no-signature"])
def test_a_tc_whose_signature_does_not_hold_is_declined_without_another_command(pki: Pki, fault: str) -> None:
    result, commands, asked = pay({**profile("cib-xda"), "fault": fault}, pki)
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "EMV-121")
    assert bits(result) == {SELECTED, SIGNATURE} and cryptograms(commands) == [0x48] and asked == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"fault": "bad-certificate"}, RECOVERY),
        ({"fault": "altered-record"}, RECOVERY),
        ({"ecc_until": "202611220929"}, RECOVERY),
        ({"ecc_until": "202611212359"}, RECOVERY),
    ],
)
def test_a_card_whose_key_is_not_established_goes_online_or_nowhere(
    pki: Pki, change: dict[str, Any], wrong: tuple[int, int]
) -> None:
    """The bit is in the TVR that the issuer gets, not in the one that the card computed with (Book 4, 6.3.2.2.2)."""
    result, commands, asked = pay({**profile("cib-xda"), **change}, pki)
    assert (result.outcome, result.reason) == (records.OUTCOME_DECLINED, "Z3")
    assert bits(result) == {SELECTED, wrong} and cryptograms(commands) == [0x88, 0x08]
    tags = issuer.parse(asked[0])
    assert tags[0x95][wrong[0]] & wrong[1]
    first = next(command for command in commands if command[1] == 0xAE)
    assert tags[0x95] not in first and tags[0x95][:4] + b"\0" in first
    master = pki.schemes.issuers["cib"].master_keys.ac
    pan = build(profile("cib-xda"), pki).application.pan
    assert issuer.genuine(master, pan, 1, tags, 500_000, issuer.TYPE_ARQC), "the issuer takes the bit for 0"


def test_the_same_minute_is_still_in_time(pki: Pki) -> None:
    result, _, _ = pay({**profile("cib-xda"), "ecc_until": "202611220930"}, pki)
    assert result.outcome == records.OUTCOME_APPROVED


@pytest.mark.parametrize("keys", ["none", "expired", "another"])
def test_without_the_authoritys_key_the_bit_is_there_before_the_first_analysis(pki: Pki, keys: str) -> None:
    entry = pki.schemes.ecc_capk()
    held = {"none": [], "expired": [{**entry, "expiry": "20251231"}], "another": [{**entry, "index": 1}]}[keys]
    result, commands, _ = pay(profile("cib-xda"), pki, ecc_ca_keys=held, tac_denial=b"\0\0\0\0\x04")
    assert bits(result) == {SELECTED, CA_MISSING} and cryptograms(commands) == [0x08]
    assert ("TAC-DENIAL B5b3x", "tvr 95") in result.explain


def test_the_issuer_may_approve_what_xda_could_not_prove(pki: Pki) -> None:
    """Book 4, 6.3.2.2.4: it knows from the TVR; the second signature is asked for and not looked at."""
    card = {**profile("edahabia-xda-online"), "fault": "bad-signature", "iac_default": "0000000000"}
    result, commands, asked = pay(card, pki, online={"arc": "00", "data": b"", "auth_code": "424242"})
    assert len(asked) == 1 and issuer.parse(asked[0])[0x95][3] & 0x01
    assert cryptograms(commands)[0] == 0x48 and ("RULE", "xda-failed-online") in result.explain
    assert result.reason != "EMV-121", "the card may still decline, but not for its signature"


def test_a_denied_failure_asks_nobody(pki: Pki) -> None:
    card = {**profile("edahabia-xda-online"), "fault": "bad-signature"}
    result, commands, asked = pay(card, pki, tac_denial=b"\0\0\0\x01\0")
    assert (result.outcome, result.reason, asked) == (records.OUTCOME_DECLINED, "EMV-121", [])
    assert cryptograms(commands) == [0x48, 0x08]


def test_a_revoked_issuer_proves_nothing(pki: Pki) -> None:
    serial = bytes.fromhex("F000005444") + b"\xe2" + b"\0\0\1"
    result, _, _ = pay(profile("cib-xda"), pki, revoked=[serial])
    assert bits(result) == {SELECTED, RECOVERY} and ("TVR B5b2x", "issuer-revoked") in result.explain


@pytest.mark.parametrize("suite", [signer.P256, signer.P521])
def test_every_flipped_bit_of_a_signature_is_found(suite: int) -> None:
    key = signer.key(suite, 0x1234567)
    message, crypto = b"what was signed", NativeCrypto()
    signature = key.sign(message)
    assert ecc.holds(crypto, (suite, key.x), [b"what ", b"was signed"], signature)
    for at in range(0, 8 * len(signature), 5):
        spoilt = bytearray(signature)
        spoilt[at // 8] ^= 1 << at % 8
        assert not ecc.holds(crypto, (suite, key.x), [message], bytes(spoilt)), at
    assert not ecc.holds(crypto, (suite, key.x), [message, b"!"], signature)
    assert not ecc.holds(crypto, (suite, signer.key(suite, 9).x), [message], signature)
    size = len(signature)
    for bad in (b"", signature[:-1], signature + b"\0", signature[: size - key.size] + bytes(key.size), bytes(size)):
        assert not ecc.holds(crypto, (suite, key.x), [message], bad)


def test_a_set_with_a_key_that_nobody_can_use_is_refused(pki: Pki) -> None:
    entry = pki.schemes.ecc_capk()
    for change in ({"suite": 0x12}, {"x": bytes(31)}, {"expiry": "2039"}, {"rid": b"\0"}):
        with pytest.raises(ParameterError):
            params(pki, ecc_ca_keys=[{**entry, **change}])


def test_keys_are_kept_in_a_folder(pki: Pki, tmp_path: Path) -> None:
    assert pki.schemes.ecc_key("ca").x == pki.schemes.ecc_key("ca").x != pki.schemes.ecc_key("issuer-cib").x
