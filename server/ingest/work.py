"""What one batch will write, gathered in memory and written with one statement per table.

`Work` first loads what the batch's records refer to (intents, cases, results), then takes record by record, judging
each against that history, and `flush` writes. The caller owns the transaction. Returns of `take` are rejection codes:
such a record is kept raw and posts nothing.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, insert, select, update

from protocol import records as r
from server import codes, schema
from server.acquirer import online
from server.ledger import accounts, posting
from server.messages import Entry
from server.store import audit
from server.store import tables as t
from server.store.devices import Device

Row = dict[str, Any]


_INSERTS = {name: insert(table) for name, table in t.metadata.tables.items()}
_OF_DEVICE = {"device": bindparam("device"), "intents": bindparam("intents", expanding=True)}
_PAYMENTS = (
    select(t.payments)
    .where(t.payments.c.device == _OF_DEVICE["device"], t.payments.c.intent.in_(_OF_DEVICE["intents"]))
    .order_by(t.payments.c.epoch)
)
_ASKED = select(t.authorisations).where(
    t.authorisations.c.device == _OF_DEVICE["device"],
    t.authorisations.c.epoch == bindparam("epoch"),
    t.authorisations.c.intent.in_(_OF_DEVICE["intents"]),
)
_CASES = select(t.cases.c.case_no).where(
    t.cases.c.device == bindparam("device"),
    t.cases.c.epoch == bindparam("epoch"),
    t.cases.c.case_no.in_(bindparam("cases", expanding=True)),
)
"""Statements made once: making one costs more than running it."""


class Work:
    """The rows of one batch of one device."""

    def __init__(
        self, connection: Connection, device: Device, epoch: int, entries: list[Entry], doubtful_seq: int, now: int
    ) -> None:
        self._connection = connection
        self._device = device
        self._epoch = epoch
        self._now = now
        self._doubtful_seq = doubtful_seq  # see `server.store.restore`
        self._insert: dict[str, list[Row]] = {}
        self._updates: dict[str, list[Row]] = {}
        intents = {e.record.get(r.INTENT) for e in entries}
        self._payments = self._load_payments(intents)
        self._asked_before = self._load_asked(intents)
        self._cases = self._load_cases({e.record.get(r.CASE) for e in entries if e.record[r.KIND] == r.NOTICE})

    def _load_payments(self, intents: set[Any]) -> dict[int, Row]:
        wanted = [intent for intent in intents if isinstance(intent, int)]
        if not wanted:
            return {}
        found = self._connection.execute(_PAYMENTS, {"device": self._device.device, "intents": wanted})
        return {row.intent: dict(row._mapping) for row in found}

    def _load_asked(self, intents: set[Any]) -> dict[tuple[int, int], Any]:
        wanted = [intent for intent in intents if isinstance(intent, int)]
        if not wanted:
            return {}
        values = {"device": self._device.device, "epoch": self._epoch, "intents": wanted}
        return {(row.epoch, row.intent): row for row in self._connection.execute(_ASKED, values)}

    def _load_cases(self, numbers: set[Any]) -> set[int]:
        wanted = [number for number in numbers if isinstance(number, int)]
        if not wanted:
            return set()
        values = {"device": self._device.device, "epoch": self._epoch, "cases": wanted}
        return {row.case_no for row in self._connection.execute(_CASES, values)}

    def _add(self, table: str, row: Row) -> None:
        self._insert.setdefault(table, []).append(row)

    def _key(self, **rest: Any) -> Row:
        return {"device": self._device.device, "epoch": self._epoch, **rest}

    def take(self, entry: Entry) -> str | None:
        """Enter one new record; the code of what keeps it from being posted, if anything."""
        code = entry.rejected or self._effect(entry)
        self._add(
            "raw",
            self._key(
                seq=entry.seq,
                hash=entry.hash,
                kind=entry.record[r.KIND],
                record=entry.data,
                signature=entry.signature,
                rejected=code,
                received=self._now,
            ),
        )
        if entry.private is not None:
            self._add("private", self._key(seq=entry.seq, blob=entry.private))
        return code

    def _effect(self, entry: Entry) -> str | None:
        handler = {
            r.NOTICE: self._notice,
            r.PAYMENT_INTENT: self._intent,
            r.PAYMENT_OUTCOME: self._outcome,
            r.AUTHORISATION_RESULT: self._result,
            r.CASE_CLOSED: self._closed,
            r.CARD_DATA_ERASED: self._erased,
        }.get(entry.record[r.KIND])
        return handler(entry) if handler else None

    def _notice(self, entry: Entry) -> str | None:
        record = entry.record
        if record[r.CASE] in self._cases:
            return codes.SECOND_NOTICE
        self._cases.add(record[r.CASE])
        self._add(
            "cases",
            self._key(
                case_no=record[r.CASE],
                pv=record[r.PV],
                offence=record[r.OFFENCE],
                amount=record[r.AMOUNT],
                utc=record[r.UTC],
                closure=None,
            ),
        )
        return None

    def _closed(self, entry: Entry) -> None:
        record = entry.record
        self._updates.setdefault("cases", []).append(
            {
                "b_device": self._device.device,
                "b_epoch": self._epoch,
                "b_case": record[r.CASE],
                "closure": record[r.CLOSURE],
            }
        )

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
        )
        self._payments[entry.seq] = row
        self._add("payments", row)

    def _changed(self, payment: Row) -> None:
        """Note that a payment's row differs from the database's; one inserted by this batch is written as it
        stands at the end.
        """
        if not any(payment is row for row in self._insert.get("payments", ())):
            rows = self._updates.setdefault("payments", [])
            if not any(payment is row for row in rows):
                rows.append(payment)

    def _outcome(self, entry: Entry) -> str | None:
        record = entry.record
        payment = self._payments.get(record[r.INTENT])
        if payment is None or record[r.INTENT] >= entry.seq:
            return codes.NO_INTENT
        if payment["outcome"] is not None:
            return codes.SECOND_OUTCOME
        if payment["amount"] != record[r.AMOUNT]:
            return codes.AMOUNT_DIFFERS
        asked = self._asked(payment)
        if schema.approved_online(record) and not online.approved(asked) and entry.seq > self._doubtful_seq:
            return codes.ONLINE_UNKNOWN
        payment.update(
            outcome=record[r.OUTCOME],
            outcome_seq=entry.seq,
            utc=record[r.UTC],
            scheme=record.get(r.SCHEME, ""),
            last4=record.get(r.LAST4, ""),
        )
        self._changed(payment)
        self._post(payment)
        self._request(payment, entry, asked)
        return None

    def _asked(self, payment: Row) -> Any:
        """The row of the payment's authorisation while the card waited, None if there was none."""
        if payment["epoch"] != self._epoch:  # begun in an epoch that is over
            identity = (payment["device"], payment["epoch"], payment["intent"])
            return self._connection.execute(select(t.authorisations).where(online.where(identity))).first()
        return self._asked_before.get((payment["epoch"], payment["intent"]))

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
        if payment["outcome"] not in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL) and online.stands(asked):
            online.reverse(self._connection, asked, self._now)
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
        payment = self._payments.get(record[r.INTENT])
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
        if not intents <= self._load_payments(intents).keys() | self._payments.keys():
            return codes.NO_INTENT
        c = t.erasures.c
        mine = (c.device == self._device.device, c.epoch == self._epoch, c.intent.in_(intents))
        known = {row.intent for row in self._connection.execute(select(c.intent).where(*mine))}
        known |= {row["intent"] for row in self._insert.get("erasures", ())}
        for intent in sorted(intents - known):
            self._add("erasures", self._key(intent=intent, seq=entry.seq, receipt=entry.record[r.RECEIPT]))
        return None

    def flush(self) -> None:
        """Write everything gathered."""
        for table, rows in self._insert.items():
            self._connection.execute(_INSERTS[table], rows)
        for row in self._updates.get("payments", ()):
            c = t.payments.c
            keys = (c.device == row["device"], c.epoch == row["epoch"], c.intent == row["intent"])
            names = ("outcome", "outcome_seq", "utc", "scheme", "last4", "result_seq")
            self._connection.execute(update(t.payments).where(*keys).values({name: row[name] for name in names}))
        closed = self._updates.get("cases")
        if closed:
            c = t.cases.c
            keys = (
                c.device == bindparam("b_device"),
                c.epoch == bindparam("b_epoch"),
                c.case_no == bindparam("b_case"),
            )
            self._connection.execute(update(t.cases).where(*keys).values(closure=bindparam("closure")), closed)
