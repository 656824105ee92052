"""How small the pieces are in which a chip gives its files, and how it says so."""

from pathlib import Path

import pytest

from protocol import records
from sim.cards.licence import profile
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare

WORDS = (0x6B00, 0x6F00, 0x6A86, 0x6985, 0x6282, 0x6987, 0x6988, 0x6A80, 0x9000)
FEW = {**profile("amina"), "portrait_bytes": 300}


@meets("LR-19")
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("most", [16, 100, 200, 231])
def test_a_chip_that_gives_small_pieces_is_read_whatever_it_says_to_large_ones(most: int, whole: bool) -> None:
    for status in WORDS:
        outcome = bench.read(FEW, odd_chips.in_pieces(bench.chip_of(FEW), most, status, whole), groups=(1, 4, 11))
        got = outcome.done
        assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, []), hex(status)


@meets("LR-19")
@pytest.mark.parametrize("most", [16, 100, 223])
def test_a_channel_that_ends_at_large_pieces_is_opened_for_small_ones(most: int) -> None:
    for status in WORDS:
        outcome = bench.read(FEW, odd_chips.ends_the_channel(bench.chip_of(FEW), most, status), groups=(1, 11))
        got = outcome.done
        assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, []), hex(status)
        assert len(bench.basic_access(outcome)) <= 14


@meets("LR-19", "LR-17")
@pytest.mark.parametrize("in_clear", [False, True])
def test_what_is_refused_in_every_size_is_refused_after_a_bounded_number_of_tries(in_clear: bool) -> None:
    for status in WORDS:
        for file in (0x1E, 0x1D):
            chip = odd_chips.refusing(bench.chip_of(FEW), file, status, in_clear)
            outcome = bench.read(FEW, chip, groups=(1, 11))
            if in_clear and file == 0x1D and status in (0x6882, 0x6987, 0x6988):
                assert outcome.code == "LIC-031"
                continue
            told = records.VERDICT_UNREADABLE if file == 0x1D else records.VERDICT_DATA_GENUINE
            assert outcome.done.verdict == told and chip.refused <= 9, (hex(status), file)
    for status in (0x6982, 0x6A82):
        chip = odd_chips.refusing(bench.chip_of(FEW), 0x1E, status)
        assert bench.read(FEW, chip).done.findings == ["LIC-212"] and chip.refused == 1


@meets("LR-19", "LX-03")
def test_small_pieces_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    made = [odd_chips.in_pieces(bench.chip_of(FEW), *how) for how in ((100, 0x6F00, True), (16, 0x6B00, False))]
    made.append(odd_chips.ends_the_channel(bench.chip_of(FEW), 100, 0x6F00))
    compare([(FEW, (1, 11), False, 0, chip) for chip in made], tmp_path)
