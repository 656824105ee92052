"""Secure messaging with 3DES or AES (ICAO Doc 9303-11 section 9.8; ISO/IEC 7816-4 section 10).

`wrap` turns a plain command into a protected one, `unwrap` verifies and opens the answer: data objects 87 (or 85), 99 and 8E, in
this order and nothing else, the MAC first, then the status word in clear must equal the protected one, then padding. Whatever
fails kills the channel: no further command can be wrapped. Does not chain commands.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.licence.access import keys
from protocol.licence.errors import ChannelEnded, MessagingError

if TYPE_CHECKING:
    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview


def _object(tag: int, value: "Bytes") -> bytes:
    length = len(value)
    if length < 0x80:
        return bytes((tag, length)) + bytes(value)
    if length < 0x100:
        return bytes((tag, 0x81, length)) + bytes(value)
    return bytes((tag, 0x82, length >> 8, length & 255)) + bytes(value)


_AROUND = 18  # 87 81 length 01, 99 02 and status, 8E 08 and checksum


class SecureChannel:
    """One secure channel: session keys, send sequence counter, cipher. `alive` turns False at the first violation."""

    def __init__(self, crypto: "Crypto", enc: "Bytes", mac: "Bytes", counter: int = 0, cipher: str = keys.DES3) -> None:
        self._crypto = crypto
        self._enc = bytes(enc)
        self._mac = bytes(mac)
        self._counter = counter
        self._block = 8 if cipher == keys.DES3 else 16
        self.short_room = (256 - _AROUND) // self._block * self._block - 1  # bytes that a short answer carries
        self._due = False  # whether data are expected in the answer to the last command
        self.alive = True

    @property
    def counter(self) -> bytes:
        """The send sequence counter as it goes into MACs."""
        return pack.be(self._counter, self._block)

    def close(self) -> None:
        """Forget the session keys."""
        self.alive = False
        self._enc = self._mac = b""
        self._crypto.forget()

    def _step(self) -> None:
        self._counter = (self._counter + 1) & ((1 << (8 * self._block)) - 1)

    def _encrypt(self, data: bytes) -> bytes:
        if self._block == 8:
            return self._crypto.des3_cbc_encrypt(self._enc, bytes(8), data)
        return self._crypto.aes_cbc_encrypt(self._enc, self._crypto.aes_ecb_encrypt(self._enc, self.counter), data)

    def _decrypt(self, data: "Bytes") -> bytes:
        if self._block == 8:
            return self._crypto.des3_cbc_decrypt(self._enc, bytes(8), data)
        return self._crypto.aes_cbc_decrypt(self._enc, self._crypto.aes_ecb_encrypt(self._enc, self.counter), data)

    def checksum(self, data: "Bytes") -> bytes:
        """The eight bytes of DO 8E over counter and `data`, padded here."""
        padded = keys.pad(self.counter + bytes(data), self._block)
        if self._block == 8:
            return self._crypto.retail_mac(self._mac, padded)
        # CMAC pads by itself, but 9303-11 9.8.6 pads first
        return self._crypto.aes_cmac(self._mac, padded)[:8]

    def wrap(self, command: "Bytes") -> bytes:
        """The protected form of a plain command APDU: `command` is CLA INS P1 P2 [Lc data] [Le], short or extended.

        An extended Le, or an extended body, makes the protected command an extended one.
        """
        if not self.alive:
            raise MessagingError("the secure channel is closed", detail="closed")
        data, le = _parts(command)
        self._step()
        header = bytes((command[0] | 0x0C,)) + bytes(command[1:4])
        body = b""
        if data:
            odd = command[1] & 1
            cipher = self._encrypt(keys.pad(data, self._block))
            body = _object(0x85, cipher) if odd else _object(0x87, b"\x01" + cipher)
        if le is not None:
            body += _object(0x97, le)
        body += _object(0x8E, self.checksum(keys.pad(header, self._block) + body) if body else self.checksum(header))
        self._due = le is not None
        if len(body) > 255 or (le is not None and len(le) == 2):
            return header + b"\0" + pack.u16be(len(body)) + body + b"\0\0"
        return header + bytes((len(body),)) + body + b"\0"

    def unwrap(self, response: "Bytes") -> "tuple[bytes, int]":
        """(data, status word) of a protected answer.

        Raises ChannelEnded if the chip answered in clear, MessagingError on any violation; the channel is then closed.
        """
        if not self.alive:
            raise MessagingError("the secure channel is closed", detail="closed")
        self._step()
        try:
            return self._open(response)
        except MessagingError:
            self.close()
            raise

    def _open(self, response: "Bytes") -> "tuple[bytes, int]":
        if len(response) < 2:
            raise MessagingError("the chip's answer is cut short", detail="length")
        clear = pack.rd16(response, len(response) - 2)
        if len(response) == 2:
            raise ChannelEnded("the chip ended the secure channel", detail=clear)
        cipher, odd, covered, status, mac = _objects(response, len(response) - 2)
        if not pack.ct_equal(self.checksum(response[:covered]), mac):
            raise MessagingError("the chip's answer is not authentic", detail="mac")
        if status != clear:
            raise MessagingError("the chip's answer is not authentic", detail="status")
        if cipher is None:
            return b"", status
        if not self._due:
            raise MessagingError("the chip sent data that were not asked for", detail="data")
        if not odd:
            if not cipher or cipher[0] != 1:
                raise MessagingError("the chip's answer is malformed", detail="padding indicator")
            cipher = cipher[1:]
        if not cipher or len(cipher) % self._block:
            raise MessagingError("the chip's answer is malformed", detail="block")
        plain = keys.unpad(self._decrypt(cipher))
        if plain is None:
            raise MessagingError("the chip's answer is malformed", detail="padding")
        return plain, status


def _parts(command: "Bytes") -> "tuple[bytes, bytes | None]":
    """(data, Le field for DO 97 or None) of a plain command (ISO/IEC 7816-3 12.1.3)."""
    length = len(command)
    if length == 4:
        return b"", None
    if length == 5:
        return b"", bytes(command[4:5])
    count, at = command[4], 5
    if count == 0:
        if length == 7:
            return b"", bytes(command[5:7])
        count, at = pack.rd16(command, 5), 7
    end = at + count
    rest = length - end
    if count == 0 or rest not in (0, 1, 2) or (rest == 2 and at == 5):
        raise MessagingError("a malformed command was to be protected", detail="command")
    return bytes(command[at:end]), bytes(command[end:]) if rest else None


def _objects(response: "Bytes", end: int) -> "tuple[bytes | None, bool, int, int, bytes]":
    """(ciphertext or None, whether DO 85, bytes under the MAC, protected status, MAC) of the answer's data objects."""
    at, cipher, odd = 0, None, False
    if response[0] in (0x85, 0x87):
        odd = response[0] == 0x85
        body, at = _length(response, 1, end)
        cipher = bytes(response[body:at])
    if (
        at + 14 != end
        or response[at] != 0x99
        or response[at + 1] != 2
        or response[at + 4] != 0x8E
        or response[at + 5] != 8
    ):
        raise MessagingError("the chip's answer is malformed", detail="objects")
    return cipher, odd, at + 4, pack.rd16(response, at + 2), bytes(response[at + 6 : at + 14])


def _length(data: "Bytes", at: int, end: int) -> "tuple[int, int]":
    """(offset of content, offset after it) for the length at `at`."""
    if at >= end:
        raise MessagingError("the chip's answer is malformed", detail="length")
    length, body = data[at], at + 1
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 2 or body + count > end:
            raise MessagingError("the chip's answer is malformed", detail="length")
        length = pack.int_from(data[body : body + count])
        body += count
        if length < 0x80 or (count == 2 and length < 0x100):
            raise MessagingError("the chip's answer is malformed", detail="length")
    if body + length > end:
        raise MessagingError("the chip's answer is malformed", detail="length")
    return body, body + length
