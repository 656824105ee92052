"""Signatures made by `cryptography`, verified by the licence code on both runtimes: RSA PKCS#1 v1.5 and PSS, ECDSA, every hash."""

import hashlib
import secrets
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asn1crypto import algos
from asn1crypto import keys as asn1_keys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from protocol.licence.errors import TrustError
from sim.cards.licence.proof.domains import FieldGroup
from sim.cards.licence.proof.keys import _field_key
from sim.cards.tlv import read, tlv
from sim.pki import signers
from tests.protocol.licence import judge
from tests.support import cross

HASHES: "dict[str, hashes.HashAlgorithm]" = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
CURVES = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1(), "bp256": ec.BrainpoolP256R1(),
          "bp384": ec.BrainpoolP384R1()}  # fmt: skip
DATA = b"what was signed" * 9


def public(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def check(rows: "list[tuple]", expected: bool) -> None:
    assert cross.on_host(judge.verify, rows) == [expected] * len(rows)
    assert cross.run_on_device("tests.protocol.licence.judge", "verify", rows) == [expected] * len(rows)


def spoil(rows: "list[tuple]") -> "list[tuple]":
    """Each row with another message, and each with one bit of the signature changed."""
    other = [(*row[:3], row[3] + b".", row[4]) for row in rows]
    return other + [(*row[:4], row[4][:-1] + bytes([row[4][-1] ^ 1])) for row in rows]


@pytest.mark.parametrize("bits", [1024, 2048, 2049])
def test_rsa_pkcs1(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    rows: "list[tuple]" = []
    for name, algorithm in HASHES.items():
        signature = key.sign(DATA, padding.PKCS1v15(), algorithm)
        named = algos.SignedDigestAlgorithm({"algorithm": f"{name}_rsa"}).dump()
        rows.append((public(key), named, "sha256", DATA, signature))
        rows.append(
            (public(key), algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}).dump(), name, DATA, signature)
        )
    check(rows, True)
    check(spoil(rows), False)


@pytest.mark.parametrize("bits", [1024, 1025, 2048])
def test_rsa_pss_with_salts_of_several_lengths(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    rows: "list[tuple]" = []
    for name, algorithm in HASHES.items():
        for salt in (0, 20, algorithm.digest_size):
            if salt + algorithm.digest_size + 2 > bits // 8:
                continue
            signature = key.sign(DATA, padding.PSS(padding.MGF1(algorithm), salt), algorithm)
            rows.append((public(key), pss(name, name, salt), "", DATA, signature))
    check(rows, True)
    check(spoil(rows), False)
    wrong_salt = [(row[0], pss("sha256", "sha256", 21), "", DATA, row[4]) for row in rows]
    check(wrong_salt, False)


def pss(name: str, mask: str, salt: int) -> bytes:
    parameters = {
        "hash_algorithm": {"algorithm": name},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
        "salt_length": salt,
    }
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters}).dump()


