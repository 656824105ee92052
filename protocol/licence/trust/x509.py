"""Certificates of document signers and of the authorities above them (RFC 5280, ICAO Doc 9303-12 section 7).

Parses what passive authentication needs; verifies one signature (`issued`). Builds no paths: the chain is signer → anchor.
Read as states have issued them: a serial number may be negative or have zeros in front, BOOLEAN TRUE be another byte than FF, UTCTime
lack its seconds. A critical extension that is not known here makes the certificate unusable (UnsupportedError).
"""

from typing import TYPE_CHECKING

from protocol.der import OCTET_STRING, OID, SEQUENCE, SET, Der, DerError, Element, generalized_time
from protocol.licence import curves
from protocol.licence.errors import TrustError
from protocol.licence.trust import algorithms
from protocol.pack import hexed

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

_EXTENSION = b"\x55\x1d"  # 2.5.29
_SUBJECT_KEY, _KEY_USAGE, _PRIVATE_PERIOD, _CONSTRAINTS, _AUTHORITY_KEY, _PURPOSES = 0x0E, 0x0F, 0x10, 0x13, 0x23, 0x25
_HARMLESS = b"\x11\x12\x1f\x20"  # alternative names, CRL points, policies: read by nobody here
_ANY_PURPOSE = b"\x55\x1d\x25\x00"  # 2.5.29.37.0
_DRIVING = b"\x28\x81\x8c\x5d"  # 1.0.18013, whose part 5 has the purpose of mobile licences' signers
_OTHER_PURPOSES = (
    b"\x67\x81\x08\x01\x01",
    b"\x2b\x06\x01\x05\x05\x07\x03",
)  # 2.23.136.1.1: master lists and other ICAO; 1.3.6.1.5.5.7.3: TLS
_ICAO = b"\x67\x81\x08\x01\x01\x06"  # document type list, name change
_DOCUMENT_TYPES = _ICAO + b"\x02"
DIGITAL_SIGNATURE = 0x8000
CERT_SIGN = 0x0400


