"""The page has words, in each of its languages, for whatever the report may say."""

from pathlib import Path

import pytest

from server.ledger import report
from server.store import tables as t

TEXTS = (Path(__file__).parents[2] / "sim/web/static/texts.js").read_text(encoding="utf-8")
LANGUAGES = 3
AFTER_VERDICTS = [t.verdict_part(1, what) for what in (t.AFTER_HELD, t.AFTER_STANDS, t.AFTER_KNOWN)]
PARTS = {report._part(part) for part in (*report.PARTS, *AFTER_VERDICTS, t.decided_part(1, t.ITEM_GAP))}
STATES = {"paid", "held", "provisional", "declined", "unpaid", "abandoned"}


@pytest.mark.parametrize("key", sorted([*(f"part_{name}" for name in PARTS), *(f"state_{name}" for name in STATES)]))
def test_there_is_a_word_for_it(key: str) -> None:
    assert TEXTS.count(f"{key}: ") == LANGUAGES
