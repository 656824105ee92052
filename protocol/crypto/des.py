"""DES and triple DES in pure Python, made for 31-bit small integers (FIPS 46-3; SP 800-67; ISO 9797-1 MAC algorithm 3).

A half block is kept *expanded*: E(R) as eight groups of six bits, in two integers of 24 bits. E and P are linear, so one
table per S-box gives E(P(S(x))) and a round is sixteen look-ups and exclusive ors without a single heap object. Between the
stages of triple DES, and along a MAC, the final and the initial permutation cancel and are left out.

The tables are little-endian, as every board and PC we run on. Lengths are checked in pure.py. Not constant-time.
"""

from array import array
from typing import TYPE_CHECKING

from protocol.crypto import des_tables

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview
    Words = "array[int]"

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


def schedule(key: "Bytes") -> "list[int]":
    """The 16 round keys of an 8-byte key (parity ignored): 32 integers of 24 bits, two a round."""
    c = d = 0
    for i in range(28):
        bit = _PC1[i]
        c = c << 1 | key[bit >> 3] >> (7 - (bit & 7)) & 1
        bit = _PC1[i + 28]
        d = d << 1 | key[bit >> 3] >> (7 - (bit & 7)) & 1
    keys = []
    for i in range(16):
        for _ in range(1 + (_TWO_SHIFTS >> i & 1)):
            c = (c & 0x7FFFFFF) << 1 | c >> 27
            d = (d & 0x7FFFFFF) << 1 | d >> 27
        upper = lower = 0
        for j in range(24):
            upper = upper << 1 | c >> _PC2[j] & 1
            lower = lower << 1 | d >> _PC2[j + 24] & 1
        keys.append(upper)
        keys.append(lower)
    return keys


def reversed_schedule(keys: "list[int]") -> "list[int]":
    """The round keys of `keys` (one or more stages of 16) in the order that undoes them."""
    out = []
    for i in range(len(keys) - 2, -1, -2):
        out.append(keys[i])
        out.append(keys[i + 1])
    return out


def triple_schedule(key: "Bytes") -> "list[int]":
    """Round keys of encrypt-decrypt-encrypt for a key of 16 (K3 = K1) or 24 bytes: 96 integers."""
    first = schedule(key[:8])
    third = first if len(key) == 16 else schedule(key[16:24])
    return first + reversed_schedule(schedule(key[8:16])) + third


class Engine:
    """The tables, unpacked from ROM for the length of one operation (about 5 KB in pieces of at most 512 bytes)."""

    def __init__(self) -> None:
        upper, lower = des_tables.UPPER, des_tables.LOWER
        self._boxes = [array("I", upper[at : at + 256]) for at in range(0, 2048, 256)]
        self._boxes += [array("I", lower[at : at + 256]) for at in range(0, 2048, 256)]
        self._gather = array("H", des_tables.GATHER)
        self._spread = array("I", des_tables.SPREAD)

    def enter(self, data: "Bytes", at: int) -> "tuple[int, int, int, int]":
        """Initial permutation and expansion of the 8 bytes at `at`: L upper, L lower, R upper, R lower."""
        gather = self._gather
        b1, b2, b3, b4 = data[at], data[at + 1], data[at + 2], data[at + 3]
        b5, b6, b7, b8 = data[at + 4], data[at + 5], data[at + 6], data[at + 7]
        h = gather[b8] << 3 | gather[b7] << 2 | gather[b6] << 1 | gather[b5]
        low = gather[b4] << 3 | gather[b3] << 2 | gather[b2] << 1 | gather[b1]
        x = h & 0xF000 | low >> 4 & 0xF00 | h >> 4 & 0xF0 | low >> 8 & 0xF
        y = h << 8 & 0xF000 | low << 4 & 0xF00 | h << 4 & 0xF0 | low & 0xF
        h = gather[b8 >> 1] << 3 | gather[b7 >> 1] << 2 | gather[b6 >> 1] << 1 | gather[b5 >> 1]
        low = gather[b4 >> 1] << 3 | gather[b3 >> 1] << 2 | gather[b2 >> 1] << 1 | gather[b1 >> 1]
        z = h & 0xF000 | low >> 4 & 0xF00 | h >> 4 & 0xF0 | low >> 8 & 0xF
        w = h << 8 & 0xF000 | low << 4 & 0xF00 | h << 4 & 0xF0 | low & 0xF
        e = (y & 1) << 17 | x << 1 | y >> 15
        f = (x & 1) << 17 | y << 1 | x >> 15
        g = (w & 1) << 17 | z << 1 | w >> 15
        k = (z & 1) << 17 | w << 1 | z >> 15
        return (
            e << 6 & 0xFC0000 | e << 4 & 0x3F000 | e << 2 & 0xFC0 | e & 0x3F,
            f << 6 & 0xFC0000 | f << 4 & 0x3F000 | f << 2 & 0xFC0 | f & 0x3F,
            g << 6 & 0xFC0000 | g << 4 & 0x3F000 | g << 2 & 0xFC0 | g & 0x3F,
            k << 6 & 0xFC0000 | k << 4 & 0x3F000 | k << 2 & 0xFC0 | k & 0x3F,
        )

    def leave(self, a: int, b: int, c: int, d: int, out: bytearray, at: int) -> None:
        """Undo the expansion, apply the final permutation, write 8 bytes at `at`. Arguments as `rounds` returns them."""
        s = self._spread
        even = s[a >> 19 & 15] << 6 | s[a >> 7 & 15] << 4 | s[b >> 19 & 15] << 2 | s[b >> 7 & 15]
        odd = s[c >> 19 & 15] << 6 | s[c >> 7 & 15] << 4 | s[d >> 19 & 15] << 2 | s[d >> 7 & 15]
        out[at + 7] = even >> 21 & 0x55 | odd >> 20 & 0xAA
        out[at + 6] = even >> 14 & 0x55 | odd >> 13 & 0xAA
        out[at + 5] = even >> 7 & 0x55 | odd >> 6 & 0xAA
        out[at + 4] = even & 0x55 | odd << 1 & 0xAA
        even = s[a >> 13 & 15] << 6 | s[a >> 1 & 15] << 4 | s[b >> 13 & 15] << 2 | s[b >> 1 & 15]
        odd = s[c >> 13 & 15] << 6 | s[c >> 1 & 15] << 4 | s[d >> 13 & 15] << 2 | s[d >> 1 & 15]
        out[at + 3] = even >> 21 & 0x55 | odd >> 20 & 0xAA
        out[at + 2] = even >> 14 & 0x55 | odd >> 13 & 0xAA
        out[at + 1] = even >> 7 & 0x55 | odd >> 6 & 0xAA
        out[at] = even & 0x55 | odd << 1 & 0xAA

    def rounds(self, a: int, b: int, c: int, d: int, keys: "list[int]") -> "tuple[int, int, int, int]":
        """Run one or more stages of sixteen rounds on L (a, b) and R (c, d); returns R16 and L16, the preoutput's order."""
        t0, t1, t2, t3, t4, t5, t6, t7, u0, u1, u2, u3, u4, u5, u6, u7 = self._boxes
        i = 0
        while i < len(keys):  # two rounds a turn; tuple assignments would allocate
            x = c ^ keys[i]
            p = x >> 18
            q = x >> 12 & 63
            r = x >> 6 & 63
            s = x & 63
            y = d ^ keys[i + 1]
            x = y >> 18
            z = y >> 12 & 63
            v = y >> 6 & 63
            y &= 63
            a ^= t0[p] ^ t1[q] ^ t2[r] ^ t3[s] ^ t4[x] ^ t5[z] ^ t6[v] ^ t7[y]
            b ^= u0[p] ^ u1[q] ^ u2[r] ^ u3[s] ^ u4[x] ^ u5[z] ^ u6[v] ^ u7[y]
            x = a ^ keys[i + 2]
            p = x >> 18
            q = x >> 12 & 63
            r = x >> 6 & 63
            s = x & 63
            y = b ^ keys[i + 3]
            x = y >> 18
            z = y >> 12 & 63
            v = y >> 6 & 63
            y &= 63
            c ^= t0[p] ^ t1[q] ^ t2[r] ^ t3[s] ^ t4[x] ^ t5[z] ^ t6[v] ^ t7[y]
            d ^= u0[p] ^ u1[q] ^ u2[r] ^ u3[s] ^ u4[x] ^ u5[z] ^ u6[v] ^ u7[y]
            i += 4
            if i & 31 == 0:
                a, b, c, d = c, d, a, b
        return a, b, c, d


