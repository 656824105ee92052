"""EF.SOD: CMS SignedData over the hashes of the data groups (ICAO Doc 9303-10 section 4.6.2, RFC 5652; ISO/IEC 18013-3 8.1).

Verifies the signers' signatures; whether to trust one is `passive`'s question. What is signed (content, attributes, certificates) is read
strictly, the wrapper around it in any of BER's forms, as RFC 5652 has it. Signed attributes are required.
Doc 9303-10 recommends one signer and RFC 5652 allows more: the first MAX_SIGNERS are looked at. Of the certificates inside only a
signer's own is opened: what else a state puts there does not matter.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.der import OCTET_STRING, SEQUENCE, SET, Der, DerError, Element, oid_text, wrap
from protocol.licence.errors import OtherContentError, TrustError, UnsupportedError
from protocol.licence.files import file_length
from protocol.licence.profile import LAST_GROUP, SOD_TAG
from protocol.licence.trust import algorithms, x509

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

_SIGNED_DATA = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"
_LDS_OBJECTS = (
    b"\x67\x81\x08\x01\x01\x01",
    b"\x2b\x1b\x01\x01\x01",
    b"\x2a\x84\x10\x01\x87\x6e\x01\x14\x01",
)  # 2.23.136.1.1.1; 1.3.27.1.1.1 and 1.2.528.1.1006.1.20.1, which older documents in use have for the same content
_ATTRIBUTE = b"\x2a\x86\x48\x86\xf7\x0d\x01\x09"  # 1.2.840.113549.1.9
_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME = 3, 4, 5
MAX_SIGNERS = 4


class Signer:
    """One SignerInfo: `signing_time` (YYYYMMDDhhmmss or ""), and what is needed to find its certificate and verify its signature."""

    def __init__(self, fields: Der) -> None:
        fields.integer(1)
        self._issuer: "Element | None" = None
        self._serial = self._key_id = b""
        if fields.peek() == 0x80:
            self._key_id = fields.next().content()
        else:
            pair = fields.enter(SEQUENCE)
            self._issuer = pair.next(SEQUENCE)
            self._serial = pair.serial()
            pair.finish()
        self.hash = algorithms.read_hash(fields)
        self._attributes = fields.next(0xA0)
        self._algorithm = algorithms.read_algorithm(fields)
        self._signature = fields.octets()
        fields.optional(0xA1)
        fields.finish()
        self.signing_time = ""
        self._digest = b""
        self._signed_type = b""
        attributes = self._attributes.reader()
        seen = 0
        while attributes.more():
            pair = attributes.enter(SEQUENCE)
            oid = pair.oid()
            values = pair.enter(SET)
            pair.finish()
            kind = oid[-1] if oid[:-1] == _ATTRIBUTE else 0
            if kind not in (_CONTENT_TYPE, _MESSAGE_DIGEST, _SIGNING_TIME):
                continue
            if seen >> kind & 1:
                raise attributes.fail("signed attribute twice")
            seen |= 1 << kind
            self._attribute(kind, values)
            values.finish()

    def _attribute(self, kind: int, values: Der) -> None:
        if kind == _CONTENT_TYPE:
            self._signed_type = values.oid()
        elif kind == _MESSAGE_DIGEST:
            self._digest = values.octets()
        else:
            self.signing_time = values.time()

    def certificate(self, signed: "SignedData") -> "x509.Certificate | None":
        """The certificate that this signer names, None if it is not inside; TrustError if it is malformed or not usable here."""
        for item in signed.certificates:
            try:
                serial, issuer, key_id = x509.identity(item)
            except DerError:
                continue  # something else than a certificate, which is nobody's business here
            if self._key_id:
                named = key_id == self._key_id
            else:
                named = serial == self._serial and self._issuer is not None and x509.same_name(issuer, self._issuer)
            if named:
                return x509.parse(item.data, item.start, item.end)
        return None

    def holds_steps(
        self, crypto: "Crypto", signed: "SignedData", certificate: x509.Certificate
    ) -> "Generator[tuple, Any, bool]":
        """Whether content, signed attributes and signature belong together under the certificate's key; yields as `curves` does."""
        if self._signed_type != signed.content_type:
            return False
        if not pack.ct_equal(algorithms.digest(crypto, self.hash, signed.content.content()), self._digest):
            return False
        attributes = wrap(SET, self._attributes.content())  # RFC 5652 5.4: signed as SET OF in DER, sent as [0]
        key, signature = certificate.key, self._signature
        return (yield from algorithms.verify_steps(crypto, key, self._algorithm, self.hash, attributes, signature))

    def weak(self) -> bool:
        """Whether SHA-1 is used for the content or the signature."""
        return self.hash == "sha1" or self._algorithm.hash == "sha1"


