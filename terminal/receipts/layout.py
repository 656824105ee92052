"""What stands on a receipt, in which order: domain rules of the receipt, one function per section.

Kinds: "payment" (approved), "provisional", "declined", "notice" (unpaid: notice and 10-day document), "interrupted". Every kind
names its outcome big, in both languages; a provisional one says *not yet paid*, "void" *annulled*,
"voiding" that it is not certain. Card data is the last four digits, never more; the
officer is a number; no name and no licence number appear at all.
"""

from typing import TYPE_CHECKING

from protocol import records as r
from protocol.pack import hexed
from terminal import localtime
from terminal.face import numbers
from terminal.face.catalogue import ltr
from terminal.receipts.page import BIG, MIDDLE, NORMAL, SMALL, Page
from terminal.receipts.words import word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from terminal.face.text import TextEngine

    Items = Iterator[tuple[Any, ...]]
    Facts = dict[str, Any]

KINDS = ("payment", "provisional", "document", "declined", "notice", "interrupted", "void", "voiding")
QR_MODULE = 6
_QUIET = 4 * QR_MODULE
_DAY = 86400
_TO_SIGN = 96  # dots: 12 mm
UNSIGNED = ("EMV-146", "EMV-147")  # declined for want of a signature (`terminal.flows.signature`)


def receipt_items(engine: "TextEngine", kind: str, facts: "Facts", copy: int) -> "Items":
    """The print items of a receipt (see drivers.contracts.printer), drawn as they are asked for; an item's rows are valid until the
    next one is asked for. `facts`: see `terminal.receipts`. `copy`: records.COPY_*."""
    page = Page(engine)
    yield from _head(page, kind, facts, copy)
    yield from page.rule(2)
    yield from _outcome(page, kind, facts)
    yield from page.rule(2)
    yield from _offence(page, facts)
    yield from page.rule(1, True)
    yield from _card(page, kind, facts)
    yield from _terminal(page, facts)
    yield from page.rule(1, True)
    yield from _licence(page, kind, facts)
    yield from _code(page, facts)
    yield from _copy(page, copy)
    yield ("cut",)


def slip_items(engine: "TextEngine", facts: "Facts", copy: int) -> "Items":
    """The slip that the cardholder signs (EMV 4.4 Book 4, 6.3.4.3): printed before there is an outcome, so it names none and has no code;
    the officer keeps it. `facts` as of a receipt, as far as they are on it."""
    page = Page(engine)
    yield from _head(page, "signature", facts, copy)
    yield from page.rule(2)
    yield from page.field(word("pv"), ltr(facts["pv"]))
    yield from page.field(word("date"), ltr(_date(facts["utc"]) + "  " + _time(facts["utc"])))
    yield from _amount(page, facts)
    yield from _card(page, "signature", facts)
    yield from _terminal(page, facts)
    yield from page.rule(1, True)
    yield from page.pair(word("sign.accept"), SMALL)
    yield from page.pair(word("sign.here"), NORMAL)
    yield from page.feed(_TO_SIGN)
    yield from page.rule(2)
    yield from page.pair(word("note.signature"), SMALL, "center")
    yield from _copy(page, copy)
    yield ("cut",)


def _head(page: Page, kind: str, facts: "Facts", copy: int) -> "Items":
    """Who speaks, and what this paper is."""
    yield from page.feed(16)
    if copy == r.COPY_DUPLICATE:
        yield from page.text(_beside(word("duplicate")), MIDDLE, False, "center")
    authority = facts["authority"]
    yield from page.pair((authority["ar"], authority["fr"]), SMALL, "center")
    yield from page.pair(word("force." + str(facts["force"])), SMALL, "center")
    yield from page.feed(6)
    yield from page.pair(word("title." + kind), NORMAL, "center")


def _outcome(page: Page, kind: str, facts: "Facts") -> "Items":
    yield from page.pair(word("outcome." + kind), BIG, "center")
    if kind not in ("payment", "notice"):
        unsigned = kind == "declined" and facts.get("reason") in UNSIGNED
        yield from page.pair(word("note." + ("unsigned" if unsigned else kind)), SMALL, "center")


