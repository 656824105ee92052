"""A card pulled anywhere changes no verdict: what an earlier reading left is believed no more than what is read now."""

from pathlib import Path
from typing import Any

import pytest

from protocol import records
from protocol.licence.profile import COM, SOD
from sim.cards.licence import content
from sim.cards.licence.proof.keys import ActiveKey, generate
from sim.cards.tlv import tlv
from tests.conformance.licence import bench, test_device
from tests.conformance.licence.requirements import meets
from tests.protocol.licence import replay
from tests.support import cross

ALL = tuple(range(1, 15))
UNKNOWN_HASH = tlv(
    0x31,
    tlv(0x30, tlv(6, bytes.fromhex("678108010105")), b"\x02\x01\x01", tlv(6, bytes.fromhex("04007f00070101040109"))),
)
"""An ActiveAuthenticationInfo that names a hash which nobody knows."""
UNSIGNED = {"unknown hash": UNKNOWN_HASH, "malformed": b"\x31\x05\x30", "no infos": b"\x31\x00"}
VERDICTS = {"own": records.VERDICT_GENUINE, "other": records.VERDICT_CLONE, "none": records.VERDICT_CLONE}


def given(held: str) -> "dict[str, Any]":
    return {"person": "amina", "portrait_bytes": 1500, "active": {"key": "P-256", "held": held}}


def chip(held: str, unsigned: bytes) -> Any:
    """A chip with active authentication and a DG14 that its EF.COM lists and its SOD does not."""
    made = bench.chip_of(given(held))
    files = made.content.files
    files[14] = tlv(0x6E, unsigned)
    files[COM] = content.com(sorted(number for number in files if number <= 14))
    return made


def torn(wanted: "dict[str, Any]", card: Any, pull_at: int, **options: Any) -> Any:
    """What the reading came to that went on after the card was pulled at one command."""
    resume = bench.Resume()
    card.power_off()
    assert bench.read(wanted, card, pull_at=pull_at, resume=resume, **options).code == "CRD-003"
    card.power_off()
    return bench.read(wanted, card, resume=resume, **options)


@meets("LP-19")
@pytest.mark.parametrize("unsigned", list(UNSIGNED))
@pytest.mark.parametrize("held", list(VERDICTS))
def test_an_unsigned_group_of_keys_has_no_say_wherever_the_card_is_pulled(held: str, unsigned: str) -> None:
    wanted, card = given(held), chip(held, UNSIGNED[unsigned])
    whole = bench.read(wanted, card, groups=ALL, portrait=True)
    assert whole.done.verdict == VERDICTS[held] and "LIC-210" in whole.done.findings
    assert "LIC-244" not in whole.done.findings
    count = len(whole.commands)
    for at in sorted({*range(2, count, 7), count - 3, count - 1, count}):
        got = torn(wanted, card, at, groups=ALL, portrait=True)
        assert got.summary() == whole.summary() and got.done.covered == whole.done.covered, at


@meets("LP-19")
@pytest.mark.parametrize("name", ["both-proofs", "pace-cam-own", "clone-active-none", "clone-half", "altered-portrait"])
def test_every_verdict_is_that_of_the_unbroken_reading(name: str) -> None:
    wanted = {**bench.profile(name), "portrait_bytes": 600}
    card = bench.chip_of(wanted)
    whole = bench.read(wanted, card, groups=ALL, portrait=True)
    for at in range(3, len(whole.commands) + 1, 9):
        assert torn(wanted, card, at, groups=ALL, portrait=True).summary() == whole.summary(), at


@meets("LR-12")
@pytest.mark.parametrize("first", [True, False])
def test_a_chip_that_shows_a_security_object_only_now_or_no_more_is_another_one(first: bool) -> None:
    """Groups hashed without a SOD, by whichever algorithm, are not compared with one that comes later."""
    wanted = {**bench.profile("amina"), "portrait_bytes": 600, "sod": {"group_hash": "sha512"}}
    resume, whole, bare = bench.Resume(), bench.chip_of(wanted), bench.chip_of({**wanted, "damage": {SOD: "gone"}})
    chips = (bare, whole) if first else (whole, bare)
    last = len(bench.read(wanted, chips[0]).commands)
    chips[0].power_off()
    bench.read(wanted, chips[0], pull_at=last, resume=resume)
    assert resume.reads
    assert bench.read(wanted, chips[1], resume=resume).code == "LIC-033" and not resume.reads


def _large(filler: bytes) -> bytes:
    return b"\x77\x82\x30\x00" + filler * 0x3000


_CUT = b"\x77\x82\x10\x00" + bytes(40)
UNREADABLE = {
    "good, cut": (None, _CUT),
    "good, another tag": (None, b"\x30\x03abc"),
    "good, large": (None, _large(b"B")),
    "large, another large": (_large(b"A"), _large(b"B")),
    "large, the same": (_large(b"A"), _large(b"A")),
    "cut, cut": (_CUT, _CUT),
    "cut, good": (_CUT, None),
    "none, none": (b"", b""),
}
"""EF.SOD of the first and of the second chip; None: its own, empty: the chip has none."""


