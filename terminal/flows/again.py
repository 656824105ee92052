"""The papers of the last case that is over, once more: a paper jam does not take the driver's right to them.

Everything on them comes from records; each says that it is a copy, and has the first one's date. There is none where a record says that what was
printed is no longer true, or where one may be lost that would say so. Papers name the officer who printed them, so only he prints them again,
be it that another one has answered the case's last question.
"""

from protocol import records as r
from protocol.errors import JournalError
from terminal import phases
from terminal.flows import ask
from terminal.journal.case import Case, unpaid

BACK = (100, 2000)
"""Records that are looked through from the head: some ten cases, and if that is not enough more than a day's."""
_OUTCOMES = {
    r.CLOSURE_PAID: (r.OUTCOME_APPROVED,),
    r.CLOSURE_PROVISIONAL: (r.OUTCOME_PROVISIONAL,),
    r.CLOSURE_DECLINED: (r.OUTCOME_DECLINED,),
    r.CLOSURE_UNPAID: (0, r.OUTCOME_INTERRUPTED),
}
# what is on a paper, and whom it names; whoever answers the last question prints nothing
_OFFICERS = (r.NOTICE, r.PAYMENT_OUTCOME, r.RECEIPT_PRINTED)


async def again(t) -> None:  # noqa: ANN001 - Terminal
    """Ask whether these, and print them, or say that there are none; nothing more after one that is not printed. Raises RiskError RSK-015."""
    t.journal.room.require(0)
    try:
        case = find(t.journal, t.officer["number"])
    except JournalError as error:  # what lies so far back is no reason to stop
        t.note_error(error)
        case = None
    if case is None:
        await ask.acknowledge(t, "message", key="msg.no_paper")
        return
    if not await ask.acknowledge(t, "reprint", pv=case.pv):
        return
    from terminal.flows.fine import Fine

    fine = Fine(t)
    await fine.recall(case)
    phases.enter(phases.PAPER)
    from terminal.flows import papers

    try:
        waits = case is t.journal.view.voiding
        printed = case.void is None or await papers.print_void(t, fine, case, not waits, r.COPY_DUPLICATE)
        if waits or not printed:
            return
        if case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            printed = await papers.print_outcome(t, fine, case, r.COPY_DUPLICATE)
        if printed and case.outcome != r.OUTCOME_APPROVED:
            await papers.print_notice(t, fine, case, r.COPY_DUPLICATE)
    finally:
        papers = None
        phases.leave(phases.PAPER)


def find(journal, officer: int) -> "Case | None":  # noqa: ANN001 - Journal
    """The case that was closed last, or whose payment was asked back since, as its papers need it: `void` is a void of it. None if this officer has
    none to print.
    """
    if journal.view.case is not None:
        return None
    for back in BACK:
        first = max(journal.first_retained, journal.head_seq + 1 - back)
        number, closure = _last(journal, first)
        if closure == r.CLOSURE_ABANDONED:
            return None
        case, holds = _told(journal, first, number, officer) if number else (None, False)
        if case is not None:
            if not closure:
                case = _waiting(journal.view.voiding, number)
            elif case.outcome not in _OUTCOMES.get(closure, ()):
                case = None
            return case if holds else None
        if first == journal.first_retained:
            break
    return None


def _waiting(voiding, number: int) -> "Case | None":  # noqa: ANN001 - Case
    """The case whose payment is asked back, if it is this one and all is known that its paper says."""
    return voiding if voiding is not None and voiding.number == number and voiding.pv and voiding.void else None


def _last(journal, first: int) -> "tuple[int, int]":  # noqa: ANN001
    """(number, closure) of the case that was closed last; closure 0 if it waits for the end of a void that was asked for since."""
    number = closure = asked = 0
    for record, _, _ in journal.entries(first):
        if record[r.KIND] == r.CASE_CLOSED:
            number, closure, asked = record.get(r.CASE, 0), record[r.CLOSURE], 0
        elif record[r.KIND] == r.VOID:
            asked = record[r.CASE] if record[r.VOID_STATE] == r.VOID_ASKED else 0
    return (asked, 0) if asked else (number, closure)


def _told(journal, first: int, number: int, officer: int) -> "tuple[Case | None, bool]":  # noqa: ANN001
    """(the case as its records tell it, None if its notice is not there; whether its papers hold: nothing may be lost, it is this officer's, and no
    issuer has answered since).
    """
    case, holds, at = None, True, 0
    for record, _, _ in journal.entries(first):
        kind = record[r.KIND]
        if case is not None and (record[r.SEQ] != at + 1 or kind == r.GAP):
            holds = False
        at = record[r.SEQ]
        if record.get(r.CASE) != number:
            continue
        holds = holds and _stays_true(record, officer, journal.unit)
        if kind == r.NOTICE:
            case = Case(record)
        elif case is None:
            continue
        elif kind == r.PAYMENT_OUTCOME:
            case.outcome, case.outcome_record = record[r.OUTCOME], record
            if case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
                case.void = None  # the fine is no longer due
        elif record.get(r.VOID_STATE) == r.VOID_DONE:
            paid = case.outcome_record or {}
            case.void = {r.SEQ: at, r.SCHEME: paid.get(r.SCHEME, ""), r.LAST4: paid.get(r.LAST4, "")}
            unpaid(case)
    return case, holds and at == journal.head_seq


def _stays_true(record: dict, officer: int, unit: str) -> bool:
    """Whether a record of the case is this officer's, where it is an officer's at all, and makes no paper of it untrue."""
    kind, state = record[r.KIND], record.get(r.VOID_STATE, 0)
    if kind in _OFFICERS or state == r.VOID_ASKED:
        return record[r.OFFICER] == officer and record[r.UNIT] == unit
    waits = state == r.VOID_REFUSED and record.get(r.DISPOSITION) == r.DISPOSITION_RELEASE_GRANTED
    return kind != r.AUTHORISATION_RESULT and not waits  # the licence waits for its holder
