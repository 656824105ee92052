"""The red key in the menu asks before it logs the officer out: everywhere else it goes back, and back there is nothing behind the menu."""

from protocol import records as r
from terminal.face import sheet as sheets
from terminal.face.catalogue import LANGUAGES
from terminal.face.face import Face
from terminal.face.resources import atlas_blob
from tests.support.centre import Handheld
from tests.support.menu import Menu


async def _menu(*keys):
    parts = Handheld(None)
    await parts.journal.open()
    for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1}), (r.LOGIN, {})):
        await parts.journal.append(kind, body)
    return Menu(parts, keys)


def _shown(menu):
    return [screen for screen, _ in menu.face.shown]


async def test_an_officer_who_says_no_or_nothing_stays_in():
    for answer in ("cancel", None):
        menu = await _menu("cancel", answer)
        await menu._home()
        assert _shown(menu) == ["home", "confirm_out"] and menu.officer["number"] == 1007


async def test_one_who_says_yes_is_out_and_the_shift_stays_open():
    menu = await _menu("cancel", "ok")
    await menu._home()
    assert _shown(menu) == ["home", "confirm_out"] and menu.officer is None
    assert menu.journal.view.shift_open and menu.journal.head_seq == 2


async def test_other_keys_and_keys_pressed_before_are_no_answer():
    menu = await _menu("cancel", "3", "cancel")
    await menu._home()
    assert menu.officer and menu.face.keys == []
    menu = await _menu("cancel", "ok")
    menu.face.forget = menu.face.keys.clear
    await menu._home()
    assert _shown(menu) == ["home", "confirm_out"] and menu.officer


def test_the_menu_says_what_the_red_key_does_beside_the_unit():
    for lang in LANGUAGES:
        face = Face(None, None, None, None, atlas_blob(), lang)
        page = face.lay_out("home", {"unit": "16-ALGER-CENTRE", "room": 0})
        lines = [item for panel in page.panels for item in panel.items if item[0] == sheets.TEXT]
        wanted = face.engine.line("✗ " + face.t("key.out"), sheets.SMALL, lang == "ar")
        places = [item[1] for item in lines if list(item[3].entries) == list(wanted.entries)]
        assert len(places) == 1
        assert places[0] == sheets.MARGIN if lang == "ar" else places[0] + wanted.width == sheets.WIDTH - sheets.MARGIN
