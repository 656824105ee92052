"""What becomes of a licence, where a record has it and no officer may have read it: told until one has, power cuts and lost sessions between.

What releases one after the driver has gone is a record (the issuer's approval of a provisional payment, the refusal of a void); that an officer was
told is another, LICENCE_DISPOSITION. Between them it is due (`view.releases`), whatever became of the session that brought it. What a case that was
given up, by a boot too, or a void that waits says of the licence is told at once (`journal.hand`), and before a log-in if the power went since.
"""

from protocol import records as r
from terminal.flows import ask


async def tell(t) -> None:  # noqa: ANN001 - Terminal
    """Show what is due, one after the other; what nobody answers stays due. Not while a case is open: its own screens come first. Nor to
    anybody who is not in.
    """
    view = t.journal.view
    if t.officer is None or t.journal.hand and not await hand(t):
        return
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


async def hand(t) -> bool:  # noqa: ANN001 - Terminal
    """Show what became of the licence of a case that was given up, or whose payment is asked back; True once somebody has answered."""
    number, disposition, seq, kind = t.journal.hand
    fields: dict = {"disposition": disposition, "days": 0, "note": "hand.abandon.note"}
    if number:
        fields["pv"] = t.pv_number(number)
    if kind == r.VOID:
        amount = t.journal.view.voiding.amount
        fields["days"], fields["note"] = 10, note(t.journal, seq)
        await ask.answer(t, "void_result", state=r.VOID_ASKED, amount=amount, pv=fields["pv"])
    if await ask.answer(t, "licence_hand", **fields) is None:
        return False
    t.journal.told = seq
    return True


def note(journal, seq: int) -> str:  # noqa: ANN001 - Journal
    """Of a licence that is kept: whether its paper, the last one behind record `seq`, is printed."""
    out = missing = "hand.unprinted.note"
    for record, _, _ in journal.entries(seq):
        if record[r.KIND] == r.RECEIPT_PRINTED:
            out = ""
        elif record.get(r.HEALTH) == "printer":
            out = missing
    return out


def asked(journal, case) -> bool:  # noqa: ANN001 - Journal, Case
    """Whether the question of this case's licence came after all that is known of its payment: a boot may have ended that one since."""
    if case.outcome != r.OUTCOME_INTERRUPTED:
        return True
    return any(record[r.KIND] == r.LICENCE_DISPOSITION for record, _, _ in journal.entries(case.outcome_record[r.SEQ]))
