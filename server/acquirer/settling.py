"""What becomes of a request once it is answered, or can never be sent. Synchronous functions on a connection.

A reversal may overtake what it reverses: a host that knows nothing (25) of a request which was sent may act on it yet. Then the
reversal is repeated until the host can hold the request no longer (`holds` seconds of the configuration); what it says after that is
taken as reversed, and named in the audit log. Only of what surely never left is it believed at once.

A reversal that is answered by an error or a malfunction (`iso.UNSURE`) may have been carried out, or not: it is repeated, as after `iso.LATER`, and
its void waits.

A *repeated* reversal that is refused proves nothing: the host may have carried out the first, whose answer was lost. Its void stays open,
a clearing that it holds back stays back, until a person who has asked the acquirer decides (`server.office.failures`). So does one that was
stopped there and is refused then; if its last request is approved after all, the payment is reversed. A clearing that was stopped there is captured
if its last request is approved after all; whatever else is said of it is told to the person.

What approves, what is no issuer's verdict, and what an answer of another amount means, is said in `server.acquirer.iso`. Card data stay as long as
they may serve: after such an answer, a 25 too, the request goes out with them once more when a person has it sent again.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import clearings, outbox, returned, voids, waiting
from server.acquirer.iso import BROKEN, LATER, NO_RECORD, NOT_NOW, Answer, Request
from server.ingest import results
from server.ledger import accounts, posting
from server.ledger.posting import Identity
from server.store import audit, devices, failed, restore
from server.store import tables as t


def settle(
    connection: Connection,
    request: Request,
    answer: Answer,
    now: int,
    holds: int = outbox.HOLDS,
    waits: int = waiting.WAITS,
    sent: int | None = None,
) -> bool:
    """Take note of the answer to a request. False if the row was settled before, or another process has it now and asks again
    itself (a late or repeated answer changes nothing). `sent`: when the request left, if not now: what the host knew is what it knew then.

    The device's head is locked first, as where batches are taken in: one that makes the payment part of a fork comes before or after.
    """
    devices.head(connection, request.identity[0])
    if answer.is_later:
        outbox.postpone(connection, request, now, waits=waits)
        return False
    if _is_stopped(connection, request):
        _after_stop(connection, request, answer, now)
        return True
    nothing = answer.step == t.STEP_REVERSE and _knows_nothing(connection, answer)
    unknown = nothing and may_have_left(connection, request.identity)
    if unknown and (now if sent is None else sent) < (until := _left(connection, request) + holds):
        outbox.postpone(connection, request, now, max(1, until - now), waits)
        return False
    inquiry = returned.is_inquiry(connection, request)
    forgotten = returned.tells(connection, request, answer, inquiry)
    if (inquiry or forgotten) and not outbox.given_back(connection, request.identity):
        return _asked_again(connection, request, answer, forgotten, now)
    state = _ends(connection, answer, request.amount)
    ended = update(t.outbox).where(outbox.held(request)).values(state=state, response=answer.response, answered=now)
    if not connection.execute(ended).rowcount:
        return False
    if unknown:
        what = f"payment {answer.identity[2]} was asked about, the acquirer has nothing of it to reverse: taken as reversed"
        audit.write(connection, answer.identity[0], t.LEVEL_WARNING, "REVERSAL", what, now)
    if state == t.STATE_HELD:
        return True
    if state == t.STATE_FAILED:
        _failed(connection, answer, request, now)
        return True
    {t.STEP_AUTHORISE: _authorised, t.STEP_CLEAR: _cleared, t.STEP_REVERSE: _reversed}[answer.step](
        connection, answer, request, now
    )
    return True


def _is_stopped(connection: Connection, request: Request) -> bool:
    """Whether the request is the last one for a reversal or a clearing that a person sends no more (`server.office.failures`), and nobody has
    decided since.
    """
    mine = outbox.where(t.outbox, request.identity, request.step)
    silent = or_(and_(t.outbox.c.response.is_(None), failed.undecided()), failed.stopped())
    chosen = select(t.outbox.c.step).where(mine, t.outbox.c.tries == request.turn, silent)
    return request.step != t.STEP_AUTHORISE and connection.execute(chosen).first() is not None


def _after_stop(connection: Connection, request: Request, answer: Answer, now: int) -> None:
    """`settle` for what was stopped on its way: an approval ends it as any other, but the clearing of what is reversed by now; anything else is told
    to the person who decides.
    """
    mine = update(t.outbox).where(outbox.where(t.outbox, request.identity, request.step))
    back = request.step == t.STEP_REVERSE
    if answer.approves(request.amount) and (back or not outbox.is_reversed(connection, request.identity)):
        connection.execute(mine.values(state=t.STATE_DONE, response=answer.response, answered=now))
        (_reversed if back else _cleared)(connection, answer, request, now)
        return
    if back:
        connection.execute(mine.values(response=answer.response))
    if answer.response in s.APPROVED and not answer.about(request.amount):
        another_amount(connection, answer, request.amount, now)
        return
    what = f"step {request.step} of payment {request.identity[2]}, which was no longer to be sent: the acquirer has answered {answer.response}"
    audit.alarm(connection, request.identity[0], "ACQUIRER", what + ": ask it, then see tasdid server failed", now)


def _asked_again(connection: Connection, request: Request, answer: Answer, forgotten: bool, now: int) -> bool:
    """`settle` for a clearing of which the backup may not know all (`server.acquirer.returned`); `forgotten`: it was reversed."""
    values: dict[str, Any] = {"state": t.STATE_DONE, "answered": now}  # an inquiry leaves the response as it was
    if forgotten:
        values = {"state": t.STATE_HELD, "response": answer.response, "answered": now}
    if not connection.execute(update(t.outbox).where(outbox.held(request)).values(values)).rowcount:
        return False
    if forgotten and clearings.approved_since(connection, request.identity):
        returned.reverse_again(connection, request, now)
    elif forgotten:
        returned.enter(connection, request, now)
        _reversed(connection, answer, request, now)
    elif not answer.approves(request.amount):
        returned.differs(connection, request, answer, now)
    return True


def _left(connection: Connection, request: Request) -> int:
    """When the payment of a reversal was last asked about, as far as is known: a message of then may still be under way."""
    o = t.outbox.c
    answered = select(func.max(o.answered)).where(outbox.where(t.outbox, request.identity), o.step != t.STEP_REVERSE)
    return max(request.since, connection.execute(answered).scalar() or 0)


def _ends(connection: Connection, answer: Answer, amount: int) -> int:
    """The state in which a final answer leaves its row, which was about `amount`."""
    if answer.step == t.STEP_AUTHORISE:
        return t.STATE_FAILED if answer.response in BROKEN else t.STATE_DONE
    if answer.step == t.STEP_CLEAR and answer.response == NOT_NOW and outbox.given_back(connection, answer.identity):
        return t.STATE_HELD  # asked again after a restore: it was reversed already, nothing is to be captured
    nothing = answer.step == t.STEP_REVERSE and _knows_nothing(connection, answer)  # as good as reversed
    return t.STATE_DONE if answer.approves(amount) or nothing else t.STATE_FAILED


def _knows_nothing(connection: Connection, answer: Answer) -> bool:
    """Whether the host has nothing to reverse. Of a question that a restored database has forgotten 12 says so too: the issuer refused it."""
    if answer.response != NOT_NOW:
        return answer.response == NO_RECORD
    identity = answer.identity
    asked = select(t.authorisations.c.state).where(outbox.where(t.authorisations, identity))
    other = select(t.outbox.c.step).where(outbox.where(t.outbox, identity), t.outbox.c.step != t.STEP_REVERSE)
    known = any(connection.execute(one).first() is not None for one in (asked, other))
    return not known and restore.doubtful(connection, identity[0], identity[2])


def may_have_left(connection: Connection, identity: Identity) -> bool:
    """Whether a question about a payment that a reversal takes back, or its clearing, may ever have left for the host: after a restore, whatever
    could leave since the backup, also of what the issuer was not asked about while the card waited.
    """
    asked = connection.execute(
        select(t.authorisations.c.state).where(outbox.where(t.authorisations, identity))
    ).scalar()
    o = t.outbox.c
    unsent = (t.STATE_NEW, t.STATE_HELD, t.STATE_DONE)  # done without an answer: ended by a verdict about a fork
    tried = or_(o.tries > 0, o.answered.is_not(None), o.state.not_in(unsent)).label("tried")
    other = select(tried).where(outbox.where(t.outbox, identity), o.step != t.STEP_REVERSE)
    rows = connection.execute(other).scalars().all()
    if asked not in (None, s.ASKED_NOT) or any(rows):
        return True
    return (asked is None or bool(rows)) and restore.doubtful(connection, identity[0], identity[2])


def unheard(connection: Connection, identity: Identity) -> int:
    """When a question about the payment was last sent of which the host may not have heard yet, so that its reversal may have overtaken it; 0 if none
    was, or the host has approved. Who has answered has heard, but 91 and the like; a repeat that no issuer has judged may have overtaken the first.
    A clearing is refused behind its reversal. What was sent before a restore the host can hold no longer (docs/restore.md).
    """
    asked = connection.execute(select(t.authorisations).where(outbox.where(t.authorisations, identity))).first()
    mine = (outbox.where(t.outbox, identity), t.outbox.c.step != t.STEP_REVERSE, t.outbox.c.tries > 0)
    sent = {row.step: row for row in connection.execute(select(t.outbox).where(*mine)).all()}
    if any(row is not None and row.response in s.APPROVED for row in (asked, *sent.values())):
        return 0
    last, deferred = 0, sent.get(t.STEP_AUTHORISE)
    if asked is not None and (asked.state == s.ASKED_DOUBTFUL or asked.response in LATER):
        last = asked.answered or asked.asked
    if deferred is not None and deferred.response is None:
        return max(last, deferred.next_at)
    if deferred is not None and deferred.tries > 1 and deferred.response in BROKEN:
        return max(last, deferred.answered or 0)
    return last


def _failed(connection: Connection, answer: Answer, request: Request, now: int) -> None:
    """A person must look: the alarm says why. A void whose reversal it was has not come about, unless that cannot be known."""
    other = answer.response in s.APPROVED  # and yet not approved: it speaks of another amount
    unknown = answer.step == t.STEP_REVERSE and request.repeat and not other
    if other:
        another_amount(connection, answer, request.amount, now)
    else:
        what = f"step {answer.step} of payment {answer.identity[2]}: the acquirer answered {answer.response}"
        if unknown:
            what += " to a repeat: ask it whether the payment is reversed, then see tasdid server failed"
        audit.alarm(connection, answer.identity[0], "ACQUIRER", what, now)
    if answer.step == t.STEP_REVERSE and not unknown:
        stands(connection, answer.identity, codes.OTHER_AMOUNT if other else answer.response, now)


def stands(connection: Connection, identity: Identity, reason: str, now: int) -> None:
    """A reversal has come to nothing: its void ends refused, and a clearing that it held back goes out after all."""
    voids.end(connection, identity, r.VOID_REFUSED, reason, now)
    clearings.let_go(connection, identity, now)


def another_amount(connection: Connection, answer: Answer, amount: int, now: int) -> None:
    """The alarm about an answer that speaks of another amount than was asked."""
    what = (
        f"step {answer.step} of payment {answer.identity[2]}: asked about {amount} centimes,"
        f" the acquirer answered {answer.response} about {answer.spoken_of}"
    )
    audit.alarm(connection, answer.identity[0], codes.OTHER_AMOUNT, what, now)


def _payment(connection: Connection, identity: Identity) -> Any:
    return connection.execute(select(t.payments).where(outbox.where(t.payments, identity))).one()


def _authorised(connection: Connection, answer: Answer, request: Request, now: int) -> None:
    """The final word on a provisional payment: record, post, hand to the terminal; an approval is then cleared, and
    one of another amount reversed. So is one whose reversal was asked for, or that the terminal has as declined by a word of before a restore, and
    an earlier approval that this word does not repeat.
    """
    payment = _payment(connection, answer.identity)
    outcome, reason = r.OUTCOME_DECLINED, answer.response
    back = _approved_before(connection, answer.identity)
    if not answer.about(request.amount):
        reason, back = codes.OTHER_AMOUNT, True
        another_amount(connection, answer, request.amount, now)
    elif answer.approves(request.amount) and outbox.reversal_asked(connection, answer.identity):
        reason, back = codes.REVERSED, True
        what = f"payment {answer.identity[2]}, {request.amount} centimes: approved after its reversal was asked for; declined"
        audit.alarm(connection, answer.identity[0], codes.REVERSED, what, now)
    elif answer.approves(request.amount) and results.declined_before(connection, payment):
        reason, back = codes.REVERSED, True
        what = f"payment {answer.identity[2]}, {request.amount} centimes: approved though it was declined before the restore; declined"
        audit.alarm(connection, answer.identity[0], codes.REVERSED, what, now)
    elif answer.approves(request.amount):
        outcome, back = r.OUTCOME_APPROVED, False
    if back:
        outbox.reverse(connection, answer.identity, request.amount, request.utc, now)
    results.record(connection, payment, outcome, answer.auth_code, reason, answer.reference, now)
    had_data = connection.execute(delete(t.sealed).where(outbox.where(t.sealed, answer.identity))).rowcount
    if outcome == r.OUTCOME_APPROVED and not payment.held:
        state = t.STATE_NEW if had_data else t.STATE_DOUBTFUL
        outbox.enqueue(
            connection, answer.identity, t.STEP_CLEAR, state, request.amount, request.utc, answer.auth_code, now
        )


def _approved_before(connection: Connection, identity: Identity) -> bool:
    """Whether the issuer is known to have approved when it was asked while the card waited."""
    c = t.authorisations.c
    mine = (outbox.where(t.authorisations, identity), c.state == s.ASKED_ANSWERED, c.response.in_(s.APPROVED))
    return connection.execute(select(c.state).where(*mine)).first() is not None


def _cleared(connection: Connection, answer: Answer, request: Request, now: int) -> None:
    is_captured(connection, answer.identity, request.amount, now)


def is_captured(connection: Connection, identity: Identity, amount: int, now: int) -> None:
    """The card data have served. What a fork has taken out of the ledger meanwhile is a person's to decide."""
    connection.execute(delete(t.sealed).where(outbox.where(t.sealed, identity)))
    if _payment(connection, identity).held:
        what = f"payment {identity[2]}, which is part of a fork, is captured: {amount} centimes"
        audit.alarm(connection, identity[0], "HELD", what, now)