def of_person(person: str, sod: "bytes | None") -> Any:
    """A person's chip behind the print of the first one."""
    card = bench.chip_of({"person": person, "mrz": "amina"} if person != "amina" else "amina")
    if sod:
        card.content.files[SOD] = sod
    elif sod is not None:
        del card.content.files[SOD]
    return card


@meets("LR-12", "LX-03")
@pytest.mark.parametrize("case", list(UNREADABLE))
def test_nothing_of_two_chips_comes_together_where_a_security_object_cannot_be_read(case: str, tmp_path: Path) -> None:
    first, second = UNREADABLE[case]
    alone = bench.read("amina", of_person("karim", second))
    told, recorded = 0, None
    for at in range(8, len(bench.read("amina", of_person("amina", first)).commands) + 1):
        resume, rnd, archive = bench.Resume(), replay.random_bytes(), {}
        options = {"resume": resume, "rnd": rnd, "archive": archive}
        parts = [bench.read("amina", of_person("amina", first), pull_at=at, **options)]
        begun = bool(resume.reads)
        parts.append(bench.read("amina", of_person("karim", second), **options))
        if parts[1].reading is None:
            assert parts[1].code == "LIC-033" and not resume.reads and None in (first, second), at
            told += 1
        else:
            assert replay.outcome(parts[1].done) == replay.outcome(alone.done), at
            assert {1, 11} <= set(archive) and archive[1] == of_person("karim", second).content.files[1]
        if begun:
            recorded = parts
    assert bool(told) == (None in (first, second)) and recorded is not None
    rows = "".join(row for part in recorded for row in _rows(part))
    (tmp_path / "torn").write_text(rows)
    anchors = [("DZ", bench.pki().csca.der)]
    run = (
        str(tmp_path / "torn"),
        test_device.text_of(bench.profile("amina")),
        anchors,
        bench.TODAY,
        list(bench.GROUPS),
    )
    expected = {"error": "LIC-033"} if recorded[1].reading is None else replay.outcome(recorded[1].done)
    found = cross.run_on_device("tests.protocol.licence.replay", "run", [run], test_device.HEAP)
    assert found == cross.on_host(lambda wanted: wanted, [(expected,)])


@meets("LP-19", "LX-03")
@pytest.mark.parametrize("held", ["own", "other"])
def test_an_unsigned_group_of_keys_has_no_say_on_the_device_either(held: str, tmp_path: Path) -> None:
    wanted, card, rnd = given(held), chip(held, UNKNOWN_HASH), replay.random_bytes()
    resume = bench.Resume()
    options = {"groups": ALL, "rnd": rnd, "resume": resume}
    last = len(bench.read(wanted, card, groups=ALL).commands)
    card.power_off()
    parts = [bench.read(wanted, card, pull_at=last, **options)]
    assert resume.reads[14].complete
    card.power_off()
    parts.append(bench.read(wanted, card, **options))
    rows = [row for part in parts for row in _rows(part)]
    (tmp_path / "torn").write_text("".join(rows))
    anchors = [("DZ", bench.pki().csca.der)]
    case = (str(tmp_path / "torn"), test_device.text_of(wanted), anchors, bench.TODAY, list(ALL))
    expected = replay.outcome(parts[1].done)
    assert expected["verdict"] == VERDICTS[held] and replay.run(*case) == expected
    found = cross.run_on_device("tests.protocol.licence.replay", "run", [case], test_device.HEAP)
    assert found == cross.on_host(lambda wanted: wanted, [(expected,)])


def exchanged(name: str, group: int) -> "tuple[dict[str, Any], Any]":
    """A copy with keys of its own in a group that the SOD lists with another hash: whatever is asked of it holds under them."""
    wanted = {**bench.profile(name), "portrait_bytes": 600}
    copy, original = bench.chip_of(wanted), bench.chip_of(wanted)
    if group == 13:
        key = generate(wanted["active"]["key"])
        copy.abilities.active = ActiveKey(key.public_key(), key, "sha256")
        copy.content.files[13] = copy.abilities.active.group13()
    assert copy.content.files[group] != original.content.files[group]
    copy.content.files[SOD] = original.content.files[SOD]
    return wanted, copy


@meets("LP-06", "LX-03")
@pytest.mark.parametrize(("name", "group", "ins"), [("active-p256", 13, 0x88), ("agreement-aes128", 14, 0x86)])
def test_a_key_that_was_exchanged_is_not_even_asked(name: str, group: int, ins: int, tmp_path: Path) -> None:
    wanted, copy = exchanged(name, group)
    got = bench.read(wanted, copy)
    assert (got.done.verdict, got.done.altered_groups, got.done.chip) == (records.VERDICT_ALTERED, [group], "failed")
    assert not [command for command in got.commands if command[:2] == bytes((0x0C, ins))]
    copy.power_off()
    test_device.compare([(wanted, (1, 11), False, 0, copy)], tmp_path)


def _rows(outcome: Any) -> "list[str]":
    """The lines of one reading for `replay.run`; the command that has no answer is the one at which the card was pulled."""
    answers = [answer.hex() for answer in outcome.answers] + [replay.GONE] * outcome.torn
    return [f"{command.hex()} {answer}\n" for command, answer in zip(outcome.commands, answers, strict=True)]
