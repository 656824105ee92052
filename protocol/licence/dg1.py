"""DG1, the demographic data and categories: compact encoding (ISO/IEC 18013-2 annex C.2) and EU 383/2012 annex III.

`parse` gives one map for both: number, surname, given_names, birth, issue, expiry (YYYYMMDD texts), country (as printed: three
letters), authority, categories (list of {category, issue, expiry, code, sign, value}; a restriction of every category names none);
EU adds birthplace and nationality. BCD dates come as yyyyMMdd or ddMMyyyy: no date is one in both orders, since 19, 20 and 21 are no
months.

What can be read is read: a field that cannot is "" and named in `unread`, which is there only then. A category whose date cannot be
read is left out, since without a date it would be valid for ever; `left_out`, there only then, names it, so that a row of restrictions
beside it does not grant it either.
"""

from typing import TYPE_CHECKING

from protocol.licence import groups, profile
from protocol.licence.errors import GroupError
from protocol.pack import hexed

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
    unread: "list[str]" = []
    categories: "list[dict]" = []
    left_out: "list[str]" = []
    for tag, value in rows:
        if tag == _NAMES and found is None:
            found = _compact(value)
        elif tag == _EU_FIELDS and found is None:
            found = _eu(value, unread)
        elif tag == _CATEGORIES:
            categories, left_out = _categories(value, unread)
    if found is None:
        raise _wrong("holds no personal data in a known layout")
    for key in _DATES:
        try:
            found[key] = date_text(found[key]) if found[key] else ""
        except GroupError:
            found[key] = ""
            unread.append(key)
    found["categories"] = categories
    if left_out:
        found["left_out"] = left_out
    if unread:
        found["unread"] = unread
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
        found[key] = piece if key in _DATES else groups.text(piece)
        at += length
    if at != len(value):
        raise _wrong("bytes after the last field")
    return found


def _eu(value: "Bytes", unread: "list[str]") -> dict:
    """5F02: fields 5F03 … 5F0E; of country, names, dates and number those that are not there are unread."""
    rows = groups.objects(value, NAME)
    found = {}
    for key, wanted in _EU:
        for tag, piece in rows:
            if tag == wanted and key not in found:
                found[key] = bytes(piece) if key in _DATES else groups.text(piece)
    if not found:
        raise _wrong("holds no field of a known layout")
    for key in ("country", "surname", "given_names", "authority", "number") + _DATES:
        if key not in found:
            found[key] = ""
            if key not in ("given_names", "authority"):
                unread.append(key)
    return found


def _categories(value: "Bytes", unread: "list[str]") -> "tuple[list[dict], list[str]]":
    """The rows 87 under 7F63 that can be read, and the categories of the others; if there are any, or not as many as its 02 says,
    "categories" is unread."""
    count, seen, found, left_out = -1, 0, [], []
    try:
        for tag, piece in groups.objects(value, NAME):
            if tag == 0x02 and len(piece) == 1:
                count = piece[0]
            elif tag == 0x87:
                seen += 1
                parts = bytes(piece).split(b";")
                row = _category(parts) if seen <= MAX_CATEGORIES else None
                if row is not None:
                    found.append(row)
                elif parts[0]:
                    left_out.append(_key(groups.text(parts[0])))
    except GroupError:
        pass  # nothing of it can be read: the number does not agree
    if count != seen or len(found) != seen:
        unread.append("categories")
    return found, left_out


def _category(parts: "list[bytes]") -> "dict | None":
    """One row: six fields between semicolons, trailing ones may be missing. None if it is empty, has more, or a date that is none.

    A BCD date cannot hold a semicolon (3B is no pair of digits).
    """
    if len(parts) > 6 or not any(parts):
        return None
    found = {}
    for i, key in enumerate(("category", "issue", "expiry", "code", "sign", "value")):
        part = parts[i] if i < len(parts) else b""
        try:
            found[key] = date_text(part) if i in (1, 2) and part else groups.text(part)
        except GroupError:
            return None
    return found


def _is_date(text: str) -> bool:
    """Whether YYYYMMDD could be a date; presumed birth dates have 00 for month and day, 99991231 stands for no end."""
    return text == "99991231" or ("1900" <= text[:4] <= "2199" and text[4:6] <= "12" and text[6:8] <= "31")


def date_text(raw: "Bytes") -> str:
    """A date of four BCD bytes or eight digits, in either order, as YYYYMMDD; "" for zeros (no date). GroupError if it is none."""
    text = hexed(raw) if len(raw) == 4 else groups.text(raw)
    if text == "00000000":
        return ""
    if len(text) == 8 and all(["0" <= char <= "9" for char in text]):
        for candidate in (text, text[4:8] + text[2:4] + text[0:2]):
            if _is_date(candidate):
                return candidate
    raise _wrong("a date is none")


def _key(category: str) -> str:
    return category.replace(" ", "").upper()


def category_valid(fields: dict, category: str, today: str) -> bool:
    """Whether a parsed DG1 grants `category` (letters and case as printed, blanks ignored) on `today` (YYYYMMDD)."""
    wanted = _key(category)
    rows = [row for row in fields["categories"] if _key(row["category"]) == wanted]
    dated = [row for row in rows if row["issue"] or row["expiry"]]
    for row in dated:
        if (not row["issue"] or row["issue"] <= today) and (not row["expiry"] or today <= row["expiry"]):
            return True
    # beside rows with dates, readable or not, one without is a restriction and grants nothing
    return bool(rows) and not dated and wanted not in fields.get("left_out", ())
