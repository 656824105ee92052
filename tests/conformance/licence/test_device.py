"""The same readings on 32-bit MicroPython: recorded here, replayed there, in its heap."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from protocol.licence import mrz
from sim.cards.licence import mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.cards.licence.proof.keys import AgreementKey
from sim.cards.licence.proof.suite import Suite
from sim.pki import revocation
from sim.pki.states import AUTHORITIES
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_proof import der_of
from tests.protocol.licence import judge, replay
from tests.support import cross

HEAP = "256k"  # the application's 224k, and what nobody drops between the phases of a reading here
SAMPLE = (
    "active-p256", "active-rsa-2048", "agreement-aes256", "agreement-dh", "agreement-dh-aes", "agreement-standardised",
    "altered-name", "clone-active-stripped", "clone-agreement-3des", "clone-cam", "eu", "eu-pace", "foreign-issuer-posing",
    "impostor-issuer", "pace-can", "pace-everything", "pace-false-token", "pace-garbled-access", "pace-gm-3des", "pace-gm-aes256",
    "pace-gm-dh", "pace-hidden", "pace-im", "pace-im-p256", "pace-off-curve", "pace-refused", "pace-unknown-curve", "saliha",
    "strict", "swapped-sod",
)  # fmt: skip
SIGNERS = ("p384-sha512", "p521-sha512", "bp384-sha384", "rsa-sha1", "rsa-sha512", "pss-sha384", "explicit-equal", "explicit-b",
           "late", "p256-sha224")  # fmt: skip


def text_of(given: "dict[str, Any]") -> str:
    """What is printed on the card, as `replay.run` takes it."""
    can = given.get("can", "") if not given.get("bac", True) else ""
    return "CAN " + can if can else mrz_lines(PEOPLE[given["person"]])


def record(
    given: "dict[str, Any]", path: Path, groups: "tuple[int, ...]", portrait: bool, room: int, chip: Any = None
) -> "tuple[Any, ...]":
    """Read on CPython, write down what went over; the arguments for `replay.run` and the outcome. `chip`: another than the profile's."""
    chip = bench.chip_of(given) if chip is None else chip
    text = text_of(given)
    printed = mrz.from_can(text[4:]) if text.startswith("CAN ") else mrz.parse(text)
    outcome = bench.read(
        given,
        chip,
        printed=printed,
        rnd=replay.random_bytes(),
        groups=groups,
        portrait=portrait,
        atr=chip.atr,
        room=room,
    )
    rows = zip(outcome.commands, outcome.answers, strict=True)
    path.write_text("".join(f"{command.hex()} {answer.hex()}\n" for command, answer in rows))
    anchors = [[AUTHORITIES[name].country, bench.pki().authorities[name].der] for name in bench.TRUSTED]
    arguments = (str(path), text, anchors, bench.TODAY, list(groups), portrait, chip.atr, room)
    return arguments, {"error": outcome.code} if outcome.error else replay.outcome(outcome.reading)


def compare(cases: "list[tuple[Any, ...]]", folder: Path) -> None:
    """Record all, replay all in one process of the device, and expect what CPython found."""
    made = [record(case[0], folder / str(at), *case[1:]) for at, case in enumerate(cases)]
    found = cross.run_on_device("tests.protocol.licence.replay", "run", [arguments for arguments, _ in made], HEAP)
    expected = cross.on_host(lambda wanted: wanted, [(wanted,) for _, wanted in made])
    for case, one, two in zip(cases, found, expected, strict=True):
        assert one == two, case[0]


@meets("LX-03")
def test_profiles_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    compare([(profile(name), (1, 11), False, 0) for name in SAMPLE], tmp_path)


@meets("LX-03")
def test_signers_of_every_kind_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    compare([({**profile("amina"), "signer": name}, (1, 11), False, 0) for name in SIGNERS], tmp_path)


@meets("LX-03")
@pytest.mark.parametrize(("name", "portrait", "room"), [("extended-small", False, 1024), ("rich", True, 0)])
def test_long_answers_and_many_groups_come_out_the_same_on_the_device(
    name: str, portrait: bool, room: int, tmp_path: Path
) -> None:
    groups = (1, 2, 3, 5, 7, 11, 12) if name == "rich" else (1, 4, 11)
    compare([({**profile(name), "portrait_bytes": 6000}, groups, portrait, room)], tmp_path)


@meets("LX-03")
def test_odd_chips_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    """Lengths refused in clear, a clone that hides behind one."""
    quick = {**profile("amina"), "portrait_bytes": 2500}
    announcing = {**quick, "announces_extended": True}
    large = {**profile("active-rsa-2048"), "portrait_bytes": 2500}
    late = {**profile("both-proofs"), "portrait_bytes": 300}
    short = (1, 11)
    compare(
        [
            (quick, (1, 4), False, 0, odd_chips.ends_the_channel(bench.chip_of(quick), 223, 0x6700)),
            (announcing, (1, 4), False, 1024, odd_chips.ends_the_channel(bench.chip_of(announcing), 256, 0x6F00)),
            (large, short, False, 1024, odd_chips.answering(large, lambda _: (b"", 0x6700))),
            (large, short, False, 0, odd_chips.clear(bench.chip_of(large), lambda _: True, 0x6C00)),
            (late, short, False, 0, odd_chips.signing_late(bench.chip_of(late), 0x6982)),
        ],
        tmp_path,
    )


