"""The language key changes everything that the driver reads, the offence too."""

from drivers.contracts.small import Display
from terminal.face import sheet as sheets
from terminal.face.face import Face
from terminal.face.resources import atlas_blob
from terminal.flows import offence
from terminal.flows.fine import Fine
from tests.terminal.payment.tap_bench import Bench

DEVICE_HEAP = "288k"
LINE = {
    "code": "66/D-24",
    "ar": "هاتف",
    "fr": "Portable",
    "en": "Telephone",
    "amount": 500000,
    "points": 6,
    "payable": True,
}


class _Nothing(Display):
    async def fill(self, x, y, width, height, colour):
        pass

    async def band(self, x, y, width, height, rows, foreground, background):
        pass


class _Keys:
    """Gives the keys; `seen`: what is told of the screen before each."""

    def __init__(self, names, look):
        self.names, self.look, self.seen = list(names), look, []

    async def read_key(self, timeout_ms):
        self.seen.append(self.look())
        return self.names.pop(0) if self.names else None

    async def forget(self):
        pass


def _face(*names):
    face = Face(_Nothing(), None, None, None, atlas_blob(), "fr")
    face.keypad = _Keys(names, lambda: _languages(face))
    return face


def _languages(face):
    """In which languages the offence is on the screen."""
    page = face.lay_out(face._screen, face._fields)
    drawn = [list(item[3].entries) for panel in page.panels for item in panel.items if item[0] == sheets.TEXT]
    found = []
    for lang in ("ar", "fr", "en"):
        for size in (sheets.SMALL, sheets.NORMAL):
            words = list(face.engine.line(LINE[lang], size, face.lang == "ar").entries)
            if [line for line in drawn for at in range(len(line)) if line[at : at + len(words)] == words]:
                found.append(lang)
    return face.lang, found


async def test_the_notice_is_in_the_language_that_the_driver_chooses():
    bench = Bench()
    await bench.boot()
    bench.face, bench.place, bench.pv_number = _face("lang", "lang", "cancel"), "A1", str
    fine = Fine(bench)
    fine.driver, fine.line = {"report": {}}, LINE
    assert await fine._acknowledge() == "choose"
    assert bench.face.keypad.seen == [("fr", ["fr"]), ("en", ["en"]), ("ar", ["ar"])]


class _Tariff:
    version = 1

    def items(self, name):
        return [LINE]


class _T:
    def __init__(self, face):
        self.face = face

    def parameter(self, kind):
        return _Tariff()


async def test_so_is_the_list_of_offences():
    t = _T(_face("lang", "lang", "1"))
    assert await offence.choose(t) == (LINE, 1)
    assert t.face.keypad.seen == [("fr", ["fr"]), ("en", ["en"]), ("ar", ["ar"])]
