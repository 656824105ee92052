"""Abandoning a case, or a verdict that comes to no notice: never without a reason, which is recorded and sent (domain §4)."""

from protocol import records as r
from terminal.flows import ask


async def reason(t) -> "str | None":  # noqa: ANN001 - Terminal
    """One of records.ABANDON_REASONS; "" to go back to the case, None if nobody is there."""
    while True:
        await t.face.show("abandon_reason")
        key = await t.face.key(ask.IDLE_MS)
        if key is None:
            return None
        if key == "cancel":
            return ""
        if len(key) == 1 and 1 <= int(key) <= len(r.ABANDON_REASONS):
            if await ask.acknowledge(t, "confirm_abandon"):
                return r.ABANDON_REASONS[int(key) - 1]


async def record(t, case, why: str) -> None:  # noqa: ANN001 - Terminal, Case or None
    """Close it as abandoned, where the licence is included. A driver who has left gets it back another day, any other at once."""
    disposition = r.DISPOSITION_RETAINED if why == "left" else r.DISPOSITION_RETURNED
    body = {r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: why, r.DISPOSITION: disposition}
    if case is not None:
        body[r.CASE] = case.number
    await t.journal.append(r.CASE_CLOSED, body)
