"""Opening sealed card data: COSE_Encrypt0 (RFC 9052 §5.2), AES-CCM-16-128-128, key by AES DUKPT from the serial number
inside.

    protected {1: 30, 4: KSN 12 bytes}   unprotected {5: nonce 13 bytes} or {6: Partial IV}   external_aad = CBOR [device, epoch, intent, centimes]
    content [PAN, PAN sequence number | null, expiry YYMM, chip data (`sim.acquirer.chip`), PIN block, 16 bytes, or absent]; numbers are digits in
    half bytes, an odd PAN filled up with F. Release 0.1.0 says {1: PAN text, 2: …, 3: expiry text, 4: DE55 bytes, 5: PIN block} instead.

The PIN block is of ISO 9564-1 format 4, enciphered under the PIN key of the same key serial number (`sim.acquirer.pin`).

A blob opens only for the payment and the amount that it was sealed for.
"""

from dataclasses import dataclass
from typing import Any

import cbor2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from sim.acquirer import chip, dukpt


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


def open_blob(bdk: bytes, blob: bytes, device: str, epoch: int, intent: int, amount: int) -> CardData:
    """Open a blob for one payment. SealedError says only that it does not open."""
    try:
        message = cbor2.loads(blob)
        if isinstance(message, cbor2.CBORTag):
            if message.tag != 16:
                raise SealedError("not a COSE_Encrypt0")
            message = message.value
        protected, unprotected, ciphertext = message
        header = cbor2.loads(protected)
        nonce = unprotected[5] if 5 in unprotected else unprotected[6].rjust(13, b"\0")
        if header[1] != 30 or len(nonce) != 13:
            raise SealedError("another algorithm or nonce than agreed")
        key = dukpt.working_key(bdk, header[4])
        aad = cbor2.dumps(["Encrypt0", protected, cbor2.dumps([device, epoch, intent, amount])])
        content = cbor2.loads(AESCCM(key, tag_length=16).decrypt(nonce, ciphertext, aad))
        return _card(header[4], content, amount)
    except (InvalidTag, ValueError, KeyError, IndexError, TypeError, AttributeError, cbor2.CBORError) as error:
        raise SealedError("sealed card data do not open") from error


def _card(ksn: bytes, content: Any, amount: int) -> CardData:
    """The content in either form."""
    if isinstance(content, dict):
        return CardData(
            ksn, str(content[1]), content[2], str(content[3]), bytes(content[4]), bytes(content.get(5, b""))
        )
    pan, psn, expiry, data, *pin = content
    de55 = chip.expand(data, amount, psn)
    return CardData(ksn, pan.hex().upper().rstrip("F"), psn, expiry.hex(), de55, pin[0] if pin else b"")
