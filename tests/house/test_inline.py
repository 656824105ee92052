"""Constants written out for the device: the same results, the same lines, and nothing taken that could be reached otherwise."""

import types

from tools.house.inline import inline

NUMBERS = '''"""Numbers."""
FIRST = 1
SECOND: int = FIRST << 3
_OWN = (
    FIRST
    | 0x40
)
TEXT = "text"
TWICE = 1
TWICE = 2
SHOWN = 7
NAMED = 8
HUGE = 1 << 40
LESS = -3


def own():
    return _OWN + SECOND


def shown():
    return f"{SHOWN}"
'''
READER = """from h.numbers_ import (
    FIRST,
    own,
    LESS as LITTLE,
)
import os


def read(found):
    from h.numbers_ import SECOND
    return [FIRST, SECOND, 5 - LITTLE, own(), found.HUGE, "NAMED"]


def other(FIRST):
    return FIRST
"""
USER = """from h import numbers_ as n

def use():
    return (n.FIRST, n.SECOND,
            n.LESS, n.TEXT, n.TWICE, n.NAMED, n.HUGE, n.SHOWN, n.own(), n.shown())
"""


SOURCES = {"h.numbers_": NUMBERS, "reader": READER, "user": USER}


def _run(sources: dict[str, str]) -> list[object]:
    """What the three modules say."""
    made: dict[str, types.ModuleType] = {"h": types.ModuleType("h")}

    def imported(name: str, *_: object, **__: object) -> object:
        return made.get(name, types.SimpleNamespace())

    for name, source in sources.items():
        module = made[name] = types.ModuleType(name)
        module.__dict__["__builtins__"] = {"__import__": imported, "int": int}
        exec(compile(source, name, "exec"), module.__dict__)
        made["h"].numbers_ = made["h.numbers_"]  # type: ignore[attr-defined]
    read, other, use = made["reader"].read, made["reader"].other, made["user"].use
    return [read(types.SimpleNamespace(HUGE=0)), other(9), use(), made["h.numbers_"].own()]


def test_what_is_written_out_does_the_same_on_the_same_lines():
    after = inline(SOURCES)
    assert _run(after) == _run(SOURCES)
    for name, source in SOURCES.items():
        assert after[name].count("\n") == source.count("\n")
        for old, new in zip(source.split("\n"), after[name].split("\n"), strict=True):
            assert not old.startswith("def ") or old == new


def test_the_numbers_stand_where_the_names_stood_and_the_definitions_are_gone():
    found = inline(SOURCES)
    numbers = found["h.numbers_"]
    assert "return 65 + 8" in numbers and not any(name in numbers for name in ("SECOND", "_OWN", "LESS"))
    assert "return [FIRST, 8, 5 - (-3), own()" in found["reader"] and "LITTLE" not in found["reader"]


def test_what_could_be_reached_otherwise_stays():
    numbers = inline(SOURCES)["h.numbers_"]
    for line in ("FIRST = 1", 'TEXT = "text"', "TWICE = 2", "SHOWN = 7", "NAMED = 8", "HUGE = 1 << 40"):
        assert line in numbers


def test_an_import_of_nothing_but_numbers_goes_and_the_rest_of_one_stays():
    found = inline({"a": "ONE = 1\nTWO = 2\ndef f():\n    return 0\n", "b": "from a import ONE, f, TWO\nx = ONE + TWO + f()\n",
                    "c": "if 1:\n    from a import ONE\ny = ONE\n"})  # fmt: skip
    assert found["b"] == "from a import f\nx = 1 + 2 + f()\n"
    assert found["c"] == "if 1:\n    pass\ny = 1\n"
    assert found["a"] == "0\n0\ndef f():\n    return 0\n"


def test_a_name_that_hides_the_module_is_not_taken_for_it():
    found = inline(
        {"p.m": "ONE = 1\n", "q": "from p import m\n\n\ndef f(m):\n    return m.ONE\n\n\ndef g():\n    return m.ONE\n"}
    )
    assert "m.ONE" in found["q"] and found["p.m"] == "ONE = 1\n"
