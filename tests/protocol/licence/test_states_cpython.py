"""The table of states against Debian's package iso-codes, where that is installed."""

import json
from pathlib import Path

import pytest

from protocol.licence import profile, states

ISO = Path("/usr/share/iso-codes/json/iso_3166-1.json")


def test_the_table_holds_249_states_once() -> None:
    codes = [states._FIRST_TWO[at : at + 3] for at in range(0, len(states._FIRST_TWO), 3)]
    codes += [states._FIRST_AND_THIRD[at : at + 3] for at in range(0, len(states._FIRST_AND_THIRD), 3)]
    codes += [states._OTHERS[at : at + 3] for at in range(0, len(states._OTHERS), 5)]
    assert len(codes) == len(set(codes)) == 249 + 12


@pytest.mark.skipif(not ISO.exists(), reason="Debian's iso-codes is not installed")
def test_the_table_is_iso_3166_1() -> None:
    rows = json.loads(ISO.read_text())["3166-1"]
    assert len(rows) >= 249
    assert {row["alpha_3"]: row["alpha_2"] for row in rows} == {
        row["alpha_3"]: profile.two_letters(row["alpha_3"]) for row in rows
    }
