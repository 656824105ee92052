"""A payment put to its issuer while the card waits: AUTHORISE → AUTHORISED (design §4, domain §4).

Three steps, so that no transaction is open while the acquirer's host thinks:

    begun = begin(connection, message, now)    row written as *doubtful*, then committed: a Request to be sent, or a reply already
    (the shell asks the host)
    finish(connection, request, answer, now)   the answer written down, then committed: the payload of AUTHORISED

What is left without an outcome, by a gap or an epoch that is over, is `server.ingest.lost.untaken`'s.

A crash in between leaves the row doubtful, and so does an answer that leaves open what was done: in progress (09), late (68), received before (94),
malfunction (96), one that approves otherwise than was asked (16, 32), or another amount, which is an alarm too (`server.acquirer.iso`). What is
doubtful or approved and does not end as an approved outcome is reversed (0400, through the outbox) as soon as the outcome is known, or when a late
answer arrives after it. A deferred payment (provisional) is not: its authorisation goes out under the same reference, as a repeat, and the host's
word on that one counts for both (`deferred`). So a payment is captured only if its outcome record, or that word, says so, and a second AUTHORISE
about the same payment is answered from the row. Stores no card data.

"Issuer or switch inoperative" (91) is told to the terminal as it came: unable to go online. What the card then approves is cleared, what is
deferred is asked again as a repeat. Ends it otherwise, it is reversed like a doubt, since some switches say 91 after a time-out of their own;
a host that never had it answers 25, which is as good as reversed once it can hold the question no longer
(`server.acquirer.outbox`). So is an outcome in doubt whose question is not on record.
"""

import hashlib
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, insert, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import outbox, settling
from server.acquirer.iso import OTHERWISE, Answer, Request, reference
from server.ingest import results, sessions
from server.ledger.posting import Identity
from server.store import audit, restore
from server.store import tables as t
from server.wire.messages import Authorise

WAITING = 200  # cards that may wait for the host at once, by default

MOST_OPEN = 4096
"""Questions of a device whose outcomes are not on record. A terminal whose batches do not get through may ask about every payment that its journal
has room for: 8 MiB take some 2,700 fines (docs/journal.md)."""
_A, _P = t.authorisations.c, t.payments.c
_LATEST = (
    select(_P.outcome)
    .select_from(
        t.authorisations.outerjoin(t.payments, and_(*(_A[name] == _P[name] for name in ("device", "epoch", "intent"))))
    )
    .where(_A.device == bindparam("b_device"), _A.epoch == bindparam("b_epoch"), _A.intent > bindparam("b_seq"))
    .order_by(_A.intent.desc())
    .limit(2 * MOST_OPEN)
    .subquery()
)
_OPEN = select(func.count()).select_from(_LATEST).where(_LATEST.c.outcome.is_(None))
_GAP = (
    select(t.gaps.c.first)
    .where(t.gaps.c.device == bindparam("b_device"), t.gaps.c.epoch == bindparam("b_epoch"))
    .order_by(t.gaps.c.first)
    .limit(1)
)
"""Statements made once: making one costs more than running it."""


def where(identity: Identity) -> Any:
    """The row of a payment."""
    return outbox.where(t.authorisations, identity)