def _offence(page: Page, facts: "Facts") -> "Items":
    """The report, the offence in both languages, what it costs."""
    yield from page.field(word("unit"), str(facts["unit"]))
    yield from page.field(word("pv"), ltr(facts["pv"]))
    yield from page.field(word("date"), ltr(_date(facts["utc"]) + "  " + _time(facts["utc"])))
    yield from page.field(word("place"), facts["place"], NORMAL, _is_arabic(facts["place"]))
    if facts.get("plate"):
        yield from page.field(word("plate"), ltr(facts["plate"]))
    yield from page.field(word("article"), ltr(facts["code"]))
    yield from page.text(facts["text_ar"], NORMAL, True)
    yield from page.text(facts["text_fr"], SMALL, False)
    yield from page.feed(4)
    yield from page.field(word("points"), str(facts["points"]))
    yield from _amount(page, facts)


def _amount(page: Page, facts: "Facts") -> "Items":
    amount = facts["amount"]
    yield from page.amount(word("amount"), (numbers.amount(amount, "ar"), numbers.amount(amount, "fr")))


def _card(page: Page, kind: str, facts: "Facts") -> "Items":
    """What the card did; nothing for a notice."""
    if kind == "notice" or not facts.get("last4"):
        return
    read = facts.get("interface")
    name = word("interface." + str(read) if read else "card")
    yield from page.field(name, ltr(facts.get("scheme", "") + " •••• " + facts["last4"]))
    if kind in ("document", "void", "voiding"):
        return
    if facts.get("auth_code"):
        yield from page.field(word("approval"), ltr(facts["auth_code"]))
    if kind == "declined" and facts.get("reason"):
        yield from page.field(word("reason"), ltr(str(facts["reason"])))
    if facts.get("aid"):
        yield from page.text("AID " + hexed(facts["aid"]).upper(), SMALL, False, "center")
    if facts.get("tvr"):
        proof = "TVR " + hexed(facts["tvr"]).upper() + "  AC " + hexed(facts.get("cryptogram", b"")).upper()
        yield from page.text(proof, SMALL, False, "center")


def _terminal(page: Page, facts: "Facts") -> "Items":
    yield from page.field(word("terminal"), ltr(facts["terminal"] + " / " + str(facts["seq"])), SMALL)
    yield from page.field(word("officer"), ltr(str(facts["officer"])), SMALL)


def _licence(page: Page, kind: str, facts: "Facts") -> "Items":
    """Where the licence is; while it is retained this paper is the document to drive with."""
    if kind in ("declined", "void", "interrupted"):  # the case goes on: the paper that closes it says it
        return
    disposition = facts["disposition"]
    yield from page.pair(word("licence." + str(disposition)), NORMAL)
    days = facts.get("valid_days", 0)
    if disposition == r.DISPOSITION_RETAINED and days:
        arabic, french = word("drive")
        until = ltr(_date(facts["utc"] + days * _DAY))
        yield from page.text(arabic.replace("{}", ltr(str(days))) + " " + until, SMALL, True)
        yield from page.text(french.replace("{}", str(days)) + " " + until, SMALL, False)
    if kind == "notice":
        yield from page.pair(word("later"), NORMAL)


def _code(page: Page, facts: "Facts") -> "Items":
    """The signed claim, with its quiet zone."""
    if not facts.get("qr"):
        return
    yield ("feed", _QUIET)
    yield ("qr", facts["qr"], QR_MODULE)
    yield ("feed", _QUIET)
    yield from page.text(_beside(word("scan")), SMALL, False, "center")


def _copy(page: Page, copy: int) -> "Items":
    yield ("feed", 6)
    yield from page.text(_beside(word("copy." + str(copy))), NORMAL, False, "center")


def _beside(words: "tuple[str, str]") -> str:
    """French and Arabic on one line."""
    return words[1] + " · \u2067" + words[0] + "\u2069"


def _date(utc: int) -> str:
    year, month, day = localtime.civil(utc)[:3]
    return numbers.two(day) + "/" + numbers.two(month) + "/" + str(year)


def _time(utc: int) -> str:
    hour, minute = localtime.civil(utc)[3:5]
    return numbers.two(hour) + ":" + numbers.two(minute)


def _is_arabic(text: str) -> bool:
    for character in text:
        code = ord(character)
        if code > 0x40 and not 0x5B <= code <= 0x60:
            return 0x590 <= code < 0x900 or code >= 0xFB1D
    return False
