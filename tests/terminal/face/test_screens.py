"""Every screen in every language: complete, without overlap or clipping, private fields kept off the diagnostic port."""

from drivers.contracts.small import Display
from protocol.errors import ConfigError
from terminal.face import sheet as sheets
from terminal.face.face import BAND_BYTES, Face
from terminal.face.resources import atlas_blob
from tests.support import dual
from tests.terminal.face.samples import SAMPLES


class Paper(Display):
    """A display that checks what it is given and keeps a sum over it."""

    def __init__(self):
        self.sum = 0
        self.bands = 0
        self.area = 0
        self.rows = 0

    async def fill(self, x, y, width, height, colour):
        assert x >= 0 and x + width <= 320 and y >= 0 and y + height <= 240
        self.area += width * height
        self._add(colour)

    async def band(self, x, y, width, height, rows, foreground, background):
        assert x >= 0 and x + width <= 320 and y >= 0 and y + height <= 240
        assert len(rows) == height * ((width + 7) >> 3) <= BAND_BYTES
        self.bands += 1
        self.area += width * height
        for value in rows:
            self._add(value)
        self._add(foreground)
        self._add(background)

    def _add(self, value):
        self.sum = (self.sum * 31 + value) & 0x1FFFFFF


class Keys:
    """A keypad that gives the listed keys."""

    def __init__(self, names):
        self.names = names

    async def read_key(self, timeout_ms):
        return self.names.pop(0) if self.names else None


class Port:
    """A diagnostic port that keeps what was emitted."""

    def __init__(self):
        self.events = []

    def emit(self, event, fields):
        self.events.append((event, fields))


def make(lang, display=None, keys=(), port=None):
    face = Face(display or Paper(), Keys(list(keys)), None, port, atlas_blob(), lang)
    face.status = ("14:05", True, 3, 4217)
    return face


def check_panels(name, page):
    """Panels tile the display: no gap, no overlap."""
    area = 0
    for at, one in enumerate(page.panels):
        assert one.x >= 0 and one.y >= 0 and one.x + one.width <= 320 and one.y + one.height <= 240, name
        area += one.width * one.height
        for other in page.panels[:at]:
            apart = (
                one.x + one.width <= other.x or other.x + other.width <= one.x
                or one.y + one.height <= other.y or other.y + other.height <= one.y
            )  # fmt: skip
            assert apart, name
    assert area == 320 * 240, name


def ink_box(engine, item):
    """Left, top, right and bottom of the ink of a text item; None if it has none."""
    data = engine.atlas.data
    left, y, line = item[1], item[2], item[3]
    box = None
    for at in line.entries:
        width, height = data[at + 6], data[at + 7]
        if height:
            x = left + data[at + 4] - 64
            top = y + data[at + 5]
            if box is None:
                box = [x, top, x + width, top + height]
            else:
                box = [min(box[0], x), min(box[1], top), max(box[2], x + width), max(box[3], top + height)]
        left += data[at + 3]
    return box


def check_items(name, engine, page):
    """Nothing is drawn outside its panel, and no two texts touch."""
    for panel in page.panels:
        boxes = []
        for item in panel.items:
            if item[0] == sheets.TEXT:
                box = ink_box(engine, item)
                if box is None:
                    continue
                for other in boxes:
                    apart = box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]
                    assert apart, name + ": texts overlap"
                boxes.append(box)
            else:
                box = [item[1], item[2], item[1] + item[3], item[2] + item[4]]
            assert panel.x <= box[0] and box[2] <= panel.x + panel.width, name + ": too wide"
            assert panel.y <= box[1] and box[3] <= panel.y + panel.height, name + ": too high"


def check_language(lang):
    face = make(lang)
    for name, screen, fields in SAMPLES(lang):
        page = face.lay_out(screen, fields)
        check_panels(name + " " + lang, page)
        check_items(name + " " + lang, face.engine, page)


