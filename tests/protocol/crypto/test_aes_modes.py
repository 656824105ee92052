"""Wycheproof's AES-CCM, and plain-Python AES against whatever else the runtime has."""

from protocol.crypto import AuthenticationError, KeyFormatError, aes
from protocol.crypto.pure import PureCrypto
from tests.support.dual import ON_DEVICE, record, vector_cases

h = bytes.fromhex


def _all():
    implementations = [PureCrypto()]
    if not ON_DEVICE:
        from protocol.crypto.native import NativeCrypto

        implementations.append(NativeCrypto())
    return implementations


def test_wycheproof_ccm_not_one_invalid_message_is_opened():
    opened = refused = 0
    implementations = _all()
    for group, case in vector_cases("wycheproof/aes_ccm_test.json", "testGroups", "tests"):
        key, nonce, aad = h(case["key"]), h(case["iv"]), h(case["aad"])
        message, sealed = h(case["msg"]), h(case["ct"]) + h(case["tag"])
        size = group["tagSize"] // 8
        for crypto in implementations:
            try:
                assert crypto.aes_ccm_decrypt(key, nonce, aad, sealed, size) == message
                got = True
            except (AuthenticationError, KeyFormatError):
                got = False
            assert got == (case["result"] == "valid"), case["tcId"]
            if got:
                assert crypto.aes_ccm_encrypt(key, nonce, aad, message, size) == sealed
        opened += got
        refused += not got
    assert (opened, refused) == (405, 147)
    record("opened", opened)


def test_plain_python_aes_agrees_with_what_the_runtime_has():
    data = bytes([i * 29 & 255 for i in range(64)])
    for size in (16, 24, 32):
        key = bytes(range(size))
        software = aes.Software(key)
        sealed = software.encrypt(data)
        assert software.decrypt(sealed) == data
        for crypto in _all():
            assert crypto.aes_ecb_encrypt(key, data) == sealed
            assert crypto.aes_ecb_decrypt(key, sealed) == data
        record("sealed", sealed)


def test_a_chain_goes_on_where_it_stopped():
    key, iv, data = bytes(range(16)), bytes(range(16, 32)), bytes(range(96))
    for size in (16, 24):
        whole = aes.cbc_encrypt(bytes(range(size)), iv, data)
        chain = aes.Chain(bytes(range(size)), iv)
        assert chain.encrypt(data[:16]) + chain.encrypt(b"") + chain.encrypt(data[16:]) == whole
    long = bytes([i & 255 for i in range(1000)])
    assert PureCrypto().aes_cmac(key, long) == _all()[-1].aes_cmac(key, long)
    record("cmac", PureCrypto().aes_cmac(key, long))