def encoded(message: bytes, salt: bytes, bits: int, separator: bytes = b"\x01", filling: int = 0) -> bytes:
    """EMSA-PSS with SHA-256 (RFC 8017 9.1.1) for a modulus of one bit more; what goes before the salt may be wrong."""
    size = (bits + 7) // 8
    digest = hashlib.sha256(bytes(8) + hashlib.sha256(message).digest() + salt).digest()
    block = bytes(size - len(salt) - 35) + bytes((filling,)) + separator + salt
    mask = b"".join(hashlib.sha256(digest + count.to_bytes(4, "big")).digest() for count in range(size // 32 + 1))
    masked = bytearray(a ^ b for a, b in zip(block, mask, strict=False))
    masked[0] &= 0xFF >> (8 * size - bits)
    return bytes(masked) + digest + b"\xbc"


@pytest.mark.parametrize("bits", [1024, 1026])
def test_pss_bits_above_the_block_must_be_zero(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    size = (bits + 7) // 8
    rows: "list[tuple]" = []
    for count in range(200):
        block = encoded(DATA, count.to_bytes(32, "big"), bits - 1)
        high = int.from_bytes(block, "big") | 1 << (
            bits - 1
        )  # a bit that the encoding does not have, below the modulus
        if high < modulus:
            for value in (int.from_bytes(block, "big"), high):
                signature = pow(value, numbers.d, modulus).to_bytes(size, "big")
                rows.append((public(key), pss("sha256", "sha256", 32), "", DATA, signature))
            break
    assert len(rows) == 2
    check(rows[:1], True)
    check(rows[1:], False)


def test_pss_wants_zeros_and_a_one_before_the_salt() -> None:
    key = rsa.generate_private_key(65537, 1024)
    numbers = key.private_numbers()

    def row(**wrong: Any) -> "tuple[Any, ...]":
        block = encoded(DATA, bytes(32), 1023, **wrong)
        signature = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(128, "big")
        return public(key), pss("sha256", "sha256", 32), "", DATA, signature

    check([row()], True)
    check([row(separator=bytes((byte,))) for byte in (0, 2, 3, 0x81, 0xFF)] + [row(filling=1)], False)


def with_cofactor(cofactor: "int | None") -> bytes:
    """A key on P-256 whose parameters are written out, with this cofactor or none."""
    domain = signers.parameters("equal")
    domain["cofactor"] = cofactor
    named = asn1_keys.PublicKeyInfo.load(public(ec.generate_private_key(ec.SECP256R1())))
    parameters = asn1_keys.ECDomainParameters(name="specified", value=domain)
    algorithm = {"algorithm": "ec", "parameters": parameters}
    return asn1_keys.PublicKeyInfo({"algorithm": algorithm, "public_key": named["public_key"]}).dump()


def test_a_curve_that_is_written_out_has_no_cofactor_but_one() -> None:
    rows: "list[tuple]" = [(with_cofactor(cofactor),) for cofactor in (1, None, 0, 2, 4, 1 << 40)]
    expected = ["P-256", "P-256"] + ["LIC-061"] * 3 + ["FMT-080"]
    assert cross.on_host(judge.curve, rows) == expected
    assert cross.run_on_device("tests.protocol.licence.judge", "curve", rows) == expected


def test_pss_may_mask_with_another_hash() -> None:
    key = rsa.generate_private_key(3, 2048)
    signature = key.sign(DATA, padding.PSS(padding.MGF1(hashes.SHA1()), 32), hashes.SHA256())
    check([(public(key), pss("sha256", "sha1", 32), "", DATA, signature)], True)


@pytest.mark.parametrize("curve", sorted(CURVES))
def test_ecdsa(curve: str) -> None:
    key = ec.generate_private_key(CURVES[curve])
    rows: "list[tuple]" = []
    for name, algorithm in HASHES.items():
        named = algos.SignedDigestAlgorithm({"algorithm": f"{name}_ecdsa"}).dump()
        rows.append((public(key), named, "", DATA, key.sign(DATA, ec.ECDSA(algorithm))))
    check(rows, True)
    check(spoil(rows), False)


def test_plain_ecdsa_of_the_bsi() -> None:
    key = ec.generate_private_key(ec.BrainpoolP256R1())
    r, s = utils.decode_dss_signature(key.sign(DATA, ec.ECDSA(hashes.SHA256())))
    plain = bytes.fromhex("300c060a04007f00070101040103")
    check([(public(key), plain, "", DATA, r.to_bytes(32, "big") + s.to_bytes(32, "big"))], True)


def test_der_signatures_are_strict() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    named = algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}).dump()
    good = key.sign(DATA, ec.ECDSA(hashes.SHA256()))
    bad = [good + b"\0", good[:-1], b"\x30\x81" + good[1:], b"", b"\x30\x00", b"\x30\x06\x02\x01\x00\x02\x01\x00"]
    check([(public(key), named, "", DATA, signature) for signature in bad], False)


def test_key_and_algorithm_must_belong_together() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    named = algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}).dump()
    with pytest.raises(TrustError):
        judge.verify(public(key), named, "", DATA, b"")


