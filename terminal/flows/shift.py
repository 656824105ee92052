"""Synchronising and closing the shift."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, TasdidError
from terminal.flows import ask
from terminal.sync import Sync

_RECEIPTS_S = 600  # how often a terminal with nothing to send asks whether its sealed card data may go


async def _session(t) -> Sync:  # noqa: ANN001 - Terminal
    """One sync session; an outage is recorded once when it begins and once when it ends."""

    async def progress(done: int, total: int) -> None:
        await t.face.show("syncing", done=done, total=total)

    session = Sync(t, progress)
    try:
        await session.run()
        if t.journal.view.outage:
            await t.journal.append(r.OUTAGE_END, {})
            await session.run()
    except NetworkError as error:
        t.reached = False
        if not t.journal.view.outage:
            await t.journal.append(r.OUTAGE_BEGIN, {r.REASON: error.code})
        raise
    t.reached = True
    t.note("synced", sent=session.sent, head=t.journal.head_seq, results=len(session.results))
    return session


async def synchronise(t) -> None:  # noqa: ANN001
    """By the officer's wish: show what was sent and what came back. Raises NetworkError, ServerError."""
    await t.face.show("syncing", done=0, total=t.journal.head_seq - t.journal.acked_seq)
    session = await _session(t)
    await ask.acknowledge(
        t, "sync_done", sent=session.sent, pending=t.journal.head_seq - t.journal.acked_seq, results=_results(session)
    )
    for result in session.results:
        await _show_release(t, result)


def _results(session: Sync) -> list:
    return [(result[r.PV], result[r.OUTCOME]) for result in session.results]


async def _show_release(t, result: dict) -> None:  # noqa: ANN001
    if result[r.OUTCOME] == r.OUTCOME_APPROVED:
        await ask.acknowledge(t, "licence_hand", disposition=r.DISPOSITION_RELEASE_GRANTED, days=0, pv=result[r.PV])


async def quiet_sync(t) -> None:  # noqa: ANN001
    """While nobody touches the keys: try, and say nothing if it does not work."""
    view = t.journal.view
    waits = view.provisional or (view.sealed and t.now() >= t.quiet_after)
    if t.journal.head_seq == t.journal.acked_seq and not waits:
        return
    t.quiet_after = t.now() + _RECEIPTS_S
    try:
        session = await _session(t)
    except TasdidError as error:
        t.note_error(error)
        return
    for result in session.results:
        await _show_release(t, result)


async def close(t) -> None:  # noqa: ANN001
    """Close the shift: its totals become a record; with a network the server compares them with its own."""
    view = t.journal.view
    await t.journal.append(r.SHIFT_CLOSED, {r.SHIFT: view.shift, r.FIRST: view.shift_first, r.TOTALS: view.totals})
    last = t.journal.head_seq
    balanced = None
    try:
        session = await _session(t)
        recon = await session.close_shift(view.shift_first, last, view.totals)
        balanced = recon[m.BALANCED]
    except NetworkError as error:
        t.note_error(error)
    t.note(
        "shift",
        number=view.shift,
        balanced=balanced,
        totals=[[key, value[0], value[1]] for key, value in view.totals.items()],
    )
    await ask.acknowledge(t, "shift_summary", balanced=balanced, **_summary(view.totals))
    t.officer = None


def _summary(totals: dict) -> dict:
    approved = totals.get(r.OUTCOME_APPROVED, (0, 0))
    late = totals.get(r.LATE + r.OUTCOME_APPROVED, (0, 0))
    provisional = totals.get(r.OUTCOME_PROVISIONAL, (0, 0))
    refused = totals.get(r.LATE + r.OUTCOME_DECLINED, (0, 0))
    return {
        "count": approved[0] + late[0],
        "total": approved[1] + late[1],
        "provisional_count": provisional[0] - late[0] - refused[0],
        "provisional_total": provisional[1] - late[1] - refused[1],
        "declined_count": totals.get(r.OUTCOME_DECLINED, (0, 0))[0] + refused[0],
    }
