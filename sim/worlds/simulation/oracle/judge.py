"""What must hold, looked at from outside: what persons were shown, the bytes in the flash, the rows in the database,
the host's own book.

Reads storage as bytes and the database with SQL of its own; takes nobody's word for a total. `broken` are the
invariants that failed, each with a sentence.
"""

import hashlib
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
from sim.worlds.simulation.draws import grants, refusals, signatures
from sim.worlds.simulation.draws.refunds import Refunds
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.oracle import agreed, asked_for
from sim.worlds.simulation.oracle.accounted import Accounting
from sim.worlds.simulation.oracle.arrivals import Arrivals
from sim.worlds.simulation.oracle.cards import Cards
from sim.worlds.simulation.oracle.clocks import Clocks
from sim.worlds.simulation.oracle.endings import Endings
from sim.worlds.simulation.oracle.forgotten import Forgotten
from sim.worlds.simulation.oracle.in_force import InForce
from sim.worlds.simulation.oracle.missing import Missing
from sim.worlds.simulation.oracle.shifts import Shifts
from sim.worlds.simulation.oracle.sums import Sums
from sim.worlds.simulation.oracle.written import Written
from sim.worlds.simulation.verdicts import judged
from sim.worlds.simulation.verdicts.notebook import Notebook
from sim.worlds.simulation.verdicts.truth import Truth

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre
    from sim.worlds.simulation.device import Device

