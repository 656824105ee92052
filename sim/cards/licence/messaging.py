"""The chip's end of secure messaging with 3DES (ICAO Doc 9303-11 section 9.8): unwrap commands, wrap responses.

Knows DO 87 (85 of odd instructions), 97, 8E and 99; no AES.
"""

from sim.cards.base import Apdu, sw
from sim.cards.licence import cipher
from sim.cards.tlv import read, tlv

MISSING_OBJECTS = 0x6987
WRONG_OBJECTS = 0x6988


class MessagingFault(Exception):
    """Secure messaging is over; `status` is answered in clear."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:04X}")
        self.status = status


class Channel:
    """Session keys and the send sequence counter, which steps before each command and each response."""

    room = 231  # bytes of data whose protected form fits an answer of 256 bytes

    def __init__(self, k_enc: bytes, k_mac: bytes, ssc: bytes) -> None:
        self._enc = k_enc
        self._mac = k_mac
        self._ssc = int.from_bytes(ssc, "big")
        self.commands = 0
        self._odd = False

    def _next(self) -> bytes:
        self._ssc = (self._ssc + 1) % (1 << 64)
        return self._ssc.to_bytes(8, "big")

    def unwrap(self, apdu: Apdu) -> Apdu:
        """The plain command inside a protected one. Raises MessagingFault."""
        self.commands += 1
        try:
            objects = dict(read(apdu.data))
        except (ValueError, IndexError):
            raise MessagingFault(WRONG_OBJECTS) from None
        if 0x8E not in objects:
            raise MessagingFault(MISSING_OBJECTS)
        covered = b"".join(tlv(tag, objects[tag]) for tag in (0x85, 0x87, 0x97) if tag in objects)
        message = self._next() + cipher.pad(apdu.header) + covered
        if cipher.mac(self._mac, message if covered else message[:-8] + apdu.header) != objects[0x8E]:
            raise MessagingFault(WRONG_OBJECTS)
        data = b""
        self._odd = apdu.ins & 1 == 1
        if self._odd and 0x85 in objects:  # the same without a padding indicator
            objects[0x87] = b"\x01" + objects[0x85]
        if 0x87 in objects:
            sealed = objects[0x87]
            if sealed[:1] != b"\x01" or len(sealed) % 8 != 1 or len(sealed) < 9:
                raise MessagingFault(WRONG_OBJECTS)
            try:
                data = cipher.unpad(cipher.decrypt(self._enc, sealed[1:]))
            except ValueError:
                raise MessagingFault(WRONG_OBJECTS) from None
        le = objects.get(0x97)
        expected = None if le is None else int.from_bytes(le, "big") or (256 if len(le) == 1 else 65536)
        return Apdu(apdu.cla & 0xF3, apdu.ins, apdu.p1, apdu.p2, data, expected, apdu.extended)

    def wrap(self, data: bytes, status: int) -> bytes:
        """The protected response."""
        body = b""
        if data:
            sealed = cipher.encrypt(self._enc, cipher.pad(data))
            body = tlv(0x85, sealed) if self._odd else tlv(0x87, b"\x01", sealed)
        body += tlv(0x99, sw(status))
        return body + tlv(0x8E, cipher.mac(self._mac, self._next() + body)) + sw(status)