class Certificate:
    """One parsed certificate; `der` is kept, everything else points into it or is small.

    `serial` bytes, `issuer` and `subject` (Element), `not_before`/`not_after` and `key_from`/`key_to` (YYYYMMDDhhmmss, "" if not
    limited), `key` PublicKey, `is_ca`, `usage` (bits as `Der.flags`, -1 if absent), `purposes` (extended key usage: object identifiers,
    none if absent) and `purposes_bind` (it is critical), `documents` (types of ICAO's list, none if absent),
    `subject_key`/`authority_key` (bytes, maybe empty).
    """

    def __init__(self, der: "Bytes", start: int = 0, end: "int | None" = None) -> None:
        outer = Der(der, start, end)
        self._whole = outer.next(SEQUENCE)
        outer.finish()
        parts = self._whole.reader()
        self._signed = parts.next(SEQUENCE)
        self._algorithm = algorithms.read_algorithm(parts)
        self._signature = parts.bits()
        parts.finish()
        self.key_from = self.key_to = ""
        self.is_ca = False
        self.usage = -1
        self.purposes: "list[bytes]" = []
        self.purposes_bind = False
        self.documents: "list[str]" = []
        self.subject_key = self.authority_key = b""
        self._read(self._signed.reader())

    def _read(self, body: Der) -> None:
        if body.peek() != 0xA0 or body.enter(0xA0).integer(1) != 2:
            raise body.fail("certificate is not of version 3")
        self.serial = body.serial()
        inner = body.next(SEQUENCE)
        if inner.whole() != self._algorithm_bytes():
            raise DerError("the two algorithm identifiers differ", detail=inner.start)
        self.issuer = body.next(SEQUENCE)
        validity = body.enter(SEQUENCE)
        self.not_before, self.not_after = validity.time(False), validity.time(False)
        validity.finish()
        self.subject = body.next(SEQUENCE)
        self.key = algorithms.read_public_key(body)
        body.optional(0x81)
        body.optional(0x82)
        if body.peek() == 0xA3:
            extensions = body.enter(0xA3).enter(SEQUENCE)
            while extensions.more():
                self._extension(extensions.enter(SEQUENCE))
        body.finish()

    def _algorithm_bytes(self) -> bytes:
        parts = self._whole.reader()
        parts.next(SEQUENCE)
        return parts.next(SEQUENCE).whole()

    def _extension(self, fields: Der) -> None:
        oid = fields.oid()
        critical = fields.boolean(False) if fields.peek() == 0x01 else False
        item = fields.next(OCTET_STRING)
        fields.finish()
        value = item.reader()
        kind = oid[2] if len(oid) == 3 and oid[:2] == _EXTENSION else -1
        if kind == _SUBJECT_KEY:
            self.subject_key = _key_identifier(item)
        elif kind == _AUTHORITY_KEY:
            inner = value.enter(SEQUENCE)
            if inner.peek() == 0x80:
                self.authority_key = inner.next().content()
        elif kind == _KEY_USAGE:
            self.usage = value.flags()
        elif kind == _CONSTRAINTS:
            inner = value.enter(SEQUENCE)
            self.is_ca = inner.boolean(False) if inner.peek() == 0x01 else False
        elif kind == _PURPOSES:
            inner = value.enter(SEQUENCE)
            while inner.more():
                self.purposes.append(inner.oid())
            self.purposes_bind = critical
        elif kind == _PRIVATE_PERIOD:
            self._private_period(value.enter(SEQUENCE))
        elif oid == _DOCUMENT_TYPES:
            self.documents = _document_types(item)
        elif critical and oid[:-1] != _ICAO and (kind < 0 or bytes((kind,)) not in _HARMLESS):
            raise algorithms.unsupported("critical extension", oid)

    def _private_period(self, fields: Der) -> None:
        if fields.peek() == 0x80:
            item = fields.next()
            self.key_from = generalized_time(item.content(), item.start)
        if fields.peek() == 0x81:
            item = fields.next()
            self.key_to = generalized_time(item.content(), item.start)
        fields.finish()

    def country(self) -> str:
        """The issuer's country: two letters in upper case, "" if there is none or more than one."""
        found = ""
        for oid, text in name_parts(self.issuer):
            if oid == b"\x55\x04\x06":
                if found:
                    return ""
                found = text.upper()
        return found

    def issued(self, crypto: "Crypto", other: "Certificate") -> bool:
        """`issued_steps`, with all work done here."""
        return curves.alone(self.issued_steps(crypto, other))

    def issued_steps(self, crypto: "Crypto", other: "Certificate") -> "Generator[tuple, Any, bool]":
        """Whether this certificate's key signed `other`; yields the requests of `curves`."""
        signed = other._signed.whole()
        return (yield from algorithms.verify_steps(crypto, self.key, other._algorithm, "", signed, other._signature))

    def weak(self) -> bool:
        """Whether this certificate is signed with SHA-1."""
        return self._algorithm.hash == "sha1"

    def valid_at(self, moment: str) -> bool:
        """Whether `moment` (YYYYMMDD…) lies within the validity."""
        return within(moment, self.not_before, self.not_after)

    def key_usable_at(self, moment: str) -> bool:
        """Whether `moment` lies within the private-key period (True where none is stated)."""
        return within(moment, self.key_from, self.key_to)

    def may(self, bit: int) -> bool:
        """Whether the key usage allows `bit` (or says nothing)."""
        return self.usage < 0 or self.usage & bit != 0

    def names_licences(self) -> bool:
        """Whether ICAO's list of document types, if there is one, has driving licences: a type that begins with D, as their lines do."""
        return not self.documents or any([name[:1].upper() == "D" for name in self.documents])

    def signs_documents(self) -> "bool | None":
        """Whether its key may sign documents: False if it is an authority's or for other uses or purposes only, None if nobody can say.

        Doc 9303-12 7.1 has no extended key usage for document signers. One that is there must name any purpose or ISO/IEC 18013's; one
        that names ICAO's or the Internet's other ones, or is critical, excludes documents (RFC 5280 4.2.1.12).
        """
        if self.is_ca or not self.may(DIGITAL_SIGNATURE):
            return False
        if not self.purposes or any([oid == _ANY_PURPOSE or oid[:4] == _DRIVING for oid in self.purposes]):
            return True
        known = [oid for oid in self.purposes if oid[:-1] in _OTHER_PURPOSES]
        return False if self.purposes_bind or len(known) == len(self.purposes) else None


