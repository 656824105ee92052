"""What the acquirer answered with a refusal that is no verdict, or for too long not at all, and a person must look at: listed, asked again, given up.

    again      the request goes out once more, as a repeat, since what was wrong (a key, a format, a merchant) has been mended: of clearing and
               reversal the one that was decided, or told to the driver, last (`server.store.failed`). Or, if a person says so, the clearing after all
    give_up    a deferred authorisation that no issuer will judge, or has not judged for `waits` seconds: declined, told to the terminal, its
               sealed card data erased. Whatever an earlier try may have left at the issuer is reversed.
               Or a reversal, where the acquirer says that nothing is reversed, and can hold no request any more that it might act on yet (`holds`
               seconds): its void ends refused, the payment stands and is cleared. One that is part of a fork is held and decided by two officers
               (`server.office.branches`), also if they had given it back. Not of what nobody took, or what is declined, be it by such a verdict: it
               cannot stand, its driver was told so. It stays listed until the acquirer has nothing of it any more (`reversed`). Nor of what its
               terminal has written *done* of: its driver was told that it is voided
    reversed   a reversal that was refused, where the acquirer says that it is reversed all the same (a repeat that is refused may follow upon one
               that was carried out): its void is done, the books have the opposite entries. At once of what the acquirer has approved; of what it
               may not have heard of yet, since the reversal overtook it, once it can hold that no longer (`holds`)

A reversal that has no final answer for `waits` seconds is sent no more by `give_up`, and has failed: it is decided as any other then, by `give_up`
once more, or `reversed`; or by the acquirer, if it approves the last request after all (`server.acquirer.settling`). So is a clearing, together with
the reversal that waits behind it, if that has waited too long as well. What the acquirer may do yet of a clearing is over after `holds`; then

    reversed   the reversal is done, as above, if one was stopped too
    give_up    of the reversal, if one was stopped too: the payment stands. Of the clearing, if no reversal is left to be decided: it is captured
    again      the reversal goes out, or the clearing once more (that one at once, a repeat captures nothing twice)

and a reversal that was not stopped, or is asked for by a void or a refund, goes out by itself (`server.acquirer.outbox.claim`).

The reversal of a void that waits for its terminal after a restore (`server.acquirer.word`) goes out by `again`, and by `give_up`, once it has waited
for `waits` seconds, its payment stands.

A clearing that stays refused is given up by a refund (`server.office.refunds`): its money was promised to the Treasury, so two officers sign. Who may
decide what is described here, and by how many signatures, is said in `server.office.rulings`. Synchronous functions on a connection.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, case, delete, func, or_, select, update

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.acquirer import clearings, outbox, settling, voids, word
from server.acquirer.iso import reference
from server.acquirer.waiting import WAITS, since, too_long
from server.ingest import forks, results
from server.ledger.posting import Identity
from server.store import audit, devices, failed
from server.store import tables as t

STOPPED, STOPPED_CLEARING = "stopped", "stopped clearing"
STEPS = {t.STEP_AUTHORISE: "authorisation", t.STEP_CLEAR: "clearing", t.STEP_REVERSE: "reversal"}


def _listing() -> Any:
    o = t.outbox.c
    over = and_(o.step == t.STEP_CLEAR, failed.to_be_reversed(failed=False))
    decided = and_(o.step == t.STEP_REVERSE, func.coalesce(o.response, "") == failed.GIVEN_UP)
    chosen = select(t.outbox, failed.goes_again().label("again")).where(o.state == t.STATE_FAILED, ~over, ~decided)
    return chosen.order_by(o.answered, o.device, o.epoch, o.intent, o.step)


_LISTED = _listing()
"""Made once: making it costs more than running it."""


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every request that failed, oldest answer first: whose, what, centimes, what the host answered and when (UTC seconds), whether `again` sends it,
    and of a reversal whether its terminal has written that its void is done. Not a clearing in the place of which the payment is given back.
    """
    found = connection.execute(_LISTED).all()
    return [
        {
            "device": row.device, "epoch": row.epoch, "intent": row.intent, "step": STEPS[row.step], "amount": row.amount,
            "response": None if row.response in (failed.TOLD, failed.NO_ANSWER) else row.response, "answered": row.answered, "again": bool(row.again),
            "done": row.step == t.STEP_REVERSE and voids.is_written_done(connection, (row.device, row.epoch, row.intent)),
        }
        for row in found
    ]  # fmt: skip


