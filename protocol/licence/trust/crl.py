"""Certificate revocation lists of the authorities that issue document signers (RFC 5280 section 5, ICAO Doc 9303-12 section 7.1.4).

A list is read where it lies: only its head is parsed at once, entries are walked when one is asked for. Lists of one authority
over its own certificates: an issuing distribution point, which is critical, may name where the list is found and that it is about
end entities (document signers are); one that is indirect, for some reasons, for authorities or attributes alone, and any other critical
extension (delta lists) is UnsupportedError.
"""

from typing import TYPE_CHECKING

from protocol.der import GENERALIZED_TIME, OCTET_STRING, SEQUENCE, UTC_TIME, Der, DerError
from protocol.licence.errors import TrustError
from protocol.licence.trust import algorithms, x509

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.der import Element

    Bytes = bytes | bytearray | memoryview

_AUTHORITY_KEY = b"\x55\x1d\x23"
_DISTRIBUTION_POINT = b"\x55\x1d\x1c"
_PLACE, _USERS_ONLY = 0xA0, 0x81


class RevocationList:
    """A parsed list: `issuer` (Element), `authority_key` (bytes, maybe empty), `this_update` and `next_update` (YYYYMMDDhhmmss;
    "" if no next one is announced)."""

    def __init__(self, der: "Bytes") -> None:
        outer = Der(der)
        parts = outer.enter(SEQUENCE)
        outer.finish()
        self._signed = parts.next(SEQUENCE)
        self._algorithm = algorithms.read_algorithm(parts)
        self._signature = parts.bits()
        parts.finish()
        body = self._signed.reader()
        if body.peek() == 0x02 and body.integer(1) != 1:
            raise body.fail("version of the revocation list")
        algorithms.read_algorithm(body)
        self.issuer = body.next(SEQUENCE)
        self.this_update = body.time()
        self.next_update = body.time() if body.more() and body.peek() in (UTC_TIME, GENERALIZED_TIME) else ""
        self._entries: "Element | None" = body.optional(SEQUENCE)
        self.authority_key = b""
        if body.peek() == 0xA0:
            extensions = body.enter(0xA0).enter(SEQUENCE)
            while extensions.more():
                self._extension(extensions.enter(SEQUENCE))
        body.finish()

    def _extension(self, fields: Der) -> None:
        oid = fields.oid()
        critical = fields.boolean() if fields.peek() == 0x01 else False
        value = fields.next(OCTET_STRING).reader()
        fields.finish()
        if oid == _AUTHORITY_KEY:
            inner = value.enter(SEQUENCE)
            if inner.peek() == 0x80:
                self.authority_key = inner.next().content()
        elif oid == _DISTRIBUTION_POINT and critical:
            scope = value.enter(SEQUENCE)
            while scope.more():
                item = scope.next()
                if item.tag not in (_PLACE, _USERS_ONLY) and item.content() != b"\x00":  # 00: FALSE, written out
                    raise algorithms.unsupported("scope of a revocation list", oid)
        elif critical:
            raise algorithms.unsupported("critical extension of a revocation list", oid)

    def is_of(self, authority: x509.Certificate) -> bool:
        """Whether the list says that it is this authority's; `signed_steps` tells whether that is true."""
        if not x509.same_name(self.issuer, authority.subject):
            return False
        ids = self.authority_key, authority.subject_key
        return not (ids[0] and ids[1]) or ids[0] == ids[1]

    def signed_steps(self, crypto: "Crypto", authority: x509.Certificate) -> "Generator[tuple, Any, bool]":
        """Whether the authority's key signed this list; yields the requests of `curves`."""
        signed = self._signed.whole()
        return (yield from algorithms.verify_steps(crypto, authority.key, self._algorithm, "", signed, self._signature))

    def revoked_at(self, serial: bytes) -> str:
        """When the certificate with this serial number was revoked (YYYYMMDDhhmmss), "" if it is not listed. DerError if the list
        is malformed before that."""
        if self._entries is None:
            return ""
        rows = self._entries.reader()
        while rows.more():
            row = rows.enter(SEQUENCE)
            if row.serial() == serial:
                return row.time()
        return ""


def issuer_of(der: "Bytes") -> "Element":
    """In whose name a list is, whatever else it holds. DerError if that cannot be told."""
    body = Der(der).enter(SEQUENCE).enter(SEQUENCE)
    body.optional(0x02)
    body.next(SEQUENCE)
    return body.next(SEQUENCE)


def parse(der: "Bytes") -> RevocationList:
    """A revocation list that fills `der`; TrustError if it is malformed, UnsupportedError if it cannot be used here."""
    try:
        return RevocationList(der)
    except DerError as cause:
        raise TrustError("a revocation list is malformed: " + cause.message, detail="list at " + str(cause.detail))
