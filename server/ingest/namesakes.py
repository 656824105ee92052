"""One payment's name, two drivers: a terminal was copied, one of the two has put a payment to its issuer while the card waited, and the outcome of
that number comes from the other, which has asked nobody.

The acquirer's reference is made from (device, epoch, intent), so whatever is asked under it afterwards is answered for the first card. Such a payment
is held as part of a fork before anything of it leaves, and can never stand (`server.office.branches`): given back, it is declined where it was
deferred, and what the issuer of the first card approved is reversed. What the first terminal shows of its own chain later brings to light what
else is to be reversed, and whose driver was told that he has paid (`beside`); where a restore has forgotten the question, it is named.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, online, outbox
from server.ingest import forks
from server.ledger.posting import Identity
from server.store import audit, restore
from server.store import tables as t

_TAKEN = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


def another_asked(record: dict[int, Any], asked: Any) -> bool:
    """Whether the question on file (`asked`, a row of `authorisations`), which its issuer may have judged, was put by another terminal than the one
    that wrote `record`, an outcome that brings money in.

    A terminal that asked, and was answered, says so. One whose issuer could not be reached, or that was refused an answer, goes on alone; what it
    defers then is what it had asked about, byte for byte.
    """
    if not _is_known(asked) or record[r.OUTCOME] not in _TAKEN or r.ONLINE in record:
        return False
    if record[r.OUTCOME] == r.OUTCOME_PROVISIONAL:
        return record.get(r.SEALED) != bytes(asked.digest)
    return asked.response not in s.NOT_REACHED


def _is_known(asked: Any) -> bool:
    """Whether the host may know a payment by this question: it was put, and the host has not refused to have it judged."""
    return asked is not None and online.sent(asked) and asked.response not in iso.UNJUDGED


def unreached(connection: Connection, record: dict[int, Any], asked: Any, doubtful_seq: int) -> Any:
    """`asked`, or what is known of it since its terminal's own word: the answer to a question of before a restore may be forgotten, and a card that
    approved after it did so since its issuer was not reached.
    """
    if asked is None or asked.state != s.ASKED_DOUBTFUL or asked.response is not None or asked.intent > doubtful_seq:
        return asked
    if record[r.OUTCOME] != r.OUTCOME_APPROVED or not another_asked(record, asked):
        return asked
    if asked.asked >= restore.restored(connection):
        return asked
    mine = online.where((asked.device, asked.epoch, asked.intent))
    said = {"state": s.ASKED_ANSWERED, "response": s.NOT_REACHED[0]}
    connection.execute(update(t.authorisations).where(mine).values(said))
    return connection.execute(select(t.authorisations).where(mine)).one()


def hold(connection: Connection, identity: Identity, now: int) -> None:
    """Hold a payment that another terminal has asked about: keep it out of the books and from the acquirer, raise the alarm."""
    what = f"payment {identity[2]} of epoch {identity[1]}: a second terminal of this name has put it to the issuer of another card; held"
    audit.alarm(connection, identity[0], codes.FORK, what, now)
    forks.hold_payment(connection, identity, now)


def beside(connection: Connection, device: str, epoch: int, records: Iterable[dict[int, Any]], now: int) -> None:
    """Outcomes have come for the first time that are not of the chain, of payments that were put to their issuer there: what may be approved and no
    record of the chain rests on is reversed. Named are those whose driver was told that he has paid, and those of the chain under whose name a
    question was put that a restore has forgotten.

    Of a payment that was begun before the two parted no terminal but the chain's has asked: one that boots ends what was open.
    """
    for record in records:
        intent = record.get(r.INTENT)
        if record[r.KIND] != r.PAYMENT_OUTCOME or r.ONLINE not in record or type(intent) is not int:
            continue
        if not _begun_beside(connection, device, epoch, intent):
            continue
        identity = (device, epoch, intent)
        payment = connection.execute(select(t.payments).where(outbox.where(t.payments, identity))).first()
        asked = connection.execute(select(t.authorisations).where(online.where(identity))).first()
        unsaid = asked is not None and asked.response in s.NOT_REACHED and asked.answered is None  # by `unreached`
        forgotten = unsaid or asked is None and restore.doubtful(connection, device, intent)
        if payment is not None and payment.outcome in _TAKEN:
            if r.ONLINE in (_outcome(connection, identity, payment) or {}):
                continue  # the issuer approved it for this very record
            if forgotten:
                what = f"payment {intent} of epoch {epoch}, {payment.amount} centimes: by record {record[r.SEQ]}, not of the chain, a second"
                what += " terminal may have put another card to its issuer under its name: ask the acquirer whose card it has"
                audit.alarm(connection, device, codes.FORK, what, now)
        elif (payment is None or payment.outcome is not None) and (
            forgotten or asked is not None and online.stands(asked)
        ):
            _reverse(connection, identity, record if asked is None else asked, now)
        if record.get(r.OUTCOME) == r.OUTCOME_APPROVED:
            what = f"payment {intent} of epoch {epoch}, {record.get(r.AMOUNT)} centimes: by record {record[r.SEQ]}, not of the chain,"
            what += " its issuer approved it and its driver was told that he has paid; it is not collected"
            audit.alarm(connection, device, codes.FORK, what, now)


def _begun_beside(connection: Connection, device: str, epoch: int, intent: int) -> bool:
    """Whether a record of this number is kept beside the chain."""
    f = t.forks.c
    mine = (f.device == device, f.epoch == epoch, f.seq == intent)
    return connection.execute(select(f.seq).where(*mine).limit(1)).first() is not None


def _reverse(connection: Connection, identity: Identity, about: Any, now: int) -> None:
    """Have reversed what an issuer may have approved, by the question on file or, if that is forgotten, a record, unless that was asked for."""
    amount, utc = (about.get(r.AMOUNT), about.get(r.UTC)) if isinstance(about, dict) else (about.amount, about.utc)
    if not outbox.reversal_asked(connection, identity) and type(amount) is int and type(utc) is int:
        outbox.reverse(connection, identity, amount, utc, now, "asked by a second terminal of this name, not taken")


def amount(connection: Connection, payment: Any) -> int:
    """Centimes that the acquirer may know a payment by: those of a question under its name that it took, else the payment's own."""
    identity = (payment.device, payment.epoch, payment.intent)
    asked = connection.execute(select(t.authorisations).where(online.where(identity))).first()
    return asked.amount if asked is not None and _is_known(asked) else payment.amount


def _outcome(connection: Connection, identity: Identity, payment: Any) -> dict[int, Any] | None:
    """The record of a payment's outcome on file."""
    epoch, c = forks.outcome_epoch(connection, identity, payment.outcome_seq), t.raw.c
    mine = (c.device == identity[0], c.epoch == epoch, c.seq == payment.outcome_seq)
    found = connection.execute(select(c.record).where(*mine)).scalar()
    return None if found is None else cbor.decode(bytes(found))


def was_asked(connection: Connection, payment: Any) -> bool:
    """Whether another terminal has put this payment, which is on file, to the issuer of another card: what is asked under its name is answered for
    that card.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    asked = connection.execute(select(t.authorisations).where(online.where(identity))).first()
    if asked is None or payment.outcome not in _TAKEN:
        return False
    written = _outcome(connection, identity, payment)
    return written is not None and another_asked(written, asked)
