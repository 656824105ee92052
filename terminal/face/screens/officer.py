"""Screens around the officer: start, log-in, menu, synchronisation, shift, messages and errors."""

from typing import TYPE_CHECKING

from terminal.face import numbers
from terminal.face.catalogue import ltr
from terminal.face.screens.entry import entry_box, star_boxes
from terminal.face.sheet import (
    AMBER,
    BLACK,
    FOOTER_HEIGHT,
    FOOTER_TOP,
    GREEN,
    GREY,
    HUGE,
    LARGE,
    NAVY,
    NORMAL,
    RED,
    SMALL,
    STATUS_HEIGHT,
    WHITE,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from terminal.face.sheet import Sheet


def boot(sheet: "Sheet", fields: dict) -> None:
    """The name in both scripts while the terminal starts."""
    sheet.panel(FOOTER_TOP - STATUS_HEIGHT, WHITE, NAVY)
    sheet.space(34)
    sheet.line("تسديد · Tasdid", HUGE, "center")
    sheet.space(8)
    sheet.line(sheet.t("app.motto"), NORMAL, "center")
    sheet.space(14)
    sheet.line(sheet.t("boot.wait"), SMALL, "center")
    sheet.footer("", "", "")


def login_number(sheet: "Sheet", fields: dict) -> None:
    """entry: digits typed so far; second: it is the second badge of a void."""
    sheet.title(sheet.t("login.second" if fields.get("second") else "login.title"))
    sheet.line(sheet.t("login.number"), LARGE, "center")
    sheet.space(6)
    entry_box(sheet, fields)
    cancel = "✗ " + sheet.t("key.cancel") if fields.get("second") else ""
    sheet.footer(cancel, sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def login_pin(sheet: "Sheet", fields: dict) -> None:
    """stars: number of digits typed; attempts_left: None if not to be said; second: of the second badge of a void."""
    left = fields.get("attempts_left")
    sheet.title(sheet.t("login.second" if fields.get("second") else "login.title"))
    sheet.line(sheet.t("login.pin"), LARGE, "center")
    sheet.space(10)
    star_boxes(sheet, fields.get("stars", 0))
    if left == 1:
        sheet.line("⚠ " + sheet.t("login.last"), NORMAL, "center")
    elif left is not None:
        sheet.line(sheet.t("login.attempts", n=left), NORMAL, "center")
    sheet.footer("✗ " + sheet.t("key.cancel"), sheet.t("key.clear"), "✓ " + sheet.t("key.ok"))


def locked(sheet: "Sheet", fields: dict) -> None:
    """Too many wrong PINs."""
    sheet.title("⚠ " + sheet.t("locked.title"), RED)
    sheet.space(10)
    sheet.para(sheet.t("locked.text"), LARGE)
    sheet.footer("✗ " + sheet.t("key.back"), "", "✓ " + sheet.t("key.ok"))


def home(sheet: "Sheet", fields: dict) -> None:
    """unit (the bar has the officer); choices 1 to 6, and the red key's; room: 1 the storage is filling up, 2 full, 3 damaged
    (`terminal.journal.room.ROOM_*`)."""
    room = fields.get("room", 0)
    sheet.title(sheet.t("home.title"), (NAVY, AMBER, RED, RED)[room], BLACK if room == 1 else WHITE)
    sheet.y -= 6
    if room:
        why = sheet.t(("home.low", "home.none", "err.RSK-015")[room - 1])
        sheet.line("⚠ " + why + (" (RSK-015)" if room == 3 else ""), SMALL)
    else:
        sheet.pair(ltr(fields["unit"]), "✗ " + sheet.t("key.out"), SMALL)
    names = ("fine", "sync", "close", "language", "void", "again")
    sheet.panel_.height += FOOTER_HEIGHT  # no key of the footer does anything here
    sheet.menu([sheet.t("home." + name) for name in names], 25, NORMAL)


def syncing(sheet: "Sheet", fields: dict) -> None:
    """done, total: records; back: the red key ends it."""
    done, total = fields.get("done", 0), fields.get("total", 0)
    sheet.title(sheet.t("sync.title"))
    sheet.space(12)
    sheet.para(sheet.t("sync.wait"), NORMAL, "center", lines=2)
    sheet.space(10)
    sheet.progress(done, total)
    sheet.line(ltr(str(done) + " / " + str(total)), NORMAL, "center")
    sheet.footer("✗ " + sheet.t("key.back") if fields.get("back") else "", "", "")


def sync_done(sheet: "Sheet", fields: dict) -> None:
    """sent, pending, results: counts (results may be a list)."""
    pending = fields.get("pending", 0)
    results = fields.get("results", 0)
    if pending:
        sheet.title(sheet.t("sync.partial"), AMBER, BLACK)
    else:
        sheet.title("✓ " + sheet.t("sync.done"), GREEN)
    sheet.space(14)
    sheet.pair(sheet.t("sync.sent"), ltr(str(fields.get("sent", 0))), LARGE)
    sheet.pair(sheet.t("sync.pending"), ltr(str(pending)), LARGE)
    sheet.pair(sheet.t("sync.results"), ltr(str(results if isinstance(results, int) else len(results))), LARGE)
    sheet.footer("", "", "✓ " + sheet.t("key.next"))


def shift_summary(sheet: "Sheet", fields: dict) -> None:
    """count, total: paid in the shift, at once or later; provisional_count, provisional_total: awaited now; declined_count, voided_count,
    voided_total; balanced (True, False or None); recalled: nobody is in; totals in centimes.
    """
    sheet.title(sheet.t("shift.title"))
    voided = fields.get("voided_count", 0)
    size = SMALL if voided else NORMAL
    sheet.space(0 if voided else 4)
    sheet.pair(
        sheet.t("shift.approved", n=fields.get("count", 0)), numbers.amount(fields.get("total", 0), sheet.lang), size
    )
    provisional = sheet.t("shift.provisional", n=fields.get("provisional_count", 0))
    sheet.pair(provisional, numbers.amount(fields.get("provisional_total", 0), sheet.lang), size)
    if voided:
        sheet.pair(sheet.t("shift.voided", n=voided), numbers.amount(fields.get("voided_total", 0), sheet.lang), size)
    sheet.pair(sheet.t("shift.declined"), ltr(str(fields.get("declined_count", 0))), size)
    balanced = fields.get("balanced")
    sheet.y = sheet.panel_.y + sheet.panel_.height
    sheet.panel_.height -= 40
    if balanced is None:
        ink, colour, text = WHITE, GREY, sheet.t("shift.unknown")
    elif balanced:
        ink, colour, text = WHITE, GREEN, "✓ " + sheet.t("shift.balanced")
    else:
        ink, colour, text = BLACK, AMBER, "⚠ " + sheet.t("shift.unbalanced")
    sheet.panel(40, ink, colour)
    sheet.middle(text, NORMAL, 40)
    sheet.footer("", "", "✓ " + sheet.t("key.next" if fields.get("recalled") else "key.out"))


def error(sheet: "Sheet", fields: dict) -> None:
    """code; message_key and hint_key default to err.<code> and hint.<code>, which fall back to the class (err.CRD).

    left: attempts left, said in the hint's place; detail: of LIC-010 the field, named before the hint; cancel: key of what the red key does.
    """
    code = fields.get("code", "GEN-000")
    message = _keyed(sheet, fields.get("message_key"), "err", code)
    hint = _keyed(sheet, fields.get("hint_key"), "hint", code)
    sheet.title("⚠ " + sheet.t("error.title", code=ltr(code)), RED)
    sheet.space(4)
    sheet.para(message, LARGE, lines=2)
    if fields.get("left"):
        hint = sheet.t("login.attempts", n=fields["left"])
    if hint:
        sheet.space(4)
        sheet.rule()
        field = "mrz." + str(fields.get("detail"))
        if code == "LIC-010" and sheet.catalogue.has(field):
            sheet.line(sheet.t(field), LARGE)
        sheet.para(hint, NORMAL)
    cancel = fields.get("cancel", "key.back")
    sheet.footer("✗ " + sheet.t(cancel), "", "✓ " + sheet.t("key.next" if cancel == "key.back" else "key.retry"))


def _keyed(sheet: "Sheet", key: "str | None", prefix: str, code: str) -> str:
    """The text of a key if it exists, else of the code, else of its class, else of errors in general."""
    if key and sheet.catalogue.has(key):
        return sheet.t(key)
    if key and key.startswith(prefix + "."):
        code = key[len(prefix) + 1 :]
    return sheet.catalogue.coded(prefix, code, sheet.lang) or sheet.catalogue.coded(prefix, "GEN-000", sheet.lang)


def message(sheet: "Sheet", fields: dict) -> None:
    """key: of the catalogue, shown in the middle; other fields fill it in."""
    rest = {}
    for name in fields:
        if name != "key":
            rest[name] = fields[name]
    sheet.title(sheet.t("message.title"))
    sheet.para(sheet.t(fields["key"], **rest), LARGE, "center", FOOTER_TOP - sheet.y)
    sheet.footer("", "", "✓ " + sheet.t("key.next"))


def _question(name: str) -> "Callable[[Sheet, dict], None]":
    """A screen with `name`'s words that asks yes or no. pv: whose report it is about."""

    def question(sheet: "Sheet", fields: dict) -> None:
        sheet.title("⚠ " + sheet.t(name + ".title"), AMBER, BLACK)
        sheet.space(14)
        sheet.para(sheet.t(name + ".text", pv=ltr(fields.get("pv", ""))), LARGE)
        sheet.footer("✗ " + sheet.t("key.no"), "", "✓ " + sheet.t("key.yes"))

    return question


confirm_abandon = _question("abandon")
confirm_close = _question("close")
confirm_out = _question("out")  # whether the officer logs out and leaves the shift open
unprinted = _question("unprinted")  # whether to go on without the paper
reprint = _question("reprint")
