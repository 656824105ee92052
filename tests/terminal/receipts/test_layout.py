"""Receipts on both runtimes: every fact is there, numbers keep their order, bytes and memory stay small and equal on both."""

import hashlib

from drivers.contracts.printer import DOTS, ROW_BYTES
from protocol import records as r
from protocol.errors import ConfigError
from terminal.face.resources import atlas_blob
from terminal.face.text import TextEngine
from terminal.receipts import KINDS, print_receipt, receipt_items, slip_items
from terminal.receipts.words import keys, word
from tests.support.dual import raises, record
from tests.terminal.receipts.sample import PLATE, PV, facts


def engine():
    return TextEngine(atlas_blob())


class Listening(TextEngine):
    """An engine that notes what is drawn, in its order: (logical text, direction)."""

    def __init__(self):
        TextEngine.__init__(self, atlas_blob())
        self.texts = []

    def line(self, text, size, rtl=False):
        line = TextEngine.line(self, text, size, rtl)
        line.said = (text, rtl)
        return line

    def draw_line(self, canvas, left, y, line):
        assert left >= 0 and left + line.width <= DOTS, line.said
        if line.said is not None:
            self.texts.append(line.said)
            line.said = None
        TextEngine.draw_line(self, canvas, left, y, line)


def plain(text):
    """Without isolates and hard spaces."""
    for mark in ("\u2066", "\u2067", "\u2068", "\u2069"):
        text = text.replace(mark, "")
    return text.replace("\u00a0", " ")


def said(kind, copy=r.COPY_DRIVER, **changes):
    """The texts of a receipt, isolates taken out, with a given set of facts changed."""
    listening = Listening()
    values = facts(kind)
    values.update(changes)
    for _ in receipt_items(listening, kind, values, copy):
        pass
    return [plain(text) for text, _ in listening.texts]


def digest(kind, copy):
    """(digest of all items, bytes of raster rows, number of items)."""
    state = hashlib.sha256()
    count = 0
    for item in receipt_items(engine(), kind, facts(kind), copy):
        count += 1
        state.update(item[0].encode())
        if item[0] == "raster":
            assert len(item[1]) == item[2] * ROW_BYTES and item[2] <= 24
            state.update(bytes(item[1]))
        else:
            for part in item[1:]:
                state.update(str(part).encode())
    return state.digest(), count


def test_the_same_items_on_both_runtimes():
    for kind in KINDS:
        record(kind, digest(kind, r.COPY_DRIVER)[0])
    record("duplicate", digest("payment", r.COPY_DUPLICATE)[0])


def test_every_fact_is_on_the_paper():
    texts = said("payment")
    for wanted in (
        "وزارة المالية",
        "Ministère des Finances",
        "المديرية العامة للأمن الوطني",
        "Direction générale de la sûreté nationale",
        "16-004",
        PV,
        "14/03/2026  14:05",
        "RN 5, PK 12, Alger",
        PLATE,
        "66/D-24",
        "6",
        "5 000,00 دج",
        "5 000,00 DA",
        "CIB TEST •••• 1234",
        "AID F00000544401",
        "A1B2C3",
        "TVR 0000008000 AC 1122334455667788",
        "TSD-000001 / 1234",
        "4711",
        "مدفوعة",
        "PAYÉE",
        "أعيدت رخصة السياقة إلى صاحبها.",
        "Permis de conduire restitué à son titulaire.",
    ):
        assert wanted in texts, wanted


def test_each_kind_names_its_outcome_in_both_languages_and_no_other():
    outcomes = {}
    for kind in KINDS:
        outcomes[kind] = word("outcome." + kind)
    for kind in KINDS:
        texts = said(kind)
        arabic, french = outcomes[kind]
        assert texts.index(arabic) + 1 == texts.index(french)  # Arabic above French
        for other in KINDS:
            if outcomes[other] != outcomes[kind]:
                assert outcomes[other][0] not in texts or outcomes[other][0] == arabic
    assert outcomes["provisional"][1] == "PAS ENCORE PAYÉE"


def test_only_a_payment_says_paid():
    for kind in KINDS:
        assert ("PAYÉE" in said(kind)) == (kind == "payment")
        assert ("مدفوعة" in said(kind)) == (kind == "payment")


def test_a_retained_licence_comes_with_the_ten_day_document():
    for kind in KINDS:
        text = "\n".join(said(kind))
        held = kind not in ("payment", "void", "declined", "interrupted")
        assert ("24/03/2026" in text) == held
        assert ("تسمح هذه الوثيقة" in text) == held


def test_the_slip_of_an_attempt_that_took_nothing_says_nothing_of_the_licence():
    """The case goes on: it may be paid by the next card, and only what closes it says where the licence is."""
    for kind in ("declined", "interrupted"):
        for disposition in (1, 2, 3):
            texts = said(kind, disposition=disposition)
            for number in (1, 2, 3):
                assert not any(part in texts for part in word("licence." + str(number))), kind


def test_a_void_says_annulled_in_both_languages_and_leaves_the_licence_to_the_next_paper():
    texts = said("void")
    assert "ملغى" in texts and "ANNULÉ" in texts
    assert not any(word("licence." + str(n))[1] in texts for n in (1, 2, 3))
    waits = said("voiding")
    assert "PAS ENCORE ANNULÉ" in waits and "ANNULÉ" not in waits and word("licence.2")[1] in waits
    assert not any("AID" in text for text in texts + waits)


