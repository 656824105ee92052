"""Screens of a case: licence, vehicle, offence, the driver's acknowledgement, what happens to the licence."""

from typing import TYPE_CHECKING

from terminal.face import numbers
from terminal.face.catalogue import isolated, ltr
from terminal.face.screens.entry import entry_box
from terminal.face.sheet import (
    AMBER,
    BLACK,
    BLUE,
    FIGURES,
    FOOTER_TOP,
    GREEN,
    GREY,
    HUGE,
    LARGE,
    MARGIN,
    NORMAL,
    RED,
    SMALL,
    STATUS_HEIGHT,
    WHITE,
    WIDTH,
)  # fmt: skip

if TYPE_CHECKING:
    from terminal.face.sheet import Sheet

VERDICT_COLOURS = (GREY, GREEN, GREEN, RED, AMBER, RED, GREY, BLUE)  # by records.VERDICT_*


def mrz_entry(sheet: "Sheet", fields: dict) -> None:
    """field: "number", "birth" or "expiry"; entry: the characters typed so far (dates as YYMMDD); missing: how many are, after OK."""
    field = fields.get("field", "number")
    sheet.title(sheet.t("mrz.title"))
    sheet.line(sheet.t("mrz.scan"), SMALL)
    sheet.line(sheet.t("mrz." + field), LARGE, "center")
    number = field == "number"
    entry_box(sheet, fields, sheet.t("mrz.number.hint" if number else "mrz.date.hint"), not number)
    sheet.footer("✗ " + sheet.t("key.cancel"), sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def licence_present(sheet: "Sheet", fields: dict) -> None:
    """Waiting for the licence."""
    sheet.title(sheet.t("licence.present.title"))
    sheet.space(6)
    sheet.card_icon(False)
    sheet.para(sheet.t("licence.present"), LARGE, "center", lines=2)
    sheet.footer("✗ " + sheet.t("key.cancel"), "", "")


def licence_progress(sheet: "Sheet", fields: dict) -> None:
    """file: short name; done, total: bytes or files."""
    sheet.title(sheet.t("licence.present.title"))
    sheet.space(8)
    sheet.line(sheet.t("licence.keep"), LARGE, "center")
    sheet.space(8)
    sheet.progress(fields.get("done", 0), fields.get("total", 0))
    sheet.line(sheet.t("licence.file", file=fields.get("file", "")), SMALL, "center")
    sheet.footer("", "", "")


def licence_verdict(sheet: "Sheet", fields: dict) -> None:
    """verdict 1..7, name_ar, name_lat, number, expiry (YYYYMMDD), categories (text), vehicle (category driven), findings (codes);
    portrait: whether ▲ or ▼ shows it."""
    verdict = fields.get("verdict", 6)
    colour = VERDICT_COLOURS[verdict]
    ink = BLACK if colour == AMBER else WHITE
    sheet.panel(60, ink, colour)
    mark = "✓ " if verdict in (1, 2) else "⚠ "
    sheet.middle(mark + sheet.t("verdict." + str(verdict)), LARGE, 36)
    sheet.y += 31
    sheet.line(sheet.t("verdict." + str(verdict) + ".note"), SMALL, "center")
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT - 60)
    sheet.space(1)
    findings = list(fields.get("findings") or ())
    for name in ("name_ar", "name_lat"):
        if fields.get(name):
            line = sheet.fit(isolated(fields[name]), NORMAL, WIDTH - 2 * MARGIN)
            sheet.put(line, sheet.start_x(), sheet.y, "start")
            sheet.y += 27
    if fields.get("number"):
        first = sheet.t("verdict.number") + " " + ltr(fields["number"])
        second = sheet.t("verdict.expiry") + " " + numbers.date(fields.get("expiry", ""))
        sheet.pair(first, second, SMALL)
    if fields.get("categories"):
        _categories(sheet, fields["categories"], fields.get("vehicle"), 1 if findings else 2)
    elif not fields.get("number"):
        sheet.space(8)
        sheet.card_icon(False)
    room = (FOOTER_TOP - sheet.y) // sheet.engine.line_height(SMALL)
    for at, code in enumerate(findings[:room]):
        key = "finding." + code
        text = sheet.t(key) if sheet.catalogue.has(key) else sheet.t("finding.other", code=ltr(code))
        if at == room - 1 and len(findings) > room:
            text += " " + ltr("(+" + str(len(findings) - room) + ")")
        sheet.line("▲ " + text, SMALL)
    hint = "▲▼ " + sheet.t("key.portrait") if fields.get("portrait") else ""
    sheet.footer("✗ " + sheet.t("key.cancel"), hint, "✓ " + sheet.t("key.ignore" if colour == RED else "key.next"))


