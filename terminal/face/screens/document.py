"""Screens around licences that need more than the MRZ screen: other documents, CAN, category driven, unreadable chip, portrait."""

from typing import TYPE_CHECKING

from terminal.face.catalogue import ltr
from terminal.face.screens.entry import entry_box
from terminal.face.sheet import AMBER, BLACK, FOOTER_TOP, LARGE, MARGIN, NORMAL, SMALL, WIDTH

if TYPE_CHECKING:
    from terminal.face.sheet import Sheet


def document_menu(sheet: "Sheet", fields: dict) -> None:
    """vehicle: category driven. Choices 1 CAN, 2 paper, 3 foreign, 4 category."""
    sheet.title(sheet.t("document.title"))
    labels = [sheet.t(key) for key in ("document.can", "document.paper", "document.foreign")]
    labels.append(sheet.t("document.vehicle", category=ltr(fields.get("vehicle", ""))))
    sheet.menu(labels, 35, NORMAL)
    sheet.footer("✗ " + sheet.t("key.back"), "", "")


def can_entry(sheet: "Sheet", fields: dict) -> None:
    """entry: digits of the card access number, or of the licence's number in its place, typed so far."""
    _typed(sheet, fields, "document.can", "can.hint")


def document_number(sheet: "Sheet", fields: dict) -> None:
    """kind: "paper" or "foreign"; entry: digits typed so far."""
    _typed(sheet, fields, "document." + fields.get("kind", "paper"), "document.number.hint", "document.number")


def _typed(sheet: "Sheet", fields: dict, title: str, hint: str, label: str = "") -> None:
    sheet.title(sheet.t(title))
    if label:
        sheet.line(sheet.t(label), LARGE, "center")
    sheet.space(4)
    entry_box(sheet, fields, sheet.t(hint))
    sheet.footer("✗ " + sheet.t("key.cancel"), sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def category_list(sheet: "Sheet", fields: dict) -> None:
    """lines: up to five categories, chosen by the digits 1 to 5; page, pages: from 1."""
    sheet.title(sheet.t("category.title"))
    sheet.y -= 4
    sheet.menu([ltr(line) for line in fields.get("lines", ())], 29, NORMAL)
    sheet.footer("✗ " + sheet.t("key.cancel"), "▲▼ " + sheet.t("key.page") if fields.get("pages", 1) > 1 else "", "")


def licence_unreadable(sheet: "Sheet", fields: dict) -> None:
    """code: the last error. Whether to go on from the document itself."""
    sheet.title(sheet.t("verdict.6"), AMBER, BLACK)
    sheet.para(sheet.t("unreadable.text"), NORMAL)
    sheet.y = FOOTER_TOP - 4 - sheet.engine.line_height(SMALL)
    sheet.line(sheet.t("error.code", code=ltr(fields.get("code", ""))), SMALL, "center")
    sheet.footer("✗ " + sheet.t("key.cancel"), "", "✓ " + sheet.t("key.next"))


def licence_portrait(sheet: "Sheet", fields: dict) -> None:
    """picture: (width, height, rows), or the key of the words that say why there is none; proven: it is signed."""
    picture = fields.get("picture")
    sheet.title(sheet.t("key.portrait"))
    if isinstance(picture, str):
        sheet.space(30)
        sheet.para(sheet.t(picture), NORMAL, "center")
    elif picture:
        width, height, rows = picture
        x = WIDTH - MARGIN - width if sheet.rtl else MARGIN
        sheet.picture(x, sheet.y + ((FOOTER_TOP - sheet.y - height) >> 1), width, height, rows)
        if not fields.get("proven"):
            line = sheet.fit("⚠ " + sheet.t("portrait.unproven"), SMALL, WIDTH - width - 3 * MARGIN)
            sheet.put(line, x - MARGIN if sheet.rtl else x + width + MARGIN, sheet.y + 8, "start")
    sheet.footer("✗ " + sheet.t("key.back"), "", "✓ " + sheet.t("key.ok"))
