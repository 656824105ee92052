"""Payments that are held for a fork, decided under four eyes: two records of one sequence are on file, and one of them is the payment's outcome.

    one officer of the back office proposes, another approves      both signed, both in the audit log
    it stands                                                      posted again as its outcome on file says; what was held of its requests goes on
    given back                                                     it stays out of the books, and is reversed at the acquirer, though nothing of it
                                                                   was sent: a database restored since may send it, and the host refuses that. A
                                                                   deferred one without a result is declined

What they sign says how many other records of the sequence they know. One more that comes later is no part of what they judged: it holds a payment
that stands again, with an alarm, until it is decided anew, since the design posts neither of two branches. What is given back stays so, unless the
acquirer will not reverse it, and a person gives that up (`server.office.failures`): then it is held again, and decided anew. What is declined, and
was to be reversed, cannot stand: its driver was told so.

The terminal's records and totals stay as they are; so does what lies in the other branch, of which nothing is posted ever.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.acquirer import clearings, online, outbox, settling, voids, word
from server.acquirer.iso import reference
from server.ingest import forks, namesakes, results
from server.ingest.lost import suspense
from server.ledger import twice
from server.ledger.posting import Identity
from server.office import proposals
from server.office.signing import VALID_S, Office, other, reason_of
from server.store import audit, devices, failed, restore
from server.store import tables as t
from server.wire import envelope

PROPOSAL, APPROVAL = "tsd/office/fork-proposal", "tsd/office/fork-approval"
_NAMES = ("device", "epoch", "intent", "number", "amount", "seq", "branches", "stands", "expires", "reason")
_TEXTS = ("device", "reason")
_TAKEN = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)
_STATES = {t.DECISION_PROPOSED: "proposed", t.DECISION_APPROVED: "approved", t.DECISION_WITHDRAWN: "withdrawn"}


def _of(table: Any, identity: Identity, *more: Any) -> Any:
    c = table.c
    return and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2], *more)


def draft(connection: Connection, identity: Identity, stands: bool, reason: str, now: int) -> dict[int, Any]:
    """What an officer signs to propose a verdict, and another to approve it: keys 1… in the order of `_NAMES`.

    ParameterError PRM-039 if no payment of this identity is held for a fork, or it is decided, or cannot stand, PRM-040 for such a reason.
    """
    payment = connection.execute(select(t.payments).where(_of(t.payments, identity))).first()
    if payment is None or payment.held != t.HELD_FORK:
        hint = "see: tasdid server fork list"
        raise ParameterError("no payment of this name is held for a fork", "PRM-039", hint, identity[2])
    if stands and _to_be_reversed(connection, payment):
        why = (
            "it is declined, or was asked about for another card: what its issuer may have approved is to be given back"
        )
        raise ParameterError(why, "PRM-039", "only: tasdid server fork propose --given-back", identity[2])
    number = connection.execute(select(func.max(t.verdicts.c.number)).where(_of(t.verdicts, identity))).scalar() or 0
    many = len(_others(connection, payment))
    values = (
        *identity,
        number + 1,
        payment.amount,
        payment.outcome_seq,
        many,
        int(stands),
        now + VALID_S,
        reason_of(reason),
    )
    return dict(enumerate(values, 1))


def _others(connection: Connection, payment: Any) -> list[dict[int, Any]]:
    """The records beside the chain that have the sequence of a payment's outcome, in the order in which they came."""
    f, identity = t.forks.c, (payment.device, payment.epoch, payment.intent)
    epoch = forks.outcome_epoch(connection, identity, payment.outcome_seq)
    mine = (f.device == payment.device, f.epoch == epoch, f.seq == payment.outcome_seq)
    found = connection.execute(select(f.record).where(*mine).order_by(f.received, f.hash)).scalars()
    return [cbor.decode(bytes(record)) for record in found]


def propose(connection: Connection, office: Office, proposal: bytes, now: int) -> int:
    """Enter a signed proposal; its number. An earlier one that is still open is withdrawn.

    ParameterError: PRM-030 signature, PRM-032 it does not fit the payment as it stands, PRM-039 the payment is not held.
    """
    officer, payload = office.verify(proposal, PROPOSAL)
    said = named(payload)
    identity = _identity(said)
    devices.heads(connection, [identity[0]])
    then = said["expires"] - VALID_S
    drafted = draft(connection, identity, said["stands"] == 1, said["reason"], then)
    if not now < said["expires"] <= now + VALID_S or payload != drafted:
        raise ParameterError("the proposal is not about the payment as it stands", "PRM-032", "propose again")
    open_ = _of(t.verdicts, identity, t.verdicts.c.state == t.DECISION_PROPOSED)
    if connection.execute(update(t.verdicts).where(open_).values(state=t.DECISION_WITHDRAWN)).rowcount:
        _note(connection, identity, "the proposal is overtaken by a later one", now)
    row = {**said, "proposed_by": officer, "proposal": proposal, "proposed_at": now, "state": t.DECISION_PROPOSED}
    connection.execute(insert(t.verdicts).values(**row))
    _note(connection, identity, f"{_word(said)}, proposed by officer {officer}: {said['reason']}", now)
    return said["number"]


