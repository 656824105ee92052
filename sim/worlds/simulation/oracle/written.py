"""What a record says beside its money, held against what a person was shown, typed, or held out: officers, points, schemes, dispositions, closures.

Each record is looked at once, in the terminal's storage, when the next screen appears: so it is judged by what was on the screen, on the keys and in
the reader when it was written, and stays judged where it is destroyed later. What was there before a terminal was first seen (a copy's) is only
remembered for the releases that are due by it. At the end what the centre keeps of each case is held against the same screens.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cbor2
from sqlalchemy import text

from protocol import records as r
from sim.worlds.simulation.factory import device_name, factory

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.oracle.judge import Oracle

_BY_AN_OFFICER = (
    r.LOGIN, r.NOTICE, r.ACKNOWLEDGED, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.RECEIPT_PRINTED, r.LICENCE_DISPOSITION, r.CASE_CLOSED,
)  # fmt: skip
_GOES_BACK = (r.DISPOSITION_RETURNED, r.DISPOSITION_RELEASE_GRANTED)
_CLOSES = {
    r.OUTCOME_APPROVED: r.CLOSURE_PAID,
    r.OUTCOME_PROVISIONAL: r.CLOSURE_PROVISIONAL,
    r.OUTCOME_DECLINED: r.CLOSURE_DECLINED,
    r.OUTCOME_INTERRUPTED: r.CLOSURE_UNPAID,
}
_CASES = "SELECT device, epoch, case_no, pv, offence, amount FROM cases"


@dataclass
class _Seen:
    """One terminal: up to where its records were looked at, and what was shown and typed last."""

    last: int = -1
    entry: str = ""
    officer: int = 0  # the number that was typed, 0: none yet
    second: int = 0
    before: str = ""  # the screen before
    notice: dict[int, Any] = field(default_factory=dict)
    void: dict[int, Any] = field(default_factory=dict)
    disposition: int = 0  # of the open case, as recorded
    hand: int = 0  # … and as a person was told
    word: int = 0  # the outcome that a person was shown of it
    declined: bool = False  # by its last record; a tapped card that is to be inserted is told otherwise
    owed: tuple[int, int] = (0, 0)  # (record, disposition) that a record has and no screen has said yet

    def anew(self) -> None:
        """Nothing was said yet of what follows."""
        self.disposition = self.hand = self.word = 0
        self.declined = False


class Written:
    """For one simulation's judge."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge
        self._seen: dict[str, _Seen] = {}
        self._due: Counter[str] = Counter()  # reports whose licence goes back by a record, so often
        self._released: Counter[str] = Counter()  # … and of which a record says that an officer has read it
        self._offences: dict[tuple[str, int, int], set[str]] = {}  # what drivers were shown, by device, epoch and case

    def shown(self, device: "Device", screen: str, fields: dict[str, Any]) -> None:
        """A screen: what was written since the last one is judged, then the screen by it."""
        if not device.works:
            return
        seen = self._seen.setdefault(device.label, _Seen())
        head = device.terminal.journal.head_seq
        first = seen.last < 0
        if head > seen.last:
            for record, _ in device.held(max(seen.last, 0) + 1):
                self._wrote(device, seen, record, judged=not first)
                if not first:
                    self._judge.in_force.wrote(device, record)
                    self._judge.clocks.wrote(device, record)
        seen.last = head
        self._typed(seen, screen, fields)
        for wrong in self._wrong(device, seen, screen, fields):
            self._judge.fail(f"{device.label} {wrong}")
        seen.before = screen

    @staticmethod
    def _typed(seen: _Seen, screen: str, fields: dict[str, Any]) -> None:
        if screen == "login_number":
            seen.entry = fields["entry"]
        elif screen == "login_pin" and fields.get("second"):
            seen.second = int(seen.entry)
        elif screen == "login_pin":
            seen.officer = int(seen.entry)

    def _wrote(self, device: "Device", seen: _Seen, record: dict[int, Any], *, judged: bool) -> None:
        """A record that is new in a terminal's storage."""
        kind = record[r.KIND]
        if judged:
            self._tell_in_time(device, seen, record)
        for wrong in self._wrong_record(device, seen, record) if judged else ():
            self._judge.fail(f"{device.label}: record {record[r.SEQ]} {wrong}")
        report = _report(device, record.get(r.CASE, 0))
        if kind == r.AUTHORISATION_RESULT and record[r.OUTCOME] == r.OUTCOME_APPROVED:
            self._due[report] += 1
        elif kind == r.LICENCE_DISPOSITION:
            seen.disposition = record[r.DISPOSITION]
            self._released[report] += record[r.DISPOSITION] == r.DISPOSITION_RELEASE_GRANTED
        elif kind == r.VOID:
            seen.void = record
            self._due[report] += record[r.VOID_STATE] == r.VOID_REFUSED
            seen.anew()
        elif kind in (r.NOTICE, r.PAYMENT_INTENT, r.CASE_CLOSED):
            seen.notice = record if kind == r.NOTICE else seen.notice
            seen.anew()

    def _tell_in_time(self, device: "Device", seen: _Seen, record: dict[int, Any]) -> None:
        """What a record says of a licence is on the screen before the next case begins, whatever the power does between; that a payment was declined,
        before there is another, or a word on the licence. Where records were destroyed or a copy is in play, the terminal may not have them any more.
        """
        kind, disposition = record[r.KIND], record.get(r.DISPOSITION, 0)
        excused = device_name(device.index) in self._judge.tampered | self._judge.missing.devices
        if kind in (r.LICENCE_READ, r.NOTICE, r.NEW_EPOCH):
            if seen.owed[0] and kind != r.NEW_EPOCH and not excused:
                self._judge.fail(
                    f"{device.label}: record {record[r.SEQ]} begins a case; no officer was told of {seen.owed[1]} in record {seen.owed[0]}"
                )
            seen.owed = (0, 0)
        if kind in (r.PAYMENT_INTENT, r.LICENCE_DISPOSITION, r.CASE_CLOSED) and seen.declined:
            if seen.word != r.OUTCOME_DECLINED and not excused:
                self._judge.fail(
                    f"{device.label}: before record {record[r.SEQ]} no officer was told that the payment was declined"
                )
            seen.declined = False
        if kind == r.PAYMENT_OUTCOME:
            tapped = record.get(r.INTERFACE) == r.INTERFACE_CONTACTLESS
            seen.declined = record[r.OUTCOME] == r.OUTCOME_DECLINED and not tapped
        ends = kind in (r.LICENCE_DISPOSITION, r.CASE_CLOSED) or record.get(r.VOID_STATE) == r.VOID_ASKED
        if kind == r.VOID:
            seen.owed = (0, 0)  # what became of one is told as a release or with the open case
        if ends and disposition and seen.before != "licence_hand":  # else it is the word that he has read it
            seen.owed = (record[r.SEQ], disposition)

    def _wrong_record(self, device: "Device", seen: _Seen, record: dict[int, Any]) -> Iterator[str]:
        """What a record says otherwise than the person at the terminal has seen or done."""
        kind, by_itself = record[r.KIND], record.get(r.REASON) == r.ABANDON_POWER
        asked = kind == r.VOID and record[r.VOID_STATE] == r.VOID_ASKED
        if seen.officer and (kind in _BY_AN_OFFICER and not by_itself or asked) and record[r.OFFICER] != seen.officer:
            yield f"is of officer {record[r.OFFICER]}; officer {seen.officer} is logged in"
        if asked and record[r.SECOND_OFFICER] != seen.second:
            yield f"names officer {record[r.SECOND_OFFICER]} beside; officer {seen.second} has confirmed"
        if kind == r.PAYMENT_OUTCOME and (card := device.presented):
            for name, key, right in zip(
                ("scheme", "last digits"), (r.SCHEME, r.LAST4), factory().face(card), strict=True
            ):
                if record.get(key, right) != right:
                    yield f"has {record[key]} as the {name} of card {card}; it has {right}"
        if kind == r.CASE_CLOSED and record[r.CLOSURE] != r.CLOSURE_ABANDONED:
            closure = record[r.CLOSURE]
            if device.officer.gone:
                yield "closes a case, and nobody has answered what to do with the licence"
            if seen.word and closure != _CLOSES[seen.word]:
                yield f"closes a case as {closure}; the last outcome shown of it is {seen.word}"
            if seen.hand and (seen.hand == r.DISPOSITION_RETURNED) != (closure == r.CLOSURE_PAID):
                yield f"closes a case as {closure}; the officer was told to do {seen.hand} with the licence"
        if kind == r.LICENCE_DISPOSITION and record[r.DISPOSITION] == r.DISPOSITION_RELEASE_GRANTED:
            report = _report(device, record[r.CASE])
            if (device_name(device.index), report) not in self._judge.arrivals.told:
                yield f"says that an officer was told of the release of report {report}, and nobody was"
            if not self._is_due(device, report):
                yield f"releases the licence of report {report}, of which the terminal has no approval and no refused void"

    def _is_due(self, device: "Device", report: str) -> bool:
        """Whether a licence goes back, and no record says yet that an officer has read it. Where such a record was destroyed, or a copy has its own,
        he may be told twice.
        """
        name = device_name(device.index)
        told = 0 if name in self._judge.tampered | self._judge.missing.devices else self._released[report]
        return self._due[report] > told

    def _wrong(self, device: "Device", seen: _Seen, screen: str, fields: dict[str, Any]) -> Iterator[str]:
        """What a screen says otherwise than the records before it."""
        if screen == "acknowledge" and seen.notice:
            notice = seen.notice
            key = (device_name(device.index), notice[r.EPOCH], notice[r.CASE])
            self._offences.setdefault(key, set()).add(fields["code"])
            wrote = (notice[r.OFFENCE], notice[r.AMOUNT], notice[r.POINTS])
            if wrote != (fields["code"], fields["amount"], fields["points"]):
                yield f"shows {fields['code']}, {fields['amount']} centimes, {fields['points']} points; its notice has {wrote}"
        elif screen == "outcome":
            seen.word = fields["outcome"]
        elif screen == "interrupted":
            seen.word = r.OUTCOME_INTERRUPTED
        elif screen == "licence_hand":
            yield from self._handed(device, seen, fields)

    def _handed(self, device: "Device", seen: _Seen, fields: dict[str, Any]) -> Iterator[str]:
        """The officer is told what to do with a licence."""
        shown = fields["disposition"]
        if shown == seen.owed[1]:
            seen.owed = (0, 0)
        if shown == r.DISPOSITION_RELEASE_GRANTED and not self._is_due(device, fields["pv"]):
            yield f"releases the licence of report {fields['pv']}, of which it has no approval and no refused void"
        if seen.before == "void_result":
            wrote = seen.void.get(r.DISPOSITION)
            if wrote is not None and (shown in _GOES_BACK) != (wrote in _GOES_BACK):
                yield f"tells of disposition {shown} after a void whose record {seen.void[r.SEQ]} has {wrote}"
        elif device.terminal.journal.view.case is not None:
            seen.hand = shown
            if seen.disposition and seen.disposition != shown:
                yield f"tells of disposition {shown}, and has written {seen.disposition}"

    def cases(self, connection: Any, rows: dict[tuple[str, int], Any]) -> Iterator[str]:
        """What the centre keeps of each case is what its driver was shown, and what its notice says."""
        kept = {(row.device, row.epoch, row.case_no): row for row in connection.execute(text(_CASES))}
        for (name, seq), row in sorted(rows.items()):
            if row.kind != r.NOTICE or row.rejected is not None:
                continue
            notice = cbor2.loads(bytes(row.record))
            key = (name, notice[r.EPOCH], notice[r.CASE])
            case, codes = kept.get(key), self._offences.get(key)
            if case is None or (case.pv, case.amount) != (notice[r.PV], notice[r.AMOUNT]):
                yield f"the centre has no such case as notice {seq} of {name}, report {notice[r.PV]}"
            elif case.offence not in (codes or {notice[r.OFFENCE]}):
                yield f"case {key[2]} of {name} is about {case.offence or 'nothing'} at the centre; its driver was shown {', '.join(codes or ())}"


def _report(device: "Device", case: int) -> str:
    """The number on the paper: the device's digits and its case number."""
    return f"{device_name(device.index)[-6:]}-{case:05d}"
