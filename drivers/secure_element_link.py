"""A secure element behind a serial link that speaks length-prefixed CBOR: the software stand-in of the simulator (`sim.parts.secure_element`).

It stands in until the ATECC608B's own byte protocol has a driver; the contract (`drivers.contracts.secure_element`) is that part's. Request:
length (2 bytes, big endian), CBOR array [operation, arguments …]; reply: length, CBOR array [0, result] or [1, reason]. Both runtimes.
"""

import asyncio

from drivers.contracts.secure_element import SecureElement
from drivers.contracts.small import Uart
from protocol import cbor
from protocol.errors import FormatError, SecureElementError
from protocol.pack import rd16, u16be

_TIMEOUT_MS = 3000
_LARGEST = 1024
_QUIET_MS = 50
_NOISE = 4096  # bytes after which a line that never falls silent is given up


class LinkSecureElement(SecureElement):
    """One request at a time over `uart`."""

    def __init__(self, uart: Uart) -> None:
        self._uart = uart
        self._lock = asyncio.Lock()
        self._head = bytearray(2)
        self._dirty = False

    async def info(self) -> dict:
        """Part, serial number, and whether it is a stand-in."""
        return await self._call(dict, 0, "info")

    async def random(self, length: int) -> bytes:
        """1..32 random bytes."""
        return await self._call(bytes, length, "random", length)

    async def public_key(self, slot: int) -> bytes:
        """65 bytes of the P-256 public key in `slot`."""
        return await self._call(bytes, 65, "public_key", slot)

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """64 bytes r || s over a 32-byte digest."""
        return await self._call(bytes, 64, "sign", slot, digest)

    async def verify(self, public_key: bytes, digest: bytes, signature: bytes) -> bool:
        """ECDSA P-256 with a key from outside."""
        return await self._call(bool, 0, "verify", public_key, digest, signature)

    async def generate_key(self, slot: int) -> bytes:
        """65 bytes of the public key of a fresh P-256 pair."""
        return await self._call(bytes, 65, "generate_key", slot)

    async def ecdh(self, slot: int, public_key: bytes) -> bytes:
        """32 bytes, the first coordinate of the product."""
        return await self._call(bytes, 32, "ecdh", slot, public_key)

    async def hmac(self, slot: int, data: bytes) -> bytes:
        """HMAC-SHA-256 with the key in `slot`."""
        return await self._call(bytes, 32, "hmac", slot, data)

    async def aes_ecb(self, slot: int, block: bytes) -> bytes:
        """AES-128 ECB encryption of one block with the key in `slot`."""
        return await self._call(bytes, 16, "aes_ecb", slot, block)

    async def counter(self, index: int) -> int:
        """Value of a monotonic counter."""
        return await self._call(int, 0, "counter", index)

    async def increment(self, index: int) -> int:
        """Step a monotonic counter; returns its new value."""
        return await self._call(int, 0, "increment", index)

    async def read_block(self, slot: int, block: int) -> bytes:
        """32 bytes of a data slot."""
        return await self._call(bytes, 32, "read_block", slot, block)

    async def write_block(self, slot: int, block: int, data: bytes) -> None:
        """Write 32 bytes of a data slot durably."""
        await self._call(type(None), 0, "write_block", slot, block, data)

    async def _call(self, kind: type, length: int, *request):  # noqa: ANN002, ANN202 - the result's type is the operation's
        """The result of one operation: of type `kind`, bytes of `length`. Raises SecureElementError, and nothing else for what the line says."""
        body = cbor.encode(list(request))
        async with self._lock:
            answer = await self._asked(body)
        if not isinstance(answer, list) or len(answer) != 2:
            raise SecureElementError("secure element sent no proper reply", "SEC-003")
        if answer[0] != 0:
            raise SecureElementError("secure element refused " + str(request[0]), "SEC-004", detail=answer[1])
        result = answer[1]
        if type(result) is not kind or (kind is bytes and len(result) != length):
            raise SecureElementError("secure element sent no proper reply", "SEC-003")
        return result

    async def _asked(self, body: bytes) -> object:
        """The decoded reply. After a failure the line is let fall silent first: a late reply is none to the next request."""
        try:
            if self._dirty:
                await self._settle()
            self._dirty = True
            await self._uart.write(u16be(len(body)) + body)
            await self._fill(self._head)
            length = rd16(self._head)
            if not 0 < length <= _LARGEST:
                raise SecureElementError("secure element sent a length out of range", "SEC-003")
            reply = bytearray(length)
            await self._fill(reply)
            answer = cbor.decode(bytes(reply))
        except OSError:
            raise SecureElementError("secure element is not connected", "SEC-002", "call a technician") from None
        except FormatError:
            raise SecureElementError("secure element sent no proper reply", "SEC-003") from None
        self._dirty = False
        return answer

    async def _settle(self) -> None:
        for _ in range(_NOISE // len(self._head)):
            if not await self._uart.read_into(self._head, _QUIET_MS):
                return
        raise SecureElementError("secure element does not fall silent", "SEC-002", "call a technician")

    async def _fill(self, buffer: bytearray) -> None:
        view = memoryview(buffer)
        at = 0
        while at < len(buffer):
            count = await self._uart.read_into(view[at:], _TIMEOUT_MS)
            if count == 0:
                raise SecureElementError("secure element does not answer", "SEC-002", "call a technician")
            at += count
