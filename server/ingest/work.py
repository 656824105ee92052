"""What one batch will write, gathered in memory; `server.ingest.flush` writes it, together with other batches.

`Work` takes record by record, judging each against what is on record already (`server.ingest.history`). Returns of `take` are
rejection codes: such a record is kept raw and posts nothing. Voids are `server.ingest.voiding`'s.
"""

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import online, outbox
from server.ingest import namesakes
from server.ingest.history import History
from server.ingest.lost import gaps, suspense
from server.ingest.voiding import Voiding
from server.ledger import accounts, posting
from server.ledger.unlike import Unlike
from server.store import audit
from server.store import tables as t
from server.store.devices import Device
from server.wire import schema
from server.wire.batches import Entry, RawRow, Row

_STEPS = {r.OUTCOME_APPROVED: t.STEP_CLEAR, r.OUTCOME_PROVISIONAL: t.STEP_AUTHORISE}
Handler = Callable[[Entry], str | None]
"""Enters what a record of one kind brings; the code of what keeps it from being posted, if anything."""


class Work:
    """The rows of one batch of one device."""

    def __init__(
        self, connection: Connection, device: Device, epoch: int, history: History, doubtful_seq: int, now: int
    ) -> None:
        self.connection = connection
        self.device = device
        self.epoch = epoch
        self._history = history
        self.now = now
        self.doubtful_seq = doubtful_seq  # see `server.store.restore`
        self.entries: list[Entry] = []  # taken so far
        self.raw: list[RawRow] = []
        self.insert: dict[str, list[Row]] = {}  # rows of the other tables
        self.changed: list[Row] = []  # payments on record that are not as they were
        self.closures: list[Row] = []  # cases on record that are over, or open again
        self._voiding = Voiding(self)
        self._claimed: list[
            tuple[str, int, int]
        ] = []  # payments that another terminal of this name has put to an issuer
        self._payments: dict[int, Row] = {}  # looked at by this batch, by intent
        self._begun: set[int] = set()  # intents that came with this batch
        self._reversed: set[int] = (
            set()
        )  # of those: given back, since an outcome said another amount than the issuer was asked about
        self.cases: dict[int, Row] = {}  # begun by this batch
        self.paid: list[tuple[int, int]] = []  # (intent, case) of the payments that it posts, in order
        self.unlike: list[Unlike] = []  # those of another amount than a notice of this batch, or without one in it
        self._handlers: dict[int, Handler] = {  # the kinds of `server.wire.batches.TELLING`
            r.NOTICE: self._notice,
            r.PAYMENT_INTENT: self._intent,
            r.PAYMENT_OUTCOME: self._outcome,
            r.AUTHORISATION_RESULT: self._result,
            r.CASE_CLOSED: self.closed,
            r.CARD_DATA_ERASED: self._erased,
            r.VOID: self._voiding.take,
            r.GAP: self._gap,
        }

    def payment(self, intent: int) -> Row | None:
        """The payment as it stands, what this batch says of it included."""
        if intent not in self._payments:
            row = self._history.payment(self.device.device, intent)
            if row is None:
                return None
            self._payments[intent] = row
        return self._payments[intent]

    def add(self, table: str, row: Row) -> None:
        self.insert.setdefault(table, []).append(row)

    def key(self, **rest: Any) -> Row:
        return {"device": self.device.device, "epoch": self.epoch, **rest}

    def take(self, entry: Entry) -> str | None:
        """Take one new record; the code of what keeps it from being posted, if anything."""
        self.entries.append(entry)
        code = self.enter(entry)
        self.raw.append(entry.raw(code))
        return code

    def enter(self, entry: Entry) -> str | None:
        """`take` without the record itself: what it brings beside."""
        handler = self._handlers.get(entry.record[r.KIND])
        code = entry.rejected or (handler(entry) if handler else None)
        if entry.private is not None:
            self.add("private", self.key(seq=entry.seq, blob=entry.private))
        return code

    def reverse(self) -> None:
        """Once all is written: have the payments reversed whose void was asked for, and those held that another terminal has put to an issuer."""
        self._voiding.reverse()
        for identity in self._claimed:
            namesakes.hold(self.connection, identity, self.now)

    def _notice(self, entry: Entry) -> str | None:
        record = entry.record
        number = record[r.CASE]
        if number in self.cases or self._history.has_case((self.device.device, self.epoch, number)):
            return codes.SECOND_NOTICE
        self.cases[number] = {
            "device": self.device.device, "epoch": self.epoch, "case_no": number, "pv": record[r.PV], "offence": record[r.OFFENCE],
            "amount": record[r.AMOUNT], "utc": record[r.UTC], "closure": None,
        }  # fmt: skip
        self.add("cases", self.cases[number])
        return None

    def closed(self, entry: Entry) -> None:
        """A case is over, or open again after a void; a verdict without a notice has none."""
        record = entry.record
        if r.CASE not in record:
            return
        closure = record.get(r.CLOSURE)
        begun = self.cases.get(record[r.CASE])
        if begun is not None:
            begun["closure"] = closure
            return
        self.closures.append(
            {"b_device": self.device.device, "b_epoch": self.epoch, "b_case": record[r.CASE], "closure": closure}
        )

    def _intent(self, entry: Entry) -> None:
        record = entry.record
        row = {
            "device": self.device.device, "epoch": self.epoch, "intent": entry.seq, "case_no": record[r.CASE], "amount": record[r.AMOUNT],
            "utc": record[r.UTC], "unit": record[r.UNIT], "force": record.get(r.FORCE, self.device.force),
            "wilaya": record.get(r.WILAYA, self.device.wilaya), "outcome": None, "outcome_seq": None, "scheme": None, "last4": None,
            "result_seq": None, "held": 0, "script_results": None, "sealed": 0,
        }  # fmt: skip
        self._payments[entry.seq] = row
        self._begun.add(entry.seq)
        self.add("payments", row)

    def _note_change(self, payment: Row) -> None:
        """Note that a payment's row differs from the database's; one inserted by this batch is written as it
        stands at the end.
        """
        if payment["intent"] in self._begun and payment["epoch"] == self.epoch:
            return
        if not any(payment is row for row in self.changed):
            self.changed.append(payment)

    def _outcome(self, entry: Entry) -> str | None:
        record = entry.record
        payment = self.payment(record[r.INTENT]) or self._lost(entry)
        if payment is None or record[r.INTENT] >= entry.seq:
            return codes.NO_INTENT
        if payment["outcome"] is not None:
            return codes.SECOND_OUTCOME
        asked = namesakes.unreached(self.connection, record, self._asked(payment), self.doubtful_seq)
        another = namesakes.another_asked(record, asked)
        otherwise = asked is not None and asked.amount != record[r.AMOUNT] and _rests_on(record, asked)
        if payment["amount"] != record[r.AMOUNT] or otherwise:
            self._give_back(payment)
            return codes.AMOUNT_DIFFERS
        if schema.approved_online(record) and not online.approved(asked) and entry.seq > self.doubtful_seq:
            if asked is None and payment["epoch"] == self.epoch:
                self.never_asked(payment)
            return codes.ONLINE_UNKNOWN
        if record[r.OUTCOME] in _STEPS and self._given_back(payment):
            return codes.ONLINE_UNKNOWN
        payment.update(
            outcome=record[r.OUTCOME],
            outcome_seq=entry.seq,
            utc=record[r.UTC],
            scheme=record.get(r.SCHEME, ""),
            last4=record.get(r.LAST4, ""),
            script_results=record.get(r.SCRIPT_RESULTS),
            sealed=int(r.SEALED in record),
        )
        self._note_change(payment)
        self._post(payment)
        self._request(payment, entry, asked, another)
        if another:
            self._claimed.append((payment["device"], payment["epoch"], payment["intent"]))
        return None

    def _lost(self, entry: Entry) -> Row | None:
        """The payment of an outcome whose intent is among records that are lost for good."""
        row = gaps.lost_intent(self.connection, self.device, self.epoch, entry)
        if row is not None:
            self._payments[row["intent"]] = row
            self.add("payments", row)
        return row

    def _gap(self, entry: Entry) -> str | None:
        code = gaps.declared(self.connection, self.device.device, self.epoch, entry, self.now)
        if code is None:
            self._history.forget_results(
                self.device.device, self.epoch, entry.record[r.FIRST], entry.record[r.GAP_LAST]
            )
        return code

    def _asked(self, payment: Row) -> Any:
        """The row of the payment's authorisation while the card waited, None if there was none."""
        if payment["epoch"] != self.epoch:  # begun in an epoch that is over
            identity = (payment["device"], payment["epoch"], payment["intent"])
            return self.connection.execute(select(t.authorisations).where(online.where(identity))).first()
        return self._history.asked((payment["device"], payment["epoch"], payment["intent"]))

    def _give_back(self, payment: Row) -> None:
        """An outcome of another amount than the intent's or the issuer's: what the issuer approved, or may have, is reversed."""
        identity = (payment["device"], payment["epoch"], payment["intent"])
        asked = self.connection.execute(select(t.authorisations).where(online.where(identity))).first()
        if asked is not None and online.stands(asked):
            outbox.reverse(self.connection, identity, asked.amount, asked.utc, self.now)
            self._reversed.add(payment["intent"])

    def _given_back(self, payment: Row) -> bool:
        """Whether a payment was reversed before its outcome came: of an epoch that is over, or with an outcome of another amount."""
        if payment["intent"] in self._begun and payment["epoch"] == self.epoch:
            return payment["intent"] in self._reversed
        return outbox.reversal_asked(self.connection, (payment["device"], payment["epoch"], payment["intent"]))

    def never_asked(self, payment: Row) -> None:
        """An approval by an issuer whom nobody asked: from now on nobody may, since what comes of it would never be reversed."""
        if any(row["intent"] == payment["intent"] for row in self.insert.get("authorisations", ())):
            return
        row = self.key(intent=payment["intent"], amount=payment["amount"], utc=payment["utc"], digest=b"")
        said = {"response": None, "auth_code": None, "issuer_data": None, "asked": self.now, "answered": self.now}
        self.add("authorisations", {**row, "state": s.ASKED_NOT, **said})

    def _post(self, payment: Row) -> None:
        place = accounts.Place(payment["scheme"], payment["wilaya"], payment["force"], payment["unit"])
        legs = accounts.outcome_legs(place, payment["outcome"], payment["amount"])
        if legs:
            self.paid.append((payment["intent"], payment["case_no"]))
            notice = self.cases.get(payment["case_no"]) if payment["epoch"] == self.epoch else None
            if notice is None or notice["amount"] != payment["amount"]:
                self.unlike.append((payment["epoch"], payment["intent"], payment["case_no"], payment["amount"]))
            identity = (payment["device"], payment["epoch"], payment["intent"])
            header, lines = posting.rows(identity, t.PART_OUTCOME, legs, self.now)
            self.add("postings", header)
            self.insert.setdefault("legs", []).extend(lines)

    def _request(self, payment: Row, entry: Entry, asked: Any, another: bool) -> None:
        """What the acquirer is to be asked: clearing of what card or issuer approved, authorisation of what is
        provisional, reversal of what the issuer approved, or may have, and the terminal did not take.
        """
        if payment["outcome"] not in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            if online.stands(asked) or online.lost(entry.record, asked, self.doubtful_seq):
                identity = (payment["device"], payment["epoch"], payment["intent"])
                amount = payment["amount"] if asked is None else asked.amount
                why = "not taken, the issuer may know of it" if asked is None else "authorised, not taken"
                outbox.reverse(self.connection, identity, amount, payment["utc"], self.now, why)
        step = _STEPS.get(payment["outcome"])
        if step is None:
            return
        key = {"device": payment["device"], "epoch": payment["epoch"], "intent": payment["intent"]}
        if entry.sealed is not None:
            self.add("sealed", {**key, "blob": entry.sealed})
        lost = entry.sealed is None and not schema.approved_online(entry.record)
        again = payment["outcome"] == r.OUTCOME_PROVISIONAL and online.sent(asked)
        known_elsewhere = lost or again or payment["intent"] <= self.doubtful_seq
        state = t.STATE_DOUBTFUL if known_elsewhere and not another else t.STATE_NEW
        self.add(
            "outbox",
            {
                **key,
                "step": step,
                "state": state,
                "amount": payment["amount"],
                "utc": payment["utc"],
                "auth_code": entry.record.get(r.AUTH_CODE),
                "tries": 0,
                "next_at": self.now,
                "created": self.now,
            },
        )

    def _result(self, entry: Entry) -> str | None:
        """The terminal has written a result down. Posting rests on the acquirer's word alone, not on this: where it comes first and no restore
        explains that, an alarm names it (`server.ingest.results` compares what the acquirer says then).
        """
        record = entry.record
        payment = self.payment(record[r.INTENT])
        if payment is None or payment["outcome"] is None:
            return gaps.unseen(self.connection, self.device, self.epoch, entry, self.now)
        if payment["outcome"] != r.OUTCOME_PROVISIONAL or payment["result_seq"] is not None:
            return codes.RESULT_UNEXPECTED
        if payment["amount"] != record[r.AMOUNT]:
            return codes.AMOUNT_DIFFERS
        known = self.connection.execute(
            select(t.results).where(
                t.results.c.device == payment["device"],
                t.results.c.epoch == payment["epoch"],
                t.results.c.intent == payment["intent"],
            )
        ).first()
        if known is not None and known.outcome != record[r.OUTCOME]:
            what = f"record {entry.seq}: outcome {record[r.OUTCOME]}, the acquirer said {known.outcome}"
            audit.alarm(self.connection, self.device.device, codes.RESULT_DIFFERS, what, self.now)
            return codes.RESULT_DIFFERS
        if known is None and payment["intent"] > self.doubtful_seq:
            what = f"record {entry.seq}: outcome {record[r.OUTCOME]} of payment {payment['intent']}, the acquirer has said nothing yet"
            audit.alarm(self.connection, self.device.device, codes.RESULT_DIFFERS, what, self.now)
        if known is not None and known.gap is not None:
            written = {intent for intent, row in self._payments.items() if row["result_seq"] is not None}
            suspense.put_back(self.connection, self.device, payment, known.gap, written, self.now)
        payment["result_seq"] = entry.seq
        self._note_change(payment)
        return None

    def _erased(self, entry: Entry) -> str | None:
        """The terminal has erased sealed card data on a receipt."""
        intents = set(entry.record[r.INTENTS])
        if not intents <= self._history.payments(self.device.device, intents).keys() | self._payments.keys():
            return codes.NO_INTENT
        c = t.erasures.c
        mine = (c.device == self.device.device, c.epoch == self.epoch, c.intent.in_(intents))
        known = {row.intent for row in self.connection.execute(select(c.intent).where(*mine))}
        known |= {row["intent"] for row in self.insert.get("erasures", ())}
        for intent in sorted(intents - known):
            self.add("erasures", self.key(intent=intent, seq=entry.seq, receipt=entry.record[r.RECEIPT]))
        return None


def _rests_on(record: dict[int, Any], asked: Any) -> bool:
    """Whether an outcome rests on a question to the issuer: it was approved by the answer, or what is deferred is what was asked about."""
    deferred = record[r.OUTCOME] == r.OUTCOME_PROVISIONAL and record.get(r.SEALED) == bytes(asked.digest)
    return deferred or schema.approved_online(record)
