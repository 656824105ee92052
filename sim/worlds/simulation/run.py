"""One seed: draw what happens and what goes wrong, play it until all is quiet, judge it."""

import copy
import dataclasses
import gc
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from protocol import records as r
from server.acquirer import outbox
from server.store.engine import reading
from sim.worlds.simulation import asked, losses, refunds, refusals, remembered, signatures, verdicts, workers
from sim.worlds.simulation import centre as centres
from sim.worlds.simulation import faults as drawing
from sim.worlds.simulation.air import Air
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.device import Device
from sim.worlds.simulation.factory import CARDS, DRIVERS, MOST_DEVICES, device_name, factory
from sim.worlds.simulation.faults import Fault
from sim.worlds.simulation.legacy import storage_of_0_1_0
from sim.worlds.simulation.officer import Officer, Task
from sim.worlds.simulation.oracle import Oracle
from sim.worlds.simulation.schedule import Schedule
from sim.worlds.simulation.verdicts import losing
from sim.worlds.simulation.verdicts.desks import desks

WORK_S = 600  # faults tied to a time lie within this
CHAOS_MS = 6 * 3600 * 1000
TESTIMONY_MS = 300_000  # twins have spoken to the server by then
TAPPED, PATIENT = 1 / 3, 2 / 3
_ENDS = ("approved", "provisional", "declined", "interrupted")
SETTLE_MS = 2 * 3600 * 1000


@dataclass
class Plan:
    """What a seed does: tasks by terminal, and faults. Leaving out a fault leaves the rest as it is."""

    seed: int
    tasks: list[list[Task]]
    faults: list[Fault]


@dataclass
class Outcome:
    """What came of it."""

    plan: Plan
    broken: list[str]
    story: list[str]
    cpu_s: float
    virtual_s: int
    figures: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every invariant held."""
        return not self.broken


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"tasdid {seed}")
    devices = rng.choice((1, 2, 2, 3))
    tasks = [_shift(rng, rng.choice((1, 2, 2, 3)) if devices > 1 else rng.randint(2, 5)) for _ in range(devices)]
    faults = drawing.draw(rng, devices, WORK_S)
    faults += losses.draw(seed, devices, faults, WORK_S)
    tasks = _second_thoughts(random.Random(f"second thoughts {seed}"), tasks)
    tasks = signatures.draw(seed, _taps(random.Random(f"taps {seed}"), tasks))
    tasks = losses.asked_again(seed, tasks, faults)
    tasks, troubles = asked.draw(seed, tasks)
    faults += troubles + refunds.draw(seed, faults, WORK_S)
    faults += refusals.draw(seed, faults) + workers.draw(seed)
    faults += verdicts.draw(seed, tasks, faults)
    return Plan(seed, verdicts.speaking(seed, tasks, faults), faults)


def _taps(rng: random.Random, shifts: list[list[Task]]) -> list[list[Task]]:
    """A third of the cards is tapped, a third of those is not presented again once it was torn away; drawn apart, as second thoughts."""
    return [
        [dataclasses.replace(task, tap=rng.random() < TAPPED, back=rng.random() < PATIENT) for task in shift]
        for shift in shifts
    ]


def _second_thoughts(rng: random.Random, shifts: list[list[Task]]) -> list[list[Task]]:
    """Voids and abandoned cases, drawn apart so that the rest of a seed's plan is what it always was."""
    changed = []
    for shift in shifts:
        tasks: list[Task] = []
        for task in shift:
            if task.what == "fine" and rng.random() < 0.08:
                task = dataclasses.replace(task, abandon=rng.randint(1, 5))
            tasks.append(task)
            if task.what == "fine" and not task.later and rng.random() < 0.4:
                card = task.card if rng.random() < 0.85 else rng.choice(CARDS)
                after = rng.choice(("pay", "pay", "later", "abandon"))
                reason = rng.randint(1, 5) if after == "abandon" else 0
                tasks.append(Task("void", card=card, later=after == "later", abandon=reason))
        changed.append(tasks)
    return changed


def _shift(rng: random.Random, fines: int) -> list[Task]:
    tasks: list[Task] = []
    for _ in range(fines):
        later = rng.random() < 0.1
        card = rng.choice(CARDS)
        tasks.append(Task("fine", rng.choice(DRIVERS), card, later, rng.randint(1, 5)))
        if rng.random() < 0.5:
            tasks.append(Task("sync"))
        if rng.random() < 0.3:
            tasks.append(Task("idle", seconds=rng.choice((60, 120, 240))))
    if rng.random() < 0.5:
        tasks.append(Task("close"))
    return tasks


