"""The PIN block that a terminal sends online, format 4 (ISO 9564-1 section 9.4.2: 16 bytes, AES, with the PAN). The other formats, and how a
host opens this one, are `protocol.pinblock_host`'s.

PINs are 4 to 12 ASCII digits as bytes, bytearray or text.

Errors are PinBlockError FMT-075; `detail` is the reason, one of: block_length, field_length, control_field, pin_length,
pin_not_numeric, pan_length, pan_not_numeric, filler. No message ever holds a digit.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError
from protocol.pack import xor

if TYPE_CHECKING:
    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview
    Digits = Bytes | str

_WORDS = {
    "block_length": "a PIN block of another length",
    "field_length": "a PIN field of another length",
    "control_field": "a PIN block of another format",
    "pin_length": "a PIN has 4 to 12 digits",
    "pin_not_numeric": "a PIN has digits only",
    "pan_length": "a card number of an impossible length",
    "pan_not_numeric": "a card number has digits only",
    "filler": "the filling of the PIN block is wrong",
}


class PinBlockError(FormatError):
    """A PIN, card number or PIN block that does not fit; `detail` is the reason."""

    code = "FMT-075"


def refuse(reason: str) -> PinBlockError:
    """The error for one of the reasons."""
    return PinBlockError(_WORDS[reason], detail=reason)


def digits_of(value: "Digits", low: int, high: int, what: str) -> bytearray:
    """The digits as numbers 0..9, `low` to `high` of them."""
    data = value.encode() if isinstance(value, str) else value
    if not low <= len(data) <= high:
        raise refuse(what + "_length")
    out = bytearray(len(data))
    for i in range(len(data)):
        if not 0x30 <= data[i] <= 0x39:
            raise refuse(what + "_not_numeric")
        out[i] = data[i] - 0x30
    return out


def packed(nibbles: "Bytes") -> bytes:
    """Two nibbles a byte."""
    out = bytearray(len(nibbles) // 2)
    for i in range(len(out)):
        out[i] = nibbles[2 * i] << 4 | nibbles[2 * i + 1]
    return bytes(out)


def pin_part(control: int, pin: "Digits", filler: "Bytes") -> bytes:
    """Control, length, PIN, then `filler` nibbles up to 16."""
    digits = digits_of(pin, 4, 12, "pin")
    nibbles = bytearray((control, len(digits))) + digits
    nibbles.extend(filler[: 16 - len(nibbles)])
    return packed(nibbles)


def iso4_pin_field(pin: "Digits", random8: "Bytes") -> bytes:
    """The 16-byte plain text PIN field of format 4; `random8` are 8 random bytes."""
    if len(random8) != 8:
        raise refuse("filler")
    return pin_part(4, pin, b"\x0a" * 10) + bytes(random8)


def iso4_pan_field(pan: "Digits") -> bytes:
    """The 16-byte plain text PAN field of format 4: how much longer than 12 it is, the digits, zeros."""
    digits = digits_of(pan, 1, 19, "pan")
    if len(digits) < 12:
        digits = bytearray(12 - len(digits)) + digits
    nibbles = bytearray((len(digits) - 12,)) + digits
    nibbles.extend(bytes(32 - len(nibbles)))
    return packed(nibbles)


def encipher_iso4(crypto: "Crypto", key: bytes, pin: "Digits", pan: "Digits", random8: "Bytes") -> bytes:
    """Enciphered format 4 block, 16 bytes (section 9.4.2.3): AES, the PAN field, AES again."""
    inner = crypto.aes_ecb_encrypt(key, iso4_pin_field(pin, random8))
    return crypto.aes_ecb_encrypt(key, xor(inner, iso4_pan_field(pan)))
