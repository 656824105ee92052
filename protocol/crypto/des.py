"""DES and triple DES in pure Python, made for 31-bit small integers (FIPS 46-3; SP 800-67; ISO 9797-1 MAC algorithm 3).

A half block is kept *expanded*: E(R) as eight groups of six bits, in two integers of 24 bits. E and P are linear, so one
table per S-box gives E(P(S(x))) and a round is sixteen look-ups and exclusive ors without a single heap object. Between the
stages of triple DES, and along a chain, the final and the initial permutation cancel and are left out. What runs for each block is compiled
to machine code on a device (`protocol.machine_code`).

The tables are little-endian, as every board and PC we run on. Lengths are checked in pure.py. Not constant-time.
"""

from array import array
from typing import TYPE_CHECKING

from protocol.crypto import des_tables
from protocol.machine_code import micropython, ptr8, ptr16, ptr32
from protocol.pack import xor

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview
    from typing import TypeAlias

    Words: TypeAlias = "array[int]"

# FIPS 46-3 appendix 1, permuted choice 1: for each bit of C, then of D, the number (0 the leftmost) of a bit of the key.
_PC1 = (
    b"\x38\x30\x28\x20\x18\x10\x08\x00\x39\x31\x29\x21\x19\x11\x09\x01\x3a\x32\x2a\x22\x1a\x12\x0a\x02\x3b\x33\x2b\x23"
    b"\x3e\x36\x2e\x26\x1e\x16\x0e\x06\x3d\x35\x2d\x25\x1d\x15\x0d\x05\x3c\x34\x2c\x24\x1c\x14\x0c\x04\x1b\x13\x0b\x03"
)
# Permuted choice 2: for each of 24 bits the right shift within C that brings it to the end, then the same for D.
_PC2 = (
    b"\x0e\x0b\x11\x04\x1b\x17\x19\x00\x0d\x16\x07\x12\x05\x09\x10\x18\x02\x14\x0c\x15\x01\x08\x0f\x1a\x0f\x04\x19\x13"
    b"\x09\x01\x1a\x10\x05\x0b\x17\x08\x0c\x07\x11\x00\x16\x03\x0a\x0e\x06\x14\x1b\x18"
)
_TWO_SHIFTS = 0x7EFC  # bit i set: round i rotates C and D by two places instead of one


def schedule(key: "Bytes") -> "Words":
    """The 16 round keys of an 8-byte key (parity ignored): 32 integers of 24 bits, two a round."""
    c = d = 0
    for i in range(28):
        bit = _PC1[i]
        c = c << 1 | key[bit >> 3] >> (7 - (bit & 7)) & 1
        bit = _PC1[i + 28]
        d = d << 1 | key[bit >> 3] >> (7 - (bit & 7)) & 1
    keys = array("I", bytes(128))
    for i in range(16):
        for _ in range(1 + (_TWO_SHIFTS >> i & 1)):
            c = (c & 0x7FFFFFF) << 1 | c >> 27
            d = (d & 0x7FFFFFF) << 1 | d >> 27
        upper = lower = 0
        for j in range(24):
            upper = upper << 1 | c >> _PC2[j] & 1
            lower = lower << 1 | d >> _PC2[j + 24] & 1
        keys[2 * i] = upper
        keys[2 * i + 1] = lower
    return keys


def reversed_schedule(keys: "Words") -> "Words":
    """The round keys of `keys` (one or more stages of 16) in the order that undoes them."""
    out = array("I", keys)
    for i in range(0, len(keys), 2):
        out[i] = keys[len(keys) - 2 - i]
        out[i + 1] = keys[len(keys) - 1 - i]
    return out


def triple_schedule(key: "Bytes") -> "Words":
    """Round keys of encrypt-decrypt-encrypt for a key of 16 (K3 = K1) or 24 bytes: 96 integers."""
    first = schedule(key[:8])
    third = first if len(key) == 16 else schedule(key[16:24])
    return first + reversed_schedule(schedule(key[8:16])) + third


class Engine:
    """The tables, unpacked from ROM for the length of one operation (about 5 KB), and the block that is worked on.

    `halves`: L upper, L lower, R upper, R lower; then the first round key and the one behind the last, as `_rounds` wants them.
    """

    def __init__(self, keys: "Words") -> None:
        self._upper = array("I", des_tables.UPPER)
        self._lower = array("I", des_tables.LOWER)
        self._gather = array("H", des_tables.GATHER)
        self._spread = array("I", des_tables.SPREAD)
        self._keys = keys
        self.halves = array("I", bytes(24))

    def enter(self, data: "Bytes", at: int) -> None:
        """Initial permutation and expansion of the 8 bytes at `at`, exclusive-ored into `halves`: the preoutput of a block is what this permutation
        would give of the block, so that chaining happens inside.
        """
        _enter(data, at, self.halves, self._gather)

    def rounds(self, first: int, last: int) -> None:
        """Run stages of sixteen rounds, by the round keys from `first` to before `last`."""
        self.halves[4] = first
        self.halves[5] = last
        _rounds(self.halves, self._keys, self._upper, self._lower)

    def leave(self, out: bytearray, at: int) -> None:
        """Undo the expansion of `halves`, apply the final permutation, write 8 bytes at `at`."""
        _leave(self.halves, out, at, self._spread)

    def clear(self) -> None:
        """A block of zeros."""
        h = self.halves
        h[0] = h[1] = h[2] = h[3] = 0


