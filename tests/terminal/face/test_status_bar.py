"""The status bar says what is so now: the time, also while a key is waited for, the network as the last exchange with the server was, the records
that the server does not have yet, and who is logged in.
"""

from drivers.contracts.small import Diagnostic, Display
from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, ServerError
from terminal import app, session
from terminal.face import sheet as sheets
from terminal.face.resources import atlas_blob
from terminal.flows import shift
from tests.support import dual
from tests.support.centre import Handheld, Willing
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

    async def forget(self):
        pass


class Parts:
    """The ports that the face needs."""

    def __init__(self):
        self.clock = HandClock(MORNING)
        self.display, self.keypad, self.scanner, self.diagnostic = Paper(), Keys(self.clock), None, None
        self.atlas, self.strings = atlas_blob(), None


class Port(Diagnostic):
    """Keeps what the status bar said on each screen: (screen, records to send, officer)."""

    def __init__(self):
        self.bars, self.face = [], None

    def emit(self, event, fields):
        if event == "screen":
            self.bars.append((fields["screen"], self.face.status[2], self.face.status[3]))


async def _on_duty(*keys):
    """An officer is logged in, and no record is sent yet."""
    parts = Handheld(Willing(MORNING))
    parts.network.answer.t, parts.clock.utc = parts, MORNING
    parts.display, parts.keypad, parts.scanner, parts.diagnostic = Paper(), Keys(parts.clock), None, Port()
    parts.keypad.names = list(keys)
    parts.atlas, parts.strings = atlas_blob(), None
    t = app.build(parts, "fr")
    parts.diagnostic.face = t.face
    t.identity, t.parameters, t.journal, t.askable = parts, parts, parts.journal, True
    await t.journal.open()
    for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1}), (r.LOGIN, {})):
        await t.journal.append(kind, body)
    t.officer = {"number": 1007, "unit": "BSR-16"}
    return t, parts


async def _terminal():
    parts = Parts()
    t = app.build(parts, "fr")
    await t.face.show("locked")
    parts.display.areas = []
    return t, parts


async def test_the_clock_goes_on_while_a_key_is_waited_for_and_nothing_else_is_drawn():
    t, parts = await _terminal()
    assert t.face.status[0] == "14:05"
    assert await t.face.key(80000) is None
    assert parts.keypad.waits == [30000, 50000] and t.face.status[0] == "14:06"
    assert sum([area[2] * area[3] for area in parts.display.areas]) == 100 * sheets.STATUS_HEIGHT
    parts.display.areas = []
    await t.face.refresh()
    assert parts.display.areas == []


async def test_it_goes_on_where_keypad_and_scanner_are_looked_at_in_turn():
    t, parts = await _terminal()
    for _ in range(310):
        assert await t.face.key(100) is None
    assert t.face.status[0] == "14:06" and set(parts.keypad.waits) == {100}
    assert sum([area[2] * area[3] for area in parts.display.areas]) == 100 * sheets.STATUS_HEIGHT


async def test_another_language_is_drawn_with_the_time_now():
    t, parts = await _terminal()
    parts.clock.utc += 3600
    parts.keypad.names = ["lang", "1"]
    assert await t.face.key(1000) == "1"
    assert t.face.status[0] == "15:05" and t.face.lang == "en"


async def test_the_network_is_on_the_bar_of_the_next_screen():
    t, parts = await _terminal()
    for reached in (True, False):
        t.reached = reached
        parts.display.areas = []
        await t.face.show("locked")
        assert t.face.status[1] == reached
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


async def test_before_the_journal_is_known_nothing_waits_and_nobody_is_in():
    t, _ = await _terminal()
    assert t.face.status[2:] == (0, 0)


async def test_what_was_sent_waits_no_more_on_the_screen_that_says_so_and_behind_it():
    t, parts = await _on_duty("ok", "4")
    await t.face.show("home", unit="BSR-16")
    await shift.synchronise(t)
    await t._home()
    bars = parts.diagnostic.bars
    assert bars[:2] == [("home", 2, 1007), ("syncing", 2, 1007)]
    assert bars[-2:] == [("sync_done", 0, 1007), ("home", 0, 1007)]


async def test_a_record_waits_from_the_screen_behind_it_on():
    t, parts = await _on_duty()
    await shift.session(t)
    await t.face.show("plate_entry")
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    await t.face.show("printing")
    assert parts.diagnostic.bars[-2:] == [("plate_entry", 0, 1007), ("printing", 1, 1007)]


async def test_what_changes_while_a_screen_stays_is_drawn_while_a_key_is_waited_for():
    t, parts = await _on_duty()
    await t.face.show("card_busy")
    for _ in range(2):
        parts.display.areas = []
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        assert await t.face.key(1) is None
        assert sum([area[2] * area[3] for area in parts.display.areas]) == 124 * sheets.STATUS_HEIGHT
    parts.display.areas = []
    assert await t.face.key(1) is None and parts.display.areas == []


async def test_a_log_out_takes_the_officer_off_the_bar():
    t, parts = await _on_duty("cancel", "ok")
    await t._home()
    await t.face.show("login_number")
    assert parts.diagnostic.bars == [("home", 2, 1007), ("confirm_out", 2, 1007), ("login_number", 2, 0)]


async def test_after_a_closed_shift_nothing_waits_and_nobody_is_in():
    t, parts = await _on_duty("ok", "ok")
    await shift.close(t)
    await t.face.show("login_number")
    assert parts.diagnostic.bars[-2:] == [("shift_summary", 0, 1007), ("login_number", 0, 0)]


def _bar(lang, reached, pending, officer):
    """(face, the texts of the bar's three cells), each within its cell."""
    face = app.build(Parts(), lang).face
    face.look = None
    face.status = ("23:58", reached, pending, officer)
    cells = face.lay_out("locked", {}).panels[:3]
    assert sum([cell.width for cell in cells]) == sheets.WIDTH
    texts = []
    for cell in cells:
        for item in cell.items:
            assert cell.x <= item[1] and item[1] + item[3].width <= cell.x + cell.width
        texts.append(list(cell.items[0][3].entries) if cell.items else [])
    return face, texts


def _has(face, cell, text, rtl=False):
    wanted = list(face.engine.line(text, sheets.SMALL, rtl).entries)
    return [at for at in range(len(cell)) if cell[at : at + len(wanted)] == wanted] != []


def test_no_figure_of_the_bar_is_ever_cut_in_any_language():
    for lang in ("ar", "fr", "en"):
        for officer in (0, 8, 4888, 888888, 88888888):
            for pending in (0, 8, 88, 100, 888, 8888, 88888, 99999):
                face, (left, middle, network) = _bar(lang, pending > 100, pending, officer)
                assert _has(face, left, "23:58")
                assert not officer or _has(face, left, "#" + str(officer)), (lang, officer)
                assert not pending or _has(face, middle, str(pending)), (lang, officer, pending)
                assert not [cell for cell in (left, middle, network) if _has(face, cell, "…")], (lang, officer, pending)


def test_the_words_stay_where_there_is_room_for_them():
    for lang, most in (("ar", 88888), ("fr", 888), ("en", 88888)):
        face, texts = _bar(lang, True, most, 4888)
        assert texts[1] == list(face.engine.line(face.t("status.pending", n=most), sheets.SMALL, lang == "ar").entries)
