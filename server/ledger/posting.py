"""Writing postings: balanced, once per payment identity and part, never changed afterwards.

The key (device, epoch, intent, part) makes a second posting of the same thing impossible, whoever tries it.
"""

from sqlalchemy import Connection, func, insert, select

from protocol.errors import ServerError
from server import codes
from server.ledger.accounts import Leg
from server.store import tables as t

Identity = tuple[str, int, int]  # device, epoch, seq of the intent


def rows(identity: Identity, part: int, legs: list[Leg], now: int) -> tuple[dict[str, object], list[dict[str, object]]]:
    """The rows of one posting, header and legs. ServerError UNBALANCED if the legs do not add up to zero."""
    if sum(amount for _, amount in legs) != 0:
        raise ServerError("posting does not balance", codes.UNBALANCED)
    key: dict[str, object] = {"device": identity[0], "epoch": identity[1], "intent": identity[2], "part": part}
    amount = sum(a for _, a in legs if a > 0)
    header = {**key, "amount": amount, "at": now}
    return header, [{**key, "leg": n, "account": account, "amount": a} for n, (account, a) in enumerate(legs)]


def post(connection: Connection, identity: Identity, part: int, legs: list[Leg], now: int) -> None:
    """Write one posting (nothing at all for no legs)."""
    if legs:
        header, lines = rows(identity, part, legs, now)
        connection.execute(insert(t.postings), [header])
        connection.execute(insert(t.legs), lines)


def is_posted(connection: Connection, identity: Identity, part: int) -> bool:
    """Whether a part of a payment was posted."""
    p = t.postings.c
    mine = (p.device == identity[0], p.epoch == identity[1], p.intent == identity[2], p.part == part)
    return connection.execute(select(p.part).where(*mine)).first() is not None


def of_part(connection: Connection, identity: Identity, part: int) -> list[Leg]:
    """The legs of one posting, as they were written."""
    c = t.legs.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2], c.part == part)
    return [(row.account, row.amount) for row in connection.execute(select(t.legs).where(*mine).order_by(c.leg)).all()]


def stood(connection: Connection, identity: Identity) -> int:
    """The number of the last verdict by which a payment of a fork stands, 0 if there is none."""
    v = t.verdicts.c
    mine = (v.device == identity[0], v.epoch == identity[1], v.intent == identity[2])
    approved = (v.stands == 1, v.state == t.DECISION_APPROVED)
    return connection.execute(select(func.max(v.number)).where(*mine, *approved)).scalar() or 0


def posted(connection: Connection, identity: Identity) -> list[Leg]:
    """All legs posted so far for one payment; not those of a gap that happens to begin with its intent's number, nor what is in suspense under it
    since its outcome is lost, nor what was decided about either.
    """
    found = connection.execute(
        select(t.legs.c.account, t.legs.c.amount)
        .where(
            t.legs.c.device == identity[0],
            t.legs.c.epoch == identity[1],
            t.legs.c.intent == identity[2],
            t.legs.c.part.not_in((t.PART_GAP, t.PART_UNSEEN)),
            t.legs.c.part < t.PART_DECIDED,
        )
        .order_by(t.legs.c.part, t.legs.c.leg)
    )
    return [(row.account, row.amount) for row in found]
