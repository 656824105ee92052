"""`tasdid bench licence`: its channel by hand, its minimum against real conversations, the targets that no CPU decides."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.pki import make_pki
from tests.benchmarks import channel, licence, minimum
from tools import cli
from tools.house.paths import ROOT


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.cli", "bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    done = bench("licence", "--json", "--no-device")
    assert done.returncode == cli.OK, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_radio_takes_what_the_standard_says() -> None:
    bit = 32 / 13_560_000  # 424 kbit/s
    silence = 1172 / 13_560_000
    assert channel.radio_s(10, 424) == pytest.approx((9 * 13 + 2) * bit + silence)
    chained = channel.radio_s(300, 424)  # two blocks, one acknowledgement
    assert chained == pytest.approx((9 * 306 + 4) * bit + 2 * silence + (9 * 3 + 2) * bit + silence)
    assert channel.radio_s(100, 106) > 3.5 * channel.radio_s(100, 424) - 3 * silence


def test_the_host_link_carries_frames_and_acknowledgements() -> None:
    assert channel.host_s(5, 2) == pytest.approx(10 * (5 + 3 + 7 + 6 + 2 + 3 + 7) / 921_600)
    assert channel.host_s(5, 260) - channel.host_s(5, 2) == pytest.approx(10 * (258 + 3) / 921_600)


def test_the_least_conversation_is_what_the_plainest_reading_sends(tmp_path: Path) -> None:
    recorded = licence.Recorded("amina", True, make_pki(tmp_path))
    sent = [(len(command), len(answer)) for command, answer in recorded.exchanges]
    assert sorted(sent) == sorted((len(command), answer) for command, answer in recorded.least(False))


def test_knowing_the_lengths_saves_one_exchange_for_each_small_file() -> None:
    files = [16, 1235, 86, 34]
    unknowing, knowing = minimum.bac(files, 240, True), minimum.bac(files, 240, False)
    assert len(unknowing.exchanges) - len(knowing.exchanges) == 3


def test_times_and_commands_keep_to_the_targets(rows: list[dict[str, Any]]) -> None:
    assert len(rows) == len(licence.CASES)
    for row in rows:
        at = row["at_424"]
        assert row["verdict"] in (1, 2)
        assert at["total_ms"] <= (3000 if "portrait" in row["case"] else 1500), row["case"]
        assert row["commands"] == row["commands_least"], row["case"]
        for rate in (106, 212, 424, 848):
            part = row[f"at_{rate}"]
            assert part["pure_ms"] <= part["channel_ms"] <= 1.05 * part["pure_ms"], (row["case"], rate)


def test_another_name_is_bad_input_and_lists_the_known_ones() -> None:
    done = bench("nonsense")
    assert done.returncode == cli.BAD_INPUT and "licence" in done.stderr and "core" in done.stderr
