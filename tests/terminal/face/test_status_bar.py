"""The status bar says what is so now: the time, also while a key is waited for, and the network as the last exchange with the server was."""

from drivers.contracts.small import Display
from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal import app, session
from terminal.face import sheet as sheets
from terminal.face.resources import atlas_blob
from tests.support import dual
from tests.support.centre import Handheld
from tests.support.parts import HandClock

DEVICE_HEAP = "288k"
MORNING = 1773493530  # 14:05:30 in Algeria


class Paper(Display):
    """Keeps how much was drawn, and where."""

    def __init__(self):
        self.areas = []

    async def fill(self, x, y, width, height, colour):
        self.areas.append((x, y, width, height))

    async def band(self, x, y, width, height, rows, foreground, background):
        self.areas.append((x, y, width, height))


class Keys:
    """Time goes by while it is waited for a key; `waits`: how long, each time."""

    def __init__(self, clock):
        self.clock = clock
        self.waits = []
        self.ms = 0
        self.names = []

    async def read_key(self, timeout_ms):
        if self.names:
            return self.names.pop(0)
        self.waits.append(timeout_ms)
        self.ms += timeout_ms
        self.clock.utc = MORNING + self.ms // 1000
        return None


class Parts:
    """The ports that the face needs."""

    def __init__(self):
        self.clock = HandClock(MORNING)
        self.display, self.keypad, self.scanner, self.diagnostic = Paper(), Keys(self.clock), None, None
        self.atlas, self.strings = atlas_blob(), None


async def _terminal():
    parts = Parts()
    t = app.build(parts, "fr")
    await t.face.show("locked")
    parts.display.areas = []
    return t, parts


async def test_the_clock_goes_on_while_a_key_is_waited_for_and_nothing_else_is_drawn():
    t, parts = await _terminal()
    assert t.face.state.clock == "14:05"
    assert await t.face.key(80000) is None
    assert parts.keypad.waits == [30000, 50000] and t.face.state.clock == "14:06"
    assert sum([area[2] * area[3] for area in parts.display.areas]) == 112 * sheets.STATUS_HEIGHT
    parts.display.areas = []
    await t.face.refresh()
    assert parts.display.areas == []


async def test_it_goes_on_where_keypad_and_scanner_are_looked_at_in_turn():
    t, parts = await _terminal()
    for _ in range(310):
        assert await t.face.key(100) is None
    assert t.face.state.clock == "14:06" and set(parts.keypad.waits) == {100}
    assert sum([area[2] * area[3] for area in parts.display.areas]) == 112 * sheets.STATUS_HEIGHT


async def test_another_language_is_drawn_with_the_time_now():
    t, parts = await _terminal()
    parts.clock.utc += 3600
    parts.keypad.names = ["lang", "1"]
    assert await t.face.key(1000) == "1"
    assert t.face.state.clock == "15:05" and t.face.lang == "en"


async def test_the_network_is_on_the_bar_of_the_next_screen():
    t, parts = await _terminal()
    for reached in (True, False):
        t.reached = reached
        parts.display.areas = []
        await t.face.show("locked")
        assert t.face.state.network == reached
        assert sum([area[2] * area[3] for area in parts.display.areas]) == 96 * sheets.STATUS_HEIGHT


async def test_each_exchange_says_whether_the_server_is_reached():
    troubles = []

    def answer(kind, payload):
        if troubles:
            raise troubles.pop()
        return m.TYPE_WELCOME, changed

    changed = {}
    t = Handheld(answer)
    await t.journal.open()
    t.reached = False
    await session.hello(t)
    assert t.reached
    troubles.append(NetworkError("not within reach", "NET-001"))
    await dual.araises(NetworkError, session.hello(t))
    assert not t.reached
    await session.hello(t)
    changed[m.EPOCH] = 99  # signed and of this session: the server is there, whatever it says
    await dual.araises(ServerError, session.hello(t))
    assert t.reached
    changed[m.NONCE] = b"another"
    await dual.araises(ServerError, session.hello(t))
    assert not t.reached