def _reversed(connection: Connection, answer: Answer, _request: Request, now: int) -> None:
    is_reversed(connection, answer.identity, answer.response, now)


def is_reversed(connection: Connection, identity: Identity, reason: str, now: int) -> None:
    """The money is given back: its void is done; post the opposite of what the payment earned, if it ever earned anything."""
    voids.end(connection, identity, r.VOID_DONE, reason, now)
    connection.execute(delete(t.sealed).where(outbox.where(t.sealed, identity)))
    payment = connection.execute(select(t.payments).where(outbox.where(t.payments, identity))).first()
    if payment is None:
        return
    result = results.find(connection, identity)
    later = payment.outcome == r.OUTCOME_PROVISIONAL and result is not None and result.outcome == r.OUTCOME_APPROVED
    if payment.held or not (payment.outcome == r.OUTCOME_APPROVED or later):
        return
    place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
    earned = accounts.outcome_legs(place, r.OUTCOME_APPROVED, payment.amount)
    posting.post(connection, identity, t.PART_REVERSAL, accounts.opposite(earned), now)


def unsendable(connection: Connection, request: Request, now: int) -> None:
    """A request that cannot be written was never sent and never will be: the row is FAILED, and a person must look."""
    devices.head(connection, request.identity[0])
    done = connection.execute(update(t.outbox).where(outbox.held(request)).values(state=t.STATE_FAILED, answered=now))
    if done.rowcount:
        what = f"step {request.step} of payment {request.identity[2]}: the request cannot be written"
        audit.alarm(connection, request.identity[0], codes.UNSENDABLE, what, now)
        if request.step == t.STEP_REVERSE:
            stands(connection, request.identity, codes.UNSENDABLE, now)
