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
