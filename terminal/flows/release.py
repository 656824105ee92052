"""Licences that go back after the driver has gone: told until an officer has read it, power cuts and lost sessions between.

What releases one is a record (the issuer's approval of a provisional payment, the refusal of a void); that an officer was told is another,
LICENCE_DISPOSITION. Between them it is due (`view.releases`), whatever became of the session that brought it.
"""

from protocol import records as r
from terminal.flows import ask


async def tell(t) -> None:  # noqa: ANN001 - Terminal
    """Show what is due, one after the other; what nobody answers stays due. Not while a case is open: its own screens come first."""
    view = t.journal.view
    for intent in sorted(view.releases):
        if view.case is not None or not await one(t, intent):
            return


async def one(t, intent: int, driver_waits: bool = False) -> bool:  # noqa: ANN001 - Terminal
    """Show one of them; True once somebody has answered and that is on record: it stays due where no record is taken."""
    case, amount, pv, kind = t.journal.view.releases[intent]
    pv = pv or t.pv_number(case)
    fields: dict = {"disposition": r.DISPOSITION_RETURNED if driver_waits else r.DISPOSITION_RELEASE_GRANTED, "days": 0}
    if not driver_waits:
        fields["pv"] = pv
    if kind == r.VOID:
        fields["note"] = "hand.void.note"
        await ask.answer(t, "void_result", state=r.VOID_REFUSED, amount=amount, pv=pv)
    if await ask.answer(t, "licence_hand", **fields) is None or t.journal.room.uncounted():
        return False
    await t.journal.append(r.LICENCE_DISPOSITION, {r.CASE: case, r.DISPOSITION: fields["disposition"]})
    return True