def proposed(connection: Connection, identity: Identity, number: int) -> dict[int, Any]:
    """What proposal `number` for a payment says: what another officer signs to approve it. ParameterError PRM-032 if it is not open."""
    c = t.verdicts.c
    where = _of(t.verdicts, identity, c.number == number, c.state == t.DECISION_PROPOSED)
    found = connection.execute(select(c.proposal).where(where)).scalar()
    if found is None:
        raise ParameterError("no such proposal is open", "PRM-032", "see the list: another may be open", number)
    return cbor.decode(envelope.parse(bytes(found)).payload)


def approve(connection: Connection, office: Office, approval: bytes, now: int) -> None:
    """Take the second officer's signature and carry the verdict out, in one transaction.

    ParameterError: PRM-030 signature, PRM-032 no such proposal is open, or it has expired, or another branch came since, or the payment cannot stand
    any more, PRM-033 the same officer.
    """
    officer, payload = office.verify(approval, APPROVAL)
    said = named(payload)
    identity = _identity(said)
    devices.heads(connection, [identity[0]])
    c = t.verdicts.c
    where = _of(t.verdicts, identity, c.number == said["number"], c.state == t.DECISION_PROPOSED)
    row = connection.execute(select(t.verdicts).where(where).with_for_update()).first()
    if row is None or row.expires < now:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    other(officer, payload, bytes(row.proposal), row.proposed_by)
    payment = connection.execute(select(t.payments).where(_of(t.payments, identity))).one()
    other_now = payment.held != t.HELD_FORK or len(_others(connection, payment)) != row.branches
    if other_now or row.stands and _to_be_reversed(connection, payment):
        raise ParameterError("the proposal is not about the payment as it stands", "PRM-032", "propose again")
    values = {"approved_by": officer, "approval": approval, "approved_at": now, "state": t.DECISION_APPROVED}
    connection.execute(update(t.verdicts).where(where).values(values))
    _note(connection, identity, f"{_word(said)}, approved by officer {officer}, proposed by {row.proposed_by}", now)
    if row.stands:
        forks.stand(connection, identity, row.number, now)
        _go_on(connection, payment, now)
        twice.stands(connection, payment, now)
        _tell_reversed(connection, payment, now)
    else:
        _give_back(connection, payment, now)


