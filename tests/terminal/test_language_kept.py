"""The language that an officer chose outlasts a power cut; it is written when it changes, and nothing of it is told if it cannot be."""

from protocol.errors import JournalError
from tests.support.centre import Handheld
from tests.support.menu import Menu


async def _menu(parts, keys, lang="fr"):
    t = Menu(parts, keys)
    t.face.lang = lang
    for _ in range(len(keys) + 1):
        await t._home()
    return t


def _parts():
    parts = Handheld(None)
    parts.storage.writes = []
    plain = parts.storage.replace

    def replace(name, data):
        parts.storage.writes.append(name)
        plain(name, data)

    parts.storage.replace = replace
    return parts


async def test_the_language_of_the_menu_is_there_after_a_cut():
    parts = _parts()
    await parts.journal.open()
    parts.storage.writes = []
    await _menu(parts, ["4"])
    assert parts.storage.writes == ["state/language"]
    again = Menu(parts)
    again._recall_language()
    assert again.face.lang == "en"
    await again._home()
    assert parts.storage.writes == ["state/language"]


async def test_what_a_key_changed_in_a_fine_is_kept_at_the_menu():
    parts = _parts()
    await parts.journal.open()
    await _menu(parts, [], "ar")
    again = Menu(parts)
    again._recall_language()
    assert again.face.lang == "ar"


async def test_a_storage_that_does_not_take_it_stops_nothing_and_rubbish_is_no_language():
    parts = _parts()
    await parts.journal.open()

    def full(name, data):
        raise JournalError("full", "JRN-012")

    plain, parts.storage.replace = parts.storage.replace, full
    t = await _menu(parts, ["4", "4"])
    assert t.face.lang == "ar" and [screen for screen, _ in t.face.shown] == ["home"] * 3
    parts.storage.replace = plain
    for kept in (b"", b"xx", bytes(2)):
        parts.storage.replace("state/language", kept)
        again = Menu(parts)
        again._recall_language()
        assert again.face.lang == "fr"
