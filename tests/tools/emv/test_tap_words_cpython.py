"""What is told of a tap, of who declined and of XDA makes sense: hex is no certificate, a status word or a CVM code no data object."""

import secrets
from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.emv import kernel
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result
from sim.cards.emv import build, profile
from sim.cards.emv.contactless import build as build_tap
from sim.cards.emv.contactless.profiles import PROFILES
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.protocol.emv import test_xda_cpython as xda
from tests.support import emv_machine
from tools.emv import explain

TXN = {"amount": 90_000, "currency": 12, "country": 12, "date": "261128", "time": "093000", "type": 0, "counter": 1}
CERTIFICATE = "a certificate or signature does not hold"
GO = {"arc": "00", "auth_code": "4711"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def _drive(machine: Any, card: Any, answers: dict[str, Any]) -> Result:
    return emv_machine.run(
        machine,
        card.respond,
        lambda request: secrets.token_bytes(request[1]) if request[0] == "random" else answers.get(request[0]),
    )


def tap(pki: Pki, card: dict[str, Any], amount: int = 90_000, **answers: Any) -> Result:
    params = ContactlessParams(emv_body(pki))
    machine = entry.transact({**TXN, "amount": amount}, params, NativeCrypto(), secrets.token_bytes(4), TornLog())
    return _drive(machine, build_tap(card, pki), {"again": True, **answers})


def insert(pki: Pki, card: dict[str, Any], **answers: Any) -> Result:
    machine = kernel.transact(TXN, kernel_params(pki), NativeCrypto(), secrets.token_bytes(4))
    return _drive(machine, build(card, pki), {"pin": card.get("pin", "1234").encode(), "choose": 0, **answers})


def kernel_params(pki: Pki) -> Any:
    from protocol.emv.params import EmvParams

    return EmvParams(emv_body(pki))


def said(result: Result, lang: str = "en") -> list[str]:
    return explain.lines(result.explain, lang, result.detail)


def test_no_hex_is_taken_for_a_certificates_rule() -> None:
    for number in range(10_000):
        assert explain.rule_of(f"{number:04d}") == ""
        assert CERTIFICATE not in explain.line("CTQ", f"{number:04d} 9F6C", "en")
        assert CERTIFICATE not in explain.line("TTQ", f"{number:04d}4080", "en")
    for byte in range(256):
        assert explain.rule_of(f"{byte:02X}") == explain.rule_of(f"{byte:02x}") == ""
        for what in (
            "TTQ",
            "CTQ",
            "GPO",
            "PSE",
            "SELECT",
            "K3 FDDA",
            "PIN-KEY",
            "TVR B1b3",
            "RULE",
            "ONLINE",
            "OUTCOME",
        ):
            assert CERTIFICATE not in explain.line(what, f"{byte:02X}", "en"), (what, byte)
    assert explain.rule_of("icc-hash") == explain.rule_of("no-icc-key") == "certificate"


def test_qualifiers_are_told_bit_by_bit() -> None:
    line = explain.line("TTQ", "37E04080", "en")
    assert "the holder has to be verified" in line and "the bank has to be asked" in line and "37E04080" in line
    assert explain.line("CTQ", "0000 9F6C", "en") == "The card's wishes 0000: none [9F6C Card Transaction Qualifiers]"
    line = explain.line("CTQ", "8000 9F69", "en")
    assert "online PIN" in line and "9F69 Card Authentication Related Data" in line
    for hostile in ("9999990100000013", "99999901", "zz", ""):  # nothing but qualifiers is echoed
        assert explain.line("CTQ", hostile, "en").endswith("?")
    assert "9999990100000013" not in explain.line("COMBINATION", "kernel 9999990100000013", "en")
    assert "9999990100000013" not in explain.line("GPO", "9999990100000013", "en")


def test_what_the_card_gave_is_named_as_the_cryptogram_that_it_is() -> None:
    for kind, name in (("00", "AAC"), ("40", "TC"), ("80", "ARQC"), ("88", "ARQC"), ("48", "TC")):
        assert explain.line("GPO", "card gave " + kind, "en").startswith(
            f"GET PROCESSING OPTIONS: the card gave {name} ("
        )
        assert f"[{name} (" in explain.outcome("EMV-120", "en", kind)


def test_status_words_and_cvm_codes_are_no_data_objects() -> None:
    for rule in ("refused", "not-recovered", "pin-blocked", "pin-tries-used"):
        assert explain.line("GPO", rule + " 9F10", "en").endswith("[9F10]")
    assert explain.outcome("EMV-105", "en", "9F10").endswith("[9F10]")
    line = explain.line("TVR B3b7", "unrecognised 57 8E", "en")
    assert "Track 2" not in line and "8E CVM List" in line
    assert "[online PIN, 9F33" in explain.line("TVR B3b5", "pin-not-supported 02 9F33", "en")


def test_a_missing_object_of_a_proof_is_named_as_missing() -> None:
    for tag in ("9F4B", "90", "8F", "9F47"):
        line = explain.line("K3 FDDA", tag, "en")
        assert f"data object absent from the card [{tag} " in line and CERTIFICATE not in line


def test_who_declined(pki: Pki) -> None:
    """Z1 is the card's only where the card gave less than it was asked for."""
    usage, pin = {"usage": "0000"}, {"verify": "pin"}
    cases = [
        (tap(pki, {**PROFILES["tap-decline"]}), "card"),
        (tap(pki, {**PROFILES["tap-approve"], **usage}), "terminal"),  # TC
        (tap(pki, {**PROFILES["tap-online"], **usage}, online=GO), "terminal"),  # ARQC
        (tap(pki, {**PROFILES["tap-expired"]}), "terminal"),
        (tap(pki, {**PROFILES["tap-approve"], **pin}, identified={"exception": True}), "terminal"),
        (insert(pki, profile("cib-decline")), "card"),
        (insert(pki, {**profile("cib-approve"), **usage}), "terminal"),  # no more than an AAC was asked for
        (insert(pki, profile("cib-approve"), pin=b""), "terminal"),
        (insert(pki, profile("cib-online"), online=GO), "card"),  # the bank said yes, the card did not believe it
    ]
    for result, who in cases:
        assert result.reason == "Z1", (result.reason, result.explain)
        assert said(result)[-1] == "Outcome: declined by the " + who, result.explain
        assert said(result, "fr")[-1].endswith({"card": "par la carte", "terminal": "par le terminal"}[who])
        assert explain.decisive(result.explain, "en") != "Outcome: declined by the " + (
            "card" if who == "terminal" else "terminal"
        )


def test_a_terminal_that_cannot_verify_the_holder_declines_by_itself() -> None:
    pairs = [("GPO", "card gave 40"), ("K3 CVM", "cvm-impossible"), ("OUTCOME", "Z1")]
    assert explain.lines(pairs, "en")[-1] == "Outcome: declined by the terminal"
    assert "none possible or proven" in explain.decisive(pairs, "en")


def test_xda_has_its_own_words(pki: Pki) -> None:
    result, _, _ = xda.pay(profile("cib-xda"), pki)
    assert ("XDA", "signature holds") in result.explain
    for lang in explain.LANGUAGES:
        lines = said(result, lang)
        assert any(line.startswith("XDA") for line in lines) and not any("CDA" in line for line in lines)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_line_of_a_tapped_card_has_words(pki: Pki, name: str) -> None:
    for amount, answers in (
        (90_000, {}),
        (650_000, {"online": GO, "online_pin": True}),
        (90_000, {"online": {"arc": "51"}}),
    ):
        result = tap(pki, dict(PROFILES[name]), amount, **answers)
        for lang in explain.LANGUAGES:
            lines = said(result, lang)
            assert not any("?" in line for line in lines)
            for (what, why), line in zip(result.explain, lines, strict=True):
                assert not line.startswith(what + ":") or what in ("CDA", "PIN", "GPO"), (what, why, line)
                wrong = explain.rule_of(why) == "certificate" and what not in ("K3 FDDA", "TVR B1b3")
                assert not wrong, (what, why)
