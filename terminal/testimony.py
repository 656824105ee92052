"""A server that holds another chain than ours is shown ours, from the last record that both have, so that it keeps both branches, holds what is in
doubt and raises its alarm (design §4).

Where they part is not told. What the server acknowledged last may be far behind it: it may have been restored from a backup, and a copy of this
terminal have spoken first. So single records are shown from there backwards until the server knows one, and then all from it to the head. The
batches say that they are of a branch: none goes on in the server's chain behind a gap. How far that has come is kept as long as the terminal
runs; each session begins with the last record that was shown. A server that does not have it any more, as it was restored since, is shown all anew.
"""

from protocol import sync as m
from terminal import batches

BATCHES = 4  # of one session that a person may wait for
STEP = 200  # records further back at a time


async def show(sync, welcome: dict) -> None:  # noqa: ANN001 - terminal.sync.Sync
    """Show what has not been shown since the boot, a few batches of it; all where `welcome` may end the epoch. Raises as `Sync.run`."""
    journal = sync.journal
    shown = journal.shown  # [shown up to this record, whether the server had a record before these]
    again = 1 if shown and shown[1] else 0
    rounds = 0
    while m.COMMANDS in welcome or rounds < BATCHES:
        rounds += 1
        if not shown:
            shown = journal.shown = [min(welcome[m.ACKED_SEQ], journal.acked_seq), False]
        payload, count = batches.fill(journal, shown[0] + 1 - again, sync.room if shown[1] else 1)
        first, last = payload[m.FIRST_SEQ], payload[m.FIRST_SEQ] + count - 1
        if count:
            payload[m.BRANCH] = True
            ack = await sync.exchange(m.TYPE_BATCH, payload, m.TYPE_ACK)
            known = ack.get(m.DUPLICATES)
            if again and first == shown[0] and not known and not ack.get(m.BESIDE):
                shown, again = None, 0
                continue
            shown[1] = shown[1] or bool(known)
        if not shown[1] and shown[0] >= journal.first_retained:
            shown[0] = max(journal.first_retained - 1, shown[0] - STEP)
        elif last > shown[0]:
            shown[0], shown[1] = last, True
        elif not again or shown[0] >= journal.head_seq:
            return
        again = 0
