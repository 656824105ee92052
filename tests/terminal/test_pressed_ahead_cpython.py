"""No screen that tells or asks something is shown but through `terminal.flows.ask`, which takes no key pressed before it was drawn."""

import ast

from tools.house.paths import ROOT

BUSY = {
    "boot",
    "licence_present",
    "licence_progress",
    "card_present",
    "card_message",
    "card_busy",
    "card_remove",
    "printing",
    "syncing",
}
MENUS = {
    "offence_list",
    "pay_choice",
    "document_menu",
    "category_list",
    "abandon_reason",
}  # neither OK nor nobody answers these
FORGOTTEN = {"card_choose"}  # before its loop


def _shown() -> "set[str]":
    found = set()
    for path in [
        *(ROOT / "terminal" / "flows").rglob("*.py"),
        ROOT / "terminal" / "app.py",
        ROOT / "terminal" / "sync.py",
    ]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr == "show" and isinstance(node.args[0], ast.Constant):
                found.add(node.args[0].value)
    return found


def test_what_tells_something_is_shown_by_ask():
    assert _shown() == BUSY | MENUS | FORGOTTEN
