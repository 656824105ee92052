"""COSE_Sign1 against the cose-wg examples, and what a strict reader must not believe."""

from binascii import a2b_base64

from protocol import cbor, cose
from protocol.cose import CoseError, CoseVerifyError
from protocol.crypto import KeyFormatError
from protocol.crypto.pure import PureCrypto
from protocol.errors import FormatError
from tests.support.dual import raises, record, vectors

h = bytes.fromhex

PASS = ("sign1-tests/sign-pass-02", "sign1-tests/sign-pass-03", "ecdsa-examples/ecdsa-sig-01")
# file -> (class, code, why); sign-pass-01 is sound COSE, but its algorithm is not protected, which this profile wants
REFUSED = {
    "sign1-tests/sign-pass-01": (CoseError, "FMT-060", "empty protected map written as h'a0', algorithm unprotected"),
    "sign1-tests/sign-fail-01": (CoseError, "FMT-060", "another outer tag"),
    "sign1-tests/sign-fail-02": (CoseVerifyError, "CRY-010", "signature changed"),
    "sign1-tests/sign-fail-03": (CoseVerifyError, "CRY-011", "algorithm -999"),
    "sign1-tests/sign-fail-04": (CoseVerifyError, "CRY-011", "algorithm 'unknown'"),
    "sign1-tests/sign-fail-06": (CoseVerifyError, "CRY-010", "protected attribute added"),
    "sign1-tests/sign-fail-07": (CoseVerifyError, "CRY-010", "protected attribute removed"),
    "eddsa-examples/eddsa-sig-01": (CoseVerifyError, "CRY-011", "EdDSA"),
}


def _b64(text):
    text = text.replace("-", "+").replace("_", "/")
    return a2b_base64(text + "=" * (-len(text) % 4))


def _load(name):
    """Message, public key (P-256 or None), external data, expected to-be-signed bytes, whether the example is tagged."""
    case = vectors("cose/" + name + ".json")
    sign = case["input"]["sign0"]
    key = sign["key"]
    public = b"\x04" + _b64(key["x"]) + _b64(key["y"]) if key["kty"] == "EC" else b""
    return h(case["output"]["cbor"]), public, h(sign.get("external", "")), h(case["intermediates"]["ToBeSign_hex"])


def _verify(name):
    data, public, external, _ = _load(name)
    message = cose.sign1_parse(data)
    return cose.sign1_verify(PureCrypto(), message, public, external)


def test_the_examples_that_pass():
    for name in PASS:
        data, public, external, to_sign = _load(name)
        message = cose.sign1_parse(data)
        assert cose.sig_structure(message.protected_bytes, external, message.payload) == to_sign
        assert cose.sign1_verify(PureCrypto(), message, public, external) == b"This is the content."
        record("digest", cose.sign1_prepare(message.protected, message.payload, external)[1])
        tagged = data[0] == 0xD2
        again = cose.sign1_encode(message.protected, message.unprotected, message.payload, message.signature, tagged)
        assert again == data
        cose.sign1_parse(data, tagged)
        assert raises(CoseError, cose.sign1_parse, data, not tagged).code == "FMT-060"


def test_the_examples_that_must_fail():
    for name in REFUSED:
        expected, code, why = REFUSED[name]
        error = raises(expected, _verify, name)
        assert error.code == code, (name, why, error.code)


def test_the_unprotected_example_holds_under_its_signature_structure():
    data, public, external, to_sign = _load("sign1-tests/sign-pass-01")
    item = cbor.decode(data, tags=True).value
    assert cose.sig_structure(b"", external, item[2]) == to_sign
    crypto = PureCrypto()
    assert crypto.ecdsa_verify("P-256", public, crypto.sha256(to_sign), item[3])


def _good():
    data, public, _, _ = _load("sign1-tests/sign-pass-02")
    return cose.sign1_parse(data), public, h("11aa22bb33cc44dd55006699")


def test_other_data_beside_the_message_breaks_it():
    message, public, external = _good()
    raises(CoseVerifyError, cose.sign1_verify, PureCrypto(), message, public, external + b"\x00")
    raises(CoseVerifyError, cose.sign1_verify, PureCrypto(), message, public)


