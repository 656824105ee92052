"""Every campaign notices a journal that writes no second copy, though its boot mends the last one's."""

import pytest

from terminal.journal import shelf
from tools.journal.soak.campaigns import CAMPAIGNS


@pytest.mark.parametrize("name", ["cuts", "bytes", "doubles", "flips", "faults", "pending"])
def test_a_journal_without_second_copies_is_noticed(name, monkeypatch):
    monkeypatch.setattr(shelf, "COPIED", ())
    with pytest.raises(AssertionError, match="second copy"):
        CAMPAIGNS[name](2, 0, 9973, lambda done: None)
