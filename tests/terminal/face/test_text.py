"""Text on a line: order of numbers in Arabic, joining, widths, wrapping, drawing into bands. The same pixels on both runtimes."""

from protocol.errors import ConfigError
from terminal.face import bidi, numbers, shaper
from terminal.face.canvas import Canvas
from terminal.face.catalogue import Catalogue, isolated, ltr
from terminal.face.resources import atlas_blob, strings_blob
from terminal.face.text import TextEngine
from tests.support import dual


def shown(text, rtl=True):
    """What stands on the line from left to right; Arabic letters as their plain letters."""
    out = ""
    for code in shaper.shape(text, rtl):
        out += chr(_letter(code))
    return out


def _letter(code):
    if 0xFE80 <= code <= 0xFEFC:
        for letter in range(0x621, 0x64B):
            base, forms = shaper._form(letter)
            if forms and base <= code < base + forms:
                return letter
    return code


def test_amount_in_arabic_keeps_the_order_of_its_digits():
    assert shown("2 000,00 دج") == "جد 2 000,00"
    assert shown("المبلغ 2 000,00 دج") == "جد 2 000,00 غلبملا"
    assert shown("المبلغ 12 500,00 دج فقط") == "طقف جد 12 500,00 غلبملا"


def test_plate_and_report_number_keep_their_order_after_arabic():
    assert shown("لوحة 00123-119-16") == "00123-119-16 ةحول"
    assert shown("محضر 16-2026-000123 بتاريخ 22/11/2026") == "22/11/2026 خيراتب 16-2026-000123 رضحم"
    assert shown("المادة 66/D-24") == "66/D-24 ةداملا"


def test_two_numbers_in_a_row_are_read_from_the_right():
    assert shown("في 6 12:30") == "12:30 6 يف"


def test_numbers_have_the_same_order_in_every_language():
    for centimes, figure in ((200000, "2 000,00"), (500000, "5 000,00"), (123456789, "1 234 567,89"), (5, "0,05")):
        figure = figure.replace(" ", "\u00a0")
        assert figure in shown(numbers.amount(centimes, "ar"))
        assert figure in shown("المبلغ " + isolated(numbers.amount(centimes, "ar")) + " كاملا")
        assert shown(numbers.amount(centimes, "fr"), False) == figure + "\u00a0DA"
    assert shown(numbers.amount(200000, "ar")) == "جد\u00a02\u00a0000,00"


def test_latin_phrase_in_arabic_stays_in_one_piece():
    assert shown("البطاقة CIB TEST مقبولة") == "ةلوبقم CIB TEST ةقاطبلا"
    assert shown("شارع 20 Août 1955 بالجزائر") == "رئازجلاب 20 Août 1955 عراش"


def test_brackets_are_mirrored_only_in_arabic_runs():
    assert shown("(سائق)") == "(قئاس)"
    assert shown("السائق (CIB)") == "(CIB) قئاسلا"
    assert shown("«نعم»") == "«معن»"


def test_explicit_isolates_are_honoured_and_never_drawn():
    assert shown("أ " + ltr("1 2 3") + " ب") == "ب 1 2 3 أ"
    assert shown(isolated("محمد") + ": " + isolated("ABC")) == "ABC :دمحم"
    for code in shaper.shape("\u2066a\u2069\u2068ب\u2069", True):
        assert not bidi.LRI <= code <= bidi.PDI


def test_letters_take_their_joining_forms():
    assert shaper.shape("تسديد", True) == [0xFEAA, 0xFEF3, 0xFEAA, 0xFEB4, 0xFE97]
    assert shaper.shape("لا", True) == [0xFEFB]
    assert shaper.shape("سلام", True) == [0xFEE1, 0xFEFC, 0xFEB3]
    assert shaper.shape("بـ 8", True) == [ord("8"), 32, 0x640, 0xFE91]


def test_harakat_are_dropped_and_kin_letters_replaced():
    assert shaper.shape("مُحَمَّد", True) == shaper.shape("محمد", True)
    assert shaper.shape("علی کریم", True) == shaper.shape("علي كريم", True)


def test_every_line_fits_after_wrapping_and_nothing_is_lost():
    engine = TextEngine(atlas_blob())
    for text, rtl in (
        ("سلم السائق الوثيقة التي تسمح له بالسياقة لمدة 10 أيام", True),
        ("Remettez au conducteur le document provisoire, valable 10 jours", False),
    ):
        lines = engine.wrap(text, 20, 150, rtl)
        assert len(lines) > 2
        assert " ".join(lines) == text
        for line in lines:
            assert 0 < engine.width(line, 20, rtl) <= 150


def test_wrapping_never_divides_a_number():
    engine = TextEngine(atlas_blob())
    for width in range(90, 200, 10):
        for line in engine.wrap("Total 12 500,00 DA", 20, width):
            assert "12" not in line or "12 500,00" in line