def identity(item: Element) -> "tuple[bytes, Element, bytes]":
    """(serial number, issuer, subject key identifier or b"") of a certificate of any version, kind of key or extensions. DerError if it
    is none."""
    body = Der(item.data, item.start, item.end).enter(SEQUENCE).enter(SEQUENCE)
    body.optional(0xA0)
    serial = body.serial()
    body.next(SEQUENCE)
    issuer = body.next(SEQUENCE)
    for _ in range(3):  # validity, subject, key
        body.next(SEQUENCE)
    body.optional(0x81)
    body.optional(0x82)
    if body.peek() == 0xA3:
        extensions = body.enter(0xA3).enter(SEQUENCE)
        while extensions.more():
            fields = extensions.enter(SEQUENCE)
            if fields.oid() == _EXTENSION + bytes((_SUBJECT_KEY,)):
                fields.optional(0x01)
                return serial, issuer, _key_identifier(fields.next(OCTET_STRING))
    return serial, issuer, b""


def _key_identifier(value: Element) -> bytes:
    """A subject key identifier; where an issuer left out its own OCTET STRING, what is there."""
    try:
        inner = value.reader()
        found = inner.octets()
        inner.finish()
        return found
    except DerError:
        return value.content()


def _document_types(value: Element) -> "list[str]":
    """The types of a DocumentTypeList (Doc 9303-12 7.1.1.3): SEQUENCE of a version and a SET of texts; none where it is malformed."""
    found = []
    try:
        fields = value.reader().enter(SEQUENCE)
        fields.integer(1)
        rows = fields.enter(SET)
        while rows.more():
            found.append(rows.next().content().decode())
    except (DerError, UnicodeError):
        return []
    return found


def within(moment: str, start: str, end: str) -> bool:
    """Whether a date or time lies between two times, to the precision of the coarser one; "" does not limit."""
    size = len(moment)
    return (not start or start[:size] <= moment) and (not end or moment <= end[:size])


def name_parts(name: Element) -> "list[tuple[bytes, str]]":
    """(type, text) of each attribute of a Name, in order; texts as printable by str.decode, blanks at the ends removed."""
    found = []
    rdns = name.reader()
    while rdns.more():
        group = rdns.enter(SET)
        while group.more():
            pair = group.enter(SEQUENCE)
            oid = pair.next(OID).content()
            value = pair.next()
            pair.finish()
            try:
                text = value.content().decode()
            except UnicodeError:
                text = hexed(value.content())
            found.append((oid, text.strip()))
    return found


def same_name(a: Element, b: Element) -> bool:
    """Whether two Names are equal: bytewise, or attribute by attribute regardless of case and kind of string."""
    if a.whole() == b.whole():
        return True
    left, right = name_parts(a), name_parts(b)
    return [(oid, text.lower()) for oid, text in left] == [(oid, text.lower()) for oid, text in right]


def parse(der: "Bytes", start: int = 0, end: "int | None" = None) -> Certificate:
    """A certificate that fills `der[start:end]`; TrustError if it is malformed, UnsupportedError if not usable here."""
    try:
        return Certificate(der, start, end)
    except DerError as cause:
        raise TrustError("a certificate is malformed: " + cause.message, detail="certificate at " + str(cause.detail))
