"""A server that was restored from a backup, or whose clock is wrong: the terminal keeps what the server has just said it lacks,
however old it once was, and no clock makes records old or stops them from growing old.
"""

from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal.journal.journal import Journal
from terminal.journal.room import SPARE
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.hearing import DAY, daily

DEVICE_HEAP = "384k"  # a storage of weeks in memory, twice where it grows
BEGIN = 1_790_000_000


class _Server:
    """Holds records up to `seq`; `cut` ends the session after WELCOME."""

    def __init__(self):
        self.seq, self.hash = 0, bytes(32)
        self.now = BEGIN
        self.cut = False
        self.heard = []
        self.sets = []
        self.handheld = None

    def backup(self):
        return self.seq, self.hash

    def restore(self, backup):
        self.seq, self.hash = backup

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: self.now, m.RETRY_AFTER: 0}
            if self.sets:
                said[m.NEW_SETS] = self.sets
            return m.TYPE_WELCOME, said
        if self.cut:
            raise NetworkError("cut", "NET-001")
        self.handheld.network.sent.clear()
        assert m.GAP not in payload
        first = payload[m.FIRST_SEQ]
        self.seq = first + told.count(payload) - 1
        self.heard += range(first, self.seq + 1)
        self.hash = self.handheld.crypto.sha256(self.handheld.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


async def _boot(t, free=0):
    t.journal = Journal(t.storage, t.se, t.clock, t.crypto, t.device)
    t.journal._shelf.segment_bytes = 2048
    if free:
        t.storage.free_bytes = lambda: free
    await t.journal.open()


async def _opened(free=0):
    server = _Server()
    server.handheld = t = Handheld(server)
    await _boot(t, free)
    return server, t


async def _write(t, count):
    for _ in range(count):
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 100})


async def _daily(server, t, days):
    """Sessions, one a day, with a record each."""
    for _ in range(days):
        server.now += DAY
        await _write(t, 1)
        await Sync(t, quiet).run()


async def _restored(free, days):
    """Ten records, a backup, forty more, all acknowledged; `days` later the backup is restored."""
    server, t = await _opened(free)
    await _write(t, 10)
    await Sync(t, quiet).run()
    backup = server.backup()
    await _write(t, 40)
    await Sync(t, quiet).run()
    await _write(t, 20)
    server.cut = True
    server.now += days * DAY
    daily(t.journal, server.now)
    assert t.journal.acked_seq == 50 and t.journal.first_retained == 1
    server.restore(backup)
    return server, t


async def test_what_a_restored_server_lacks_is_kept_though_the_session_breaks_off():
    for free, days, both in ((SPARE - 1, 7, (0, 1)), (0, 60, (1,))):
        for boots in both:
            server, t = await _restored(free, days)
            server.now += DAY
            try:
                await Sync(t, quiet).run()
                raise AssertionError("not cut")
            except NetworkError:
                pass
            assert t.journal.acked_seq == 10
            if boots:
                await _boot(t, free)
                assert t.journal.acked_seq == 10 and not t.journal.losses.gaps
            await _write(t, 40)  # rotations
            t.journal.make_room()
            assert t.journal.first_retained <= 11
            server.cut = False
            server.heard = []
            await Sync(t, quiet).run()
            assert server.heard == list(range(11, t.journal.head_seq + 1)) and not t.journal.view.gaps


async def test_what_was_sent_again_is_kept_as_long_as_what_was_sent_first():
    """The server's next backup may be of before the healing: it covers nothing that was sent again."""
    for boots in (0, 1):
        server, t = await _restored(SPARE - 1, 7)
        server.cut = False
        server.now += DAY
        await Sync(t, quiet).run()
        assert t.journal.acked_seq == t.journal.head_seq and t.journal.first_retained <= 11
        for _ in range(7):
            if boots:
                await _boot(t, SPARE - 1)
            await _daily(server, t, 1)
            assert t.journal.first_retained <= 11
        await _daily(server, t, 2)
        assert t.journal.first_retained > 50


async def test_a_parameter_set_that_comes_with_the_welcome_makes_no_rotation_that_deletes():
    class Applied:
        kind, version = "limits", 7

    for extra in range(0, 16, 2):
        server, t = await _restored(SPARE - 1, 7)
        await _write(t, extra)
        t.offer = lambda blob, now: Applied
        server.sets = [b"set"]
        server.cut = False
        server.now += DAY
        server.heard = []
        await Sync(t, quiet).run()
        assert server.heard == list(range(11, t.journal.head_seq + 1)) and not t.journal.view.gaps, extra


async def test_a_server_that_lacks_all_is_sent_all():
    server, t = await _restored(SPARE - 1, 7)
    server.restore((0, bytes(32)))
    server.now += DAY
    try:
        await Sync(t, quiet).run()
    except NetworkError:
        pass
    await _boot(t, SPARE - 1)
    await _write(t, 20)
    assert (t.journal.acked_seq, t.journal.first_retained) == (0, 1)


async def test_the_servers_clock_far_off_in_one_session_deletes_nothing_and_stops_nothing():
    for wrong, boots in ((3650 * DAY, True), (61 * DAY, False), (-3650 * DAY, True)):
        server, t = await _opened(SPARE - 1)
        for day in range(16):
            if boots:
                await _boot(t, SPARE - 1)
            server.now = BEGIN + day * DAY + (wrong if day == 2 else 0)
            await _write(t, 4)
            await Sync(t, quiet).run()
            if day < 7:
                assert t.journal.first_retained == 1, (wrong, day)
        oldest = (t.journal.first_retained - 1) // 4  # day of the oldest record kept
        assert 4 <= oldest <= 8, (wrong, boots, oldest)


async def test_a_clock_that_stays_wrong_costs_a_day_and_no_more():
    server, t = await _opened(SPARE - 1)
    await _write(t, 30)
    await Sync(t, quiet).run()
    await _write(t, 20)
    for hour in range(24):
        server.now = BEGIN + 3650 * DAY + hour * 3600
        await _write(t, 1)
        await Sync(t, quiet).run()
        await _boot(t, SPARE - 1)
    await _daily(server, t, 5)
    assert t.journal.first_retained == 1
    await _daily(server, t, 2)
    assert t.journal.first_retained > 20


async def test_a_server_that_acknowledges_as_much_of_another_chain_is_found_out():
    server, t = await _opened()
    await _write(t, 5)
    await Sync(t, quiet).run()
    for seq in (5, 3):
        server.seq, server.hash = seq, b"?" * 32
        try:
            await Sync(t, quiet).run()
            raise AssertionError("taken")
        except ServerError as error:
            assert error.code == "SRV-072"
        assert t.journal.acked_seq == 5
