"""The generated files of the face: current, complete, joined. Needs the fonts of `make setup` for the atlas."""

import re
from pathlib import Path

import pytest
import yaml

from protocol import errors
from terminal.face.atlas import Atlas
from terminal.face.catalogue import LANGUAGES, Catalogue
from terminal.face.face import Face
from terminal.face.resources import atlas_blob, strings_blob
from terminal.face.shaper import shape
from terminal.face.sheet import TEXT
from tests.terminal.face.samples import SAMPLES
from tools.face import atlas as atlas_tool
from tools.face import strings as strings_tool
from tools.house import fonts
from tools.house.paths import ROOT


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return Atlas(atlas_blob())


@pytest.fixture(scope="module")
def texts() -> "dict[str, dict[str, str]]":
    return strings_tool.load()


def test_atlas_is_current():
    if not fonts.is_present():
        pytest.skip("Vazirmatn is not in the cache: run make setup")
    assert atlas_tool.build() == atlas_tool.TARGET.read_bytes(), "run python -m tools.face.atlas"


def test_atlas_is_at_most_64_kib():
    assert atlas_tool.TARGET.stat().st_size <= 65536


def test_catalogue_is_current(texts):
    assert strings_tool.build() == strings_tool.TARGET.read_bytes(), "run python -m tools.face.strings"
    words = Catalogue(strings_blob())
    for key, by_language in texts.items():
        for language in LANGUAGES:
            assert words.text(key, language) == by_language[language]


@pytest.mark.parametrize(
    "broken", [{"ar": "ا", "fr": "a"}, {"ar": "ا", "fr": "a", "en": ""}, {"ar": "{n}", "fr": "{n}", "en": "none"}]
)
def test_incomplete_texts_are_refused(broken, tmp_path, monkeypatch):
    source = tmp_path / "words.yaml"
    source.write_text(yaml.safe_dump({"key.one": broken}, allow_unicode=True))
    monkeypatch.setattr(strings_tool, "SOURCES", (source,))
    with pytest.raises(ValueError, match="key.one"):
        strings_tool.load()


def test_every_class_of_error_says_what_happened_and_what_to_do(texts):
    classes = {
        cls.code[:3] for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.TasdidError)
    }
    assert len(classes) >= 14
    for name in classes:
        assert f"err.{name}" in texts and f"hint.{name}" in texts
    for key in texts:
        if key.startswith("err."):
            assert "hint" + key[3:] in texts, key


def test_every_finding_of_the_licence_reader_has_words(texts):
    reader = ROOT / "protocol" / "licence"
    codes = {
        code for path in reader.rglob("*.py") for code in re.findall(r"LIC-2\d\d", path.read_text(encoding="utf-8"))
    }
    assert codes, "the licence reader names its findings"
    assert not {code for code in codes if f"finding.{code}" not in texts}


def test_every_key_used_in_the_terminal_exists(texts):
    used = set()
    for path in (ROOT / "terminal").rglob("*.py"):
        source = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"\b(?:t|text)\(\"([a-z_]+\.[a-z_.0-9]+)\"", source))
        used |= set(re.findall(r"\"message\", key=\"([^\"]+)\"", source))
    assert len(used) > 60
    receipts = {key for key in used if key not in texts}
    assert not {key for key in receipts if _is_of_the_face(key)}, receipts


def _is_of_the_face(key: str) -> bool:
    folder = ROOT / "terminal" / "receipts"
    return not any(
        key in path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.suffix in (".py", ".yaml")
    )


def test_atlas_holds_every_glyph_of_the_catalogue(atlas, texts):
    missing = set()
    for by_language in texts.values():
        for language, text in by_language.items():
            for code in shape(re.sub(r"\{\w+\}", "", text), language == "ar"):
                if not all(atlas.has(size, code) for size in (16, 20, 24, 32)):
                    missing.add(chr(code))
    assert not missing


