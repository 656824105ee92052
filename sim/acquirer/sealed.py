"""Opening sealed card data: COSE_Encrypt0 (RFC 9052 §5.2), AES-CCM-16-64-128 or AES-CCM-16-128-128, key by AES DUKPT from the
serial number inside.

    protected {1: 10, 4: KSN 12 bytes}   unprotected {} (the nonce is 13 zero bytes: a key seals one blob)   tag 8 bytes
    protected {1: 30, 4: KSN 12 bytes}   unprotected {5: nonce 13 bytes} or {6: Partial IV}   tag 16 bytes: terminals that were not updated

    external_aad   CBOR [device, epoch, intent, centimes, 9F26, 9F27, 9F36, 95, 84] with the values of the message's field 55, null for one that it
                   lacks; or without the five, where the card waited (then nothing of field 55 counts) or the algorithm is 30
    content        [PAN, PAN sequence number | null, expiry YYMM, chip data (`sim.acquirer.chip`), PIN block, 16 bytes, or absent]; numbers are
                   digits in half bytes, an odd PAN filled up with F. Release 0.1.0: {1: PAN text, 2: …, 3: expiry text, 4: DE55, 5: PIN block}.

The PIN block is of ISO 9564-1 format 4, enciphered under the PIN key of the same key serial number (`sim.acquirer.pin`).

A blob opens only for the payment, the amount and the values in clear that it was sealed for.
"""

from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from sim.acquirer import chip, dukpt

Clear = tuple[bytes | None, ...]
NOTHING_CLEAR: Clear = (None,) * 5
_TAG_LENGTH = {10: 8, 30: 16}


class SealedError(Exception):
    """The blob does not open for this payment."""


@dataclass(frozen=True)
class CardData:
    """What was inside. Never printed: `repr` shows nothing of it."""

    ksn: bytes
    pan: str
    psn: int | None
    expiry: str
    de55: bytes
    pin_block: bytes = b""

    def __repr__(self) -> str:
        return "CardData(…)"


def open_blob(
    bdk: bytes, blob: bytes, device: str, epoch: int, intent: int, amount: int, clear: Clear = NOTHING_CLEAR
) -> CardData:
    """Open a blob for one payment; `clear`: 9F26, 9F27, 9F36, 95, 84 of its message. SealedError says only that it does not open."""
    try:
        message = cbor2.loads(blob)
        if isinstance(message, cbor2.CBORTag):
            if message.tag != 16:
                raise SealedError("not a COSE_Encrypt0")
            message = message.value
        protected, unprotected, ciphertext = message
        header = cbor2.loads(protected)
        nonce = _nonce(header[1], unprotected)
        cipher = AESCCM(dukpt.working_key(bdk, header[4]), tag_length=_TAG_LENGTH[header[1]])
        payment: list[Any] = [device, epoch, intent, amount]
        if header[1] == 10:
            content = _decrypted(cipher, nonce, ciphertext, protected, [*payment, *clear])
            if content is not None:
                return _card(header[4], cbor2.loads(content), amount, intent, clear)
        content = _decrypted(cipher, nonce, ciphertext, protected, payment)
        if content is None:
            raise SealedError("sealed card data do not open")
        return _card(header[4], cbor2.loads(content), amount, intent, NOTHING_CLEAR)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, cbor2.CBORError) as error:
        raise SealedError("sealed card data do not open") from error


def _nonce(algorithm: int, unprotected: dict[int, bytes]) -> bytes:
    if algorithm == 10 and unprotected == {}:
        return bytes(13)
    nonce = unprotected[5] if 5 in unprotected else unprotected[6].rjust(13, b"\0")
    if algorithm != 30 or len(nonce) != 13:
        raise SealedError("another algorithm or nonce than agreed")
    return nonce


def _decrypted(cipher: AESCCM, nonce: bytes, ciphertext: bytes, protected: bytes, bound: list[Any]) -> bytes | None:
    """The content, None if it was not sealed for these."""
    try:
        return cipher.decrypt(nonce, ciphertext, cbor2.dumps(["Encrypt0", protected, cbor2.dumps(bound)]))
    except InvalidTag:
        return None


def _card(ksn: bytes, content: Any, amount: int, intent: int, clear: Clear) -> CardData:
    """The content in either form."""
    if isinstance(content, dict):
        return CardData(
            ksn, str(content[1]), content[2], str(content[3]), bytes(content[4]), bytes(content.get(5, b""))
        )
    pan, psn, expiry, data, *pin = content
    de55 = chip.expand(data, amount, psn, intent, clear)
    block = pin[0] if pin else b""
    if not isinstance(block, bytes):
        raise SealedError("PIN block is no byte string")
    return CardData(ksn, pan.hex().upper().rstrip("F"), psn, expiry.hex(), de55, block)
