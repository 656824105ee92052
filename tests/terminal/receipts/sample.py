"""Facts of made-up receipts, for tests on both runtimes."""

from protocol import records as r
from protocol.claim import claim_assemble, claim_prepare

PV = "000001-00042"
PLATE = "00123-119-16"
UTC = 1773493500  # 2026-03-14 14:05 in Algeria
TOKEN = b"\x01\x02\x03\x04\x05\x06\x07\x08"
OUTCOMES = {
    "payment": 1,
    "provisional": 2,
    "document": 2,
    "declined": 3,
    "notice": 0,
    "interrupted": 4,
    "void": 0,
    "voiding": 2,
}


def claim_parts(kind):
    """(protected, payload, digest) of the kind's claim."""
    return claim_prepare(OUTCOMES[kind], 500000, "20260314", PV, TOKEN, "TSD-000001")


def facts(kind, signature=bytes(range(64))):
    """All facts of a receipt of `kind`; `signature` (64 bytes) goes into its claim."""
    protected, payload, _ = claim_parts(kind)
    out = {
        "authority": {"ar": "وزارة المالية", "fr": "Ministère des Finances"},
        "force": r.FORCE_GENDARMERIE if kind == "notice" else r.FORCE_POLICE,
        "unit": "16-004",
        "pv": PV,
        "utc": UTC,
        "place": "شارع ديدوش مراد، الجزائر" if kind == "provisional" else "RN 5, PK 12, Alger",
        "plate": PLATE,
        "code": "66/D-24",
        "text_ar": "الاستعمال اليدوي للهاتف المحمول أثناء السياقة",
        "text_fr": "Usage manuel du téléphone portable en conduisant",
        "points": 6,
        "amount": 500000,
        "terminal": "TSD-000001",
        "seq": 1234,
        "officer": 4711,
        "outcome": OUTCOMES[kind],
        "valid_days": 10,
        "disposition": r.DISPOSITION_RETURNED if kind == "payment" else r.DISPOSITION_RETAINED,
        "qr": claim_assemble(protected, payload, signature),
    }
    if kind not in ("notice", "interrupted"):
        out["scheme"] = "CIB TEST"
        out["last4"] = "1234"
        out["interface"] = (
            0
            if kind in ("void", "voiding")
            else r.INTERFACE_CONTACTLESS
            if kind == "provisional"
            else r.INTERFACE_CONTACT
        )
        out["auth_code"] = "A1B2C3" if kind == "payment" else ""
        out["aid"] = bytes.fromhex("F00000544401")
        out["tvr"] = bytes.fromhex("0000008000")
        out["cryptogram"] = bytes.fromhex("1122334455667788")
        out["reason"] = "EMV-110" if kind == "declined" else ""
    return out