def waiting(connection: Connection, now: int, waits: int = WAITS) -> list[dict[str, Any]]:
    """The requests to which the acquirer has given no final answer for `waits` seconds, oldest first: whose, what, centimes, and since when (UTC
    seconds).
    """
    o = t.outbox.c
    chosen = select(t.outbox).where(too_long(now, waits)).order_by(o.created, o.device, o.epoch, o.intent, o.step)
    return [
        {
            "device": row.device, "epoch": row.epoch, "intent": row.intent, "step": STEPS[row.step], "amount": row.amount,
            "since": since(connection, row.step, row.created),
        }
        for row in connection.execute(chosen)
    ]  # fmt: skip


def held(connection: Connection, identity: Identity) -> bool:
    """Whether a fork holds the payment, until two officers decide (`server.office.branches`)."""
    c = t.payments.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    return connection.execute(select(c.held).where(*mine)).scalar() == t.HELD_FORK


def again(connection: Connection, identity: Identity, now: int, clear: bool = False) -> list[str]:
    """Have what failed of a payment sent again, as was told or decided last (`server.store.failed`); the names of the steps. `clear`: the clearing
    after all, of what was to be given back. ParameterError PRM-036 if nothing can be.
    """
    devices.heads(connection, [identity[0]])
    if not clear and word.is_awaited(connection, identity):
        word.go(connection, identity, now)
        _note(connection, identity, "reversal sent without its terminal's word", now)
        return [STEPS[t.STEP_REVERSE]]
    rows = _failed(connection, identity)
    which = failed.clearable() if clear else failed.goes_again()
    found = connection.execute(select(t.outbox.c.step).where(_row(identity), which).order_by(t.outbox.c.step))
    steps = list(found.scalars())
    if not steps:
        if held(connection, identity):
            raise ParameterError("a fork holds the payment", "PRM-036", "see: tasdid server fork list", identity[2])
        if any(row.step == t.STEP_REVERSE for row in rows) and not outbox.taken(connection, identity):
            raise _not_taken(identity)
        if not clear and any(row.step == t.STEP_REVERSE for row in rows):
            raise _stands(connection, identity)
        if any(row.step == t.STEP_REVERSE for row in rows):
            why = "its reversal has failed, its clearing has not"
            raise ParameterError(
                why, "PRM-036", "ask the acquirer, then failed give-up or failed reversed", identity[2]
            )
        why = "the payment is reversed or given back, or its reversal is about to be sent"
        raise ParameterError(why, "PRM-036", "nothing is to be done but to wait for the acquirer's answer", identity[2])
    if t.STEP_REVERSE in steps:
        clearings.hold(connection, identity)
    for step in steps:
        values = {
            "state": t.STATE_DOUBTFUL,
            "next_at": now,
            "created": now,
            "tries": t.outbox.c.tries + 1,
            "response": None,
            "answered": case((failed.stopped(), None), else_=t.outbox.c.answered),  # a person's word is no answer
        }
        connection.execute(update(t.outbox).where(_row(identity), t.outbox.c.step == step).values(**values))
    names = [STEPS[step] for step in steps]
    _note(connection, identity, f"{', '.join(names)} asked again", now)
    return names


