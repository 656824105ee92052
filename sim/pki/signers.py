"""Document signers: who signs a licence's SOD, of every kind that a terminal must tell apart (ICAO Doc 9303-12 section 7).

SIGNERS names them. Kinds of key: P-256, P-384, P-521, brainpool, RSA (PKCS#1 v1.5 and PSS), hashes SHA-1 to SHA-512. Faults: the
private key's period or the certificate's validity over, certified after the authority's own period, no right to sign, an
authority that nobody trusts. `explicit` writes the curve's parameters out instead of naming it: "equal", or with one of them
changed ("generator", "order", "b"), which is how a forger keeps a known public key and knows its private half. `unknown` puts an
extension in that nobody knows ("critical" or "uncritical"); `inner` names another hash inside the signed part than outside it.
`purpose` is an extended key usage (critical unless `purpose_binds` is False), `authority_itself` makes the signer one that certifies.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import keys as asn1keys
from asn1crypto import x509 as asn1x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sim.pki import files
from sim.pki.states import BEGINS, ECDSA, PKCS1, PSS, Holder, base, day, generate, named, signed, usage

P256 = {
    "p": 2**256 - 2**224 + 2**192 + 2**96 - 1,
    "b": 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    "n": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    "g": "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5",
}


@dataclass(frozen=True)
class Signer:
    """How one signer is made. `period` of the private key; `ends` the certificate's validity; `may_sign` its key usage."""

    authority: str = "csca"
    key: str = "P-256"
    scheme: str = ECDSA
    hash_name: str = "sha256"
    period: tuple[dt.datetime, dt.datetime] = (day(2018), day(2031))
    begins: dt.datetime = BEGINS
    ends: dt.datetime = day(2041, 6)
    may_sign: bool = True
    explicit: str = ""
    country: str = ""
    unknown: str = ""
    inner: str = ""
    purpose: str = ""
    purpose_binds: bool = True
    authority_itself: bool = False


SIGNERS = {
    "dz": Signer(),
    "retired": Signer(period=(day(2018), day(2019))),
    "unknown": Signer(authority="csca-unknown"),
    "impostor": Signer(authority="csca-impostor"),
    "foreign": Signer(authority="csca-foreign"),
    "foreign-posing": Signer(authority="csca-foreign", country="DZ"),
    "revoked": Signer(),
    "expired": Signer(ends=day(2025)),
    "no-usage": Signer(may_sign=False),
    "late": Signer(authority="csca-retired", begins=day(2018), ends=day(2041)),
    "of-aged": Signer(authority="csca-aged"),
    "of-no-usage": Signer(authority="csca-no-usage"),
    "p384-sha384": Signer(key="P-384", hash_name="sha384"),
    "p384-sha512": Signer(key="P-384", hash_name="sha512"),
    "p521-sha512": Signer(key="P-521", hash_name="sha512"),
    "p256-sha1": Signer(hash_name="sha1"),
    "p256-sha224": Signer(hash_name="sha224"),
    "bp256-sha256": Signer(key="brainpoolP256r1"),
    "bp384-sha384": Signer(authority="csca-brainpool", key="brainpoolP384r1", hash_name="sha384"),
    "rsa-sha1": Signer(authority="csca-rsa", key="RSA-2048", scheme=PKCS1, hash_name="sha1"),
    "rsa-sha256": Signer(authority="csca-rsa", key="RSA-2048", scheme=PKCS1),
    "rsa-sha512": Signer(authority="csca-rsa", key="RSA-3072", scheme=PKCS1, hash_name="sha512"),
    "pss-sha256": Signer(authority="csca-pss", key="RSA-2048", scheme=PSS),
    "pss-sha384": Signer(authority="csca-pss", key="RSA-2048", scheme=PSS, hash_name="sha384"),
    "explicit-equal": Signer(explicit="equal"),
    "explicit-generator": Signer(explicit="generator"),
    "explicit-order": Signer(explicit="order"),
    "explicit-b": Signer(explicit="b"),
    "unknown-critical": Signer(unknown="critical"),
    "unknown-uncritical": Signer(unknown="uncritical"),
    "two-algorithms": Signer(inner="sha256_ecdsa"),
    "list-signer": Signer(purpose="2.23.136.1.1.3"),
    "list-signer-uncritical": Signer(purpose="2.23.136.1.1.3", purpose_binds=False),
    "server": Signer(purpose="1.3.6.1.5.5.7.3.1"),
    "mobile": Signer(purpose="1.0.18013.5.1.2"),
    "odd-purpose": Signer(purpose="2.999.2", purpose_binds=False),
    "authority-itself": Signer(authority_itself=True),
}
UNKNOWN_EXTENSION = x509.ObjectIdentifier("2.999.1")  # from the arc that is set aside for examples
AT_ONCE = ("dz", "retired", "unknown")
"""Made with the authorities; the others on first use."""