_TELLING = ("outcome", "interrupted", "card_remove", "printing", "licence_hand")
IN_FLIGHT_MS = 10_000  # an acknowledgement that was on its way while the database was replaced
FULL_EVERY = 16  # commits between two full recomputations of the ledger; none once a gap has been closed
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
_KEPT = (
    "SELECT (SELECT COUNT(*) FROM raw WHERE device = :d AND seq = :s AND hash = :h)"
    " + (SELECT COUNT(*) FROM forks WHERE device = :d AND seq = :s AND hash = :h)"
)
_BRANCHES = (  # records of a range that was declared lost lie there too, and are no branch
    "SELECT DISTINCT f.device FROM forks f WHERE NOT EXISTS (SELECT 1 FROM gaps g WHERE g.device = f.device"
    " AND g.epoch = f.epoch AND f.seq BETWEEN g.first AND g.last)"
)
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
    limits: dict[str, int]  # of what is taken offline
    broken: list[str] = field(default_factory=list)
    seen: dict[tuple[str, int, int], Shown] = field(default_factory=dict)
    expected_stop: set[str] = field(default_factory=set)  # labels of terminals whose flash was tampered with
    tampered: set[str] = field(default_factory=set)  # devices of which a copy or an older state was brought into play
    expected_twins: set[str] = field(default_factory=set)  # devices that exist twice, keys included
    missing: Missing = field(init=False)  # what was destroyed in a terminal's storage
    arrivals: Arrivals = field(default_factory=Arrivals)
    decided: Notebook = field(default_factory=Notebook)  # what officers of the back office have signed
    checks: int = 0
    _books: str = ""  # what the ledger was last computed anew from

    def __post_init__(self) -> None:
        self.missing = Missing(self.expected_twins)
        self.forgotten = Forgotten(self.missing, self.refunds, self.decided)
        self.truth = Truth(self.centre, self.missing)
        self.sums, self.endings, self.cards, self.written = Sums(self), Endings(self), Cards(), Written(self)
        self.in_force, self.clocks = InForce(self), Clocks(self)
        self.shifts = Shifts(self)

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
        self.cards.shown(device)
        if screen == "boot":
            self.in_force.booted(device)
            self.clocks.booted(device)
        self.written.shown(device, screen, fields)
        self.in_force.shown(device, screen, fields)
        self.clocks.shown(device, screen, fields)
        self.shifts.shown(device, screen, fields)
        if screen == "void_result":
            self._void_shown(device, fields)
        if wrong := signatures.problem(device, screen, fields):
            self.fail(wrong)
        if wrong := asked_for.shown(device, screen, fields, 1 + len(self.centre.dated)):
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
        if (
            screen == "outcome"
            and record[r.OUTCOME] in _TELL_MONEY
            and (wrong := asked_for.passed(device, self.limits))
        ):
            self.fail(wrong)
        if device.element.counters[0] < record[r.COUNTER]:
            self.fail(f"{device.label} shows record {record[r.SEQ]} before the counter was stepped")
        if screen == "licence_hand" and fields["disposition"] == r.DISPOSITION_RETURNED and case.outcome != 1:
            self.fail(f"{device.label} gives the licence back without an approval")
        name = device_name(device.index)
        key = (device.label, record[r.EPOCH], record[r.SEQ])
        self.seen[key] = Shown(
            name, device.label, record[r.SEQ], record[r.INTENT], record[r.OUTCOME], record[r.AMOUNT], data
        )
        self.cards.told(device, record)

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
            self.cards.voided(device, last[0][r.INTENT])
            identity = (device_name(device.index), last[0][r.EPOCH], last[0][r.INTENT])
            if identity[0] not in self.tampered and any(c.identity == identity for c in self.centre.book.captures()):
                self.fail(f"{device.label} says that payment {identity[2]} is voided; the host will capture it")

    def committed(self) -> None:
        """After each transaction of the server."""
        self.checks += 1
        total = factory().look("SELECT COALESCE(SUM(amount), 0) FROM legs")
        if total:
            self.fail(f"the ledger's legs add up to {total}")
        self.sums.dated(self.centre.utc)
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
        self.clocks.acknowledged(device)
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
                for row in connection.execute(
                    text("SELECT device, seq, kind, hash, record, signature, rejected FROM raw")
                )
            }
            self._posted(connection, rows)
            for device in devices:
                if device.label not in self.expected_stop and device_name(device.index) not in self.tampered:
                    self._same_chain(device, rows)
                    self.sums.totals(connection, device, rows)
                    self._told(agreed.results(connection, device))
                    if not device.stopped:
                        self._told(agreed.sets(device, self.centre.versions))
                        self.in_force.ended(device)
            self._told(asked_for.amounts(rows))
            self._told(agreed.signatures(rows))
            self._told(agreed.closures(connection, rows))
            self._told(self.written.cases(connection, rows))
            self._told(self.shifts.problems(devices))
            self._told(agreed.shifts(connection, rows, devices, self._forgotten_here_and_there))
            self._told(Accounting(self.missing, connection, rows, self.decided).problems())
            for sentence in self.arrivals.missing(connection, rows, self.tampered, self.missing.forgotten(rows)):
                self.fail(sentence)
            self._told(self.forgotten.problems(connection, rows))
            self._told(refusals.unnamed(connection, self.centre))
            self._told(grants.unnamed(connection, self.centre))
            self._told(self.refunds.problems())
            # what a fork holds, or what officers have decided about suspense, is captured for no case that is known
            if not self.tampered | self.missing.devices:
                self._told(agreed.owed(connection, {one.identity for one in self.centre.book.captures()}))
            self._told(judged.problems(connection, self.decided, self.truth, devices))
            self._told(self.cards.problems(self.centre.book))
            self._told(self.cards.mixed(self.centre.book))
            self.endings.judge(connection, rows)
            self.sums.judge(connection)
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
            beside = self._branches(name, devices)
            if beside and (name, "SRV-030") not in alarms:
                self.fail(f"{name} exists twice with different records, and nobody was told of the fork")
            for seq, data in beside:
                if (
                    name,
                    data,
                ) in self.missing.lost:  # by one of the two: where both knew it, nobody asks the other for it
                    continue
                if not connection.execute(
                    text(_KEPT), {"d": name, "s": seq, "h": hashlib.sha256(data).digest()}
                ).scalar():
                    self.fail(
                        f"{name} exists twice with different records, and the centre has one {seq} of them nowhere"
                    )
        for device in devices:
            if device.label in self.expected_stop and not device.stopped.startswith("JRN-03"):
                self.fail(f"{device.label} works on with storage that was put back or copied")

    def _branches(self, name: str, devices: "list[Device]") -> list[tuple[int, bytes]]:
        """The records that the two terminals of this name have not in common, (sequence, data); both spoke to the server while it healed."""
        chains: list[set[tuple[int, bytes]]] = []
        for device in devices:
            if device_name(device.index) == name:
                journal = getattr(device.terminal, "journal", None)
                if journal is None or journal.counter < 0 or device.stopped:
                    return []
                told = [(record[r.SEQ], data, record[r.KIND]) for record, data in device.records()]
                if told and told[-1][2] == r.SHIFT_CLOSED:  # written when the last session was over
                    told.pop()
                chains.append({(seq, data) for seq, data, _ in told})
        both = {seq for seq, _ in chains[0]} & {seq for seq, _ in chains[-1]}
        if not any(seq in both for seq, _ in chains[0] ^ chains[-1]):
            return []
        return sorted(chains[0] ^ chains[-1])