def test_wrapping_closes_and_reopens_isolates():
    engine = TextEngine(atlas_blob())
    lines = engine.wrap("\u2067محمد الأمين بن عبد القادر\u2069", 20, 120, False)
    assert len(lines) > 1
    for line in lines:
        assert line[0] == "\u2067" and line[len(line) - 1] == "\u2069"


def test_a_word_wider_than_the_line_is_broken():
    engine = TextEngine(atlas_blob())
    lines = engine.wrap("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 20, 60)
    assert "".join(lines) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for line in lines:
        assert engine.width(line, 20) <= 60


def ink(canvas):
    """The inked pixels as (x, y)."""
    found = []
    for y in range(canvas.height):
        for x in range(canvas.width):
            if canvas.buffer[y * canvas.stride + (x >> 3)] & (0x80 >> (x & 7)):
                found.append((x, y))
    return found


def test_alignment_names_the_edge_where_reading_begins():
    engine = TextEngine(atlas_blob())
    canvas = Canvas(120, 30, bytearray(15 * 30))
    for align, rtl, low, high in (
        ("start", False, 60, 120), ("end", False, 0, 60), ("start", True, 0, 60), ("end", True, 60, 120), ("center", True, 30, 90),
    ):  # fmt: skip
        canvas.clear()
        engine.draw(canvas, 60, 0, "123", 20, align, rtl)
        columns = [x for x, _ in ink(canvas)]
        assert low <= min(columns) and max(columns) < high, (align, rtl)


def test_bands_show_the_same_pixels_as_one_picture():
    engine = TextEngine(atlas_blob())
    whole = Canvas(160, 48, bytearray(20 * 48))
    engine.draw(whole, 158, 3, "تسديد 5 000,00 دج", 20, "start", True)
    whole.box(0, 0, 160, 48, 2)
    whole.invert(5, 7, 90, 20)
    rows = bytearray()
    band = Canvas(0, 0, bytearray(20 * 7))
    for top in range(0, 48, 7):
        band.place(0, top, 160, min(7, 48 - top))
        engine.draw(band, 158, 3, "تسديد 5 000,00 دج", 20, "start", True)
        band.box(0, 0, 160, 48, 2)
        band.invert(5, 7, 90, 20)
        rows.extend(band.rows())
    assert bytes(rows) == bytes(whole.rows())
    dual.record("pixels", whole.rows())


def test_what_lies_outside_the_canvas_is_clipped():
    engine = TextEngine(atlas_blob())
    guard = bytearray(8 * 16 + 8)
    for at in range(len(guard)):
        guard[at] = 0xA5
    canvas = Canvas(64, 16, memoryview(guard)[4 : 4 + 8 * 16])
    canvas.clear()
    for x in (-30, -3, 50, 62, 200):
        for y in (-20, -5, 8, 15, 40):
            engine.draw(canvas, x, y, "Ég8م", 24)
            canvas.fill(x, y, 33, 9)
            canvas.invert(x, y, 21, 30)
    assert bytes(guard[:4]) == b"\xa5" * 4 and bytes(guard[132:]) == b"\xa5" * 4


def test_every_size_draws_and_advances():
    engine = TextEngine(atlas_blob())
    for size in engine.atlas.sizes():
        assert engine.width("1234567890", size) > 4 * size
        assert engine.ascent(size) < engine.line_height(size)
        dual.record("widths" + str(size), engine.width("5 000,00 دج", size, True))


def test_unknown_letters_are_boxes_and_unknown_sizes_are_refused():
    engine = TextEngine(atlas_blob())
    assert engine.width("漢", 16) == engine.width("\ufffd", 16)
    assert dual.raises(ConfigError, engine.width, "a", 17).code == "CFG-051"
    assert dual.raises(ConfigError, TextEngine, b"not an atlas").code == "CFG-050"


def test_catalogue_finds_texts_and_fills_in_fields():
    words = Catalogue(strings_blob())
    assert words.text("key.yes", "fr") == "Oui"
    assert words.text("key.yes", "ar") == "نعم"
    assert words.text("hand.pv", "en", pv="16-2026-1") == "Report \u206816-2026-1\u2069"
    assert words.coded("err", "CRD-999", "en") == words.text("err.CRD", "en")
    assert words.coded("err", "CRD-003", "en") == words.text("err.CRD-003", "en")
    assert words.coded("err", "XYZ-003", "en") == ""
    assert dual.raises(ConfigError, words.text, "no.such", "fr").code == "CFG-053"
    assert dual.raises(ConfigError, words.text, "key.yes", "de").code == "CFG-053"
    assert dual.raises(ConfigError, Catalogue, b"12345678").code == "CFG-052"


def test_numbers_are_written_with_two_decimals_and_groups():
    assert numbers.decimal(0) == "0,00"
    assert numbers.decimal(-250001) == "-2\u00a0500,01"
    assert numbers.grouped(1000000) == "1\u00a0000\u00a0000"
    assert numbers.date("20280411") == ltr("11/04/2028")
    assert numbers.date("?") == ltr("?")
