"""Which parameter sets are in force in a terminal, by what it has been handed and the day by its clock: the tariff whose amounts a driver is shown,
the list of officers that lets somebody in. Shares no code with `terminal.parameters` or `server.sets`.

What a terminal knows for certain is what the WELCOMEs of its finished sessions have handed it, and what its own HELLO names of the rest; what an
unfinished session has handed it, it may have kept or not until it speaks again. Of what it knows the highest version is in force whose day has come
by its clock when it looks: as a page of the tariff is shown, as a PIN is asked for. Held against that:

    amounts        on screens and in the notice's record are that version's; the record names that version
    units          a log-in is of the unit that the officers in force are of
    coming into    is written down once, of a set that was handed, not before its day by the record's own time; at the latest when the main menu is
    force          shown again, or the shift ends
    the centre     a finished session has handed what is in force by the centre's time, and what comes next, of all that was published by then

A power cut excuses nothing. Not judged: terminals that were copied or put back. A record that was destroyed may come again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cbor2

from protocol import records as r
from protocol import sync as m
from sim.worlds.simulation.draws import ahead
from sim.worlds.simulation.factory import UNIT, device_name
from sim.worlds.simulation.oracle.asked_for import tariff

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.oracle.judge import Oracle

Set = tuple[str, int]  # kind, version
_NEXT = ".next"


@dataclass
class _Knows:
    """One terminal."""

    certain: set[Set] = field(default_factory=lambda: {(kind, 1) for kind in ahead.KINDS})
    perhaps: set[Set] = field(default_factory=set)
    session: set[Set] = field(default_factory=set)  # what the WELCOME of the session under way has handed
    at: int = 0  # … its time; 0: there was none
    written: set[Set] = field(default_factory=set)
    epochs: set[tuple[int, Set]] = field(default_factory=set)
    owed: set[Set] = field(default_factory=set)  # what is to be written down
    tariffs: set[int] = field(default_factory=set)  # versions that the page shown last may be of
    officers: set[int] = field(default_factory=set)
    amounts: dict[tuple[int, int], int] = field(default_factory=dict)  # of notices, by epoch and case


class InForce:
    """For one simulation's judge; it looks at nothing where no set was published before its day."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge
        self._known: dict[str, _Knows] = {}

    def _of(self, device: "Device") -> _Knows | None:
        """What a terminal knows, where there is anything to be known and nobody has tampered with it."""
        if not self._judge.centre.dated or device_name(device.index) in self._judge.tampered:
            return None
        return self._known.setdefault(device.label, _Knows())

    def _start(self, one: Set) -> int:
        """From when on a set is in force, seconds UTC."""
        kind, version = one
        return next(
            (own.valid_from for own in self._judge.centre.dated if (own.kind, own.version) == (kind, version)), 0
        )

    def _in_force(self, kind: str, among: set[Set], now: int) -> int:
        return max(version for own, version in among if own == kind and self._start((own, version)) <= now)

    def _may(self, knows: _Knows, kind: str, now: int) -> set[int]:
        """The versions that may be in force."""
        surely = self._in_force(kind, knows.certain, now)
        more = {
            version
            for own, version in knows.perhaps
            if own == kind and version > surely and self._start((own, version)) <= now
        }
        return {surely} | more

    # what passes between the terminal and the centre

    def begins(self, device: "Device", hello: dict[int, Any]) -> None:
        """A terminal says HELLO, and which sets it has."""
        knows = self._of(device)
        if knows is None:
            return
        names: set[Set] = set()
        for place, version in hello.get(m.SETS, {}).items():
            kind = place if isinstance(place, str) else m.SET_KINDS[place]
            names.add((kind.removesuffix(_NEXT), version))
        knows.certain |= knows.perhaps & names
        knows.perhaps.clear()

    def welcomed(self, device: "Device", welcome: dict[int, Any], *, first: bool) -> None:
        """WELCOME reaches a terminal, the `first` of a session or another one."""
        knows = self._of(device)
        if knows is None:
            return
        handed: set[Set] = set()
        for blob in welcome.get(m.NEW_SETS, ()):
            if (one := _named(blob))[0] in ahead.KINDS:
                handed.add(one)
        knows.perhaps |= handed
        if first:
            knows.session, knows.at = handed, welcome[m.SERVER_UTC]

    def synced(self, device: "Device") -> None:
        """A session is over."""
        knows = self._of(device)
        if knows is None or not knows.at:
            return
        knows.certain |= knows.session
        knows.perhaps -= knows.session
        for kind in ahead.KINDS:
            for one in self._must_have(kind, knows.at):
                if one not in knows.certain:
                    self._judge.fail(f"{device.label} has spoken to the centre, and was not handed {one[0]} {one[1]}")
            self._owe(knows, kind, knows.at)
        knows.session, knows.at = set(), 0

    def _must_have(self, kind: str, now: int) -> Iterator[Set]:
        """What was published by `now` and is in force then, and what comes next."""
        centre = self._judge.centre
        there = [one for one, at in zip(centre.dated, centre.dated_at, strict=True) if one.kind == kind and at <= now]
        lasting = [
            one
            for one in there
            if not any(other.version > one.version and other.valid_from <= one.valid_from for other in there)
        ]
        came = [one for one in lasting if one.valid_from <= now]
        for one in came[-1:] + lasting[len(came) :][:1]:
            yield kind, one.version

    # what a person is shown, and what is written

    def booted(self, device: "Device") -> None:
        """A session that was under way is cut off."""
        knows = self._of(device)
        if knows is not None:
            knows.session, knows.at = set(), 0

    def shown(self, device: "Device", screen: str, fields: dict[str, Any]) -> None:
        """A screen."""
        knows = self._of(device)
        if knows is None or not device.works:
            return
        now = device.clock.now()[0]
        if device.terminal.officer is not None:
            self._unsaid(device, knows, self._stored(device))
        if screen == "home":
            self._settled(device, knows)
            for kind in ahead.KINDS:
                self._owe(knows, kind, now)
        elif screen == "login_pin" and not fields.get("second") and not fields["stars"]:
            knows.officers = self._may(knows, "officers", now)
        elif screen == "offence_list":
            knows.tariffs = self._may(knows, "tariff", now)
        case = device.terminal.journal.view.case
        if case is not None and "amount" in fields:
            right = knows.amounts.get((device.terminal.journal.epoch, case.number))
            if right is not None and fields["amount"] != right:
                self._judge.fail(
                    f"{device.label} shows {screen} with {fields['amount']} centimes; the notice of that case asks for {right}"
                )

    def _owe(self, knows: _Knows, kind: str, now: int) -> None:
        versions = self._may(knows, kind, now)
        if len(versions) == 1 and 1 not in versions:
            knows.owed.add((kind, versions.pop()))

    @staticmethod
    def _stored(device: "Device") -> set[Set]:
        """What lies where a set lies that is in force, beside what the terminal was provisioned with."""
        stored = (device.flash.files.get(f"params/{kind}") for kind in ahead.KINDS)
        return {one for blob in stored if blob is not None and (one := _named(bytes(blob)))[1] > 1}

    def _settled(self, device: "Device", knows: _Knows) -> None:
        """What has come into force was written down."""
        self._unsaid(device, knows, knows.owed)
        knows.owed.clear()

    def _unsaid(self, device: "Device", knows: _Knows, sets: set[Set]) -> None:
        for kind, version in sorted(sets - knows.written):
            if device_name(device.index) not in self._judge.missing.devices:
                self._judge.fail(f"{device.label}: {kind} {version} has come into force, and no record says so")

    def wrote(self, device: "Device", record: dict[int, Any]) -> None:
        """A record that is new in a terminal's storage."""
        knows = self._of(device)
        if knows is None:
            return
        kind, what = record[r.KIND], f"{device.label}: record {record[r.SEQ]}"
        if kind == r.NOTICE:
            version, offence, amount = record[r.TARIFF], record[r.OFFENCE], record[r.AMOUNT]
            knows.amounts[record[r.EPOCH], record[r.CASE]] = amount
            if knows.tariffs and version not in knows.tariffs:
                self._judge.fail(f"{what} is by tariff {version}; in force is {_told(knows.tariffs)}")
            if amount != tariff(version)[offence]:
                self._judge.fail(f"{what} asks for {amount} centimes; tariff {version} says {tariff(version)[offence]}")
        elif kind == r.LOGIN and knows.officers:
            if record[r.UNIT] not in {ahead.unit(version, UNIT) for version in knows.officers}:
                self._judge.fail(
                    f"{what} is of unit {record[r.UNIT]}; in force is list {_told(knows.officers)} of the officers"
                )
        elif kind == r.PARAMETERS_APPLIED and record[r.SET_KIND] in ahead.KINDS:
            self._applied(device, knows, record, what)

    def _applied(self, device: "Device", knows: _Knows, record: dict[int, Any], what: str) -> None:
        one = (record[r.SET_KIND], record[r.SET_VERSION])
        again = (record[r.EPOCH], one)
        if one not in knows.certain | knows.perhaps:
            self._judge.fail(f"{what} has {one[0]} {one[1]} come into force, which it was never handed")
        if record[r.UTC] < self._start(one):
            self._judge.fail(f"{what} has {one[0]} {one[1]} come into force before its day")
        if again in knows.epochs and device_name(device.index) not in self._judge.missing.devices:
            self._judge.fail(f"{what} has {one[0]} {one[1]} come into force once more")
        knows.epochs.add(again)
        knows.written.add(one)

    def ended(self, device: "Device") -> None:
        """When all is quiet nothing is left to be written down."""
        knows = self._of(device)
        if knows is not None and device.works:
            knows.owed |= self._stored(device)
            self._settled(device, knows)


@lru_cache(maxsize=64)
def _named(blob: bytes) -> Set:
    """Kind and version of a signed set."""
    message = cbor2.loads(blob)
    payload = cbor2.loads(getattr(message, "value", message)[2])
    return payload[1], payload[2]


def _told(versions: set[int]) -> str:
    return " or ".join(str(version) for version in sorted(versions))