def test_arabic_screens_tile_the_display_and_nothing_is_clipped():
    check_language("ar")


def test_french_screens_tile_the_display_and_nothing_is_clipped():
    check_language("fr")


def test_english_screens_tile_the_display_and_nothing_is_clipped():
    check_language("en")


def test_the_amount_keeps_off_the_keys_below_it():
    for lang in ("ar", "fr", "en"):
        face = make(lang)
        page = face.lay_out("acknowledge", {"code": "66/B-7", "text": {lang: "x"}, "amount": 250000, "points": 2})
        boxes = [
            ink_box(face.engine, item) for panel in page.panels[:-3] for item in panel.items if item[0] == sheets.TEXT
        ]
        assert max([box[3] for box in boxes if box]) <= sheets.FOOTER_TOP - 2, lang


def test_a_mistyped_field_is_named():
    for lang in ("ar", "fr", "en"):
        face = make(lang)
        for field in ("number", "birth", "expiry"):
            page = face.lay_out("error", {"code": "LIC-010", "detail": field})
            name = face.engine.line(face.t("mrz." + field), 24, lang == "ar").entries
            assert name in [
                item[3].entries for panel in page.panels for item in panel.items if item[0] == sheets.TEXT
            ], (lang, field)


async def pixels_of(lang):
    for name, screen, fields in SAMPLES(lang):
        display = Paper()
        face = make(lang, display)
        await face.show(screen, **fields)
        assert display.area == 320 * 240, name
        dual.record(name, display.sum)


async def test_arabic_pixels_are_equal_on_both_runtimes():
    await pixels_of("ar")


async def test_french_pixels_are_equal_on_both_runtimes():
    await pixels_of("fr")


async def test_the_four_outcomes_differ_in_colour_and_sign():
    for lang in ("ar", "fr", "en"):
        face = make(lang)
        seen = []
        for outcome in (1, 2, 3, 4):
            page = face.lay_out("outcome", {"outcome": outcome, "amount": 500000})
            head = page.panels[3]
            assert head.paper not in [panel.paper for panel in seen]
            sign = sorted(head.items[0][3].entries)
            assert sign not in [sorted(panel.items[0][3].entries) for panel in seen]
            seen.append(head)


async def test_private_fields_never_reach_the_diagnostic_port():
    port = Port()
    face = make("fr", port=port)
    secrets = ["BENALI", "A12345678", "00123-119-16", "850311", "1234567", "بن علي", "20280411"]
    names = {"name_ar": secrets[5], "name_lat": secrets[0]}
    await face.show("licence_verdict", verdict=1, number=secrets[1], expiry=secrets[6], findings=["LIC-201"], **names)
    await face.show("plate_entry", entry=secrets[2])
    await face.show("mrz_entry", field="birth", entry=secrets[3])
    await face.show(
        "outcome", outcome=1, amount=500000, scheme="CIB TEST", last4="0019", pan=secrets[4], plate=secrets[2]
    )
    assert len(port.events) == 4
    text = str(port.events)
    for secret in secrets:
        assert secret not in text
    assert port.events[0][1]["screen"] == "licence_verdict" and port.events[0][1]["verdict"] == 1
    assert port.events[3][1]["amount"] == 500000


async def test_only_what_changed_is_drawn_again():
    display = Paper()
    face = make("ar", display)
    await face.show("plate_entry", entry="0012")
    first = display.bands
    await face.show("plate_entry", entry="0012")
    assert display.bands == first
    display.area = 0
    await face.show("plate_entry", entry="00123")
    assert display.area == 320 * (sheets.FOOTER_TOP - sheets.STATUS_HEIGHT - sheets.TITLE_HEIGHT)
    display.area = 0
    face.status = ("14:05", False, 3, 4217)
    await face.refresh()
    assert display.area == 96 * sheets.STATUS_HEIGHT


