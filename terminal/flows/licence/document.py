"""Licences that no chip vouches for: the menu behind the MRZ screen, paper and foreign licences, a chip that stays unreadable.

Whatever comes of it is recorded as what it is: verdict "not verified" or "chip unreadable", never more. Loaded only when needed.
"""

from protocol import records as r
from protocol.errors import MrzError
from terminal.flows import ask, licence

PAPER, FOREIGN = "paper", "foreign"
CATEGORIES = ("B", "A", "A1", "C1", "C", "D", "BE", "C1E", "CE", "DE", "F")
_PER_PAGE = 5
CAN_LENGTHS = (6, 16)  # the longest licence number of an EU state has sixteen characters


async def menu(t, fine) -> str:  # noqa: ANN001 - Terminal, Fine
    """What the officer has in hand. The fine's next state: "identify" (back to the MRZ), "read" (CAN typed) or "document"."""
    while True:
        await t.face.show("document_menu", vehicle=fine.vehicle)
        key = await t.face.key(ask.IDLE_MS)
        if key is None or key == "cancel":
            return "identify"
        if key == "1":
            if await _can(t, fine):
                return "read"
        elif key in ("2", "3"):
            fine.document = PAPER if key == "2" else FOREIGN
            return "document"
        elif key == "4":
            fine.vehicle = await category(t) or fine.vehicle


async def _can(t, fine) -> bool:  # noqa: ANN001
    """The CAN (Doc 9303-11: six digits) or, on EU licences, the licence's number in its place: typed, or scanned where it has letters."""
    from protocol.licence import mrz

    while True:
        text = await ask.digits(t, "can_entry", *CAN_LENGTHS, scan=True)
        if text is None or text == "menu":
            return False
        try:
            fine.mrz = mrz.from_can(text)
            return True
        except MrzError as error:  # a scan of something else
            if not await ask.show_error(t, error):
                return False


async def category(t) -> "str | None":  # noqa: ANN001
    """The licence category that the vehicle driven demands; None when cancelled."""
    pages = (len(CATEGORIES) + _PER_PAGE - 1) // _PER_PAGE
    page = 0
    while True:
        shown = CATEGORIES[page * _PER_PAGE : (page + 1) * _PER_PAGE]
        await t.face.show("category_list", lines=shown, page=page + 1, pages=pages)
        key = await t.face.key(ask.IDLE_MS)
        if key is None or key == "cancel":
            return None
        if key in ("down", "up"):
            page = (page + (1 if key == "down" else -1)) % pages
        elif key.isdigit() and 1 <= int(key) <= len(shown):
            return shown[int(key) - 1]


async def unverified(t, kind: str, vehicle: str):  # noqa: ANN001, ANN201
    """Type the number of a paper or foreign licence: the driver's data with the verdict "not verified"; None when cancelled."""
    number = await ask.digits(t, "document_number", 3, 14, kind=kind)
    if number is None:
        return None
    return _plain(t, r.VERDICT_NOT_VERIFIED, kind, number, vehicle, {"number": number, "document": kind})


def unreadable(t, mrz, code: str, vehicle: str) -> dict:  # noqa: ANN001
    """The driver's data when the officer goes on from the document itself; `code`: the last error of the reading."""
    report = {"number": mrz.number}
    if mrz.birth:
        report["birth"] = mrz.birth
    return _plain(t, r.VERDICT_UNREADABLE, code, mrz.number, vehicle, report)


def _plain(t, verdict: int, reason: str, number: str, vehicle: str, report: dict) -> dict:  # noqa: ANN001
    return {
        "verdict": verdict,
        "findings": licence.remarks(t, None, number, vehicle),
        "reason": reason,
        "number": number,
        "dg1": {"number": number},
        "dg11": {},
        "picture": None,
        "vehicle": vehicle,
        "report": report,
    }
