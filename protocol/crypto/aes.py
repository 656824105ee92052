"""AES (FIPS 197) and the modes built on it: CBC, CMAC (SP 800-38B), CCM (SP 800-38C).

A `Cipher` runs one key in one direction. Where the runtime has `cryptolib` (MicroPython) and the key is of 16 or 32 bytes, that
does the work; otherwise `Software` does: a plain byte-wise AES that also serves CPython and boards whose firmware has no AES.
Lengths are checked in pure.py. Does no padding and no GCM. Not constant-time in software.
"""

from typing import TYPE_CHECKING

from protocol.crypto import AuthenticationError, need
from protocol.pack import be, ct_equal, int_from, xor

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

try:
    from cryptolib import aes as _fast  # pyright: ignore[reportMissingImports, reportMissingModuleSource]
except ImportError:
    _fast = None

_ZERO = b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
_CHUNK = 256

# FIPS 197 figure 7.
_SBOX = (
    b"\x63\x7c\x77\x7b\xf2\x6b\x6f\xc5\x30\x01\x67\x2b\xfe\xd7\xab\x76"
    b"\xca\x82\xc9\x7d\xfa\x59\x47\xf0\xad\xd4\xa2\xaf\x9c\xa4\x72\xc0"
    b"\xb7\xfd\x93\x26\x36\x3f\xf7\xcc\x34\xa5\xe5\xf1\x71\xd8\x31\x15"
    b"\x04\xc7\x23\xc3\x18\x96\x05\x9a\x07\x12\x80\xe2\xeb\x27\xb2\x75"
    b"\x09\x83\x2c\x1a\x1b\x6e\x5a\xa0\x52\x3b\xd6\xb3\x29\xe3\x2f\x84"
    b"\x53\xd1\x00\xed\x20\xfc\xb1\x5b\x6a\xcb\xbe\x39\x4a\x4c\x58\xcf"
    b"\xd0\xef\xaa\xfb\x43\x4d\x33\x85\x45\xf9\x02\x7f\x50\x3c\x9f\xa8"
    b"\x51\xa3\x40\x8f\x92\x9d\x38\xf5\xbc\xb6\xda\x21\x10\xff\xf3\xd2"
    b"\xcd\x0c\x13\xec\x5f\x97\x44\x17\xc4\xa7\x7e\x3d\x64\x5d\x19\x73"
    b"\x60\x81\x4f\xdc\x22\x2a\x90\x88\x46\xee\xb8\x14\xde\x5e\x0b\xdb"
    b"\xe0\x32\x3a\x0a\x49\x06\x24\x5c\xc2\xd3\xac\x62\x91\x95\xe4\x79"
    b"\xe7\xc8\x37\x6d\x8d\xd5\x4e\xa9\x6c\x56\xf4\xea\x65\x7a\xae\x08"
    b"\xba\x78\x25\x2e\x1c\xa6\xb4\xc6\xe8\xdd\x74\x1f\x4b\xbd\x8b\x8a"
    b"\x70\x3e\xb5\x66\x48\x03\xf6\x0e\x61\x35\x57\xb9\x86\xc1\x1d\x9e"
    b"\xe1\xf8\x98\x11\x69\xd9\x8e\x94\x9b\x1e\x87\xe9\xce\x55\x28\xdf"
    b"\x8c\xa1\x89\x0d\xbf\xe6\x42\x68\x41\x99\x2d\x0f\xb0\x54\xbb\x16"
)


def _times_two(byte: int) -> int:
    byte <<= 1
    return byte ^ 0x11B if byte & 0x100 else byte


