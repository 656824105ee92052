"""Every screen with fields as the flows give them, easy and hard ones; importable on both runtimes."""

AR = "استعمال الهاتف المحمول باليد أثناء القيادة"
FR = "Usage manuel du téléphone portable par le conducteur en circulation"
EN = "Hand-held use of a mobile phone while driving"


def offence(lang):
    """A long wording in the language."""
    return AR if lang == "ar" else FR if lang == "fr" else EN


def SAMPLES(lang):  # noqa: N802 - a table that depends on the language
    """(name, screen, fields) of each sample."""
    text = offence(lang)
    licence = {
        "name_ar": "محمد الأمين بن عبد القادر",
        "name_lat": "BENABDELKADER MOHAMED EL AMINE",
        "number": "A12345678",
        "expiry": "20280411",
        "categories": "A1 B B(E)",
    }
    short = "وقوف أو توقف" if lang == "ar" else "Stationnement"
    lines = [("66/A-6", text), ("66/B-7", short), ("66/C-1", text), ("66/D-24", text), ("66/D-5", text)]
    nobody = {"provisional_count": 0, "provisional_total": 0, "declined_count": 0}
    some = {"provisional_count": 3, "provisional_total": 1050000, "declined_count": 1}
    return [
        ("boot", "boot", {}),
        ("login_number", "login_number", {"entry": "4217"}),
        ("login_pin", "login_pin", {"stars": 2, "attempts_left": None}),
        ("login_pin_last", "login_pin", {"stars": 6, "attempts_left": 1}),
        ("locked", "locked", {}),
        ("home", "home", {"officer": 4217, "unit": "16-ALGER-CENTRE"}),
        ("home_low", "home", {"officer": 4217, "unit": "16-ALGER-CENTRE", "room": 1}),
        ("home_damaged", "home", {"officer": 4217, "unit": "16-ALGER-CENTRE", "room": 3}),
        ("home_full", "home", {"officer": 4217, "unit": "16-ALGER-CENTRE", "room": 2}),
        ("mrz_number", "mrz_entry", {"field": "number", "entry": "A1234"}),
        ("mrz_birth", "mrz_entry", {"field": "birth", "entry": "8503"}),
        ("mrz_expiry", "mrz_entry", {"field": "expiry", "entry": ""}),
        ("licence_present", "licence_present", {}),
        ("licence_progress", "licence_progress", {"file": "DG11", "done": 3, "total": 5}),
        ("verdict1", "licence_verdict", dict(licence, verdict=1, findings=[])),
        ("verdict2", "licence_verdict", dict(licence, verdict=2, findings=["LIC-201"])),
        ("verdict3", "licence_verdict", dict(licence, verdict=3, findings=["LIC-201", "LIC-202", "LIC-203"])),
        ("verdict4", "licence_verdict", dict(licence, verdict=4, findings=["LIC-201", "LIC-202"])),
        ("verdict5", "licence_verdict", dict(licence, verdict=5, findings=["LIC-201"])),
        ("verdict6", "licence_verdict", {"verdict": 6, "findings": ["LIC-201"]}),
        ("verdict7", "licence_verdict", {"verdict": 7, "findings": []}),
        ("verdict_portrait", "licence_verdict", dict(licence, verdict=2, findings=["LIC-202", "LIC-205"], vehicle="C1E", portrait=True)),
        ("verdict_restricted", "licence_verdict", dict(licence, verdict=1, findings=[], categories="B[01.06] C1[S05<=7500] A", vehicle="B")),
        ("verdict_many", "licence_verdict", dict(licence, verdict=1, findings=[], vehicle="BE",
         categories="A1[01.06] A[01.06] B[01.06] BE[01.06] C1[01.06] C1E[01.06] C[01.06] CE[01.06] D[01.06] F[01.06]")),
        ("document_menu", "document_menu", {"vehicle": "C1E"}),
        ("can", "can_entry", {"entry": "3141"}),
        ("paper", "document_number", {"kind": "paper", "entry": "12345678901234"}),
        ("foreign", "document_number", {"kind": "foreign", "entry": ""}),
        ("category", "category_list", {"lines": ("B", "A", "A1", "C1", "C"), "page": 1, "pages": 3}),
        ("unreadable", "licence_unreadable", {"code": "CRD-002"}),
        ("portrait", "licence_portrait", {"picture": (112, 144, bytes(range(252)) * 8), "proven": False}),
        ("portrait_unable", "licence_portrait", {"picture": "portrait.unable", "proven": True}),
        ("portrait_broken", "licence_portrait", {"picture": "portrait.broken", "proven": True}),
        ("plate", "plate_entry", {"entry": "00123-119-16"}),
        ("plate_empty", "plate_entry", {"entry": ""}),
        ("offence_list", "offence_list", {"lines": lines, "index": 1, "page": 1, "pages": 4}),
        ("offence_digits", "offence_list", {"lines": lines, "index": -1, "page": 2, "pages": 4}),
        ("acknowledge", "acknowledge", {"code": "66/D-24", "text": text, "amount": 500000, "points": 6}),
        ("pay_choice", "pay_choice", {"amount": 500000}),
        ("card_present", "card_present", {"amount": 1250000}),
        ("card_tap", "card_present", {"amount": 1250000, "tap": True}),
        ("tap_read", "card_message", {"ui": 23}),
        ("tap_one", "card_message", {"ui": 25}),
        ("tap_bank", "card_message", {"ui": 27}),
        ("tap_insert", "card_message", {"ui": 29}),
        ("tap_phone", "card_message", {"ui": 32}),
        ("tap_again", "card_message", {"ui": 33}),
        ("card_choose", "card_choose", {"labels": ["CIB TEST", "EDAHABIA TEST"], "index": 1}),
        ("card_pin", "card_pin", {"stars": 3, "tries_left": 2, "last_try": False, "amount": 500000}),
        ("card_pin_last", "card_pin", {"stars": 0, "tries_left": 1, "last_try": True, "amount": 500000}),
        ("card_busy", "card_busy", {}),
        ("card_remove", "card_remove", {}),
        ("signature", "signature", {"amount": 1250000, "scheme": "EDAHABIA TEST", "last4": "0019"}),
        ("outcome1", "outcome", {"outcome": 1, "amount": 500000, "scheme": "CIB TEST", "last4": "0019", "reason": ""}),
        ("outcome2", "outcome", {"outcome": 2, "amount": 500000, "scheme": "EDAHABIA TEST", "last4": "0019", "reason": ""}),
        ("outcome3", "outcome", {"outcome": 3, "amount": 500000, "scheme": "CIB TEST", "last4": "0019", "reason": "EMV-110"}),
        ("outcome4", "outcome", {"outcome": 4, "amount": 500000, "scheme": "", "last4": "", "reason": ""}),
        ("printing1", "printing", {"copy": 1}),
        ("printing3", "printing", {"copy": 3}),
        ("hand1", "licence_hand", {"disposition": 1, "days": 0}),
        ("hand2", "licence_hand", {"disposition": 2, "days": 10}),
        ("hand4", "licence_hand", {"disposition": 3, "days": 0, "pv": "16-2026-000123"}),
        ("hand3", "licence_hand", {"disposition": 3, "days": 0}),
        ("interrupted", "interrupted", {"amount": 500000}),
        ("syncing", "syncing", {"done": 12, "total": 40}),
        ("sync_done", "sync_done", {"sent": 40, "pending": 0, "results": 2}),
        ("sync_partial", "sync_done", {"sent": 12, "pending": 28, "results": 0}),
        ("shift", "shift_summary", dict(some, count=14, total=5250000, balanced=True)),
        ("shift_bad", "shift_summary", dict(nobody, count=114, total=52500000, balanced=False)),
        ("shift_open", "shift_summary", dict(nobody, count=1, total=200000, balanced=None)),
        ("error", "error", {"code": "CRD-003", "message_key": "err.CRD-003", "hint_key": "hint.CRD-003"}),
        ("error_left", "error", {"code": "OFC-002", "left": 2}),
        ("error_long", "error", {"code": "LIC-021"}),
        ("error_class", "error", {"code": "JRN-999"}),
        ("error_lost", "error", {"code": "RSK-016"}),
        ("error_paper", "error", {"code": "PRN-003", "cancel": "key.unprinted"}),
        ("unprinted", "unprinted", {}),
        ("message_paper", "message", {"key": "msg.no_paper"}),
        ("message_court", "message", {"key": "msg.court"}),
        ("confirm_abandon", "confirm_abandon", {}),
        ("abandon_reason", "abandon_reason", {}),
        ("login_second", "login_number", {"entry": "1012", "second": True}),
        ("login_pin_second", "login_pin", {"stars": 2, "attempts_left": 3, "second": True}),
        ("void_confirm", "void_confirm", {"amount": 500000, "pv": "000001-00012", "scheme": "EDAHABIA TEST", "last4": "0019"}),
        ("void_waits", "void_result", {"state": 1, "amount": 1250000, "pv": "000001-00012"}),
        ("void_done", "void_result", {"state": 2, "amount": 500000, "pv": "000001-00012"}),
        ("void_refused", "void_result", {"state": 3, "amount": 500000, "pv": "000001-00012"}),
        ("hand_abandon", "licence_hand", {"disposition": 1, "days": 0, "note": "hand.abandon.note"}),
        ("hand_void", "licence_hand", {"disposition": 3, "days": 0, "pv": "000001-00012", "note": "hand.void.note"}),
        ("shift_voided", "shift_summary", dict(some, count=13, total=4750000, voided_count=1, voided_total=500000, balanced=True)),
    ]  # fmt: skip
