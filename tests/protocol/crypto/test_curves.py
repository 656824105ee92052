"""Curves: group laws, published PACE and ECDSA numbers, Wycheproof's signatures and hostile points."""

from protocol.crypto import CURVES, KeyFormatError, ec
from protocol.crypto.pure import PureCrypto
from protocol.pack import int_from
from tests.support.dual import ON_DEVICE, raises, record, vector_cases, vectors

h = bytes.fromhex


def _all():
    implementations = [PureCrypto()]
    if not ON_DEVICE:
        from protocol.crypto.native import NativeCrypto

        implementations.append(NativeCrypto())
    return implementations


def _order(name):
    return ec.Curve(name).n


def _number(value, name):
    return value.to_bytes(ec.Curve(name).size, "big")


def test_wycheproof_p256_not_one_invalid_signature_is_accepted():
    crypto = PureCrypto()
    valid = invalid = 0
    for group, case in vector_cases("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json", "testGroups", "tests"):
        public = h(group["publicKey"]["uncompressed"])
        accepted = crypto.ecdsa_verify("P-256", public, crypto.sha256(h(case["msg"])), h(case["sig"]))
        assert accepted == (case["result"] == "valid"), case["tcId"]
        valid += accepted
        invalid += not accepted
    assert (valid, invalid) == (173, 89)
    record("valid", valid)


def test_wycheproof_hostile_points_are_refused_and_good_ones_multiply():
    crypto = PureCrypto()
    good = bad = 0
    for _, case in vector_cases("wycheproof/ecdh_secp256r1_ecpoint_test.json", "testGroups", "tests"):
        point = h(case["public"])
        if case["result"] == "valid":
            if case["tcId"] % 3 == 0 or "EdgeCaseDoubling" not in case["flags"]:
                shared = crypto.ec_multiply("P-256", _number(int(case["private"], 16), "P-256"), point)
                assert shared[1:33] == h(case["shared"]), case["tcId"]
                good += 1
        else:  # compressed, of another curve, off the curve, or no point at all
            raises(KeyFormatError, crypto.ec_check, "P-256", point)
            raises(KeyFormatError, crypto.ec_multiply, "P-256", b"\x03", point)
            bad += 1
    assert good > 150
    assert bad == 25


