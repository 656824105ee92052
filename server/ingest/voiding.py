"""VOID records of a batch (`server.acquirer.voids` says what a void is): two officers want a payment back, or the terminal has
written down what became of that.
"""

from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update

from protocol import records as r
from server import codes
from server.acquirer import clearings, outbox, returned, voids, word
from server.store import audit
from server.store import tables as t
from server.wire.batches import Entry, Row

if TYPE_CHECKING:
    from server.ingest.work import Work


class Voiding:
    """The voids of one batch's work."""

    def __init__(self, work: "Work") -> None:
        self._work = work
        self._reversals: list[Row] = []  # payments whose void is asked

    def take(self, entry: Entry) -> str | None:
        """Two officers want a payment back, or the terminal has written down what became of that (`server.acquirer.voids`)."""
        record = entry.record
        payment = self._work.payment(record[r.INTENT])
        if payment is not None and payment["epoch"] != self._work.epoch:
            payment = None
        if record[r.VOID_STATE] != r.VOID_ASKED:
            return self._ended(entry)
        code = voids.problem(record, payment, self._outcome_record(payment))
        done = code is None and payment is not None and self._found(payment)
        if code is None and payment is not None and not done and self._voided(payment):
            code = codes.VOID_UNEXPECTED
        state = r.VOID_REFUSED if code else r.VOID_DONE if done else r.VOID_ASKED
        row = self._work.key(
            seq=entry.seq, intent=record[r.INTENT], amount=record[r.AMOUNT], state=state, reason=code or ""
        )
        self._work.add(
            "voids",
            {**row, "asked": self._work.now, "answered": self._work.now if code or done else None, "result_seq": None},
        )
        if code is None and payment is not None and not done:
            self._reversals.append(payment)
        return code

    def _outcome_record(self, payment: Row | None) -> dict[int, Any] | None:
        """The outcome of a payment as it was signed, of this batch or on file."""
        if payment is None or payment["outcome_seq"] is None:
            return None
        for entry in self._work.entries:
            if entry.seq == payment["outcome_seq"]:
                return entry.record
        return voids.outcome_record(self._work.connection, payment)

    def _voided(self, payment: Row) -> bool:
        """Whether the payment is being taken back already, by whomever."""
        identity = (payment["device"], payment["epoch"], payment["intent"])
        return (
            any(payment is row for row in self._reversals)
            or voids.of(self._work.connection, identity) is not None
            or outbox.reversal_asked(self._work.connection, identity)
        )

    def _found(self, payment: Row) -> bool:
        """Whether the acquirer has told, after a restore, of the reversal that a void asked for once (`server.acquirer.returned`)."""
        identity = (payment["device"], payment["epoch"], payment["intent"])
        return returned.found(self._work.connection, identity) and voids.of(self._work.connection, identity) is None

    def _ended(self, entry: Entry) -> str | None:
        """The terminal's word about a void's end moves no money: the acquirer's answer has, or will. Another end than the one on file is noted, since
        the terminal writes no second one, and named. What a restored database has forgotten of a refusal counts (`server.acquirer.word`): if the
        acquirer has told of a reversal before it, by a refund or in spite of the refusal, that is named and the record taken, as the other way round.
        """
        record = entry.record
        other = {"state": r.VOID_REFUSED, "reason": codes.VOID_UNEXPECTED} if self._was_a_refund(record) else {}
        identity = (self._work.device.device, self._work.epoch, record[r.INTENT])
        word_counts = self._tells_of_before(entry, identity)
        refused = {"state": r.VOID_REFUSED, "reason": record.get(r.REASON, "")[:8], "answered": self._work.now}
        for row in reversed(self._work.insert.get("voids", ())):
            if row["intent"] == record[r.INTENT] and row["result_seq"] is None:
                if row["state"] == r.VOID_ASKED and word_counts:
                    other = refused
                    self._reversals = [payment for payment in self._reversals if payment["intent"] != row["intent"]]
                row.update(other)
                known = row["state"]
                row["result_seq"] = entry.seq
                break
        else:
            c = t.voids.c
            mine = (c.device == self._work.device.device, c.epoch == self._work.epoch, c.intent == record[r.INTENT])
            found = select(t.voids).where(*mine, c.result_seq.is_(None)).order_by(c.seq).limit(1)
            asked = self._work.connection.execute(found).first()
            if asked is None:
                return codes.VOID_UNEXPECTED
            if asked.state == r.VOID_ASKED and word_counts:
                other = refused
                word.refused(self._work.connection, identity, refused["reason"], self._work.now)
            known, same = other.get("state", asked.state), (*mine, c.seq == asked.seq)
            self._work.connection.execute(update(t.voids).where(*same).values(result_seq=entry.seq, **other))
        if known not in (r.VOID_ASKED, record[r.VOID_STATE]):
            what = f"record {entry.seq}: void of payment {record[r.INTENT]}, {record[r.AMOUNT]} centimes, {voids.WORDS[record[r.VOID_STATE]]};"
            what += f" {voids.WORDS[known]} by the acquirer"
            audit.alarm(self._work.connection, self._work.device.device, codes.RESULT_DIFFERS, what, self._work.now)
            return None if word_counts else codes.RESULT_DIFFERS
        if record[r.VOID_STATE] == r.VOID_DONE:
            self._work.closed(entry)  # without CLOSURE: the case is open again
        return None

    def _tells_of_before(self, entry: Entry, identity: tuple[str, int, int]) -> bool:
        """Whether the terminal may have been told before a restore that a void is refused, and nobody has decided otherwise since."""
        refused = entry.record[r.VOID_STATE] == r.VOID_REFUSED and entry.seq <= self._work.doubtful_seq
        return refused and not word.given_back_by_officers(self._work.connection, identity)

    def _was_a_refund(self, record: dict[int, Any]) -> bool:
        """Whether the reversal that was found after a restore (`_found`) was none of this void, which had ended refused for that: officers of the
        centre had asked for it, and the database has forgotten that.
        """
        identity = (self._work.device.device, self._work.epoch, record[r.INTENT])
        refused = (record[r.VOID_STATE], record.get(r.REASON)) == (r.VOID_REFUSED, codes.VOID_UNEXPECTED)
        return refused and returned.found(self._work.connection, identity)

    def reverse(self) -> None:
        """Once all is written: have the payments reversed whose void was asked for."""
        for row in self._reversals:
            identity = (row["device"], row["epoch"], row["intent"])
            clearings.hold(self._work.connection, identity)
            amount, utc = row["amount"], row["utc"]
            outbox.enqueue(
                self._work.connection, identity, t.STEP_REVERSE, t.STATE_NEW, amount, utc, None, self._work.now
            )
            audit.write(
                self._work.connection, identity[0], t.LEVEL_NOTE, "VOID", f"payment {identity[2]}", self._work.now
            )