class Simulation:
    """The wiring of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.schedule = Schedule()
        self.story: list[str] = []
        central = [fault for fault in plan.faults if fault.device < 0]
        self.centre = Centre(self.schedule, central, lambda line: self.tell("centre", line))
        centres.current(self.centre)
        self.oracle = Oracle(self.centre, refunds.Refunds(plan.seed))
        self.centre.after_commit = self.oracle.committed
        self.desk: refusals.Desk | None = None
        if any(
            fault.kind in (*drawing.REFUSALS, drawing.REVERSAL_UNSAID, drawing.REVERSAL_REFUSED)
            for fault in plan.faults
        ):
            self.desk = refusals.Desk(plan.seed, self.centre, lambda line: self.tell("back office", line))
        self.officers = desks(
            plan, self.centre, self.schedule, self.oracle, lambda line: self.tell("back office", line)
        )
        self._last = 1000 * max([60, *(fault.ends() for fault in plan.faults)])
        self._healed = 0
        self.devices: list[Device] = []
        for index, tasks in enumerate(plan.tasks):
            own = [fault for fault in plan.faults if fault.device == index]
            self.devices.append(self._device(f"terminal {index + 1}", index, list(tasks), own))
        for fault in plan.faults:
            self._arrange(fault)

    def tell(self, who: str, line: str) -> None:
        """A line of the story."""
        self.story.append(f"{self.schedule.now / 1000:9.1f} s  {who}: {line}")

    def _device(self, label: str, index: int, tasks: list[Task], faults: list[Fault], key: int | None = None) -> Device:
        rng = random.Random(f"device {self.plan.seed} {label}")

        def tell(line: str) -> None:
            self.tell(label, line)

        network = {fault.at: fault for fault in faults if fault.kind in drawing.NETWORK}
        air = Air(self.schedule, self.centre, random.Random(rng.random()), network, tell, self.oracle.fail)
        officer = Officer(tasks, tell)
        officer.settled = self.quiet
        device = Device(label, index, self.schedule, air, officer, rng, self.oracle, tell, key)
        device.plan([fault for fault in faults if fault.kind not in drawing.NETWORK])
        return device

    def _arrange(self, fault: Fault) -> None:
        """Faults that are no terminal's own."""
        arranged: dict[str, Callable[[Fault], None]] = {
            "backup-restore": self._backup, "new-set": self._new_set, "rollback": self._rollback, "clone": self._clone,
            "twin": self._twin, "upgrade": self._upgrade, "lost-records": self._lost_records,
            "lost-journal": self._lost_journal, "lost-results": self._lost_results, "lost-any": self._lost_any,
            "lost-again": self._lost_again, "lost-deferred": self._lost_deferred,
            "refund": self._refund, "lost-money": self._lost_payments, "lost-booked": self._lost_payments,
        }  # fmt: skip
        if fault.kind in arranged:
            arranged[fault.kind](fault)

    def _backup(self, fault: Fault) -> None:
        kept: list[bytes] = []
        self.schedule.call(fault.at * 1000, lambda: kept.append(self.centre.backup()))
        self.schedule.call(int(fault.value) * 1000, lambda: self.centre.restore(kept[0]))

    def _refund(self, fault: Fault) -> None:
        """The centre gives a payment back, as soon as there is one that was approved."""

        def ask(tries: int = refunds.TRIES) -> None:
            told = self.oracle.refunds.ask(
                self.centre, lambda line: self.tell("back office", line), self.schedule.utc, self.oracle.tampered
            )
            if not told and tries:
                self.schedule.call(refunds.AGAIN_MS, lambda: ask(tries - 1))

        self.schedule.call(fault.at * 1000, ask)

    def _new_set(self, fault: Fault) -> None:
        self.schedule.call(fault.at * 1000, lambda: self.centre.publish(2))

    def _upgrade(self, fault: Fault) -> None:
        """Until now the terminal ran release 0.1.0: its storage has that release's form, and the present code takes over."""
        device = self.devices[fault.device]

        def swap() -> None:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or journal.first_retained != 1 or device.power.dead:
                return
            old = storage_of_0_1_0(journal, device.flash.files)
            device.pull(lambda: device.flash.files.update(old) or _drop(device.flash.files, old), "upgraded from 0.1.0")

        self.schedule.call(fault.at * 1000, swap)

    def _lose(self, device: Device, lost: list[losses.Lost], what: str = "") -> None:
        """These records and their second copies cannot be read any more; the terminal boots again."""
        self.oracle.missing.lose(lost, device.terminal.journal.head_seq, device.once)
        why = f"records {lost[0].seq} to {lost[-1].seq}{what} are lost"
        device.pull(lambda: losses.spoil(device.flash.files, lost), why)

    def _lost_any(self, fault: Fault) -> None:
        """Records of any kind are lost, acknowledged or not, as soon as there are some of the kind that is wished for."""
        device = self.devices[fault.device]
        wish = losses.Wish(random.Random(f"lost any records {self.plan.seed}"), int(fault.value))
        until = (fault.at + losses.ANY_LOOKS_S) * 1000

        def look(seen: int) -> None:
            head = device.terminal.journal.head_seq if device.works else seen
            if wish.kind and self.schedule.now < until and not (head > seen and wish.there(device, seen - 1)):
                self.schedule.call(1000, lambda: look(max(head, 1)))
            else:
                self.schedule.call(wish.later_ms, lose)

        def lose(tries: int = 20) -> None:
            lost = wish.choose(device) if device.works else []
            if lost:
                self._lose(device, lost)
            elif tries and not self._healed:
                self.schedule.call(5000, lambda: lose(tries - 1))

        self.schedule.call(fault.at * 1000, lambda: look(1))

    def _lost_deferred(self, fault: Fault) -> None:
        """A deferred payment is lost that nobody has yet and whose case is over, sooner or later after that."""
        device = self.devices[fault.device]
        later_ms = random.Random(f"lost deferred records {self.plan.seed}").choice((0, 0, 20_000, 60_000))
        until = (fault.at + losses.DEFERRED_LOOKS_S) * 1000

        def find() -> list[losses.Lost]:
            return losses.deferred(device, fault.value == 2) if device.works else []

        def look() -> None:
            if find():
                self.schedule.call(later_ms, lose)
            elif self.schedule.now < until and not self._healed:
                self.schedule.call(1000, look)

        def lose() -> None:
            if lost := find():
                self._lose(device, lost)

        self.schedule.call(fault.at * 1000, look)

    def _lost_payments(self, fault: Fault) -> None:
        """Approved payments are among what is lost."""
        losing.Losing(
            self.plan, fault, self.devices[fault.device], self.schedule, self._lose,
            lambda until: 0 if self._healed else self._turn(until),
        )  # fmt: skip

    def _lost_records(self, fault: Fault) -> None:
        """Records that nobody has yet, and their second copies, cannot be read any more."""
        device = self.devices[fault.device]
        rng = random.Random(f"lost records {self.plan.seed}")

        def lose(tries: int = 40) -> None:
            lost = losses.choose(device, int(fault.value), rng) if device.works else []
            if lost:
                self._lose(device, lost)
            elif tries:  # there is nothing to lose yet
                self.schedule.call(15_000, lambda: lose(tries - 1))

        self.schedule.call(fault.at * 1000, lose)

    def _lost_results(self, fault: Fault) -> None:
        """What the terminal has just written down of results is lost before anybody has it."""
        device = self.devices[fault.device]
        rng = random.Random(f"lost results {self.plan.seed}")

        def look(seen: int, until: int) -> None:
            head = device.terminal.journal.head_seq if device.works else seen
            lost = losses.choose(device, int(fault.value), rng, results=True) if head != seen else []
            if lost:
                self._lose(device, lost, ", results among them,")
            elif self.schedule.now < until and not self._healed:
                self.schedule.again(100, lambda: look(head, until), self._turn(until))

        start = fault.at * 1000
        self.schedule.call(start, lambda: look(0, start + losses.LOOKS_S * 1000))

    def _turn(self, until: int) -> int:
        """What changes though nothing happens: the faults are over, or `until` is."""
        return until if self.schedule.now >= self._last else min(until, self._last)

    def _lost_again(self, fault: Fault) -> None:
        """The server was restored, and a terminal heard of it: of what it is to send again something is lost."""
        rng = random.Random(f"lost again {self.plan.seed}")
        upgraded = {other.device for other in self.plan.faults if other.kind == "upgrade"}
        heard = [0] * len(self.devices)

        def look(until: int) -> None:
            for index, before in enumerate(heard):
                device = self.devices[index]
                now = device.terminal.journal.acked_seq if device.works else before
                heard[index] = max(now, before)
                if (
                    now < before
                    and index not in upgraded
                    and (lost := losses.choose(device, int(fault.value), rng, None))
                ):
                    self._lose(device, lost, ", which were to be sent again,")
                    return
            if self.schedule.now < until and not self._healed:
                self.schedule.again(50, lambda: look(until), self._turn(until))

        start = fault.at * 1000 - 1
        self.schedule.call(start, lambda: look(start + losses.LOOKS_S * 1000))

    def _lost_journal(self, fault: Fault) -> None:
        """The terminal's storage is exchanged; only a new epoch leads back."""
        device = self.devices[fault.device]

        def lose() -> None:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or device.power.dead or not device.element.counters[0]:
                return
            self.oracle.missing.lose(losses.everything(device), journal.head_seq, device.once)
            self.oracle.missing.erased.add(device_name(device.index))
            device.officer.asks = True
            device.pull(lambda: losses.erase(device.flash.files), "the storage is lost")
            office = losses.BackOffice(
                self.centre, device_name(device.index), lambda line: self.tell("back office", line), self.oracle.fail
            )
            self.schedule.spawn(office.work(lambda: self.schedule.utc))

        self.schedule.call(fault.at * 1000, lose)

    def _rollback(self, fault: Fault) -> None:
        device = self.devices[fault.device]
        kept: list[tuple[int, dict[str, bytes]]] = []

        def put_back() -> None:
            counter, files = kept[0]
            if device.element.counters[0] > counter:
                self.oracle.expected_stop.add(device.label)
                self.oracle.tampered.add(device_name(device.index))
            device.pull(
                lambda: device.flash.files.update(files) or _drop(device.flash.files, files), "storage put back"
            )

        self.schedule.call(fault.at * 1000, lambda: kept.append((device.element.counters[0], dict(device.flash.files))))
        self.schedule.call(int(fault.value) * 1000, put_back)

    def _clone(self, fault: Fault) -> None:
        """The storage alone in other hardware: it must refuse to work."""

        def copy_it() -> None:
            source = self.devices[fault.device]
            label = f"{source.label}'s clone"
            clone = self._device(label, source.index, [Task("sync")], [], MOST_DEVICES - 1)
            clone.flash.files = dict(source.flash.files)
            if source.element.counters[0]:
                self.oracle.expected_stop.add(label)
                self.devices.append(clone)
                clone.start()

        self.schedule.call(fault.at * 1000, copy_it)

    def _twin(self, fault: Fault) -> None:
        """Storage and keys copied: both go on, the server must notice."""

        def copy_it() -> None:
            source = self.devices[fault.device]
            tasks = [Task("fine", DRIVERS[0], CARDS[0]), Task("sync")]
            twin = self._device(f"{source.label}'s twin", source.index, tasks, [])
            twin.flash.files = dict(source.flash.files)
            twin.element.counters = list(source.element.counters)
            twin.element.blocks = copy.copy(source.element.blocks)
            self.oracle.tampered.add(device_name(source.index))
            self.oracle.expected_twins.add(device_name(source.index))
            self.devices.append(twin)
            twin.start()

        self.schedule.call(fault.at * 1000, copy_it)

    def quiet(self) -> bool:
        """Whether nothing waits anywhere."""
        return self._terminals_quiet() and self._drained()

    def _terminals_quiet(self) -> bool:
        return all(device.quiet or device_name(device.index) in self.oracle.tampered for device in self.devices)

    def _drained(self) -> bool:
        with reading(self.centre.engine) as connection:
            drained = outbox.unsettled(connection) == 0
        return drained and (self.desk is None or self.desk.idle()) and all(desk.idle() for desk in self.officers)

    def play(self, hasty: bool) -> None:
        """Trouble first, then everything heals, then the judgement; `hasty` ends at the first invariant that breaks."""
        for device in self.devices:
            device.start()
        self.centre.begin()
        if self.desk is not None:
            self.schedule.spawn(self.desk.work(lambda: self.schedule.utc))
        for desk in self.officers:
            self.schedule.spawn(desk.work(), desk.begins)
        last = self._last
        self.schedule.run(
            lambda: (
                self.schedule.now >= last
                and all(device.officer.done for device in self.devices)
                or hasty
                and bool(self.oracle.broken)
            ),
            last + CHAOS_MS,
        )
        if hasty and self.oracle.broken:
            return
        self.tell("all", "no more faults")
        self._healed = self.schedule.now
        self.centre.heal()
        for device in self.devices:
            device.heal()
        settled = self.schedule.run(
            lambda: self._finished() or hasty and bool(self.oracle.broken), self.schedule.now + SETTLE_MS, 20_000
        )
        if hasty and self.oracle.broken:
            return
        if not settled:
            self.oracle.fail("it never becomes quiet: " + self._waiting())
        self.oracle.quiescent(self.devices)

    def _finished(self) -> bool:
        if self.oracle.expected_twins and self.schedule.now < self._healed + TESTIMONY_MS:
            return False
        for device in self.devices:
            if not (
                device.stopped
                and not device.officer.asks
                or device.officer.closed
                and device.officer.screen == "login_number"
            ):
                if device_name(device.index) not in self.oracle.tampered:
                    return False
        return self.quiet()

    def _waiting(self) -> str:
        said = []
        for device in self.devices:
            journal = getattr(device.terminal, "journal", None)
            if journal is not None and not device.quiet:
                said.append(
                    f"{device.label} acknowledged {journal.acked_seq} of {journal.head_seq},"
                    f" {len(journal.view.provisional)} results awaited{', a void' if journal.view.voiding else ''}"
                )
        with reading(self.centre.engine) as connection:
            said.append(f"{outbox.unsettled(connection)} requests in the outbox")
        return "; ".join(said)


