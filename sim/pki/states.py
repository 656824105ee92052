"""The state's side: authorities (CSCAs) that certify document signers; the signers themselves are in `signers`.

ICAO Doc 9303-12 section 7: key usage, basic constraints, key identifiers, private-key usage period. "csca" is the one that a
trust set names (self-signed, P-384, ECDSA with SHA-512, as the published CSCA-ALGERIA ones); the others stand for keys of other
kinds, other countries and impostors.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

from sim.pki import files

BEGINS = dt.datetime(2017, 6, 1, tzinfo=dt.UTC)
CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303  old licences are signed with it
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
ECDSA, PKCS1, PSS = "ecdsa", "pkcs1", "pss"


def day(year: int, month: int = 1, date: int = 1) -> dt.datetime:
    """Midnight UTC."""
    return dt.datetime(year, month, date, tzinfo=dt.UTC)


@dataclass
class Holder:
    """A certificate and its private key; how it signs: `scheme` "ecdsa", "pkcs1" or "pss", with `hash_name`."""

    certificate: x509.Certificate
    key: Any
    scheme: str = ECDSA
    hash_name: str = "sha256"

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, data: bytes, hash_name: str = "") -> bytes:
        """A signature over `data` in the holder's scheme (ECDSA as DER, deterministic)."""
        algorithm = HASHES[hash_name or self.hash_name]
        if self.scheme == ECDSA:
            return self.key.sign(data, ec.ECDSA(algorithm, deterministic_signing=True))
        if self.scheme == PKCS1:
            return self.key.sign(data, padding.PKCS1v15(), algorithm)
        return self.key.sign(data, pss_padding(algorithm), algorithm)


@dataclass(frozen=True)
class Authority:
    """How a CSCA is made: country, common name, key ("P-384", "RSA-2048"), scheme, hash, end of validity, end of the private
    key's period; `may_certify` its key usage.
    """

    country: str = "DZ"
    common: str = "TEST CSCA"
    key: str = "P-384"
    scheme: str = ECDSA
    hash_name: str = "sha512"
    ends: dt.datetime = day(2042, 6)
    key_ends: dt.datetime = day(2032)
    may_certify: bool = True


AUTHORITIES = {
    "csca": Authority(),
    "csca-unknown": Authority(common="TEST CSCA not in any trust set"),
    "csca-impostor": Authority(),  # the name of the real one over another key
    "csca-foreign": Authority(country="FR", common="TEST CSCA of another country"),
    "csca-rsa": Authority(common="TEST CSCA RSA", key="RSA-2048", scheme=PKCS1, hash_name="sha256"),
    "csca-pss": Authority(common="TEST CSCA PSS", key="RSA-2048", scheme=PSS, hash_name="sha256"),
    "csca-brainpool": Authority(common="TEST CSCA brainpool", key="brainpoolP384r1", hash_name="sha384"),
    "csca-aged": Authority(
        common="TEST CSCA aged", key_ends=day(2024)
    ),  # as the published one: what it certified stays good
    "csca-no-usage": Authority(common="TEST CSCA without the usage", may_certify=False),
    "csca-retired": Authority(common="TEST CSCA retired", ends=day(2024), key_ends=day(2017, 7)),
}


def pss_padding(algorithm: hashes.HashAlgorithm) -> padding.PSS:
    """RSASSA-PSS with the salt as long as the hash."""
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)


def generate(kind: str) -> Any:
    """A private key: "RSA-" and bits, or a curve of CURVES."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    return ec.generate_private_key(CURVES[kind])


def signed(builder: x509.CertificateBuilder, issuer: Any, scheme: str, hash_name: str) -> x509.Certificate:
    """The built certificate, signed by the key `issuer`."""
    algorithm: Any = HASHES[hash_name]
    if scheme == ECDSA:
        return builder.sign(issuer, algorithm, ecdsa_deterministic=True)
    if scheme == PSS:
        return builder.sign(issuer, algorithm, rsa_padding=pss_padding(algorithm))
    return builder.sign(issuer, algorithm)


def load_csca(folder: Path, name: str, make: bool) -> Holder:
    """The CSCA stored under `name` (a key of AUTHORITIES), made if `make`."""
    spec = AUTHORITIES[name]
    key = files.key(folder / f"{name}.key.pem", (lambda: generate(spec.key)) if make else None)
    path = folder / f"{name}.cert.der"
    if not path.exists() and make:
        files.write(path, _csca(key, spec).public_bytes(serialization.Encoding.DER))
    return Holder(x509.load_der_x509_certificate(path.read_bytes()), key, spec.scheme, spec.hash_name)


def named(country: str, common: str) -> x509.Name:
    """A name that says that it belongs to nobody."""
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST - no authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def usage(*, digital_signature: bool = False, certificates: bool = False, agreement: bool = False) -> x509.KeyUsage:
    """The key usage extension."""
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agreement,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


def base(public: Any, issuer: Any, begins: dt.datetime = BEGINS) -> x509.CertificateBuilder:
    """What authorities' and signers' certificates have in common."""
    return (
        x509.CertificateBuilder()
        .public_key(public)
        .not_valid_before(begins)
        .serial_number(x509.random_serial_number())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _csca(key: Any, spec: Authority) -> x509.Certificate:
    public = key.public_key()
    name = named(spec.country, spec.common)
    builder = (
        base(public, public)
        .subject_name(name)
        .issuer_name(name)
        .not_valid_after(spec.ends)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(certificates=spec.may_certify, digital_signature=not spec.may_certify), critical=True)
        .add_extension(x509.PrivateKeyUsagePeriod(BEGINS, spec.key_ends), critical=False)
    )
    return signed(builder, key, spec.scheme, spec.hash_name)
