"""A terminal's parts in memory: flash that can be cut at any operation, secure element, clock, card readers, printer,
scanner.

Storage and secure element count their durable operations together (`Power`), so that "the power goes at operation N"
covers both.
"""

import hashlib
import hmac
import random
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from drivers.contracts.card_reader import CardReader
from drivers.contracts.printer import Printer, PrinterStatus
from drivers.contracts.secure_element import SecureElement
from drivers.contracts.small import Clock
from drivers.contracts.storage import Storage
from protocol.errors import CardRemovedError, JournalError, NoCardError
from server.keys import point
from sim.cards.base import Card
from sim.worlds.simulation import remembered
from sim.worlds.simulation.schedule import Pause, Schedule

_PREHASHED = ec.ECDSA(Prehashed(hashes.SHA256()))
BEFORE, TORN, FLIPPED, AFTER = "before", "torn", "garbage", "after"
HOW = (BEFORE, TORN, FLIPPED, AFTER)


class PowerCut(BaseException):
    """The power went. No code of the terminal may catch it."""


class Power:
    """The battery: counts durable operations and ends at the one that the plan names."""

    def __init__(self) -> None:
        self.operations = 0
        self.cuts: dict[int, str] = {}  # operation number → how
        self.dead = False

    def operation(self) -> str | None:
        """To be called before each durable operation: how it is cut, if it is. Raises PowerCut once the power is gone."""
        if self.dead:
            raise PowerCut
        self.operations += 1
        return self.cuts.get(self.operations)

    def die(self) -> None:
        """The power is gone now."""
        self.dead = True
        raise PowerCut


