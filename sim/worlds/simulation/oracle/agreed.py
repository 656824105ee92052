"""What the centre keeps or says beside the money, held against what the terminals wrote: cases, shifts, results, parameter sets, acknowledged hashes.

No device is excused as a whole: what one of them has lost, or what lies in a second branch, is told record by record.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cbor2
from cryptography.hazmat.primitives import serialization
from sqlalchemy import text

from protocol import records as r
from server.ledger import report
from sim.worlds.simulation import remembered
from sim.worlds.simulation.factory import device_name, factory

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

Rows = dict[tuple[str, int], Any]
_SIGNED = (r.PAYMENT_OUTCOME, r.VOID)  # kinds that move money
_FINALS = "SELECT intent, outcome FROM results WHERE device = :d AND epoch = :e"
_UNBALANCED = "SELECT device, what FROM audit WHERE code = 'RECON'"
_CASE_OF = "SELECT device, epoch, intent, case_no FROM payments"
_CASES = "SELECT device, epoch, case_no, amount, closure FROM cases"
_HASH = "SELECT hash FROM raw WHERE device = ? AND seq = ? ORDER BY epoch DESC LIMIT 1"
_PAYMENT = "SELECT held, outcome FROM payments WHERE device = :d AND (epoch = :e OR :e IS NULL) AND intent = :i"
_WAITS = (
    "SELECT p.device || ', payment ' || p.intent FROM payments p JOIN outbox o ON o.device = p.device AND o.epoch = p.epoch"
    " AND o.intent = p.intent WHERE p.held = 1 AND o.state = 0 AND o.step <> 3 LIMIT 1"
)


def owed(connection: Any, captured: set[tuple[str, int, int]]) -> Iterator[str]:
    """The centre's report says that every case is owed of which the host has captured no payment, and that was not given up; by number and amount."""
    paid = {
        (row.device, row.epoch, row.case_no)
        for row in connection.execute(text(_CASE_OF))
        if (row.device, row.epoch, row.intent) in captured
    }
    cases = connection.execute(text(_CASES)).all()
    open_ = [
        one.amount
        for one in cases
        if (one.device, one.epoch, one.case_no) not in paid and one.closure != r.CLOSURE_ABANDONED
    ]
    said, right = report._all_cases(connection)["owed"], {"count": len(open_), "amount": sum(open_)}
    if said != right:
        yield f"the report says that {said} is owed; {right} is"


def signatures(rows: Rows) -> Iterator[str]:
    """Every record that moves money is on file with its terminal's signature: ES256 over Sig_structure (RFC 9052), made and verified with another
    library than the server's. One that was made or verified here before is not verified again (`sim.worlds.simulation.remembered`).
    """
    for (name, seq), row in sorted(rows.items()):
        if row.kind not in _SIGNED or row.rejected is not None:
            continue
        public = _publics()[name]
        protected = cbor2.dumps({1: -7, 3: "tsd/outcome", 4: name.encode()}, canonical=True)
        covered = cbor2.dumps(["Signature1", protected, b"", bytes(row.record)], canonical=True)
        if row.signature is None or not remembered.holds(public, covered, bytes(row.signature)):
            yield f"{name}: record {seq} is on file without a signature that holds"


@lru_cache(maxsize=1)
def _publics() -> dict[str, bytes]:
    """Points of the terminals' keys, uncompressed (SEC 1, 2.3.3)."""
    form = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return {device_name(index): key.public_key().public_bytes(*form) for index, key in enumerate(factory().devices)}


def closures(connection: Any, rows: Rows) -> Iterator[str]:
    """Cases are closed at the centre as their terminals closed them, and open again after a void."""
    must: dict[tuple[str, int, int], int | None] = {}
    for (name, _), row in sorted(rows.items()):
        if row.rejected is not None or row.kind not in (r.NOTICE, r.CASE_CLOSED, r.VOID):
            continue
        record = cbor2.loads(bytes(row.record))
        if r.CASE in record and (row.kind != r.VOID or record[r.VOID_STATE] == r.VOID_DONE):
            must[name, record[r.EPOCH], record[r.CASE]] = record.get(r.CLOSURE)
    for case in connection.execute(text("SELECT device, epoch, case_no, closure FROM cases")):
        closed = must.get((case.device, case.epoch, case.case_no))
        if case.closure != closed:
            yield f"case {case.case_no} of {case.device} was closed as {closed}; the centre has {case.closure}"


