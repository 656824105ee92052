"""Software stand-in for the secure element: a process of its own that offers what an ATECC608B's data sheet offers, and says that it is none.

It keeps keys, two monotonic counters and data slots in one state file (mode 0600, replaced atomically and synced at every change, so a
kill at any instant leaves the old or the new state). Protocol: length (2 bytes, big endian) + CBOR array [operation, arguments …]; reply
[0, result] or [1, reason]. It computes with `cryptography` and `cbor2` and imports nothing of the terminal's side. It protects nothing: whoever
reads the state file has the keys.

    python -m sim.parts.secure_element --state FILE [--port 0]     prints "port N" once it listens on the loopback
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

COUNTER_MAX = 2_097_151  # ATECC608B data sheet, section 4.4.5
EPHEMERAL = 1  # the slot whose configuration allows GenKey in creation mode and ECDH in clear, and no signature
BLOCKS = {8: 13, **dict.fromkeys(range(9, 16), 2)}  # whole 32-byte blocks of the data slots: 416 bytes, and 72
PREHASHED = ec.ECDSA(Prehashed(hashes.SHA256()))


class Refused(Exception):
    """The part answers with an error code instead of a result."""


class SecureElementState:
    """Keys, counters and data of one part, in a JSON file of hex strings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data: dict[str, Any] = json.loads(path.read_text())

    @staticmethod
    def create(
        path: Path, private: dict[int, ec.EllipticCurvePrivateKey], secret: dict[int, bytes]
    ) -> "SecureElementState":
        """Personalise a new part: P-256 keys and symmetric keys by slot number."""
        data = {
            "serial": (b"\x01\x23" + secrets.token_bytes(6) + b"\xee").hex(),
            "private": {str(n): f"{key.private_numbers().private_value:064x}" for n, key in private.items()},
            "secret": {str(n): key.hex() for n, key in secret.items()},
            "counters": [0, 0],
            "blocks": {},
        }
        write_durably(path, json.dumps(data).encode())
        return SecureElementState(path)

    def save(self) -> None:
        """Make the state durable."""
        write_durably(self.path, json.dumps(self.data).encode())

    def private_key(self, slot: int) -> ec.EllipticCurvePrivateKey:
        """The P-256 key of a slot."""
        if str(slot) not in self.data["private"]:
            raise Refused("no private key in slot")
        return ec.derive_private_key(int(self.data["private"][str(slot)], 16), ec.SECP256R1())

    def secret_key(self, slot: int) -> bytes:
        """The symmetric key of a slot."""
        if str(slot) not in self.data["secret"]:
            raise Refused("no secret key in slot")
        return bytes.fromhex(self.data["secret"][str(slot)])


