"""Readings of simulated licences recorded on CPython and replayed on 32-bit MicroPython: same commands, same verdict, its heap."""

import datetime as dt
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.licence import mrz
from protocol.licence import profile as profile_of
from protocol.licence.reader import read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki, sod
from tests.protocol.licence import chips_cpython as chips
from tests.protocol.licence import replay
from tests.support import cross

TODAY = "20250611"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def record(
    card: Any, who: str, anchor: bytes, path: Path, groups: "tuple[int, ...]" = (1, 11), portrait: bool = False
) -> dict[str, Any]:
    """Read on CPython with `cryptography`, write the conversation to `path`, return the outcome."""
    parsed = mrz.parse(mrz_lines(PEOPLE[who]))
    trust = TrustSet([{"country": "DZ", "purpose": "idl", "cert": anchor}])
    machine = read_licence(NativeCrypto(), parsed, replay.random_bytes(), trust, TODAY, groups, portrait)
    answer = None
    with path.open("w") as stream:
        while True:
            try:
                request: Any = machine.send(answer)
            except StopIteration as end:
                return replay.outcome(end.value)
            answer = None
            if request[0] == "apdu":
                answer = card.respond(request[1])
                stream.write(f"{request[1].hex()} {answer.hex()}\n")


@pytest.mark.parametrize(
    ("name", "groups", "portrait", "verdict"),
    [
        ("amina", (1, 11), False, records.VERDICT_DATA_GENUINE),
        ("yacine", (1, 2, 3, 11), False, records.VERDICT_DATA_GENUINE),
        ("nadia", (1, 4, 11), False, records.VERDICT_DATA_GENUINE),
        ("karim", (1, 4), True, records.VERDICT_DATA_GENUINE),
        ("altered", (1, 11), False, records.VERDICT_ALTERED),
        ("unknown-issuer", (1, 11), False, records.VERDICT_UNKNOWN_ISSUER),
    ],
)
def test_a_reading_is_the_same_on_the_device(
    name: str, groups: "tuple[int, ...]", portrait: bool, verdict: int, pki: Pki
) -> None:
    given = profile(name)
    assert compare(build(given, pki), given["person"], pki, groups, portrait)["verdict"] == verdict


def compare(
    card: Any, who: str, pki: Pki, groups: "tuple[int, ...]" = (1, 11), portrait: bool = False, anchor: bytes = b""
) -> dict[str, Any]:
    """Record on CPython, replay on both runtimes, all outcomes equal; the outcome. `anchor`: what is trusted for Algeria."""
    anchor = anchor or pki.csca.der
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversation"
        expected = record(card, who, anchor, path, groups, portrait)
        inputs = [(str(path), mrz_lines(PEOPLE[who]), anchor, TODAY, list(groups), portrait)]
        assert replay.run(*inputs[0]) == expected
        assert cross.run_on_device("tests.protocol.licence.replay", "run", inputs) == cross.on_host(replay.run, inputs)
        return expected


def test_chips_that_prove_themselves_are_believed_on_the_device_too(pki: Pki) -> None:
    for card in (
        chips.make(pki, active=chips.rsa_key(1536), ca=chips.CA_AES128),
        chips.make(pki, ca=chips.CA_3DES),
        chips.make(pki, active=ec.generate_private_key(ec.SECP256R1()), aa_hash=3, ca=chips.CA_3DES),
        chips.make(pki, pace=chips.PACE_CAM_AES128, ca=chips.CA_AES128),
    ):
        assert compare(card, "amina", pki)["verdict"] == records.VERDICT_GENUINE


def test_a_clone_is_suspected_on_the_device_too(pki: Pki) -> None:
    card = chips.make(pki, ca=chips.CA_AES128)
    card.knows = False
    assert compare(card, "amina", pki)["verdict"] == records.VERDICT_CLONE


@pytest.mark.parametrize(
    ("given", "verdict", "findings", "altered"),
    [
        ({"sod": {"signed_type": "data"}}, records.VERDICT_ALTERED, ["LIC-227"], [0]),
        ({"signer": "two-algorithms"}, records.VERDICT_UNKNOWN_ISSUER, ["LIC-237"], []),
        ({"signer": "unknown-critical"}, records.VERDICT_NOT_VERIFIED, ["LIC-232"], []),
        ({"signer": "unknown-uncritical"}, records.VERDICT_DATA_GENUINE, [], []),
    ],
)
def test_what_a_signer_may_not_do_is_refused_on_the_device_too(
    given: "dict[str, Any]", verdict: int, findings: "list[str]", altered: "list[int]", pki: Pki
) -> None:
    got = compare(build({**profile("amina"), **given}, pki), "amina", pki)
    assert (got["verdict"], got["findings"], got["altered"]) == (verdict, findings, altered)


def test_an_anchor_whose_certificate_names_another_state_vouches_for_nobody_on_the_device_either(pki: Pki) -> None:
    card = build({**profile("amina"), "signer": "foreign"}, pki)
    got = compare(card, "amina", pki, anchor=pki.authorities["csca-foreign"].der)
    assert (got["verdict"], got["findings"]) == (records.VERDICT_UNKNOWN_ISSUER, ["LIC-229"])


@pytest.mark.parametrize("signer", ["dz", "foreign"])
def test_a_licence_that_does_not_say_its_state_is_not_called_another_states(signer: str, pki: Pki) -> None:
    card = build(profile("amina"), pki)
    files = card.content.files
    files[1] = b"\x61\x04\x5f\x1f\x01\xff"
    signed = {number: files[number] for number in files if number <= 14}
    altered = files[profile_of.SOD]
    files[profile_of.SOD] = sod.build(signed, pki.signers[signer], dt.datetime(2022, 3, 10, tzinfo=dt.UTC))
    got = compare(card, "amina", pki)
    finding = "LIC-228" if signer == "foreign" else ""
    assert got["verdict"] == records.VERDICT_UNKNOWN_ISSUER and got["dg1"] is None
    assert got["findings"] == ["LIC-215", "LIC-217"] + ([finding] if finding else [])
    files[profile_of.SOD] = altered  # and so where the SOD is another's
    card.power_off()
    got = compare(card, "amina", pki)
    assert (got["verdict"], got["altered"], got["findings"]) == (
        records.VERDICT_ALTERED,
        [1],
        ["LIC-214", "LIC-215", "LIC-217"],
    )
