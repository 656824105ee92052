"""One authority's certificate, described for a person and judged: whether terminals can use it, and if not, why.

Parsing and curve comparison are `protocol.licence.trust`'s, the very code of the terminal: explicit curve parameters count only
if they equal a known curve wholly. Names are printed by asn1crypto.

    ConfigError CFG-083  a file is no certificate
"""

from pathlib import Path
from typing import Any

from asn1crypto import crl as asn1_crl
from asn1crypto import pem
from asn1crypto import x509 as asn1
from cryptography.hazmat.primitives import hashes

from protocol.crypto import Crypto
from protocol.der import Der
from protocol.errors import ConfigError, CryptoError, FormatError
from protocol.licence.errors import LicenceError, UnsupportedError
from protocol.licence.trust import algorithms, x509
from tools.trust import keys

ABSENT = ""


def load(path: Path) -> list[bytes]:
    """The certificates (DER) in a DER or PEM file. ConfigError CFG-083."""
    try:
        data = path.read_bytes()
        ders = [data]
        if pem.detect(data):
            parts: Any = pem.unarmor(data, multiple=True)
            ders = [bytes(der) for kind, _, der in parts if kind == "CERTIFICATE"]
        for der in ders:
            asn1.Certificate.load(der, strict=True).subject.native  # noqa: B018  parsed only when asked
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path.name} is no certificate", "CFG-083", "give a DER or PEM certificate") from error
    if not ders:
        raise ConfigError(f"{path.name} holds no certificate", "CFG-083", "give a DER or PEM certificate")
    return ders


def revocation_list(path: Path) -> bytes:
    """The revocation list (DER) in a DER or PEM file. ConfigError CFG-083."""
    try:
        data = path.read_bytes()
        if pem.detect(data):
            part: Any = pem.unarmor(data)
            data = bytes(part[2])
        asn1_crl.CertificateList.load(data, strict=True).native  # noqa: B018  parsed only when asked
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path.name} is no revocation list", "CFG-083", "give a DER or PEM list") from error
    return data


def fingerprint(der: bytes) -> str:
    """SHA-256 of the whole certificate, hex."""
    state = hashes.Hash(hashes.SHA256())
    state.update(der)
    return state.finalize().hex()


def country(der: bytes) -> str:
    """The subject's country, two letters in upper case; "" if it states none or several."""
    subject: Any = asn1.Certificate.load(der).subject
    found = [value["value"].native for rdn in subject.chosen for value in rdn if value["type"].native == "country_name"]
    return str(found[0]).upper() if len(found) == 1 else ABSENT


def why_unusable(crypto: Crypto, der: bytes) -> str:
    """Why a terminal cannot use this certificate as an anchor, "" if it can."""
    try:
        parsed = x509.parse(der)
        if not parsed.is_ca or not parsed.may(x509.CERT_SIGN):
            return "not an authority's certificate"
        if parsed.key.point:
            crypto.ec_check(parsed.key.curve, parsed.key.point)
        if x509.same_name(parsed.subject, parsed.issuer) and _own_key(parsed) and not parsed.issued(crypto, parsed):
            return "its own signature does not hold"
    except (LicenceError, FormatError, CryptoError) as error:
        detail = f" ({error.detail})" if isinstance(error.detail, str) else ""
        return f"{error.code} {error.message}{detail}"
    return ""


def _own_key(parsed: x509.Certificate) -> bool:
    return not parsed.authority_key or parsed.authority_key == parsed.subject_key


def issued(authority: Any, other: Any) -> bool:
    """Whether the authority's key signed the other certificate. TrustError, UnsupportedError."""
    if other["signature_algorithm"].native != other["tbs_certificate"]["signature"].native:
        return False
    algorithm, signed = other["signature_algorithm"], other["tbs_certificate"].dump()
    return keys.holds(authority.public_key, algorithm, "", signed, other["signature_value"].native)


def describe(crypto: Crypto, der: bytes) -> dict[str, Any]:
    """JSON-able: subject, issuer, serial, validity, key, explicit parameters or not, whether a terminal has the curve, kind, SHA-256,
    `unusable` ("" if usable).

    A certificate of which something cannot be read (asn1crypto looks only when asked) has "" for all but its SHA-256 and `unusable`.
    """
    try:
        return _described(crypto, der)
    except (ValueError, TypeError, KeyError, AttributeError):
        empty = dict.fromkeys(("country", "subject", "issuer", "serial", "kind", "not_before", "not_after", "key"), "")
        facts = {"private_key_until": None, "bits": None, "curve": None, "explicit_parameters": False}
        facts["curve_on_terminal"] = None
        return {**empty, **facts, "sha256": fingerprint(der), "unusable": "a name, time or key in it is malformed"}


def _described(crypto: Crypto, der: bytes) -> dict[str, Any]:
    certificate: Any = asn1.Certificate.load(der)
    body = certificate["tbs_certificate"]
    key = body["subject_public_key_info"]
    algorithm = key["algorithm"]["algorithm"].native
    curve = explicit = None
    if algorithm == "ec":
        explicit = key["algorithm"]["parameters"].name != "named"
        curve = _curve(key)
    subject_key, authority_key = certificate.key_identifier, certificate.authority_key_identifier
    same = certificate.subject == certificate.issuer
    linked = same and subject_key and authority_key and subject_key != authority_key
    return {
        "country": country(der),
        "subject": certificate.subject.human_friendly,
        "issuer": certificate.issuer.human_friendly,
        "serial": f"{certificate.serial_number:X}",
        "kind": "link" if linked else "self-signed" if same else "issued",
        "not_before": body["validity"]["not_before"].native.date().isoformat(),
        "not_after": body["validity"]["not_after"].native.date().isoformat(),
        "private_key_until": _private_key_until(certificate),
        "key": algorithm,
        "bits": key.bit_size if algorithm == "rsa" else None,
        "curve": curve,
        "curve_on_terminal": None if explicit is None else _on_terminal(key),
        "explicit_parameters": bool(explicit),
        "sha256": fingerprint(der),
        "unusable": why_unusable(crypto, der),
    }


def _curve(key: Any) -> "str | None":
    """The curve's name; None if its explicit parameters equal no known curve wholly."""
    try:
        return keys.curve_of(key["algorithm"]["parameters"]).name
    except UnsupportedError:
        return None


def _on_terminal(key: Any) -> bool:
    """Whether a terminal has the curve of the key; this desk knows more of them."""
    try:
        algorithms.read_public_key(Der(key.dump()))
    except (LicenceError, FormatError):
        return False
    return True


def _private_key_until(certificate: Any) -> "str | None":
    period = certificate.private_key_usage_period_value
    if period is None or period["not_after"].native is None:
        return None
    return period["not_after"].native.date().isoformat()
