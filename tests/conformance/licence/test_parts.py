"""Files that are there in part: what is said of them, on the chip and dumped."""

from pathlib import Path

import pytest

from protocol import records
from protocol.crypto.native import NativeCrypto
from sim.cards.licence import profile
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare
from tests.conformance.licence.test_large_files import signed_anew
from tests.conformance.licence.test_reading import DAMAGE, EVERYTHING
from tools.licence import offline


@meets("LR-20")
@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", [1, 4, 11, 0x1D])
def test_damaged_files_are_judged_alike_on_the_chip_and_dumped(file: int, how: str) -> None:
    given = {**profile("amina"), "portrait_bytes": 300, "damage": {file: how}}
    chip = bench.chip_of(given)
    got = bench.read(given, chip, groups=EVERYTHING, portrait=True).done
    dumped = offline.judge(NativeCrypto(), dict(chip.content.files), bench.trust(), bench.TODAY)
    if how == "huge":  # a terminal does not look whether so much is there
        assert dumped.verdict == (records.VERDICT_NOT_VERIFIED if file in (4, 11) else records.VERDICT_UNREADABLE)
        return
    assert (dumped.verdict, dumped.altered_groups, dumped.covered) == (got.verdict, got.altered_groups, got.covered)
    found = set(dumped.findings) - (
        {"LIC-215"} if file == 4 else set()
    )  # a terminal does not look for the picture in it
    assert found == set(got.findings) or how == "gone"


@meets("LR-20")
def test_a_group_under_another_tag_has_the_hash_of_its_bytes() -> None:
    chip = bench.chip_of({**profile("amina"), "portrait_bytes": 300})
    other = b"\x7e" + chip.content.files[11][1:]
    got = bench.read("amina", signed_anew(chip, DG11=other)).done
    assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, ["LIC-215"]) and got.dg11 is None
    assert 11 in got.covered
    for nothing in (b"\xff" * 40, bytes(40), b"\x7f\x61\x02ab"):
        chip.content.files[11] = nothing
        got = bench.read("amina", chip).done
        assert (got.verdict, got.altered_groups) == (records.VERDICT_NOT_VERIFIED, [])
        assert got.details == [("LIC-213", 11), ("LIC-239", 11)]


@meets("LR-20", "LB-13")
def test_a_group_in_part_hides_neither_a_forgery_nor_a_clone_nor_a_stranger() -> None:
    for name in ("altered-name", "clone-active-stripped", "unknown-issuer"):
        whole = bench.read({**profile(name), "portrait_bytes": 300}).done
        got = bench.read({**profile(name), "portrait_bytes": 300, "damage": {11: "cut"}}).done
        assert got.verdict == whole.verdict and "LIC-239" in got.findings, name


@meets("LR-20", "LX-03")
def test_files_in_part_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    small = {**profile("amina"), "portrait_bytes": 300}
    cases = [(file, how) for file in (1, 11, 0x1D) for how in ("cut", "indefinite", "tag")]
    compare([({**small, "damage": {file: how}}, (1, 11), False, 0) for file, how in cases], tmp_path)
