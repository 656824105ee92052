"""The terminal has stopped: its journal or its secure element cannot be trusted. Only a new epoch leads back from there."""

from protocol.errors import TasdidError
from terminal import phases
from terminal.flows import ask
from terminal.journal.epoch import HEALED


async def stay(t, trouble: TasdidError) -> None:  # noqa: ANN001 - Terminal
    """Stay on the trouble's screen; OK asks the centre for a new epoch. Returns when one has begun: boot anew."""
    t.note_error(trouble)
    t.officer = None
    error = trouble
    while True:
        again = await ask.show_error(t, error)
        error = trouble
        if not again or trouble.code not in HEALED or not t.askable:
            continue
        phases.enter(phases.NETWORK)
        from terminal import renewal

        try:
            await t.face.show("syncing", done=0, total=0)
            await renewal.ask(t, trouble.code)
            return
        except TasdidError as refused:
            t.note_error(refused)
            error = refused
        finally:
            await t.ports.network.close()
            phases.leave(phases.NETWORK)
