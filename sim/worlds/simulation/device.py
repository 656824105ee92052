"""One terminal: its parts, the real application on them, its power. Everything but flash, element and clock is lost
when the power goes.
"""

import random
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cbor2

from drivers.contracts.small import CLOCK_SERVER, Display, Keypad
from protocol import records as r
from protocol.emv.contactless.ui import INSERT_CARD
from sim.cards.base import Card
from sim.worlds.simulation import remembered
from sim.worlds.simulation.air import Air
from sim.worlds.simulation.draws import ahead
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.officer import Notes, Officer, QuietFace
from sim.worlds.simulation.parts import Element, Flash, PaperTray, Power, PowerCut, Reader, VirtualClock
from sim.worlds.simulation.schedule import Pause, Schedule, Task
from terminal import app
from terminal.ports import Ports

if TYPE_CHECKING:
    from sim.worlds.simulation.oracle.judge import Oracle

REBOOT_MS = 8000
SESSION_S, LAG_S = 300, 2  # longer than a session takes; than a reply is on its way
DAY_MS = 86_400_000
BATCH_BYTES = (0x1800, 0x4000)  # as the boards of `mcu` and `linux` grant, in turn
_SETS = tuple(f"params/{kind}" for kind in ahead.KINDS)
_FACE = Path(app.__file__).parent / "face"


@lru_cache(maxsize=2)
def _blob(name: str) -> bytes:
    return (_FACE / name).read_bytes()


