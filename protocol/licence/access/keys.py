"""Keys of BAC and PACE from what is printed on the card (ICAO Doc 9303-11 section 9.7, appendix D.1).

Does not keep keys; whoever derives them drops them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

ENC, MAC, PASSWORD = 1, 2, 3
DES3, AES128, AES192, AES256 = "3DES", "AES-128", "AES-192", "AES-256"


def adjust_parity(key: "Bytes") -> bytes:
    """Each byte's lowest bit set so that the byte has odd parity, as DES keys have."""
    out = bytearray(key)
    for i in range(len(out)):
        bits = out[i] >> 1
        ones = 0
        while bits:
            ones ^= bits & 1
            bits >>= 1
        out[i] = out[i] & 0xFE | ones ^ 1
    return bytes(out)


def derive(crypto: "Crypto", secret: "Bytes", counter: int, cipher: str) -> bytes:
    """KDF(secret, counter): the key for `cipher` (DES3: 16 bytes with parity; AES: 16, 24 or 32 bytes)."""
    data = bytes(secret) + bytes((0, 0, 0, counter))
    if cipher == DES3:
        return adjust_parity(crypto.sha1(data)[:16])
    if cipher == AES128:
        return crypto.sha1(data)[:16]
    digest = crypto.sha256(data)
    return digest[:24] if cipher == AES192 else digest


def document_seed(crypto: "Crypto", key_input: "Bytes") -> bytes:
    """K_seed of BAC: the first 16 bytes of SHA-1 over the MRZ information (9303-11 section 4.3.2)."""
    return crypto.sha1(key_input)[:16]


def pad(data: "Bytes", block: int) -> bytes:
    """ISO/IEC 9797-1 padding method 2: 80 and zeros up to a multiple of `block`; always at least one byte."""
    return bytes(data) + b"\x80" + bytes(block - 1 - len(data) % block)


def unpad(data: "Bytes") -> "bytes | None":
    """`data` without its padding, or None if the padding is not 80 00* within the last sixteen bytes."""
    at = len(data) - 1
    stop = max(0, len(data) - 16)
    while at >= stop and data[at] == 0:
        at -= 1
    if at < stop or data[at] != 0x80:
        return None
    return bytes(data[:at])
