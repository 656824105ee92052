"""The order of mixed text against FriBidi, and the joining forms against HarfBuzz: strangers who know both by heart."""

import ctypes
import ctypes.util
import random
import unicodedata

import pytest
import yaml

from terminal.face import bidi, shaper
from tools.house import fonts
from tools.house.paths import ROOT

NAMES = (
    "محمد الأمين بن عبد القادر", "فاطمة الزهراء بوعلام", "عبد الرحمان بلقاسمي", "يوسف آيت علي", "لالة خديجة",
    "سليمان لعريبي", "مؤمن بن إسماعيل", "رؤوف شيخي", "الحاج موسى أخاموخ", "كمال بوڤرة", "إلياس بن لآدم",
    "أسماء ولد علاء", "هدى مصطفى", "زوليخة عدي", "ضياء ظريف غانم", "جيلالي ليابس", "ثابت", "نائلة بئر خادم",
)  # fmt: skip
PHRASES = (
    "المبلغ 2 000,00 دج", "لوحة 00123-119-16", "رقم المحضر 16-2026-000123 بتاريخ 22/11/2026 12:30",
    "البطاقة CIB TEST رقم 1234 (مقبولة)", "Nom : محمد (سائق) 2 000,00 DA", "المادة 66/D-24 – استعمال الهاتف",
    "50٪ من [12 500,00]", "20 Août 1955 شارع", "«نعم» أو (لا)", "a (ب) c", "ب (a) ج", "Total: 12,5 % دج",
    "-5 درجات", "(1) غرامة جديدة",
)  # fmt: skip


class FriBidi:
    """The part of libfribidi that orders a line. Its 1.0 gives sibling isolates a wrong start, so it judges plain text only."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library

    def order(self, codes: "list[int]", rtl: bool) -> "list[int]":
        """Logical indexes from left to right."""
        count = len(codes)
        text = (ctypes.c_uint32 * count)(*codes)
        base = ctypes.c_uint32(0x111 if rtl else 0x110)
        shown = (ctypes.c_uint32 * count)()
        to_visual = (ctypes.c_int * count)()
        to_logical = (ctypes.c_int * count)()
        levels = (ctypes.c_int8 * count)()
        assert self.library.fribidi_log2vis(text, count, ctypes.byref(base), shown, to_visual, to_logical, levels)
        return list(to_logical)


class Icu:
    """The part of ICU (libicuuc) that orders a paragraph of one line."""

    def __init__(self, library: ctypes.CDLL, version: str) -> None:
        self.function = lambda name: getattr(library, f"{name}_{version}")
        self.function("ubidi_open").restype = ctypes.c_void_p

    def order(self, codes: "list[int]", rtl: bool) -> "list[int]":
        """Logical indexes from left to right."""
        count = len(codes)
        text = (ctypes.c_uint16 * count)(*codes)
        error = ctypes.c_int(0)
        bidi_object = ctypes.c_void_p(self.function("ubidi_open")())
        self.function("ubidi_setPara")(
            bidi_object, text, count, ctypes.c_uint8(1 if rtl else 0), None, ctypes.byref(error)
        )
        found = (ctypes.c_int32 * count)()
        self.function("ubidi_getVisualMap")(bidi_object, found, ctypes.byref(error))
        self.function("ubidi_close")(bidi_object)
        assert error.value <= 0
        return list(found)


@pytest.fixture(scope="module")
def fribidi() -> FriBidi:
    name = ctypes.util.find_library("fribidi")
    if name is None:
        pytest.skip("libfribidi is not on this machine")
    return FriBidi(ctypes.CDLL(name))


@pytest.fixture(scope="module")
def icu() -> Icu:
    name = ctypes.util.find_library("icuuc")
    if name is None:
        pytest.skip("ICU (libicuuc) is not on this machine")
    return Icu(ctypes.CDLL(name), name.rsplit(".", 1)[1])


def without_controls(order: "list[int]", codes: "list[int]") -> "list[int]":
    return [at for at in order if not bidi.LRI <= codes[at] <= bidi.PDI]


def our_order(codes: "list[int]", rtl: bool) -> "list[int]":
    return without_controls(bidi.visual_order(bidi.levels(codes, rtl)), codes)


def random_lines(alphabet: str, count: int) -> "list[tuple[list[int], bool]]":
    rng = random.Random(20261122)
    return [([ord(rng.choice(alphabet)) for _ in range(rng.randint(1, 24))], bool(at & 1)) for at in range(count)]


ALPHABET = (
    "abcXYZ"
    + "ابتجلم"
    + "0123456789"
    + " \u00a0" * 3
    + ".,:/-+" * 2
    + "()[]{}«»"
    + "%°#€"
    + "!?;*&'\""
    + "،؛؟٪"
    + "٠١٢"
)
ISOLATES = "\u2066\u2067\u2068\u2069"


def test_phrases_are_ordered_as_strangers_order_them(fribidi, icu):
    for phrase in NAMES + PHRASES:
        for rtl in (False, True):
            codes = shaper.code_points(phrase)
            assert our_order(codes, rtl) == fribidi.order(codes, rtl), phrase
            codes = bidi.isolate_fields(codes)
            assert our_order(codes, rtl) == without_controls(icu.order(codes, rtl), codes), phrase


def test_random_lines_are_ordered_as_fribidi_orders_them(fribidi):
    for codes, rtl in random_lines(ALPHABET, 6000):
        text = "".join(map(chr, codes)).encode("unicode_escape")
        assert our_order(codes, rtl) == fribidi.order(codes, rtl), (rtl, text)


def test_random_lines_with_isolates_are_ordered_as_icu_orders_them(icu):
    for codes, rtl in random_lines(ALPHABET + ISOLATES * 3, 12000):
        text = "".join(map(chr, codes)).encode("unicode_escape")
        assert our_order(codes, rtl) == without_controls(icu.order(codes, rtl), codes), (rtl, text)


def glyph_name(name: str) -> str:
    """HarfBuzz's glyph without what is only this font's calligraphy (`.long`)."""
    return name.split(".")[0]


def our_name(code: int) -> str:
    """The font's name of a presentation form: isolated forms are named after the letter."""
    kind, _, letters = unicodedata.decomposition(chr(code)).partition(" ")
    if kind == "<isolated>" and " " not in letters:
        return "uni" + letters
    return f"uni{code:04X}"


