"""After a restore: a terminal's own word about a void comes before the void's reversal.

The centre may have told the terminal, after the backup was made, that a void is refused: the driver has his licence back, and was told that the
payment stands. The restored database has forgotten that, and would have the reversal sent again, to a host that carries it out. So of a void that is
asked the reversal waits until its terminal has sent every record that may be of before the restore (`awaited`). If *refused* is among them, the void
ends so, nothing goes out, and what was captured is asked about as after any restore (`refused`). If *done* is, the reversal is repeated, which does
no harm. A terminal that has nothing to send says so by the head in a HELLO, which counts once none of before can come late (`server.store.restore`).
One that never speaks again is named (`silent`, `tell`), and a person's to decide (`server.office.failures`): the reversal goes out, or the payment
stands. Named is also the one whose word may be among lost records (`lost`), and the one whose word is none of the chain, since a copy of the terminal
spoke first (`beside`).

What two officers of the back office have given back waits for no terminal. Synchronous functions on a connection.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, exists, literal, or_, select, update

from protocol import records as r
from protocol import sync as s
from server.acquirer import clearings, voids, waiting
from server.ledger.posting import Identity
from server.store import audit, devices, failed, restore
from server.store import tables as t

GOES = "++"  # in the place of the host's answer: a person has decided that it goes out
_ASKED = t.voids.c.state == literal(r.VOID_ASKED, literal_execute=True)
_STANDS = t.voids.c.state != literal(r.VOID_REFUSED, literal_execute=True)  # for the partial index, as is the next one
_OPEN = t.outbox.c.state < literal(t.STATE_DONE, literal_execute=True)


def awaited() -> Any:
    """Condition: a row of the outbox is a void's reversal that waits for its terminal's word."""
    o, h = t.outbox.c, t.heads.c
    of_a_void = exists().where(failed.same(t.voids.c, o), _ASKED, _STANDS)
    early = or_(h.last_contact.is_(None), h.last_contact < restore.late())
    more = or_(h.claimed_seq.is_(None), h.claimed_seq > h.seq)
    missing = and_(h.seq < h.doubtful_seq, or_(h.doubtful_seq != restore.UNKNOWN, early, more))
    behind = exists().where(h.device == o.device, missing)
    undecided = or_(o.response.is_(None), o.response != GOES)
    return and_(o.step == t.STEP_REVERSE, _OPEN, undecided, behind, of_a_void, ~failed.refunded(o))


def _reversal(identity: Identity) -> Any:
    o = t.outbox.c
    return and_(o.device == identity[0], o.epoch == identity[1], o.intent == identity[2], o.step == t.STEP_REVERSE)


def is_awaited(connection: Connection, identity: Identity) -> bool:
    """Whether the payment's reversal waits so."""
    return connection.execute(select(t.outbox.c.step).where(_reversal(identity), awaited())).first() is not None


def silent(connection: Connection, now: int, waits: int) -> Sequence[Any]:
    """The reversals that have waited so for `waits` seconds: nothing is asked about them, so no answer that fails to come would ever name them."""
    found = connection.execute(select(t.outbox).where(_OPEN, waiting.too_long(now, waits), awaited())).all()
    return sorted(
        found, key=lambda row: (row.device, row.epoch, row.intent)
    )  # asked for in order, SQLite would read all that was ever settled


def tell(connection: Connection, row: Any, now: int) -> None:
    """The alarm about one of them, once."""
    identity = (row.device, row.epoch, row.intent)
    devices.head(connection, row.device)
    if is_awaited(connection, identity):
        waiting.name(
            connection, identity, row.step, row.amount, "its terminal has not said how its void ended", row.created, now
        )


def lost(connection: Connection, device: str, epoch: int, now: int) -> None:
    """The alarm, once, about each reversal that waits so when records of its epoch are lost: its terminal's word may be among these. The reversal
    goes out once nothing else of before the restore can come any more.
    """
    o = t.outbox.c
    mine = select(o.intent, o.amount).where(o.device == device, o.epoch == epoch, _OPEN, awaited())
    for row in connection.execute(mine.order_by(o.intent)).all():
        what = f"payment {row.intent} of epoch {epoch}, {row.amount} centimes: how its void ended may be among lost records;"
        what += " its reversal goes out if nothing else says so"
        audit.alarm_once(connection, device, "RESTORED", what, now, waiting.REMEMBERED)