def write_durably(path: Path, content: bytes) -> None:
    """Replace a file so that a cut leaves the old or the new content."""
    temporary = path.with_suffix(".tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _point(key: ec.EllipticCurvePrivateKey) -> bytes:
    numbers = key.public_key().public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


class SecureElementModel:
    """The part's commands, by name; `counts` how often each was given."""

    def __init__(self, state: SecureElementState) -> None:
        self.state = state
        self.counts: dict[str, int] = {}
        self._ephemeral: ec.EllipticCurvePrivateKey | None = None  # nobody relies on this slot after a power cut
        self.commands: dict[str, Callable[..., object]] = {
            name: getattr(self, name)
            for name in (
                "info", "random", "public_key", "sign", "verify", "generate_key", "ecdh", "hmac", "aes_ecb",
                "counter", "increment", "read_block", "write_block",
            )
        }  # fmt: skip

    def info(self) -> dict[str, object]:
        """What the part is."""
        return {
            "part": "software stand-in for ATECC608B",
            "serial": bytes.fromhex(self.state.data["serial"]),
            "stand_in": True,
        }

    def random(self, length: int) -> bytes:
        """Random: at most 32 bytes a command."""
        if not 1 <= length <= 32:
            raise Refused("length")
        return secrets.token_bytes(length)

    def public_key(self, slot: int) -> bytes:
        """GenKey in public mode."""
        return _point(self.state.private_key(slot))

    def generate_key(self, slot: int) -> bytes:
        """GenKey in creation mode (04): the slot's key is another one from now on."""
        if slot != EPHEMERAL:
            raise Refused("slot allows no new key")
        self._ephemeral = ec.generate_private_key(ec.SECP256R1())
        return _point(self._ephemeral)

    def ecdh(self, slot: int, public: bytes) -> bytes:
        """ECDH of a stored key, result in clear (mode 0C); a point that is not on the curve is the part's ECC fault."""
        if slot != EPHEMERAL or self._ephemeral is None:
            raise Refused("slot allows no key agreement")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
        except ValueError:
            raise Refused("ECC fault") from None
        return self._ephemeral.exchange(ec.ECDH(), key)

    def sign(self, slot: int, digest: bytes) -> bytes:
        """Sign in external mode over a 32-byte digest."""
        if len(digest) != 32:
            raise Refused("digest length")
        r, s = decode_dss_signature(self.state.private_key(slot).sign(digest, PREHASHED))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def verify(self, public: bytes, digest: bytes, signature: bytes) -> bool:
        """Verify in external mode."""
        if len(digest) != 32 or len(signature) != 64:
            raise Refused("length")
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
            der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
            key.verify(der, digest, PREHASHED)
        except (InvalidSignature, ValueError):
            return False
        return True

    def hmac(self, slot: int, data: bytes) -> bytes:
        """SHA in HMAC mode."""
        return hmac.digest(self.state.secret_key(slot), data, hashlib.sha256)

    def aes_ecb(self, slot: int, block: bytes) -> bytes:
        """AES encrypt, one block."""
        if len(block) != 16:
            raise Refused("block length")
        encryptor = Cipher(algorithms.AES(self.state.secret_key(slot)), modes.ECB()).encryptor()
        return encryptor.update(block) + encryptor.finalize()

    def counter(self, index: int) -> int:
        """Counter in read mode."""
        if index not in (0, 1):
            raise Refused("counter index")
        return self.state.data["counters"][index]

    def increment(self, index: int) -> int:
        """Counter in increment mode."""
        value = self.counter(index) + 1
        if value > COUNTER_MAX:
            raise Refused("counter exhausted")
        self.state.data["counters"][index] = value
        self.state.save()
        return value

    def read_block(self, slot: int, block: int) -> bytes:
        """Read of 32 bytes of the data zone; never written reads as zeros."""
        if not 0 <= block < BLOCKS.get(slot, 0):
            raise Refused("not a data slot")
        return bytes.fromhex(self.state.data["blocks"].get(f"{slot}.{block}", "00" * 32))

    def write_block(self, slot: int, block: int, data: bytes) -> None:
        """Write of 32 bytes of the data zone."""
        if not 0 <= block < BLOCKS.get(slot, 0) or len(data) != 32:
            raise Refused("not a data slot")
        self.state.data["blocks"][f"{slot}.{block}"] = data.hex()
        self.state.save()

    def answer(self, request: bytes) -> bytes:
        """One request in, one reply out."""
        try:
            operation, *arguments = cbor2.loads(request)
            self.counts[operation] = self.counts.get(operation, 0) + 1
            return cbor2.dumps([0, self.commands[operation](*arguments)], canonical=True)
        except Refused as reason:
            return cbor2.dumps([1, str(reason)])
        except (KeyError, TypeError, ValueError, cbor2.CBORError):
            return cbor2.dumps([1, "malformed request"])


async def serve(model: SecureElementModel, port: int = 0) -> asyncio.Server:
    """Listen on the loopback; one request at a time per connection."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                reply = model.answer(await reader.readexactly(length))
                writer.write(len(reply).to_bytes(2, "big") + reply)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(connection, "127.0.0.1", port)


async def _main(state: Path, port: int) -> None:
    server = await serve(SecureElementModel(SecureElementState(state)), port)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Command line of the stand-in."""
    parser = argparse.ArgumentParser(description="software stand-in for the secure element")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    try:
        asyncio.run(_main(arguments.state, arguments.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