def _stands(connection: Connection, identity: Identity) -> ParameterError:
    """Why a reversal that has failed is not sent again: its void was refused, or it was given up."""
    of = select(t.outbox.c.step).where(_row(identity))
    if connection.execute(of.where(t.outbox.c.step == t.STEP_REVERSE, failed.stands())).first() is not None:
        why = "its driver was told that the payment stands"
    elif connection.execute(of.where(failed.clearable())).first() is not None:
        why = "its reversal was given up, its clearing has failed"
        return ParameterError(why, "PRM-036", "to clear it after all: tasdid server failed again --clear", identity[2])
    else:
        why = "its reversal was given up: the payment stands"
    return ParameterError(why, "PRM-036", "to give it back: tasdid server refund", identity[2])


def _not_taken(identity: Identity) -> ParameterError:
    """Why the reversal of what cannot stand ends in one way only; `again`, as long as nobody has given it up, asks for it once more."""
    why = "nobody took the payment, or it is declined: what the issuer may have approved is to be given back"
    return ParameterError(
        why, "PRM-036", "once the acquirer has nothing of it: tasdid server failed reversed", identity[2]
    )


def give_up(connection: Connection, identity: Identity, now: int, waits: int = WAITS, holds: int = outbox.HOLDS) -> str:
    """Declare a deferred authorisation declined that failed, or has waited for `waits` seconds; or a payment standing whose reversal failed; one of
    a fork is held for two officers; or captured, whose clearing was stopped. The step that ended; STOPPED if a reversal has only waited, and
    STOPPED_CLEARING if a clearing alone has: it has failed now. ParameterError PRM-036 if there is none.
    """
    devices.heads(connection, [identity[0]])
    over = or_(t.outbox.c.state == t.STATE_FAILED, too_long(now, waits))
    mine = select(t.outbox).where(_row(identity), over).order_by(t.outbox.c.step)
    rows = {row.step: row for row in _some(connection.execute(mine).all(), identity)}
    if t.STEP_AUTHORISE in rows:
        _declined(connection, identity, rows[t.STEP_AUTHORISE], now)
        return STEPS[t.STEP_AUTHORISE]
    clear, back = rows.get(t.STEP_CLEAR), rows.get(t.STEP_REVERSE)
    inquiry = clear is not None and clear.state != t.STATE_FAILED and clear.response in s.APPROVED
    silent = clear is not None and clear.state != t.STATE_FAILED and not inquiry
    if silent and (back is None or back.state == t.STATE_FAILED):
        return _stop(connection, identity, now, t.STEP_CLEAR)
    if clear is not None and clear.response == failed.NO_ANSWER and not _is_to_be_decided(connection, identity, back):
        _captured(connection, identity, clear, now, holds)
        return STEPS[t.STEP_CLEAR]
    if back is not None and back.state == t.STATE_FAILED:
        _not_reversed(connection, identity, back, now, holds)
        return STEPS[t.STEP_REVERSE]
    if back is not None and word.is_awaited(connection, identity):
        _not_voided(connection, identity)
        voids.end(connection, identity, r.VOID_REFUSED, failed.GIVEN_UP, now)
        word.refused(connection, identity, failed.GIVEN_UP, now)
        _note(connection, identity, f"not reversed without its terminal's word: {_then(connection, identity)}", now)
        return STEPS[t.STEP_REVERSE]
    if back is not None:
        if inquiry:
            _as_before(connection, identity, now)
        else:
            _stop(connection, identity, now, t.STEP_CLEAR)
        return _stop(connection, identity, now, t.STEP_REVERSE)
    if inquiry:
        why = "it was captured before the backup that was restored, and the acquirer is asked about it until it answers"
        raise ParameterError(why, "PRM-036", "if the acquirer has reversed it: tasdid server refund", identity[2])
    why = "only a deferred authorisation or a failed reversal can be given up"
    raise ParameterError(why, "PRM-036", "a clearing: tasdid server refund", identity[2])


def _as_before(connection: Connection, identity: Identity, now: int) -> None:
    """Ask no more about what was captured before a backup (`server.store.restore`): what becomes of its reversal is decided."""
    mine = (_row(identity), t.outbox.c.step == t.STEP_CLEAR, t.outbox.c.state == t.STATE_DOUBTFUL)
    connection.execute(update(t.outbox).where(*mine).values(state=t.STATE_DONE))
    _note(connection, identity, "the inquiry about it is given up: its reversal decides", now)