def shifts(
    connection: Any, rows: Rows, devices: "list[Device]", forgotten: Callable[[str, int], bool]
) -> Iterator[str]:
    """A shift that lacks records, or whose terminal added up something else, is not called balanced: not to a person, and not at the centre. It may
    have been told to balance before a restored database forgot records that the terminal has lost too (`forgotten`).
    """
    alarms = {(row.device, row.what) for row in connection.execute(text(_UNBALANCED))}
    told = {(device_name(device.index), number) for device in devices for number, yes in device.recons.items() if yes}
    agree: set[tuple[str, int]] = set()
    wrong: set[tuple[str, int]] = set()
    for (name, last), row in sorted(rows.items()):
        if row.kind != r.SHIFT_CLOSED or row.rejected is not None:
            continue
        closing = cbor2.loads(bytes(row.record))
        first = closing.get(r.FIRST, 0)
        here = [rows[name, seq] for seq in range(first, last + 1) if (name, seq) in rows]
        totals: dict[int, list[int]] = {}
        for one in here if first else ():
            _add(totals, cbor2.loads(bytes(one.record)))
        aside = any(one.rejected is not None for one in here)
        if not first or aside or len(here) == last - first + 1 and totals == closing[r.TOTALS]:
            agree.add((name, closing[r.SHIFT]))
            continue
        absent = [seq for seq in range(first, last + 1) if (name, seq) not in rows]
        if not absent or not all(forgotten(name, seq) for seq in absent):
            wrong.add((name, closing[r.SHIFT]))
        if not any(device == name and what.startswith(f"shift {first} to {last} ") for device, what in alarms):
            yield f"{name}: records {first} to {last} are no whole shift, or add up to something else, and nobody was told"
    for name, number in sorted((told & wrong) - agree):
        yield f"{name}: shift {number} was told to balance, and does not"


def _add(totals: dict[int, list[int]], record: dict[int, Any]) -> None:
    """One record of a shift, by the design's words and not by the code that terminal and server share: outcomes under their own number, late results
    ten further on, a void that was done under twenty.
    """
    kind, key = record[r.KIND], None
    if kind == r.PAYMENT_OUTCOME:
        key = record[r.OUTCOME]
    elif kind == r.AUTHORISATION_RESULT:
        key = 10 + record[r.OUTCOME]
    elif kind == r.VOID and record[r.VOID_STATE] == r.VOID_DONE:
        key = 20
    if key is not None:
        count, amount = totals.get(key, [0, 0])
        totals[key] = [count + 1, amount + record[r.AMOUNT]]


def results(connection: Any, device: "Device") -> Iterator[str]:
    """What a terminal still knows of a deferred payment, it knows to its end: the result that is on file is written down, once. A
    record that it has lost counts for nothing, nor does a payment that it has lost; save where a segment's head behind the loss remembers the result,
    so that it waits for it no longer.
    """
    journal, name = device.terminal.journal, device_name(device.index)
    held = [record for record, _ in device.records()]
    known = {
        record[r.INTENT]
        for record in held
        if record[r.KIND] == r.PAYMENT_OUTCOME and record[r.OUTCOME] == r.OUTCOME_PROVISIONAL
    }
    written: dict[int, list[int]] = {}
    for record in held:
        if record[r.KIND] == r.AUTHORISATION_RESULT:
            written.setdefault(record[r.INTENT], []).append(record[r.OUTCOME])
    finals = {row.intent: row.outcome for row in connection.execute(text(_FINALS), {"d": name, "e": journal.epoch})}
    for intent in sorted(finals.keys() | written.keys()):
        outcomes, final = written.get(intent, []), finals.get(intent)
        if not outcomes and intent not in journal.view.provisional:
            outcomes = device.oracle.missing.results(name, intent)
        if outcomes != [final] and (intent in known or len(outcomes) > 1):
            yield f"{device.label}: the result of payment {intent} is {final}, and was written down as {outcomes}"


def sets(device: "Device", published: list[int]) -> Iterator[str]:
    """The newest parameter set that the centre published is in force."""
    version = device.terminal.parameters.versions().get("limits", 0)
    if version < max(published, default=0):
        yield f"{device.label} has version {version} of a set of which the centre published {max(published)}"


def another_hash(device: "Device", seq: int) -> bool:
    """Whether the record that the centre holds under a number is another one than the terminal's, which takes it for acknowledged."""
    found = factory().look(_HASH, device_name(device.index), seq)
    if found is None:
        return False
    held = device.terminal.journal.record_at(seq)
    return held is not None and hashlib.sha256(held[1]).digest() != bytes(found)


def in_doubt(connection: Any, identity: tuple[str, int | None, int]) -> bool:
    """Whether a payment of a terminal that was tampered with is a person's: held for a fork, of another branch than the one on file, or without
    an outcome.
    """
    values = {"d": identity[0], "e": identity[1], "i": identity[2]}
    row = connection.execute(text(_PAYMENT), values).first()
    return row is None or row.held == 1 or row.outcome is None


def waits() -> str | None:
    """A payment that a fork holds and that would be sent to the acquirer for the first time; not its reversal, which brings nobody money."""
    return factory().look(_WAITS)
