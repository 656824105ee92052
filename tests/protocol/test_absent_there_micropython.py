"""The lists behind the forbidden-idioms law are facts: MicroPython lacks what they name (runs on the device only)."""

from tests.support.dual import raises


def test_the_methods_are_absent():
    for owner, names in (
        ("", ("zfill", "ljust", "rjust", "isalnum", "casefold", "removeprefix", "format_map")),
        (1, ("bit_length", "bit_count")),
        (memoryview(b""), ("tobytes",)),
    ):
        for name in names:
            assert not hasattr(owner, name), name


def test_the_exceptions_are_absent():
    for name in ("FileNotFoundError", "TimeoutError", "ConnectionError", "PermissionError", "UnicodeDecodeError"):
        raises(NameError, eval, name)


def test_the_silent_differences_are_there():
    assert pow(3, -1, 7) == 0
    assert not isinstance(True, int)
    raises(NotImplementedError, lambda: "abc"[::-1])
