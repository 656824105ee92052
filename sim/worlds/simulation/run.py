"""One seed: what it draws (`plan`) is played until all is quiet, and judged."""

import gc
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from protocol import records as r
from server.acquirer import outbox
from server.store.engine import reading
from sim.worlds.fleet import LIMITS
from sim.worlds.simulation import centre as centres
from sim.worlds.simulation import remembered
from sim.worlds.simulation.air import Air
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.device import Device
from sim.worlds.simulation.draws import faults as drawing
from sim.worlds.simulation.draws import limits, refunds, refusals
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan, draw
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.officer import Officer, Task
from sim.worlds.simulation.oracle.judge import Oracle
from sim.worlds.simulation.schedule import Schedule
from sim.worlds.simulation.striking import Striking
from sim.worlds.simulation.verdicts import judged
from sim.worlds.simulation.verdicts.copying import ONLINE
from sim.worlds.simulation.verdicts.desks import desks

CHAOS_MS = 6 * 3600 * 1000
TESTIMONY_MS = 300_000  # twins have spoken to the server by then
_ENDS = ("approved", "provisional", "declined", "interrupted")
SETTLE_MS = 2 * 3600 * 1000
_ON_FILE = tuple(
    f"SELECT 1 FROM {table} WHERE device = ? AND epoch = ? AND seq = ? AND record = ?" for table in ("raw", "forks")
)


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


class Simulation:
    """The wiring of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.schedule = Schedule()
        self.story: list[str] = []
        central = [fault for fault in plan.faults if fault.device < 0]
        self.centre = Centre(self.schedule, central, lambda line: self.tell("centre", line))
        centres.current(self.centre)
        self.oracle = Oracle(self.centre, refunds.Refunds(plan.seed), limits.of(plan.faults))
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
        self.last = 1000 * max([60, *(fault.ends() for fault in plan.faults)])
        self.healed = 0
        self.devices: list[Device] = []
        for index, tasks in enumerate(plan.tasks):
            own = [fault for fault in plan.faults if fault.device == index]
            self.devices.append(self.device(f"terminal {index + 1}", index, list(tasks), own))
        if self.oracle.limits != LIMITS:
            signed = factory().signed("limits", 1, self.oracle.limits)
            for device in self.devices:
                device.flash.files["params/limits"] = signed
        Striking(self)

    def tell(self, who: str, line: str) -> None:
        """A line of the story."""
        self.story.append(f"{self.schedule.now / 1000:9.1f} s  {who}: {line}")

    def device(self, label: str, index: int, tasks: list[Task], faults: list[Fault], key: int | None = None) -> Device:
        """A terminal with its officer and its radio, not yet switched on."""
        rng = random.Random(f"device {self.plan.seed} {label}")

        def tell(line: str) -> None:
            self.tell(label, line)

        network = {fault.at: fault for fault in faults if fault.kind in drawing.NETWORK}
        air = Air(
            self.schedule, self.centre, random.Random(rng.random()), network, tell, self.oracle.fail, device_name(index)
        )
        officer = Officer(tasks, tell)
        device = Device(label, index, self.schedule, air, officer, rng, self.oracle, tell, key)
        officer.settled = lambda: self.quiet() and all(map(self._heard, self._beside(device)))
        device.plan([fault for fault in faults if fault.kind not in drawing.NETWORK])
        return device

    def quiet(self) -> bool:
        """Whether nothing waits anywhere."""
        return self._terminals_quiet() and self._drained()

    def _beside(self, device: Device) -> list[Device]:
        """A terminal, and where one of two copies kept its network the other one: it may speak long after, and what officers decide then has a result
        that this one is to hear before its shift ends.
        """
        if not any(fault.kind == ONLINE for fault in self.plan.faults):
            return [device]
        return [one for one in self.devices if one.index == device.index]

    def _heard(self, device: Device) -> bool:
        """Whether the server has, in the chain or beside it, every record that a copied terminal, or the one that it was copied from, has written
        behind what was acknowledged last: two that speak in the same seconds are refused, and their officers ask again. Of any other terminal that is
        so once all is quiet.
        """
        name = device_name(device.index)
        if name not in self.oracle.expected_twins:
            return True
        acked = device.terminal.journal.acked_seq
        return all(_on_file(name, record, data) for record, data in device.records() if record[r.SEQ] > acked)

    def _terminals_quiet(self) -> bool:
        """Of one that was tampered with nothing is awaited but, where officers decide about forks, that it takes the results that are there."""
        decides = self.oracle.decided.decides_forks
        return all(
            device_name(device.index) in self.oracle.tampered
            and not (decides and judged.untold(device))
            or device.quiet
            for device in self.devices
        )

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
        last = self.last
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
        self.healed = self.schedule.now
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
        if self.oracle.expected_twins and self.schedule.now < self.healed + TESTIMONY_MS:
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


def _on_file(name: str, record: dict[int, Any], data: bytes) -> bool:
    """Whether the server holds this very record of a terminal, in its chain or beside it."""
    return any(factory().look(question, name, record[r.EPOCH], record[r.SEQ], data) for question in _ON_FILE)


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
