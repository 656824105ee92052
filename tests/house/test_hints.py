"""The device's image has no hints in code: its catalogue says what to do, by code."""

import ast

from tools.house.hints import without_hints

SOURCE = """def check(n):
    if n:
        raise JournalError("é broken", "JRN-030", "call a technician")
    raise RiskError(
        "full",
        "RSK-005",
        "synchronise "
        "first",
        "flash",
    )


def other():
    show("what", "no code", "stays")
    raise CardError("gone", "CRD-003", _HINT)
"""


def test_a_hint_goes_and_everything_else_stays_on_its_line():
    bare = without_hints(SOURCE)
    assert "technician" not in bare and "synchronise" not in bare
    assert '"flash"' in bare and '"stays"' in bare and "_HINT" in bare and "é broken" in bare
    assert bare.count("\n") == SOURCE.count("\n")
    assert sorted(node.lineno for node in ast.walk(ast.parse(bare)) if isinstance(node, ast.Raise)) == [3, 4, 15]


def test_what_an_error_is_called_with_is_otherwise_the_same():
    calls = [ast.unparse(node) for node in ast.walk(ast.parse(without_hints(SOURCE))) if isinstance(node, ast.Call)]
    assert "JournalError('é broken', 'JRN-030', None)" in calls
    assert "RiskError('full', 'RSK-005', None, 'flash')" in calls