def test_every_changed_byte_of_payload_header_or_signature_breaks_it():
    message, public, external = _good()
    crypto = PureCrypto()
    for i in range(0, 64, 9):
        changed = bytearray(message.signature)
        changed[i] ^= 1
        bad = cose.Sign1(message.protected_bytes, message.protected, {}, message.payload, bytes(changed))
        assert raises(CoseVerifyError, cose.sign1_verify, crypto, bad, public, external).code == "CRY-010"
    bad = cose.Sign1(message.protected_bytes, message.protected, {}, message.payload + b"x", message.signature)
    raises(CoseVerifyError, cose.sign1_verify, crypto, bad, public, external)
    bad = cose.Sign1(message.protected_bytes + b"x", message.protected, {}, message.payload, message.signature)
    raises(CoseVerifyError, cose.sign1_verify, crypto, bad, public, external)
    for size in (0, 63, 65):
        bad = cose.Sign1(message.protected_bytes, message.protected, {}, message.payload, bytes(size))
        raises(CoseVerifyError, cose.sign1_verify, crypto, bad, public, external)


def test_a_key_that_is_no_point_is_refused():
    message, public, external = _good()
    raises(KeyFormatError, cose.sign1_verify, PureCrypto(), message, public[:-1] + b"\x00", external)
    raises(KeyFormatError, cose.sign1_verify, PureCrypto(), message, b"\x04" + bytes(64), external)


def test_a_detached_payload_is_given_apart():
    message, public, external = _good()
    crypto = PureCrypto()
    detached = cose.sign1_assemble(message.protected_bytes, message.unprotected, None, message.signature)
    parsed = cose.sign1_parse(detached)
    assert parsed.payload is None
    whole = message.payload
    assert cose.sign1_verify(crypto, parsed, public, external, None, whole) == whole
    assert raises(CoseError, cose.sign1_verify, crypto, parsed, public, external).code == "FMT-060"
    raises(CoseError, cose.sign1_verify, crypto, message, public, external, None, whole)


def test_the_content_type_is_part_of_the_purpose():
    data, public, external, _ = _load("ecdsa-examples/ecdsa-sig-01")
    message = cose.sign1_parse(data)
    assert message.content_type == 0
    assert message.kid == b"11"
    cose.sign1_verify(PureCrypto(), message, public, external, 0)
    error = raises(CoseVerifyError, cose.sign1_verify, PureCrypto(), message, public, external, "tsd/batch")
    assert error.code == "CRY-012"


def _message(protected, unprotected, payload=b"x", signature=bytes(64), tag=18):
    parts = [protected, unprotected, payload, signature]
    return cbor.encode(cbor.Tag(tag, parts), tags=True)


def test_headers_that_are_refused():
    es256 = h("a10126")
    good = _message(es256, {4: b"k"})
    assert cose.sign1_parse(good).kid == b"k"
    bad = (
        _message(b"\xa0", {}),  # an empty map is the empty string
        _message(b"\x80", {}),
        _message(b"\x01", {}),
        _message(h("a2012604416b"), {4: b"k"}),  # the same label in both
        _message(h("a201260281" + "01"), {}),  # crit
        _message(es256, {2: [1]}),
        _message(es256, {1: -7}),
        _message(b"", {1: -7}),
        _message(es256, {4: "k"}),
        _message(es256, {}, "text"),
        _message(es256, {}, b"x", "text"),
        _message(es256, {}, tag=98),
        _message(es256, {9: cbor.Tag(1, 1)}),
        _message({1: -7}, {}),
        _message(es256, []),
        cbor.encode([es256, {}, b""]),
        cbor.encode({}),
    )
    for data in bad:
        raises(FormatError, cose.sign1_parse, data)
    raises(FormatError, cose.sign1_parse, _message(h("a101381806"), {}))  # protected bytes with a tail
    raises(FormatError, cose.sign1_parse, _message(h("a2012601" + "26"), {}))  # the same label twice
    raises(FormatError, cose.sign1_parse, _message(h("a1013806"), {}))  # not the shortest form of -7
    raises(FormatError, cose.sign1_parse, good + b"\x00")


def test_preparing_wants_es256_and_assembling_64_bytes():
    raises(CoseError, cose.sign1_prepare, {1: -35}, b"x")
    raises(CoseError, cose.sign1_prepare, {}, b"x")
    protected, _ = cose.sign1_prepare({1: -7}, b"x")
    raises(CoseError, cose.sign1_assemble, protected, {}, b"x", bytes(63))
    raises(CoseError, cose.sign1_assemble, protected, {1: -7}, b"x", bytes(64))
