"""The test scheme's certificates open with plain RSA, step by step as EMV Book 2 says."""

import hashlib

import pytest

from sim.pki import rsa
from tests.sim.pki import made

PAN = "9999990112345678"


def recover(key: rsa.RsaKey, signed: bytes) -> bytes:
    """signed^e mod n."""
    n, e = int.from_bytes(key.modulus, "big"), int.from_bytes(key.exponent, "big")
    return pow(int.from_bytes(signed, "big"), e, n).to_bytes(len(key.modulus), "big")


def sha1(*parts: bytes) -> bytes:
    return hashlib.sha1(b"".join(parts)).digest()


def test_the_ca_key_has_its_published_form():
    capk = made.shared().schemes.capk()
    assert capk["sha1"] == sha1(capk["rid"], bytes([capk["index"]]), capk["modulus"], capk["exponent"])
    assert (capk["rid"].hex(), capk["index"], len(capk["modulus"])) == ("f000005444", 0xE1, 176)
    assert capk["modulus"][0] & 0x80


@pytest.mark.parametrize("name", ["cib", "edahabia"])
def test_issuer_certificate_recovers(name):
    schemes = made.shared().schemes
    issuer = schemes.issuers[name]
    block = recover(schemes.ca, issuer.certificate.signed)
    assert (block[:2], block[-1:]) == (b"\x6a\x02", b"\xbc")
    assert block[2:6] == bytes.fromhex(issuer.bin[:6] + "ff")
    assert block[11:15] == bytes([1, 1, 144, 1])
    assert block[15:-21] + issuer.certificate.remainder == issuer.key.modulus
    assert block[-21:-1] == sha1(block[1:-21], issuer.certificate.remainder, issuer.certificate.exponent)


@pytest.mark.parametrize("exponent", [3, 65537])
def test_card_certificate_recovers_and_covers_the_static_data(exponent):
    issuer = made.shared().schemes.issuers["cib"]
    pan = PAN[:-1] + str(exponent % 10)
    icc = made.shared().schemes.card_key(pan, exponent)
    certificate = rsa.certify_icc(issuer.key, icc, pan, b"\x12\x38", b"\0\0\x07", b"static data")
    block = recover(issuer.key, certificate.signed)
    assert block[2:12] == bytes.fromhex(pan + "ffff")
    assert block[17:21] == bytes([1, 1, 128, len(icc.exponent)])
    assert block[21:-21] + certificate.remainder == icc.modulus
    assert block[-21:-1] == sha1(block[1:-21], certificate.remainder, icc.exponent, b"static data")


def test_static_and_dynamic_signatures_recover():
    issuer = made.shared().schemes.issuers["edahabia"]
    icc = made.shared().schemes.card_key(PAN)
    block = recover(issuer.key, rsa.sign_static(issuer.key, b"\xda\xc0", b"static"))
    assert block[:5] == b"\x6a\x03\x01\xda\xc0"
    assert block[-21:-1] == sha1(block[1:-21], b"static")
    assert set(block[5:-21]) == {0xBB}
    block = recover(icc, rsa.sign_dynamic(icc, b"\x08" + bytes(8), b"\x01\x02\x03\x04"))
    assert block[:4] == b"\x6a\x05\x01\x09"
    assert block[-21:-1] == sha1(block[1:-21], b"\x01\x02\x03\x04")
