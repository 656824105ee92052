"""Which parameter sets the server hands out to whom: what is in force, what comes next, each once; and shelves that make no sense."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from protocol.errors import ParameterError
from server import keys as server_keys
from server.sets import Shelf, SignedSet, check, sign_set
from terminal.parameters import Parameters
from tests.support.parts import MemoryStorage

DAY = 86400
NOW = 1_790_000_000
ROOM = 16384
Make = Callable[..., SignedSet]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> server_keys.Keys:
    return server_keys.make(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def make(keys: server_keys.Keys) -> Make:
    @lru_cache
    def signed(version: int, days: int, kind: str = "tariff", until: int = 3650) -> SignedSet:
        """A set that is valid from `days` after NOW on."""
        start, end = NOW + days * DAY, NOW + until * DAY
        return check(keys, sign_set(keys, kind, version, start, end, NOW, {"lines": [version]}))

    return signed


class _Handheld:
    """A terminal's sets, real ones: it says which it has and takes what it is sent."""

    def __init__(self, keys: server_keys.Keys, first: SignedSet) -> None:
        self.storage = MemoryStorage()
        self.kept = Parameters(self.storage, NativeCrypto(), keys.public)
        self.storage.replace("params/tariff", first.message)  # as it is brought into service
        self.sent: list[int] = []
        self.room = SimpleNamespace(uncounted=lambda: False)
        self.crowded = lambda: False
        self.view = SimpleNamespace(sets={})
        self.applied: list[int] = []

    async def append(self, _kind: int, body: dict[int, object]) -> None:
        """Its journal's, that holds only this."""
        self.applied.append(cast("int", body[r.SET_VERSION]))

    def hear(self, shelf: Shelf, days: int = 0) -> None:
        """One session, `days` after NOW."""
        messages = shelf.newer(self.kept.versions(), ROOM, NOW + days * DAY)
        self.sent.append(len(messages))
        asyncio.run(self._take(messages, NOW + days * DAY))

    async def _take(self, messages: Sequence[bytes], now: int) -> None:
        await self.kept.settle(self, now, True)
        for message in messages:
            if self.kept.offer(message, now) is not None:
                await self.kept.settle(self, now, True)

    def in_force(self, *days: int) -> list[int]:
        return [self.kept.load("tariff", NOW + day * DAY).version for day in days]


@pytest.fixture
def handheld(keys: server_keys.Keys, make: Make) -> _Handheld:
    return _Handheld(keys, make(1, -30))


def test_what_is_in_force_comes_though_a_higher_version_waits(handheld: _Handheld, make: Make) -> None:
    shelf = Shelf([make(3, 90), make(2, -1)])
    for _ in range(3):
        handheld.hear(shelf)
    assert handheld.sent == [2, 0, 0]
    assert handheld.in_force(0, 89, 91) == [2, 2, 3]


def test_what_is_in_force_comes_after_one_that_waits(handheld: _Handheld, make: Make) -> None:
    handheld.hear(Shelf([make(1, -30), make(3, 90)]))
    shelf = Shelf([make(1, -30), make(3, 90), make(2, -1)])
    for _ in range(2):
        handheld.hear(shelf)
    assert handheld.sent == [1, 1, 0]
    assert handheld.in_force(0, 91) == [2, 3]


def test_of_several_that_are_to_come_the_next_one_comes_and_each_once(handheld: _Handheld, make: Make) -> None:
    handheld.hear(Shelf([make(4, 60)]))
    shelf = Shelf([make(2, 20), make(3, 40), make(4, 60)])
    for day in (0, 1, 21, 22, 41, 42, 61, 62):
        handheld.hear(shelf, day)
        assert handheld.in_force(day, day + 1) == [1 + day // 20] * 2
    assert sum(handheld.sent) == 4 and handheld.applied == [2, 3, 4]


def test_a_set_that_waits_is_not_called_back_by_what_comes_before_one_that_is_gone(
    handheld: _Handheld, make: Make
) -> None:
    """The terminal has version 5, which is on the shelf no more, and would refuse version 4, that is of a later day."""
    handheld.hear(Shelf([make(5, 10)]))
    handheld.hear(Shelf([make(4, 20)]))
    assert handheld.sent == [1, 0] and handheld.in_force(9, 21) == [1, 5]


def test_a_newer_version_of_an_earlier_or_a_later_day_takes_a_waiting_ones_place(
    handheld: _Handheld, make: Make
) -> None:
    for shelf in (Shelf([make(2, 30)]), Shelf([make(2, 30), make(3, 20)]), Shelf([make(4, 40)])):
        handheld.hear(shelf)
        handheld.hear(shelf)
    assert handheld.sent == [1, 0, 1, 0, 1, 0] and handheld.in_force(31, 41) == [1, 4]


def test_a_terminal_that_does_not_say_what_waits_has_what_is_in_force_first(make: Make) -> None:
    """As earlier releases do: the last one that they are sent waits."""
    shelf = Shelf([make(3, 90), make(2, -1), make(8, 5, "limits"), make(7, -1, "limits")])
    wanted = [make(2, -1), make(7, -1, "limits"), make(3, 90), make(8, 5, "limits")]
    assert shelf.newer({"tariff": 1}, ROOM, NOW) == [entry.message for entry in wanted]
    assert shelf.newer({"tariff": 1}, 1, NOW) == [wanted[0].message]
    assert shelf.newer({"tariff": 2, "limits": 7}, ROOM, NOW) == [entry.message for entry in wanted[2:]]


def test_a_shelf_says_which_of_its_sets_make_no_sense(
    keys: server_keys.Keys, make: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shelved = [make(1, -30), make(2, 30), make(3, 20, until=40), make(4, 50), make(5, 60, "limits")]
    for number, entry in enumerate(shelved):
        (tmp_path / f"{number}.cose").write_bytes(entry.message)
    with caplog.at_level(logging.WARNING):
        Shelf.load(keys, tmp_path)
    assert [record.getMessage() for record in caplog.records] == [
        "tariff 2 is never in force: version 3 is from an earlier day on",
        "tariff 3 expires before the day of version 4: sales stop in between",
    ]


def test_a_version_that_stands_for_two_sets_is_refused(make: Make) -> None:
    Shelf([make(2, 30), make(2, 30)])
    with pytest.raises(ParameterError, match="PRM-013"):
        Shelf([make(2, 30), make(2, 31)])


def test_a_set_without_numbers_is_none(keys: server_keys.Keys) -> None:
    message = sign_set(keys, "tariff", 2, None, NOW, NOW, {})  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="PRM-011"):
        check(keys, message)