def _go_on(connection: Connection, payment: Any, now: int) -> None:
    """What was held of the requests of a payment that stands goes out, or may have gone out before a restore; the clearing of what was approved while
    it was held is asked for. While a reversal is under way, or has failed and waits for a person (`server.office.failures`), it decides: the
    clearing stays back. One that was given up, or whose void was refused, has come to nothing.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    failed_one = select(t.outbox.c.step).where(_of(t.outbox, identity, failed.undecided()))
    waits = outbox.given_back(connection, identity) or connection.execute(failed_one).first() is not None
    final = results.find(connection, identity)
    later = payment.outcome == r.OUTCOME_PROVISIONAL and final is not None and final.outcome == r.OUTCOME_APPROVED
    clearing = select(t.outbox.c.step).where(_of(t.outbox, identity, t.outbox.c.step == t.STEP_CLEAR))
    if final is not None and later and connection.execute(clearing).first() is None:
        amount, utc = payment.amount, payment.utc
        outbox.enqueue(connection, identity, t.STEP_CLEAR, t.STATE_HELD, amount, utc, final.auth_code, now)
    if waits:
        return
    clearings.let_go(connection, identity, now)
    held = _of(t.outbox, identity, t.outbox.c.state == t.STATE_HELD)
    state = t.STATE_DOUBTFUL if restore.doubtful(connection, identity[0], identity[2]) else t.STATE_NEW
    connection.execute(update(t.outbox).where(held).values(state=state, next_at=now, created=now))


def _tell_reversed(connection: Connection, payment: Any, now: int) -> None:
    """The alarm about a payment that stands although the acquirer has reversed it, unless a void or a refund that is on file had asked for that."""
    identity = (payment.device, payment.epoch, payment.intent)
    asked = voids.of(connection, identity) is not None or word.given_back_by_officers(connection, identity)
    if is_reversed(connection, identity) and not asked:
        what = f"payment {payment.intent} of epoch {payment.epoch}, {payment.amount} centimes, stands by a verdict about a fork, but the acquirer has"
        audit.alarm(connection, payment.device, "HELD", what + " reversed it: nothing is collected", now)


def is_reversed(connection: Connection, identity: Identity) -> bool:
    """Whether the acquirer has reversed a payment that was taken: nothing is collected then, though it stands. Of another nothing ever is."""
    mine = _of(t.outbox, identity, t.outbox.c.step == t.STEP_REVERSE, t.outbox.c.state == t.STATE_DONE)
    return (
        outbox.taken(connection, identity)
        and connection.execute(select(t.outbox.c.step).where(mine)).first() is not None
    )


def _give_back(connection: Connection, payment: Any, now: int) -> None:
    """Keep a payment out of the books, and have it reversed, unless its issuer has refused it, or its record brings no money in and the acquirer can
    have heard of no other one; a deferred one without a result is declined, or is what its terminal has written down.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    suspense.given_back(connection, payment, now)
    connection.execute(update(t.payments).where(_of(t.payments, identity)).values(held=t.HELD_BACK))
    taken = payment.outcome in _TAKEN or settling.may_have_left(connection, identity)
    if taken and not _refused(connection, payment) and not outbox.given_back(connection, identity):
        clearings.hold(connection, identity)
        outbox.put_reversal(connection, identity, namesakes.amount(connection, payment), payment.utc, now)
    waits = _of(t.outbox, identity, t.outbox.c.step == t.STEP_AUTHORISE, t.outbox.c.state != t.STATE_DOUBTFUL)
    unjudged = payment.outcome == r.OUTCOME_PROVISIONAL and results.find(connection, identity) is None
    if unjudged and connection.execute(select(t.outbox.c.step).where(waits)).first() is not None:
        told = _told(connection, payment) or {}  # its driver, before a restore has forgotten what the acquirer had said
        word = told.get(r.OUTCOME, r.OUTCOME_DECLINED), told.get(r.AUTH_CODE, ""), told.get(r.REASON, "")
        results.record(connection, payment, *word, reference(identity), now)
        connection.execute(update(t.outbox).where(waits).values(state=t.STATE_DONE))
        connection.execute(delete(t.sealed).where(_of(t.sealed, identity)))


def _refused(connection: Connection, payment: Any) -> bool:
    """Whether the issuer has refused a payment, deferred or while the card waited, and nobody has asked for its reversal all the same."""
    identity = (payment.device, payment.epoch, payment.intent)
    if outbox.reversal_asked(connection, identity):
        return False
    if payment.outcome in _TAKEN:
        return _is_declined(connection, payment)
    asked = connection.execute(select(t.authorisations).where(_of(t.authorisations, identity))).first()
    return asked is not None and asked.state == s.ASKED_ANSWERED and not online.stands(asked)


def _is_declined(connection: Connection, payment: Any) -> bool:
    """Whether the final word about a payment on file is no approval."""
    final = results.find(connection, (payment.device, payment.epoch, payment.intent))
    return final is not None and final.outcome != r.OUTCOME_APPROVED


