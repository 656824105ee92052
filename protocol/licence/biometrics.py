"""DG6 to DG9, biometric templates (ISO/IEC 18013-2 annex C; CBEFF, ISO/IEC 19785-3; faces ISO/IEC 19794-5). EU: portrait in DG6.

7F61 {02 count, 7F60 {A1 header, 5F2E or 7F2E record} …}. Says which kind each template is and where it and a picture in it lie;
compares nothing and decodes no picture.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.licence import groups, profile
from protocol.licence.errors import GroupError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

MAX_TEMPLATES = 16
_KINDS = ((0x02, "face"), (0x08, "finger"), (0x10, "iris"))


def parse(group: int, content: "Bytes") -> dict:
    """{templates: [{kind, owner, format, start, end, image}]} of a whole DG6 … DG9; `start` and `end` are offsets in the group,
    `image` (format, start, end) or None. GroupError if it is laid out otherwise."""
    name = "DG" + str(group)
    whole = bytes(content)
    rows = groups.objects(groups.body(content, profile.tag_of(group)), name)
    if len(rows) != 1 or rows[0][0] != 0x7F61:
        raise GroupError("no biometric templates", detail=name)
    count, found = -1, []
    at = 0
    for tag, value in groups.objects(rows[0][1], name):
        if tag == 0x02 and len(value) == 1:
            count = value[0]
        elif tag == 0x7F60:
            if len(found) >= MAX_TEMPLATES:
                raise GroupError("too many biometric templates", detail=name)
            entry, record = _template(value, name)
            at = whole.find(bytes(record), at)
            entry["start"], entry["end"] = at, at + len(record)
            at += len(record)
            entry["image"] = _image(record, entry["start"])
            found.append(entry)
    if count != len(found):
        raise GroupError("the number of biometric templates is wrong", detail=name)
    return {"templates": found}


def _template(value: "Bytes", name: str) -> "tuple[dict, Bytes]":
    """Header and record of one 7F60."""
    entry = {"kind": "", "owner": 0, "format": 0}
    record = None
    for tag, inner in groups.objects(value, name):
        if tag in (0x5F2E, 0x7F2E):
            record = inner
        elif tag == 0xA1:
            for field, data in groups.objects(inner, name):
                if field == 0x81 and 1 <= len(data) <= 3:
                    entry["kind"] = _kind(data[-1])
                elif field in (0x87, 0x88) and len(data) == 2:
                    entry["owner" if field == 0x87 else "format"] = pack.rd16(data)
    if record is None:
        raise GroupError("a biometric template without its record", detail=name)
    return entry, record


def _kind(number: int) -> str:
    for value, name in _KINDS:
        if number == value:
            return name
    return ""


def _image(record: "Bytes", start: int) -> "tuple[str, int, int] | None":
    try:
        kind, at, end = groups.portrait_image(record)
    except GroupError:
        return None
    return kind, start + at, start + end