@pytest.mark.parametrize("oid", ["1.2.840.113549.1.1.4", "1.2.840.10040.4.3", "1.3.101.112"])
def test_other_algorithms_are_not_supported_rather_than_wrong(oid: str) -> None:
    key = rsa.generate_private_key(65537, 1024)
    with pytest.raises(TrustError) as caught:
        judge.verify(public(key), algos.AlgorithmIdentifier({"algorithm": oid}).dump(), "", DATA, bytes(128))
    assert caught.value.code == "LIC-061"


def test_a_trailer_field_of_pss_other_than_one_is_not_supported() -> None:
    ((_, whole),) = read(pss("sha256", "sha256", 32))
    (name, oid), (_, inner) = read(whole)
    made = [
        tlv(0x30, tlv(name, oid), tlv(0x30, inner, tlv(0xA3, tlv(2, bytes([number]))))) for number in (0, 1, 2, 0x7C)
    ]
    expected = ["LIC-061", "PSS", "LIC-061", "LIC-061"]
    rows = [(der,) for der in made]
    assert cross.on_host(judge.signature_algorithm, rows) == expected
    assert cross.run_on_device("tests.protocol.licence.judge", "signature_algorithm", rows) == expected


def raised(key: Any, block: "Callable[[], bytes]") -> "tuple[bytes, bytes]":
    """(a signature, the same number beyond the modulus) over a block; of several until both are as long as the modulus."""
    numbers = key.private_numbers()
    modulus, size = numbers.public_numbers.n, key.key_size // 8
    while True:
        value = pow(int.from_bytes(block(), "big"), numbers.d, modulus)
        if value + modulus < 1 << 8 * size:
            return value.to_bytes(size, "big"), (value + modulus).to_bytes(size, "big")


def roomy() -> Any:
    """An RSA key whose modulus leaves room for larger numbers of as many bytes."""
    while True:
        key = rsa.generate_private_key(65537, 1024)
        if key.private_numbers().public_numbers.n >> 1016 < 0xC0:
            return key


def test_a_number_that_is_not_below_the_modulus_is_no_signature() -> None:
    key, info = roomy(), bytes.fromhex("3031300d060960864801650304020105000420")
    data: "list[bytes]" = []

    def padded() -> bytes:
        data[:] = [secrets.token_bytes(20)]
        digest = hashlib.sha256(data[0]).digest()
        return b"\0\1" + b"\xff" * (128 - 3 - len(info) - 32) + b"\0" + info + digest

    named = algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}).dump()
    good, bad = raised(key, padded)
    check([(public(key), named, "", data[0], good)], True)
    check([(public(key), named, "", data[0], bad)], False)


def test_a_number_that_is_not_below_the_modulus_proves_no_chip() -> None:
    key, challenge = roomy(), bytes(range(8))

    def recoverable() -> bytes:
        first = secrets.token_bytes(128 - 22)
        return b"\x6a" + first + hashlib.sha1(first + challenge).digest() + b"\xbc"

    good, bad = raised(key, recoverable)
    rows = [(public(key), signature, challenge) for signature in (good, bad)]
    assert cross.on_host(judge.recovered, rows) == [True, False]
    assert cross.run_on_device("tests.protocol.licence.judge", "recovered", rows) == [True, False]


def test_a_finite_field_key_lies_strictly_within_its_field() -> None:
    p, g = FieldGroup.prime, FieldGroup.generator
    good = [(p, g, 2), (p, 2, 2), (p, p - 2, p - 2)]
    bad = [(p, base, 2) for base in (0, 1, p - 1, p)] + [(p, g, value) for value in (0, 1, p - 1, p)] + [(p - 1, g, 2)]
    rows = []
    for prime, base, value in good + bad:
        field: Any = SimpleNamespace(prime=prime, generator=base, order=FieldGroup.order)
        rows.append((_field_key(field, value),))
    expected = ["accepted"] * len(good) + ["LIC-060 DG14"] * len(bad)
    assert cross.on_host(judge.field_key, rows) == expected
    assert cross.run_on_device("tests.protocol.licence.judge", "field_key", rows) == expected
