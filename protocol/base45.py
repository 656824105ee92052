"""Base45 (RFC 9285): bytes as the 45 characters of a QR code's alphanumeric mode. Strict both ways; does no white space.

Errors are FormatError FMT-050 with the offset in `detail`.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


def encode(data: "Bytes") -> str:
    """Three characters for each two bytes, two for a last single one (section 4)."""
    out = []
    for at in range(0, len(data) - 1, 2):
        value = data[at] << 8 | data[at + 1]
        out.append(_ALPHABET[value % 45] + _ALPHABET[value // 45 % 45] + _ALPHABET[value // 2025])
    if len(data) & 1:
        value = data[-1]
        out.append(_ALPHABET[value % 45] + _ALPHABET[value // 45])
    return "".join(out)


def decode(text: str) -> bytes:
    """The bytes of `text`; FormatError for a foreign character, an impossible length or a group that is too large."""
    if len(text) % 3 == 1:
        raise FormatError("not a base45 length", "FMT-050", detail=len(text))
    out = bytearray()
    for at in range(0, len(text), 3):
        value, weight = 0, 1
        for i in range(at, min(at + 3, len(text))):
            digit = _ALPHABET.find(text[i])
            if digit < 0:
                raise FormatError("not a base45 character", "FMT-050", detail=i)
            value += digit * weight
            weight *= 45
        if len(text) - at >= 3:
            if value > 0xFFFF:
                raise FormatError("a base45 group is too large", "FMT-050", detail=at)
            out.append(value >> 8)
        elif value > 0xFF:
            raise FormatError("a base45 group is too large", "FMT-050", detail=at)
        out.append(value & 255)
    return bytes(out)
