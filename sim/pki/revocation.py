"""Certificate revocation lists of the test authorities (RFC 5280 section 5), made with `cryptography`."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sim.pki.states import HASHES, PSS, Holder, pss_padding


def crl(
    authority: Holder,
    revoked: Sequence[Holder],
    issued: dt.datetime,
    until: dt.datetime,
    fill: int = 0,
    named: Any = None,
) -> bytes:
    """A CRL in DER: the serial numbers of `revoked`, and `fill` others that belong to nobody; `named`: the public key that it says it was
    signed with (the authority's)."""
    public: Any = named or authority.certificate.public_key()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(issued)
        .next_update(until)
        .add_extension(x509.CRLNumber(7), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )
    serials = [holder.certificate.serial_number for holder in revoked] + [1000 + n for n in range(fill)]
    for at, serial in enumerate(serials):
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(issued)
        if at % 2 == 0:
            entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    algorithm = HASHES[authority.hash_name]
    if authority.scheme == PSS:
        made = builder.sign(authority.key, algorithm, rsa_padding=pss_padding(algorithm))  # type: ignore[arg-type]
    else:
        made = builder.sign(authority.key, algorithm)  # type: ignore[arg-type]
    return made.public_bytes(serialization.Encoding.DER)
