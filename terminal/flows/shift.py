"""Synchronising and closing the shift."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, NetworkError, SecureElementError, ServerError, TasdidError
from terminal.flows import ask
from terminal.flows.release import tell
from terminal.sync import Sync

_RECEIPTS_S = 600  # how often a terminal with nothing to send asks whether its sealed card data may go


async def session(t, driver_waits: bool = False) -> Sync:  # noqa: ANN001 - Terminal
    """One sync session; an outage is recorded once when it begins and once when it ends, if a record is taken."""

    async def progress(done: int, total: int) -> None:
        await t.face.show("syncing", done=done, total=total)

    held = Sync(t, progress, driver_waits)
    try:
        await held.run()
        if t.journal.view.outage and not t.journal.room.uncounted():
            await t.journal.append(r.OUTAGE_END, {})
            await held.run()
    except TasdidError as error:
        t.patience.failed(await t.ports.se.random(1), error)
        if isinstance(error, NetworkError):
            if not (t.journal.view.outage or t.journal.room.uncounted()):
                await t.journal.append(r.OUTAGE_BEGIN, {r.REASON: error.code})
        raise
    t.patience.held()
    t.note("synced", sent=held.sent, head=t.journal.head_seq, results=len(held.results))
    return held


async def synchronise(t) -> None:  # noqa: ANN001
    """By the officer's wish: show what was sent and what came back. Raises NetworkError, ServerError."""
    await t.face.show("syncing", done=0, total=t.journal.head_seq - t.journal.acked_seq)
    held = await session(t)
    results = [(result[r.PV], result[r.OUTCOME]) for result in held.results]
    pending = t.journal.head_seq - t.journal.acked_seq
    await ask.acknowledge(t, "sync_done", sent=held.sent, pending=pending, results=results)
    await _show_results(t, held)


async def _show_results(t, held: Sync) -> None:  # noqa: ANN001
    """What came back: the end of a void that was done, whose case is open again, and the licences that go back. Where it is not, it may
    be paid anew among lost records (RSK-016): nobody is told that the fine is due again. Nor is anybody told anything who is not in.
    """
    if t.officer is None:
        return
    for end in held.voids:
        if end[r.VOID_STATE] != r.VOID_DONE:
            continue
        case = t.journal.view.case
        if case is None or case.number != end[r.CASE]:
            from terminal.flows import login

            await login.told(t)
        else:
            await ask.acknowledge(t, "void_result", state=end[r.VOID_STATE], amount=end[r.AMOUNT], pv=end[r.PV])
    await tell(t)


async def quiet_sync(t) -> None:  # noqa: ANN001
    """While nobody touches the keys: try, and say nothing if it does not work. Where nobody is in there is nobody to tell what came back, and it is
    asked for as seldom as receipts.
    """
    result, receipt = t.journal.view.due()
    waits = t.officer is not None and result
    if not 0 < t.quiet_after - t.now() <= _RECEIPTS_S:  # a clock that was ahead may have been set right
        waits = result or receipt
    if t.journal.head_seq == t.journal.acked_seq and not waits:
        return
    t.quiet_after = t.now() + _RECEIPTS_S
    try:
        held = await session(t)
    except (JournalError, SecureElementError):
        raise  # ends more than this
    except TasdidError as error:
        t.note_error(error)
        return
    await _show_results(t, held)


async def close(t) -> None:  # noqa: ANN001
    """Close the shift, if the officer says so: its totals become a record; with a network the server compares them with its own. Raises RiskError
    RSK-015.
    """
    t.journal.room.require(0)
    if not await ask.acknowledge(t, "confirm_close"):
        return
    view = t.journal.view
    totals, first = view.totals, view.shift_first  # as they are: what comes behind the record is the next shift's
    await t.journal.append(r.SHIFT_CLOSED, {r.SHIFT: view.shift, r.FIRST: first, r.TOTALS: totals})
    last, epoch = t.journal.head_seq, t.journal.epoch
    balanced = None
    try:
        held = await session(t)
        if t.journal.epoch == epoch:  # else a new one has begun, which knows nothing of this shift
            recon = await held.close_shift(first, last, totals)
            balanced = recon[m.BALANCED]
    except (NetworkError, ServerError) as error:  # the shift is over all the same: nobody goes on selling in it
        t.note_error(error)
    t.note(
        "shift",
        number=view.shift,
        balanced=balanced,
        totals=[[key, value[0], value[1]] for key, value in totals.items()],
    )
    await _tell_totals(t, view, totals, balanced)  # should a new epoch have begun, of the one before
    await tell(t)
    t.officer = None


async def recall(t) -> None:  # noqa: ANN001
    """After a boot: what the shift came to that was closed last, as long as nobody is in since. The power may have gone before that was read."""
    closed = t.journal.record_at(t.journal.view.shift_first - 1)
    if closed is not None and closed[0][r.KIND] == r.SHIFT_CLOSED:
        await _tell_totals(t, t.journal.view, closed[0][r.TOTALS], None, recalled=True)


async def _tell_totals(t, view, totals: dict, balanced: "bool | None", **fields) -> None:  # noqa: ANN001, ANN003
    """What was paid and declined in the shift, at once or later, whatever shift it was begun in, and what was voided; and what `view` awaits now."""

    def both(outcome: int) -> tuple:
        once, late = totals.get(outcome, (0, 0)), totals.get(r.LATE + outcome, (0, 0))
        return once[0] + late[0], once[1] + late[1]

    count, total = both(r.OUTCOME_APPROVED)
    voided = totals.get(r.VOIDED, (0, 0))
    awaited = view.awaited()
    await ask.acknowledge(
        t,
        "shift_summary",
        balanced=balanced,
        count=count,
        total=total,
        voided_count=voided[0],
        voided_total=voided[1],
        provisional_count=len(awaited),
        provisional_total=sum(awaited),
        declined_count=both(r.OUTCOME_DECLINED)[0],
        **fields,
    )