class SignedData:
    """A parsed CMS SignedData: `content_type` and `content` (Element of the encapsulated octets), `certificates` (Elements),
    `signers` (at least one; of several, those whose algorithms can be verified here), `weak` whether SHA-1 stands for what else it vouches for."""

    def __init__(self, data: "Bytes", start: int, end: int) -> None:
        outer = Der(data, start, end, True)
        info = outer.enter(SEQUENCE)
        outer.finish()
        if info.oid() != _SIGNED_DATA:
            raise info.fail("not signed data")
        explicit = info.enter(0xA0)
        info.finish()
        body = explicit.enter(SEQUENCE)
        explicit.finish()
        body.integer(1)
        body.next(SET)  # digestAlgorithms: the signer's own counts
        capsule = body.enter(SEQUENCE)
        self.content_type = capsule.oid()
        holder = capsule.enter(0xA0)
        capsule.finish()
        content = holder.octets()
        self.content = Element(content, OCTET_STRING, 0, 0, len(content))
        holder.finish()
        self.certificates: "list[Element]" = []
        if body.peek() == 0xA0:
            inner = body.enter(0xA0)
            while inner.more():
                self.certificates.append(inner.next())
        body.optional(0xA1)
        infos = body.enter(SET)
        body.finish()
        self.weak = False
        self.signers: "list[Signer]" = []
        refused = infos.fail("no signer")
        while infos.more():
            fields = infos.enter(SEQUENCE)
            if len(self.signers) < MAX_SIGNERS:
                try:
                    self.signers.append(Signer(fields))
                except UnsupportedError as cause:
                    refused = cause
        if not self.signers:
            raise refused


class SecurityObject:
    """EF.SOD: `signed` (SignedData), `algorithm` (hash of the groups), `hashes` {group number: digest}."""

    def __init__(self, signed: SignedData) -> None:
        self.signed = signed
        if signed.content_type not in _LDS_OBJECTS:
            raise OtherContentError(
                "the content signed is of a kind not known here", detail=oid_text(signed.content_type)
            )
        outer = signed.content.reader()
        body = outer.enter(SEQUENCE)
        outer.finish()
        if body.integer(1) not in (0, 1):
            raise body.fail("version of the security object")
        self.algorithm = algorithms.read_hash(body)
        signed.weak = self.algorithm == "sha1"
        rows = body.enter(SEQUENCE)
        body.optional(SEQUENCE)
        body.finish()
        self.hashes: "dict[int, bytes]" = {}
        while rows.more():
            pair = rows.enter(SEQUENCE)
            number, value = pair.integer(1), pair.octets()
            pair.finish()
            if not 1 <= number <= 16 or number in self.hashes:
                raise rows.fail("group number")
            if number <= LAST_GROUP:
                self.hashes[number] = value


def parse(data: "Bytes") -> SecurityObject:
    """The security object in a whole EF.SOD (with its tag 77); TrustError LIC-060 or UnsupportedError LIC-061."""
    total = file_length(bytes(data[:6]), SOD_TAG)
    if total != len(data):
        raise TrustError("the security object's length is wrong", detail="length")
    start = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    try:
        return SecurityObject(SignedData(data, start, total))
    except DerError as cause:
        raise TrustError("the security object is malformed: " + cause.message, detail="at " + str(cause.detail))