def _stop(connection: Connection, identity: Identity, now: int, step: int) -> str:
    """Send a reversal or a clearing no more, if it is to be sent: what the acquirer may do yet of the last request is over after `holds`, and it is
    decided as one that failed. The name of what was done.
    """
    mine = update(t.outbox).where(_row(identity), t.outbox.c.step == step, t.outbox.c.state < t.STATE_DONE)
    said = failed.NO_ANSWER if step == t.STEP_CLEAR else None
    if connection.execute(mine.values(state=t.STATE_FAILED, response=said, answered=now)).rowcount:
        _note(connection, identity, f"{STEPS[step]} without a final answer: no longer sent", now)
    return STOPPED_CLEARING if step == t.STEP_CLEAR else STOPPED


def _is_to_be_decided(connection: Connection, identity: Identity, back: Any) -> bool:
    """Whether a reversal that has failed (its row, or None) comes before its clearing: nobody has said yet what became of it."""
    undecided = select(t.outbox.c.step).where(_row(identity), failed.undecided())
    waits = back is not None and back.state != t.STATE_FAILED
    return waits or connection.execute(undecided).first() is not None


def _captured(connection: Connection, identity: Identity, row: Any, now: int, holds: int) -> None:
    """The acquirer has captured a clearing that is sent no more: as if it had answered 00."""
    if outbox.given_back(connection, identity):
        why = "the payment is given back, or its reversal is about to be sent"
        raise ParameterError(why, "PRM-036", "nothing is to be done but to wait for the acquirer's answer", identity[2])
    _must_be_over(row.answered, "clear", now, holds, identity)
    mine = update(t.outbox).where(_row(identity), failed.stopped())
    connection.execute(mine.values(state=t.STATE_DONE, response="00", answered=now))
    settling.is_captured(connection, identity, row.amount, now)
    _note(connection, identity, "captured, says the acquirer", now)


def _not_reversed(connection: Connection, identity: Identity, row: Any, now: int, holds: int) -> None:
    back = word.given_back_by_verdict(connection, identity)
    if not outbox.taken(connection, identity):
        raise _not_taken(identity)
    _not_voided(connection, identity)
    _must_be_over(row.answered or 0, "reverse", now, holds, identity)
    settling.stands(connection, identity, row.response or "", now)
    mine = update(t.outbox).where(_row(identity), t.outbox.c.step == t.STEP_REVERSE)
    connection.execute(mine.values(response=failed.GIVEN_UP))
    if back:
        forks.hold_again(connection, identity, now)
    _note(connection, identity, f"not reversed, says the acquirer: {_then(connection, identity)}", now)


def _must_be_over(answered: int, what: str, now: int, holds: int, identity: Identity) -> None:
    """ParameterError PRM-036 until the acquirer can hold nothing any more that was sent before `answered`."""
    left = answered + holds - now
    if left > 0:
        why = f"the acquirer may act on an earlier request to {what} it for {-(-left // 60)} minutes more"
        raise ParameterError(why, "PRM-036", "try again then, and ask the acquirer once more", identity[2])


def may_stand(connection: Connection, identity: Identity) -> bool:
    """Whether a payment whose reversal has failed may be declared standing: not what nobody took, or its terminal has written to be voided."""
    return outbox.taken(connection, identity) and not voids.is_written_done(connection, identity)


def _not_voided(connection: Connection, identity: Identity) -> None:
    if voids.is_written_done(connection, identity):
        why = "its terminal has written that the void is done: its driver was told so"
        raise ParameterError(
            why, "PRM-036", "ask the acquirer, then: tasdid server failed reversed, or again", identity[2]
        )


def _then(connection: Connection, identity: Identity) -> str:
    return "a fork holds the payment" if held(connection, identity) else "the payment stands"


