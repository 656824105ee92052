"""Trust anchors: authorities' certificates, each bound to one country and one purpose (body of the signed set "trust").

An anchor came in through a signed parameter set; its own signature is not looked at. Certificates are parsed when needed, one at
a time, so that a long list costs only its bytes. Revocation lists that came with them count only if their authority signed them.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError
from protocol.licence import curves
from protocol.licence.errors import TrustError
from protocol.licence.trust import x509

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.trust import crl

    Bytes = bytes | bytearray | memoryview

LICENCE = "idl"


class Anchor:
    """An authority's certificate `der` that may vouch for documents of `country` (two letters) and `purpose` ("idl")."""

    def __init__(self, country: str, purpose: str, der: "Bytes") -> None:
        self.country = country.upper()
        self.purpose = purpose
        self.der = der


class TrustSet:
    """The anchors; `crls` the authorities' revocation lists in DER."""

    def __init__(self, anchors: "list", crls: "tuple | list" = ()) -> None:
        """`anchors`: Anchor objects or maps {"country", "purpose", "cert"} as in the signed set."""
        self.anchors: "list[Anchor]" = []
        for item in anchors:
            self.anchors.append(
                item if isinstance(item, Anchor) else Anchor(item["country"], item["purpose"], item["cert"])
            )
        self._crls = list(crls)

    def issuers_steps(
        self, crypto: "Crypto", signer: x509.Certificate
    ) -> "Generator[tuple, Any, list[tuple[Anchor, x509.Certificate]]]":
        """The anchors whose key did sign `signer`, with their certificates. Anchors that cannot be parsed are passed over.

        Yields the requests of `curves`.
        """
        found = []
        for anchor in self.anchors:
            try:
                certificate = x509.parse(anchor.der)
                if not x509.same_name(certificate.subject, signer.issuer):
                    continue
                ids = certificate.subject_key, signer.authority_key
                if ids[0] and ids[1] and ids[0] != ids[1]:
                    continue
                if (yield from certificate.issued_steps(crypto, signer)):
                    found.append((anchor, certificate))
            except (TrustError, FormatError):
                continue
        return found

    def lists(
        self, crypto: "Crypto", issuer: x509.Certificate, country: str, purpose: str = LICENCE
    ) -> "list[crl.RevocationList]":
        """The lists of `lists_steps`, with all work done here."""
        return curves.alone(self.lists_steps(crypto, issuer, country, purpose))[0]

    def lists_steps(
        self, crypto: "Crypto", issuer: x509.Certificate, country: str, purpose: str = LICENCE
    ) -> "Generator[tuple, Any, tuple[list[crl.RevocationList], int]]":
        """The revocation lists of the authority `issuer`, and how many more are in its name but cannot be used: malformed, of a scope not
        supported, or signed by nobody trusted. Other authorities' lists are passed over. Yields the requests of `curves`.

        A list speaks of certificates by their issuer's name (RFC 5280 6.3.3), and is signed by the authority's present key, which after
        a change is another than the one that issued (Doc 9303-12 7.1.4): any trusted key of that name, `country` and `purpose` may have
        signed it.
        """
        found, unusable = [], 0
        if not self._crls:
            return found, unusable
        from protocol.licence.trust import crl

        for der in self._crls:
            try:
                if not x509.same_name(crl.issuer_of(der), issuer.subject):
                    continue
            except FormatError:
                continue  # nobody can say whose it is
            try:
                item = crl.parse(der)
            except (TrustError, FormatError):
                unusable += 1
                continue
            if (yield from self._vouched_steps(crypto, item, issuer, country, purpose)):
                found.append(item)
            else:
                unusable += 1
        return found, unusable

    def _vouched_steps(
        self, crypto: "Crypto", item: "crl.RevocationList", issuer: x509.Certificate, country: str, purpose: str
    ) -> "Generator[tuple, Any, bool]":
        """Whether `issuer`'s key or another one of its authority signed the list."""
        try:
            if item.is_of(issuer) and (yield from item.signed_steps(crypto, issuer)):
                return True
        except (TrustError, FormatError):
            pass  # another key may have signed in another way
        for anchor in self.anchors:
            if anchor.country != country or anchor.purpose != purpose:
                continue
            try:
                other = x509.parse(anchor.der)
                if other.key.same_as(issuer.key) or other.country() != country or not item.is_of(other):
                    continue
                if (yield from item.signed_steps(crypto, other)):
                    return True
            except (TrustError, FormatError):
                continue
        return False
