"""No card number leaves these tools, wherever a trace has one: traces are edited by hand, and what stands in a field is not what its name says.

A run of decimal digits that has thirteen or more from its first digit other than 0 on could be a number of a card (ISO/IEC 7812-1: at most
nineteen digits, none begins with 0), or hold one in its middle, as BCD and ASCII digits in hexadecimal do. Up to two separators between digits do not
end it; in a printed line, where fields of a trace have come together, up to four characters that are no letter or digit do not. Its place is taken
by "?". Not told from it: a number whose digits are apart in other ways, or enciphered in any way.
"""

import re
from typing import Any

_LEAST = 13
_RUN = re.compile(r"\d(?:[ ._:/-]{0,2}\d){%d,}" % (_LEAST - 1))
_NEAR = re.compile(r"\d(?:[\W_]{0,4}\d){%d,}" % (_LEAST - 1))
_KEPT = (
    "script_results",  # results and identifiers of four bytes, by turns: no number fits in
    "data",  # `replay.data_read` has hidden what there is to hide: most locators of files (94) are digits only
)


def suspicious(text: str) -> bool:
    """Whether a card's number may be in this text."""
    return any(_numbered(run[0]) for run in _RUN.finditer(text))


def masked(text: str) -> str:
    """The text without what may be a card's number."""
    return _RUN.sub(lambda run: "?" if _numbered(run[0]) else run[0], text)


def line(text: str) -> str:
    """A printed line without what may be a card's number in it."""
    return _NEAR.sub(lambda run: "?" if _numbered(run[0]) else run[0], masked(text))


def plain(value: Any) -> Any:
    """The same for all texts of a JSON value, each of them a printed line, keys too."""
    if isinstance(value, str):
        return line(value)
    if isinstance(value, dict):
        return {line(key): entry if key in _KEPT else plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return value


def _numbered(run: str) -> bool:
    digits = "".join(character for character in run if character.isdigit())
    return len(digits.lstrip("0")) >= _LEAST
