"""Files that the chip lists and does not give: what the reading says without them."""

from pathlib import Path
from typing import Any

import pytest

from protocol import records
from protocol.licence.channel import CHANNEL_LOST, MAX_REBUILDS
from sim.cards.licence import profile
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare

EVERYTHING = tuple(range(1, 15))
SOME = (1, 3, 4, 11, 12)
WORDS = (0x6982, 0x6985, 0x6986, 0x6A80, 0x6A82, 0x6A86, 0x6B00, 0x6F00, 0x6283, 0x6300, 0x6983, 0x6D00, 0x6581, 0x6700, 0x6C00, 0)  # fmt: skip
IN_CLEAR = (0x6982, 0x6A82, 0x6A88, 0x6985, 0x6A86, 0x6B00, 0x6F00, 0x6300, 0x6D00, 0x6581, 0x6700, 0x6988, 0x6987, 0x9000, 0)  # fmt: skip
RICH = {**profile("rich"), "portrait_bytes": 600}


def read(
    given: "dict[str, Any]", file: int, status: int, in_clear: bool = False, beyond: int = 0, groups: Any = SOME
) -> "tuple[Any, Any]":
    chip = odd_chips.refusing(bench.chip_of(given), file, status, in_clear, beyond)
    return bench.read(given, chip, groups=groups), chip


def opened(outcome: Any) -> int:
    return sum(command[1] == 0x82 for command in bench.basic_access(outcome))


@meets("LR-17")
@pytest.mark.parametrize("in_clear", [False, True])
@pytest.mark.parametrize("group", [3, 11])
def test_a_group_refused_in_whatever_way_is_a_finding_and_the_others_are_read(group: int, in_clear: bool) -> None:
    whole = bench.read(RICH, groups=SOME).done
    for status in IN_CLEAR if in_clear else WORDS:
        outcome, chip = read(RICH, group, status, in_clear)
        got = outcome.done
        assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, ["LIC-213"]), hex(status)
        assert got.covered == [item for item in whole.covered if item != group] and group not in got.data
        gone = not in_clear and status == 0x6A82
        assert got.details == [("LIC-213", group if gone else f"DG{group} {status or 0xFFFF:04X}")]
        if in_clear:
            assert opened(outcome) <= (2 if status in (0x6982, 0x6A82, 0x6A88) else 7)
        elif status not in (0x6700, 0x6C00):
            assert chip.refused <= 2 and opened(outcome) == 1
        if status in (0x6982, 0x6A82, 0x6A88):
            assert chip.refused == 1, "asked again"


@meets("LR-17")
def test_a_group_refused_in_its_middle_is_a_finding() -> None:
    for in_clear in (False, True):
        for status in (0x6982, 0x6F00, 0x6985):
            got = read(RICH, 4, status, in_clear, 240)[0].done
            assert (got.verdict, got.details) == (records.VERDICT_DATA_GENUINE, [("LIC-213", f"DG4 {status:04X}")])
            assert got.portrait is None and 4 not in got.covered


@meets("LR-17")
def test_every_group_but_the_first_may_be_refused_in_clear() -> None:
    chip = bench.chip_of(RICH)
    for group in range(2, 13):
        odd_chips.refusing(chip, group, 0x6982, True)
    outcome = bench.read(RICH, chip, groups=EVERYTHING, portrait=True)
    got = outcome.done
    assert (got.verdict, got.findings, got.covered) == (records.VERDICT_DATA_GENUINE, ["LIC-213"], [1])
    assert opened(outcome) == 1 + len(got.details) > MAX_REBUILDS


@meets("LR-17")
@pytest.mark.parametrize("in_clear", [False, True])
def test_a_refused_list_of_groups_leaves_that_of_the_security_object(in_clear: bool) -> None:
    whole = bench.read(RICH, groups=SOME).done
    for status in IN_CLEAR if in_clear else WORDS:
        got = read(RICH, 0x1E, status, in_clear)[0].done
        assert (got.verdict, got.findings, got.covered) == (whole.verdict, ["LIC-212"], whole.covered), hex(status)


