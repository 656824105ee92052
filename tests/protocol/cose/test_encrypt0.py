"""COSE_Encrypt0 with AES-CCM-16-64-128 and AES-CCM-16-128-128 against the cose-wg examples; the other CCM variants check the primitive."""

from protocol import cbor, cose
from protocol.cose import CoseError, CoseVerifyError
from protocol.crypto import AuthenticationError
from protocol.crypto.pure import PureCrypto
from protocol.errors import FormatError
from tests.support.dual import raises, record, vectors

h = bytes.fromhex

TAG_BYTES = {10: 8, 11: 8, 12: 8, 13: 8, 30: 16, 31: 16, 32: 16, 33: 16}  # RFC 9053 table 6
CONTENT = b"This is the content."


def _load(name):
    case = vectors("cose/" + name + ".json")
    middle = case["intermediates"]
    return h(case["output"]["cbor"]), h(middle["AAD_hex"]), h(middle["CEK_hex"])


def test_all_sixteen_ccm_examples_open():
    crypto = PureCrypto()
    for i in range(1, 9):
        for prefix in ("aes-ccm-enc-0", "aes-ccm-0"):
            data, aad, key = _load("aes-ccm-examples/" + prefix + str(i))
            parts = cbor.decode(data, tags=True).value
            algorithm = cbor.decode(parts[0])[cose.ALG]
            size = TAG_BYTES[algorithm]
            assert crypto.aes_ccm_decrypt(key, parts[1][cose.IV], aad, parts[2], size) == CONTENT
            assert crypto.aes_ccm_encrypt(key, parts[1][cose.IV], aad, CONTENT, size) == parts[2]


def test_the_two_algorithms_of_this_profile_open_and_seal():
    crypto = PureCrypto()
    for name, algorithm in (("01", cose.AES_CCM_16_64_128), ("02", cose.AES_CCM_16_128_128)):
        data, aad, key = _load("aes-ccm-examples/aes-ccm-enc-" + name)
        message, plaintext = cose.decrypt0(crypto, key, data)
        assert plaintext == CONTENT and message.protected == {cose.ALG: algorithm}
        assert cose.enc_structure(message.protected_bytes, b"") == aad
        again = cose.encrypt0(crypto, key, message.unprotected[cose.IV], message.protected, CONTENT)
        assert again == data
        record("sealed", again)


def test_other_algorithms_are_refused_by_name():
    for i in (3, 4, 5, 6, 7, 8):
        data, _, key = _load("aes-ccm-examples/aes-ccm-enc-0" + str(i))
        assert raises(CoseVerifyError, cose.decrypt0, PureCrypto(), key, data).code == "CRY-011"
    for name in (
        "aes-gcm-01",
        "enc-pass-02",
        "enc-fail-02",
        "enc-fail-03",
        "enc-fail-04",
        "enc-fail-06",
        "enc-fail-07",
    ):
        data, _, key = _load("encrypted-tests/" + name)
        assert raises(CoseVerifyError, cose.decrypt0, PureCrypto(), key, data).code == "CRY-011", name
    for name in ("enc-pass-01", "enc-pass-03", "enc-fail-01"):  # unprotected algorithm, or another tag
        data, _, key = _load("encrypted-tests/" + name)
        raises(CoseError, cose.decrypt0, PureCrypto(), key, data)


def test_whatever_is_changed_does_not_open():
    for algorithm in (10, 30):
        _changed(algorithm)


def _changed(algorithm):
    crypto = PureCrypto()
    key, nonce = bytes(range(16)), bytes(range(13))
    data = cose.encrypt0(crypto, key, nonce, {1: algorithm}, b"secret", b"bound", {4: b"k"})
    message, plaintext = cose.decrypt0(crypto, key, data, b"bound")
    assert plaintext == b"secret"
    assert message.kid == b"k"
    raises(AuthenticationError, cose.decrypt0, crypto, key, data, b"other")
    raises(AuthenticationError, cose.decrypt0, crypto, bytes(16), data, b"bound")
    for i in range(len(data)):
        for bit in (1, 0x80):
            changed = bytearray(data)
            changed[i] ^= bit
            try:
                opened = cose.decrypt0(crypto, key, bytes(changed), b"bound")
            except (AuthenticationError, CoseVerifyError, FormatError):
                continue
            # only the unprotected key identifier may change unnoticed: it is a hint and nothing else
            assert opened[1] == b"secret"
            assert opened[0].unprotected != message.unprotected