def begin(connection: Connection, message: Authorise, now: int) -> "Request | dict[int, Any]":
    """Take note of the question. A Request is to be sent after the commit; a payload is the answer to one asked before.

    RefusedError: not bound to the session, payment over, asked with another amount or other card data before, or too many questions are open.
    """
    head = sessions.bound_head(connection, message)
    identity = (message.device.device, message.epoch, message.intent)
    digest = hashlib.sha256(message.card_data).digest()
    row = connection.execute(select(t.authorisations).where(where(identity))).first()
    if row is not None:
        if row.amount != message.amount or bytes(row.digest) != digest:
            raise codes.RefusedError(codes.ASKED_OTHERWISE, "asked before with another amount or other card data")
        return reply(message, row)
    if _outcome(connection, identity) is not None:
        raise codes.RefusedError(codes.PAYMENT_OVER, "the outcome of this payment is on record")
    if (
        message.intent <= head.seq
        and connection.execute(select(t.payments.c.intent).where(outbox.where(t.payments, identity))).first() is None
    ):
        raise codes.RefusedError(
            codes.PAYMENT_OVER, "the record of that number is another one"
        )  # of a second terminal of its name
    _bound(connection, head, now)
    connection.execute(
        insert(t.authorisations).values(
            device=identity[0],
            epoch=identity[1],
            intent=identity[2],
            amount=message.amount,
            utc=message.utc,
            digest=digest,
            state=s.ASKED_DOUBTFUL,
            asked=now,
        )
    )
    repeat = restore.doubtful(connection, identity[0], identity[2])
    return Request(
        identity, t.STEP_AUTHORISE, repeat, message.amount, message.utc, "", message.card_data, message.device.wilaya
    )


def _bound(connection: Connection, head: Any, now: int) -> None:
    """RefusedError OPEN_QUESTIONS, and an alarm once, if as many questions are open as any terminal may have; the terminal takes it as unable to go
    online.

    A question is put before its payment's records come. So those behind the chain's head are open; one before it has a record on file that was
    taken in, unless a gap has leapt over it: then the latest ones since the first gap are looked through, of which half may be open.
    """
    mine = {"b_device": head.device, "b_epoch": head.epoch}
    gap = connection.execute(_GAP, mine).scalar()
    seq = head.seq if gap is None else gap - 1
    if (connection.execute(_OPEN, {**mine, "b_seq": seq}).scalar() or 0) < MOST_OPEN:
        return
    what = (
        f"{MOST_OPEN} questions to issuers have no outcome on record, the chain's head is {head.seq}: no more are put"
    )
    audit.alarm_once(connection, head.device, codes.OPEN_QUESTIONS, what, now)
    raise codes.RefusedError(codes.OPEN_QUESTIONS, "too many questions without an outcome: synchronise", noted=True)


def finish(connection: Connection, message: Authorise, answer: Answer | None, unsent: bool, now: int) -> dict[int, Any]:
    """Write the host's answer down (None: none came; `unsent`: the question never left) and give the reply's payload."""
    identity = (message.device.device, message.epoch, message.intent)
    doubtful = and_(where(identity), t.authorisations.c.state == s.ASKED_DOUBTFUL)
    claimed = _claimed(connection, identity)  # then it stays in doubt whatever comes: that is why the payment is held
    if answer is not None and not claimed:
        values: dict[str, Any] = {"response": answer.response, "answered": now}
        word = answer.response not in (*s.NO_WORD, *OTHERWISE)
        if word and not answer.about(message.amount):
            settling.another_amount(connection, answer, message.amount, now)
        elif word:
            data = answer.issuer_data or None
            values.update(state=s.ASKED_ANSWERED, auth_code=answer.auth_code, issuer_data=data)
        connection.execute(update(t.authorisations).where(doubtful).values(**values))
    elif unsent and not claimed:
        connection.execute(update(t.authorisations).where(doubtful).values(state=s.ASKED_NOT, answered=now))
    row = connection.execute(select(t.authorisations).where(where(identity))).one()
    outcome = _outcome(connection, identity)
    goes_on = outcome == r.OUTCOME_PROVISIONAL and deferred(connection, identity)
    over = outcome not in (None, r.OUTCOME_APPROVED) and not goes_on
    forsaken = outcome is None and outbox.reversal_asked(connection, identity)
    if (over or forsaken) and stands(row):
        outbox.reverse(connection, identity, row.amount, row.utc, now)
    return reply(message, row)


