"""One suite that every implementation of the crypto seam has to pass: published numbers, then what must be refused."""

from protocol.crypto import CURVES, AuthenticationError, KeyFormatError
from protocol.crypto.pure import PureCrypto
from tests.support.dual import ON_DEVICE, raises, record, vectors

h = bytes.fromhex


def _all():
    implementations = [PureCrypto()]
    if not ON_DEVICE:
        from protocol.crypto.native import NativeCrypto

        implementations.append(NativeCrypto())
    return implementations


ABC = b"abc"
TWO_BLOCKS = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"
TWO_LONG = (
    b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
    + b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"
)
HASHES = (  # FIPS 180-4's published examples
    ("sha1", ABC, "a9993e364706816aba3e25717850c26c9cd0d89d"),
    ("sha1", TWO_BLOCKS, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
    ("sha224", ABC, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7"),
    ("sha224", TWO_BLOCKS, "75388b16512776cc5dba5da1fd890150b0c6455cb4f58b1952522525"),
    ("sha256", ABC, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    ("sha256", b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (
        "sha384",
        ABC,
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    ),
    (
        "sha384",
        TWO_LONG,
        "09330c33f71147e83d192fc782cd1b4753111b173b3b05d22fa08086e3b0f712fcc7c71a557e2db966c3e9fa91746039",
    ),
    (
        "sha512",
        ABC,
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    ),
    (
        "sha512",
        TWO_LONG,
        "8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
        + "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909",
    ),
)


def test_hashes_whole_and_in_pieces():
    for crypto in _all():
        for name, data, digest in HASHES:
            assert getattr(crypto, name)(data) == h(digest), name
            for cut in (0, 1, len(data) // 2, len(data)):
                state = crypto.sha_new(name)
                state.update(data[:cut])
                state.update(memoryview(data)[cut:])
                assert state.digest() == h(digest), (name, cut)
        raises(KeyFormatError, crypto.sha_new, "md5")


def test_hash_lengths_around_a_block_agree():
    for size in (55, 56, 63, 64, 65, 111, 112, 119, 120, 127, 128, 129, 300):
        data = bytes([i * 11 & 255 for i in range(size)])
        for name in ("sha1", "sha224", "sha256", "sha384", "sha512"):
            digests = [getattr(crypto, name)(data) for crypto in _all()]
            assert digests[0] == digests[-1]
            record(name, digests[0])


HMACS = (  # RFC 4231 cases 1, 2, 3, 6
    ("0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (
        b"Jefe".hex(),
        b"what do ya want for nothing?",
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("aa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        "aa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
)


def test_hmac():
    for crypto in _all():
        for key, data, mac in HMACS:
            assert crypto.hmac_sha256(h(key), data) == h(mac)


PLAIN = "00112233445566778899aabbccddeeff"
AES_KEY = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
SP38A_KEY = "2b7e151628aed2a6abf7158809cf4f3c"
SP38A_TEXT = (
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    + "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
SP38A_CBC = (
    "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
    + "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"
)


def test_aes_blocks_and_chains():
    implementations = _all()
    for crypto in implementations:
        for size, cipher in (
            (16, "69c4e0d86a7b0430d8cdb78070b4c55a"),  # FIPS 197 appendix C
            (24, "dda97ca4864cdfe06eaf70a0ec0d7191"),
            (32, "8ea2b7ca516745bfeafc49904b496089"),
        ):
            key = h(AES_KEY)[:size]
            assert crypto.aes_ecb_encrypt(key, h(PLAIN) * 2) == h(cipher) * 2
            assert crypto.aes_ecb_decrypt(key, memoryview(h(cipher) * 2)) == h(PLAIN) * 2
            chained = crypto.aes_cbc_encrypt(key, bytes(16), h(PLAIN) * 3)
            assert crypto.aes_cbc_decrypt(key, bytes(16), chained) == h(PLAIN) * 3
            if crypto is implementations[0]:
                record("cbc", chained)
        iv = h(AES_KEY)[:16]
        assert crypto.aes_cbc_encrypt(h(SP38A_KEY), iv, h(SP38A_TEXT)) == h(SP38A_CBC)  # SP 800-38A F.2.1
        assert crypto.aes_cbc_decrypt(h(SP38A_KEY), iv, h(SP38A_CBC)) == h(SP38A_TEXT)
        assert crypto.aes_ecb_encrypt(iv, b"") == b""
        assert crypto.aes_cbc_decrypt(iv, iv, b"") == b""


def test_aes_cmac():
    for crypto in _all():
        for size, mac in (  # RFC 4493 section 4
            (0, "bb1d6929e95937287fa37d129b756746"),
            (16, "070a16b46b4d4144f79bdd9dd04a287c"),
            (40, "dfa66747de9ae63030ca32611497c827"),
            (64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ):
            assert crypto.aes_cmac(h(SP38A_KEY), h(SP38A_TEXT)[:size]) == h(mac)


def test_aes_ccm():
    for crypto in _all():
        # SP 800-38C examples 2 and 3
        key = h("404142434445464748494a4b4c4d4e4f")
        aad, plain = bytes(range(16)), h("202122232425262728292a2b2c2d2e2f")
        sealed = h("d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd")
        assert crypto.aes_ccm_encrypt(key, h("1011121314151617"), aad, plain, 6) == sealed
        assert crypto.aes_ccm_decrypt(key, h("1011121314151617"), aad, sealed, 6) == plain
        nonce, aad = h("101112131415161718191a1b"), bytes(range(20))
        plain = h("202122232425262728292a2b2c2d2e2f3031323334353637")
        sealed = h("e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5484392fbc1b09951")
        assert crypto.aes_ccm_encrypt(key, nonce, aad, plain, 8) == sealed
        assert crypto.aes_ccm_decrypt(key, nonce, aad, memoryview(sealed), 8) == plain
        for i in range(len(sealed)):
            changed = bytearray(sealed)
            changed[i] ^= 1
            raises(AuthenticationError, crypto.aes_ccm_decrypt, key, nonce, aad, changed, 8)
        raises(AuthenticationError, crypto.aes_ccm_decrypt, key, nonce, aad + b"x", sealed, 8)
        raises(AuthenticationError, crypto.aes_ccm_decrypt, key, nonce, aad, sealed[:7], 8)
        raises(AuthenticationError, crypto.aes_ccm_decrypt, key, nonce, aad, b"", 16)
        for bad_nonce in (bytes(6), bytes(14)):
            raises(KeyFormatError, crypto.aes_ccm_encrypt, key, bad_nonce, b"", b"", 16)
        for size in (0, 2, 3, 7, 15, 17, 18):
            raises(KeyFormatError, crypto.aes_ccm_encrypt, key, nonce, b"", b"", size)


def test_des_and_triple_des():
    for crypto in _all():
        key = h("0123456789abcdef")  # FIPS 81 table B1
        cipher = h("3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53")
        assert crypto.des_ecb_encrypt(key, b"Now is the time for all ") == cipher
        assert crypto.des_ecb_decrypt(key, cipher) == b"Now is the time for all "
        key = h("0123456789abcdef23456789abcdef01456789abcdef0123")  # SP 800-67 appendix B.1, block by block
        plain = b"The qufck brown fox jump"  # so spelt there
        cipher = h("a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900")
        for at in range(0, 24, 8):
            assert crypto.des3_cbc_encrypt(key, bytes(8), plain[at : at + 8]) == cipher[at : at + 8]
            assert crypto.des3_cbc_decrypt(key, bytes(8), cipher[at : at + 8]) == plain[at : at + 8]
        chained = crypto.des3_cbc_encrypt(key[:16], plain[:8], plain * 3)
        assert crypto.des3_cbc_decrypt(key[:16], plain[:8], chained) == plain * 3
        crypto.forget()
        assert crypto.des3_cbc_encrypt(key[:16], plain[:8], memoryview(plain * 3)) == chained


def test_secure_messaging_of_the_icao_example():
    bac = vectors("icao9303.json")["bac"]
    keys, auth = bac["basic_access_keys"], bac["mutual_auth"]
    pad = h("8000000000000000")
    for crypto in _all():
        assert crypto.des3_cbc_encrypt(h(keys["k_enc"]), bytes(8), h(auth["s"])) == h(auth["e_ifd"])
        assert crypto.retail_mac(h(keys["k_mac"]), h(auth["e_ifd"]) + pad) == h(auth["m_ifd"])
        assert crypto.des3_cbc_decrypt(h(keys["k_enc"]), bytes(8), h(auth["e_ic"])) == h(auth["r"])
        assert crypto.retail_mac(h(keys["k_mac"]), h(auth["e_ic"]) + pad) == h(auth["m_ic"])
        for step in bac["secure_messaging"]:
            assert crypto.retail_mac(h(auth["ks_mac"]), h(step["n"])) == h(step["cc"])
            assert crypto.retail_mac(h(auth["ks_mac"]), h(step["k"])) == h(step["response_cc"])


def test_rsa():
    n, e, size = 3233 * 10**6 + 1, 17, 6  # an odd modulus is all the public operation needs
    for crypto in _all():
        for value in (0, 1, 2, 65537, n - 1):
            got = crypto.rsa_public(n.to_bytes(size, "big"), b"\x11", value.to_bytes(size, "big"))
            assert got == pow(value, e, n).to_bytes(size, "big")
        number = n.to_bytes(size, "big")
        raises(KeyFormatError, crypto.rsa_public, number, b"\x11", number)
        raises(KeyFormatError, crypto.rsa_public, number, b"\x11", bytes(size - 1))
        raises(KeyFormatError, crypto.rsa_public, number, b"\x01", bytes(size))
        raises(KeyFormatError, crypto.rsa_public, number, b"\x10", bytes(size))
        raises(KeyFormatError, crypto.rsa_public, bytes(size), b"\x11", bytes(size))


def test_lengths_that_no_cipher_takes():
    for crypto in _all():
        for size in (0, 15, 17, 33):
            raises(KeyFormatError, crypto.aes_ecb_encrypt, bytes(size), bytes(16))
            raises(KeyFormatError, crypto.aes_cmac, bytes(size), b"")
        raises(KeyFormatError, crypto.aes_ecb_encrypt, bytes(16), bytes(15))
        raises(KeyFormatError, crypto.aes_ecb_decrypt, bytes(16), bytes(17))
        raises(KeyFormatError, crypto.aes_cbc_encrypt, bytes(16), bytes(15), bytes(16))
        raises(KeyFormatError, crypto.aes_cbc_decrypt, bytes(16), bytes(16), bytes(8))
        raises(KeyFormatError, crypto.des_ecb_encrypt, bytes(16), bytes(8))
        raises(KeyFormatError, crypto.des_ecb_decrypt, bytes(8), bytes(9))
        raises(KeyFormatError, crypto.des3_cbc_encrypt, bytes(8), bytes(8), bytes(8))
        raises(KeyFormatError, crypto.des3_cbc_decrypt, bytes(16), bytes(7), bytes(8))
        raises(KeyFormatError, crypto.des3_cbc_encrypt, bytes(24), bytes(8), bytes(4))
        raises(KeyFormatError, crypto.retail_mac, bytes(16), bytes(9))
        raises(KeyFormatError, crypto.retail_mac, bytes(24), bytes(8))
        assert crypto.retail_mac(bytes(16), b"") == _all()[0].retail_mac(bytes(16), b"")


def test_every_named_curve_is_known_and_no_other():
    for crypto in _all():
        for name in CURVES:
            base = crypto.ec_multiply(name, b"\x01")
            crypto.ec_check(name, base)
            assert base == _all()[0].ec_multiply(name, b"\x01")
        raises(KeyFormatError, crypto.ec_multiply, "secp256k1", b"\x01")
        raises(KeyFormatError, crypto.ec_check, "secp256k1", b"\x04")
        raises(KeyFormatError, crypto.ecdsa_verify, "P-192", b"\x04", bytes(32), bytes(64))
