"""The host's side of an online PIN: the block of ISO 9564-1 format 4, opened with the PIN key of AES DUKPT.

Computed with `cryptography`. Nothing here logs or keeps a PIN.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sim.acquirer import dukpt


def opened(bdk: bytes, ksn: bytes, block: bytes, pan: str) -> str:
    """The digits inside a 16-byte block. ValueError if it is none of this card and key."""
    if len(block) != 16:
        raise ValueError("a format 4 block has 16 bytes")
    decrypt = Cipher(algorithms.AES(dukpt.working_key(bdk, ksn, dukpt.PIN_ENCRYPT)), modes.ECB()).decryptor()  # noqa: S305
    number = bytes.fromhex(f"{len(pan) - 12:X}{pan}".ljust(32, "0"))
    field = decrypt.update(bytes(a ^ b for a, b in zip(decrypt.update(block), number, strict=True))).hex().upper()
    length = int(field[1], 16)
    digits = field[2 : 2 + length]
    if field[0] != "4" or not 4 <= length <= 12 or not digits.isdigit() or field[2 + length : 16].strip("A"):
        raise ValueError("not a PIN block of format 4")
    return digits