SIGNATURES = (  # RFC 6979 appendix A.2, message "sample"
    (
        "P-224",
        "sha224",
        "00cf08da5ad719e42707fa431292dea11244d64fc51610d94b130d6c",
        "eeab6f3debe455e3dbf85416f7030cbd94f34f2d6f232c69f3c1385a",
        "1cdfe6662dde1e4a1ec4cdedf6a1f5a2fb7fbd9145c12113e6abfd3e",
        "a6694fd7718a21053f225d3f46197ca699d45006c06f871808f43ebc",
    ),
    (
        "P-256",
        "sha256",
        "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    ),
    (
        "P-384",
        "sha384",
        "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64def8f0ea9055866064a254515480bc13",
        "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1288b231c3ae0d4fe7344fd2533264720",
        "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46",
        "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8",
    ),
)


def test_published_signatures_hold_and_neighbours_do_not():
    for crypto in _all():
        for name, hash_name, x, y, r, s in SIGNATURES:
            public = h("04" + x + y)
            digest = getattr(crypto, hash_name)(b"sample")
            n, size = _order(name), len(x) // 2
            signature = h(r + s)
            assert crypto.ecdsa_verify(name, public, digest, signature), name
            high = h(r) + _number(n - int_from(h(s)), name)  # ECDSA accepts both s and n - s
            assert crypto.ecdsa_verify(name, public, digest, high)
            assert not crypto.ecdsa_verify(name, public, getattr(crypto, hash_name)(b"other"), signature)
            zero = bytes(size)
            for bad in (
                zero + zero,
                zero + h(s),
                h(r) + zero,
                _number(n, name) + h(s),
                h(r) + _number(n, name),
                signature[:-1],
                signature + b"\x00",
                b"",
            ):
                assert not crypto.ecdsa_verify(name, public, digest, bad)
            raises(KeyFormatError, crypto.ecdsa_verify, name, public[:-1], digest, signature)
            raises(KeyFormatError, crypto.ecdsa_verify, name, b"\x04" + bytes(2 * size), digest, signature)


def test_a_longer_digest_is_cut_to_the_order():
    crypto = PureCrypto()
    name, _, x, y, r, s = SIGNATURES[1]
    digest = crypto.sha256(b"sample")
    for implementation in _all():
        assert implementation.ecdsa_verify(name, h("04" + x + y), digest + bytes(32), h(r + s))
        assert not implementation.ecdsa_verify(name, h("04" + x + y), digest[:31], h(r + s))


def test_group_laws_on_every_curve():
    implementations = _all()
    for crypto in implementations:
        for name in CURVES:
            n = _order(name)
            base = crypto.ec_multiply(name, b"\x01")
            two = crypto.ec_multiply(name, b"\x02")
            assert crypto.ec_add(name, base, base) == two
            assert crypto.ec_add(name, base, two) == crypto.ec_multiply(name, b"\x03", base)
            negative = crypto.ec_multiply(name, _number(n - 1, name))
            assert negative[: 1 + len(base) // 2] == base[: 1 + len(base) // 2]
            assert negative != base
            raises(KeyFormatError, crypto.ec_add, name, base, negative)  # infinity
            assert crypto.ec_add(name, two, negative) == base
            a, b = 0x1234567890ABCDEF1234567, n // 3
            left = crypto.ec_multiply(name, _number(b, name), crypto.ec_multiply(name, _number(a, name)))
            assert left == crypto.ec_multiply(name, _number(a * b % n, name))
            if crypto is implementations[0]:
                record(name, left)
            for scalar in (0, n):
                raises(KeyFormatError, crypto.ec_multiply, name, _number(scalar, name))
            raises(KeyFormatError, crypto.ec_multiply, name, b"\x01", base[:-1] + bytes((base[-1] ^ 1,)))


def test_coordinates_have_to_be_reduced():
    for crypto in _all():
        name = "P-256"
        curve = ec.Curve(name)
        base = crypto.ec_multiply(name, b"\x01")
        for at in (1, 33):
            value = int_from(base[at : at + 32]) + curve.p
            if value >> 256 == 0:
                raises(KeyFormatError, crypto.ec_check, name, base[:at] + _number(value, name) + base[at + 32 :])
        top = b"\x04" + b"\xff" * 64
        raises(KeyFormatError, crypto.ec_check, name, top)
        for bad in (b"", b"\x00", b"\x02" + base[1:33], b"\x06" + base[1:], base + b"\x00", b"\x04"):
            raises(KeyFormatError, crypto.ec_check, name, bad)


def test_pace_generic_mapping_of_the_icao_example():
    pace = vectors("icao9303.json")["pace_gm_ecdh"]
    name, mapping, agreement = "brainpoolP256r1", pace["map"], pace["key_agreement"]
    for crypto in _all():
        for side in ("terminal", "chip"):
            assert crypto.ec_multiply(name, h(mapping[side + "_private"])) == b"\x04" + h(mapping[side + "_public"])
        shared = crypto.ec_multiply(name, h(mapping["terminal_private"]), b"\x04" + h(mapping["chip_public"]))
        assert shared[1:] == h(mapping["shared_secret_h"])
        mapped = crypto.ec_add(name, crypto.ec_multiply(name, h(pace["nonce_s"])), shared)
        assert mapped[1:] == h(mapping["mapped_generator"])
        for side in ("terminal", "chip"):
            public = crypto.ec_multiply(name, h(agreement[side + "_private"]), mapped)
            assert public[1:] == h(agreement[side + "_public"])
        secret = crypto.ec_multiply(name, h(agreement["terminal_private"]), b"\x04" + h(agreement["chip_public"]))
        assert secret[1:33] == h(agreement["shared_secret"])


def test_signed_digits_add_up_to_the_scalar():
    for width in (5, 6):
        for scalar in (1, 2, 15, 16, 31, 255, 2**255, 2**256 - 1, 0x5A5A5A5A << 200):
            digits = ec.naf(scalar, 32, width)
            total = 0
            for i in range(len(digits) - 1, -1, -1):
                digit = digits[i] if digits[i] < 128 else digits[i] - 256
                assert digit == 0 or (digit & 1 and -(1 << width - 1) < digit < 1 << width - 1)
                total = 2 * total + digit
            assert total == scalar