@meets("LR-17")
def test_without_security_object_or_first_group_there_is_nothing_to_judge() -> None:
    for file, missing in ((0x1D, "LIC-230"), (1, "LIC-213")):
        for status in WORDS:
            got = read(RICH, file, status)[0].done
            assert got.verdict == records.VERDICT_UNREADABLE and missing in got.findings, hex(status)
            if status not in (0x6A82, 0x6A88):
                told = status or 0xFFFF
                assert (missing, told if file == 0x1D else f"DG1 {told:04X}") in got.details
        for status in IN_CLEAR:
            outcome = read(RICH, file, status, True)[0]
            if status in CHANNEL_LOST:
                assert outcome.code == "LIC-031" and opened(outcome) == MAX_REBUILDS + 1
            else:
                assert outcome.done.verdict == records.VERDICT_UNREADABLE and missing in outcome.done.findings
                assert opened(outcome) <= MAX_REBUILDS + 1


@meets("LR-17")
@pytest.mark.parametrize("in_clear", [False, True])
@pytest.mark.parametrize("file", [0x1D, 1])
def test_a_needed_file_refused_once_is_asked_for_again(file: int, in_clear: bool) -> None:
    for status in (0x6F00, 0x6985, 0x6581):
        chip = odd_chips.refusing(bench.chip_of(RICH), file, status, in_clear, times=1)
        got = bench.read(RICH, chip, groups=SOME).done
        assert chip.refused == 1 and (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, [])


@meets("LR-17", "LR-11")
def test_a_security_object_refused_after_the_card_was_pulled_is_asked_for_at_the_next_try() -> None:
    resume, chip = bench.Resume(), bench.chip_of(RICH)
    assert bench.read(RICH, chip, groups=SOME, pull_at=20, resume=resume).code == "CRD-003" and resume.reads
    chip.power_off()
    refusing = odd_chips.refusing(bench.chip_of(RICH), 0x1D, 0x6F00)
    refusing.content = chip.content
    assert bench.read(RICH, refusing, groups=SOME, resume=resume).code == "LIC-031" and resume.reads
    got = bench.read(RICH, chip, groups=SOME, resume=resume).done
    assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, [])


@meets("LR-17", "LB-13")
def test_a_forged_first_group_is_altered_whatever_the_portrait_answers() -> None:
    for status in (0x6F00, 0x6985, 0x6300):
        for in_clear in (False, True):
            chip = odd_chips.refusing(bench.chip_of("altered-name"), 4, status, in_clear)
            got = bench.read("altered-name", chip, portrait=True).done
            assert (got.verdict, got.altered_groups) == (records.VERDICT_ALTERED, [1])
            assert {"LIC-213", "LIC-214"} <= set(got.findings)


@meets("LP-18")
@pytest.mark.parametrize(("name", "group", "finding"), [("active-rsa-sha1", 13, "LIC-241"), ("agreement-aes128", 14, "LIC-243")])  # fmt: skip
@pytest.mark.parametrize("in_clear", [False, True])
def test_an_announced_key_that_is_refused_is_a_suspected_clone(
    name: str, group: int, finding: str, in_clear: bool
) -> None:
    given = {**profile(name), "portrait_bytes": 300}
    for status in IN_CLEAR if in_clear else WORDS:
        got = read(given, group, status, in_clear)[0].done
        assert (got.verdict, got.chip) == (records.VERDICT_CLONE, "failed"), hex(status)
        assert set(got.findings) == {"LIC-213", finding} and got.dg1 is not None


