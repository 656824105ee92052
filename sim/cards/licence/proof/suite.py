"""The four symmetric suites of PACE and chip authentication, the chip's side: key derivation, nonce, tokens, secure messaging.

ICAO Doc 9303-11 sections 9.7 (key derivation) and 9.8 (secure messaging); BSI TR-03110-3. Suites by name: "3DES", "AES-128",
"AES-192", "AES-256"; their number is the last arc of the protocol's object identifier.
"""

import hashlib
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from sim.cards.base import Apdu, sw
from sim.cards.licence import cipher
from sim.cards.licence.messaging import MISSING_OBJECTS, WRONG_OBJECTS, Channel, MessagingFault
from sim.cards.tlv import read, tlv

SUITES = ("3DES", "AES-128", "AES-192", "AES-256")


def aes_block(key: bytes, block: bytes) -> bytes:
    """One block, ECB."""
    worker = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305  a single block
    return worker.update(block) + worker.finalize()


def aes_cbc(key: bytes, iv: bytes, data: bytes) -> bytes:
    """AES in CBC; whole blocks."""
    worker = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return worker.update(data) + worker.finalize()


def aes_cbc_open(key: bytes, iv: bytes, data: bytes) -> bytes:
    """The inverse of `aes_cbc`."""
    worker = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
    return worker.update(data) + worker.finalize()


def pad16(data: bytes) -> bytes:
    """ISO/IEC 9797-1 method 2 for blocks of 16."""
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def cmac8(key: bytes, data: bytes) -> bytes:
    """The first eight bytes of AES-CMAC."""
    state = CMAC(algorithms.AES(key))
    state.update(data)
    return state.finalize()[:8]


@dataclass(frozen=True)
class Suite:
    """One suite, by `name`."""

    name: str

    @property
    def number(self) -> int:
        """The last arc of an object identifier that names this suite: 1 to 4."""
        return SUITES.index(self.name) + 1

    def derive(self, secret: bytes, counter: int) -> bytes:
        """KDF: counter 1 encryption, 2 MAC, 3 password."""
        data = secret + counter.to_bytes(4, "big")
        if self.name == "3DES":
            return cipher.derive(secret, counter)
        if self.name == "AES-128":
            return hashlib.sha1(data).digest()[:16]  # noqa: S324  the standard's hash
        return hashlib.sha256(data).digest()[: 24 if self.name == "AES-192" else 32]

    def seal_nonce(self, key: bytes, nonce: bytes) -> bytes:
        """CBC with a zero IV, no padding."""
        return cipher.encrypt(key, nonce) if self.name == "3DES" else aes_cbc(key, bytes(16), nonce)

    def token(self, key: bytes, data: bytes) -> bytes:
        """An authentication token over the TLV of a public key."""
        return cipher.mac(key, data) if self.name == "3DES" else cmac8(key, data)

    def channel(self, secret: bytes) -> "Channel | AesChannel":
        """Secure messaging under the keys of a shared secret; the counter begins at zero."""
        keys = self.derive(secret, 1), self.derive(secret, 2)
        return Channel(*keys, bytes(8)) if self.name == "3DES" else AesChannel(*keys)


class AesChannel:
    """The chip's end of AES secure messaging (Doc 9303-11 section 9.8.6); counterpart of `messaging.Channel`."""

    room = 223

    def __init__(self, k_enc: bytes, k_mac: bytes) -> None:
        self._enc = k_enc
        self._mac = k_mac
        self._ssc = 0
        self.commands = 0
        self._odd = False

    def _next(self) -> bytes:
        self._ssc = (self._ssc + 1) % (1 << 128)
        return self._ssc.to_bytes(16, "big")

    def unwrap(self, apdu: Apdu) -> Apdu:
        """The plain command inside a protected one. Raises MessagingFault."""
        self.commands += 1
        try:
            objects = dict(read(apdu.data))
        except (ValueError, IndexError):
            raise MessagingFault(WRONG_OBJECTS) from None
        if 0x8E not in objects:
            raise MessagingFault(MISSING_OBJECTS)
        counter = self._next()
        covered = b"".join(tlv(tag, objects[tag]) for tag in (0x85, 0x87, 0x97) if tag in objects)
        if cmac8(self._mac, pad16(counter + pad16(apdu.header) + covered)) != objects[0x8E]:
            raise MessagingFault(WRONG_OBJECTS)
        data = b""
        self._odd = apdu.ins & 1 == 1
        if self._odd and 0x85 in objects:  # the same without a padding indicator
            objects[0x87] = b"\x01" + objects[0x85]
        sealed = objects.get(0x87)
        if sealed is not None:
            if sealed[:1] != b"\x01" or len(sealed) % 16 != 1 or len(sealed) < 17:
                raise MessagingFault(WRONG_OBJECTS)
            try:
                data = cipher.unpad(aes_cbc_open(self._enc, aes_block(self._enc, counter), sealed[1:]))
            except ValueError:
                raise MessagingFault(WRONG_OBJECTS) from None
        le = objects.get(0x97)
        expected = None if le is None else int.from_bytes(le, "big") or (256 if len(le) == 1 else 65536)
        return Apdu(apdu.cla & 0xF3, apdu.ins, apdu.p1, apdu.p2, data, expected, apdu.extended)

    def wrap(self, data: bytes, status: int) -> bytes:
        """The protected response."""
        counter = self._next()
        sealed = aes_cbc(self._enc, aes_block(self._enc, counter), pad16(data)) if data else b""
        body = (tlv(0x85, sealed) if self._odd else tlv(0x87, b"\x01", sealed)) if data else b""
        body += tlv(0x99, sw(status))
        return body + tlv(0x8E, cmac8(self._mac, pad16(counter + body))) + sw(status)
