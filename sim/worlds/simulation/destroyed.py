"""When storage is lost for good, and which records of it: each kind of `losses`, and of `verdicts`, on the schedule."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.worlds.simulation.device import Device
from sim.worlds.simulation.draws import losses
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import device_name
from sim.worlds.simulation.verdicts import losing

if TYPE_CHECKING:
    from sim.worlds.simulation.run import Simulation


class Destroyed:
    """What destroys records in the world of one plan; `kinds`: what arranges each kind of fault."""

    def __init__(self, world: "Simulation") -> None:
        self._world = world
        self.kinds: dict[str, Callable[[Fault], None]] = {
            "lost-records": self._lost_records, "lost-journal": self._lost_journal, "lost-results": self._lost_results,
            "lost-any": self._lost_any, "lost-again": self._lost_again, "lost-deferred": self._lost_deferred,
            "lost-money": self._lost_payments, "lost-booked": self._lost_payments,
        }  # fmt: skip

    def _lose(self, device: Device, lost: list[losses.Lost], what: str = "") -> None:
        """These records and their second copies cannot be read any more; the terminal boots again."""
        self._world.oracle.missing.lose(lost, device.terminal.journal.head_seq, device.once)
        why = f"records {lost[0].seq} to {lost[-1].seq}{what} are lost"
        device.pull(lambda: losses.spoil(device.flash.files, lost), why)

    def _lost_any(self, fault: Fault) -> None:
        """Records of any kind are lost, acknowledged or not, as soon as there are some of the kind that is wished for."""
        device = self._world.devices[fault.device]
        wish = losses.Wish(random.Random(f"lost any records {self._world.plan.seed}"), int(fault.value))
        until = (fault.at + losses.ANY_LOOKS_S) * 1000

        def look(seen: int) -> None:
            head = device.terminal.journal.head_seq if device.works else seen
            if wish.kind and self._world.schedule.now < until and not (head > seen and wish.there(device, seen - 1)):
                self._world.schedule.call(1000, lambda: look(max(head, 1)))
            else:
                self._world.schedule.call(wish.later_ms, lose)

        def lose(tries: int = 20) -> None:
            lost = wish.choose(device) if device.works else []
            if lost:
                self._lose(device, lost)
            elif tries and not self._world.healed:
                self._world.schedule.call(5000, lambda: lose(tries - 1))

        self._world.schedule.call(fault.at * 1000, lambda: look(1))

    def _lost_deferred(self, fault: Fault) -> None:
        """A deferred payment is lost that nobody has yet and whose case is over, sooner or later after that."""
        device = self._world.devices[fault.device]
        later_ms = random.Random(f"lost deferred records {self._world.plan.seed}").choice((0, 0, 20_000, 60_000))
        until = (fault.at + losses.DEFERRED_LOOKS_S) * 1000

        def find() -> list[losses.Lost]:
            return losses.deferred(device, fault.value == 2) if device.works else []

        def look() -> None:
            if find():
                self._world.schedule.call(later_ms, lose)
            elif self._world.schedule.now < until and not self._world.healed:
                self._world.schedule.call(1000, look)

        def lose() -> None:
            if lost := find():
                self._lose(device, lost)

        self._world.schedule.call(fault.at * 1000, look)

    def _lost_payments(self, fault: Fault) -> None:
        """Approved payments are among what is lost."""
        losing.Losing(
            self._world.plan, fault, self._world.devices[fault.device], self._world.schedule, self._lose,
            lambda until: 0 if self._world.healed else self._turn(until),
        )  # fmt: skip

    def _lost_records(self, fault: Fault) -> None:
        """Records that nobody has yet, and their second copies, cannot be read any more."""
        device = self._world.devices[fault.device]
        rng = random.Random(f"lost records {self._world.plan.seed}")

        def lose(tries: int = 40) -> None:
            lost = losses.choose(device, int(fault.value), rng) if device.works else []
            if lost:
                self._lose(device, lost)
            elif tries:  # there is nothing to lose yet
                self._world.schedule.call(15_000, lambda: lose(tries - 1))

        self._world.schedule.call(fault.at * 1000, lose)

    def _lost_results(self, fault: Fault) -> None:
        """What the terminal has just written down of results is lost before anybody has it."""
        device = self._world.devices[fault.device]
        rng = random.Random(f"lost results {self._world.plan.seed}")

        def look(seen: int, until: int) -> None:
            head = device.terminal.journal.head_seq if device.works else seen
            lost = losses.choose(device, int(fault.value), rng, results=True) if head != seen else []
            if lost:
                self._lose(device, lost, ", results among them,")
            elif self._world.schedule.now < until and not self._world.healed:
                self._world.schedule.again(100, lambda: look(head, until), self._turn(until))

        start = fault.at * 1000
        self._world.schedule.call(start, lambda: look(0, start + losses.LOOKS_S * 1000))

    def _turn(self, until: int) -> int:
        """What changes though nothing happens: the faults are over, or `until` is."""
        return until if self._world.schedule.now >= self._world.last else min(until, self._world.last)

    def _lost_again(self, fault: Fault) -> None:
        """The server was restored, and a terminal heard of it: of what it is to send again something is lost."""
        rng = random.Random(f"lost again {self._world.plan.seed}")
        upgraded = {other.device for other in self._world.plan.faults if other.kind == "upgrade"}
        heard = [0] * len(self._world.devices)

        def look(until: int) -> None:
            for index, before in enumerate(heard):
                device = self._world.devices[index]
                now = device.terminal.journal.acked_seq if device.works else before
                heard[index] = max(now, before)
                if (
                    now < before
                    and index not in upgraded
                    and (lost := losses.choose(device, int(fault.value), rng, None))
                ):
                    self._lose(device, lost, ", which were to be sent again,")
                    return
            if self._world.schedule.now < until and not self._world.healed:
                self._world.schedule.again(50, lambda: look(until), self._turn(until))

        start = fault.at * 1000 - 1
        self._world.schedule.call(start, lambda: look(start + losses.LOOKS_S * 1000))

    def _lost_journal(self, fault: Fault) -> None:
        """The terminal's storage is exchanged; only a new epoch leads back."""
        device = self._world.devices[fault.device]

        def lose() -> None:
            journal = getattr(device.terminal, "journal", None)
            if journal is None or journal.counter < 0 or device.power.dead or not device.element.counters[0]:
                return
            self._world.oracle.missing.lose(losses.everything(device), journal.head_seq, device.once)
            self._world.oracle.missing.erased.add(device_name(device.index))
            device.officer.asks = True
            device.pull(lambda: losses.erase(device.flash.files), "the storage is lost")
            office = losses.BackOffice(
                self._world.centre,
                device_name(device.index),
                lambda line: self._world.tell("back office", line),
                self._world.oracle.fail,
            )
            self._world.schedule.spawn(office.work(lambda: self._world.schedule.utc))

        self._world.schedule.call(fault.at * 1000, lose)
