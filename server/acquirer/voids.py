"""Voids: an approved payment taken back by two officers with the same card, at the roadside (domain §4).

The terminal's VOID record is the request: it reaches the server as any other record, so a lost answer or a repeated batch cannot ask
twice. What it asks is a reversal (0400) in the outbox; the reversal's end is the void's end, handed to the terminal in WELCOME until it
comes back as a record of its own:

    VOID asked → ASKED → DONE      the acquirer has reversed the payment; the ledger has the opposite entries
                      └→ REFUSED   it has not: the payment stands, an alarm says why

A void that may not be (payment not approved, another card, one officer alone, voided before) is kept as a record, asks nobody and ends
REFUSED at once. Synchronous functions on a connection; `server.ingest.work` gathers the rows of a batch.
"""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, literal, select, update

from protocol import cbor, tokens
from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso
from server.ledger.posting import Identity
from server.store import audit, failed
from server.store import tables as t

MAX_PENDING = 8  # ends in one reply; the rest follow
_WAITING = (
    select(t.voids)
    .where(
        t.voids.c.device == bindparam("b_device"),
        t.voids.c.epoch == bindparam("b_epoch"),
        t.voids.c.state != r.VOID_ASKED,
        t.voids.c.result_seq.is_(None),
    )
    .order_by(t.voids.c.told, t.voids.c.seq)
    .limit(MAX_PENDING)
)
_TOLD = (
    update(t.voids)
    .where(
        t.voids.c.device == bindparam("b_device"),
        t.voids.c.epoch == bindparam("b_epoch"),
        t.voids.c.seq == bindparam("b_seq"),
    )
    .values(told=bindparam("b_now"))
)
WORDS = {r.VOID_ASKED: "asked", r.VOID_DONE: "done", r.VOID_REFUSED: "refused"}
_REFUSED = t.voids.c.state == literal(r.VOID_REFUSED, literal_execute=True)
_STANDS = t.voids.c.state != literal(
    r.VOID_REFUSED, literal_execute=True
)  # written out: else no partial index is taken
"""Made once: making a statement costs more than running it."""


def of(connection: Connection, identity: Identity) -> Any:
    """The void of a payment that is asked or done, or None."""
    c = t.voids.c
    same = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    return connection.execute(select(t.voids).where(same, _STANDS).limit(1)).first()


def problem(record: dict[int, Any], payment: dict[str, Any] | None, outcome: dict[int, Any] | None) -> str | None:
    """Why a void may not be, from its record, the payment's row and the payment's outcome record; None if it may."""
    if payment is None or payment["outcome"] != r.OUTCOME_APPROVED or payment["held"] or outcome is None:
        return codes.VOID_UNEXPECTED
    if payment["amount"] != record[r.AMOUNT]:
        return codes.AMOUNT_DIFFERS
    if record[r.SECOND_OFFICER] == record[r.OFFICER]:
        return codes.VOID_ONE_OFFICER
    if not tokens.same(outcome.get(r.CARD_TOKEN), record[r.CARD_TOKEN]):
        return codes.VOID_ANOTHER_CARD
    return None


def outcome_record(connection: Connection, payment: dict[str, Any]) -> dict[int, Any] | None:
    """The outcome of a payment of the epoch that goes on, as it was signed, if it is on file."""
    c = t.raw.c
    key = (c.device == payment["device"], c.epoch == payment["epoch"], c.seq == payment["outcome_seq"])
    found = connection.execute(select(c.record).where(*key, c.kind == r.PAYMENT_OUTCOME, c.rejected.is_(None))).scalar()
    return None if found is None else cbor.decode(bytes(found))


def end(connection: Connection, identity: Identity, state: int, reason: str, now: int) -> None:
    """The reversal of a payment has ended: so has its void, if there is one. An end other than the one that its terminal has written down, or was
    told before, is an alarm: the licence went with that one. What two officers of the back office give back after a refused void is their refund,
    or their verdict about a fork, and the void stays refused.
    """
    c = t.voids.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    asked = select(t.voids).where(*mine, c.state == r.VOID_ASKED, _STANDS).limit(1)
    told = (*mine, _REFUSED, c.reason.not_in(failed.AT_ONCE), ~failed.refunded(c))
    refused = select(t.voids).where(*told).order_by(c.seq.desc()).limit(1)
    row = connection.execute(asked).first() or connection.execute(refused).first()
    if row is not None and row.state != state:
        said = written(connection, row)
        this = and_(c.device == row.device, c.epoch == row.epoch, c.seq == row.seq)
        connection.execute(update(t.voids).where(this).values(state=state, reason=reason[:8], answered=now))
        if row.state != r.VOID_ASKED or said not in (None, state):
            what = f"void of payment {identity[2]}: {WORDS[state]} by the acquirer, its terminal"
            what += f" has written {WORDS[said]}" if said else f" may have heard {WORDS[row.state]}"
            audit.alarm(connection, identity[0], codes.RESULT_DIFFERS, what, now)


def is_written_done(connection: Connection, identity: Identity) -> bool:
    """Whether the terminal of a payment has written down that its void is done: its driver was told so, and has his licence back."""
    row = of(connection, identity)
    return row is not None and written(connection, row) == r.VOID_DONE


def written(connection: Connection, row: Any) -> int | None:
    """The end of a void (its row) that its terminal has written down, if it has."""
    w = t.raw.c
    key = (w.device == row.device, w.epoch == row.epoch, w.seq == row.result_seq)
    found = connection.execute(select(w.record).where(*key)).scalar() if row.result_seq is not None else None
    return None if found is None else cbor.decode(bytes(found)).get(r.VOID_STATE)


def pending(connection: Connection, device: str, epoch: int, now: int) -> list[dict[int, Any]]:
    """Ends of voids of its present epoch that the device has not yet written as records; those told longest ago are told first."""
    whose = {"b_device": device, "b_epoch": epoch}
    found = sorted(connection.execute(_WAITING, whose).all(), key=lambda row: row.seq)
    if found:
        connection.execute(_TOLD, [{**whose, "b_seq": row.seq, "b_now": now} for row in found])
    return [
        {
            s.RESULT_EPOCH: row.epoch,
            s.RESULT_INTENT: row.intent,
            s.RESULT_OUTCOME: row.state,
            s.RESULT_REASON: row.reason,
            s.RESULT_REF: iso.reference((row.device, row.epoch, row.intent)),
        }
        for row in found
    ]
