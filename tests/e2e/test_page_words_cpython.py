"""The page has words, in each of its languages, for whatever the report may say."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from protocol import records as r
from server import codes
from server.ledger import accounts, report
from server.store import tables as t
from terminal.face import screens
from terminal.face.screens import officer

ROOT = Path(__file__).parents[2]
TEXTS = (ROOT / "sim/web/static/texts.js").read_text(encoding="utf-8")
LANGUAGES = 3
AFTER_VERDICTS = [t.verdict_part(1, what) for what in (t.AFTER_HELD, t.AFTER_STANDS, t.AFTER_KNOWN)]
PARTS = {report._part(part) for part in (*report.PARTS, *AFTER_VERDICTS, t.decided_part(1, t.ITEM_GAP))}
STATES = {"paid", "held", "provisional", "declined", "unpaid", "abandoned"}


PLACE = accounts.Place("CIB TEST", 16, r.FORCE_POLICE, "BSR-16")
LEGS = [
    *accounts.outcome_legs(PLACE, r.OUTCOME_APPROVED, 1),
    *accounts.outcome_legs(PLACE, r.OUTCOME_PROVISIONAL, 1),
    *accounts.gap_legs("TSD-000001", PLACE, 1),
]
ACCOUNTS = {account.split(":")[0] for account, _ in LEGS}
FORCES = (r.FORCE_POLICE, r.FORCE_GENDARMERIE)


def _alarms() -> Iterator[str]:
    """The codes that the server writes into its audit log, where they are said in the call."""
    for path in (ROOT / "server").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) > 3):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "audit"):
                continue
            code = node.args[3 if node.func.attr in ("write", "seldom") else 2]
            for one in (code.body, code.orelse) if isinstance(code, ast.IfExp) else (code,):
                if isinstance(one, ast.Constant):
                    yield str(one.value)
                elif isinstance(one, ast.Attribute):
                    yield str(getattr(codes, one.attr, "")) or "other"


ALARMS = {code for code in _alarms() if code != "other"} | {"other"}
OFFICER = {
    name for name, one in vars(officer).items() if getattr(one, "__module__", "") == officer.__name__ and name[0] != "_"
}
SCREENS = {*OFFICER, *screens.CASE, *screens.DOCUMENT, *screens.PAYMENT, *screens.VOID}
WORDS = [
    *(f"screen_{name}" for name in SCREENS),
    *(f"part_{name}" for name in PARTS),
    *(f"state_{name}" for name in STATES),
    *(f"account_{kind}" for kind in ACCOUNTS),
    *(f"force_{force}" for force in FORCES),
    *(f'"alarm_{code}"' if "-" in code else f"alarm_{code}" for code in ALARMS),
]


@pytest.mark.parametrize("key", sorted(WORDS))
def test_there_is_a_word_for_it(key: str) -> None:
    assert TEXTS.count(f" {key}: ") == LANGUAGES


def test_there_is_no_word_for_a_screen_that_is_none() -> None:
    assert set(re.findall(r" screen_(\w+): ", TEXTS)) == SCREENS
