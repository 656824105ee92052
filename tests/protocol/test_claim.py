"""The receipt's signed claim, on both runtimes, against a signature that the `cryptography` package made."""

from protocol import base45, cbor, cose, records
from protocol.claim import MAX_BYTES, OUTCOME_NOTICE, ClaimError, claim_assemble, claim_prepare
from protocol.claim_reader import NOT_PAID, NOT_YET_PAID, NOTHING_TAKEN, PAID, claim_parse, claim_verify
from protocol.crypto.pure import PureCrypto
from protocol.errors import CryptoError, FormatError
from tests.support.dual import raises, record

TOKEN = b"\x01\x02\x03\x04\x05\x06\x07\x08"
PV = "16-0042-2026-000017"
PUBLIC = bytes.fromhex(
    "04eb252b5ca08b78740542149c62a3b94f4d9f531fd58db1d21f6abe75cfa4b8ed"
    "30943870fc1f64632b3c5c3a72080dd6c747aa3245b12a988c27cfd0d6a9e6e8"
)
SIGNATURE = bytes.fromhex(
    "884f7c473b5d25616951182a5b7dbb4b801395cf09a2ecd67a21938e4b7b3f0a"
    "e639806aaaa656b824d5d6d3624797b8c40c2f9bfd6d529df04f9794a8b2e5b4"
)


def prepared(outcome=records.OUTCOME_PROVISIONAL):
    return claim_prepare(outcome, 500000, "20260314", PV, TOKEN, "TSD-000001")


def text():
    protected, payload, _ = prepared()
    return claim_assemble(protected, payload, SIGNATURE)


def test_a_claim_is_small_and_alphanumeric():
    code = text()
    size = len(base45.decode(code[5:]))
    record("text", code)
    record("size", size)
    assert size <= MAX_BYTES and len(code) <= 262, size  # 262 characters: version 9 at level M
    for character in code:
        assert character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def test_the_longest_fields_still_fit():
    protected, payload, _ = claim_prepare(4, (1 << 32) - 1, "20991231", "P" * 32, TOKEN, "K" * 16)
    assert len(base45.decode(claim_assemble(protected, payload, bytes(64))[5:])) <= MAX_BYTES


def test_what_was_said_comes_back():
    claim = claim_parse(text())
    assert (claim.kid, claim.outcome, claim.amount, claim.date, claim.pv, claim.token) == (
        "TSD-000001",
        records.OUTCOME_PROVISIONAL,
        500000,
        "20260314",
        PV,
        TOKEN,
    )


def test_the_signature_is_verified():
    claim = claim_verify(PureCrypto(), text(), PUBLIC)
    assert claim.pv == PV


def test_a_genuine_provisional_claim_means_not_yet_paid():
    assert claim_verify(PureCrypto(), text(), PUBLIC).meaning == NOT_YET_PAID


def test_only_an_approved_claim_means_paid():
    meanings = []
    for outcome in (OUTCOME_NOTICE, 1, 2, 3, 4):
        protected, payload, _ = prepared(outcome)
        meanings.append(claim_parse(claim_assemble(protected, payload, bytes(64))).meaning)
    assert meanings == [NOT_PAID, PAID, NOT_YET_PAID, NOT_PAID, NOTHING_TAKEN]


def test_a_changed_outcome_or_signature_does_not_verify():
    crypto = PureCrypto()
    protected, payload, _ = prepared(records.OUTCOME_APPROVED)
    assert (
        raises(CryptoError, claim_verify, crypto, claim_assemble(protected, payload, SIGNATURE), PUBLIC).code
        == "CRY-010"
    )
    protected, payload, _ = prepared()
    wrong = bytes([SIGNATURE[0] ^ 1]) + SIGNATURE[1:]
    assert (
        raises(CryptoError, claim_verify, crypto, claim_assemble(protected, payload, wrong), PUBLIC).code == "CRY-010"
    )


def test_a_batch_signature_is_no_receipt():
    payload = prepared()[1]
    protected, _ = cose.sign1_prepare({1: -7, 3: "tsd/batch", 4: b"TSD-000001"}, payload)
    error = raises(CryptoError, claim_verify, PureCrypto(), claim_assemble(protected, payload, SIGNATURE), PUBLIC)
    assert error.code == "CRY-012"


def test_other_texts_are_refused():
    good = text()
    for bad in (
        "",
        "TSD1:",
        "TSD2:" + good[5:],
        good[:40],
        good + "0",
        good.lower(),
        "TSD1:" + "0" * 300,
        "HC1:NCFOXN",
    ):
        assert isinstance(raises(FormatError, claim_parse, bad), FormatError), bad


def test_fields_out_of_range_are_refused_with_their_number():
    for arguments, detail in (
        ((5, 1, "20260314", PV, TOKEN, "T"), 1),
        ((1, -1, "20260314", PV, TOKEN, "T"), 2),
        ((1, 1 << 32, "20260314", PV, TOKEN, "T"), 2),
        ((1, 1, "20261314", PV, TOKEN, "T"), 3),
        ((1, 1, "2026-3-4", PV, TOKEN, "T"), 3),
        ((1, 1, "20260314", "", TOKEN, "T"), 4),
        ((1, 1, "20260314", "\u0639", TOKEN, "T"), None),
        ((1, 1, "20260314", PV, b"123", "T"), 5),
        ((1, 1, "20260314", PV, TOKEN, "T" * 17), 0),
    ):
        error = raises(ClaimError, claim_prepare, *arguments)
        assert error.code == "FMT-070" and error.detail == detail, arguments


def test_surplus_fields_are_refused():
    fields = cbor.decode(prepared()[1])
    fields[6] = 1
    assert (
        raises(ClaimError, claim_parse, claim_assemble(prepared()[0], cbor.encode(fields), bytes(64))).code == "FMT-070"
    )
