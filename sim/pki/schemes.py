"""The payment schemes' side: one test certification authority, two test issuers (RSA certificates and 3DES master
keys), card keys.

RID-like prefix F000005444 (category F: proprietary, not registered; ISO/IEC 7816-5), CA key index E1. Issuers: "cib"
and "edahabia", BINs 99999901 and 99999902, which no scheme assigns. Key sizes: CA 1408, issuer 1152, card 1024 bits.
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from sim.pki import ecc, files, rsa

RID = bytes.fromhex("F000005444")
CA_INDEX = 0xE1
ECC_CA_INDEX = 0xE2  # by suite '10'; the next by suite '11'
CA_EXPIRES = "20391231"
CERTIFICATE_EXPIRES = bytes.fromhex("1238")  # December 2038
ISSUERS = {"cib": "99999901", "edahabia": "99999902"}


@dataclass(frozen=True)
class MasterKeys:
    """An issuer's 3DES master keys, 16 bytes each: application cryptogram, script integrity, script confidentiality."""

    ac: bytes
    smi: bytes
    smc: bytes


@dataclass(frozen=True)
class Issuer:
    """One card issuer."""

    name: str
    bin: str
    key: rsa.RsaKey
    certificate: rsa.Certificate
    master_keys: MasterKeys


class Schemes:
    """The certification authority and its issuers; card keys are made on first use and kept."""

    def __init__(self, folder: Path, make: bool) -> None:
        self._folder = folder
        self._make = make
        self.ca = self._key("ca", 1408, 3)
        self.issuers = {name: self._issuer(name, at + 1) for at, name in enumerate(ISSUERS)}

    def capk(self) -> dict[str, bytes | int | str]:
        """The CA public key as an entry of the signed set "emv": rid, index, modulus, exponent, expiry, sha1."""
        body = RID + bytes([CA_INDEX]) + self.ca.modulus + self.ca.exponent
        return {
            "rid": RID,
            "index": CA_INDEX,
            "modulus": self.ca.modulus,
            "exponent": self.ca.exponent,
            "expiry": CA_EXPIRES,
            "sha1": hashlib.sha1(body).digest(),  # noqa: S324  EMV Book 2, 11.2.2
        }

    def ecc_capk(self, suite: int = ecc.P256) -> dict[str, bytes | int | str]:
        """The CA public key for XDA as an entry of "ecc_ca_keys" of the signed set "emv"."""
        index = ECC_CA_INDEX + suite - ecc.P256
        return {"rid": RID, "index": index, "suite": suite, "x": self.ecc_key("ca", suite).x, "expiry": CA_EXPIRES}

    def ecc_key(self, name: str, suite: int = ecc.P256) -> ecc.EccKey:
        """The elliptic curve key of that name, made on first use even by `load_pki`."""
        path = self._folder / f"ecc-{name}-{suite:02x}.secret"
        if not path.exists():
            files.write(path, secrets.token_bytes(80))
        return ecc.key(suite, int.from_bytes(path.read_bytes(), "big"))

    def issuer_of(self, pan: str) -> Issuer:
        """The issuer of a test PAN. Raises KeyError for any other PAN."""
        for issuer in self.issuers.values():
            if pan.startswith(issuer.bin):
                return issuer
        raise KeyError("no test issuer for this number")

    def card_key(self, pan: str, exponent: int = 3) -> rsa.RsaKey:
        """The RSA key of one card, made on first use even by `load_pki`."""
        name = "icc-" + hashlib.sha256(pan.encode()).hexdigest()[:16]
        return rsa.RsaKey(files.key(self._folder / f"{name}.key.pem", lambda: rsa.generate(1024, exponent)))

    def _key(self, name: str, bits: int, exponent: int) -> rsa.RsaKey:
        made = (lambda: rsa.generate(bits, exponent)) if self._make else None
        return rsa.RsaKey(files.key(self._folder / f"{name}.key.pem", made))

    def _issuer(self, name: str, serial: int) -> Issuer:
        key = self._key(f"issuer-{name}", 1152, 3)
        identifier = bytes.fromhex(ISSUERS[name][:6] + "FF")
        certificate = rsa.certify_issuer(self.ca, key, identifier, CERTIFICATE_EXPIRES, serial.to_bytes(3, "big"))
        return Issuer(name, ISSUERS[name], key, certificate, self._master_keys(name))

    def _master_keys(self, name: str) -> MasterKeys:
        path = self._folder / f"issuer-{name}.master.json"
        if not path.exists() and self._make:
            made = {use: _odd(secrets.token_bytes(16)).hex() for use in ("ac", "smi", "smc")}
            files.write(path, json.dumps(made).encode())
        stored = json.loads(path.read_text())
        return MasterKeys(*(bytes.fromhex(stored[use]) for use in ("ac", "smi", "smc")))


def _odd(key: bytes) -> bytes:
    """DES keys have odd parity in every byte."""
    return bytes(b ^ 1 if b.bit_count() % 2 == 0 else b for b in key)