def _drop(files: dict[str, bytes], kept: dict[str, bytes]) -> None:
    for name in [name for name in files if name not in kept]:
        del files[name]


def play(plan: Plan, hasty: bool = False) -> Outcome:
    """Play a plan; `hasty` when it matters only whether anything breaks."""
    assert factory().blank
    began = time.process_time()
    gc.collect(
        0
    )  # what the seed before has left is not gone through in the midst of this one, with that of many others
    simulation = Simulation(plan)
    try:
        with remembered.recall():
            simulation.play(hasty)
    finally:
        centres.current(None)
    devices: Sequence[Any] = simulation.devices
    figures = {
        "terminals": len(plan.tasks),
        "faults": len(plan.faults),
        "records": sum(getattr(getattr(d.terminal, "journal", None), "head_seq", 0) for d in devices),
        "outcomes_shown": len(simulation.oracle.seen),
        "messages": simulation.centre.messages,
        "captures": len(simulation.centre.book.captures()),
        "reversals": factory().look("SELECT COUNT(*) FROM outbox WHERE step = 3"),
        "voids": factory().look("SELECT COUNT(*) FROM voids WHERE state = 2"),
        "abandoned": factory().look("SELECT COUNT(*) FROM cases WHERE closure = 5"),
        "gaps": factory().look("SELECT COUNT(*) FROM gaps"),
        "epochs": factory().look("SELECT COUNT(*) FROM epochs WHERE state = 2"),
        "forks": factory().look("SELECT COUNT(*) FROM forks"),
        "checks": simulation.oracle.checks,
        **_tapped(),
    }
    return Outcome(
        plan,
        simulation.oracle.broken,
        simulation.story,
        time.process_time() - began,
        simulation.schedule.now // 1000,
        figures,
    )


def _tapped() -> dict[str, int]:
    """How the taps ended that the server knows of, and how many payments of whatever kind were interrupted (after a power cut nobody knows)."""
    outcomes = factory().records(r.PAYMENT_OUTCOME)
    ends = [entry[r.OUTCOME] for entry in outcomes if r.INTERFACE in entry]
    interrupted = sum(entry[r.OUTCOME] == r.OUTCOME_INTERRUPTED for entry in outcomes)
    return {**{f"taps_{name}": ends.count(number) for number, name in enumerate(_ENDS, 1)}, "interrupted": interrupted}


@lru_cache(maxsize=1)
def settle() -> None:
    """For a process that plays many seeds: what all of them share is made, and the collector does not go through it again."""
    assert factory().blank
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def simulate(seed: int, hasty: bool = False) -> Outcome:
    """Play a seed."""
    return play(draw(seed), hasty)
