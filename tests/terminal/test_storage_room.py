"""A storage that fills up: the officer is told with a code long before, the menu goes on saying it, no fine begins when it
is full, and what was begun can be ended.
"""

from protocol import records as r
from protocol.errors import JournalError, RiskError
from terminal.journal.room import LAST, RESERVE, WARNING
from tests.support.centre import Handheld
from tests.support.menu import Menu


async def _terminal(free, keys):
    """The application's menu over a journal in memory with `free` bytes left."""
    parts = Handheld(None)
    await parts.journal.open()
    await parts.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    parts.journal.acknowledge(1, parts.journal.head_hash)
    t = Menu(parts, keys)
    parts.storage.free_bytes = lambda: free
    t.journal.room.state(True)
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
    t = await _terminal(RESERVE - 1, ["1", "ok", "cancel", "ok"])
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


async def test_before_a_session_has_no_room_nobody_logs_in_and_what_was_begun_can_still_be_ended():
    for free, acknowledged, refused in (
        (LAST, False, False),
        (LAST - 1, False, True),
        (LAST - 1, True, False),
        (LAST // 2 - 1, True, True),
    ):
        t = await _terminal(free, [])
        if not acknowledged:
            await t.journal.append(r.OUTAGE_BEGIN, {})
        head = t.journal.head_seq
        assert t.journal.crowded() == refused
        for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16, r.FORCE: 1}), (r.LOGIN, {})):
            t.journal._stand.acked = head if acknowledged else 1
            try:
                await t.journal.append(kind, body)
                assert not refused
                head += 1
            except RiskError as error:
                assert refused and error.code == "RSK-005"
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer"})
        assert t.journal.head_seq == head + 1


async def test_who_cannot_log_in_for_want_of_room_synchronises():
    t = await _terminal(LAST // 2 - 1, ["1", "ok"])
    t.officer = None
    tried = []

    async def network(name):
        tried.append(name)

    async def log_in(terminal, key):
        await terminal.journal.append(r.LOGIN, {})

    from terminal.flows import login

    plain, login.log_in = login.log_in, log_in
    t._network = network
    try:
        await t._session()
    finally:
        login.log_in = plain
    assert tried == ["session"] and _codes(t) == ["RSK-005"] and t.officer is None


async def test_a_storage_that_cannot_be_counted_is_not_called_full():
    t = await _terminal(WARNING, ["1", "ok", "lang"])

    def uncounted():
        raise JournalError("storage cannot be read", "JRN-014")

    t.journal._storage.free_bytes = uncounted
    t.journal.room.state(True)
    await t._home()
    await t._home()
    assert _codes(t) == ["RSK-015"] and _homes(t) == [3, 3]
    for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16, r.FORCE: 1}), (r.NOTICE, {})):
        try:
            await t.journal.append(kind, body)
            raise AssertionError
        except RiskError as error:
            assert error.code == "RSK-015"
    await t.journal.append(r.OUTAGE_BEGIN, {})
