"""What one batch will write, gathered in memory and written with one statement per table, together with other batches.

`Work` takes record by record, judging each against what is on record already (`server.ingest.history`); `flush` writes what
several of them have gathered. The caller owns the transaction. Returns of `take` are rejection codes: such a record is kept
raw and posts nothing.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from server import codes, schema
from server.acquirer import online, outbox, voids
from server.ingest import gaps
from server.ingest.history import History, Row
from server.ledger import accounts, posting
from server.messages import Entry
from server.store import audit, rows
from server.store import tables as t
from server.store.devices import Device

_CHANGES = ("outcome", "outcome_seq", "utc", "scheme", "last4", "result_seq", "script_results")
_PAYMENT_CHANGED = (
    update(t.payments)
    .where(
        t.payments.c.device == bindparam("b_device"),
        t.payments.c.epoch == bindparam("b_epoch"),
        t.payments.c.intent == bindparam("b_intent"),
    )
    .values({name: bindparam(name) for name in _CHANGES})
)
_CASE_CLOSED = (
    update(t.cases)
    .where(
        t.cases.c.device == bindparam("b_device"),
        t.cases.c.epoch == bindparam("b_epoch"),
        t.cases.c.case_no == bindparam("b_case"),
    )
    .values(closure=bindparam("closure"))
)
"""Statements made once: making one costs more than running it."""


Handler = Callable[[Entry], str | None]
"""Enters what a record of one kind brings; the code of what keeps it from being posted, if anything."""


class Work:
    """The rows of one batch of one device."""

    def __init__(
        self, connection: Connection, device: Device, epoch: int, history: History, doubtful_seq: int, now: int
    ) -> None:
        self._connection = connection
        self._device = device
        self._epoch = epoch
        self._history = history
        self._now = now
        self._doubtful_seq = doubtful_seq  # see `server.store.restore`
        self._raw: list[Row] = []
        self._insert: dict[str, list[Row]] = {"raw": self._raw}
        self._updates: dict[str, list[Row]] = {}
        self._reversals: list[Row] = []  # payments whose void is asked
        self._payments: dict[int, Row] = {}  # looked at by this batch, by intent
        self._begun: set[int] = set()  # intents that came with this batch
        self._cases: dict[int, Row] = {}  # begun by this batch
        self._handlers: dict[int, Handler] = {
            r.NOTICE: self._notice,
            r.PAYMENT_INTENT: self._intent,
            r.PAYMENT_OUTCOME: self._outcome,
            r.AUTHORISATION_RESULT: self._result,
            r.CASE_CLOSED: self._closed,
            r.CARD_DATA_ERASED: self._erased,
            r.VOID: self._void,
            r.GAP: self._gap,
        }

    def _payment(self, intent: int) -> Row | None:
        """The payment as it stands, what this batch says of it included."""
        if intent not in self._payments:
            row = self._history.payment(self._device.device, intent)
            if row is None:
                return None
            self._payments[intent] = row
        return self._payments[intent]

    def _add(self, table: str, row: Row) -> None:
        self._insert.setdefault(table, []).append(row)

    def _key(self, **rest: Any) -> Row:
        return {"device": self._device.device, "epoch": self._epoch, **rest}

    def take(self, entry: Entry) -> str | None:
        """Enter one new record; the code of what keeps it from being posted, if anything."""
        kind = entry.record[r.KIND]
        handler = self._handlers.get(kind)
        code = entry.rejected or (handler(entry) if handler else None)
        self._raw.append(
            {
                "device": self._device.device,
                "epoch": self._epoch,
                "seq": entry.seq,
                "hash": entry.hash,
                "kind": kind,
                "record": entry.data,
                "signature": entry.signature,
                "rejected": code,
                "received": self._now,
            }
        )
        if entry.private is not None:
            self._add("private", self._key(seq=entry.seq, blob=entry.private))
        return code

    def _notice(self, entry: Entry) -> str | None:
        record = entry.record
        number = record[r.CASE]
        if number in self._cases or self._history.has_case((self._device.device, self._epoch, number)):
            return codes.SECOND_NOTICE
        self._cases[number] = self._key(
            case_no=number,
            pv=record[r.PV],
            offence=record[r.OFFENCE],
            amount=record[r.AMOUNT],
            utc=record[r.UTC],
            closure=None,
        )
        self._add("cases", self._cases[number])
        return None

    def _closed(self, entry: Entry) -> None:
        """A case is over, or open again after a void; a verdict without a notice has none."""
        record = entry.record
        if r.CASE not in record:
            return
        closure = record.get(r.CLOSURE)
        begun = self._cases.get(record[r.CASE])
        if begun is not None:
            begun["closure"] = closure
            return
        key = {"b_device": self._device.device, "b_epoch": self._epoch, "b_case": record[r.CASE]}
        self._updates.setdefault("cases", []).append({**key, "closure": closure})

    def _intent(self, entry: Entry) -> None:
        record = entry.record
        row = self._key(
            intent=entry.seq,
            case_no=record[r.CASE],
            amount=record[r.AMOUNT],
            utc=record[r.UTC],
            unit=record[r.UNIT],
            force=record.get(r.FORCE, self._device.force),
            wilaya=record.get(r.WILAYA, self._device.wilaya),
            outcome=None,
            outcome_seq=None,
            scheme=None,
            last4=None,
            result_seq=None,
            held=0,
            script_results=None,
        )
        self._payments[entry.seq] = row
        self._begun.add(entry.seq)
        self._add("payments", row)

    def _changed(self, payment: Row) -> None:
        """Note that a payment's row differs from the database's; one inserted by this batch is written as it
        stands at the end.
        """
        if payment["intent"] in self._begun and payment["epoch"] == self._epoch:
            return
        changed = self._updates.setdefault("payments", [])
        if not any(payment is row for row in changed):
            changed.append(payment)

    def _outcome(self, entry: Entry) -> str | None:
        record = entry.record
        payment = self._payment(record[r.INTENT]) or self._lost(entry)
        if payment is None or record[r.INTENT] >= entry.seq:
            return codes.NO_INTENT
        if payment["outcome"] is not None:
            return codes.SECOND_OUTCOME
        if payment["amount"] != record[r.AMOUNT]:
            return codes.AMOUNT_DIFFERS
        asked = self._asked(payment)
        if schema.approved_online(record) and not online.approved(asked) and entry.seq > self._doubtful_seq:
            if asked is None and payment["epoch"] == self._epoch:
                self._never_asked(payment)
            return codes.ONLINE_UNKNOWN
        payment.update(
            outcome=record[r.OUTCOME],
            outcome_seq=entry.seq,
            utc=record[r.UTC],
            scheme=record.get(r.SCHEME, ""),
            last4=record.get(r.LAST4, ""),
            script_results=record.get(r.SCRIPT_RESULTS),
        )
        self._changed(payment)
        self._post(payment)
        self._request(payment, entry, asked)
        return None

    def _lost(self, entry: Entry) -> Row | None:
        """The payment of an outcome whose intent is among records that are lost for good."""
        row = gaps.lost_intent(self._connection, self._device, self._epoch, entry)
        if row is not None:
            self._payments[row["intent"]] = row
            self._add("payments", row)
        return row

    def _gap(self, entry: Entry) -> str | None:
        return gaps.declared(self._connection, self._device.device, self._epoch, entry)

    def _asked(self, payment: Row) -> Any:
        """The row of the payment's authorisation while the card waited, None if there was none."""
        if payment["epoch"] != self._epoch:  # begun in an epoch that is over
            identity = (payment["device"], payment["epoch"], payment["intent"])
            return self._connection.execute(select(t.authorisations).where(online.where(identity))).first()
        return self._history.asked((payment["device"], payment["epoch"], payment["intent"]))

    def _never_asked(self, payment: Row) -> None:
        """An approval by an issuer whom nobody asked: from now on nobody may, since what comes of it would never be reversed."""
        if any(row["intent"] == payment["intent"] for row in self._insert.get("authorisations", ())):
            return
        row = self._key(intent=payment["intent"], amount=payment["amount"], utc=payment["utc"], digest=b"")
        said = {"response": None, "auth_code": None, "issuer_data": None, "asked": self._now, "answered": self._now}
        self._add("authorisations", {**row, "state": s.ASKED_NOT, **said})

    def _post(self, payment: Row) -> None:
        place = accounts.Place(payment["scheme"], payment["wilaya"], payment["force"], payment["unit"])
        legs = accounts.outcome_legs(place, payment["outcome"], payment["amount"])
        if legs:
            identity = (payment["device"], payment["epoch"], payment["intent"])
            header, lines = posting.rows(identity, t.PART_OUTCOME, legs, self._now)
            self._add("postings", header)
            self._insert.setdefault("legs", []).extend(lines)

    def _request(self, payment: Row, entry: Entry, asked: Any) -> None:
        """What the acquirer is to be asked: clearing of what card or issuer approved, authorisation of what is
        provisional, reversal of what the issuer approved, or may have, and the terminal did not take.
        """
        if payment["outcome"] not in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            if online.stands(asked) or online.lost(entry.record, asked, self._doubtful_seq):
                identity = (payment["device"], payment["epoch"], payment["intent"])
                outbox.reverse(self._connection, identity, payment["amount"], payment["utc"], self._now)
        step = {r.OUTCOME_APPROVED: t.STEP_CLEAR, r.OUTCOME_PROVISIONAL: t.STEP_AUTHORISE}.get(payment["outcome"])
        if step is None:
            return
        key = {"device": payment["device"], "epoch": payment["epoch"], "intent": payment["intent"]}
        if entry.sealed is not None:
            self._add("sealed", {**key, "blob": entry.sealed})
        lost = entry.sealed is None and not schema.approved_online(entry.record)
        again = payment["outcome"] == r.OUTCOME_PROVISIONAL and online.sent(asked)
        known_elsewhere = lost or again or payment["intent"] <= self._doubtful_seq
        state = t.STATE_DOUBTFUL if known_elsewhere else t.STATE_NEW
        self._add(
            "outbox",
            {
                **key,
                "step": step,
                "state": state,
                "amount": payment["amount"],
                "utc": payment["utc"],
                "auth_code": entry.record.get(r.AUTH_CODE),
                "tries": 0,
                "next_at": self._now,
                "created": self._now,
            },
        )

    def _result(self, entry: Entry) -> str | None:
        """The terminal has written a result down. Posting rests on the acquirer's word alone, not on this."""
        record = entry.record
        payment = self._payment(record[r.INTENT])
        if payment is None or payment["outcome"] != r.OUTCOME_PROVISIONAL or payment["result_seq"] is not None:
            return codes.RESULT_UNEXPECTED
        if payment["amount"] != record[r.AMOUNT]:
            return codes.AMOUNT_DIFFERS
        known = self._connection.execute(
            select(t.results.c.outcome).where(
                t.results.c.device == payment["device"],
                t.results.c.epoch == payment["epoch"],
                t.results.c.intent == payment["intent"],
            )
        ).scalar()
        if known is not None and known != record[r.OUTCOME]:
            audit.alarm(
                self._connection,
                self._device.device,
                codes.RESULT_DIFFERS,
                f"record {entry.seq}: outcome {record[r.OUTCOME]}, the acquirer said {known}",
                self._now,
            )
            return codes.RESULT_DIFFERS
        payment["result_seq"] = entry.seq
        self._changed(payment)
        return None

    def _erased(self, entry: Entry) -> str | None:
        """The terminal has erased sealed card data on a receipt."""
        intents = set(entry.record[r.INTENTS])
        if not intents <= self._history.payments(self._device.device, intents).keys() | self._payments.keys():
            return codes.NO_INTENT
        c = t.erasures.c
        mine = (c.device == self._device.device, c.epoch == self._epoch, c.intent.in_(intents))
        known = {row.intent for row in self._connection.execute(select(c.intent).where(*mine))}
        known |= {row["intent"] for row in self._insert.get("erasures", ())}
        for intent in sorted(intents - known):
            self._add("erasures", self._key(intent=intent, seq=entry.seq, receipt=entry.record[r.RECEIPT]))
        return None

    def _void(self, entry: Entry) -> str | None:
        """Two officers want a payment back, or the terminal has written down what became of that (`server.acquirer.voids`)."""
        record = entry.record
        payment = self._payment(record[r.INTENT])
        if payment is not None and payment["epoch"] != self._epoch:
            payment = None
        if record[r.VOID_STATE] != r.VOID_ASKED:
            return self._void_ended(entry)
        code = voids.problem(record, payment, self._outcome_record(payment))
        if code is None and payment is not None and self._voided(payment):
            code = codes.VOID_UNEXPECTED
        state = r.VOID_REFUSED if code else r.VOID_ASKED
        row = self._key(seq=entry.seq, intent=record[r.INTENT], amount=record[r.AMOUNT], state=state, reason=code or "")
        self._add("voids", {**row, "asked": self._now, "answered": self._now if code else None, "result_seq": None})
        if code is None and payment is not None:
            self._reversals.append(payment)
        return code

    def _outcome_record(self, payment: Row | None) -> dict[int, Any] | None:
        """The outcome of a payment as it was signed, of this batch or on file."""
        if payment is None or payment["outcome_seq"] is None:
            return None
        for row in self._insert.get("raw", ()):
            if row["seq"] == payment["outcome_seq"]:
                return cbor.decode(row["record"])
        return voids.outcome_record(self._connection, payment)

    def _voided(self, payment: Row) -> bool:
        """Whether the payment is being taken back already, by whomever."""
        identity = (payment["device"], payment["epoch"], payment["intent"])
        return (
            any(payment is row for row in self._reversals)
            or voids.of(self._connection, identity) is not None
            or outbox.reversal_asked(self._connection, identity)
        )

    def _void_ended(self, entry: Entry) -> str | None:
        """The terminal's word about a void's end moves no money: the acquirer's answer has, or will."""
        record = entry.record
        for row in reversed(self._insert.get("voids", ())):
            if row["intent"] == record[r.INTENT] and row["result_seq"] is None:
                if row["state"] not in (r.VOID_ASKED, record[r.VOID_STATE]):
                    return codes.RESULT_DIFFERS
                row["result_seq"] = entry.seq
                break
        else:
            c = t.voids.c
            mine = (c.device == self._device.device, c.epoch == self._epoch, c.intent == record[r.INTENT])
            found = select(t.voids).where(*mine, c.result_seq.is_(None)).order_by(c.seq)
            known = self._connection.execute(found).first()
            if known is None:
                return codes.VOID_UNEXPECTED
            if known.state not in (r.VOID_ASKED, record[r.VOID_STATE]):
                return codes.RESULT_DIFFERS
            same = (*mine, c.seq == known.seq)
            self._connection.execute(update(t.voids).where(*same).values(result_seq=entry.seq))
        if record[r.VOID_STATE] == r.VOID_DONE:
            self._closed(entry)  # without CLOSURE: the case is open again
        return None

    def reverse(self) -> None:
        """Once all is written: have the payments reversed whose void was asked for."""
        for row in self._reversals:
            identity = (row["device"], row["epoch"], row["intent"])
            outbox.hold_clearing(self._connection, identity)
            amount, utc = row["amount"], row["utc"]
            outbox.enqueue(self._connection, identity, t.STEP_REVERSE, t.STATE_NEW, amount, utc, None, self._now)
            audit.write(self._connection, identity[0], t.LEVEL_NOTE, "VOID", f"payment {identity[2]}", self._now)

    def gathered(self) -> tuple[dict[str, list[Row]], dict[str, list[Row]]]:
        """({table: rows to insert}, {table: values to update})."""
        changed = [
            {
                "b_device": row["device"],
                "b_epoch": row["epoch"],
                "b_intent": row["intent"],
                **{name: row[name] for name in _CHANGES},
            }
            for row in self._updates.get("payments", ())
        ]
        return self._insert, {"payments": changed, "cases": self._updates.get("cases", [])}


def flush(connection: Connection, works: list[Work]) -> None:
    """Write everything that these have gathered."""
    inserts: dict[str, list[Row]] = {}
    updates: dict[str, list[Row]] = {"payments": [], "cases": []}
    for work in works:
        new, changed = work.gathered()
        for table, found in new.items():
            inserts.setdefault(table, []).extend(found)
        for table, found in changed.items():
            updates[table] += found
    rows.write(connection, inserts)
    if updates["payments"]:
        connection.execute(_PAYMENT_CHANGED, updates["payments"])
    if updates["cases"]:
        connection.execute(_CASE_CLOSED, updates["cases"])
    for work in works:
        work.reverse()
