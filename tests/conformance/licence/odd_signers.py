"""Signers whose certificates are encoded as some states encode theirs: made by `cryptography`, changed byte by byte, signed again."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.licence.profile import SOD
from sim.cards.tlv import read, tlv
from sim.pki import sod
from sim.pki.states import ECDSA, base, day, generate, named, signed, usage
from tests.conformance.licence import bench

ISSUED = dt.datetime(2022, 3, 10, tzinfo=dt.UTC)
NUMBER = bytes.fromhex("1122334455")


@dataclass
class Signer:
    """What `sod.build` needs of a signer; `der` need not be what `cryptography` reads."""

    der: bytes
    key: Any
    hash_name: str = "sha256"
    scheme: str = ECDSA

    def sign(self, data: bytes, hash_name: str) -> bytes:
        """A signature with the key."""
        assert hash_name == "sha256"
        return self.key.sign(data, ec.ECDSA(hashes.SHA256()))


def compressed(key: Any) -> "Callable[[bytes], bytes]":
    """A change that shortens the public key to one coordinate (SEC 1 2.3.3)."""
    encoding = serialization.Encoding
    whole = key.public_key().public_bytes(encoding.X962, serialization.PublicFormat.UncompressedPoint)
    short = key.public_key().public_bytes(encoding.X962, serialization.PublicFormat.CompressedPoint)
    info = key.public_key().public_bytes(encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ((_, inner),) = read(info)
    made = tlv(0x30, inner.replace(tlv(3, b"\0" + whole), tlv(3, b"\0" + short)))
    return lambda body: swapped(body, info, made)


def swapped(body: bytes, old: bytes, new: bytes) -> bytes:
    """`body` with `old`, which must be there once, replaced."""
    assert body.count(old) == 1
    return body.replace(old, new)


def signer(change: "Callable[[bytes], bytes]", extra: bytes = b"", key: Any = None) -> Signer:
    """A signer of the Algerian test authority; `change` works on the content of the part that is signed, `extra` is one more extension."""
    key, above = key or generate("P-256"), bench.pki().csca
    builder = base(key.public_key(), above.key.public_key(), day(2018)).subject_name(named("DZ", "TEST odd signer"))
    builder = builder.issuer_name(above.certificate.subject).not_valid_after(day(2041))
    builder = builder.add_extension(usage(digital_signature=True), critical=True)
    made = signed(builder, above.key, "ecdsa", "sha512").public_bytes(serialization.Encoding.DER)
    parsed = asn1.Certificate.load(made)
    if extra:
        held = b"".join(item.dump() for item in parsed["tbs_certificate"]["extensions"])
        first = change
        change = lambda body: swapped(first(body), tlv(0xA3, tlv(0x30, held)), tlv(0xA3, tlv(0x30, held + extra)))  # noqa: E731
    ((_, body),) = read(parsed["tbs_certificate"].dump())
    body = swapped(body, parsed["tbs_certificate"]["serial_number"].dump(), tlv(2, NUMBER))
    body = tlv(0x30, change(body))
    signature = above.key.sign(body, ec.ECDSA(hashes.SHA512()))
    return Signer(tlv(0x30, body + parsed["signature_algorithm"].dump() + tlv(3, b"\0" + signature)), key)


def chip_signed_by(by: Signer, reopen: "Callable[[bytes], bytes] | None" = None) -> Any:
    """Amina's chip with a SOD by this signer; `reopen` changes the SOD afterwards."""
    chip = bench.chip_of("amina")
    files = {number: data for number, data in chip.content.files.items() if number <= 14}
    made = sod.build(files, by, ISSUED)  # type: ignore[arg-type]
    chip.content.files[SOD] = reopen(made) if reopen else made
    return chip