class Software:
    """AES block by block in plain Python, ECB only, both directions."""

    def __init__(self, key: "Bytes") -> None:
        words = len(key) // 4
        rounds = words + 6
        w = bytearray(16 * (rounds + 1))
        w[: len(key)] = bytes(key)
        power = 1
        for i in range(words, 4 * (rounds + 1)):
            t = bytearray(w[4 * i - 4 : 4 * i])
            if i % words == 0:
                t = bytearray((_SBOX[t[1]] ^ power, _SBOX[t[2]], _SBOX[t[3]], _SBOX[t[0]]))
                power = _times_two(power)
            elif words == 8 and i % 8 == 4:
                t = bytearray((_SBOX[t[0]], _SBOX[t[1]], _SBOX[t[2]], _SBOX[t[3]]))
            for k in range(4):
                w[4 * i + k] = w[4 * (i - words) + k] ^ t[k]
        self._keys = w
        self._rounds = rounds

    def _add_key(self, state: bytearray, number: int) -> None:
        at = 16 * number
        for i in range(16):
            state[i] ^= self._keys[at + i]

    def encrypt(self, data: "Bytes") -> bytes:
        """Each 16-byte block by itself."""
        out = bytearray()
        for at in range(0, len(data), 16):
            state = bytearray(data[at : at + 16])
            self._add_key(state, 0)
            for number in range(1, self._rounds + 1):
                state = bytearray([_SBOX[state[(5 * i) & 15]] for i in range(16)])
                if number < self._rounds:
                    _mix(state)
                self._add_key(state, number)
            out.extend(state)
        return bytes(out)

    def decrypt(self, data: "Bytes") -> bytes:
        """Inverse of `encrypt`."""
        inverse = bytearray(256)
        for i in range(256):
            inverse[_SBOX[i]] = i
        out = bytearray()
        for at in range(0, len(data), 16):
            state = bytearray(data[at : at + 16])
            for number in range(self._rounds, 0, -1):
                self._add_key(state, number)
                if number < self._rounds:
                    for _ in range(3):  # MixColumns has order four, so three times more undo it
                        _mix(state)
                state = bytearray([inverse[state[(13 * i) & 15]] for i in range(16)])
            self._add_key(state, 0)
            out.extend(state)
        return bytes(out)


def _mix(state: bytearray) -> None:
    """MixColumns (FIPS 197 section 5.1.3) in place."""
    for c in (0, 4, 8, 12):
        a, b, d, e = state[c], state[c + 1], state[c + 2], state[c + 3]
        every = a ^ b ^ d ^ e
        state[c] = a ^ every ^ _times_two(a ^ b)
        state[c + 1] = b ^ every ^ _times_two(b ^ d)
        state[c + 2] = d ^ every ^ _times_two(d ^ e)
        state[c + 3] = e ^ every ^ _times_two(e ^ a)


def ecb_encrypt(key: "Bytes", data: "Bytes") -> bytes:
    """Each 16-byte block by itself."""
    if not len(data):
        return b""
    if _fast is None or len(key) == 24:
        return Software(key).encrypt(data)
    return _fast(key, 1).encrypt(data)


def ecb_decrypt(key: "Bytes", data: "Bytes") -> bytes:
    """Inverse of `ecb_encrypt`."""
    if not len(data):
        return b""
    if _fast is None or len(key) == 24:
        return Software(key).decrypt(data)
    return _fast(key, 1).decrypt(data)


class Chain:
    """CBC encryption that can be continued: each `encrypt` goes on from the last block."""

    def __init__(self, key: "Bytes", iv: "Bytes") -> None:
        if _fast is None or len(key) == 24:
            self._cipher = _SoftwareChain(key, iv)
        else:
            self._cipher = _fast(key, 2, iv)

    def encrypt(self, data: "Bytes") -> bytes:
        """Whole blocks."""
        return self._cipher.encrypt(data) if len(data) else b""


class _SoftwareChain:
    def __init__(self, key: "Bytes", iv: "Bytes") -> None:
        self._cipher = Software(key)
        self._last = bytes(iv)

    def encrypt(self, data: "Bytes") -> bytes:
        out = bytearray()
        for at in range(0, len(data), 16):
            self._last = self._cipher.encrypt(xor(self._last, data[at : at + 16]))
            out.extend(self._last)
        return bytes(out)