@meets("LX-03")
def test_lengths_asked_again_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    """Signatures and answers that come for their own length alone."""
    signs, agrees, paces = (
        {**profile(name), "portrait_bytes": 300} for name in ("active-rsa-sha1", "agreement-aes128", "pace-gm")
    )
    strict = {**profile("strict"), "portrait_bytes": 300, "active": {"key": "P-256"}}
    small = {**profile("extended-small"), "portrait_bytes": 300, "active": {"key": "RSA-2048"}}
    short = (1, 11)

    def odd(given: "dict[str, Any]", ins: int, status: int, clear: bool = False) -> Any:
        return odd_chips.by_length(bench.chip_of(given), ins, odd_chips.exactly, status, clear)

    compare(
        [
            (signs, short, False, 0, odd(signs, 0x88, 0x6C00)),
            (signs, short, False, 0, odd(signs, 0x88, 0x6700, True)),
            (agrees, short, False, 0, odd(agrees, 0x86, 0x6700)),
            (paces, short, False, 0, odd(paces, 0x86, 0x6C00)),
            (strict, short, False, 0),
            (small, short, False, 0x7000),
        ],
        tmp_path,
    )


@meets("LX-03")
def test_the_key_of_the_mapping_is_found_the_same_on_the_device(tmp_path: Path) -> None:
    """In EF.CardSecurity alone, on another curve than DG14's, in a copied file; through a channel that ends on the way to it."""
    short = (1, 11)
    names = ("pace-cam-own", "pace-cam-other-curve", "pace-cam-alone", "clone-cam-own")
    cases = [(profile(name), short, False, 0) for name in names]
    cases.append(({**profile("pace-cam-own"), "keeps_channel": False}, short, False, 0))
    cases.append(({**profile("pace-cam-own"), "card_security": {"signer": "unknown"}}, short, False, 0))
    compare(cases, tmp_path)


@meets("LX-03")
def test_chips_with_a_key_too_many_come_out_the_same_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two keys for chip authentication, a mapping with a key beside its own."""
    agreement, mapped = profile("agreement-aes128"), profile("pace-cam")
    keys = (AgreementKey("P-256", Suite("AES-256"), 1), AgreementKey("P-384", Suite("AES-128"), 2))
    curve = bench.chip_of(mapped).abilities.agreement.domain
    both = (AgreementKey("P-256", Suite("AES-128"), 7), AgreementKey(curve, Suite("AES-128"), 8))
    mapping = odd_chips.two_keys(mapped, both, monkeypatch)
    mapping.abilities.agreement = both[1]
    short = (1, 11)
    cases = [(agreement, odd_chips.two_keys(agreement, keys, monkeypatch)), (mapped, mapping)]
    compare([(given, short, False, 0, chip) for given, chip in cases], tmp_path)


@meets("LX-03", "LP-16", "LP-17")
def test_proofs_that_must_be_tried_come_out_the_same_on_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash that nobody names, a signature in DER; a key too long for a card without extended length."""
    signs = {"person": "amina", "portrait_bytes": 300, "active": {"key": "P-256", "hash": "sha1"}}
    coded = odd_chips.without_group14(signs, monkeypatch)
    inner = coded.abilities.active.sign
    coded.abilities.active.sign = lambda challenge: der_of(inner(challenge))
    agrees = {
        "person": "amina",
        "portrait_bytes": 300,
        "agreement": {"domain": "RFC3526-2048", "suite": "AES-128"},
    }
    cases = [(signs, 0, odd_chips.without_group14(signs, monkeypatch)), (signs, 0, coded), (agrees, 0, None)]
    cases.append((agrees, 0x7000, None))
    compare([(given, (1,), False, room, chip) for given, room, chip in cases], tmp_path)


@meets("LX-03", "LB-20")
def test_other_kinds_of_signed_content_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    kinds = ("1.3.27.1.1.1", "1.2.528.1.1006.1.20.1", "1.2.3.4")
    compare([({**profile("amina"), "sod": {"content_type": kind}}, (1,), False, 0) for kind in kinds], tmp_path)


@meets("LX-03", "LB-10")
def test_revocation_lists_are_read_the_same_on_the_device() -> None:
    pki, inputs = bench.pki(), []
    for name in ("csca", "csca-rsa", "csca-pss", "csca-brainpool", "csca-impostor"):
        held = pki.signers["revoked"]
        serial = held.certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
        begins, ends = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
        listed = revocation.crl(pki.authorities[name], [held], begins, ends, fill=30)
        against = "csca" if name == "csca-impostor" else name
        inputs.append((pki.authorities[against].der, listed, [serial, b"\x03\xe8", b"\x01"]))
    found = cross.run_on_device("tests.protocol.licence.judge", "revoked", inputs)
    assert found == cross.on_host(judge.revoked, inputs)
    day = "20250101000000"
    assert found[0] == [True, "20251231000000", day, day, ""] and found[-1][0] is False
