"""What must hold of what the officers have decided, when all is quiet."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from protocol import records as r
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.verdicts.notebook import Identity, Notebook
from sim.worlds.simulation.verdicts.truth import Truth

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

_APPROVED = "SELECT device, epoch, kind, seq, number, collected, untaken, undoes, proposed_by, approved_by FROM decisions WHERE state = 1"
_VERDICTS = "SELECT device, epoch, intent, number, stands, proposed_by, approved_by FROM verdicts WHERE state = 1"
_LEFT = "SELECT account, SUM(amount) AS amount FROM legs WHERE account LIKE 'missing:%' GROUP BY account HAVING SUM(amount) <> 0"
_HELD = (
    "SELECT p.device, p.epoch, p.intent, p.held, p.outcome, q.outcome AS final, o.state AS asked FROM payments p LEFT JOIN results q"
    " ON q.device = p.device AND q.epoch = p.epoch AND q.intent = p.intent LEFT JOIN outbox o"
    " ON o.device = p.device AND o.epoch = p.epoch AND o.intent = p.intent AND o.step = 1"
)
_ASKED = "SELECT device, what FROM audit WHERE what LIKE '%have that decision undone%'"
_GAP = re.compile(r"gap from (\d+)\b")
_ON_FILE = "SELECT record FROM raw WHERE device = :d AND seq = :s"
_FILED = "SELECT record FROM raw WHERE device = ? AND seq = ?"
_HEAD = "SELECT COALESCE(MAX(seq), 0) FROM raw WHERE device = ?"
_JUDGED = "SELECT 1 FROM results WHERE device = ? AND epoch = ? AND intent = ?"
_FINAL = "SELECT outcome FROM results WHERE device = :d AND epoch = :e AND intent = :i"
HELD_NOT, HELD_FORK, HELD_BACK = range(3)
FAILED = 3


def problems(connection: Any, book: Notebook, truth: Truth, devices: "list[Device]") -> Iterator[str]:
    """Sentences about decisions."""
    yield from _registered(connection, book)
    if book.decides_money:
        yield from _money(connection, book, truth)
    if book.decides_forks:
        yield from _forks(connection, book)
        yield from _told(connection, book, devices)


def _registered(connection: Any, book: Notebook) -> Iterator[str]:
    """The centre has the decisions that two officers have signed and that no restore has forgotten, and no other ones."""
    money = [one for one in book.kept() if one.stands is None]
    signed = {
        (*one.about[1:3], one.about[0], one.about[3], one.number, one.income, one.untaken, one.undoes) for one in money
    }
    signed |= {(*one.about, one.number, int(one.stands)) for one in book.kept() if one.stands is not None}
    rows = [*connection.execute(text(_APPROVED)), *connection.execute(text(_VERDICTS))]
    for row in rows:
        if row.proposed_by == row.approved_by:
            yield f"one officer alone has decided about {row[:4]}"
    has = {tuple(row[:-2]) for row in rows}
    if has != signed:
        yield f"the officers have signed {sorted(signed - has)}, which the centre does not know, and it has {sorted(has - signed)} beside"


def _money(connection: Any, book: Notebook, truth: Truth) -> Iterator[str]:
    """Nothing is left in suspense, and what was decided as collected is captured, and in no other book; an alarm that asks to look again names a
    decision that there was.
    """
    for row in connection.execute(text(_LEFT)):
        yield f"{row.amount} centimes of {row.account} are in suspense, and all of it was decided"
    captured = truth.captured()
    for entry in book.standing():
        for payment in sorted(entry.collected):
            if payment not in captured or truth.on_file(payment):
                yield f"payment {payment} is decided as collected, and is not captured, or is on file as well"
    for alarm in connection.execute(text(_ASKED)):
        found = _GAP.search(alarm.what)
        about = {(one.about.device, one.about.seq) for one in book.entries if one.stands is None}
        if found and (alarm.device, int(found[1])) not in about:
            yield f"an alarm asks to undo a decision about the gap from {found[1]} of {alarm.device}, and nobody has decided"


def _forks(connection: Any, book: Notebook) -> Iterator[str]:
    """No payment is held undecided, and each is as the last decision about it says; a deferred one that was decided has a result,
    or its question has failed: the copy's card data have used up its key, and a person reads that in a list.
    """
    verdicts = book.verdicts()
    for row in connection.execute(text(_HELD)):
        payment: Identity = (row.device, row.epoch, row.intent)
        stands = verdicts.get(payment)
        must = HELD_NOT if stands or stands is None else HELD_BACK
        if row.held != must:
            yield f"payment {payment} is held as {row.held}, and was decided to be {must}"
        if stands is not None and row.outcome == r.OUTCOME_PROVISIONAL and row.final is None and row.asked != FAILED:
            yield f"payment {payment} is deferred and was decided, and has no result"


def untold(device: "Device") -> list[int]:
    """The deferred payments, of those that a terminal has as they are on file, whose result is on file too, and which it has not written down.

    None of a terminal that has stopped, that lacks records which are on file, or whose records are another branch: it is told nothing.
    """
    if not device.works or not device.terminal.journal.view.provisional:
        return []
    name, epoch, records = device_name(device.index), device.terminal.journal.epoch, device.records()
    if factory().look(_HEAD, name) > device.terminal.journal.head_seq:
        return []
    filed = ((data, factory().look(_FILED, name, record[r.SEQ])) for record, data in reversed(records))
    if any(data != known for data, known in filed if known is not None):
        return []
    written = {record[r.INTENT] for record, _ in records if record[r.KIND] == r.AUTHORISATION_RESULT}
    waits = [
        record[r.INTENT]
        for record, _ in records
        if record[r.KIND] == r.PAYMENT_OUTCOME and record[r.OUTCOME] == r.OUTCOME_PROVISIONAL
    ]
    return [one for one in waits if one not in written and factory().look(_JUDGED, name, epoch, one) is not None]


def _told(connection: Any, book: Notebook, devices: "list[Device]") -> Iterator[str]:
    """A terminal that wrote the branch that is on file has the result that is on file of what was decided; and of whatever else it waits for."""
    for device in devices:
        for intent in untold(device):
            yield f"{device.label} waits for the result of payment {intent}, which is on file"
    for payment in sorted(book.verdicts()):
        final = connection.execute(text(_FINAL), dict(zip("dei", payment, strict=True))).scalar()
        for device in devices:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or device.stopped or device_name(device.index) != payment[0]:
                continue
            mine = False
            for record, data in device.records():
                if record.get(r.INTENT) != payment[2]:
                    continue
                if record[r.KIND] == r.PAYMENT_OUTCOME:
                    mine = data == connection.execute(text(_ON_FILE), {"d": payment[0], "s": record[r.SEQ]}).scalar()
                elif mine and record[r.KIND] == r.AUTHORISATION_RESULT and record[r.OUTCOME] != final:
                    yield f"{device.label}: the result of payment {payment[2]} is {final}, and was told as {record[r.OUTCOME]}"
