"""A screen that tells or asks something is answered by nobody who has not seen it: keys pressed while the terminal was busy are no answer to it."""

from drivers.contracts.small import Display
from protocol import records as r
from protocol.errors import NetworkError, PrinterError
from terminal.face.face import Face
from terminal.face.resources import atlas_blob
from terminal.flows import ask, void
from terminal.flows.fine import Fine
from tests.support.centre import Handheld, Willing
from tests.support.hasty import Hasty
from tests.support.menu import Face as Keypressed
from tests.support.menu import Menu
from tests.terminal.payment import tap_bench
from tests.terminal.payment.tap_bench import Bench, ContactCard, card3

DEVICE_HEAP = "320k"
AHEAD = ("ok", "cancel")


class Keys:
    """A keypad on which keys are pressed ahead; `late`: those that are pressed once somebody has seen the screen."""

    def __init__(self, late=()):
        self.waiting, self.late = list(AHEAD), list(late)

    async def read_key(self, timeout_ms):
        if self.waiting:
            return self.waiting.pop(0)
        return self.late.pop(0) if self.late else None

    async def forget(self):
        self.waiting = []


class Screen(Display):
    """Keys are pressed while it is drawn, too."""

    def __init__(self, keys):
        self.keys = keys

    async def fill(self, x, y, width, height, colour):
        self.keys.waiting += AHEAD

    async def band(self, x, y, width, height, rows, foreground, background):
        self.keys.waiting += AHEAD


class Port:
    """Who answers as soon as a screen is reported has seen it."""

    def __init__(self, keys):
        self.keys = keys

    def emit(self, event, fields):
        self.keys.waiting.append("up")


def _face(late=(), port=False):
    keys = Keys(late)
    return Face(Screen(keys), keys, None, Port(keys) if port else None, atlas_blob(), "fr")


class _T:
    def __init__(self, face):
        self.face = face


async def test_keys_pressed_until_a_screen_is_drawn_are_dropped_and_later_ones_count():
    t = _T(_face(("1", "cancel")))
    assert await ask.answer(t, "error", code="NET-002") == "cancel" and t.face.keypad.late == []
    t = _T(_face())
    assert await ask.answer(t, "shift_summary", balanced=True) is None
    assert not await ask.show_error(t, NetworkError("late", "NET-002"))
    t = _T(_face(("ok",)))
    assert await ask.choose(t, ["A", "B"]) == 0 and t.face.keypad.late == []


async def test_a_key_pressed_when_the_screen_is_reported_is_one_pressed_later():
    t = _T(_face(port=True))
    assert await ask.answer(t, "licence_verdict", ("up",), verdict=1) == "up"


async def test_what_is_typed_ahead_of_an_entry_is_not_lost():
    t = _T(_face())
    t.face.keypad.waiting = ["1", "2"]
    t.face.display = Display()
    t.face.refresh = t.face._tick = _nothing
    t.face.keypad.late = ["3", "ok"]
    assert await ask.digits(t, "plate_entry", 3, 3) == "123"


async def _nothing():
    pass


async def test_outcomes_are_seen():
    for bench in (Bench(card3()), Bench(card3(tap_bench.AAC)), Bench(slot=[ContactCard()])):
        bench.face = Hasty(bench.face)
        await bench.pay()
        bench.face.saw("outcome")
    bench = Bench(slot=[ContactCard()])
    bench.payment_reader.tear_at = 4
    bench.face = Hasty(bench.face)
    assert await bench.pay() == r.OUTCOME_INTERRUPTED
    bench.face.saw("interrupted")


async def test_what_the_driver_is_charged_with_and_where_the_licence_goes_is_seen():
    bench = Bench(keys={"licence_hand": ["ok"]})
    await bench.noticed()
    bench.face = Hasty(bench.face)
    fine = Fine(bench)
    assert await fine._hand() == "close"
    bench.face.saw("licence_hand")
    bench = Bench(keys={"acknowledge": ["cancel"]})
    await bench.boot()
    bench.face, bench.place, bench.pv_number = Hasty(bench.face), "A1", str
    fine = Fine(bench)
    fine.driver, fine.line = (
        {"report": {}},
        {"code": "66/D-24", "ar": "a", "fr": "f", "en": "e", "amount": 500000, "points": 6},
    )
    assert await fine._acknowledge() == "choose"
    bench.face.saw("acknowledge")
    assert bench.records(r.NOTICE) and not bench.records(r.ACKNOWLEDGED)


