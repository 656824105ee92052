"""A storage that fills up: the officer is told with a code long before, the menu goes on saying it, no fine begins when it
is full, and what was begun can be ended.
"""

from protocol import records as r
from terminal.app import Terminal
from terminal.journal.journal import RESERVE, WARNING
from tests.support.centre import Handheld


class _Face:
    """Notes screens, presses the keys that it is given, then walks away."""

    def __init__(self, keys):
        self.keys = keys
        self.shown = []
        self.lang = "fr"

    async def show(self, screen, **fields):
        self.shown.append((screen, fields))

    async def key(self, timeout_ms):
        return self.keys.pop(0) if self.keys else None

    def status(self, **fields):
        pass


class _Menu(Terminal):
    """The application without its boot."""

    def __init__(self, parts, keys):
        self.ports, self.face, self.journal, self.room, self.reached = parts, _Face(keys), parts.journal, 0, True
        self.officer = {"number": 1007, "unit": "BSR-16"}
        parts.diagnostic = None


async def _terminal(free, keys):
    """The application's menu over a journal in memory with `free` bytes left."""
    parts = Handheld(None)
    await parts.journal.open()
    await parts.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    parts.journal.acknowledge(1, parts.journal.head_hash)
    t = _Menu(parts, keys)
    parts.storage.free_bytes = lambda: free
    t.journal.room(True)
    return t


def _homes(t):
    return [fields["room"] for screen, fields in t.face.shown if screen == "home"]


def _codes(t):
    return [fields["code"] for screen, fields in t.face.shown if screen == "error"]


async def test_with_enough_room_nothing_is_said():
    t = await _terminal(WARNING, [])
    await t._home()
    assert _homes(t) == [0] and not _codes(t)


async def test_the_officer_is_told_once_and_the_menu_goes_on_saying_it():
    t = await _terminal(WARNING - 1, ["ok", "lang", "lang"])
    await t._home()
    await t._home()
    assert _codes(t) == ["RSK-014"] and _homes(t) == [1, 1]


async def test_when_it_is_full_no_fine_begins_and_the_menu_still_works():
    t = await _terminal(RESERVE - 1, ["1", "ok", "cancel"])
    await t._home()
    assert _codes(t) == ["RSK-005"] and _homes(t) == [2]
    assert [screen for screen, _ in t.face.shown] == ["home", "error"]
    await t._home()
    assert t.officer is None


async def test_what_was_begun_can_be_ended_when_it_is_full():
    t = await _terminal(RESERVE - 1, [])
    for kind, body in (
        (r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 2000, r.OUTCOME: r.OUTCOME_INTERRUPTED}),
        (r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_UNPAID}),
    ):
        await t.journal.append(kind, body)
    assert t.journal.head_seq == 3
