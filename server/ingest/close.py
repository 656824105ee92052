"""CLOSE → RECON: the server adds a shift up from its raw records and says whether the terminal's totals agree.

If they do not, it names sequences: those of the shift that it does not have, and the payments of each total that
differs.

A shift begins directly behind the end of the one before: what an issuer says between two of them counts in the second. Earlier terminals began
it with the record that opens it; theirs is compared as they say, and where money lies in between, which no shift counts then, that is told.

A shift may be long, and a terminal may claim what it likes. So no record is gone through for two shifts: one begins after the end of the
one before, else it is named and not compared. And of a shift that goes on for more than SLICE records the first ones are added up while it
is open, a slice with a batch; what they come to is kept (`tallies`), and so is what lies between two shifts, if that is so long. At its end no more
than the rest is left to be gone through. What came of the last shift is kept too: a CLOSE is answered from that, as often as it comes, and one about
any other range is not compared.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import sessions
from server.store import audit
from server.store import tables as t
from server.wire import strict
from server.wire.messages import Close

MAX_NAMED = 64
Judgement = tuple[dict[int, list[int]], list[int], bool]  # totals, sequences that differ, whether it balances
_JUDGED = 0  # in the place of a first record: what came of the last shift
SLICE = 1_000  # records of an open shift that are added up together
LONGEST = 5_000  # records that are gone through for one answer; what would take more is not compared
_REFUSED_VOIDS = (codes.VOID_UNEXPECTED, codes.VOID_ANOTHER_CARD, codes.VOID_ONE_OFFICER)
_T = t.tallies.c
_LAST = (_T.device == bindparam("b_device"), _T.epoch == bindparam("b_epoch"), _T.first == _JUDGED)
_KEPT = select(_T.sums).where(*_LAST)
_KEEP = update(t.tallies).where(*_LAST).values(last=bindparam("last"), sums=bindparam("sums"))
_BEGIN = insert(t.tallies)
_COUNTED = (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)
_IN_SHIFT = (
    t.raw.c.device == bindparam("device"),
    t.raw.c.epoch == bindparam("epoch"),
    t.raw.c.seq.between(bindparam("first"), bindparam("last")),
)
_PRESENT = select(t.raw.c.seq).where(*_IN_SHIFT)
_UNENDED = select(func.min(t.raw.c.seq)).where(*_IN_SHIFT, t.raw.c.kind == r.SHIFT_OPENED, t.raw.c.rejected.is_(None))
_SUMMANDS = (
    select(t.raw.c.seq, t.raw.c.record, t.raw.c.rejected)
    .where(*_IN_SHIFT, t.raw.c.kind.in_(_COUNTED))
    .order_by(t.raw.c.seq)
)
"""Statements made once: making one costs more than running it."""


@dataclass
class _Sums:
    """What the records of a shift come to, as far as `last`."""

    first: int
    last: int
    records: int = 0  # on file
    totals: dict[int, list[int]] = field(default_factory=dict)
    aside: list[int] = field(default_factory=list)  # kept, not posted: the first of them
    members: dict[int, list[int]] = field(default_factory=dict)  # by total, as far as they were gone through here
    missing: list[int] = field(default_factory=list)  # likewise: the first of them
    parts: "list[_Sums]" = field(default_factory=list)  # what was kept of it

    def add(self, connection: Connection, name: str, epoch: int, last: int) -> None:
        """Go on to record `last`."""
        if last <= self.last:
            return
        span = {"device": name, "epoch": epoch, "first": self.last + 1, "last": last}
        present = set(connection.execute(_PRESENT, span).scalars())
        if len(present) < last - self.last:
            self.missing += _missing(present, self.last + 1, last)
        self.records += len(present)
        for row in connection.execute(_SUMMANDS, span):
            step: dict[int, list[int]] = {}
            if row.rejected in (None, *_REFUSED_VOIDS):
                r.totals_step(step, strict.decode(bytes(row.record)))
            if row.rejected is not None:
                if (
                    step or row.rejected not in _REFUSED_VOIDS
                ):  # a void that was refused when it was asked for adds nothing
                    self.aside += [row.seq] if len(self.aside) < MAX_NAMED else []
                continue
            for key, (count, amount) in step.items():
                entry = self.totals.setdefault(key, [0, 0])
                entry[0], entry[1] = entry[0] + count, entry[1] + amount
                self.members.setdefault(key, []).append(row.seq)
        self.last = last

    def take(self, kept: "_Sums") -> None:
        """Go on by what was added up before, from the next record on."""
        for key, (count, amount) in kept.totals.items():
            entry = self.totals.setdefault(key, [0, 0])
            entry[0], entry[1] = entry[0] + count, entry[1] + amount
        self.records, self.aside, self.last = self.records + kept.records, self.aside + kept.aside, kept.last

    def differing(self, told: dict[int, list[int]]) -> set[int]:
        """Totals that are not as they were told."""
        keys = self.totals.keys() | told.keys()
        return {key for key in keys if self.totals.get(key, [0, 0]) != list(told.get(key, [0, 0]))}


def close(connection: Connection, message: Close, now: int) -> dict[int, Any]:
    """Reconcile one shift: the payload of RECON."""
    head = sessions.bound_head(connection, message)
    name, last = message.device.device, message.last_seq
    totals, differing, balanced = _answer(connection, head, message, now)
    return {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: name,
        s.LAST_SEQ: last,
        s.TOTALS: totals,
        s.BALANCED: balanced,
        s.DIFFERING: sorted(set(differing))[:MAX_NAMED],
        s.SERVER_UTC: now,
    }


def _answer(connection: Connection, head: Row[Any], message: Close, now: int) -> Judgement:
    """What CLOSE is told: of the last shift on file as it was judged; of one whose closing is still to come what is missing, without an alarm."""
    name, shift, told = message.device.device, (message.first_seq, message.last_seq), message.totals
    if shift[1] > head.seq:
        return {}, list(range(head.seq + 1, min(shift[1], head.seq + MAX_NAMED) + 1)), False
    if shift[1] != head.closed:
        return {}, [shift[0]], False
    kept = _last_judged(connection, name, message.epoch)
    if kept is None or kept[0][1] != shift[1]:  # a closing that does not say where its shift begins
        return _judge(connection, name, message.epoch, shift, told, now)
    first, judged_by, judgement = kept[0][0], kept[1], kept[2]
    if (first, judged_by) == (shift[0], {key: list(value) for key, value in told.items()}):
        return judgement
    _alarm(connection, name, (first, shift[1]), "does not balance", now)
    return judgement[0], [shift[0]], False


def _last_judged(connection: Connection, name: str, epoch: int) -> "tuple[list[int], Any, Judgement] | None":
    """([first, last], the totals that were told, what came of it) of the last shift that was judged."""
    data = connection.execute(_KEPT, {"b_device": name, "b_epoch": epoch}).scalar()
    if data is None:
        return None
    shift, told, totals, differing, balanced = strict.decode(bytes(data))
    return shift, told, (totals, differing, balanced)


def _keep(
    connection: Connection, name: str, epoch: int, shift: tuple[int, int], told: Any, judgement: Judgement
) -> None:
    """Keep what came of a shift, in the place of the one before."""
    totals, differing, balanced = judgement
    sums = strict.encode([list(shift), told, totals, differing[:MAX_NAMED], balanced])
    values = {"last": shift[1], "sums": sums}
    if not connection.execute(_KEEP, {"b_device": name, "b_epoch": epoch, **values}).rowcount:
        connection.execute(_BEGIN, {"device": name, "epoch": epoch, "first": _JUDGED, **values})


def _alarm(connection: Connection, name: str, shift: tuple[int, int], what: str, now: int) -> None:
    """Once a shift, however often it is asked about."""
    audit.alarm_once(connection, name, "RECON", f"shift {shift[0]} to {shift[1]} {what}", now, MAX_NAMED)


def follow(
    connection: Connection, head: Row[Any], epoch: int, shifts: list[dict[int, Any]], end: int, now: int
) -> tuple[int, int]:
    """New records of a device are on file, up to `end`: go on with its shifts. `head`: its row as it was; `shifts`: those of the new records
    that open or close one. Returns the `opened` and `closed` of its new head.

    A shift's totals are compared when the record that closes it has come, whether or not its terminal ever asks with CLOSE.
    """
    name, opened, closed = head.device, head.opened, head.closed
    for record in shifts:
        if record[r.KIND] == r.SHIFT_OPENED:
            if opened:
                what = f"record {record[r.SEQ]} opens a shift, that of record {opened} has no end: what lies between is in no closed shift"
                audit.alarm(connection, name, "RECON", what, now)
            opened = record[r.SEQ]
            continue
        if r.FIRST in record:  # else a record of before they said so
            _closed(connection, name, epoch, record, (closed, opened), now)
        opened, closed = 0, record[r.SEQ]
    begin = opened or closed + 1
    if end - begin >= SLICE:
        _go_on(connection, name, epoch, begin, end)
    return opened, closed


def _closed(
    connection: Connection, name: str, epoch: int, record: dict[int, Any], begun: tuple[int, int], now: int
) -> None:
    """A SHIFT_CLOSED record is new on file; `begun`: the one before it, and the record that opened the shift, or 0."""
    first, last = record[r.FIRST], record[r.SEQ]
    before, opened = begun
    if first <= before:
        what = f"shift {first} to {last} begins before record {before}, the end of another: not compared"
        audit.alarm(connection, name, "RECON", what, now)
        _keep(connection, name, epoch, (first, last), record[r.TOTALS], ({}, [first], False))
        return
    _between(connection, name, epoch, (before + 1, first - 1), opened, now)
    _judge(connection, name, epoch, (first, last), record[r.TOTALS], now, opened)


def _between(connection: Connection, name: str, epoch: int, span: tuple[int, int], opened: int, now: int) -> None:
    """Tell of money in records behind one shift and before the next, which no shift counts; not of a shift without an end, of which that was told."""
    first, last = span
    if first > last:
        return
    unended = {"device": name, "epoch": epoch, "first": first, "last": min(last, opened - 1)}
    last = (connection.execute(_UNENDED, unended).scalar() or last + 1) - 1
    sums = _sums(connection, name, epoch, (first, last), 0)
    if sums is None or sums.totals or sums.aside:
        what = "money is among them" if sums else "they are too many to be gone through here"
        audit.alarm(connection, name, "RECON", f"records {first} to {last} are in no shift, and {what}", now)


def _judge(
    connection: Connection,
    name: str,
    epoch: int,
    shift: tuple[int, int],
    told: dict[int, Any],
    now: int,
    opened: int = 0,
) -> Judgement:
    """`_compare`, with an alarm if it does not balance; what comes of it is kept."""
    found = _compare(connection, name, epoch, shift, opened, told)
    judgement = found or ({}, [shift[0]], False)
    if not judgement[2]:
        _alarm(connection, name, shift, "does not balance" if found else "is too long to be compared here", now)
    _keep(connection, name, epoch, shift, told, judgement)
    return judgement


def _go_on(connection: Connection, name: str, epoch: int, first: int, end: int) -> None:
    """Add up the next slice of an open shift that is on file up to `end`; more of one that was not followed from its beginning."""
    kept = _kept(connection, name, epoch, first)
    sums = kept or _Sums(first, first - 1)
    if end - sums.last < SLICE:
        return
    sums.add(connection, name, epoch, min(end, sums.last + LONGEST))
    values = {"last": sums.last, "sums": strict.encode([sums.records, sums.aside, sums.totals])}
    c = t.tallies.c
    if kept is None:
        connection.execute(insert(t.tallies).values(device=name, epoch=epoch, first=first, **values))
    else:
        mine = (c.device == name, c.epoch == epoch, c.first == first)
        connection.execute(update(t.tallies).where(*mine).values(**values))


def _kept(connection: Connection, name: str, epoch: int, first: int) -> _Sums | None:
    """What is kept of the shift that begins with record `first`."""
    c = t.tallies.c
    found = select(c.last, c.sums).where(c.device == name, c.epoch == epoch, c.first == first)
    row = connection.execute(found).first()
    if row is None:
        return None
    records, aside, totals = strict.decode(bytes(row.sums))
    return _Sums(first, row.last, records, totals, aside)


def _compare(
    connection: Connection, name: str, epoch: int, shift: tuple[int, int], opened: int, told: dict[int, Any]
) -> Judgement | None:
    """(the shift's totals from the records on file, sequences that differ or are missing, whether it balances with what was told); None if
    too many records would have to be gone through. `opened`: the record that opened it, or 0.
    """
    first, last = shift
    sums = _sums(connection, name, epoch, shift, opened)
    if sums is None:
        return None
    wrong = sums.differing(told)
    whole = sums.records == last - first + 1
    if whole and not wrong and not sums.aside:
        return sums.totals, [], True
    named = [sums]
    for kept in sums.parts:  # names from its beginning, beside those of its end
        named.append(_Sums(kept.first, kept.first - 1))
        named[-1].add(connection, name, epoch, min(kept.last, kept.first + LONGEST - 1))
    differing = list(sums.aside)
    for part in named:
        differing += part.missing
        for key in wrong:
            differing += part.members.get(key, [])
    return sums.totals, differing or [first], False


def _sums(connection: Connection, name: str, epoch: int, span: tuple[int, int], opened: int) -> _Sums | None:
    """What these records come to, by what is kept of them from the first on and from `opened` on; None if too many are left."""
    first, last = span
    sums, left = _Sums(first, first - 1), last - first + 1
    if last - first >= SLICE:
        for begin in sorted({first, max(first, opened)}):
            kept = _kept(connection, name, epoch, begin)
            if kept is not None and kept.last <= last and not (sums.parts and begin <= sums.parts[0].last):
                sums.parts.append(kept)
                left -= kept.last - begin + 1
    if left > LONGEST:
        return None
    for kept in sums.parts:
        sums.add(connection, name, epoch, kept.first - 1)
        sums.take(kept)
    sums.add(connection, name, epoch, last)
    return sums


def _missing(present: set[int], first: int, last: int) -> list[int]:
    """Up to MAX_NAMED sequences of the range that are not there; a range far too long is not walked through."""
    found: list[int] = []
    for seq in range(first, last + 1):
        if seq not in present:
            found.append(seq)
            if len(found) == MAX_NAMED:
                break
    return found