def _declined(connection: Connection, identity: Identity, row: Any, now: int) -> None:
    c = t.payments.c
    mine = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    payment = connection.execute(select(t.payments).where(mine)).one()
    if payment.result_seq is not None and row.state != t.STATE_FAILED:  # it will be answered as it was
        raise ParameterError(
            "the terminal has the result already", "PRM-036", "see: tasdid server failed list", identity[2]
        )
    results.record(connection, payment, r.OUTCOME_DECLINED, "", row.response or "", reference(identity), now)
    s = t.sealed.c
    connection.execute(delete(t.sealed).where(s.device == identity[0], s.epoch == identity[1], s.intent == identity[2]))
    connection.execute(update(t.outbox).where(_row(identity), t.outbox.c.step == row.step).values(state=t.STATE_DONE))
    outbox.reverse(connection, identity, row.amount, row.utc, now)
    _note(connection, identity, f"authorisation given up after {row.response or 'no'} answer: declined", now)


def confirm_reversed(connection: Connection, identity: Identity, now: int, holds: int = outbox.HOLDS) -> None:
    """Take a payment for reversed whose reversal failed. ParameterError PRM-036 if there is none, or its clearing went out since, or is in doubt, or
    the host may not have heard of the payment yet, or may act yet on a clearing that was stopped, and approve or capture it after that (`holds`):
    what it says then is true no longer.
    """
    rows = _failed(connection, identity)
    found = [row for row in rows if row.step == t.STEP_REVERSE]
    if not found:
        raise ParameterError("no reversal of it has failed", "PRM-036", "see: tasdid server failed list", identity[2])
    o = t.outbox.c
    accepted = and_(o.state == t.STATE_DONE, o.answered > (found[0].answered or 0))
    cleared = select(o.state).where(_row(identity), o.step == t.STEP_CLEAR, or_(o.state == t.STATE_DOUBTFUL, accepted))
    state = connection.execute(cleared).scalar()
    if state == t.STATE_DOUBTFUL:
        hint = "once it has waited too long: tasdid server failed give-up"
        raise ParameterError("its clearing is under way, and not answered yet", "PRM-036", hint, identity[2])
    if state is not None:
        why = "its clearing has gone out since, and is accepted"
        raise ParameterError(why, "PRM-036", "to give the money back: tasdid server refund", identity[2])
    stopped = max((row.answered for row in rows if row.response == failed.NO_ANSWER), default=0)
    _must_be_over(stopped, "clear", now, holds, identity)
    left = settling.unheard(connection, identity) + holds - now
    if left > 0:
        why = f"the acquirer may not have heard of it yet, for {-(-left // 60)} minutes more, and approve it then"
        raise ParameterError(why, "PRM-036", "try again then, and ask the acquirer once more", identity[2])
    clearings.hold(connection, identity)
    values = {"state": t.STATE_DONE, "answered": now}
    connection.execute(update(t.outbox).where(_row(identity), o.step == t.STEP_REVERSE).values(**values))
    settling.is_reversed(connection, identity, found[0].response or "", now)
    _note(connection, identity, "reversed, says the acquirer", now)


def _row(identity: Identity) -> Any:
    c = t.outbox.c
    return and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])


def _failed(connection: Connection, identity: Identity) -> Sequence[Any]:
    devices.heads(connection, [identity[0]])
    found = select(t.outbox).where(_row(identity), t.outbox.c.state == t.STATE_FAILED).order_by(t.outbox.c.step)
    return _some(connection.execute(found).all(), identity)


def _some(rows: Sequence[Any], identity: Identity) -> Sequence[Any]:
    if not rows:
        raise ParameterError(
            "nothing of this payment has failed", "PRM-036", "see: tasdid server failed list", identity[2]
        )
    return rows


def _note(connection: Connection, identity: Identity, what: str, now: int) -> None:
    audit.write(
        connection, identity[0], t.LEVEL_NOTE, "ACQUIRER", f"payment {identity[2]} of epoch {identity[1]}: {what}", now
    )
