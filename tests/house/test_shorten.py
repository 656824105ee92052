"""The device's shorter names: what may be renamed is, what may be reached another way is not, and lines keep their numbers."""

from tools.house.shorten import shorten, usage_of

SOURCE = '''"""Doc."""
_LIMIT = 3


def _helper(number, limit):
    return number + limit + _LIMIT


class Thing:
    _shared = 1

    def __init__(self, size):
        self._size = size
        self._open = 0

    def _grow(self, step):
        self._size += step

    def run(self, step):
        self._grow(step)
        raise ValueError("no", "FMT-001", self._size, _helper(step, limit=2))
'''


ELSEWHERE = "from module import Thing\n"


def _run(source):
    scope = {}
    exec(compile(source, "module", "exec"), scope)
    try:
        scope["Thing"](4).run(5)
    except ValueError as error:
        return error.args
    raise AssertionError


def test_the_shortened_module_does_the_same_on_the_same_lines():
    shortened = shorten(SOURCE, usage_of([SOURCE, ELSEWHERE]))
    assert _run(shortened) == _run(SOURCE) == ("no", "FMT-001", 9, 10)
    assert shortened.count("\n") == SOURCE.count("\n")
    assert (
        "_LIMIT" not in shortened
        and "_helper" not in shortened
        and "_grow" not in shortened
        and "_size" not in shortened
    )


def test_what_is_passed_by_keyword_keeps_its_name():
    assert "def _1(a0, limit)" in shorten(SOURCE, usage_of([SOURCE, ELSEWHERE]))


def test_what_another_module_reaches_keeps_its_name():
    other = "from thing import _helper\n\n\ndef look(thing):\n    return thing._size\n"
    shortened = shorten(SOURCE, usage_of([SOURCE, ELSEWHERE, other]))
    assert "_helper" in shortened and "_size" in shortened and "_grow" not in shortened


def test_a_class_that_may_inherit_private_members_keeps_them():
    heir = "from thing import Thing\n\n\nclass Heir(Thing):\n    def _grow(self, step):\n        return step\n"
    usage = usage_of([SOURCE, heir])
    assert "_grow" in shorten(SOURCE, usage) and "_grow" in shorten(heir, usage)


def test_names_put_together_at_run_time_are_left_alone():
    source = "class Flow:\n    def _state(self):\n        return 1\n\n    def run(self, name):\n        return getattr(self, '_' + name)()\n"
    assert "_state" in shorten(source, usage_of([source]))


def test_public_names_that_stay_in_their_module_are_shortened_too():
    source = "class Part:\n    pass\n\n\nclass PartError(Exception):\n    pass\n\n\ndef make():\n    return Part()\n"
    shortened = shorten(source, usage_of([source]))
    assert "class _0:" in shortened and "return _0()" in shortened and "def _1()" in shortened
    assert "PartError" in shortened


def test_a_name_that_a_text_or_another_module_says_stays():
    source = "def one():\n    pass\n\n\ndef two():\n    pass\n\n\ndef three(a: 'four'):\n    pass\n\n\ndef four():\n    pass\n"
    shortened = shorten(source, usage_of([source, "import m\nm.one()\ngetattr(m, 'two')\n"]))
    assert "def one" in shortened and "def two" in shortened
    assert "def three" not in shortened and "def four" not in shortened  # nobody evaluates an annotation on the device