class Flash(Storage):
    """Files in memory with the contract's durability: what `append` and `replace` returned from survives."""

    def __init__(self, power: Power, rng: random.Random, files: dict[str, bytes]) -> None:
        self.power = power
        self._rng = rng
        self.files = dict(files)
        self.capacity = 1 << 20
        self.replaced: Callable[[str, bytes], None] = lambda _name, _data: None

    def names(self, folder: str) -> list[str]:
        """Sorted names in a folder."""
        prefix = folder + "/"
        return sorted(name[len(prefix) :] for name in self.files if name.startswith(prefix))

    def size(self, name: str) -> int:
        """Length, -1 if absent."""
        return len(self.files[name]) if name in self.files else -1

    def read_into(self, name: str, offset: int, buffer: Any) -> int:
        """Read from an offset."""
        if self.power.dead:
            raise PowerCut
        if name not in self.files:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        data = self.files[name][offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file."""
        size = max(0, self.size(name))
        if size > limit:
            raise JournalError("stored file is larger than it may be", "JRN-011", detail=name)
        buffer = bytearray(size)
        self.read_into(name, 0, buffer)
        return bytes(buffer)

    def append(self, name: str, data: bytes) -> None:
        """Append; cut, a piece or garbage may be there."""
        how = self.power.operation()
        before = self.files.get(name, b"")
        if how is None or how == AFTER:
            self.files[name] = before + bytes(data)
        elif how == TORN:
            self.files[name] = before + bytes(data[: self._rng.randrange(len(data))])
        elif how == FLIPPED:
            kept = self._rng.randrange(len(data))
            self.files[name] = before + bytes(data[:kept]) + self._rng.randbytes(len(data) - kept)
        if how is not None:
            self.power.die()

    def replace(self, name: str, data: bytes) -> None:
        """Replace; cut, the old or the new is there."""
        how = self.power.operation()
        if how is None or how in (AFTER, FLIPPED):
            self.files[name] = bytes(data)
            self.replaced(name, self.files[name])
        if how is not None:
            self.power.die()

    def remove(self, name: str) -> None:
        """Delete."""
        how = self.power.operation()
        if how is None or how in (AFTER, FLIPPED):
            self.files.pop(name, None)
        if how is not None:
            self.power.die()

    def free_bytes(self) -> int:
        """What is left of a 1 MiB volume."""
        return self.capacity - sum(len(data) for data in self.files.values())


class Element(SecureElement):
    """The secure element: counters and blocks survive, random numbers follow from the seed and never repeat."""

    def __init__(
        self, power: Power, rng: random.Random, key: ec.EllipticCurvePrivateKey, secret: dict[int, bytes]
    ) -> None:
        self.power = power
        self._rng = rng
        self._key, self._point = key, point(key.public_key())
        self._secret = secret
        self.counters = [0, 0]
        self.blocks: dict[tuple[int, int], bytes] = {}

    async def info(self) -> dict:
        """What it is."""
        return {"part": "simulated", "serial": bytes(9), "stand_in": True}

    async def random(self, length: int) -> bytes:
        """Random bytes of the seed."""
        return self._rng.randbytes(length)

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """ES256 over a digest."""
        signature = remembered.plain(self._key.sign(digest, _PREHASHED))
        remembered.note(self._point, bytes(digest), signature)
        return signature

    async def hmac(self, slot: int, data: bytes) -> bytes:
        """HMAC-SHA-256 with the key of a slot."""
        return hmac.digest(self._secret[slot], data, hashlib.sha256)

    async def aes_ecb(self, slot: int, block: bytes) -> bytes:
        """One block."""
        encryptor = Cipher(algorithms.AES(self._secret[slot]), modes.ECB()).encryptor()  # noqa: S305
        return encryptor.update(block) + encryptor.finalize()

    async def counter(self, index: int) -> int:
        """A counter's value."""
        return self.counters[index]

    async def increment(self, index: int) -> int:
        """Step a counter."""
        how = self.power.operation()
        if how is None or how in (AFTER, FLIPPED):
            self.counters[index] += 1
        if how is not None:
            self.power.die()
        return self.counters[index]

    async def read_block(self, slot: int, block: int) -> bytes:
        """A data block; zeros if never written."""
        return self.blocks.get((slot, block), bytes(32))

    async def write_block(self, slot: int, block: int, data: bytes) -> None:
        """Write a data block, all or nothing."""
        how = self.power.operation()
        if how is None or how in (AFTER, FLIPPED):
            self.blocks[slot, block] = bytes(data)
        if how is not None:
            self.power.die()


class VirtualClock(Clock):
    """The terminal's clock: the schedule's time plus an error; the error survives a reboot, as with a battery-backed clock."""

    def __init__(self, schedule: Schedule, skew: int) -> None:
        self._schedule = schedule
        self.skew = skew  # seconds
        self._quality = 1

    def now(self) -> tuple[int, int]:
        """(UTC seconds, quality)."""
        return max(0, self._schedule.utc + self.skew), self._quality

    def set_utc(self, seconds: int, quality: int) -> None:
        """Correct it."""
        self.skew, self._quality = seconds - self._schedule.utc, quality

    def ticks_ms(self) -> int:
        """Monotonic."""
        return self._schedule.now

    def ticks_us(self) -> int:
        """Monotonic."""
        return self._schedule.now * 1000

    def ticks_diff(self, later: int, earlier: int) -> int:
        """Difference."""
        return later - earlier

    async def sleep_ms(self, duration: int) -> None:
        """Virtual sleep."""
        await Pause(duration)


class Reader(CardReader):
    """A slot: `offer()` gives the card that a person presents now, or None; `tear_at` takes it away at an APDU."""

    extended_length = True

    def __init__(self, offer: Callable[[], Card | None]) -> None:
        self._offer = offer
        self._card: Card | None = None
        self._left = 0
        self.tear_at = 0

    async def card_present(self) -> bool:
        """Whether the card is still there."""
        return self._card is not None

    async def wait_for_card(self, timeout_ms: int) -> None:
        """A person needs a moment."""
        await Pause(1500)
        self._card = self._offer()
        if self._card is None:
            await Pause(timeout_ms)
            raise NoCardError("no card was presented in time")

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """The person takes it."""
        await Pause(800)
        self._card = None
        return True

    async def connect(self) -> bytes:
        """Cold reset."""
        if self._card is None:
            raise NoCardError("no card in the slot")
        self._card.power_off()
        self._card.power_on()
        self._left, self.tear_at = self.tear_at, 0
        return self._card.atr

    async def transceive(self, command: bytes) -> bytes:
        """One APDU."""
        if self._card is None:
            raise CardRemovedError("no card in the slot")
        if self._left:
            self._left -= 1
            if not self._left:
                self._card.respond(bytes(command))  # the card acted; its answer never arrives
                self._card = None
                raise CardRemovedError("the card left while it was being used")
        return self._card.respond(bytes(command))

    async def disconnect(self) -> None:
        """Power off."""
        if self._card is not None:
            self._card.power_off()

    def power_off(self) -> None:
        """The terminal lost its power; the person takes the card."""
        if self._card is not None:
            self._card.power_off()
        self._card = None


class PaperTray(Printer):
    """A printer that takes every job without drawing it; `jobs` counts."""

    def __init__(self) -> None:
        self.jobs = 0

    async def status(self) -> PrinterStatus:
        """All is well."""
        return PrinterStatus(True, True, False, False, False, False)

    async def print_job(self, items: object) -> None:
        """A receipt takes three seconds."""
        await Pause(3000)
        self.jobs += 1
