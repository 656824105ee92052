"""The papers of the last case that is over, once more: a paper jam does not take the driver's right to them.

Everything on them comes from records; each says that it is a copy, and has the first one's date. Of a case that was abandoned there is none, nor of a
payment whose issuer has answered since: what was printed then is no longer true.
"""

from protocol import records as r
from terminal import phases
from terminal.flows import ask
from terminal.journal.case import Case, unpaid

BACK = 100
"""Records that are looked through from the head: some ten cases."""


async def again(t) -> None:  # noqa: ANN001 - Terminal
    """Print them, or say that there are none. Raises RiskError RSK-015."""
    t.journal.room.require(0)
    case, utc = find(t.journal)
    if case is None:
        await ask.acknowledge(t, "message", key="msg.no_paper")
        return
    from terminal.flows.fine import Fine

    fine = Fine(t)
    await fine.recall(case)
    phases.enter(phases.PAPER)
    from terminal.flows import papers

    try:
        if case.void is not None:
            await papers.print_void(t, fine, case, False, r.COPY_DUPLICATE, case.void[r.UTC])
            return
        if case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            await papers.print_outcome(t, fine, case, r.COPY_DUPLICATE)
        if case.outcome != r.OUTCOME_APPROVED:
            await papers.print_notice(t, fine, case, r.COPY_DUPLICATE, utc)
    finally:
        papers = None
        phases.leave(phases.PAPER)


def find(journal) -> "tuple[Case | None, int]":  # noqa: ANN001 - Journal
    """(the last case that was closed with a paper, None if there is none; when its licence was kept or given back)."""
    case = found = None
    utc = 0
    for record, _, _ in journal.entries(max(journal.first_retained, journal.head_seq - BACK)):
        kind = record[r.KIND]
        if kind == r.NOTICE:
            case = Case(record)
        elif case is None or record.get(r.CASE) != case.number:
            continue
        elif kind == r.PAYMENT_OUTCOME:
            case.outcome, case.outcome_record = record[r.OUTCOME], record
        elif kind == r.LICENCE_DISPOSITION:
            utc = record[r.UTC]
        elif kind == r.CASE_CLOSED:
            if record[r.CLOSURE] != r.CLOSURE_ABANDONED:
                found = case
        elif kind == r.VOID:
            state = record[r.VOID_STATE]
            case.void = record if state == r.VOID_ASKED else None
            if state == r.VOID_DONE:
                unpaid(case)
        elif kind == r.AUTHORISATION_RESULT and found is case:
            found = None
    return found, utc