async def test_a_failed_transfer_is_drawn_anew():
    class Broken(Paper):
        async def band(self, x, y, width, height, rows, foreground, background):
            raise OSError(5)

    face = make("fr")
    await face.show("home", officer=1, unit="X")
    good = face.display
    face.display = Broken()
    await dual.araises(OSError, face.show("locked"))
    face.display = good
    good.area = 0
    await face.show("home", officer=1, unit="X")
    assert good.area == 320 * 240


async def test_a_transfer_that_fails_once_is_made_again_with_the_whole_screen():
    class Once(Paper):
        left = 1

        async def band(self, x, y, width, height, rows, foreground, background):
            if self.left:
                self.left -= 1
                self.area = 0
                raise OSError(5)
            await Paper.band(self, x, y, width, height, rows, foreground, background)

    face = make("fr", Once())
    await face.show("locked")
    assert face.display.left == 0 and face.display.area == 320 * 240


async def test_language_key_changes_the_language_and_is_not_handed_on():
    face = make("ar", keys=("lang", "5"))
    await face.show("home", officer=1, unit="X")
    assert await face.key(100) == "5"
    assert face.lang == "fr"
    assert face.t("key.yes") == "Oui"
    assert await face.key(100) is None


async def test_another_language_is_told_as_the_screen_was():
    port = Port()
    face = make("ar", keys=("lang", "5"), port=port)
    await face.show("login_pin", number=1007, stars=2, tries_left=2)
    assert await face.key(100) == "5"
    told = {"screen": "login_pin", "lang": "ar", "tries_left": 2}
    assert port.events == [("screen", told), ("screen", dict(told, lang="fr"))]


def test_the_shift_s_summary_offers_the_way_out_and_none_back():
    for lang in ("ar", "fr", "en"):
        face = make(lang)
        red, yellow, green = face.lay_out("shift_summary", {"balanced": True}).panels[-3:]
        assert red.items == yellow.items == [] and red.paper == yellow.paper == sheets.LIGHT
        said = face.engine.line("✓ " + face.t("key.out"), sheets.SMALL, lang == "ar")
        assert list(green.items[0][3].entries) == list(said.entries)
        green = face.lay_out("shift_summary", {"balanced": None, "recalled": True}).panels[-1]  # nobody is in
        said = face.engine.line("✓ " + face.t("key.next"), sheets.SMALL, lang == "ar")
        assert list(green.items[0][3].entries) == list(said.entries)


async def test_unknown_screens_are_refused():
    face = make("fr")
    assert (await dual.araises(ConfigError, face.show("nonsense"))).code == "CFG-054"


def test_hard_values_fit_too():
    face = make("ar")
    licence = {
        "name_ar": "عبد الرحمان " * 6,
        "name_lat": "ABDERRAHMANE " * 5,
        "number": "A12345678",
        "expiry": "20280411",
        "categories": "A1 A B B(E) C1 C1(E) C C(E) D D(E) F",
        "findings": ["LIC-201", "LIC-214", "LIC-228"],
    }
    card = {"scheme": "INTERNATIONAL CARD TEST", "last4": "0019", "reason": "XXX-999"}
    for screen, fields in (
        ("outcome", dict(card, outcome=3, amount=9999999999)),
        ("licence_verdict", dict(licence, verdict=2)),
        ("acknowledge", {"code": "66/D-24", "text": {"ar": "كلمة طويلة " * 30}, "amount": 500000, "points": 6}),
        ("home", {"unit": "Brigade de la sécurité routière de Tamanrasset centre"}),
        ("error", {"code": "GEN-000"}),
        ("offence_list", {"lines": [], "index": -1, "page": 1, "pages": 1}),
        ("login_pin", {"stars": 12, "attempts_left": 3}),
    ):
        face.status = ("14:05", True, 123456, 99999999)
        page = face.lay_out(screen, fields)
        check_panels(screen, page)
        check_items(screen, face.engine, page)