def _to_be_reversed(connection: Connection, payment: Any) -> bool:
    """Whether a payment cannot stand: it is declined, for its driver, and what its issuer may have approved was to be reversed; or another
    terminal has asked about another card under its name, and the acquirer's word is about that one.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    deferred = payment.outcome == r.OUTCOME_PROVISIONAL
    declined = deferred and _is_declined(connection, payment) and outbox.reversal_asked(connection, identity)
    return declined or namesakes.was_asked(connection, payment)


def named(payload: dict[int, Any]) -> dict[str, Any]:
    """A verdict by names. ParameterError PRM-030 if it is none."""
    said = {name: payload.get(key) for key, name in enumerate(_NAMES, 1)}
    right = all(type(value) is (str if name in _TEXTS else int) for name, value in said.items())
    if not right or len(payload) != len(_NAMES) or said["stands"] not in (0, 1):
        raise ParameterError("not an officer's decision", "PRM-030")
    return said


def _identity(said: dict[str, Any]) -> Identity:
    return said["device"], said["epoch"], said["intent"]


def _word(said: dict[str, Any]) -> str:
    return "stands" if said["stands"] else "is given back"


def _note(connection: Connection, identity: Identity, what: str, now: int) -> None:
    about = f"payment {identity[2]} of epoch {identity[1]}, part of a fork: {what}"
    audit.write(connection, identity[0], t.LEVEL_WARNING, "FORK", about, now)


def held(connection: Connection) -> list[dict[str, Any]]:
    """The payments that wait for a verdict, oldest first, for a person: whose, centimes, the outcome on file and where, what the other records
    of that sequence say (`others`), what the acquirer knows of it, as far as the outbox tells, whether it was asked about another card under this
    name (`another`: it cannot stand), the final word about a deferred one (`result`), and what became of a reversal (`reversal`), each None if
    there is none.
    """
    p = t.payments.c
    order = (p.utc, p.device, p.epoch, p.intent)
    found = connection.execute(select(t.payments).where(p.held == t.HELD_FORK).order_by(*order)).all()
    return [
        {
            "device": row.device, "epoch": row.epoch, "intent": row.intent, "amount": row.amount, "outcome": row.outcome,
            "seq": row.outcome_seq, "utc": row.utc, "others": [_said(record) for record in _others(connection, row)],
            "acquirer": _known(connection, row), "another": namesakes.was_asked(connection, row), **_so_far(connection, row),
        }
        for row in found
    ]  # fmt: skip


def _said(record: dict[int, Any]) -> dict[str, Any]:
    """A record of another branch: its kind and time, and, of an outcome, which of which payment."""
    if record[r.KIND] != r.PAYMENT_OUTCOME:
        return {"kind": record[r.KIND], "utc": record[r.UTC]}
    of = {"intent": record.get(r.INTENT), "outcome": record.get(r.OUTCOME), "amount": record.get(r.AMOUNT)}
    return {"kind": record[r.KIND], "utc": record[r.UTC], **of}


def _known(connection: Connection, payment: Any) -> str:
    """ "reversed", "reversal asked", "captured", "refused", "asked" (it may have taken it, or have reversed it: a reversal has failed without
    telling), or "nothing".
    """
    identity = (payment.device, payment.epoch, payment.intent)
    rows = {row.step: row for row in connection.execute(select(t.outbox).where(_of(t.outbox, identity)))}
    back, clear = rows.get(t.STEP_REVERSE), rows.get(t.STEP_CLEAR)
    if back is not None and back.state != t.STATE_FAILED:
        return "reversed" if back.state == t.STATE_DONE else "reversal asked"
    if back is not None:
        unknown = _of(t.outbox, identity, failed.under_way())  # it has failed, and may have been carried out
        if connection.execute(select(t.outbox.c.step).where(unknown)).first() is not None:
            return "asked"
    if clear is not None and clear.state == t.STATE_DONE and clear.response in s.APPROVED:
        return "captured"
    if _refused(connection, payment):
        return "refused"
    return "asked" if settling.may_have_left(connection, identity) else "nothing"


def _so_far(connection: Connection, payment: Any) -> dict[str, Any]:
    """The final word on file, be it the terminal's own after a restore, and a reversal: "asked", "done", "refused", "not answered" (it is no
    longer sent) or, by a person in the place of the acquirer, "given up".
    """
    identity = (payment.device, payment.epoch, payment.intent)
    final = results.find(connection, identity)
    chosen = select(t.outbox).where(_of(t.outbox, identity, t.outbox.c.step == t.STEP_REVERSE))
    back = connection.execute(chosen).first()
    said = None
    if back is not None:
        said = {t.STATE_DONE: "done", t.STATE_FAILED: "refused"}.get(back.state, "asked")
        if said == "refused":
            said = {None: "not answered", failed.GIVEN_UP: "given up"}.get(back.response, said)
    return {
        "result": (_told(connection, payment) or {}).get(r.OUTCOME) if final is None else final.outcome,
        "reversal": said,
    }


def _told(connection: Connection, payment: Any) -> dict[int, Any] | None:
    """The record of the final word that a payment's terminal has written down."""
    c = t.raw.c
    mine = (
        c.device == payment.device,
        c.epoch >= payment.epoch,
        c.seq == payment.result_seq,
        c.kind == r.AUTHORISATION_RESULT,
    )
    found = connection.execute(select(c.record).where(*mine).order_by(c.epoch.desc()).limit(1)).scalar()
    return None if found is None else cbor.decode(bytes(found))


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Proposals, newest first, for a person."""
    c = t.verdicts.c
    rows = proposals.newest(connection, t.verdicts, c.device, c.epoch.desc(), c.intent.desc(), c.number.desc())
    names = (*_NAMES, "proposed_by", "approved_by")
    return [{**{name: row[name] for name in names}, "state": _STATES[row["state"]]} for row in rows]