def test_the_paper_says_how_the_card_was_read():
    for kind in ("payment", "provisional", "document", "declined"):
        for interface, arabic, french in (
            (1, "بالشريحة", "Puce"),
            (2, "بدون تلامس", "Sans contact"),
            (0, "البطاقة", "Carte"),
        ):
            texts = said(kind, interface=interface)
            assert arabic in texts and french in texts and "CIB TEST •••• 1234" in texts
    for kind in ("notice", "interrupted"):
        assert "Sans contact" not in said(kind, interface=2)


def test_a_notice_has_no_card_and_says_when_to_pay():
    texts = said("notice")
    assert "À payer sous 45 jours." in texts
    for text in texts:
        assert "AID" not in text and "TVR" not in text


def test_copies_are_named():
    assert "Exemplaire du conducteur · نسخة السائق" in said("payment")
    assert "Exemplaire de l’agent · نسخة العون" in said("payment", r.COPY_OFFICER)
    assert "DUPLICATA · نسخة" in said("payment", r.COPY_DUPLICATE)
    assert "DUPLICATA · نسخة" not in said("payment")


def test_the_slip_to_sign_names_no_outcome_and_is_the_officers():
    listening = Listening()
    kinds = [item[0] for item in slip_items(listening, facts("payment"), r.COPY_OFFICER)]
    texts = [plain(text) for text, _ in listening.texts]
    assert "qr" not in kinds and kinds[-1] == "cut" and ("feed" in kinds)
    for wanted in (
        "Bordereau de signature", "قسيمة توقيع", PV, "14/03/2026  14:05", "CIB TEST •••• 1234", "TSD-000001 / 1234", "5 000,00 DA",
        "Signature du titulaire de la carte", "توقيع صاحب البطاقة", "Exemplaire de l’agent · نسخة العون",
    ):  # fmt: skip
        assert wanted in texts, (wanted, texts)
    for key in keys():
        if key.startswith("outcome.") or key.startswith("title.") and key != "title.signature":
            assert word(key)[0] not in texts and word(key)[1] not in texts, key
    record("slip", [len(texts), len(kinds)])


def test_a_refused_signature_says_so_on_the_paper():
    assert "Signature du titulaire absente ou non conforme." in said("declined", reason="EMV-146")
    assert "Signature du titulaire absente ou non conforme." in said("declined", reason="EMV-147")
    assert "Signature du titulaire absente ou non conforme." not in said("declined", reason="Z1")


def visual(text, size, rtl):
    """The digits and signs of a line in the order in which they stand on paper, found back through the atlas."""
    eng = engine()
    entries = eng.line(text, size, rtl).entries
    out = ""
    for entry in entries:
        for character in "0123456789-/,:":
            if eng.atlas.find(size, ord(character)) == entry:
                out += character
    return out


def test_numbers_stand_in_the_same_order_in_both_languages():
    listening = Listening()
    for _ in receipt_items(listening, "provisional", facts("provisional"), r.COPY_DRIVER):
        pass
    seen = {}
    for text, rtl in listening.texts:
        seen[(visual(text, 20, rtl), rtl)] = True
    assert ("5000,00", True) in seen and ("5000,00", False) in seen
    assert ("24/03/202610", True) in seen  # the sentence runs to the left, its date and its number of days do not
    assert ("10,24/03/2026", False) in seen
    assert (PLATE, False) in seen and (PV, False) in seen


def test_plate_and_report_number_keep_their_order_inside_an_arabic_line():
    for value in (PLATE, PV, "66/D-24", "14/03/2026"):
        alone = visual("\u2066" + value + "\u2069", 20, False)
        assert visual("الرقم \u2066" + value + "\u2069 في السجل", 20, True) == alone == value.replace("D", "")


def test_every_character_has_a_glyph_and_no_line_is_clipped():
    eng = engine()
    for kind in KINDS:
        for text in said(kind):
            for size in (16, 20):
                box = eng.atlas.find(size, 0xFFFD)
                for rtl in (False, True):
                    assert box not in eng.line(text, size, rtl).entries, text
    for key in keys():
        arabic, french = word(key)
        assert arabic and french
        size = 32 if key.startswith("outcome.") else 20
        if not key.startswith("drive"):
            for part in eng.wrap(arabic, size, DOTS, True) + eng.wrap(french, size, DOTS, False):
                assert eng.width(part, size) <= DOTS, key


def test_long_places_and_wordings_are_broken_not_cut():
    place = "Autoroute Est-Ouest, échangeur de Bouira, point kilométrique 412"
    texts = said("payment", place=place, text_fr="mot " * 40)
    parts = [text for text in texts if len(text) > 12 and text in place]
    assert " ".join(parts) == place, parts
    wording = [text for text in texts if text.startswith("mot")]
    assert len(wording) > 2 and "\n".join(wording).count("mot") == 40


def test_an_unknown_word_is_a_coded_error():
    assert raises(ConfigError, word, "nothing").code == "CFG-060"


class Counting:
    """A printer that keeps nothing."""

    def __init__(self):
        self.items = 0

    async def print_job(self, items):
        for _ in items:
            self.items += 1


async def test_print_receipt_hands_the_items_to_the_printer():
    printer = Counting()
    await print_receipt(printer, engine(), "payment", facts("payment"), r.COPY_DRIVER)
    assert printer.items == digest("payment", r.COPY_DRIVER)[1]