@pytest.fixture(scope="module")
def harfbuzz():
    uharfbuzz = pytest.importorskip("uharfbuzz")
    if not fonts.is_present():
        pytest.skip("Vazirmatn is not in the cache: run make setup")
    font = uharfbuzz.Font(uharfbuzz.Face(uharfbuzz.Blob.from_file_path(str(fonts.font_paths()["arabic"]))))

    def shape(word: str) -> "list[str]":
        buffer = uharfbuzz.Buffer()
        buffer.add_str(word)
        buffer.guess_segment_properties()
        uharfbuzz.shape(font, buffer, {"kern": False})
        return [glyph_name(font.glyph_to_string(info.codepoint)) for info in buffer.glyph_infos]

    return shape


def arabic_words(text: str) -> "list[str]":
    words, word = [], ""
    for char in text + " ":
        if "\u0621" <= char <= "\u064a" or char == "\u06a4":
            word += char
        elif word:
            words.append(word)
            word = ""
    return words


def catalogue_words() -> "list[str]":
    source = yaml.safe_load((ROOT / "terminal" / "face" / "strings.yaml").read_text())
    return sorted({word for texts in source.values() for word in arabic_words(texts["ar"])})


def test_letters_take_the_forms_that_harfbuzz_gives_them(harfbuzz):
    words = [word for text in NAMES + PHRASES for word in arabic_words(text)] + catalogue_words()
    assert len(words) > 60
    for word in words:
        assert [our_name(code) for code in shaper.shape(word, True)] == harfbuzz(word), word


def test_random_words_take_the_forms_that_harfbuzz_gives_them(harfbuzz):
    rng = random.Random(7)
    letters = [chr(code) for code in range(0x621, 0x64B) if not 0x63B <= code <= 0x63F and code != 0x649]
    for _ in range(3000):
        word = "".join(rng.choice(letters) for _ in range(rng.randint(1, 8)))
        if "لله" in word:
            continue  # the font's ligature of the name of God
        assert [our_name(code) for code in shaper.shape(word, True)] == harfbuzz(word), word
