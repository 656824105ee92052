"""PIN blocks (ISO 9564-1 section 9.3): formats 0 and 3 (8 bytes, with the PAN), 2 (offline PIN), 4 (16 bytes, AES, with the PAN).

Formats 0 and 3 are here to reproduce vectors and to serve a host; a terminal uses 2 towards the chip and 4 online. PINs are 4 to 12
ASCII digits as bytes, bytearray or text; what comes out is a bytearray the caller wipes. Nothing here encrypts formats 0 and 3.

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


def _refuse(reason: str) -> PinBlockError:
    return PinBlockError(_WORDS[reason], detail=reason)


def _digits(value: "Digits", low: int, high: int, what: str) -> bytearray:
    """The digits as numbers 0..9, `low` to `high` of them."""
    data = value.encode() if isinstance(value, str) else value
    if not low <= len(data) <= high:
        raise _refuse(what + "_length")
    out = bytearray(len(data))
    for i in range(len(data)):
        if not 0x30 <= data[i] <= 0x39:
            raise _refuse(what + "_not_numeric")
        out[i] = data[i] - 0x30
    return out


def _packed(nibbles: "Bytes") -> bytes:
    out = bytearray(len(nibbles) // 2)
    for i in range(len(out)):
        out[i] = nibbles[2 * i] << 4 | nibbles[2 * i + 1]
    return bytes(out)


def _nibbles(data: "Bytes") -> bytearray:
    out = bytearray(2 * len(data))
    for i in range(len(data)):
        out[2 * i] = data[i] >> 4
        out[2 * i + 1] = data[i] & 15
    return out


def _pin_part(control: int, pin: "Digits", filler: "Bytes") -> bytes:
    """Control, length, PIN, then `filler` nibbles up to 16."""
    digits = _digits(pin, 4, 12, "pin")
    nibbles = bytearray((control, len(digits))) + digits
    nibbles.extend(filler[: 16 - len(nibbles)])
    return _packed(nibbles)


def _pan_part(pan: "Digits") -> bytes:
    """The PAN field of formats 0 and 3: the 12 rightmost digits without the check digit."""
    digits = _digits(pan, 13, 19, "pan")
    return b"\x00\x00" + _packed(digits[len(digits) - 13 : len(digits) - 1])


def _take_pin(nibbles: "Bytes", control: int, fill_low: int, fill_high: int, end: int = 16) -> bytearray:
    """The PIN in clear nibbles, checking control, length, digits and that filling up to `end` lies in low..high."""
    if nibbles[0] != control:
        raise _refuse("control_field")
    length = nibbles[1]
    if not 4 <= length <= 12:
        raise _refuse("pin_length")
    for i in range(2, 2 + length):
        if nibbles[i] > 9:
            raise _refuse("pin_not_numeric")
    for i in range(2 + length, end):
        if not fill_low <= nibbles[i] <= fill_high:
            raise _refuse("filler")
    pin = bytearray(length)
    for i in range(length):
        pin[i] = nibbles[2 + i] + 0x30
    return pin


def _need_block(block: "Bytes", size: int) -> None:
    if len(block) != size:
        raise _refuse("block_length")


def encode_iso0(pin: "Digits", pan: "Digits") -> bytes:
    """Clear format 0 block, 8 bytes."""
    return xor(_pin_part(0, pin, b"\x0f" * 10), _pan_part(pan))


def decode_iso0(block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of a clear format 0 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(xor(block, _pan_part(pan))), 0, 15, 15)


def encode_iso2(pin: "Digits") -> bytes:
    """Format 2 block for a PIN verified by the chip, 8 bytes."""
    return _pin_part(2, pin, b"\x0f" * 10)


def decode_iso2(block: "Bytes") -> bytearray:
    """PIN of a format 2 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(block), 2, 15, 15)


def encode_iso3(pin: "Digits", pan: "Digits", random10: "Bytes") -> bytes:
    """Clear format 3 block; `random10` are 10 random bytes, from which filling nibbles A..F are taken."""
    if len(random10) < 10:
        raise _refuse("filler")
    filler = bytearray(10)
    for i in range(10):
        filler[i] = 10 + random10[i] % 6
    return xor(_pin_part(3, pin, filler), _pan_part(pan))


def decode_iso3(block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of a clear format 3 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(xor(block, _pan_part(pan))), 3, 10, 15)


def iso4_pin_field(pin: "Digits", random8: "Bytes") -> bytes:
    """The 16-byte plain text PIN field of format 4; `random8` are 8 random bytes."""
    if len(random8) != 8:
        raise _refuse("filler")
    return _pin_part(4, pin, b"\x0a" * 10) + bytes(random8)


def decode_iso4_pin_field(field: "Bytes") -> bytearray:
    """PIN of a plain text PIN field of format 4."""
    if len(field) != 16:
        raise _refuse("field_length")
    return _take_pin(_nibbles(field[:8]), 4, 10, 10)


def iso4_pan_field(pan: "Digits") -> bytes:
    """The 16-byte plain text PAN field of format 4: how much longer than 12 it is, the digits, zeros."""
    digits = _digits(pan, 1, 19, "pan")
    if len(digits) < 12:
        digits = bytearray(12 - len(digits)) + digits
    nibbles = bytearray((len(digits) - 12,)) + digits
    nibbles.extend(bytes(32 - len(nibbles)))
    return _packed(nibbles)


def encipher_iso4(crypto: "Crypto", key: bytes, pin: "Digits", pan: "Digits", random8: "Bytes") -> bytes:
    """Enciphered format 4 block, 16 bytes (section 9.4.2.3): AES, the PAN field, AES again."""
    inner = crypto.aes_ecb_encrypt(key, iso4_pin_field(pin, random8))
    return crypto.aes_ecb_encrypt(key, xor(inner, iso4_pan_field(pan)))


def decipher_iso4(crypto: "Crypto", key: bytes, block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of an enciphered format 4 block (for tests and hosts; a terminal has no use for it)."""
    _need_block(block, 16)
    pan_field = iso4_pan_field(pan)
    return decode_iso4_pin_field(crypto.aes_ecb_decrypt(key, xor(crypto.aes_ecb_decrypt(key, block), pan_field)))