def ecb(keys: "list[int]", data: "Bytes") -> bytes:
    """Each 8-byte block by itself through `keys`."""
    engine = Engine()
    out = bytearray(len(data))
    for at in range(0, len(data), 8):
        a, b, c, d = engine.enter(data, at)
        a, b, c, d = engine.rounds(a, b, c, d, keys)
        engine.leave(a, b, c, d, out, at)
    return bytes(out)


def cbc_encrypt(keys: "list[int]", iv: "Bytes", data: "Bytes") -> bytes:
    """CBC through `keys`; `data` is whole blocks."""
    engine = Engine()
    out = bytearray(len(data))
    ca, cb, cc, cd = engine.enter(iv, 0)
    for at in range(0, len(data), 8):
        a, b, c, d = engine.enter(data, at)
        # the preoutput is what the initial permutation would give of the block, so chaining happens inside
        ca, cb, cc, cd = engine.rounds(a ^ ca, b ^ cb, c ^ cc, d ^ cd, keys)
        engine.leave(ca, cb, cc, cd, out, at)
    return bytes(out)


def cbc_decrypt(keys: "list[int]", iv: "Bytes", data: "Bytes") -> bytes:
    """Inverse of `cbc_encrypt`, given the reversed schedule."""
    engine = Engine()
    out = bytearray(len(data))
    pa, pb, pc, pd = engine.enter(iv, 0)
    for at in range(0, len(data), 8):
        ea, eb, ec, ed = engine.enter(data, at)
        a, b, c, d = engine.rounds(ea, eb, ec, ed, keys)
        engine.leave(a ^ pa, b ^ pb, c ^ pc, d ^ pd, out, at)
        pa, pb, pc, pd = ea, eb, ec, ed
    return bytes(out)


def retail_mac(keys: "list[int]", data: "Bytes") -> bytes:
    """ISO 9797-1 algorithm 3: CBC over `data` with the first stage of a triple schedule, then its other two stages."""
    engine = Engine()
    first = keys[:32]
    a = b = c = d = 0
    for at in range(0, len(data), 8):
        e, f, g, h = engine.enter(data, at)
        a, b, c, d = engine.rounds(a ^ e, b ^ f, c ^ g, d ^ h, first)
    a, b, c, d = engine.rounds(a, b, c, d, keys[32:])
    out = bytearray(8)
    engine.leave(a, b, c, d, out, 0)
    return bytes(out)