def cbc_encrypt(key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
    """CBC without padding."""
    return Chain(key, iv).encrypt(data)


def cbc_decrypt(key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
    """Inverse of `cbc_encrypt`."""
    if not len(data):
        return b""
    if _fast is not None and len(key) != 24:
        return _fast(key, 2, iv).decrypt(data)
    return xor(Software(key).decrypt(data), bytes(iv) + bytes(data[:-16]))


def _mac_chain(chain: Chain, data: "Bytes") -> bytes:
    """The last block of CBC over whole blocks, without holding the whole output."""
    last = _ZERO
    for at in range(0, len(data), _CHUNK):
        last = chain.encrypt(data[at : at + _CHUNK])[-16:]
    return last


def _double(block: "Bytes") -> bytes:
    """Multiply by x in GF(2**128) (SP 800-38B section 6.1)."""
    value = int_from(block) << 1
    if value >> 128:
        value = (value & ((1 << 128) - 1)) ^ 0x87
    return be(value, 16)


def cmac(key: "Bytes", data: "Bytes") -> bytes:
    """AES-CMAC, 16 bytes."""
    subkey = _double(ecb_encrypt(key, _ZERO))
    whole = (len(data) - 1) // 16 * 16 if len(data) else 0
    tail = bytes(data[whole:])
    if len(tail) < 16:
        subkey = _double(subkey)
        tail = tail + b"\x80" + bytes(15 - len(tail))
    chain = Chain(key, _ZERO)
    _mac_chain(chain, data[:whole])
    return chain.encrypt(xor(tail, subkey))


def _ccm_tag(key: "Bytes", nonce: "Bytes", aad: "Bytes", plaintext: "Bytes", taglen: int) -> bytes:
    """The CBC-MAC of SP 800-38C section A.2, not yet masked."""
    size = 15 - len(nonce)
    flags = (0x40 if len(aad) else 0) | (taglen - 2) // 2 << 3 | size - 1
    chain = Chain(key, _ZERO)
    last = chain.encrypt(bytes((flags,)) + bytes(nonce) + be(len(plaintext), size))
    if len(aad):
        head = be(len(aad), 2) if len(aad) < 0xFF00 else b"\xff\xfe" + be(len(aad), 4)
        first = head + bytes(aad[: 16 - len(head)])
        last = chain.encrypt(first + bytes(16 - len(first)))
        last = _padded(chain, aad[16 - len(head) :], last)
    last = _padded(chain, plaintext, last)
    return last[:taglen]


def _padded(chain: Chain, data: "Bytes", last: bytes) -> bytes:
    """Continue `chain` over `data` padded with zeros; the last block of output, or `last` if there is nothing."""
    whole = len(data) // 16 * 16
    if whole:
        last = _mac_chain(chain, data[:whole])
    if whole < len(data):
        tail = bytes(data[whole:])
        last = chain.encrypt(tail + bytes(16 - len(tail)))
    return last


def _ccm_stream(key: "Bytes", nonce: "Bytes", length: int) -> bytes:
    """Counter blocks 0, 1, 2 … enciphered (SP 800-38C section A.3): 16 bytes for the tag, then `length` for the text."""
    size = 15 - len(nonce)
    start = bytes((size - 1,)) + bytes(nonce)
    counters = bytearray()
    for i in range(1 + (length + 15) // 16):
        counters.extend(start)
        counters.extend(be(i, size))
    return ecb_encrypt(key, counters)


def _ccm_check(nonce: "Bytes", length: int, taglen: int) -> None:
    need(7 <= len(nonce) <= 13, "a CCM nonce has 7 to 13 bytes")
    need(4 <= taglen <= 16 and taglen % 2 == 0, "a CCM tag has 4 to 16 bytes, an even number")
    need(length >> (8 * (15 - len(nonce))) == 0, "too long for this CCM nonce")


def ccm_encrypt(key: "Bytes", nonce: "Bytes", aad: "Bytes", plaintext: "Bytes", taglen: int) -> bytes:
    """Ciphertext, then the tag."""
    _ccm_check(nonce, len(plaintext), taglen)
    tag = _ccm_tag(key, nonce, aad, plaintext, taglen)
    stream = _ccm_stream(key, nonce, len(plaintext))
    return xor(plaintext, stream[16 : 16 + len(plaintext)]) + xor(tag, stream[:taglen])


def ccm_decrypt(key: "Bytes", nonce: "Bytes", aad: "Bytes", data: "Bytes", taglen: int) -> bytes:
    """The plaintext, or AuthenticationError."""
    length = len(data) - taglen
    if length < 0:
        raise AuthenticationError("the message is shorter than its tag")
    _ccm_check(nonce, length, taglen)
    stream = _ccm_stream(key, nonce, length)
    plaintext = xor(data[:length], stream[16 : 16 + length])
    tag = xor(data[length:], stream[:taglen])
    if not ct_equal(tag, _ccm_tag(key, nonce, aad, plaintext, taglen)):
        raise AuthenticationError("the message or what it is bound to was changed")
    return plaintext
