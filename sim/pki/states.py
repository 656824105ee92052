"""The state's side: a CSCA (self-signed, P-384, ECDSA with SHA-512 as the published CSCA-ALGERIA ones) and document
signers (P-256).

ICAO Doc 9303-12 section 7: key usage, basic constraints, key identifiers, private-key usage period. Signers by name:
  "dz"      signs licences from 2018 to 2031
  "retired" of the same CSCA, but its private-key period ended in 2019: what it signs later is a finding
  "unknown" of another CSCA that is in no trust set, though it also calls itself C=DZ
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sim.pki import files

BEGINS = dt.datetime(2017, 6, 1, tzinfo=dt.UTC)
_CSCA_ENDS = dt.datetime(2042, 6, 1, tzinfo=dt.UTC)
_SIGNER_ENDS = dt.datetime(2041, 6, 1, tzinfo=dt.UTC)
PERIODS = {
    "dz": (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), dt.datetime(2031, 1, 1, tzinfo=dt.UTC)),
    "retired": (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), dt.datetime(2019, 1, 1, tzinfo=dt.UTC)),
    "unknown": (dt.datetime(2018, 1, 1, tzinfo=dt.UTC), dt.datetime(2031, 1, 1, tzinfo=dt.UTC)),
}


@dataclass
class Holder:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        """The certificate, DER."""
        return self.certificate.public_bytes(serialization.Encoding.DER)


def load_csca(folder: Path, name: str, make: bool) -> Holder:
    """The CSCA stored under `name` ("csca", "csca-unknown"), made if `make`."""
    key = files.key(folder / f"{name}.key.pem", (lambda: ec.generate_private_key(ec.SECP384R1())) if make else None)
    path = folder / f"{name}.cert.der"
    if not path.exists() and make:
        files.write(path, _csca(key, name).public_bytes(serialization.Encoding.DER))
    return Holder(x509.load_der_x509_certificate(path.read_bytes()), key)


def load_signer(folder: Path, name: str, csca: Holder, make: bool) -> Holder:
    """The document signer `name` (a key of PERIODS) under `csca`, made if `make`."""
    key = files.key(
        folder / f"signer-{name}.key.pem", (lambda: ec.generate_private_key(ec.SECP256R1())) if make else None
    )
    path = folder / f"signer-{name}.cert.der"
    if not path.exists() and make:
        files.write(path, _signer(key, name, csca).public_bytes(serialization.Encoding.DER))
    return Holder(x509.load_der_x509_certificate(path.read_bytes()), key)


def _name(common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "DZ"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST - no authority"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Digital signature only, or certificates and CRLs only."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )


def _base(public: ec.EllipticCurvePublicKey, issuer: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(public)
        .not_valid_before(BEGINS)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer), critical=False)
    )


def _csca(key: ec.EllipticCurvePrivateKey, name: str) -> x509.Certificate:
    common = "TEST CSCA" if name == "csca" else "TEST CSCA not in any trust set"
    public = key.public_key()
    builder = (
        _base(public, public)
        .subject_name(_name(common))
        .issuer_name(_name(common))
        .serial_number(x509.random_serial_number())
        .not_valid_after(_CSCA_ENDS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.PrivateKeyUsagePeriod(BEGINS, dt.datetime(2032, 1, 1, tzinfo=dt.UTC)), critical=False)
    )
    return builder.sign(key, hashes.SHA512(), ecdsa_deterministic=True)


def _signer(key: ec.EllipticCurvePrivateKey, name: str, csca: Holder) -> x509.Certificate:
    builder = (
        _base(key.public_key(), csca.key.public_key())
        .subject_name(_name(f"TEST licence signer {name}"))
        .issuer_name(csca.certificate.subject)
        .serial_number(x509.random_serial_number())
        .not_valid_after(_SIGNER_ENDS)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.PrivateKeyUsagePeriod(*PERIODS[name]), critical=False)
    )
    return builder.sign(csca.key, hashes.SHA512(), ecdsa_deterministic=True)
