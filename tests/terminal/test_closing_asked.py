"""Key 3 of the menu asks before it closes the shift: next to it is the key that synchronises, and nothing takes a closing back."""

from protocol import records as r
from protocol import sync as m
from tests.support.centre import Handheld
from tests.support.menu import Menu

DEVICE_HEAP = "256k"


class _Centre:
    """Has every record at the first batch, and agrees with every shift."""

    def __init__(self):
        self.seq, self.hash, self.t = 0, bytes(32), None

    def __call__(self, kind, payload):
        if kind == m.TYPE_BATCH:
            self.seq, self.hash = self.t.journal.head_seq, self.t.journal.head_hash
        has = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
        if kind == m.TYPE_HELLO:
            has[m.SERVER_UTC], has[m.RETRY_AFTER] = 1700000100, 0
            return m.TYPE_WELCOME, has
        return (m.TYPE_ACK, has) if kind == m.TYPE_BATCH else (m.TYPE_RECON, {m.BALANCED: True})


async def _menu(*keys):
    parts = Handheld(_Centre())
    parts.network.answer.t = parts
    await parts.journal.open()
    for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1}), (r.LOGIN, {})):
        await parts.journal.append(kind, body)
    return Menu(parts, keys)


def _closed(menu):
    return [entry[0][r.SHIFT] for entry in menu.journal.entries(1) if entry[0][r.KIND] == r.SHIFT_CLOSED]


def _shown(menu):
    return [screen for screen, _ in menu.face.shown if screen != "syncing"]


async def test_an_officer_who_says_no_or_nothing_goes_on_in_his_shift():
    for answer in ("cancel", None):
        menu = await _menu("3", answer)
        await menu._home()
        assert _shown(menu) == ["home", "confirm_close"]
        assert _closed(menu) == [] and menu.journal.view.shift_open and menu.officer["number"] == 1007
        assert menu.ports.network.sent == []


async def test_other_keys_are_no_answer():
    menu = await _menu("3", "3", "2", "clear", "cancel")
    await menu._home()
    assert _shown(menu) == ["home", "confirm_close"] and _closed(menu) == [] and menu.face.keys == []


async def test_one_who_says_yes_closes_it_reads_how_it_balances_and_is_out():
    for key in ("ok", "cancel", None):
        menu = await _menu("3", "ok", key)
        await menu._home()
        assert _shown(menu) == ["home", "confirm_close", "shift_summary"] and menu.face.shown[-1][1]["balanced"]
        assert _closed(menu) == [1] and menu.officer is None


async def test_a_key_pressed_before_the_question_is_no_answer():
    menu = await _menu("3", "ok")
    menu.face.forget = menu.face.keys.clear
    await menu._home()
    assert _shown(menu) == ["home", "confirm_close"] and _closed(menu) == []
