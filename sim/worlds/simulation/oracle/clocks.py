"""No fine and no payment begins by a clock that is behind the latest time that its terminal knows (RSK-006), and nothing is refused for that reason
once the centre has set the clock. Shares no code with `terminal.journal`.

The latest time known is told from outside: the centre's time in the WELCOME of the last finished session, and the times in the records that were
written since. The WELCOME of a session that did not finish, or that a payment asked for, may have been heeded or not: then the earlier of the two
counts. Over a boot the terminal has what its storage has: what the centre said in the last session in which it acknowledged something, and the
records since; of a storage that was damaged nothing is asked. A clock that leaps while a session lasts is set right by the next one. Not judged:
terminals that were copied or put back.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from protocol import records as r
from protocol import sync as m
from sim.worlds.simulation.factory import device_name

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.oracle.judge import Oracle

_BEGINS = {
    "mrz_entry": ("home",),
    "card_present": ("pay_choice",),
}  # screens with which something new begins, after these


@dataclass
class _Knows:
    """One terminal; times in seconds UTC, unless they are said to be ms of the schedule."""

    told: int = 0  # by the centre
    written: int = 0  # the latest record's time since
    since: int = 0  # number of the last record of before that
    session: int = 0  # what the WELCOME of the session under way says
    began: int = -1  # … and when it came, ms
    acked: bool = False  # whether something was acknowledged in it, durably
    kept: int = 0  # what the centre said that a boot still knows
    heard: int = -1  # when the WELCOME of the last finished session came, ms
    before: str = ""  # the screen before

    @property
    def latest(self) -> int:
        """The latest time."""
        return max(self.told, self.written)


class Clocks:
    """For one simulation's judge."""

    def __init__(self, judge: "Oracle") -> None:
        self._judge = judge
        self._known: dict[str, _Knows] = {}

    def _of(self, device: "Device") -> _Knows | None:
        if device_name(device.index) in self._judge.tampered:
            return None
        return self._known.setdefault(device.label, _Knows())

    def welcomed(self, device: "Device", welcome: dict[int, Any], *, first: bool) -> None:
        """WELCOME reaches a terminal, the `first` of a session or another one."""
        knows = self._of(device)
        if knows is None:
            return
        knows.told, knows.written = min(knows.latest, welcome[m.SERVER_UTC]), 0
        knows.since = device.terminal.journal.head_seq
        if first:
            knows.session, knows.began, knows.acked = welcome[m.SERVER_UTC], device.schedule.now, False

    def acknowledged(self, device: "Device") -> None:
        """That the centre has something is on storage."""
        knows = self._of(device)
        if knows is not None:
            knows.acked = True

    def synced(self, device: "Device") -> None:
        """A session is over: the clock is the centre's."""
        knows = self._of(device)
        if knows is None or knows.began < 0:
            return
        knows.told, knows.heard = knows.session, knows.began
        if knows.acked:
            knows.kept = knows.session
        knows.began = -1

    def booted(self, device: "Device") -> None:
        """What was heard is forgotten, and what is on storage is not, unless it was damaged."""
        knows = self._of(device)
        if knows is None:
            return
        knows.began = -1
        knows.told = min(knows.told, knows.kept)
        if device_name(device.index) in self._judge.missing.devices:
            knows.told = knows.written = knows.kept = 0

    def wrote(self, device: "Device", record: dict[int, Any]) -> None:
        """A record that is new in a terminal's storage."""
        knows = self._of(device)
        if knows is not None and record[r.SEQ] > knows.since:
            knows.written = max(knows.written, record[r.UTC])

    def shown(self, device: "Device", screen: str, fields: dict[str, Any]) -> None:
        """A screen."""
        knows = self._of(device)
        if knows is None:
            return
        now = device.clock.now()[0]
        if knows.before in _BEGINS.get(screen, ()) and now < knows.latest:
            self._judge.fail(
                f"{device.label} shows {screen} by a clock that is {knows.latest - now} s behind what it knows"
            )
        if screen == "error" and fields["code"] == "RSK-006" and knows.heard > device.leapt:
            self._judge.fail(f"{device.label} refuses for its clock, which the centre has set since it was wrong")
        knows.before = screen
