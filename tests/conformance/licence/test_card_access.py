"""EF.CardAccess on chips that do not give it at the first asking: one that offers PACE is never taken for one without."""

from pathlib import Path
from typing import Any

import pytest

from sim.cards.licence import profile
from sim.cards.tlv import tlv
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare

WORDS = (0x6700, 0x6C00, 0x6CF0, 0x6B00, 0x6F00, 0x6282, 0x6981, 0x6982, 0x6985, 0x6986, 0x6A86, 0x9000)
SIZE = len(bench.chip_of("pace-gm").content.files[0x1C])
OID = b"\x06\x0a\x04\x00\x7f\x00\x07\x02\x02\x04\x02\x02"


def within(apdu: Any, _: bool) -> bool:
    """No more than is there."""
    at = apdu.p2 if apdu.p1 & 0x80 else apdu.p1 << 8 | apdu.p2
    return at + apdu.le <= SIZE


def by_select(apdu: Any, _: bool) -> bool:
    """No short identifier."""
    return not apdu.p1 & 0x80


def after_select(_: Any, selected: bool) -> bool:
    """Only once the master file was selected."""
    return selected


def at_most_sixteen(apdu: Any, _: bool) -> bool:
    """A small answer only."""
    return apdu.le <= 16


def everything_at_once(apdu: Any, selected: bool) -> bool:
    """All of these wishes."""
    return within(apdu, selected) and by_select(apdu, selected) and selected


GIVES = (within, by_select, after_select, at_most_sixteen, everything_at_once)


@meets("LA-14")
@pytest.mark.parametrize("gives", GIVES)
@pytest.mark.parametrize("name", ["pace-gm", "pace-only", "pace-can"])
def test_pace_is_found_in_whatever_way_the_file_is_given(gives: Any, name: str) -> None:
    for status in WORDS:
        outcome = bench.read(name, odd_chips.choosy(bench.chip_of(name), gives, status), groups=(1,))
        assert (outcome.done.access, outcome.done.findings) == ("PACE", []), hex(status)
        assert bench.basic_access(outcome) == []


def long(size: int) -> "dict[str, Any]":
    """A profile whose EF.CardAccess has so many bytes, the offer of PACE at its end."""
    wanted = bench.chip_of("pace-gm").content.files[0x1C][2:]
    other = b"\x06\x04\x2a\x03\x04\x05"
    one = tlv(0x30, other, tlv(0x04, bytes(200)))
    count = (size - len(wanted) - 160) // len(one)
    last = tlv(0x30, other, tlv(0x04, bytes(size - len(wanted) - count * len(one) - 20)))
    body = tlv(0x31, one * count, last, wanted)
    return {**profile("pace-gm"), "card_access_is": body, "portrait_bytes": 300}


@meets("LA-14")
@pytest.mark.parametrize("size", [700, 1025, 2000, 4090])
def test_a_long_file_is_read_to_its_end(size: int) -> None:
    assert 0 <= size - len(long(size)["card_access_is"]) <= 8
    assert bench.read(long(size), groups=(1,)).done.access == "PACE"
    sixteen = odd_chips.choosy(bench.chip_of(long(size)), at_most_sixteen, 0x6F00)
    outcome = bench.read(long(size), sixteen, groups=(1,))
    assert outcome.done.access == "PACE" and len(outcome.commands) < size / 16 + 100


@meets("LA-09", "LA-14")
@pytest.mark.parametrize("size", [4200, 20000, 70000])
def test_a_file_longer_than_is_read_is_said_to_be_and_bac_is_not_tried(size: int) -> None:
    outcome = bench.read(long(size), groups=(1,))
    assert outcome.error is not None and (outcome.code, outcome.error.detail) == ("LIC-024", "size")
    assert "larger" in outcome.error.message and len(outcome.commands) < 30
    assert bench.basic_access(outcome) == []


@meets("LA-14")
def test_a_chip_without_the_file_is_asked_once_and_one_that_says_nothing_clear_a_few_times() -> None:
    def before_access(outcome: Any) -> int:
        return [command[:3] for command in outcome.commands].index(b"\x00\xa4\x04")

    assert before_access(bench.read("amina")) == 1
    for status in (0x6A82, 0x6A83, 0x6A88, 0x6D00, 0x6E00):
        chip = odd_chips.choosy(bench.chip_of("active-p256"), lambda *_: False, status)
        assert before_access(bench.read("active-p256", chip)) == 1
    for status in WORDS:
        outcome = bench.read("active-p256", odd_chips.choosy(bench.chip_of("active-p256"), lambda *_: False, status))
        assert (outcome.done.access, outcome.done.findings) == ("BAC", []), hex(status)
        assert before_access(outcome) <= 10


@meets("LA-07")
@pytest.mark.parametrize(
    "info",
    [
        tlv(0x30, OID, b"\x02\x01\x02"),
        tlv(0x30, OID, b"\x02\x01\x01", b"\x02\x01\x0d"),
        tlv(0x30, OID[:-2] + b"\x05\x02", b"\x02\x01\x02", b"\x02\x01\x0d"),
        tlv(0x30, OID, b"\x02\x01\x02", b"\x02\x01\x11"),
    ],
    ids=["no domain", "version 1", "unknown mapping", "brainpoolP512r1"],
)
def test_pace_of_a_form_that_cannot_be_run_leads_to_bac_with_a_finding(info: bytes) -> None:
    given = {**profile("amina"), "pace": ["GM brainpoolP256r1 AES-128"]}
    got = bench.read({**given, "card_access_is": tlv(0x31, info)})
    assert got.done.access == "BAC" and "LIC-245" in got.done.findings
    other = tlv(0x31, tlv(0x30, b"\x06\x04\x2a\x03\x04\x05", b"\x02\x01\x02"))
    assert "LIC-245" not in bench.read({**given, "card_access_is": other}).done.findings


@meets("LX-03")
def test_ways_to_the_file_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    given = {**profile("pace-gm"), "portrait_bytes": 300}
    chips = [odd_chips.choosy(bench.chip_of(given), gives, 0x6B00) for gives in (within, everything_at_once)]
    cases: "list[tuple[Any, ...]]" = [(given, (1,), False, 0, chip) for chip in chips]
    plain = {**profile("amina"), "portrait_bytes": 300, "pace": ["GM brainpoolP256r1 AES-128"]}
    cases.append((long(4090), (1,), False, 0))
    cases.append((long(4200), (1,), False, 0))
    cases.append(({**plain, "card_access_is": tlv(0x31, tlv(0x30, OID, b"\x02\x01\x02"))}, (1,), False, 0))
    compare(cases, tmp_path)