def beside(connection: Connection, device: str, epoch: int, records: Iterable[dict[int, Any]], now: int) -> None:
    """The alarm, once, about each *refused* among `records` that are kept beside the chain, where it counts for nothing: of a void of before a
    restore that is asked or done here. A copy of the terminal, which had not heard it, has ended the wait, or records have come that were declared
    lost.
    """
    for record in records:
        intent = record.get(r.INTENT)
        if record[r.KIND] != r.VOID or record.get(r.VOID_STATE) != r.VOID_REFUSED or type(intent) is not int:
            continue
        identity = (device, epoch, intent)
        void = voids.of(connection, identity)
        if (
            void is None
            or record[r.SEQ] <= void.seq  # the end of an earlier void of the payment
            or not restore.doubtful(connection, device, void.seq)
            or given_back_by_officers(connection, identity)
        ):
            continue
        what = f"payment {intent} of epoch {epoch}, {void.amount} centimes: record {record[r.SEQ]}, which is not of the chain, says that its void was"
        what += f" refused; here it is {voids.WORDS[void.state]}: ask the acquirer"
        audit.alarm_once(connection, device, "RESTORED", what, now, waiting.REMEMBERED)


def go(connection: Connection, identity: Identity, now: int) -> None:
    """A person has decided: the reversal waits no longer."""
    connection.execute(update(t.outbox).where(_reversal(identity)).values(response=GOES, next_at=now, created=now))


def given_back_by_officers(connection: Connection, identity: Identity) -> bool:
    """Whether two officers of the back office have the payment given back, by a refund or a verdict about a fork, whatever became of a void."""
    c = t.refunds.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    refund = select(c.intent).where(*mine, c.state == t.REFUND_APPROVED)
    return connection.execute(refund).first() is not None or given_back_by_verdict(connection, identity)


def given_back_by_verdict(connection: Connection, identity: Identity) -> bool:
    """Whether two officers have the payment given back by a verdict about a fork."""
    p = t.payments.c
    mine = (p.device == identity[0], p.epoch == identity[1], p.intent == identity[2])
    return connection.execute(select(p.intent).where(*mine, p.held == t.HELD_BACK)).first() is not None


def refused(connection: Connection, identity: Identity, reason: str, now: int) -> None:
    """The void of a payment has ended refused by its terminal's word, or a person's in its place: the reversal is kept from the host, the clearing
    goes out or is asked about. An alarm, and an item of `server failed`, if the reversal may have left since the restore, or has and failed.
    """
    open_ = t.outbox.c.state.in_((t.STATE_NEW, t.STATE_DOUBTFUL, t.STATE_FAILED))
    row = connection.execute(select(t.outbox).where(_reversal(identity), open_).with_for_update()).first()
    if row is None:
        return
    left = row.state == t.STATE_FAILED or row.next_at > row.created  # answered, or claimed, by whomever
    if row.state != t.STATE_FAILED:
        ended = {"state": t.STATE_FAILED, "response": _answer(reason) if left else failed.GIVEN_UP, "answered": now}
        connection.execute(update(t.outbox).where(_reversal(identity)).values(**ended))
    elif reason in failed.AT_ONCE:
        connection.execute(update(t.outbox).where(_reversal(identity)).values(response=failed.TOLD))
    if left:
        what = f"payment {identity[2]} of epoch {identity[1]}, {row.amount} centimes: its terminal says that its void was refused, its reversal may"
        audit.alarm(connection, identity[0], "RESTORED", what + " have gone out since: ask the acquirer", now)
    clearings.let_go(connection, identity, now)
    o = t.outbox.c
    mine = and_(o.device == identity[0], o.epoch == identity[1], o.intent == identity[2], o.step == t.STEP_CLEAR)
    captured = and_(mine, o.state == t.STATE_DONE, o.response.in_(s.APPROVED))
    connection.execute(update(t.outbox).where(captured).values(state=t.STATE_DOUBTFUL, next_at=now))


def _answer(reason: str) -> str | None:
    """A terminal's reason in the place of the host's answer, if it may be one: not what says that a person has decided, or that it is approved. One
    by which the void would end at once is told there.
    """
    if reason in failed.AT_ONCE:
        return failed.TOLD
    other = (failed.GIVEN_UP, failed.TOLD, GOES, *s.APPROVED)
    return reason if len(reason) == len(failed.GIVEN_UP) and reason not in other else None
