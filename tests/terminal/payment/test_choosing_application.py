"""A card with more applications than a page has rows: each can be seen before it is chosen, and none is chosen that cannot."""

from terminal.face import sheet as sheets
from terminal.face.face import Face
from terminal.face.resources import atlas_blob
from terminal.flows import ask

LABELS = ["A", "B", "C", "D", "E", "F"]


class _T:
    """A terminal that is its own face."""

    def __init__(self, *keys):
        self.face, self.keys, self.shown = self, list(keys), []

    async def show(self, screen, **fields):
        self.shown.append((screen, fields))

    async def key(self, timeout_ms):
        return self.keys.pop(0) if self.keys else None

    def forget(self):
        pass


async def test_a_digit_chooses_what_is_on_the_screen_and_nothing_else():
    for keys, chosen in (
        (("4",), 3),
        (("5", "cancel"), None),
        (("0", "ok"), 0),
        (("up", "6"), 5),
        (("up", "4", "7", "5"), 4),
        (("down",) * 4 + ("ok",), 4),
        (("up", "down", "1"), 0),
    ):
        t = _T(*keys)
        assert await ask.choose(t, LABELS) == chosen and t.keys == [], keys


async def test_the_chosen_one_is_always_drawn_with_its_number_in_every_language():
    t = _T(*["down"] * 6)
    assert await ask.choose(t, LABELS) is None
    assert len(t.shown) == 7
    for lang in ("ar", "fr", "en"):
        face = Face(None, None, None, None, atlas_blob(), lang)
        for at, (screen, fields) in enumerate(t.shown):
            assert fields["labels"][fields["index"]] == LABELS[at % 6] and len(fields["labels"]) <= 4
            items = [item for panel in face.lay_out(screen, fields).panels for item in panel.items]
            drawn = [list(item[3].entries) for item in items if item[0] == sheets.TEXT]
            for number in range(len(fields["labels"])):
                text = str(fields["first"] + number) + "  " + LABELS[fields["first"] - 1 + number]
                wanted = sorted(face.engine.line(text, sheets.LARGE, lang == "ar").entries)
                assert wanted in [sorted(line) for line in drawn], (lang, text)
            assert len([item for item in items if item[0] == sheets.INVERT]) == 1


def test_the_second_badge_s_screen_names_its_way_out():
    for lang in ("ar", "fr", "en"):
        face = Face(None, None, None, None, atlas_blob(), lang)
        wanted = list(face.engine.line("✗ " + face.t("key.cancel"), sheets.SMALL, lang == "ar").entries)
        for second in (True, False):
            red = face.lay_out("login_number", {"second": second}).panels[-3]
            assert [list(item[3].entries) for item in red.items] == ([wanted] if second else [])
