"""A strict reader for DER (ITU-T X.690 sections 8, 10 and 11), as far as certificates and CMS need it.

A `Der` walks over one byte string without copying: it hands out elements, which copy only when asked to. Refused: indefinite
and non-minimal lengths, tags above 30, elements that run over their parent, integers and booleans that are not in the one form
DER allows, bit strings with unused bits where whole bytes are needed. A reader made with `ber` takes lengths in any of BER's forms, and so
do those that `enter` gives: for wrappers that nobody signed. Does not check the order of SET OF (signers get it wrong
in the field, and what is hashed is the received bytes) and encodes only what is needed to rebuild what was signed (`wrap`).

Errors are DerError (FMT-080) with the offset in `detail`.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
NULL = 0x05
OID = 0x06
UTF8_STRING = 0x0C
PRINTABLE_STRING = 0x13
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31
MAX_LENGTH = 0xFFFFFF
_IN_PIECES = 0x24  # OCTET STRING, constructed
_LEVELS = 4  # of pieces within pieces: nobody makes more than one, and a device's stack is short


class DerError(FormatError):
    """Bytes that are not the DER expected here; `detail` is the offset."""

    code = "FMT-080"


class Element:
    """One element of a byte string: `tag`; `start` of its header, `body` of its content, `end` after it."""

    def __init__(self, data: "Bytes", tag: int, start: int, body: int, end: int) -> None:
        self.data = data
        self.tag = tag
        self.start = start
        self.body = body
        self.end = end

    def content(self) -> bytes:
        """A copy of the content."""
        return bytes(self.data[self.body : self.end])

    def whole(self) -> bytes:
        """A copy of header and content."""
        return bytes(self.data[self.start : self.end])

    def reader(self) -> "Der":
        """A strict reader over the content."""
        return Der(self.data, self.body, self.end)


class Der:
    """A cursor over `data[at:end]`. Every method raises DerError if what it needs is not there."""

    def __init__(self, data: "Bytes", at: int = 0, end: "int | None" = None, ber: bool = False) -> None:
        self.data = data
        self.ber = ber
        self.at = at
        self.end = len(data) if end is None else end

    def fail(self, what: str) -> DerError:
        """The error to raise about the present position."""
        return DerError(what, detail=self.at)

    def more(self) -> bool:
        """Whether anything is left."""
        return self.at < self.end

    def peek(self) -> int:
        """The tag of the next element, -1 at the end."""
        return self.data[self.at] if self.at < self.end else -1

    def finish(self) -> None:
        """DerError unless everything was read."""
        if self.at != self.end:
            raise self.fail("bytes after the end")

    def next(self, tag: "int | None" = None) -> Element:
        """The next element; with `tag`, it must have that tag."""
        start = self.at
        if start + 2 > self.end:
            raise self.fail("element missing or cut short")
        found = self.data[start]
        if tag is not None and found != tag:
            raise self.fail("another element expected")
        body, stop = self._extent(start)
        if stop < 0:
            return self._unbounded(found, start, body)
        self.at = stop
        return Element(self.data, found, start, body, stop)

    def _extent(self, start: int) -> "tuple[int, int]":
        """(begin, end) of the content of the element at `start`; the end is -1 where only its two zeros tell it (BER)."""
        if start + 2 > self.end:
            raise self.fail("element missing or cut short")
        if self.data[start] & 0x1F == 0x1F:
            raise self.fail("tag number above 30")
        length = self.data[start + 1]
        body = start + 2
        if length >= 0x80:
            count = length & 0x7F
            if count == 0 and self.ber and self.data[start] & 0x20:
                return body, -1
            if not 1 <= count <= (126 if self.ber else 3) or body + count > self.end:
                raise self.fail("indefinite, huge or cut length")
            length = int.from_bytes(self.data[body : body + count], "big")
            body += count
            if not self.ber and (length < 0x80 or length >> (8 * (count - 1)) == 0):
                raise self.fail("length not in its shortest form")
        if body + length > self.end:
            raise self.fail("element runs over its end")
        return body, body + length

    def _unbounded(self, tag: int, start: int, body: int) -> Element:
        """The element of indefinite length whose content begins at `body`."""
        at, depth = body, 1
        while True:
            inner, stop = self._extent(at)
            if self.data[at] == 0 and stop == inner:
                depth -= 1
                if depth == 0:
                    self.at = stop
                    return Element(self.data, tag, start, body, at)
            elif stop < 0:
                depth += 1
            at = inner if stop < 0 else stop

    def optional(self, tag: int) -> "Element | None":
        """The next element if it has `tag`, else None and nothing is read."""
        return self.next(tag) if self.peek() == tag else None

    def enter(self, tag: int = SEQUENCE) -> "Der":
        """A reader over the content of the next element, which must have `tag`."""
        item = self.next(tag)
        return Der(self.data, item.body, item.end, self.ber)

    def integer_bytes(self) -> bytes:
        """The next INTEGER, which must not be negative, as bytes without a leading zero byte (zero is one zero byte)."""
        item = self.next(INTEGER)
        if item.body == item.end:
            raise DerError("empty integer", detail=item.start)
        first = self.data[item.body]
        if first & 0x80:
            raise DerError("negative integer", detail=item.start)
        if first == 0 and item.end - item.body > 1:
            if self.data[item.body + 1] & 0x80 == 0:
                raise DerError("integer not in its shortest form", detail=item.start)
            return bytes(self.data[item.body + 1 : item.end])
        return item.content()

    def serial(self) -> bytes:
        """The next INTEGER as a name of a certificate: its bytes without leading zeros, negative or longer than it must be, as some
        states have issued them."""
        item = self.next(INTEGER)
        if item.body == item.end:
            raise DerError("empty integer", detail=item.start)
        return item.content().lstrip(b"\0") or b"\0"

    def integer(self, limit: int = 4) -> int:
        """The next non-negative INTEGER of at most `limit` bytes."""
        value = self.integer_bytes()
        if len(value) > limit:
            raise self.fail("integer too large here")
        return int.from_bytes(value, "big")

    def boolean(self, strict: bool = True) -> bool:
        """The next BOOLEAN, 00 or FF; not `strict`: any byte, where only 00 is false (BER)."""
        value = self.next(BOOLEAN).content()
        if len(value) != 1 or (strict and value not in (b"\x00", b"\xff")):
            raise self.fail("boolean is neither 00 nor FF")
        return value != b"\x00"

    def oid(self) -> bytes:
        """The content bytes of the next OBJECT IDENTIFIER."""
        item = self.next(OID)
        value = item.content()
        if not value or value[-1] & 0x80:
            raise DerError("object identifier cut short", detail=item.start)
        fresh = True
        for byte in value:
            if fresh and byte == 0x80:
                raise DerError("object identifier not in its shortest form", detail=item.start)
            fresh = byte & 0x80 == 0
        return value

    def octets(self, levels: int = _LEVELS) -> bytes:
        """The content of the next OCTET STRING, in BER also of one in pieces, which may be in pieces themselves (X.690 8.7.3)."""
        if not self.ber or not levels or self.peek() != _IN_PIECES:
            return self.next(OCTET_STRING).content()
        pieces = self.enter(_IN_PIECES)
        whole = bytearray()
        while pieces.more():
            whole.extend(pieces.octets(levels - 1))
        return bytes(whole)

    def bits(self) -> bytes:
        """The bytes of the next BIT STRING, which must have no unused bits."""
        item = self.next(BIT_STRING)
        if item.body == item.end or self.data[item.body] != 0:
            raise DerError("bit string with unused bits", detail=item.start)
        return bytes(self.data[item.body + 1 : item.end])

    def flags(self) -> int:
        """The next BIT STRING of named bits (at most 16) as an integer: bit 0 of the string has the value 0x8000."""
        value = self.next(BIT_STRING).content()
        if not 1 <= len(value) <= 3 or value[0] > 7:
            raise self.fail("named bits expected")
        return int.from_bytes((value[1:] + b"\0\0")[:2], "big")

    def time(self, strict: bool = True) -> str:
        """The next UTCTime or GeneralizedTime as text YYYYMMDDhhmmss, UTC (RFC 5280 4.1.2.5); not `strict`: a UTCTime may lack its seconds."""
        item = self.next()
        raw = item.content()
        if not strict and item.tag == UTC_TIME and len(raw) == 11:
            raw = raw[:10] + b"00" + raw[10:]
        digits = 12 if item.tag == UTC_TIME else 14
        if item.tag not in (UTC_TIME, GENERALIZED_TIME) or len(raw) != digits + 1 or raw[-1] != 0x5A:
            raise DerError("time expected", detail=item.start)
        return time_text(raw[:-1], item.start)


def time_text(raw: "Bytes", offset: int) -> str:
    """Twelve or fourteen ASCII digits as YYYYMMDDhhmmss; two-digit years from 50 on are of the 20th century."""
    for byte in raw:
        if not 0x30 <= byte <= 0x39:
            raise DerError("time is not made of digits", detail=offset)
    text = bytes(raw).decode()
    if len(text) == 12:
        text = ("19" if text[:2] >= "50" else "20") + text
    if not ("01" <= text[4:6] <= "12" and "01" <= text[6:8] <= "31") or text[8:10] > "23" or text[10:12] > "59":
        raise DerError("time out of range", detail=offset)
    return text


def generalized_time(raw: "Bytes", offset: int = 0) -> str:
    """The content of a GeneralizedTime that stands under another tag (private key usage period), as `Der.time`."""
    if len(raw) != 15 or raw[-1] != 0x5A:
        raise DerError("time expected", detail=offset)
    return time_text(raw[:-1], offset)


def wrap(tag: int, content: "Bytes") -> bytes:
    """`content` under a one-byte `tag` with the shortest length, up to 16 MB."""
    length = len(content)
    if length < 0x80:
        head = bytes((tag, length))
    elif length < 0x100:
        head = bytes((tag, 0x81, length))
    elif length < 0x10000:
        head = bytes((tag, 0x82, length >> 8, length & 255))
    elif length <= MAX_LENGTH:
        head = bytes((tag, 0x83, length >> 16, length >> 8 & 255, length & 255))
    else:
        raise DerError("too long to encode")
    return head + bytes(content)


def oid_text(value: "Bytes") -> str:
    """The dotted form of an object identifier's content bytes, for people."""
    arcs = []
    number = 0
    for byte in value:
        number = number << 7 | byte & 0x7F
        if byte & 0x80 == 0:
            arcs.append(number)
            number = 0
    if not arcs:
        return ""
    first = min(arcs[0] // 40, 2)
    return ".".join([str(arc) for arc in [first, arcs[0] - 40 * first] + arcs[1:]])