async def _menu(*keys, answer=None):
    parts = Handheld(answer or Willing())
    parts.network.answer.t = parts
    await parts.journal.open()
    for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1}), (r.LOGIN, {})):
        await parts.journal.append(kind, body)
    menu = Menu(parts, keys)
    menu.face = Hasty(menu.face)
    return menu


class Silent:
    """The server does not answer."""

    def __call__(self, kind, payload):
        raise NetworkError("no answer", "NET-002")


async def test_what_a_session_brought_or_why_it_did_not_is_seen():
    for pressed in AHEAD:  # the red key neither takes the answer away nor logs out
        menu = await _menu("ok")
        menu.face.pressed = pressed
        await menu._guard(menu._network, "synchronise")
        menu.face.saw("sync_done")
        menu = await _menu("cancel", answer=Silent())
        menu.face.pressed = pressed
        await menu._guard(menu._network, "synchronise")
        menu.face.saw("error")
        assert menu.officer


async def test_the_red_key_pressed_ahead_logs_nobody_out():
    menu = await _menu(None)
    menu.face.pressed = "cancel"
    await menu._home()
    menu.face.saw("confirm_out")
    assert menu.officer


async def test_the_sums_of_a_shift_are_seen():
    from terminal.flows import shift  # a phase that ends on a device drops it

    menu = await _menu("ok", "ok")
    await shift.close(menu)
    menu.face.saw("confirm_close", "shift_summary")
    assert menu.officer is None


async def test_the_end_of_a_void_is_seen():
    from terminal.flows import release  # a phase that ends on a device drops it

    menu = await _menu("ok", "ok", "ok", "ok")
    menu.journal.view.releases[9] = (1, 500000, "p", r.VOID)
    assert await release.one(menu, 9)
    menu.face.saw("void_result", "licence_hand")

    t = Waiting(Case, "ok")
    await void._tell(t, Case)
    t.face.saw("void_result")


class Waiting:
    """The terminal's part of a void whose answer is waited for."""

    def __init__(self, case, *keys):
        self.journal, self.view = self, self
        self.paid, self.voiding, self.case = case, None, case
        self.face = Hasty(Keypressed(keys))

    async def append(self, kind, body):
        self.voiding = self.case


class Case:
    """A paid one."""

    number, intent, amount, pv = 1, 5, 500000, "p"


async def test_the_wait_for_a_void_offers_the_key_that_ends_it_and_takes_none_pressed_before():
    from terminal.flows import shift  # a phase that ends on a device drops it

    t, sent = Waiting(Case, "cancel"), []

    async def session(t, driver_waits=False):
        sent.append(driver_waits)
        await t.face.show("syncing", done=1, total=1)

    kept, shift.session = shift.session, session
    try:
        await void._ask(t, Case, 1008, b"t")
    finally:
        shift.session = kept
    t.face.saw("syncing")
    assert sent == [False, True] and t.face.face.shown[-1] == ("syncing", {"back": True})


async def test_a_printer_s_trouble_is_seen_and_so_is_the_question_whether_to_go_on_without_paper():
    from terminal.flows import papers

    async def broken(*arguments):
        raise PrinterError("no paper", "PRN-003")

    bench = Bench(keys={"error": ["cancel"], "unprinted": ["ok"]})
    await bench.noticed()
    bench.face, bench.printer, bench.engine = Hasty(bench.face), None, None
    kept, papers.print_receipt = papers.print_receipt, broken
    try:
        assert not await papers._print(bench, "notice", {}, 0, bench.journal.view.case)
    finally:
        papers.print_receipt = kept
    bench.face.saw("error", "unprinted")
