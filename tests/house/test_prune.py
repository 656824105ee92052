"""What the device's image leaves out: definitions that nothing in it needs, with what only they needed, and no line moves."""

from tools.house.prune import prune

ONE = '''def used():
    return _part()


def _part():
    return 1


@decorator
def unused(a):
    """Says its own name: unused."""
    return unused(_only_here(a))


def _only_here(a):
    return a


class Annotated:
    pass


def by_text():
    pass


def main(args: "Annotated") -> Annotated:
    return 0
'''
TWO = "from one import used\n\nnamed = getattr(one, 'by_text')\nprint(used())\n"


def test_what_nobody_says_goes_and_lines_stay():
    pruned = prune({"one": ONE, "two": TWO})
    assert pruned["two"] == TWO
    one = pruned["one"]
    assert one.count("\n") == ONE.count("\n")
    assert one.split("\n").index('def main(args: "Annotated") -> Annotated:') == ONE.split("\n").index(
        'def main(args: "Annotated") -> Annotated:'
    )
    for name in ("used", "_part", "by_text"):
        assert f"def {name}(" in one
    for name in ("def unused", "decorator", "_only_here", "class Annotated"):
        assert name not in one


CLASS = '''class Part:
    """With a docstring, which stays."""

    def __init__(self):
        self.used()

    def used(self):
        return self._needed()

    def _needed(self):
        return 1

    @property
    def unused(self):
        return self._only_here()

    def _only_here(self):
        return 2

    def ioctl(self):
        return 3


def main(args):
    return Part()
'''


def test_methods_that_nobody_says_go_too():
    pruned = prune({"one": CLASS})["one"]
    for name in ("__init__", "used", "_needed", "ioctl"):
        assert f"def {name}(" in pruned
    assert "def unused" not in pruned and "_only_here" not in pruned and "@property" not in pruned
    assert pruned.count("\n") == CLASS.count("\n")


def test_methods_stay_where_names_are_put_together():
    source = CLASS + "    return getattr(Part(), args[0])\n"
    assert prune({"one": source})["one"] == source