@meets("LP-18")
def test_a_channel_lost_once_or_twice_at_the_key_accuses_nobody() -> None:
    given = {**profile("active-rsa-sha1"), "portrait_bytes": 300}
    for status, times in ((0x6982, 1), (0x6985, 1), (0x6988, 2)):
        chip = odd_chips.refusing(bench.chip_of(given), 13, status, True, times=times)
        got = bench.read(given, chip).done
        assert chip.refused == times and (got.verdict, got.findings) == (records.VERDICT_GENUINE, [])


@meets("LX-03")
def test_refusals_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    keyed = {**profile("active-rsa-sha1"), "portrait_bytes": 300}
    poor = {**profile("amina"), "portrait_bytes": 300}
    cases = [(poor, 0x1E, 0x6982, True), (poor, 11, 0x6F00, False), (keyed, 13, 0x6985, True)]
    compare(
        [
            (given, (1, 11), False, 0, odd_chips.refusing(bench.chip_of(given), file, status, in_clear))
            for given, file, status, in_clear in cases
        ],
        tmp_path,
    )


@meets("LR-02", "LX-03")
def test_a_first_answer_shorter_than_a_length_is_waited_for(tmp_path: Path) -> None:
    given = {**profile("agreement-aes128"), "portrait_bytes": 300}
    cases = []
    for file in (0x1E, 0x1D, 1, 11, 14):
        for count in (1, 2, 3):
            chip = odd_chips.scarce(bench.chip_of(given), file, count)
            got = bench.read(given, chip).done
            assert (got.verdict, got.findings) == (records.VERDICT_GENUINE, []), (file, count)
        if file in (0x1D, 1):
            cases.append((given, (1, 11), False, 0, odd_chips.scarce(bench.chip_of(given), file, 1)))
    compare(cases, tmp_path)


@meets("LR-17")
@pytest.mark.parametrize("file", [0x1D, 1, 11, 14])
def test_an_answer_of_nothing_in_a_file_s_middle_is_a_fault_of_the_reading(file: int) -> None:
    given = {**profile("agreement-aes128"), "portrait_bytes": 300}
    got = bench.read(given, odd_chips.silent_at(bench.chip_of(given), file, 30, 1)).done
    assert (got.verdict, got.findings) == (records.VERDICT_GENUINE, [])
    chip = odd_chips.silent_at(bench.chip_of(given), file, 30, 0)
    got = bench.read(given, chip).done
    unreadable, clone = records.VERDICT_UNREADABLE, records.VERDICT_CLONE
    assert got.verdict == {0x1D: unreadable, 1: unreadable, 11: records.VERDICT_GENUINE, 14: clone}[file]
    assert got.altered_groups == [] and file not in got.covered and chip.silences <= 4
    chip = bench.chip_of(given)
    chip.content.files[file] = chip.content.files[file][:1]
    got = bench.read(given, chip).done
    assert got.altered_groups == [] and file not in got.covered, "ends before its length"


@meets("LP-18", "LR-17", "LX-03")
def test_one_complaint_about_a_length_at_a_file_s_last_bytes_accuses_nobody(tmp_path: Path) -> None:
    given = {**profile("agreement-aes128"), "portrait_bytes": 300}
    genuine = bench.chip_of(given)
    for status in (0x6700, 0x6C10):
        for file in (0x1E, 14, 11):
            size = len(genuine.content.files[file])
            odd = odd_chips.refusing_last(bench.chip_of(given), file, size - 5, status, 1)
            got = bench.read(given, odd).done
            assert odd.refused == 1 and (got.verdict, got.findings) == (records.VERDICT_GENUINE, []), (file, status)
            always = odd_chips.refusing_last(bench.chip_of(given), file, size - 5, status, 0)
            got = bench.read(given, always).done
            assert got.verdict == (records.VERDICT_CLONE if file == 14 else records.VERDICT_GENUINE) and got.findings
            assert always.refused == 2
    odd = odd_chips.refusing_last(bench.chip_of(given), 14, len(genuine.content.files[14]) - 5, 0x6700, 1)
    cases = [(given, (1, 11), False, 0, odd)]
    compare(cases, tmp_path)
