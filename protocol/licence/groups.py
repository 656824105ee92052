"""EF.COM and the small things that data groups have in common (ISO/IEC 18013-2 annex C; EU 383/2012 annex I).

`decode` opens DG1 to DG9, DG11 and DG12 by number. Pictures are found and named, not decoded.
"""

from typing import TYPE_CHECKING

from protocol import tlv
from protocol.errors import FormatError
from protocol.licence import profile
from protocol.licence.errors import GroupError
from protocol.pack import hexed

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview


def body(content: "Bytes", tag: int) -> bytes:
    """What is inside a file's outermost tag; GroupError if the file is not exactly one object with this tag."""
    try:
        rows = tlv.parse(content, False)
    except FormatError as cause:
        raise GroupError("a file is not TLV: " + cause.message, detail="tag " + str(tag))
    if len(rows) != 1 or rows[0][0] != tag:
        raise GroupError("a file is not one object of its tag", detail="tag " + str(tag))
    return bytes(rows[0][1])


def objects(data: "Bytes", where: str) -> "list[tuple[int, Bytes]]":
    """[(tag, value)] of one level; GroupError naming `where` if it is not TLV."""
    try:
        return tlv.parse(data, False)
    except FormatError as cause:
        raise GroupError(where + " is not TLV: " + cause.message, detail=where)


def text(value: "Bytes", where: str = "") -> str:
    """UTF-8 text, or ISO 8859-1 (ISO/IEC 18013-2 8.1, EU 383/2012) where it is not UTF-8; `where`: a field that has UTF-8 only, named by
    the GroupError. Control characters and those that turn the direction of writing become U+FFFD; blanks and zeros at the ends go.
    """
    from protocol.cbor import utf8_error

    raw = bytes(value)
    if utf8_error(raw) < 0:
        found = raw.decode()
    elif where:
        raise GroupError(where + " is not UTF-8", detail=where)
    else:
        found = "".join([chr(byte) for byte in raw])
    found = found.strip(" \t\r\n\0")
    return "".join(["\ufffd" if _steers(ord(char)) else char for char in found])


def _steers(code: int) -> bool:
    """Whether a character would steer a screen or printer instead of being shown: C0, DEL, C1, line and direction controls."""
    return code < 0x20 or 0x7F <= code < 0xA0 or 0x2028 <= code <= 0x202E or 0x2066 <= code <= 0x2069


def common_data(content: "Bytes") -> "tuple[str, list[int]]":
    """(version, group numbers present) of EF.COM; tags of unknown groups are left out."""
    rows = objects(body(content, profile.COM_TAG), "EF.COM")
    version, groups = "", None
    for tag, value in rows:
        if tag == 0x5F01:
            version = hexed(value) if len(value) == 2 else text(value)
        elif tag == 0x5C:
            groups = [profile.group_of(item) for item in value]
    if groups is None:
        raise GroupError("EF.COM has no list of groups", detail="EF.COM")
    return version, [group for group in groups if group]


def decode(group: int, content: "Bytes") -> dict:
    """The content of a group as a map; GroupError if it is laid out otherwise, or DG10 or a group of keys.

    `unread`, only where there is something to say: the names of the fields that could not be read.
    DG1 and DG11: see their modules. DG2, DG3: texts. DG4, DG5: {image, start, end} and DG4's {date} where there is one. DG6 to DG9:
    {templates: [{kind, owner, format, start, end, image}]}. DG12: {objects: [(tag, bytes)]}, its layout is not published (?).
    """
    if group == 1:
        from protocol.licence import dg1

        return dg1.parse(content)
    if group == 11:
        from protocol.licence import dg11

        return dg11.parse(content)
    if group in (2, 3):
        return plain_fields(group, content)
    if group in (4, 5):
        return _picture(group, content)
    if 6 <= group <= 9:
        from protocol.licence import biometrics

        return biometrics.parse(group, content)
    if group == 12:
        rows = objects(body(content, profile.tag_of(12)), "DG12")
        return {"objects": [(tag, bytes(value)) for tag, value in rows]}
    raise GroupError("no layout is known for this group", detail="DG" + str(group))


_DG2 = (("sex", 0x5F35), ("height", 0x5F64), ("birthplace", 0x5F11))
_DG3 = (("issuer", 0x5F48), ("national_number", 0x5F49))
# (?): the tags inside the Algerian DG2 and DG3 are not published; these are read if they are there


def plain_fields(group: int, content: "Bytes") -> dict:
    """The known fields of DG2 or DG3, present ones only; everything else is passed over."""
    name = "DG" + str(group)
    rows = objects(body(content, profile.tag_of(group)), name)
    found = {}
    for key, tag in _DG2 if group == 2 else _DG3:
        for item, value in rows:
            if item == tag:
                found[key] = text(value)
    return found


def _picture(group: int, content: "Bytes") -> dict:
    """DG4 or DG5: where the picture lies; DG4's date (88, BCD) as YYYYMMDD if it is one."""
    body(content, profile.tag_of(group))
    kind, start, end = portrait_image(content, "DG" + str(group))
    found = {"image": kind, "start": start, "end": end}
    at = bytes(content[:start]).find(b"\x88\x04")
    if group == profile.PORTRAIT_GROUP and at >= 0:
        from protocol.licence import dg1

        try:
            found["date"] = dg1.date_text(content[at + 2 : at + 6])
        except GroupError:
            pass  # those two bytes were no date's tag
    return found


def portrait_image(content: "Bytes", where: str = "DG4") -> "tuple[str, int, int]":
    """(format, start, end) of the picture in a group: "jpeg" or "jp2"; GroupError naming `where` if there is none.

    The picture is looked for by its first bytes, since the layouts around it differ; it ends where the file ends.
    """
    data = bytes(content)
    for kind, mark in (
        ("jpeg", b"\xff\xd8\xff"),
        ("jp2", b"\x00\x00\x00\x0cjP  \r\n\x87\n"),
        ("jp2", b"\xff\x4f\xff\x51"),
    ):
        at = data.find(mark)
        if at >= 0:
            return kind, at, len(data)
    raise GroupError("no picture was found", detail=where)
