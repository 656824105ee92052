"""Amounts of money as the back office's commands write and read them: centimes in, centimes out, never a float between.

They are written as the terminal's screen, the receipt and the page write them (`terminal.face.numbers`): "2 000,00 DA", with no-break spaces, here
without the isolates that keep their direction there. Read is what is written so, wherever it was copied from, and what older lists wrote
("2,000.00 DZD"):

    both decimals, always, behind a comma or a point         2000,00   2000.00
    thousands by spaces of one kind, or by commas before a point     2 000,00   2 000.00   2,000.00
    the unit behind it, or none                                      2000,00 DA

Refused is whatever might be meant otherwise: no decimals (dinars or centimes?), three digits behind a lone comma or point (decimals or thousands?),
separators of two kinds, points between thousands.
"""

import re

from protocol.errors import ParameterError
from terminal.face.numbers import NBSP, decimal

UNIT = "DA"
_ISOLATES = re.compile("[\u2066-\u2069]")  # around an amount of the page or the terminal
_SPACES = f" {NBSP}\u202f"
_AMOUNT = re.compile(
    r"[0-9]{1,12}[.,][0-9]{2}"
    rf"|[0-9]{{1,3}}([{_SPACES}])[0-9]{{3}}(\1[0-9]{{3}}){{0,2}}[.,][0-9]{{2}}"
    r"|[0-9]{1,3}(,[0-9]{3}){1,3}\.[0-9]{2}"
)
_UNITS = re.compile(rf"[{_SPACES}]*(?:{UNIT}|DZD|دج)$")


def written(centimes: int) -> str:
    """Centimes as every list writes them: 200000 → "2 000,00 DA", with no-break spaces."""
    return decimal(centimes) + NBSP + UNIT


def read(text: str | None) -> int:
    """Centimes of an amount that an officer has typed or copied; None is 0. ParameterError PRM-038 if it is none, or might be two."""
    if text is None:
        return 0
    bare = _UNITS.sub("", _ISOLATES.sub("", text).strip(_SPACES))
    if not _AMOUNT.fullmatch(bare):
        raise ParameterError(
            f"{text!r} is no amount", "PRM-038", "write dinars with both decimals: 2000,00 or 2 000,00 DA"
        )
    return int("".join(digit for digit in bare if digit.isdigit()))
