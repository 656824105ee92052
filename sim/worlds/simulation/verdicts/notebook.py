"""What the officers have signed, as they would have it on paper: what is approved, and what of it the centre must still know."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Identity = tuple[str, int, int]


@dataclass(frozen=True)
class Entry:
    """A decision that was approved `at` a time (ms). Of money: centimes, which payments are `collected` by it, and which it says of by name that they
    are `nothing`; `wrong`: it is to be taken back. Of a fork: whether the payment stands.
    """

    about: Any  # the item, or the payment
    income: int = 0
    untaken: int = 0
    undoes: int = 0
    collected: frozenset[Identity] = frozenset()
    nothing: frozenset[Identity] = frozenset()
    wrong: bool = False
    stands: bool | None = None
    number: int = 0
    at: int = 0


@dataclass
class Notebook:
    """One simulation's. `restores`: (ms of the backup, ms of its restore): what lies between them is forgotten then."""

    now: Callable[[], int] = lambda: 0
    restores: list[tuple[int, int]] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    decides_money: bool = False
    decides_forks: bool = False

    def restored(self, since: int) -> bool:
        """Whether the database was replaced since."""
        return any(since < restore <= self.now() for _, restore in self.restores)

    def kept(self) -> Iterator[Entry]:
        """What the centre must know now, in order."""
        over = [(backup, restore) for backup, restore in self.restores if restore <= self.now()]
        return (one for one in self.entries if not any(backup < one.at < restore for backup, restore in over))

    def standing(self) -> list[Entry]:
        """Decisions about money that are not taken back."""
        kept = [entry for entry in self.kept() if entry.stands is None]
        undone = {(entry.about, entry.undoes) for entry in kept if entry.undoes}
        return [entry for entry in kept if not entry.undoes and (entry.about, entry.number) not in undone]

    def decided(self, name: str) -> tuple[int, int]:
        """Centimes of a device that are decided as collected, and as nothing."""
        mine = [entry for entry in self.standing() if entry.about.device == name]
        return sum(entry.income for entry in mine), sum(entry.untaken for entry in mine)

    def collected(self) -> set[Identity]:
        """Payments that are decided as collected."""
        return {payment for entry in self.standing() for payment in entry.collected}

    def verdicts(self) -> dict[Identity, bool]:
        """Whether each payment that was decided stands, by the last decision about it."""
        return {entry.about: entry.stands for entry in self.kept() if entry.stands is not None}
