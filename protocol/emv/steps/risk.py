"""Terminal risk management (EMV 4.4 Book 3, 10.6): exception file, floor limit, biased random selection, velocity.

Runs whatever the AIP says, as EMV 4.4 wants. The cumulative limits of an officer, a terminal or a card since the last
synchronisation are not EMV's: `terminal.risk` keeps those.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import state, tags

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps


def run(s: "Session", logged: int = 0) -> "Steps":
    """Set the bits of TVR bytes 1, 2 and 4 that apply. `logged`: centimes already spent with this card, for the floor limit."""
    s.set_tsi(state.RISK_PERFORMED)
    if s.params.exceptions and s.crypto.sha256(s.pan) in s.params.exceptions:
        s.set_tvr(state.ON_EXCEPTION_FILE, "exception-file 5A")
    amount = s.txn["amount"]
    if amount + logged >= s.chosen.floor:
        s.set_tvr(state.FLOOR_LIMIT, "floor 9F02 9F1B")
    elif (yield from selected(s, amount)):
        s.set_tvr(state.RANDOM_ONLINE, "random-selection 9F02")
    yield from _velocity(s)


def target(amount: int, floor: int, threshold: int, low: int, high: int) -> int:
    """Per cent of transactions of this amount that go online (Book 3, 10.6.2), times 1,000 to keep the interpolation whole.

    Flat `low` below the threshold, rising to `high` at the floor limit.
    """
    if amount < threshold or floor <= threshold:
        return low * 1000
    return low * 1000 + (high - low) * 1000 * (amount - threshold) // (floor - threshold)


def selected(s: "Session", amount: int) -> "Steps":
    """Whether biased random selection (Book 3, 10.6.2) sends this amount below the floor limit online."""
    aid = s.chosen
    wanted = target(amount, aid.floor, aid.threshold, aid.target_pct, aid.max_target_pct)
    if not wanted:
        return False
    for _ in range(64):
        byte = (yield ("random", 1))[0]
        if byte < 198:  # 2 * 99: what is above would favour small numbers
            return (byte % 99 + 1) * 1000 <= wanted
    return True  # a generator stuck above 197 is broken: go online


def get_data(s: "Session", tag: int) -> "Steps":
    """GET DATA (Book 3, 6.5.7): the value, or None if the card does not give it; EMV-101, 102, 108 if it gives nonsense."""
    data, sw = yield from s.exchange(apdu.command(0x80, 0xCA, tag >> 8, tag & 0xFF, b"", 256))
    if sw != 0x9000:
        return None
    value = tags.only(data, tag)
    tags.check(tag, value)
    return value


def _velocity(s: "Session") -> "Steps":
    """Book 3, 10.6.3, only if the card gives both limits. What cannot be read counts as exceeded."""
    lower, upper = s.card.get(tags.LCOL), s.card.get(tags.UCOL)
    if lower is None or upper is None:
        return
    atc = yield from get_data(s, tags.ATC)
    last = yield from get_data(s, tags.LAST_ONLINE_ATC)
    if atc is None or last is None or atc <= last:
        why = "velocity-unreadable 9F36 9F13" if atc is None or last is None else "velocity-order 9F36 9F13"
        s.set_tvr(state.LCOL_EXCEEDED, why)
        s.set_tvr(state.UCOL_EXCEEDED, why)
    else:
        used = tags.number(atc) - tags.number(last)
        if used > lower[0]:
            s.set_tvr(state.LCOL_EXCEEDED, "velocity 9F36 9F13 9F14")
        if used > upper[0]:
            s.set_tvr(state.UCOL_EXCEEDED, "velocity 9F36 9F13 9F23")
    if last == b"\0\0":
        s.set_tvr(state.NEW_CARD, "new-card 9F13")
