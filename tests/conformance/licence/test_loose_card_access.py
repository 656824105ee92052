"""EF.CardAccess as cards hold it: filled up to the size of its file, or with lengths in another form than the shortest."""

from pathlib import Path
from typing import Any

import pytest

from protocol import records
from sim.cards.licence import profile
from sim.cards.tlv import tlv
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_card_access import OID, after_select, at_most_sixteen, by_select
from tests.conformance.licence.test_device import compare

BODY = bench.chip_of("pace-gm").content.files[0x1C][2:]
SHORT = len(BODY)
FILLED = [tlv(0x31, BODY) + fill for fill in (b"\0", b"\xff", bytes(7), b"\xff" * 200, bytes(300), b"\xff\xff\0")]
FORMS = [b"\x81", b"\x82\0", b"\x83\0\0", b"\x84\0\0\0", b"\x85\0\0\0\0"]
LOOSE = [b"\x31" + form + bytes([SHORT]) + BODY for form in FORMS]
INNER = tlv(0x31, BODY[:1] + b"\x81" + BODY[1:])
ODD = [*FILLED, *LOOSE, LOOSE[0] + b"\xff" * 40, LOOSE[3] + bytes(400), INNER]
MALFORMED = {
    "an object cut short": tlv(0x31, b"\x30\x20" + OID),
    "another tag": b"\x30" + tlv(0x31, BODY)[1:],
    "nothing but filling": b"\xff" * 64,
    "no object inside": tlv(0x31, b"\xff" * 8),
    "its length is of the longest form and missing": b"\x31\xff" + bytes(20),
    "it is cut": tlv(0x31, BODY)[:-1],
}


def having(access: bytes, name: str = "pace-gm") -> "dict[str, Any]":
    """The profile with another EF.CardAccess."""
    return {**profile(name), "card_access_is": access, "portrait_bytes": 300}


@meets("LA-15")
@pytest.mark.parametrize("access", ODD)
def test_pace_is_found_whatever_fills_the_file_up_and_however_its_length_is_written(access: bytes) -> None:
    outcome = bench.read(having(access), groups=(1,))
    assert (outcome.done.access, outcome.done.findings) == ("PACE", [])
    assert bench.basic_access(outcome) == []


@meets("LA-15", "LA-14")
@pytest.mark.parametrize("access", [*LOOSE, *FILLED[:2]])
def test_it_is_found_in_small_pieces_and_by_every_way_of_selecting(access: bytes) -> None:
    def within(apdu: Any, _: bool) -> bool:
        at = apdu.p2 if apdu.p1 & 0x80 else apdu.p1 << 8 | apdu.p2
        return at + apdu.le <= len(access)

    def within_and_selected(apdu: Any, selected: bool) -> bool:
        return selected and not apdu.p1 & 0x80 and within(apdu, selected)

    for gives in (within, within_and_selected, by_select, after_select, at_most_sixteen):
        chip = odd_chips.choosy(bench.chip_of(having(access)), gives, 0x6B00)
        outcome = bench.read(having(access), chip, groups=(1,))
        assert outcome.done.access == "PACE" and bench.basic_access(outcome) == []


@meets("LA-09", "LA-15")
@pytest.mark.parametrize("access", MALFORMED.values(), ids=MALFORMED)
def test_what_is_truly_malformed_is_said_to_be_with_what_to_do_and_bac_is_not_tried(access: bytes) -> None:
    outcome = bench.read(having(access), groups=(1,))
    assert outcome.error is not None and outcome.code == "LIC-024"
    assert "another terminal" in outcome.error.hint and bench.basic_access(outcome) == []


@meets("LA-15", "LP-14")
@pytest.mark.parametrize("name", ["pace-cam", "pace-cam-own"])
def test_the_mapping_proves_the_chip_beside_files_that_are_filled_up(name: str) -> None:
    plain = bench.chip_of(name).content.files[0x1C]
    assert plain[1] < 0x80
    for access in (plain + b"\xff" * 60, b"\x31\x81" + plain[1:], b"\x31\x83\0\0" + plain[1:] + bytes(300)):
        given = having(access, name)
        chip: Any = bench.chip_of(given)
        if chip.abilities.card_security:
            chip.abilities.card_security += b"\xff" * 33
        got = bench.read(given, chip, groups=(1,)).done
        assert (got.verdict, got.findings, got.chip) == (records.VERDICT_GENUINE, [], "proven")


@meets("LX-03", "LA-15")
def test_loose_files_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    compare([(having(access), (1,), False, 0) for access in (*ODD, *MALFORMED.values())], tmp_path)
