"""One payment's name, two drivers: a terminal was copied, one of the two has put a payment to its issuer while the card waited, and the record of
that sequence comes from the other, which has asked nobody.

The acquirer's reference is made from (device, epoch, intent), so whatever is asked under it afterwards is answered for the first card. Such a payment
is held as part of a fork before anything of it leaves, it can never stand (`server.office.branches`): given back, it is declined where it was
deferred, and what the issuer of the first card approved is reversed. What the first terminal shows of its own chain later (`beside`) may say so of a
payment that is on file by then, or that its driver was told that he has paid.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import online, outbox
from server.ingest import forks
from server.ledger.posting import Identity
from server.store import aside, audit
from server.store import tables as t

_TAKEN = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


def another_asked(record: dict[int, Any], asked: Any) -> bool:
    """Whether the question on file (`asked`, a row of `authorisations`) was put by another terminal than the one that wrote `record`, an outcome that
    brings money in.

    A terminal that asked, and was answered, says so. One whose issuer could not be reached, or that was refused an answer, goes on alone; what it
    defers then is what it had asked about, byte for byte.
    """
    if not online.sent(asked) or record[r.OUTCOME] not in _TAKEN or r.ONLINE in record:
        return False
    if record[r.OUTCOME] == r.OUTCOME_PROVISIONAL:
        return record.get(r.SEALED) != bytes(asked.digest)
    return asked.response not in s.NOT_REACHED


def hold(connection: Connection, identity: Identity, now: int) -> None:
    """Hold a payment that another terminal has asked about: keep it out of the books and from the acquirer, raise the alarm."""
    what = f"payment {identity[2]} of epoch {identity[1]}: a second terminal of this name has put it to the issuer of another card; held"
    audit.alarm(connection, identity[0], codes.FORK, what, now)
    forks.hold_payment(connection, identity, now)


def beside(connection: Connection, device: str, epoch: int, records: Iterable[dict[int, Any]], now: int) -> None:
    """Outcomes have come for the first time that are not of the chain, of payments that were put to their issuer: a payment of that name which is
    on file, and asked nobody, is held; what no record of the chain rests on is reversed. An alarm names each whose driver was told that he has paid.
    """
    for record in records:
        intent = record.get(r.INTENT)
        if record[r.KIND] != r.PAYMENT_OUTCOME or r.ONLINE not in record or type(intent) is not int:
            continue
        identity = (device, epoch, intent)
        payment = connection.execute(select(t.payments).where(outbox.where(t.payments, identity))).first()
        outcome = None if payment is None else payment.outcome
        if payment is not None and outcome in _TAKEN:
            written = _outcome(connection, identity, payment)
            if written is None or r.ONLINE in written:
                continue  # the issuer approved it for this very record
            if not payment.held:
                hold(connection, identity, now)
        elif payment is None or outcome is not None:  # else its own terminal may still end it
            _reverse(connection, identity, record, now)
        if record.get(r.OUTCOME) == r.OUTCOME_APPROVED:
            what = f"payment {intent} of epoch {epoch}, {record.get(r.AMOUNT)} centimes: by record {record[r.SEQ]}, not of the chain,"
            what += " its issuer approved it and its driver was told that he has paid; it is not collected"
            audit.alarm(connection, device, codes.FORK, what, now)


def _reverse(connection: Connection, identity: Identity, record: dict[int, Any], now: int) -> None:
    """Have reversed what an issuer may have approved for an outcome that is not of the chain, unless that was asked for."""
    if outbox.reversal_asked(connection, identity):
        return
    asked = connection.execute(select(t.authorisations).where(online.where(identity))).first()
    amount, utc = record.get(r.AMOUNT), record.get(r.UTC)
    if asked is not None:
        amount, utc = asked.amount, asked.utc
        if not online.stands(asked):
            return
    if type(amount) is int and type(utc) is int:
        outbox.reverse(connection, identity, amount, utc, now, "asked by a second terminal of this name, not taken")


def joined(connection: Connection, device: str, epoch: int, intents: Iterable[int], now: int) -> None:
    """Payments have been posted of a terminal that has a second branch: hold those that were put to an issuer there."""
    for intent in intents:
        payment = connection.execute(
            select(t.payments).where(outbox.where(t.payments, (device, epoch, intent)))
        ).first()
        if payment is not None and not payment.held and was_asked(connection, payment):
            hold(connection, (device, epoch, intent), now)


def amount(connection: Connection, payment: Any) -> int:
    """Centimes that the acquirer knows a payment by: those of the question that was put under its name first."""
    asked = connection.execute(
        select(t.authorisations).where(online.where((payment.device, payment.epoch, payment.intent)))
    ).first()
    return asked.amount if asked is not None and online.sent(asked) else payment.amount


def _outcome(connection: Connection, identity: Identity, payment: Any) -> dict[int, Any] | None:
    """The record of a payment's outcome on file."""
    epoch, c = forks.outcome_epoch(connection, identity, payment.outcome_seq), t.raw.c
    mine = (c.device == identity[0], c.epoch == epoch, c.seq == payment.outcome_seq)
    found = connection.execute(select(c.record).where(*mine)).scalar()
    return None if found is None else cbor.decode(bytes(found))


def was_asked(connection: Connection, payment: Any) -> bool:
    """Whether another terminal has put this payment, which is on file, to the issuer of another card: by the question, or by what that terminal
    has shown since. What is asked under its name is answered for that card.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    written = _outcome(connection, identity, payment)
    if written is None or payment.outcome not in _TAKEN or r.ONLINE in written:
        return False
    asked = connection.execute(select(t.authorisations).where(online.where(identity))).first()
    if another_asked(written, asked):
        return True
    if not aside.has(connection, payment.device, payment.intent):
        return False
    f = t.forks.c
    kept = select(f.record).where(f.device == payment.device, f.epoch == payment.epoch, f.seq > payment.intent)
    for data in connection.execute(kept).scalars():
        other = cbor.decode(bytes(data))
        if other[r.KIND] == r.PAYMENT_OUTCOME and other.get(r.INTENT) == payment.intent and r.ONLINE in other:
            return True
    return False
