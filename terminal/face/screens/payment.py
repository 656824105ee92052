"""Screens of a payment: choice, card, PIN, outcome, printing. The four outcomes differ in colour, sign and words."""

from typing import TYPE_CHECKING

from terminal.face import numbers
from terminal.face.catalogue import isolated, ltr
from terminal.face.screens.entry import star_boxes
from terminal.face.sheet import (
    AMBER,
    BLACK,
    BLUE,
    FOOTER_TOP,
    GREEN,
    HUGE,
    LARGE,
    NAVY,
    NORMAL,
    RED,
    SMALL,
    STATUS_HEIGHT,
    WHITE,
)  # fmt: skip

if TYPE_CHECKING:
    from terminal.face.sheet import Sheet

OUTCOMES = ((BLUE, WHITE, "⚠ "), (GREEN, WHITE, "✓ "), (AMBER, BLACK, "● "), (RED, WHITE, "✗ "), (BLUE, WHITE, "⚠ "))

_WITHOUT_KEYS = (0x17, 0x1B)  # card read, asking the bank: there is nothing to cancel


def pay_choice(sheet: "Sheet", fields: dict) -> None:
    """amount; 1 by card now, 2 later."""
    sheet.title(sheet.t("pay.title"))
    sheet.y -= 3
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.menu([sheet.t("pay.now"), sheet.t("pay.later")], 36, NORMAL)
    sheet.line(sheet.t("pay.note"), SMALL, "center")
    sheet.footer("✗ " + sheet.t("key.cancel"), "", "")


def card_present(sheet: "Sheet", fields: dict) -> None:
    """amount; tap: whether a contactless card may be held to the reader too."""
    sheet.title(sheet.t("card.title"))
    sheet.y -= 4
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.card_icon(True)
    sheet.line(sheet.t("card.tap" if fields.get("tap") else "card.present"), NORMAL, "center")
    sheet.footer("✗ " + sheet.t("key.cancel"), "", "")


def card_message(sheet: "Sheet", fields: dict) -> None:
    """ui: a message of the contactless reader (`protocol.emv.contactless.ui`): read, asking the bank, one card only, insert, phone, again."""
    number = fields.get("ui", 0)
    sheet.title(sheet.t("card.title"))
    sheet.y -= 4
    sheet.card_icon(True)
    sheet.line(sheet.t("tap." + str(number)), LARGE, "center")
    sheet.para(sheet.t("tap." + str(number) + ".note"), NORMAL, "center", lines=2)
    sheet.footer("" if number in _WITHOUT_KEYS else "✗ " + sheet.t("key.cancel"), "", "")


def card_choose(sheet: "Sheet", fields: dict) -> None:
    """labels of up to 4 of the card's applications, the first of them number `first`; index of the chosen one among them; page, pages: from 1."""
    sheet.paged("card.choose", fields.get("page", 1), fields.get("pages", 1))
    for index, label in enumerate(fields.get("labels", ())):
        number = ltr(str(index + fields.get("first", 1)))
        sheet.row(number + "  " + isolated(label), LARGE, 34, index == fields.get("index"))
    sheet.footer("✗ " + sheet.t("key.cancel"), "▲▼ " + sheet.t("key.move"), "✓ " + sheet.t("key.choose"))