def _categories(sheet: "Sheet", held: str, vehicle: "str | None", lines: int) -> None:
    """The categories held on one line with the one driven; where that is too long, on `lines` lines, the one driven first."""
    title = sheet.t("verdict.categories") + " "
    driven = sheet.t("verdict.vehicle", category=ltr(vehicle)) if vehicle else ""
    text = title + ltr(held) + (" · " + driven if driven else "")
    if len(sheet.engine.wrap(text, SMALL, WIDTH - 2 * MARGIN, sheet.rtl)) == 1:
        sheet.line(text, SMALL)
    else:
        each = " ".join([ltr(name) for name in held.split(" ")])
        sheet.para((driven + " · " if driven else "") + title + each, SMALL, lines=lines)


def plate_entry(sheet: "Sheet", fields: dict) -> None:
    """entry: the plate typed so far; missing."""
    sheet.title(sheet.t("plate.title"))
    sheet.line(sheet.t("plate.label"), LARGE, "center")
    sheet.space(4)
    entry_box(sheet, fields, sheet.t("plate.hint", example=ltr("00123-119-16")))
    sheet.footer("✗ " + sheet.t("key.cancel"), sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def offence_list(sheet: "Sheet", fields: dict) -> None:
    """lines: up to 5 (code, ar, fr, en), chosen by the digits 1 to 5, or by moving `index` (-1: no such choice); page, pages: from 1."""
    sheet.paged("offence.title", fields.get("page", 1), fields.get("pages", 1))
    sheet.y -= 4
    for index, line in enumerate(fields.get("lines", ())):
        text = ltr(str(index + 1)) + "  " + ltr(line["code"]) + "  " + isolated(line[sheet.lang])
        sheet.row(text, SMALL, 29, index == fields.get("index"))
    if fields.get("index", -1) >= 0:
        sheet.footer("✗ " + sheet.t("key.cancel"), "▲▼ " + sheet.t("key.move"), "✓ " + sheet.t("key.choose"))
    else:
        sheet.footer(
            "✗ " + sheet.t("key.cancel"), "▲▼ " + sheet.t("key.page") if fields.get("pages", 1) > 1 else "", ""
        )


def acknowledge(sheet: "Sheet", fields: dict) -> None:
    """What the driver reads before paying. code, text (in each language), amount (centimes), points."""
    sheet.title(sheet.t("acknowledge.title"))
    sheet.y -= 4
    article = sheet.t("acknowledge.article", code=ltr(fields.get("code", "")))
    sheet.pair(article, sheet.t("acknowledge.points", points=fields.get("points", 0)), SMALL)
    bottom = FOOTER_TOP - sheet.engine.line_height(FIGURES) - 4  # the tail of دج
    sheet.para(isolated(fields["text"][sheet.lang]), NORMAL, height=bottom - sheet.y)
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.footer("✗ " + sheet.t("key.cancel"), "", "✓ " + sheet.t("key.acknowledge"))


def licence_hand(sheet: "Sheet", fields: dict) -> None:
    """disposition 1 returned, 2 retained, 3 release granted; days: validity of the document; pv: report it is about, or
    absent; note: key of the reason, where it is not the payment."""
    disposition = fields.get("disposition", 2)
    colour, ink = (AMBER, BLACK) if disposition == 2 else (GREEN, WHITE)
    sheet.panel(100, ink, colour)
    sheet.para(sheet.t("hand." + str(disposition)), HUGE, "center", 100)
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT - 100)
    note = sheet.t(fields.get("note") or "hand." + str(disposition) + ".note", days=fields.get("days", 0))
    if fields.get("pv"):
        sheet.space(4)
        sheet.line(sheet.t("hand.pv", pv=ltr(fields["pv"])), LARGE, "center")
    sheet.para(note, NORMAL, "center", FOOTER_TOP - sheet.y)
    sheet.footer("", "", "✓ " + sheet.t("key.done"))