def _claimed(connection: Connection, identity: Identity) -> bool:
    """Whether the payment is held, and brings money in: by an outcome that came while the host was thinking, so of another terminal of this name."""
    p = t.payments.c
    mine = (
        outbox.where(t.payments, identity),
        p.held != t.HELD_NOT,
        p.outcome.in_((r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)),
    )
    return connection.execute(select(p.intent).where(*mine)).first() is not None


def deferred(connection: Connection, identity: Identity) -> bool:
    """Whether the deferred authorisation of a payment waits for the host's word (or for a person's), or has its approval. It bears the reference
    of the question that was put while the card waited, so what comes of that one late needs no reversal of its own.
    """
    c = t.outbox.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2], c.step == t.STEP_AUTHORISE)
    state = connection.execute(select(c.state).where(*mine)).scalar()
    if state in (t.STATE_NEW, t.STATE_DOUBTFUL, t.STATE_FAILED):
        return True
    result = results.find(connection, identity)
    return state == t.STATE_DONE and result is not None and result.outcome == r.OUTCOME_APPROVED


def _outcome(connection: Connection, identity: Identity) -> int | None:
    return connection.execute(select(t.payments.c.outcome).where(outbox.where(t.payments, identity))).scalar()


def reply(message: Authorise, row: Any) -> dict[int, Any]:
    """The payload of AUTHORISED."""
    said: dict[int, Any] = {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: message.device.device,
        s.INTENT: row.intent,
        s.AMOUNT: row.amount,
        s.STATE: row.state,
    }
    if row.state == s.ASKED_ANSWERED:
        said[s.RESPONSE] = row.response
        said[s.AUTH_CODE] = row.auth_code or ""
        said[s.REFERENCE] = reference((row.device, row.epoch, row.intent))
        if row.issuer_data is not None:
            said[s.ISSUER_DATA] = bytes(row.issuer_data)
    return said


def approved(row: Any) -> bool:
    """Whether the issuer is known to have approved."""
    return row is not None and row.state == s.ASKED_ANSWERED and row.response in s.APPROVED


def stands(row: Any) -> bool:
    """Whether an approval stands, or may stand, at the issuer or on the way to it."""
    return row is not None and (row.state == s.ASKED_DOUBTFUL or approved(row) or row.response in s.NOT_REACHED)


def sent(row: Any) -> bool:
    """Whether the question left for the host, whatever came back: asked again it is a repeat, an answer of 91 included."""
    return row is not None and row.state != s.ASKED_NOT


_ARQC = 0x80  # the kind of cryptogram, of the byte that the record has (EMV 4.4 Book 3, table 15)
_KIND = 0xC0
_ALONE = (
    "Z1",
    "RSK",
)  # how a reason begins that is the card's own refusal, or the terminal's: given after a question, the record says so
_SIGNATURE = ("EMV-146", "EMV-147")  # refused or not had, whatever cryptogram the payment was approved with


def may_have_asked(record: dict[int, Any]) -> bool:
    """Whether an outcome that brings no money may have been asked about. No kernel asks an issuer but with an ARQC, and that cryptogram stays in a
    declined record, whatever the card did then; only the signature is refused after others. A record without one may have broken off anywhere.
    """
    reason, cid = record.get(r.REASON, ""), record.get(r.CID, _ARQC)
    if record[r.OUTCOME] == r.OUTCOME_INTERRUPTED or reason in _SIGNATURE or r.ONLINE in record:
        return True
    return cid & _KIND == _ARQC and not reason.startswith(_ALONE)


def lost(record: dict[int, Any], row: Any, doubtful_seq: int) -> bool:
    """Whether an outcome's question to the issuer may be one that this database has forgotten in a restore, or never heard: the terminal
    says that it is in doubt, or that the issuer answered, or was cut before it could say; or it was declined, be it that the host answered 91
    although the issuer had approved, of which the record says nothing. Reversing what nobody asked does no harm.
    """
    if row is not None:
        return False
    return record.get(r.ONLINE) == r.ONLINE_DOUBTFUL or record[r.SEQ] <= doubtful_seq and may_have_asked(record)
