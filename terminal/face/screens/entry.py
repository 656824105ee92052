"""A box with what has been typed so far, shared by all screens with an entry."""

from typing import TYPE_CHECKING

from terminal.face.catalogue import ltr
from terminal.face.sheet import HUGE, SMALL, WIDTH

if TYPE_CHECKING:
    from terminal.face.sheet import Sheet


def entry_box(sheet: "Sheet", fields: dict, hint: str = "", pairs: bool = False) -> None:
    """The characters typed (entry), big and left to right in every language, with a cursor; below the box a hint, or how many are missing.
    `pairs`: a date, "8503" → "85 03 "."""
    text = fields.get("entry", "")
    if pairs:
        text = " ".join([text[at : at + 2] for at in range(0, len(text), 2)])
    if fields.get("missing"):
        hint = "⚠ " + sheet.t("entry.missing", n=fields["missing"])
    line = sheet.fit(ltr(text), HUGE, WIDTH - 72)
    top = sheet.y
    sheet.box(24, top, WIDTH - 48, 52, 2)
    left = (WIDTH - line.width) >> 1
    sheet.put(line, WIDTH >> 1, top + ((52 - sheet.engine.line_height(line.size)) >> 1), "center")
    sheet.fill(left + line.width + 2, top + 38, 14, 3)
    sheet.y = top + 58
    if hint:
        sheet.line(hint, SMALL, "center")


def star_boxes(sheet: "Sheet", count: int, places: int = 4) -> None:
    """A filled square per digit typed, empty ones for those expected at least."""
    places = max(places, count)
    pitch = 36 if places <= 8 else 24
    side = pitch - 12
    x = (WIDTH - places * pitch + 12) >> 1
    for index in range(places):
        at = places - 1 - index if sheet.rtl else index
        if index < count:
            sheet.fill(x + at * pitch, sheet.y, side, side)
        else:
            sheet.box(x + at * pitch, sheet.y, side, side, 2)
    sheet.y += side + 10
