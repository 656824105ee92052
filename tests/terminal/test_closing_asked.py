"""Key 3 of the menu asks before it closes the shift: next to it is the key that synchronises, and nothing takes a closing back."""

from protocol import records as r
from tests.support.centre import Handheld, Willing
from tests.support.menu import Menu

DEVICE_HEAP = "256k"


async def _menu(*keys):
    parts = Handheld(Willing())
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
