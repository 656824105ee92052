"""Broken builds of what a terminal knows: which parameter sets are in force on which day, and how late it is."""

from typing import Any
from unittest import mock
from weakref import WeakSet

from protocol.sync import SET_KINDS
from server import sets
from sim.worlds.simulation.mutations.base import Mutation, both
from terminal.journal.journal import Journal
from terminal.parameters import Parameters

_FOR_EVER = 1 << 40


def _next_unhanded() -> Any:
    return mock.patch.object(sets, "_sooner", lambda *_arguments: False)


def _next_never() -> Any:
    return mock.patch.object(Parameters, "_due", lambda *_arguments: None)


def _next_at_once() -> Any:
    plain = Parameters._due
    return mock.patch.object(Parameters, "_due", lambda self, kind, _now: plain(self, kind, _FOR_EVER))


def _next_stays() -> Any:
    """A set that waits gives way to no other one."""
    plain = Parameters.offer

    def offer(self: Parameters, blob: bytes, now: int) -> Any:
        waiting = {name: data for name, data in self._storage.files.items() if name.endswith(".next")}
        found = plain(self, blob, now)
        for name, data in waiting.items():
            self._storage.replace(name, data)
        return found

    return mock.patch.object(Parameters, "offer", offer)


def _applied_again() -> Any:
    plain = Parameters.settle

    async def settle(self: Parameters, journal: Journal, now: int, heard: bool) -> None:
        journal.view.sets.clear()
        await plain(self, journal, now, heard)

    return mock.patch.object(Parameters, "settle", settle)


def _applied_unsaid() -> Any:
    plain = Parameters.settle

    async def settle(self: Parameters, journal: Journal, now: int, heard: bool) -> None:
        if heard:
            await plain(self, journal, now, heard)

    return mock.patch.object(Parameters, "settle", settle)


def _applied_cut() -> Any:
    """What was kept before a power cut, and was not written down by then, is taken for written."""
    plain = Parameters.offer
    fresh: WeakSet[Parameters] = WeakSet()

    def offer(self: Parameters, blob: bytes, now: int) -> Any:
        fresh.add(self)
        return plain(self, blob, now)

    settles = Parameters.settle

    async def settle(self: Parameters, journal: Journal, now: int, heard: bool) -> None:
        if self not in fresh:
            for kind in SET_KINDS:
                self._storage.remove(f"params/{kind}.new")
        fresh.discard(self)
        await settles(self, journal, now, heard)

    return both(mock.patch.object(Parameters, "offer", offer), mock.patch.object(Parameters, "settle", settle))


def _clock_behind() -> Any:
    return mock.patch.object(Journal, "require", lambda self: self.room.require())


def _clock_for_ever() -> Any:
    plain = Journal.hear

    def hear(self: Journal, utc: int) -> None:
        latest = self.last_utc
        plain(self, utc)
        self._stand.utc = max(latest, utc)

    return mock.patch.object(Journal, "hear", hear)


KNOWING = (
    Mutation("next-unhanded", "a set that comes into force later is handed to nobody", _next_unhanded),
    Mutation("next-never", "a set that waits for its day never comes into force", _next_never),
    Mutation("next-at-once", "the day of a set that waits counts for nothing", _next_at_once),
    Mutation("next-stays", "a set that waits gives way to none that takes its place", _next_stays),
    Mutation("applied-again", "a set that comes into force is written down as often as is looked", _applied_again),
    Mutation("applied-unsaid", "a set that comes into force unheard is not written down", _applied_unsaid),
    Mutation("applied-cut", "a set that was kept before a power cut and its record is not written down", _applied_cut),
    Mutation("clock-behind", "a fine begins by a clock that is behind what is known", _clock_behind),
    Mutation("clock-for-ever", "a clock that was ahead once is believed after the centre has set it", _clock_for_ever),
)