class Device:
    """The terminal of factory key `key`, with the identity of `index` in its storage."""

    def __init__(
        self,
        label: str,
        index: int,
        schedule: Schedule,
        air: Air,
        officer: Officer,
        rng: random.Random,
        oracle: "Oracle",
        tell: Callable[[str], None],
        key: int | None = None,
    ) -> None:
        made = factory()
        self.label, self.index = label, index
        self.schedule, self.air, self.officer, self.oracle, self.tell = schedule, air, officer, oracle, tell
        key = index if key is None else key
        self.power = Power()
        self.flash = Flash(self.power, random.Random(rng.random()), made.files(index))
        self.element = Element(self.power, random.Random(rng.random()), made.devices[key], made.secrets(key))
        self.flash.replaced = self._replaced
        air.hellos, air.welcomes = self._asks, self._welcomed
        self.clock = VirtualClock(schedule, 0)
        self.crypto = remembered.Crypto()
        self._cards = {name: made.card(name, random.Random(rng.random())) for name in _names(officer)}
        self._licences = {
            task.driver: made.licence(task.driver, random.Random(rng.random())) for task in officer.tasks if task.driver
        }
        self._air = {name: made.on_air(name, self._cards[name], random.Random(rng.random())) for name in self._cards}
        self.licence_reader = Reader(self._offer_licence)
        self.contactless_reader = Reader(self._offer_tap)
        self.payment_reader = Reader(self._offer_card)
        self.batch_bytes = BATCH_BYTES[index % 2]
        self.tears: dict[int, int] = {}
        self._cut_set: Fault | None = None
        self.payments = self._pulls = 0
        self.presented = ""  # the card that a person held out last
        self.once = 0  # records that were acknowledged at some time, be it that a restored server has forgotten
        self.leapt = -DAY_MS  # when its clock was put wrong last
        self.stopped = ""  # code of the trouble after which the terminal refuses to work
        self.balanced: list[Any] = []
        self.recons: dict[int, Any] = {}  # the same by the shift's number
        self._read: Any = None
        self._records: list[tuple[dict[int, Any], bytes]] = []
        self._followed: Any = None
        self._tail: list[tuple[dict[int, Any], bytes]] = []
        self.terminal: app.Terminal
        self._life: Task

    def _replaced(self, name: str, data: bytes) -> None:
        """The acknowledgement is looked at when it becomes durable, for the person who trusts it; behind a set that did not wait the power may go."""
        if name == "state/acked":
            self.once = max(self.once, cbor2.loads(data)[0])
            self.oracle.acknowledged(self, cbor2.loads(data)[0])
        if self._cut_set is not None and name in _SETS and data != self.flash.files.get(name + ".next"):
            self.power.cuts[self.power.operations + self._cut_set.at] = str(self._cut_set.value)
            self._cut_set = None

    def _asks(self, hello: dict[int, Any]) -> None:
        """It says HELLO."""
        self.oracle.in_force.begins(self, hello)

    def _welcomed(self, welcome: dict[int, Any], first: bool) -> None:
        """WELCOME reaches it, the first of a session or another one."""
        self.oracle.in_force.welcomed(self, welcome, first=first)
        self.oracle.clocks.welcomed(self, welcome, first=first)

    def records(self) -> list[tuple[dict[int, Any], bytes]]:
        """(record, its bytes) of all that its journal gives out; read once for each state of it."""
        journal = self.terminal.journal
        state = (journal, journal.first_retained, journal.head_seq)
        if self._read != state:
            self._read, self._records = state, [(record, data) for record, data, _ in journal.entries(1)]
        return self._records

    def held(self, first: int) -> list[tuple[dict[int, Any], bytes]]:
        """As `records`, from number `first` on, and each read once in the journal's life: for faults that wait for a record. What is judged is
        read whole.
        """
        journal = self.terminal.journal
        if self._followed != (journal, journal.epoch):
            self._followed, self._tail = (journal, journal.epoch), []
        last = self._tail[-1][0][r.SEQ] if self._tail else 0
        if last < journal.head_seq:
            self._tail += [(record, data) for record, data, _ in journal.entries(last + 1)]
        first = max(first, journal.first_retained)
        return [(record, data) for record, data in self._tail if record[r.SEQ] >= first]

    def _offer_licence(self) -> Card | None:
        return self._licences.get(self.officer.task.driver)

    def _tapping(self) -> bool:
        """Whether the card is held to the antenna now: not once the terminal has asked for its contacts."""
        officer = self.officer
        inserting = officer.screen == "card_message" and officer.fields.get("ui") == INSERT_CARD
        return officer.task.what == "fine" and officer.task.tap and not inserting

    def _offer_tap(self) -> Card | None:
        task = self.officer.task
        first = self.officer.screen == "card_present"
        if not self._tapping() or not (first or task.back):
            return None
        if first:
            self.payments += 1
            self.contactless_reader.tear_at = self.tears.pop(self.payments, 0)
        self.presented = task.card
        return self._air.get(task.card)

    def _offer_card(self) -> Card | None:
        if self._tapping():
            return None
        self.payments += 1
        self.payment_reader.tear_at = self.tears.pop(self.payments, 0)
        self.presented = self.officer.task.card
        return self._cards.get(self.officer.task.card)

    def start(self) -> None:
        """Switch on."""
        self._build()
        self._life = self.schedule.spawn(self._live(), 1)

    def _build(self) -> None:
        """The application as the board builds it, its face replaced by one without a display."""
        notes = Notes(self._note)
        ports = Ports(
            storage=self.flash, se=self.element, crypto=self.crypto, clock=self.clock, display=Display(), keypad=Keypad(),
            scanner=self.officer, printer=PaperTray(), licence_reader=self.licence_reader,
            payment_reader=self.payment_reader, network=self.air, diagnostic=notes, atlas=_blob("atlas.bin"),
            strings=_blob("strings.bin"), contactless_reader=self.contactless_reader, batch_bytes=self.batch_bytes,
        )  # fmt: skip
        self.terminal = app.build(ports)
        self.terminal.face = QuietFace(self.officer, self._watch, _blob("atlas.bin"), _blob("strings.bin"))

    async def _live(self) -> None:
        while True:
            try:
                await self.terminal.run()
            except PowerCut:
                await self._reboot("the power goes")

    async def _reboot(self, why: str) -> None:
        self.tell(f"{why} at durable operation {self.power.operations}")
        self._lose_cards()
        await Pause(REBOOT_MS)
        self._up()

    def _lose_cards(self) -> None:
        for reader in (self.licence_reader, self.payment_reader, self.contactless_reader):
            reader.power_off()

    def _up(self) -> None:
        self.power.dead = False
        self.stopped = ""
        self.officer.busy = False
        self._build()

    def pull(
        self, change: Callable[[], None] | None = None, why: str = "the battery is pulled", off_ms: int = REBOOT_MS
    ) -> None:
        """Take the battery out wherever the terminal is now; `change` is done to it before it boots again, `off_ms` later."""
        self._pulls += 1
        pull = self._pulls
        self._life.done = True
        self.power.dead = True
        try:
            self._life.coroutine.close()
        except PowerCut:
            pass  # a clean-up wanted to write: there is no power for it
        self._lose_cards()
        self.tell(why)
        if change is not None:
            change()

        def again() -> None:
            if pull != self._pulls:
                return  # pulled again while it was off: that one switches it on
            self._up()
            self._life = self.schedule.spawn(self._live(), 1)

        self.schedule.call(off_ms, again)

    def _watch(self, screen: str, fields: dict[str, Any]) -> None:
        """Everything that a person is shown passes here first."""
        if screen == "boot":
            self.stopped = ""
        if screen == "error":
            self.tell(f"screen: error {fields['code']}")
            if fields["code"].startswith(("JRN", "SEC")):
                self.stopped = fields["code"]
        if screen == "shift_summary":
            if not fields.get("recalled"):  # after a boot nobody knows whether it balances
                self.balanced.append(fields.get("balanced"))
                self.recons[self.terminal.journal.view.shift] = fields.get("balanced")
        self.oracle.shown(self, screen, fields)

    def _note(self, event: str, fields: dict[str, Any]) -> None:
        if event == "synced":
            if wrong := self._wrong_time():
                self.oracle.fail(wrong)
            self.oracle.in_force.synced(self)
            self.oracle.clocks.synced(self)
        if event in ("error", "rejected", "synced", "shift", "gap", "epoch"):
            self.tell(event + " " + " ".join(f"{key}={value}" for key, value in fields.items() if key != "totals"))

    def _wrong_time(self) -> str | None:
        """What is wrong with the clock once a session is over in which the centre was heard, if anything. A leap in the midst of the session is set
        right by the next.
        """
        seconds, quality = self.clock.now()
        if self.schedule.now - self.leapt < SESSION_S * 1000:
            return None
        if abs(seconds - self.schedule.utc) <= LAG_S and quality == CLOCK_SERVER:
            return None
        return f"{self.label} has heard the centre, and its clock is {seconds - self.schedule.utc} s off (quality {quality})"

    @property
    def works(self) -> bool:
        """Whether it is on, its journal open and nothing stopped it."""
        journal = getattr(self.terminal, "journal", None)
        return journal is not None and journal.counter >= 0 and not self.power.dead and not self.stopped

    @property
    def quiet(self) -> bool:
        """Whether nothing waits in it: everything acknowledged, every result there, no case open."""
        if self.stopped:
            return not self.officer.asks
        journal = getattr(self.terminal, "journal", None)
        return (
            journal is not None
            and journal.counter >= 0
            and journal.acked_seq == journal.head_seq
            and journal.view.voiding is None
            and not self._awaits(journal.view)
        )

    def _awaits(self, view: Any) -> bool:
        """Whether a result, or a receipt for sealed card data, is to come. None comes for an outcome that was destroyed before it arrived:
        a segment's head may remember it.
        """
        name = device_name(self.index)
        outcomes = {view.sealed.get(intent, intent) for intent in view.provisional} | set(view.sealed.values())
        return any(not self.oracle.missing.never_came(name, seq) for seq in outcomes)

    def heal(self) -> None:
        """No more faults; the clock is right, the officer settles."""
        self.power.cuts.clear()
        self._cut_set = None
        self.air.heal()
        self.tears.clear()
        self.officer.settling = True

    def plan(self, faults: list[Fault]) -> None:
        """Arrange the faults that are this terminal's own."""
        for fault in faults:
            value = fault.value if isinstance(fault.value, int) else 0
            if fault.kind == "cut":
                self.power.cuts[fault.at] = str(fault.value)
            elif fault.kind == "cut-set":
                self._cut_set = fault
            elif fault.kind == "tear":
                self.tears[fault.at] = value
            elif fault.kind == "pull":
                self.schedule.call(fault.at * 1000, self.pull)
            elif fault.kind == "drawer":
                self.schedule.call(fault.at * 1000, lambda off=value: self.pull(why="switched off", off_ms=off * 1000))
            elif fault.kind == "clock-jump":
                self.schedule.call(fault.at * 1000, lambda by=value: self._jump(by))
            elif fault.kind == "outage":
                self.schedule.call(fault.at * 1000, lambda: self.radio(False))
                self.schedule.call((fault.at + value) * 1000, lambda: self.radio(True))

    def _jump(self, seconds: int) -> None:
        self.tell(f"the clock jumps by {seconds} s")
        self.clock.skew += seconds
        self.leapt = self.schedule.now

    def radio(self, up: bool) -> None:
        """Its network comes or goes."""
        self.tell("network up" if up else "network down")
        self.air.up = up


def _names(officer: Officer) -> list[str]:
    return sorted({task.card for task in officer.tasks if task.card})
