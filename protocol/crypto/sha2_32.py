"""SHA-224 (FIPS 180-4 section 6.3), which MicroPython's hashlib lacks; a few old passport signers use it.

SHA-256's round function in pure Python with another start value. Not used for SHA-256 itself, which both runtimes have.
"""

from typing import TYPE_CHECKING

from protocol.crypto import Hash

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

# First 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4 section 4.2.2).
_K = (
    b"\x42\x8a\x2f\x98\x71\x37\x44\x91\xb5\xc0\xfb\xcf\xe9\xb5\xdb\xa5\x39\x56\xc2\x5b\x59\xf1\x11\xf1"
    b"\x92\x3f\x82\xa4\xab\x1c\x5e\xd5\xd8\x07\xaa\x98\x12\x83\x5b\x01\x24\x31\x85\xbe\x55\x0c\x7d\xc3"
    b"\x72\xbe\x5d\x74\x80\xde\xb1\xfe\x9b\xdc\x06\xa7\xc1\x9b\xf1\x74\xe4\x9b\x69\xc1\xef\xbe\x47\x86"
    b"\x0f\xc1\x9d\xc6\x24\x0c\xa1\xcc\x2d\xe9\x2c\x6f\x4a\x74\x84\xaa\x5c\xb0\xa9\xdc\x76\xf9\x88\xda"
    b"\x98\x3e\x51\x52\xa8\x31\xc6\x6d\xb0\x03\x27\xc8\xbf\x59\x7f\xc7\xc6\xe0\x0b\xf3\xd5\xa7\x91\x47"
    b"\x06\xca\x63\x51\x14\x29\x29\x67\x27\xb7\x0a\x85\x2e\x1b\x21\x38\x4d\x2c\x6d\xfc\x53\x38\x0d\x13"
    b"\x65\x0a\x73\x54\x76\x6a\x0a\xbb\x81\xc2\xc9\x2e\x92\x72\x2c\x85\xa2\xbf\xe8\xa1\xa8\x1a\x66\x4b"
    b"\xc2\x4b\x8b\x70\xc7\x6c\x51\xa3\xd1\x92\xe8\x19\xd6\x99\x06\x24\xf4\x0e\x35\x85\x10\x6a\xa0\x70"
    b"\x19\xa4\xc1\x16\x1e\x37\x6c\x08\x27\x48\x77\x4c\x34\xb0\xbc\xb5\x39\x1c\x0c\xb3\x4e\xd8\xaa\x4a"
    b"\x5b\x9c\xca\x4f\x68\x2e\x6f\xf3\x74\x8f\x82\xee\x78\xa5\x63\x6f\x84\xc8\x78\x14\x8c\xc7\x02\x08"
    b"\x90\xbe\xff\xfa\xa4\x50\x6c\xeb\xbe\xf9\xa3\xf7\xc6\x71\x78\xf2"
)
# Second 32 bits of the fractional parts of the square roots of the 9th to 16th primes.
_IV_224 = (
    b"\xc1\x05\x9e\xd8\x36\x7c\xd5\x07\x30\x70\xdd\x17\xf7\x0e\x59\x39\xff\xc0\x0b\x31\x68\x58\x15\x11"
    b"\x64\xf9\x8f\xa7\xbe\xfa\x4f\xa4"
)

_MASK = 0xFFFFFFFF


def _words(data: "Bytes", count: int) -> "list[int]":
    return [int.from_bytes(data[4 * i : 4 * i + 4], "big") for i in range(count)]


class Sha224(Hash):
    """Streaming SHA-224."""

    def __init__(self) -> None:
        self._state = _words(_IV_224, 8)
        self._k = _words(_K, 64)
        self._rest = bytearray()
        self._length = 0

    def update(self, data: "Bytes") -> None:
        """Take more of the message."""
        self._length += len(data)
        at = 0
        if self._rest:
            at = 64 - len(self._rest)
            self._rest.extend(data[:at])
            if len(self._rest) < 64:
                return
            self._block(self._rest, 0)
            self._rest = bytearray()
        while at + 64 <= len(data):
            self._block(data, at)
            at += 64
        self._rest.extend(data[at:])

    def digest(self) -> bytes:
        """The 28-byte digest; call it once."""
        bits = self._length * 8
        self.update(b"\x80" + bytes((55 - self._length) % 64) + bits.to_bytes(8, "big"))
        return b"".join([word.to_bytes(4, "big") for word in self._state[:7]])

    def _block(self, data: "Bytes", at: int) -> None:
        mask = _MASK
        w = _words(data[at : at + 64], 16)
        k = self._k
        a, b, c, d, e, f, g, h = self._state
        for i in range(64):
            j = i & 15
            if i >= 16:
                x, y = w[(j + 1) & 15], w[(j + 14) & 15]
                xx, yy = x | x << 32, y | y << 32  # a doubled word: shifting right rotates its low half
                s0 = (xx >> 7 ^ xx >> 18 ^ x >> 3) & mask
                s1 = (yy >> 17 ^ yy >> 19 ^ y >> 10) & mask
                w[j] = (w[j] + s0 + w[(j + 9) & 15] + s1) & mask
            ee, aa = e | e << 32, a | a << 32
            t = h + ((ee >> 6 ^ ee >> 11 ^ ee >> 25) & mask) + (g ^ e & (f ^ g)) + k[i] + w[j]
            h, g, f, e = g, f, e, (d + t) & mask
            d, c, b, a = c, b, a, (t + ((aa >> 2 ^ aa >> 13 ^ aa >> 22) & mask) + (a & b | c & (a | b))) & mask
        new = (a, b, c, d, e, f, g, h)
        self._state = [(self._state[i] + new[i]) & mask for i in range(8)]
