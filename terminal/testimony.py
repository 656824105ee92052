"""A server that holds another chain than ours is shown ours, from where the two part, so that it keeps both branches, holds what is in doubt and
raises its alarm (design §4).

Where they part is not told. What the server acknowledged last may be far behind it: it may have been restored from a backup, and a copy of this
terminal have spoken first. So it is asked about single records, further and further back, until it has one, in its chain or beside it; all
behind that one is shown, in order. Nothing of that need be remembered: it is asked anew in each session.
"""

from protocol import sync as m

BATCHES = 4  # of one session that a person may wait for
STEP = 200  # records


async def show(sync, welcome: dict) -> None:  # noqa: ANN001 - terminal.sync.Sync
    """Show what the server has nowhere, a few batches of it; all where `welcome` may end the epoch. Raises as `Sync.run`."""
    journal = sync.journal
    at = await _shown(sync, journal, min(welcome[m.ACKED_SEQ], journal.acked_seq, journal.head_seq))
    rounds = 0
    while m.COMMANDS in welcome or rounds < BATCHES:
        rounds += 1
        _, journal.shown, ack = await sync.tell(at + 1, m.SHOWN)
        if ack is None:
            return
        at = journal.shown


async def _shown(sync, journal, doubtful: int) -> int:  # noqa: ANN001
    """Up to which record the server has ours."""
    low, at, lacks, step = journal.first_retained - 1, doubtful, 0, STEP
    if await _has(sync, at):
        low, at = at, max(at, journal.shown or journal.head_seq)
    else:  # the chains part before it, and what was shown last lies behind something that was not
        lacks, at, step = at, max(low, at - step), step * 2
    while at > low and not await _has(sync, at):
        lacks, at, step = at, max(low, at - step), step * 2
    while lacks - at > 1:
        middle = (at + lacks) // 2
        if await _has(sync, middle):
            at = middle
        else:
            lacks = middle
    return at


async def _has(sync, seq: int) -> bool:  # noqa: ANN001
    """Whether the server has a record, or the next one that we can read, in its chain or beside it."""
    _, _, ack = await sync.tell(seq, m.ASKED, 1) if seq else (0, 0, None)
    return ack is not None and ack.get(m.DUPLICATES, 0) + ack.get(m.BESIDE, 0) > 0