def load_signer(folder: Path, name: str, csca: Holder, make: bool) -> Holder:
    """The document signer `name` (a key of SIGNERS) under `csca`, made if `make`."""
    spec = SIGNERS[name]
    key = files.key(folder / f"signer-{name}.key.pem", (lambda: generate(spec.key)) if make else None)
    path = folder / f"signer-{name}.cert.der"
    if not path.exists() and make:
        der = _certificate(key, name, spec, csca).public_bytes(serialization.Encoding.DER)
        files.write(path, _changed(der, spec, csca) if spec.explicit or spec.inner else der)
    return Holder(x509.load_der_x509_certificate(path.read_bytes()), key, spec.scheme, spec.hash_name)


def _certificate(key: object, name: str, spec: Signer, csca: Holder) -> x509.Certificate:
    issuer = csca.certificate.subject
    country = spec.country or issuer.get_attributes_for_oid(x509.NameOID.COUNTRY_NAME)[0].value
    builder = (
        base(key.public_key(), csca.key.public_key(), spec.begins)  # type: ignore[attr-defined]
        .subject_name(named(str(country), f"TEST licence signer {name}"))
        .issuer_name(issuer)
        .not_valid_after(spec.ends)
        .add_extension(usage(digital_signature=spec.may_sign, agreement=not spec.may_sign), critical=True)
        .add_extension(x509.PrivateKeyUsagePeriod(*spec.period), critical=False)
    )
    if spec.unknown:
        nothing = x509.UnrecognizedExtension(UNKNOWN_EXTENSION, b"\x05\x00")
        builder = builder.add_extension(nothing, critical=spec.unknown == "critical")
    if spec.purpose:
        purposes = x509.ExtendedKeyUsage([x509.ObjectIdentifier(spec.purpose)])
        builder = builder.add_extension(purposes, critical=spec.purpose_binds)
    if spec.authority_itself:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return signed(builder, csca.key, csca.scheme, csca.hash_name)


def parameters(change: str) -> asn1keys.SpecifiedECDomain:
    """P-256 written out, with one value changed: "generator" (its negative: a point of the same order), "order", "b"."""
    prime, b, order, point = P256["p"], P256["b"], P256["n"], bytes.fromhex(str(P256["g"]))
    assert isinstance(prime, int) and isinstance(b, int) and isinstance(order, int)
    if change == "generator":
        y = prime - int.from_bytes(point[33:], "big")
        point = point[:33] + y.to_bytes(32, "big")
    return asn1keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": prime},
            "curve": {
                "a": (prime - 3).to_bytes(32, "big"),
                "b": (b + (change == "b")).to_bytes(32, "big"),
            },
            "base": asn1keys.ECPoint(point),
            "order": order - (2 if change == "order" else 0),
            "cofactor": 1,
        }
    )


def _changed(der: bytes, spec: Signer, csca: Holder) -> bytes:
    """The certificate with its curve written out or another algorithm named inside, signed again by the authority."""
    certificate = asn1x509.Certificate.load(der)
    body = certificate["tbs_certificate"]
    if spec.inner:
        body["signature"] = {"algorithm": spec.inner}
    if spec.explicit:
        body["subject_public_key_info"] = asn1keys.PublicKeyInfo(
            {
                "algorithm": {
                    "algorithm": "ec",
                    "parameters": asn1keys.ECDomainParameters(name="specified", value=parameters(spec.explicit)),
                },
                "public_key": body["subject_public_key_info"]["public_key"],
            }
        )
    changed = body.dump(force=True)
    return asn1x509.Certificate(
        {
            "tbs_certificate": asn1x509.TbsCertificate.load(changed),
            "signature_algorithm": certificate["signature_algorithm"],
            "signature_value": csca.sign(changed),
        }
    ).dump()
