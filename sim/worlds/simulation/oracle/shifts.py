"""What the shifts of a terminal come to: the figures that an officer reads, held against the records by code of its own, and whether all shifts
together are all the money.

A terminal that was tampered with, or has lost records, adds up what it still knows; of it no more is asked than that no figure is below 0.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from protocol import records as r
from sim.worlds.simulation.factory import device_name

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.oracle.judge import Oracle

Figures = dict[str, tuple[int, int]]
_SUMS = ("paid", "voided", "awaited")
_NAMES = {"paid": ("count", "total")} | {
    name: (f"{field}_count", f"{field}_total") for name, field in (("voided", "voided"), ("awaited", "provisional"))
}


class Shifts:
    """For one simulation's judge."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge
        self._read: dict[str, set[int]] = {}  # closings by terminal whose totals a person has had before him

    def shown(self, device: "Device", screen: str, fields: dict[str, Any]) -> None:
        """A screen."""
        if not device.works or screen not in ("shift_summary", "login_number") or fields.get("second"):
            return
        said = self._said(fields) if screen == "shift_summary" else {}
        if any(number < 0 for pair in said.values() for number in pair):
            self._judge.fail(f"{device.label} shows a shift with figures below 0: {said}")
        if self._excused(device):
            return
        records = [record for record, _ in device.held(1)]
        ends = [at for at, record in enumerate(records) if record[r.KIND] == r.SHIFT_CLOSED]
        if not ends:
            return
        closing, read = records[ends[-1]][r.SEQ], self._read.setdefault(device.label, set())
        if screen == "shift_summary":
            read.add(closing)
            right = _figures(records[ends[-2] + 1 if len(ends) > 1 else 0 : ends[-1]])
            right["awaited"] = _awaited(records)
            if said != right:
                self._judge.fail(
                    f"{device.label} shows a shift, closed by record {closing}, with {said}; it is {right}"
                )
        elif closing not in read and not any(record[r.KIND] == r.LOGIN for record in records[ends[-1] :]):
            self._judge.fail(f"{device.label}: nobody was shown what the shift came to that record {closing} closes")

    @staticmethod
    def _said(fields: dict[str, Any]) -> Figures:
        said = {name: (fields[count], fields[total]) for name, (count, total) in _NAMES.items()}
        return said | {"declined": (fields["declined_count"], 0)}

    def _excused(self, device: "Device") -> bool:
        name = device_name(device.index)
        return device.label in self._judge.expected_stop or name in self._judge.tampered | self._judge.missing.devices

    def problems(self, devices: "list[Device]") -> Iterator[str]:
        """When all is quiet: over the life of an epoch the totals of all shifts that are closed, and of the one that is not, are the sum of all
        outcomes, results and voids.
        """
        for device in devices:
            if device.stopped or self._excused(device):
                continue
            counted: dict[int, list[int]] = {}
            for record, _ in device.records():
                if record[r.KIND] == r.SHIFT_CLOSED:
                    _join(counted, record[r.TOTALS])
            _join(counted, device.terminal.journal.view.totals)
            right: dict[int, list[int]] = {}
            for record, _ in device.records():
                if (key := _key(record)) is not None:
                    _join(right, {key: (1, record[r.AMOUNT])})
            if counted != right:
                yield f"{device.label}: its shifts together come to {counted}, its records to {right}"


def _key(record: dict[int, Any]) -> int | None:
    """By the design's words: outcomes under their own number, late results ten further on, a void that was done under twenty."""
    if record[r.KIND] == r.PAYMENT_OUTCOME:
        return record[r.OUTCOME]
    if record[r.KIND] == r.AUTHORISATION_RESULT:
        return 10 + record[r.OUTCOME]
    return 20 if record[r.KIND] == r.VOID and record[r.VOID_STATE] == r.VOID_DONE else None


def _join(sums: dict[int, list[int]], more: dict[int, Any]) -> None:
    for key, (count, amount) in more.items():
        before = sums.get(key, [0, 0])
        sums[key] = [before[0] + count, before[1] + amount]


def _figures(records: list[dict[int, Any]]) -> Figures:
    """Of the records of a shift: what was paid in it, declined or voided, be it that it was begun in an earlier one."""
    found = {"paid": (0, 0), "voided": (0, 0), "declined": (0, 0)}
    for record in records:
        kind, outcome = record[r.KIND], record.get(r.OUTCOME)
        name = ""
        if kind in (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT):
            name = {r.OUTCOME_APPROVED: "paid", r.OUTCOME_DECLINED: "declined"}.get(outcome or 0, "")
        elif kind == r.VOID and record[r.VOID_STATE] == r.VOID_DONE:
            name = "voided"
        if name:
            count, amount = found[name]
            found[name] = count + 1, amount + (record[r.AMOUNT] if name in _SUMS else 0)
    return found


def _awaited(records: list[dict[int, Any]]) -> tuple[int, int]:
    """Deferred payments of which no result is written down."""
    open_ = {one[r.INTENT]: one[r.AMOUNT] for one in records if one.get(r.OUTCOME) == r.OUTCOME_PROVISIONAL}
    for record in records:
        if record[r.KIND] == r.AUTHORISATION_RESULT:
            open_.pop(record[r.INTENT], None)
    return len(open_), sum(open_.values())
