"""DG1, the demographic data and categories: compact encoding (ISO/IEC 18013-2 annex C.2) and EU 383/2012 annex III.

`parse` gives one map for both: number, surname, given_names, birth, issue, expiry (YYYYMMDD texts), country (as printed: three
letters), authority, categories (list of {category, issue, expiry, code, sign, value}); EU adds birthplace and nationality. BCD
dates come as yyyyMMdd or ddMMyyyy: which one is told by all dates of the group together.
"""

from typing import TYPE_CHECKING

from protocol.licence import groups, profile
from protocol.licence.errors import GroupError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

NAME = "DG1"
_NAMES, _CATEGORIES, _EU_VERSION, _EU_FIELDS = 0x5F1F, 0x7F63, 0x5F01, 0x5F02
_EU = (
    ("country", 0x5F03),
    ("surname", 0x5F04),
    ("given_names", 0x5F05),
    ("birth", 0x5F06),
    ("birthplace", 0x5F07),
    ("nationality", 0x5F08),
    ("issue", 0x5F0A),
    ("expiry", 0x5F0B),
    ("authority", 0x5F0C),
    ("number", 0x5F0E),
)
_DATES = ("birth", "issue", "expiry")
MAX_CATEGORIES = 40


def _wrong(what: str) -> GroupError:
    return GroupError(NAME + ": " + what, detail=NAME)


def parse(content: "Bytes") -> dict:
    """The fields of a whole DG1 (with its tag 61); GroupError if it has neither layout."""
    rows = groups.objects(groups.body(content, profile.tag_of(1)), NAME)
    found = None
    categories: "list[bytes]" = []
    for tag, value in rows:
        if tag == _NAMES and found is None:
            found = _compact(value)
        elif tag == _EU_FIELDS and found is None:
            found = _eu(value)
        elif tag == _CATEGORIES:
            categories = _category_rows(value)
    if found is None:
        raise _wrong("holds no personal data in a known layout")
    raw = [found[key] for key in _DATES]
    rows_split = [_split(row) for row in categories]
    raw.extend([part for parts in rows_split for part in parts[1:3] if len(part) == 4])
    order = date_order(raw)
    for key in _DATES:
        found[key] = date_text(found[key], order)
    found["categories"] = [_category(parts, order) for parts in rows_split]
    return found


def _compact(value: "Bytes") -> dict:
    """5F1F: LV surname, LV given names, three BCD dates, three letters of the country, LV authority, LV number."""
    at = 0
    found = {}
    for key, length in (
        ("surname", 0),
        ("given_names", 0),
        ("birth", 4),
        ("issue", 4),
        ("expiry", 4),
        ("country", 3),
        ("authority", 0),
        ("number", 0),
    ):
        if not length:
            if at >= len(value):
                raise _wrong(key + " is missing")
            length = value[at]
            at += 1
        piece = bytes(value[at : at + length])
        if len(piece) != length:
            raise _wrong(key + " is cut short")
        found[key] = piece if key in _DATES else groups.text(piece, NAME + " " + key)
        at += length
    if at != len(value):
        raise _wrong("bytes after the last field")
    return found


def _eu(value: "Bytes") -> dict:
    """5F02: fields 5F03 … 5F0E; country, names, dates and number must be there."""
    rows = groups.objects(value, NAME)
    found = {}
    for key, wanted in _EU:
        for tag, piece in rows:
            if tag == wanted and key not in found:
                found[key] = bytes(piece) if key in _DATES else groups.text(piece, NAME + " " + key)
    for key in ("country", "surname", "number") + _DATES:
        if key not in found:
            raise _wrong(key + " is missing")
    for key in _DATES:
        if len(found[key]) != 4:
            raise _wrong(key + " is no date")
    return found


def _category_rows(value: "Bytes") -> "list[bytes]":
    """The values 87 under 7F63, as many as its 02 says."""
    count, rows = -1, []
    for tag, piece in groups.objects(value, NAME + " categories"):
        if tag == 0x02 and len(piece) == 1:
            count = piece[0]
        elif tag == 0x87:
            rows.append(bytes(piece))
    if count != len(rows) or count > MAX_CATEGORIES:
        raise _wrong("the number of categories is wrong")
    return rows


def _split(row: bytes) -> "list[bytes]":
    """The fields between semicolons, filled up to six. A BCD date cannot hold a semicolon (3B is no pair of digits)."""
    parts = row.split(b";")
    if len(parts) > 6 or not parts[0]:
        raise _wrong("a category is malformed")
    while len(parts) < 6:
        parts.append(b"")
    for part in parts[1:3]:
        if len(part) not in (0, 4, 8):
            raise _wrong("a category's date is malformed")
    return parts


def _category(parts: "list[bytes]", order: str) -> dict:
    found = {}
    for i, key in enumerate(("category", "issue", "expiry", "code", "sign", "value")):
        part = parts[i]
        if i in (1, 2) and len(part) == 4:
            found[key] = date_text(part, order)
        elif i in (1, 2) and part:
            found[key] = _plain_date(groups.text(part, NAME + " category"))
        else:
            found[key] = groups.text(part, NAME + " category")
    return found


def _digits(raw: "Bytes") -> str:
    text = bytes(raw).hex()
    for char in text:
        if not "0" <= char <= "9":
            return ""
    return text


def _is_date(text: str) -> bool:
    """Whether YYYYMMDD could be a date; presumed birth dates have 00 for month and day."""
    return "1900" <= text[:4] <= "2199" and text[4:6] <= "12" and text[6:8] <= "31"


def _turned(text: str) -> str:
    return text[4:8] + text[2:4] + text[0:2]


def date_order(raw: "list[bytes]") -> str:
    """ "ymd" or "dmy": the order in which all given four-byte BCD dates are dates; GroupError if neither is.

    No date is one in both orders: 19 or 20 cannot be a month.
    """
    texts = [_digits(value) for value in raw if value != b"\0\0\0\0"]
    for text in texts:
        if not text:
            raise _wrong("a date is not BCD")
    for order in ("ymd", "dmy"):
        if all([_is_date(text if order == "ymd" else _turned(text)) for text in texts]):
            return order
    raise _wrong("dates that are none in either order")


def date_text(raw: "Bytes", order: str) -> str:
    """A four-byte BCD date as YYYYMMDD; "" for four zero bytes (no date)."""
    if bytes(raw) == b"\0\0\0\0":
        return ""
    text = _digits(raw)
    return text if order == "ymd" else _turned(text)


def _plain_date(text: str) -> str:
    """Eight ASCII digits, in either order, as YYYYMMDD."""
    for char in text:
        if not "0" <= char <= "9":
            raise _wrong("a category's date is malformed")
    for candidate in (text, _turned(text)):
        if _is_date(candidate):
            return candidate
    raise _wrong("a category's date is none")


def category_valid(fields: dict, category: str, today: str) -> bool:
    """Whether a parsed DG1 grants `category` (letters and case as printed, blanks ignored) on `today` (YYYYMMDD)."""
    wanted = category.replace(" ", "").upper()
    for row in fields["categories"]:
        if row["category"].replace(" ", "").upper() == wanted:
            return (not row["issue"] or row["issue"] <= today) and (not row["expiry"] or today <= row["expiry"])
    return False
