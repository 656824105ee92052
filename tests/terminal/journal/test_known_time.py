"""The latest time that a terminal knows: no fine begins by a clock that is behind it, and the server's word sets a clock that was ahead."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, RiskError
from terminal.journal.journal import Journal
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.menu import Menu

DAY = 86400
NOW = 1_790_000_000


class _Server:
    """Takes every record, unless `cut` ends the session after WELCOME; its clock is right."""

    def __init__(self):
        self.utc = NOW
        self.cut = False
        self.seq, self.hash = 0, bytes(32)
        self.t = Handheld(self)

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: self.utc, m.RETRY_AFTER: 0}
            return m.TYPE_WELCOME, said
        if self.cut:
            raise NetworkError("cut", "NET-001")
        self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}

    async def boot(self):
        """As a terminal does, with a record of it."""
        t = self.t
        t.journal = Journal(t.storage, t.se, t.clock, t.crypto, t.device)
        t.journal._shelf.segment_bytes = 2048
        await t.journal.open()
        await self.write(1)

    async def write(self, count):
        for _ in range(count):
            await self.t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 100})

    async def sync(self):
        try:
            await Sync(self.t, quiet).run()
        except NetworkError:
            pass

    def refused(self):
        """The code for which no fine begins; "" if one does."""
        try:
            self.t.journal.require()
        except RiskError as error:
            return error.code
        return ""


async def _server():
    server = _Server()
    server.t.clock.utc = NOW
    await server.boot()
    return server


async def test_records_that_a_clock_dates_back_do_not_take_the_latest_time_along():
    server = await _server()
    assert server.refused() == ""
    server.t.clock.utc = NOW - 20 * DAY
    for _ in range(3):
        await server.write(1)
        assert server.refused() == "RSK-006"
    server.t.clock.utc = NOW
    assert server.refused() == ""


async def test_by_a_clock_that_is_behind_the_menu_begins_no_fine():
    server = await _server()
    server.t.clock.utc = NOW - 1
    menu = Menu(server.t, ["1", "ok"])
    await menu._home()
    assert [(screen, fields.get("code")) for screen, fields in menu.face.shown] == [
        ("home", None),
        ("error", "RSK-006"),
    ]


async def test_neither_a_boot_nor_new_segments_let_a_clock_sell_that_is_behind():
    for acked in (False, True):
        server = await _server()
        if acked:
            await server.sync()
        server.t.clock.utc = NOW - 20 * DAY
        for _ in range(4):
            await server.boot()
            assert server.refused() == "RSK-006"
            await server.write(20)  # more than a segment holds
        assert len(server.t.journal._shelf.segments) > 3
        server.t.clock.utc = NOW
        await server.boot()
        assert server.refused() == ""


async def test_the_server_sets_a_clock_that_is_behind():
    server = await _server()
    server.t.clock.utc = NOW - 20 * DAY
    await server.boot()
    await server.sync()
    assert (server.t.clock.utc, server.refused()) == (NOW, "")


async def test_the_server_sets_a_clock_that_is_ahead_whatever_the_records_say():
    for rotated in (1, 60):
        server = await _server()
        server.t.clock.utc = NOW + 366 * DAY
        await server.write(rotated)
        await server.sync()
        assert (server.t.clock.utc, server.refused()) == (NOW, "")
        await server.boot()
        assert server.refused() == ""
        server.t.clock.utc = NOW - 1
        assert server.refused() == "RSK-006"


async def test_a_clock_that_was_ahead_for_a_moment_stops_fines_until_the_server_is_heard():
    server = await _server()
    server.t.clock.utc = NOW + 366 * DAY
    await server.write(1)
    server.t.clock.utc = NOW
    await server.boot()
    assert server.refused() == "RSK-006"
    server.cut = True
    await server.sync()  # its word alone does, though it has taken nothing
    assert server.refused() == ""
    server.cut = False
    await server.sync()
    await server.boot()
    assert server.refused() == ""


async def test_what_the_server_said_counts_after_a_boot():
    server = await _server()
    server.utc = NOW + DAY
    await server.sync()
    server.t.clock.utc = NOW + 1
    await server.boot()
    assert server.refused() == "RSK-006"


async def test_a_server_that_was_ahead_is_set_right_by_the_next_session():
    server = await _server()
    for ahead in (100 * DAY, 0):
        server.utc = NOW + ahead
        await server.sync()
        await server.write(1)
    assert (server.t.clock.utc, server.refused()) == (NOW, "")