def card_pin(sheet: "Sheet", fields: dict) -> None:
    """stars, tries_left (None if the card does not say), last_try, amount; wrong: the one before was."""
    sheet.title(sheet.t("card.pin"))
    sheet.y -= 4
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.space(4)
    star_boxes(sheet, fields.get("stars", 0))
    left = fields.get("tries_left")
    wrong = sheet.t("card.pin.wrong") + " · " if fields.get("wrong") else ""
    if fields.get("last_try"):
        sheet.y = FOOTER_TOP
        sheet.panel_.height -= 34
        sheet.panel(34, WHITE, RED)
        sheet.middle("⚠ " + wrong + sheet.t("card.pin.last"), NORMAL, 34)
    elif left is not None:
        sheet.line(wrong + sheet.t("card.pin.tries", n=left), SMALL, "center")
    sheet.footer("✗ " + sheet.t("key.cancel"), sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def card_busy(sheet: "Sheet", fields: dict) -> None:
    """The card works."""
    sheet.title(sheet.t("card.title"))
    sheet.space(4)
    sheet.card_icon(True)
    sheet.line(sheet.t("card.busy"), LARGE, "center")
    sheet.line(sheet.t("card.busy.note"), NORMAL, "center")
    sheet.footer("", "", "")


def card_remove(sheet: "Sheet", fields: dict) -> None:
    """The card may be taken out."""
    sheet.title(sheet.t("card.title"))
    sheet.space(6)
    sheet.card_icon(True)
    sheet.line(sheet.t("card.remove"), HUGE, "center")
    sheet.footer("", "", "")


def signature(sheet: "Sheet", fields: dict) -> None:
    """amount, scheme, last4: the driver has signed, the officer compares with the card; nothing is said of an outcome."""
    sheet.title(sheet.t("sign.title"))
    sheet.y -= 3
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    masked = ltr("•••• " + fields.get("last4", ""))
    sheet.line(sheet.t("outcome.card", scheme=fields.get("scheme", ""), last4=masked), SMALL, "center")
    sheet.space(4)
    sheet.para(sheet.t("sign.text"), NORMAL, "center", lines=3)
    sheet.footer("✗ " + sheet.t("sign.differs"), "", "✓ " + sheet.t("sign.agrees"))


def outcome(sheet: "Sheet", fields: dict) -> None:
    """outcome 1 approved, 2 provisional, 3 declined, 4 interrupted; amount, scheme, last4, reason (a code), why (what decided)."""
    number = fields.get("outcome", 4)
    colour, ink, sign = OUTCOMES[number]
    sheet.panel(56, ink, colour)
    sheet.middle(sign + sheet.t("outcome." + str(number)), HUGE, 56)
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT - 56)
    sheet.space(3)
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    if fields.get("last4"):
        masked = ltr("•••• " + fields["last4"])
        sheet.line(sheet.t("outcome.card", scheme=fields.get("scheme", ""), last4=masked), SMALL, "center")
    sheet.para(sheet.t("outcome." + str(number) + ".note"), NORMAL if number == 1 else SMALL, "center", lines=2)
    room = sheet.y + sheet.engine.line_height(SMALL) <= FOOTER_TOP
    if fields.get("reason") and number != 1 and room:
        sheet.line(sheet.t("outcome.reason", reason=_why(sheet, fields)), SMALL, "center")
    sheet.footer("", "", "✓ " + sheet.t("key.next"))


def _why(sheet: "Sheet", fields: dict) -> str:
    """The line that decided, where the kernel names one; else the outcome's own reason."""
    key = "why." + (fields.get("why") or "")
    return sheet.t(key) if sheet.catalogue.has(key) else _reason(sheet, fields["reason"])


def _reason(sheet: "Sheet", code: str) -> str:
    key = "reason." + code
    if sheet.catalogue.has(key):
        return sheet.t(key)
    known = "err." + code
    return sheet.t(known) if sheet.catalogue.has(known) else sheet.t("reason.other", code=ltr(code))


def printing(sheet: "Sheet", fields: dict) -> None:
    """copy: 1 driver's, 2 officer's, 3 duplicate."""
    sheet.title(sheet.t("printing.title"))
    sheet.space(34)
    sheet.line(sheet.t("printing." + str(fields.get("copy", 1))), LARGE, "center")
    sheet.line(sheet.t("printing.wait"), NORMAL, "center")
    sheet.footer("", "", "")


def interrupted(sheet: "Sheet", fields: dict) -> None:
    """amount of the payment that was cut."""
    sheet.panel(56, WHITE, BLUE)
    sheet.middle("⚠ " + sheet.t("outcome.4"), HUGE, 56)
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT - 56, NAVY, WHITE)
    sheet.space(3)
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.para(sheet.t("interrupted.text"), NORMAL)
    sheet.footer("", "", "✓ " + sheet.t("key.next"))