def column(atlas: Atlas, size: int, code: int, x: int) -> "set[int]":
    """Rows inked in the pixel column x of a glyph's advance box."""
    at = atlas.find(size, code)
    data = atlas.data
    left, top, width, height = data[at + 4] - 64, data[at + 5], data[at + 6], data[at + 7]
    offset = data[at] << 16 | data[at + 1] << 8 | data[at + 2]
    place = x - left
    if not 0 <= place < width:
        return set()
    stride = (width + 7) // 8
    return {top + row for row in range(height) if data[offset + row * stride + place // 8] & (0x80 >> (place % 8))}


def test_joining_forms_meet_without_a_gap(atlas):
    """Each form's joining edges carry the rows of the tatweel's stroke: so any two that join touch along all of them."""
    for size in atlas_tool.SIZES:
        stroke = column(atlas, size, atlas_tool.TATWEEL, 0)
        assert stroke
        for code in atlas_tool.code_points(size):
            advance = atlas.data[atlas.find(size, code) + 3]
            right, left = atlas_tool.joins(code)
            if right:
                assert stroke <= column(atlas, size, code, advance - 1), (size, hex(code))
            if left:
                assert stroke <= column(atlas, size, code, 0), (size, hex(code))


def test_glyphs_stay_within_their_line(atlas):
    for size in atlas_tool.SIZES:
        for code in atlas_tool.code_points(size):
            at = atlas.find(size, code)
            assert atlas.data[at + 5] + atlas.data[at + 7] <= atlas.line_height(size), (size, hex(code))


def cut_short(face: Face, screen: str, fields: dict) -> bool:
    """Whether any line of a screen ends in an ellipsis."""
    dots = {face.engine.atlas.find(size, 0x2026) for size in (16, 20, 24, 32)}
    items = [item for panel in face.lay_out(screen, fields).panels for item in panel.items]
    return any(dots & set(item[3].entries) for item in items if item[0] == TEXT)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_errors_findings_reasons_and_messages_fit_in_full(texts, lang):
    face = Face(None, None, None, None, atlas_blob(), lang)  # type: ignore[arg-type]
    for key in texts:
        kind, _, code = key.partition(".")
        if kind in ("err", "hint"):
            assert not cut_short(face, "error", {"code": code}), (key, lang)
        elif kind == "finding":
            fields = {"verdict": 3, "number": "A12345678", "expiry": "20280411", "findings": [code]}
            assert not cut_short(face, "licence_verdict", fields), (key, lang)
        elif kind == "reason" and code != "other":
            fields = {"outcome": 3, "amount": 500000, "scheme": "CIB TEST", "last4": "0019", "reason": code}
            assert not cut_short(face, "outcome", fields), (key, lang)
        elif kind == "msg":
            text = texts[key][lang]
            shown = cut_short(face, "message", {"key": key})
            assert shown == text.endswith("…"), (key, lang)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_text_of_a_screen_is_cut_off(lang):
    """But for what is data, of any length, and what ends in dots by itself."""
    face = Face(None, None, None, None, atlas_blob(), lang)  # type: ignore[arg-type]
    found = {name for name, screen, fields in SAMPLES(lang) if cut_short(face, screen, fields)}
    assert found == {"boot", "card_busy", "printing1", "printing3", "offence_list", "offence_digits", "verdict_many"}


def test_words_differ_between_languages_where_they_should(texts):
    same = [key for key, text in texts.items() if text["ar"] == text["fr"] or text["ar"] == text["en"]]
    assert same == ["outcome.card"]
    assert Path(strings_tool.TARGET).stat().st_size < 65536


def test_every_text_comes_back_out_of_its_codes():
    catalogue = Catalogue(strings_tool.TARGET.read_bytes())
    source = strings_tool.load()
    for key, texts in source.items():
        for lang, text in texts.items():
            assert catalogue.text(key, lang) == text
    pieces, _ = strings_tool.codes_of([text for texts in source.values() for text in texts.values()])
    assert len(pieces) == strings_tool.CODES and max(map(len, pieces)) > 2


def test_a_text_too_long_for_the_catalogue_is_named(monkeypatch: pytest.MonkeyPatch):
    noise = "".join(chr(0x21 + (n * n * 7 + n * 31) % 90) for n in range(700)).replace("{", "(").replace("}", ")")
    monkeypatch.setattr(strings_tool, "load", lambda: {"a.b": {lang: noise + lang for lang in ("ar", "fr", "en")}})
    monkeypatch.setattr(strings_tool, "CODES", 1)  # nothing is joined
    with pytest.raises(ValueError, match=r"a\.b: a text too long"):
        strings_tool.build()
