"""When the faults that are no terminal's own take place: backups, new sets, refunds, upgrades, copies of terminals; lost storage is `destroyed`'s."""

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.worlds.simulation.destroyed import Destroyed
from sim.worlds.simulation.device import Device
from sim.worlds.simulation.draws import refunds
from sim.worlds.simulation.draws.faults import AHEAD, Fault
from sim.worlds.simulation.factory import CARDS, DRIVERS, MOST_DEVICES, device_name
from sim.worlds.simulation.legacy import storage_of_0_1_0
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.schedule import START_UTC
from sim.worlds.simulation.verdicts import copying

if TYPE_CHECKING:
    from sim.worlds.simulation.run import Simulation


class Striking:
    """The faults of one plan, arranged on its schedule."""

    def __init__(self, world: "Simulation") -> None:
        self._world = world
        arranged: dict[str, Callable[[Fault], None]] = {
            "backup-restore": self._backup, "new-set": self._new_set, "rollback": self._rollback, "clone": self._clone,
            "twin": self._twin, "upgrade": self._upgrade, "refund": self._refund, **dict.fromkeys(AHEAD, self._ahead), **Destroyed(world).kinds,
        }  # fmt: skip
        for fault in world.plan.faults:
            if fault.kind in arranged:
                arranged[fault.kind](fault)

    def _backup(self, fault: Fault) -> None:
        kept: list[bytes] = []
        self._world.schedule.call(fault.at * 1000, lambda: kept.append(self._world.centre.backup()))
        self._world.schedule.call(int(fault.value) * 1000, lambda: self._world.centre.restore(kept[0]))

    def _refund(self, fault: Fault) -> None:
        """The centre gives a payment back, as soon as there is one that was approved."""

        def ask(tries: int = refunds.TRIES) -> None:
            told = self._world.oracle.refunds.ask(
                self._world.centre,
                lambda line: self._world.tell("back office", line),
                self._world.schedule.utc,
                self._world.oracle.tampered,
            )
            if not told and tries:
                self._world.schedule.call(refunds.AGAIN_MS, lambda: ask(tries - 1))

        self._world.schedule.call(fault.at * 1000, ask)

    def _new_set(self, fault: Fault) -> None:
        self._world.schedule.call(fault.at * 1000, lambda: self._world.centre.publish(2))

    def _ahead(self, fault: Fault) -> None:
        start = START_UTC + int(fault.value)
        self._world.schedule.call(fault.at * 1000, lambda: self._world.centre.publish_dated(AHEAD[fault.kind], start))

    def _upgrade(self, fault: Fault) -> None:
        """Until now the terminal ran release 0.1.0: its storage has that release's form, and the present code takes over."""
        device = self._world.devices[fault.device]

        def swap() -> None:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or journal.first_retained != 1 or device.power.dead:
                return
            old = storage_of_0_1_0(journal, device.flash.files)
            device.pull(lambda: device.flash.files.update(old) or _drop(device.flash.files, old), "upgraded from 0.1.0")

        self._world.schedule.call(fault.at * 1000, swap)

    def _rollback(self, fault: Fault) -> None:
        device = self._world.devices[fault.device]
        kept: list[tuple[int, dict[str, bytes]]] = []

        def put_back() -> None:
            counter, files = kept[0]
            if device.element.counters[0] > counter:
                self._world.oracle.expected_stop.add(device.label)
                self._world.oracle.tampered.add(device_name(device.index))
            device.pull(
                lambda: device.flash.files.update(files) or _drop(device.flash.files, files), "storage put back"
            )

        self._world.schedule.call(
            fault.at * 1000, lambda: kept.append((device.element.counters[0], dict(device.flash.files)))
        )
        self._world.schedule.call(int(fault.value) * 1000, put_back)

    def _clone(self, fault: Fault) -> None:
        """The storage alone in other hardware: it must refuse to work."""

        def copy_it() -> None:
            source = self._world.devices[fault.device]
            label = f"{source.label}'s clone"
            clone = self._world.device(label, source.index, [Task("sync")], [], MOST_DEVICES - 1)
            clone.flash.files = dict(source.flash.files)
            if source.element.counters[0]:
                self._world.oracle.expected_stop.add(label)
                self._world.devices.append(clone)
                clone.start()

        self._world.schedule.call(fault.at * 1000, copy_it)

    def _twin(self, fault: Fault) -> None:
        """Storage and keys copied: both go on, the server must notice."""
        source = self._world.devices[fault.device]
        work = copying.of(self._world.plan.faults)

        def copy_it() -> Device:
            tasks = [Task("fine", DRIVERS[0], CARDS[0]), Task("sync")] if work is None else list(work.copys)
            twin = self._world.device(f"{source.label}'s twin", source.index, tasks, [])
            twin.flash.files = dict(source.flash.files)
            twin.element.counters = list(source.element.counters)
            twin.element.blocks = copy.copy(source.element.blocks)
            self._world.oracle.tampered.add(device_name(source.index))
            self._world.oracle.expected_twins.add(device_name(source.index))
            self._world.devices.append(twin)
            twin.start()
            return twin

        if work is None:
            self._world.schedule.call(fault.at * 1000, copy_it)
        else:
            self._world.schedule.call(0, lambda: work.wait(self._world, source, copy_it))


def _drop(files: dict[str, bytes], kept: dict[str, bytes]) -> None:
    for name in [name for name in files if name not in kept]:
        del files[name]
