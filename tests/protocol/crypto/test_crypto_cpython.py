"""The pure primitives against `cryptography` on drawn inputs, on CPython and on the device; the ROM tables are current."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.crypto import CURVES, KeyFormatError
from protocol.crypto import ec as pure_ec
from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from tests.support import cross

ROOT = Path(__file__).parents[3]
SOME = settings(max_examples=60, deadline=None)
NAMES = {
    "P-224": ec.SECP224R1(),
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
}
PURE, NATIVE = PureCrypto(), NativeCrypto()


def _blocks(size: int):
    return st.binary(max_size=10 * size).map(lambda data: data[: len(data) // size * size])


def _key(*sizes: int):
    return st.sampled_from(sizes).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@SOME
@given(_key(16, 24, 32), st.binary(min_size=16, max_size=16), _blocks(16), st.binary(max_size=100))
def test_aes(key, iv, data, message):
    for name, arguments in (
        ("aes_ecb_encrypt", (key, data)),
        ("aes_ecb_decrypt", (key, data)),
        ("aes_cbc_encrypt", (key, iv, data)),
        ("aes_cbc_decrypt", (key, iv, data)),
        ("aes_cmac", (key, message)),
        ("aes_ccm_encrypt", (key, iv[:13], message, data, 8)),
    ):
        assert getattr(PURE, name)(*arguments) == getattr(NATIVE, name)(*arguments), name


@SOME
@given(_key(16, 24), st.binary(min_size=8, max_size=8), _blocks(8))
def test_des(key, iv, data):
    for name, arguments in (
        ("des3_cbc_encrypt", (key, iv, data)),
        ("des3_cbc_decrypt", (key, iv, data)),
        ("des_ecb_encrypt", (iv, data)),
        ("des_ecb_decrypt", (iv, data)),
        ("retail_mac", (key[:16], data)),
    ):
        assert getattr(PURE, name)(*arguments) == getattr(NATIVE, name)(*arguments), name


@SOME
@given(st.binary(max_size=400), st.binary(max_size=80))
def test_hashes(data, key):
    for name in ("sha1", "sha224", "sha256", "sha384", "sha512"):
        assert getattr(PURE, name)(data) == getattr(NATIVE, name)(data), name
    assert PURE.hmac_sha256(key, data) == NATIVE.hmac_sha256(key, data)


def _signatures(curve: str, count: int) -> "list[tuple[str, bytes, bytes, bytes]]":
    """(curve, public, digest, r | s) made by `cryptography`."""
    drawn = []
    for i in range(count):
        private = ec.derive_private_key(3**100 + 7919**i, NAMES[curve])
        public = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        digest = PURE.sha256(bytes((i,)))
        signature = private.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        r, s = utils.decode_dss_signature(signature)
        size = (NAMES[curve].key_size + 7) // 8
        drawn.append((curve, public, digest, r.to_bytes(size, "big") + s.to_bytes(size, "big")))
    return drawn


@pytest.mark.parametrize("curve", CURVES)
def test_signatures_of_another_library_hold_on_both_runtimes(curve):
    inputs = _signatures(curve, 4)
    for name, public, digest, signature in list(inputs):
        inputs.append((name, public, bytes(32), signature))
        inputs.append((name, public, digest, signature[:-1] + bytes((signature[-1] ^ 1,))))
    expected = [True] * 4 + [False] * 8
    assert [PURE.ecdsa_verify(*item) for item in inputs] == expected
    assert [NATIVE.ecdsa_verify(*item) for item in inputs] == expected
    assert cross.run_on_device("protocol.crypto.ec", "verify", inputs) == expected


@pytest.mark.parametrize("curve", CURVES)
def test_key_agreement_with_another_library(curve):
    theirs = ec.derive_private_key(5**90, NAMES[curve])
    ours = 7**79
    public = theirs.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    mine = ec.EllipticCurvePublicKey.from_encoded_point(NAMES[curve], PURE.ec_multiply(curve, _number(ours)))
    shared = PURE.ec_multiply(curve, _number(ours), public)
    assert theirs.exchange(ec.ECDH(), mine) == shared[1 : 1 + len(shared) // 2]


def _number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def test_the_rom_tables_are_what_their_generator_writes():
    script = ROOT / "tools" / "generators" / "crypto_tables.py"
    done = subprocess.run([sys.executable, str(script), "--check"], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("curve", CURVES)
def test_products_of_any_point_are_those_of_the_pure_implementation(curve):
    """The native one is made of agreements that give one coordinate: the other must come out right, at the edges too."""
    known = pure_ec.Curve(curve)
    point = PURE.ec_multiply(curve, b"\x07")
    middle = [int.from_bytes(hashlib.sha512(curve.encode() + bytes([n])).digest(), "big") % known.n for n in range(4)]
    for scalar in (1, 2, 3, 4, *middle, known.n - 4, known.n - 3, known.n - 2, known.n - 1):
        data = scalar.to_bytes(known.size, "big")
        for base in (None, point):
            assert NATIVE.ec_multiply(curve, data, base) == PURE.ec_multiply(curve, data, base)
    for scalar in (0, known.n, known.n + 1):
        with pytest.raises(KeyFormatError):
            NATIVE.ec_multiply(curve, scalar.to_bytes(known.size + 1, "big"), point)