def test_a_nonce_that_begins_with_zeros_crosses_as_a_partial_iv():
    crypto, key = PureCrypto(), bytes(range(16))
    for nonce, sent in ((bytes(13), b"\0"), (bytes(7) + b"random", b"random"), (bytes(12) + b"\x05", b"\x05")):
        data = cose.encrypt0(crypto, key, nonce, {1: 30}, b"secret", b"bound", tagged=False)
        protected, outer, sealed = cbor.decode(data)
        assert outer == {cose.PARTIAL_IV: sent}
        assert crypto.aes_ccm_decrypt(key, nonce, cose.enc_structure(protected, b"bound"), sealed, 16) == b"secret"
        assert cose.decrypt0(crypto, key, data, b"bound")[1] == b"secret"
        for other in ({cose.IV: nonce, cose.PARTIAL_IV: sent}, {cose.PARTIAL_IV: b""}, {cose.PARTIAL_IV: bytes(14)}):
            raises(CoseError, cose.decrypt0, crypto, key, cbor.encode([protected, other, sealed]), b"bound")
    full = cose.encrypt0(crypto, key, b"thirteen byte", {1: 30}, b"", tagged=False)
    assert cbor.decode(full)[1] == {cose.IV: b"thirteen byte"}


def test_a_nonce_that_the_context_knows_is_zero_and_not_sent():
    crypto, key = PureCrypto(), bytes(range(16))
    data = cose.encrypt0(crypto, key, None, {1: 10}, b"secret", b"bound")
    protected, outer, sealed = cbor.decode(data, tags=True).value
    assert data[:2] == b"\xd0\x83" and outer == {} and len(sealed) == len(b"secret") + 8
    assert crypto.aes_ccm_decrypt(key, bytes(13), cose.enc_structure(protected, b"bound"), sealed, 8) == b"secret"
    raises(CoseError, cose.decrypt0, crypto, key, data, b"bound")
    record("sealed", data)


def test_what_does_not_fit_is_refused():
    crypto = PureCrypto()
    key, nonce = bytes(16), bytes(13)
    raises(CoseError, cose.encrypt0, crypto, key, bytes(12), {1: 30}, b"")
    raises(CoseError, cose.encrypt0, crypto, bytes(32), nonce, {1: 30}, b"")
    raises(CoseError, cose.encrypt0, crypto, key, nonce, {1: 31}, b"")
    raises(CoseError, cose.encrypt0, crypto, key, b"", {1: 30}, b"")
    raises(CoseError, cose.encrypt0, crypto, bytes(32), None, {1: 10}, b"")
    data = cose.encrypt0(crypto, key, nonce, {1: 30}, b"", tagged=False)
    assert cose.decrypt0(crypto, key, data)[1] == b""
    raises(CoseError, cose.decrypt0, crypto, key, data, b"", True)
    raises(CoseError, cose.decrypt0, crypto, bytes(32), data)
    parts = cbor.decode(data)
    raises(CoseError, cose.decrypt0, crypto, key, cbor.encode([parts[0], {}, parts[2]]))
    raises(CoseError, cose.decrypt0, crypto, key, cbor.encode([parts[0], {5: bytes(12)}, parts[2]]))
    raises(CoseError, cose.decrypt0, crypto, key, cbor.encode([parts[0], {5: bytes(13)}, "x"]))
    raises(AuthenticationError, cose.decrypt0, crypto, key, cbor.encode([parts[0], {5: bytes(13)}, b"x"]))