@micropython.viper
def _enter(data: ptr8, at: int, halves: ptr32, gather: ptr16):  # noqa: ANN202 - the device's compiler knows what it returns
    for side in range(2):  # L from the bits 6, 4, 2, 0 of the bytes, R from the others
        h = 0
        low = 0
        for k in range(4):
            h |= gather[data[at + 4 + k] >> side] << k
            low |= gather[data[at + k] >> side] << k
        x = h & 0xF000 | low >> 4 & 0xF00 | h >> 4 & 0xF0 | low >> 8 & 0xF
        y = h << 8 & 0xF000 | low << 4 & 0xF00 | h << 4 & 0xF0 | low & 0xF
        for k in range(side << 1, (side << 1) + 2):  # each of 16 bits with its neighbours becomes 24
            h = (y & 1) << 17 | x << 1 | y >> 15
            halves[k] ^= h << 6 & 0xFC0000 | h << 4 & 0x3F000 | h << 2 & 0xFC0 | h & 0x3F
            h = x
            x = y
            y = h


@micropython.viper
def _leave(halves: ptr32, out: ptr8, at: int, s: ptr32):  # noqa: ANN202
    end = at + 7
    shift = 19
    while shift > 7:  # the bytes 7 to 4, then 3 to 0
        a = halves[0] >> (shift - 12)
        b = halves[1] >> (shift - 12)
        even = s[a >> 12 & 15] << 6 | s[a & 15] << 4 | s[b >> 12 & 15] << 2 | s[b & 15]
        a = halves[2] >> (shift - 12)
        b = halves[3] >> (shift - 12)
        odd = (s[a >> 12 & 15] << 6 | s[a & 15] << 4 | s[b >> 12 & 15] << 2 | s[b & 15]) << 1
        for k in range(4):
            a = 21 - 7 * k
            out[end - k] = even >> a & 0x55 | odd >> a & 0xAA
        end -= 4
        shift -= 6


@micropython.viper
def _rounds(halves: ptr32, keys: ptr32, upper: ptr32, lower: ptr32):  # noqa: ANN202
    """R16 and L16 take the places of L and R: the preoutput's order."""
    a = halves[0]
    b = halves[1]
    c = halves[2]
    d = halves[3]
    i = halves[4]
    end = halves[5]
    while i < end:
        x = c ^ keys[i]
        y = d ^ keys[i + 1]
        p = x >> 18
        q = (x >> 12 & 63) + 64
        r = (x >> 6 & 63) + 128
        s = (x & 63) + 192
        x = (y >> 18) + 256
        z = (y >> 12 & 63) + 320
        v = (y >> 6 & 63) + 384
        y = (y & 63) + 448
        a ^= upper[p] ^ upper[q] ^ upper[r] ^ upper[s] ^ upper[x] ^ upper[z] ^ upper[v] ^ upper[y]
        b ^= lower[p] ^ lower[q] ^ lower[r] ^ lower[s] ^ lower[x] ^ lower[z] ^ lower[v] ^ lower[y]
        i += 2
        if i & 31:  # the halves change sides, but not after a stage's last round
            x = a
            a = c
            c = x
            x = b
            b = d
            d = x
    halves[0] = a
    halves[1] = b
    halves[2] = c
    halves[3] = d


def ecb(keys: "Words", data: "Bytes") -> bytes:
    """Each 8-byte block by itself through `keys`."""
    engine = Engine(keys)
    out = bytearray(len(data))
    for at in range(0, len(data), 8):
        engine.clear()
        engine.enter(data, at)
        engine.rounds(0, len(keys))
        engine.leave(out, at)
    return bytes(out)


def cbc_encrypt(keys: "Words", iv: "Bytes", data: "Bytes") -> bytes:
    """CBC through `keys`; `data` is whole blocks."""
    engine = Engine(keys)
    out = bytearray(len(data))
    engine.enter(iv, 0)
    for at in range(0, len(data), 8):
        engine.enter(data, at)
        engine.rounds(0, len(keys))
        engine.leave(out, at)
    return bytes(out)


def cbc_decrypt(keys: "Words", iv: "Bytes", data: "Bytes") -> bytes:
    """Inverse of `cbc_encrypt`, given the reversed schedule."""
    return xor(ecb(keys, data), bytes(iv) + bytes(data[:-8])) if len(data) else b""


def retail_mac(keys: "Words", data: "Bytes") -> bytes:
    """ISO 9797-1 algorithm 3: CBC over `data` with the first stage of a triple schedule, then its other two stages."""
    engine = Engine(keys)
    for at in range(0, len(data), 8):
        engine.enter(data, at)
        engine.rounds(0, 32)
    engine.rounds(32, 96)
    out = bytearray(8)
    engine.leave(out, 0)
    return bytes(out)
