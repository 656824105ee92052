"""PIN blocks (ISO 9564-1 section 9.3) that no terminal makes: formats 0 and 3 (8 bytes, with the PAN) and 2 (for the chip, where the EMV kernel
builds its own), and what a host does with format 4. For hosts, and to reproduce vectors.

PINs are 4 to 12 ASCII digits as bytes, bytearray or text; what comes out is a bytearray the caller wipes. Nothing here encrypts formats 0, 2
and 3. Errors as in `protocol.pinblock`.
"""

from typing import TYPE_CHECKING

from protocol.pack import xor
from protocol.pinblock import digits_of, iso4_pan_field, packed, pin_part, refuse

if TYPE_CHECKING:
    from protocol.crypto import Crypto
    from protocol.pinblock import Bytes, Digits


def _nibbles(data: "Bytes") -> bytearray:
    out = bytearray(2 * len(data))
    for i in range(len(data)):
        out[2 * i] = data[i] >> 4
        out[2 * i + 1] = data[i] & 15
    return out


def _pan_part(pan: "Digits") -> bytes:
    """The PAN field of formats 0 and 3: the 12 rightmost digits without the check digit."""
    digits = digits_of(pan, 13, 19, "pan")
    return b"\x00\x00" + packed(digits[len(digits) - 13 : len(digits) - 1])


def _take_pin(nibbles: "Bytes", control: int, fill_low: int, fill_high: int, end: int = 16) -> bytearray:
    """The PIN in clear nibbles, checking control, length, digits and that filling up to `end` lies in low..high."""
    if nibbles[0] != control:
        raise refuse("control_field")
    length = nibbles[1]
    if not 4 <= length <= 12:
        raise refuse("pin_length")
    for i in range(2, 2 + length):
        if nibbles[i] > 9:
            raise refuse("pin_not_numeric")
    for i in range(2 + length, end):
        if not fill_low <= nibbles[i] <= fill_high:
            raise refuse("filler")
    pin = bytearray(length)
    for i in range(length):
        pin[i] = nibbles[2 + i] + 0x30
    return pin


def _need_block(block: "Bytes", size: int) -> None:
    if len(block) != size:
        raise refuse("block_length")


def encode_iso0(pin: "Digits", pan: "Digits") -> bytes:
    """Clear format 0 block, 8 bytes."""
    return xor(pin_part(0, pin, b"\x0f" * 10), _pan_part(pan))


def decode_iso0(block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of a clear format 0 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(xor(block, _pan_part(pan))), 0, 15, 15)


def encode_iso2(pin: "Digits") -> bytes:
    """Format 2 block for a PIN verified by the chip, 8 bytes."""
    return pin_part(2, pin, b"\x0f" * 10)


def decode_iso2(block: "Bytes") -> bytearray:
    """PIN of a format 2 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(block), 2, 15, 15)


def encode_iso3(pin: "Digits", pan: "Digits", random10: "Bytes") -> bytes:
    """Clear format 3 block; `random10` are 10 random bytes, from which filling nibbles A..F are taken."""
    if len(random10) < 10:
        raise refuse("filler")
    filler = bytearray(10)
    for i in range(10):
        filler[i] = 10 + random10[i] % 6
    return xor(pin_part(3, pin, filler), _pan_part(pan))


def decode_iso3(block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of a clear format 3 block."""
    _need_block(block, 8)
    return _take_pin(_nibbles(xor(block, _pan_part(pan))), 3, 10, 15)


def decode_iso4_pin_field(field: "Bytes") -> bytearray:
    """PIN of a plain text PIN field of format 4."""
    if len(field) != 16:
        raise refuse("field_length")
    return _take_pin(_nibbles(field[:8]), 4, 10, 10)


def decipher_iso4(crypto: "Crypto", key: bytes, block: "Bytes", pan: "Digits") -> bytearray:
    """PIN of an enciphered format 4 block (for tests and hosts; a terminal has no use for it)."""
    _need_block(block, 16)
    pan_field = iso4_pan_field(pan)
    return decode_iso4_pin_field(crypto.aes_ecb_decrypt(key, xor(crypto.aes_ecb_decrypt(key, block), pan_field)))
