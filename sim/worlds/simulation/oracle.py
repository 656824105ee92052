"""What must hold, looked at from outside: what persons were shown, the bytes in the flash, the rows in the database,
the host's own book.

Reads storage as bytes and the database with SQL of its own; takes nobody's word for a total. `broken` are the
invariants that failed, each with a sentence.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cbor2
from sqlalchemy import text

from protocol import records as r
from server import codes
from server.ledger import recompute
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.book import APPROVED
from sim.worlds.simulation import agreed, refusals, signatures
from sim.worlds.simulation.arrivals import Arrivals
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.forgotten import Forgotten
from sim.worlds.simulation.missing import Missing
from sim.worlds.simulation.refunds import Refunds
from sim.worlds.simulation.verdicts import judged
from sim.worlds.simulation.verdicts.notebook import Notebook
from sim.worlds.simulation.verdicts.truth import Truth

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre
    from sim.worlds.simulation.device import Device

_TELLING = ("outcome", "interrupted", "card_remove", "printing", "licence_hand")
IN_FLIGHT_MS = 10_000  # an acknowledgement that was on its way while the database was replaced
FULL_EVERY = 16  # commits between two full recomputations of the ledger; none once a gap has been closed
_NOT_GIVEN_BACK = (
    " AND NOT EXISTS (SELECT 1 FROM postings b WHERE b.device = p.device AND b.epoch = p.epoch AND b.intent = p.intent"
    " AND b.part = 3)"
)
_BOOKS = "SELECT " + " || ' ' || ".join(
    f"(SELECT {what} FROM {table})"
    for table, what in (
        ("raw", "COUNT(*) || '-' || COUNT(rejected)"), ("legs", "COUNT(*) || '-' || COALESCE(MAX(rowid), 0)"),
        ("payments", "COUNT(*) || '-' || COUNT(outcome) || '-' || COALESCE(SUM(held), 0)"),
        ("results", "COUNT(*) || '-' || COUNT(gap) || '-' || COUNT(head)"), ("gaps", "COUNT(*)"), ("forks", "COUNT(*)"),
        ("outbox", "COUNT(*) || '-' || COALESCE(SUM(step * 8 + state), 0)"), ("epochs", "COUNT(*) || '-' || COALESCE(SUM(state), 0)"),
        ("decisions", "COALESCE(SUM(state), 0)"), ("verdicts", "COALESCE(SUM(state), 0)"),
    )
)  # fmt: skip
_BRANCHES = (  # records of a range that was declared lost lie there too, and are no branch
    "SELECT DISTINCT f.device FROM forks f WHERE NOT EXISTS (SELECT 1 FROM gaps g WHERE g.device = f.device"
    " AND g.epoch = f.epoch AND f.seq BETWEEN g.first AND g.last)"
)
_ASKED = "SELECT amount FROM authorisations WHERE device = :d AND epoch = :e AND intent = :i"
_TOLD = "SELECT 1 FROM audit WHERE device = :d AND code = 'GAP' AND what LIKE :w"
_NEVER = (codes.ROLLED_BACK, codes.COUNTER_BACK, codes.PAID_TWICE)  # alarms that neither a restore nor a loss may cause
_OF_THE_HOST = (codes.OTHER_AMOUNT, codes.REVERSED, "ACQUIRER")  # alarms about what it answered
_OF_A_LOSS = ("GAP", "RECON", codes.GAP_CLOSED)  # alarms about what a terminal has lost, and about shifts that lack it
_TELL_MONEY = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


@dataclass
class Shown:
    """A payment outcome that a person was shown."""

    device: str
    label: str
    seq: int
    intent: int
    outcome: int
    amount: int
    data: bytes


@dataclass
class Oracle:
    """One simulation's judge."""

    centre: "Centre"
    refunds: Refunds
    broken: list[str] = field(default_factory=list)
    seen: dict[tuple[str, int, int], Shown] = field(default_factory=dict)
    expected_stop: set[str] = field(default_factory=set)  # labels of terminals whose flash was tampered with
    tampered: set[str] = field(default_factory=set)  # devices of which a copy or an older state was brought into play
    expected_twins: set[str] = field(default_factory=set)  # devices that exist twice, keys included
    missing: Missing = field(default_factory=Missing)  # what was destroyed in a terminal's storage
    arrivals: Arrivals = field(default_factory=Arrivals)
    decided: Notebook = field(default_factory=Notebook)  # what officers of the back office have signed
    checks: int = 0
    _books: str = ""  # what the ledger was last computed anew from

    def __post_init__(self) -> None:
        self.forgotten = Forgotten(self.missing, self.refunds)
        self._truth = Truth(self.centre, self.missing)

    def fail(self, what: str) -> None:
        """An invariant does not hold; each is told once."""
        if what not in self.broken:
            self.broken.append(what)

    # at every step

    def shown(self, device: "Device", screen: str, fields: dict[str, Any]) -> None:
        """A terminal shows a screen: what it says of a payment must be durable, and must be what is durable."""
        self.checks += 1
        stops = screen == "error" and fields["code"].startswith(("JRN", "SEC"))
        if stops and device.label not in self.expected_stop and device_name(device.index) not in self.missing.erased:
            self.fail(f"{device.label} stopped with {fields['code']} though nobody tampered with it")
        if screen == "error" and fields["code"] == "RSK-016":
            self.forgotten.warn(device_name(device.index), device.terminal.journal.head_seq)
        self.arrivals.shown(device_name(device.index), screen, fields)
        if screen == "void_result":
            self._void_shown(device, fields)
        if wrong := signatures.problem(device, screen, fields):
            self.fail(wrong)
        if screen not in _TELLING:
            return
        journal = device.terminal.journal
        case = journal.view.case
        if screen in ("licence_hand", "printing") and fields.get("disposition") == r.DISPOSITION_RELEASE_GRANTED:
            return
        if case is None or case.outcome_record is None:
            if screen == "outcome":
                self.fail(f"{device.label} shows an outcome of no case")
            return
        record = case.outcome_record
        data = cbor2.dumps(record, canonical=True)
        if not any(data in stored for stored in list(device.flash.files.values())):
            self.fail(f"{device.label} shows {screen} of record {record[r.SEQ]}, which is not in its storage")
        if screen == "outcome" and (fields["outcome"], fields["amount"]) != (record[r.OUTCOME], record[r.AMOUNT]):
            self.fail(f"{device.label} shows another outcome than it stored")
        if device.element.counters[0] < record[r.COUNTER]:
            self.fail(f"{device.label} shows record {record[r.SEQ]} before the counter was stepped")
        if screen == "licence_hand" and fields["disposition"] == r.DISPOSITION_RETURNED and case.outcome != 1:
            self.fail(f"{device.label} gives the licence back without an approval")
        name = device_name(device.index)
        key = (device.label, record[r.EPOCH], record[r.SEQ])
        self.seen[key] = Shown(
            name, device.label, record[r.SEQ], record[r.INTENT], record[r.OUTCOME], record[r.AMOUNT], data
        )

    def _void_shown(self, device: "Device", fields: dict[str, Any]) -> None:
        """What a person is told of a void is durable; *done* is only said when the host has nothing to capture any more."""
        last = None
        for record, data in device.records():
            last = (record, data) if record[r.KIND] == r.VOID else last
        if last is None or last[0][r.VOID_STATE] != fields["state"] or last[0][r.AMOUNT] != fields["amount"]:
            self.fail(f"{device.label} shows another void than it stored")
        elif device.element.counters[0] < last[0][r.COUNTER]:
            self.fail(f"{device.label} shows a void before the counter was stepped")
        elif fields["state"] == r.VOID_DONE:
            identity = (device_name(device.index), last[0][r.EPOCH], last[0][r.INTENT])
            if identity[0] not in self.tampered and any(c.identity == identity for c in self.centre.book.captures()):
                self.fail(f"{device.label} says that payment {identity[2]} is voided; the host will capture it")

    def committed(self) -> None:
        """After each transaction of the server."""
        self.checks += 1
        total = factory().look("SELECT COALESCE(SUM(amount), 0) FROM legs")
        if total:
            self.fail(f"the ledger's legs add up to {total}")
        if self.centre.commits % FULL_EVERY == 0 or factory().look("SELECT 1 FROM gaps LIMIT 1"):
            self._ledger()
        if self.centre.book.doubles:
            self.fail("the acquirer received a request as new that it had received before")
        if self.centre.book.replays:
            self.fail("the acquirer received one payment's cryptogram for another payment")
        if self.tampered and (waiting := agreed.waits()):
            self.fail(f"{waiting} is part of a fork, and would be sent to the acquirer")

    def _ledger(self) -> None:
        """The ledger computed anew, unless it is what it was when that was last done."""
        books = factory().look(_BOOKS)
        if books == self._books:
            return
        self._books = books
        with reading(self.centre.engine) as connection:
            for sentence in recompute.differences(connection):
                self.fail("ledger: " + sentence)

    def acknowledged(self, device: "Device", seq: int) -> None:
        """A terminal takes an acknowledgement: the server must hold that record, committed."""
        self.checks += 1
        name = device_name(device.index)
        found = factory().look("SELECT COUNT(*) FROM raw WHERE device = ? AND seq <= ?", name, seq)
        found += factory().look(
            "SELECT COALESCE(SUM(last - first + 1), 0) FROM gaps WHERE device = ? AND last <= ?", name, seq
        )
        if found != seq and self.centre.restored_at < device.schedule.now - IN_FLIGHT_MS:
            self.fail(f"{device.label} took an acknowledgement of {seq} records; the server holds {found}")
        if agreed.another_hash(device, seq):
            self.fail(f"{device.label} took an acknowledgement of record {seq} of another branch")

    # when all is quiet

    def quiescent(self, devices: "list[Device]") -> None:
        """Everything at the end."""
        self.committed()
        self._books = ""
        self._ledger()
        with reading(self.centre.engine) as connection:
            rows = {
                (row.device, row.seq): row
                for row in connection.execute(text("SELECT device, seq, kind, record, rejected FROM raw"))
            }
            self._posted(connection, rows)
            for device in devices:
                if device.label not in self.expected_stop and device_name(device.index) not in self.tampered:
                    self._same_chain(device, rows)
                    self._totals(connection, device, rows)
                    self._told(agreed.results(connection, device))
                    if not device.stopped:
                        self._told(agreed.sets(device, self.centre.versions))
            self._told(agreed.closures(connection, rows))
            self._told(agreed.shifts(connection, rows, devices, self._forgotten_here_and_there))
            for sentence in self.missing.unaccounted(connection, rows, self.decided):
                self.fail(sentence)
            for sentence in self.arrivals.missing(connection, rows, self.tampered, self.missing.forgotten(rows)):
                self.fail(sentence)
            self._told(self.forgotten.problems(connection, rows))
            self._told(refusals.unnamed(connection, self.centre))
            self._told(judged.problems(connection, self.decided, self._truth, devices))
            self._ended(rows)
            self._voided(connection, rows)
            self._closed(rows)
            self._captures(connection)
            self._nothing_stands(connection)
            self._leftovers(connection, devices)
            self._flags(connection, devices)

    def _forgotten_here_and_there(self, name: str, seq: int) -> bool:
        """Whether a terminal has lost a record that a restored database may have forgotten."""
        return self.centre.restored_at > 0 and self.missing.never_came(name, seq)

    def _told(self, sentences: Iterator[str]) -> None:
        for sentence in sentences:
            self.fail(sentence)

    def _posted(self, connection: Any, rows: dict[tuple[str, int], Any]) -> None:
        """Every outcome that a person was shown is on record and posted exactly once."""
        posted = {
            (row.device, row.intent): row.n
            for row in connection.execute(
                text("SELECT device, intent, COUNT(*) AS n FROM postings WHERE part = 1 GROUP BY device, intent")
            )
        }
        for shown in self.seen.values():
            row = rows.get((shown.device, shown.seq))
            if shown.device in self.tampered and (
                row is None
                or bytes(row.record) != shown.data
                or row.rejected
                or agreed.in_doubt(connection, (shown.device, None, shown.intent))
            ):
                continue
            if self.missing.gone(shown.device, shown.data, row):
                continue
            what = f"outcome {shown.outcome} of {shown.label}, record {shown.seq}"
            if row is None or bytes(row.record) != shown.data:
                self.fail(f"{what} was shown to a person and is not at the server")
            elif row.rejected is not None:
                self.fail(f"{what} was shown to a person and set aside by the server ({row.rejected})")
            elif posted.get((shown.device, shown.intent), 0) != (1 if shown.outcome in _TELL_MONEY else 0):
                self.fail(f"{what} is posted {posted.get((shown.device, shown.intent), 0)} times")

    def _ended(self, rows: dict[tuple[str, int], Any]) -> None:
        """Every payment that began has ended, once: approved, provisional, declined or interrupted."""
        begun: dict[tuple[str, int], int] = {}
        for (name, seq), row in rows.items():
            if name not in self.tampered and row.kind == r.PAYMENT_INTENT:
                begun.setdefault((name, seq), 0)
            elif name not in self.tampered and row.kind == r.PAYMENT_OUTCOME:
                key = (name, cbor2.loads(bytes(row.record))[r.INTENT])
                begun[key] = begun.get(key, 0) + 1
        for (name, intent), outcomes in sorted(begun.items()):
            if outcomes != 1 and not self.missing.excuses(name, intent, outcomes, rows):
                self.fail(f"payment {intent} of {name} has {outcomes} outcomes")

    def _voided(self, connection: Any, rows: dict[tuple[str, int], Any]) -> None:
        """Every void that was asked for has ended once; done, there is one reversal, one opposite posting and no capture. An end that a terminal has
        lost since it arrived is told again, and is the same.
        """
        ends: dict[tuple[str, int], list[int]] = {}
        lost: list[tuple[tuple[str, int], int]] = []
        for (name, _), row in sorted(rows.items()):
            if name in self.tampered or row.kind != r.VOID:
                continue
            record = cbor2.loads(bytes(row.record))
            key = (name, record[r.INTENT])
            if record[r.VOID_STATE] != r.VOID_ASKED and self.missing.destroyed(name, bytes(row.record)):
                lost.append((key, record[r.VOID_STATE]))
            elif record[r.VOID_STATE] != r.VOID_ASKED:
                ends.setdefault(key, []).append(record[r.VOID_STATE])
            elif row.rejected is None:
                ends.setdefault(key, []).append(0)
        for (name, intent), state in self.missing.untold(connection):
            ends.setdefault((name, intent), [0]).append(state)
        for key, state in (*lost, *self.missing.void_ends()):
            if state not in ends.setdefault(key, []):
                ends[key].append(state)
        for (name, intent), told in sorted(ends.items()):
            if self.refunds.names(name, intent) or self._nowhere((name, 0, intent)):
                continue
            if 0 in told and len(told) != 2:
                self.fail(f"the void of payment {intent} of {name} was told as {told}")
            counts = connection.execute(
                text(
                    "SELECT (SELECT COUNT(*) FROM postings WHERE device = :d AND intent = :i AND part = 3),"
                    " (SELECT COUNT(*) FROM outbox WHERE device = :d AND intent = :i AND step = 3 AND state = 2)"
                ),
                {"d": name, "i": intent},
            ).one()
            if tuple(counts) != ((1, 1) if r.VOID_DONE in told else (0, 0)):
                self.fail(f"the void of payment {intent} of {name} ({told}): postings and reversals {tuple(counts)}")
        undone = connection.execute(text("SELECT device, intent FROM postings WHERE part = 3"))
        for row in undone:
            given = row.device in self.tampered or self.refunds.names(row.device, row.intent)
            if not given and r.VOID_DONE not in ends.get((row.device, row.intent), []):
                self.fail(f"payment {row.intent} of {row.device} is given back though nobody voided it")

    def _closed(self, rows: dict[tuple[str, int], Any]) -> None:
        """Every verdict ends in a closed case, abandoning has a reason, and report numbers have no gaps."""
        last: dict[str, tuple[str, int, int, tuple[int, ...]]] = {}
        notices: dict[tuple[str, int], int] = {}
        for (name, seq), row in sorted(rows.items()):
            if name in self.tampered:
                continue
            record = cbor2.loads(bytes(row.record))
            state, cases, before, since = last.get(name, ("closed", 0, 0, ()))
            if seq != before + 1 or row.kind == r.NEW_EPOCH:  # what lies between is lost
                state = "lost"
            if row.kind == r.LICENCE_READ:
                if state not in ("closed", "lost") and not self._forgot(name, since, seq):
                    self.fail(f"{name}: a licence is judged in record {seq} before the case before it ended")
                state, since = "judged", (seq,)
            elif row.kind == r.NOTICE:
                if int(record[r.PV][-5:]) != record[r.CASE] or not self._follows(name, record[r.CASE], cases):
                    self.fail(f"{name}: report {record[r.PV]} follows number {cases}")
                state, cases, since = "open", record[r.CASE], (seq,)
                notices[name, cases] = seq
            elif row.kind == r.VOID and record[r.VOID_STATE] == r.VOID_DONE:
                state, since = "open", (notices.get((name, record[r.CASE]), 0), seq)
            elif row.kind == r.CASE_CLOSED:
                if record[r.CLOSURE] == r.CLOSURE_ABANDONED and not record.get(r.REASON):
                    self.fail(f"{name}: a case is abandoned in record {seq} without a reason")
                state = "closed"
            last[name] = (state, cases, seq, since)
        for name, (state, _, seq, since) in sorted(last.items()):
            if state not in ("closed", "lost") and not self._forgot(name, since, seq + 1):
                self.fail(f"{name}: the last case is {state} when all is over")

    def _forgot(self, name: str, since: tuple[int, ...], before: int) -> bool:
        """Whether a terminal may go on beside the case of the records `since`: it has lost one of these that the case, or what a void left of it,
        began with, or more of it and a person was warned (RSK-016), since it may be paid among lost records, or its void.
        """
        spell = self.missing.forgets(name, since[0], before)
        if spell is None:
            return False
        return any(self.missing.spell(name, seq) for seq in since) or self.forgotten.warned(name, spell.head, before)

    def _follows(self, name: str, number: int, cases: int) -> bool:
        """Whether a report's number may come after `cases`: the next one, or a later one if records were lost; never one again."""
        return number > cases if name in self.missing.devices else number == cases + 1

    def _same_chain(self, device: "Device", rows: dict[tuple[str, int], Any]) -> None:
        """The server's records are the terminal's, byte for byte, without a gap."""
        journal = device.terminal.journal
        name = device_name(device.index)
        held = max((seq for owner, seq in rows if owner == name), default=0)
        if held != journal.head_seq:
            self.fail(f"{device.label} has {journal.head_seq} records, the server {held}")
        last = 0
        for record, data in device.records():
            last = record[r.SEQ]
            row = rows.get((name, last))
            if row is not None and bytes(row.record) != data:
                self.fail(f"{device.label}: record {last} differs between terminal and server")
        if last != journal.head_seq:
            self.fail(f"{device.label}: its journal ends at {last}, its head is {journal.head_seq}")

    def _totals(self, connection: Any, device: "Device", rows: dict[tuple[str, int], Any]) -> None:
        """Terminal's counter, server's ledger and the host's captures: three ways to the same sum. RECON agreed."""
        name = device_name(device.index)
        journal = device.terminal.journal
        done = {
            record[r.INTENT]: record[r.AMOUNT]
            for record, _ in device.records()
            if record[r.KIND] == r.VOID
            and record[r.VOID_STATE] == r.VOID_DONE
            and not self._nowhere((name, record[r.EPOCH], record[r.INTENT]))
        }
        voided = self.missing.voided(connection, name, done) + sum(done.values())
        voided += self.refunds.returned(connection, name, set(done))
        counted = journal.cum_total - voided + self.missing.otherwise_written(connection, name, rows)
        counted -= self.missing.in_suspense(connection, name) + self.missing.untaken(
            connection, name, rows, self.decided
        )
        booked = -(
            connection.execute(
                text("SELECT COALESCE(SUM(amount), 0) FROM legs WHERE device = :d AND account LIKE 'treasury:%'"),
                {"d": name},
            ).scalar()
            or 0
        )
        captures = [capture for capture in self.centre.book.captures() if capture.identity[0] == name]
        captured = sum(capture.amount for capture in captures if not self._in_no_book(capture.identity))
        counted -= self.missing.set_aside(name, rows)
        if not counted == booked == captured:
            self.fail(f"{device.label}: counted {counted}, booked {booked}, captured {captured}")
        if device.balanced and device.balanced[-1] is not True and not self.missing.named(name):
            self.fail(f"{device.label}: its last shift does not balance")

    def _nowhere(self, identity: tuple[str, int, int]) -> bool:
        """Whether a payment's outcome is lost at its terminal and with a restored database, captured or voided: it is in suspense, or its
        result is set aside, and so are the records of its void (SRV-037, SRV-028).
        """
        return self.centre.restored_at > 0 and self.missing.in_a_gap(*identity)

    def _in_no_book(self, identity: tuple[str, int, int]) -> bool:
        """Whether such a payment is captured and nobody has decided about it: with officers who decide, only what no approved record that is lost or
        set aside tells of.
        """
        if identity in self.decided.collected() or self.decided.decides_money and self._truth.counted(identity):
            return False
        return self._nowhere(identity)

    def _captures(self, connection: Any) -> None:
        """One capture for each approved payment, none for any other."""
        approved = {
            (row.device, row.epoch, row.intent): row.amount
            for row in connection.execute(
                text(
                    "SELECT p.device, p.epoch, p.intent, p.amount FROM payments p LEFT JOIN results q ON p.device = q.device"
                    " AND p.epoch = q.epoch AND p.intent = q.intent WHERE p.held = 0 AND (p.outcome = 1 OR q.outcome = 1)"
                    + _NOT_GIVEN_BACK
                )
            )
        }
        approved.update(self._truth.amounts(self.decided.collected()))
        captured: dict[tuple[str, int, int], int] = {}
        for capture in self.centre.book.captures():
            if capture.identity in captured:
                self.fail(f"payment {capture.identity} was captured twice")
            captured[capture.identity] = capture.amount
        for identity in sorted(set(approved) | set(captured)):
            if identity[0] in self.tampered and agreed.in_doubt(connection, identity):
                continue
            if identity not in approved and self._in_no_book(identity):
                continue
            if judged.refused(connection, self.decided, self.centre, identity):
                continue
            if approved.get(identity) != captured.get(identity):
                self.fail(
                    f"payment {identity}: approved {approved.get(identity)}, captured {captured.get(identity)} centimes"
                )
        paid = connection.execute(
            text(
                "SELECT p.device, p.case_no FROM payments p LEFT JOIN results q ON p.device = q.device AND p.intent = q.intent"
                " WHERE p.held = 0 AND (p.outcome = 1 OR q.outcome = 1)"
                + _NOT_GIVEN_BACK
                + " GROUP BY p.device, p.case_no HAVING COUNT(*) > 1"
            )
        )
        for row in paid:
            self.fail(f"case {row.case_no} of {row.device} was paid twice")

    def _nothing_stands(self, connection: Any) -> None:
        """What the issuer approved was captured or given back: no holder's money waits for a payment that no terminal took.

        Only an outcome that lies in a gap is excused from it, and only if an alarm names the payment: its money is in suspense, and a person decides.
        Of what a restored database has forgotten that anybody was asked about nobody can be told.
        """
        for entry in self.centre.book.entries.values():
            if entry.authorised in APPROVED and entry.captured is None and not entry.reversed:
                tampered = entry.identity[0] in self.tampered and agreed.in_doubt(connection, entry.identity)
                if not tampered and not (
                    self.missing.in_a_gap(*entry.identity) and self._named(connection, entry.identity)
                ):
                    self.fail(
                        f"payment {entry.identity}: the issuer approved it, and it was neither captured nor reversed"
                    )

    def _named(self, connection: Any, identity: tuple[str, int, int]) -> bool:
        """Whether a person is told that an issuer approved a payment whose outcome is lost."""
        mine = {"d": identity[0], "e": identity[1], "i": identity[2]}
        asked = connection.execute(text(_ASKED), mine).first()
        if asked is None:
            return self.centre.restored_at > 0
        told = f"payment {identity[2]} of epoch {identity[1]}, {asked.amount} centimes, is or may be approved by its issuer;%"
        return connection.execute(text(_TOLD), {"d": identity[0], "w": told}).first() is not None

    def _leftovers(self, connection: Any, devices: "list[Device]") -> None:
        """No sealed card data after the result, at the server or in a terminal."""
        rows = connection.execute(
            text(
                "SELECT s.device, s.intent FROM sealed s WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.device = s.device"
                " AND o.epoch = s.epoch AND o.intent = s.intent AND o.state IN (0, 1, 3, 4))"
            )
        )
        for row in rows:
            self.fail(f"the server keeps sealed card data of payment {row.intent} of {row.device} after its result")
        rows = connection.execute(text("SELECT device, epoch, intent FROM outbox WHERE state = 2 AND step IN (2, 3)"))
        served = {(row.device, row.epoch, row.intent) for row in rows}
        for device in devices:
            if not (device.stopped or device.label in self.expected_stop or device_name(device.index) in self.tampered):
                self._kept(device, served)

    def _kept(self, device: "Device", served: set[tuple[str, int, int]]) -> None:
        """No sealed card data in a terminal of what the host has cleared or reversed, nor of what it has judged as the terminal wrote down."""
        journal = device.terminal.journal
        records = [record for record, _ in device.records()]
        finished = {record[r.INTENT] for record in records if record[r.KIND] == r.AUTHORISATION_RESULT}
        for record in records:
            if record[r.KIND] != r.PAYMENT_OUTCOME or journal.blob("sealed", record[r.SEQ]) is None:
                continue
            cleared = (device_name(device.index), record[r.EPOCH], record[r.INTENT]) in served
            if record[r.INTENT] in finished or record[r.OUTCOME] == r.OUTCOME_APPROVED and cleared:
                self.fail(f"{device.label} keeps sealed card data of record {record[r.SEQ]} after its result")

    def _flags(self, connection: Any, devices: "list[Device]") -> None:
        """Two records of one sequence: flagged at the server, or stopped at the terminal."""
        alarms = {
            (row.device, row.code)
            for row in connection.execute(text("SELECT device, code FROM audit WHERE level = :l"), {"l": t.LEVEL_ALARM})
        }
        refunded = {device for device, _, _ in self.refunds.asked}
        for name, code in sorted(alarms):
            caused = (
                code in _OF_THE_HOST
                or self.centre.restored_at > 0
                or code == codes.VOID_UNEXPECTED
                and name in refunded
                or code == codes.SECOND_OUTCOME
                and self.missing.said_again(name)
            )
            caused = caused or self.missing.named(name) and code in _OF_A_LOSS or name in self.missing.erased
            if name not in self.tampered and (code in _NEVER or not caused):
                self.fail(f"{name} has an alarm {code} for which nobody gave a cause")
        forks = {row.device for row in connection.execute(text(_BRANCHES))}
        for name in forks:
            if (name, "SRV-030") not in alarms:
                self.fail(f"{name} has two branches and nobody was told")
            if name not in self.tampered:
                self.fail(f"{name} has two branches though nobody copied it")
        for name in self.expected_twins:
            if self._diverged(name, devices) and (name, "SRV-030") not in alarms:
                self.fail(f"{name} exists twice with different records, and nobody was told of the fork")
        for device in devices:
            if device.label in self.expected_stop and not device.stopped.startswith("JRN-03"):
                self.fail(f"{device.label} works on with storage that was put back or copied")

    def _diverged(self, name: str, devices: "list[Device]") -> bool:
        """Whether the two terminals of this name have written different records; both spoke to the server while it healed."""
        twins = [device for device in devices if device_name(device.index) == name]
        chains = []
        for device in twins:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or device.stopped:
                return False
            chains.append({record[r.SEQ]: data for record, data in device.records()})
        return any(chains[0].get(seq, data) != data for seq, data in chains[-1].items())
