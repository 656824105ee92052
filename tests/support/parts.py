"""Parts in memory for tests on both runtimes: storage that can be cut, a secure element that counts, a clock that is set by hand.

They are no models: nothing here computes what a real part computes (the element's signature is a keyed hash, good for comparing only).
"""

from drivers.contracts.secure_element import SecureElement
from drivers.contracts.small import Clock
from drivers.contracts.storage import Storage
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from protocol.pack import stable_sorted


class PowerCut(Exception):
    """The power went in the middle of a write."""


class MemoryStorage(Storage):
    """Files in a dict. `cut_after` bytes more may be written, then the write stops short and PowerCut is raised."""

    def __init__(self):
        self.files = {}
        self.cut_after = -1

    def names(self, folder):
        found = []
        for name in self.files:
            if name.startswith(folder + "/"):
                found.append(name[len(folder) + 1 :])
        return stable_sorted(found)

    def size(self, name):
        return len(self.files[name]) if name in self.files else -1

    def read_into(self, name, offset, buffer):
        data = self.files[name][offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def read(self, name, limit=65536):
        if name not in self.files:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        return bytes(self.files[name])

    def append(self, name, data):
        if self.cut_after >= 0:
            if len(data) > self.cut_after:
                self.files[name] = self.files.get(name, b"") + data[: self.cut_after]
                raise PowerCut
            self.cut_after -= len(data)
        self.files[name] = self.files.get(name, b"") + bytes(data)

    def replace(self, name, data):
        self.files[name] = bytes(data)

    def remove(self, name):
        self.files.pop(name, None)

    def free_bytes(self):
        return 1 << 20


class CountingElement(SecureElement):
    """Counters, data blocks and keyed hashes; `cut_before_increment` raises PowerCut once."""

    def __init__(self):
        self.counters = [0, 0]
        self.blocks = {}
        self.crypto = PureCrypto()
        self.drawn = 0
        self.cut_before_increment = False

    async def random(self, length):
        self.drawn += 1
        return self.crypto.sha256(b"random" + str(self.drawn).encode())[:length]

    async def sign(self, slot, digest):
        mac = self.crypto.hmac_sha256(b"sign", bytes((slot,)) + digest)
        return mac + mac

    async def hmac(self, slot, data):
        return self.crypto.hmac_sha256(b"slot" + bytes((slot,)), data)

    async def aes_ecb(self, slot, block):
        return self.crypto.aes_ecb_encrypt(bytes(15) + bytes((slot,)), block)

    async def counter(self, index):
        return self.counters[index]

    async def increment(self, index):
        if self.cut_before_increment:
            self.cut_before_increment = False
            raise PowerCut
        self.counters[index] += 1
        return self.counters[index]

    async def read_block(self, slot, block):
        return self.blocks.get((slot, block), bytes(32))

    async def write_block(self, slot, block, data):
        self.blocks[(slot, block)] = data


class HandClock(Clock):
    """A clock that shows what it was set to."""

    def __init__(self, utc=1700000000):
        self.utc = utc
        self.quality = 1

    def now(self):
        return self.utc, self.quality

    def set_utc(self, seconds, quality):
        self.utc = seconds
        self.quality = quality

    def ticks_ms(self):
        return self.utc * 1000

    def ticks_us(self):
        return self.utc * 1000000

    def ticks_diff(self, later, earlier):
        return later - earlier

    async def sleep_ms(self, duration):
        self.utc += duration // 1000
