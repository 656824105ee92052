"""Screens of what is taken back or given up: a payment's void, a case's abandonment."""

from typing import TYPE_CHECKING

from terminal.face import numbers
from terminal.face.catalogue import ltr
from terminal.face.sheet import AMBER, BLACK, FOOTER_TOP, GREEN, HUGE, NORMAL, RED, SMALL, STATUS_HEIGHT, WHITE

if TYPE_CHECKING:
    from terminal.face.sheet import Sheet

ENDS = ((RED, WHITE, "✗ "), (AMBER, BLACK, "● "), (GREEN, WHITE, "✓ "), (RED, WHITE, "✗ "))
REASONS = ("no-offence", "entry", "emergency", "left", "fault")  # records.ABANDON_REASONS


def void_confirm(sheet: "Sheet", fields: dict) -> None:
    """amount, pv, scheme, last4 of the payment that is to be taken back."""
    sheet.title("⚠ " + sheet.t("void.title"), AMBER, BLACK)
    sheet.y -= 4
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    masked = ltr("•••• " + fields.get("last4", ""))
    sheet.line(sheet.t("hand.pv", pv=ltr(fields.get("pv", ""))), SMALL, "center")
    sheet.line(sheet.t("outcome.card", scheme=fields.get("scheme", ""), last4=masked), SMALL, "center")
    sheet.para(sheet.t("void.text"), SMALL, height=FOOTER_TOP - sheet.y)
    sheet.footer("✗ " + sheet.t("key.no"), "", "✓ " + sheet.t("key.yes"))


def void_result(sheet: "Sheet", fields: dict) -> None:
    """state 1 no word yet, 2 done, 3 refused; amount, pv."""
    state = fields.get("state", 1)
    colour, ink, sign = ENDS[state]
    sheet.panel(56, ink, colour)
    sheet.middle(sign + sheet.t("void." + str(state)), HUGE, 56)
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT - 56)
    sheet.space(3)
    sheet.amount(numbers.amount(fields.get("amount", 0), sheet.lang))
    sheet.line(sheet.t("hand.pv", pv=ltr(fields.get("pv", ""))), SMALL, "center")
    sheet.para(sheet.t("void." + str(state) + ".note"), SMALL, "center", FOOTER_TOP - sheet.y)
    sheet.footer("", "", "✓ " + sheet.t("key.next"))


def abandon_reason(sheet: "Sheet", fields: dict) -> None:
    """Choices 1 to 5: why the case is given up."""
    sheet.title(sheet.t("abandon.title"), AMBER, BLACK)
    sheet.y -= 4
    sheet.menu([sheet.t("abandon." + name) for name in REASONS], 29, NORMAL)
    sheet.footer("✗ " + sheet.t("key.back"), "", "")
