"""Sealed card data at rest: enciphered once more under a key in the secure element, so that erasing them is destroying that key (domain §4).

Flash cannot be erased at will: a removed file's bytes stay in a raw page until the file system happens to use it again. So files in folders
`sealed…` are written under a random key (AES-128 in counter mode, one counter block per file name; their digest is in a signed record, so
nothing else authenticates them). `begin`, then the erasure of files, then `finish`: what remains is written anew under a new key, and the
old key is overwritten in the secure element. After a power cut in between, or where something that remains cannot be read, both keys are there
and `finish` does the rest, before the next erasure or at the next boot: that takes what it cannot read for lost, so no key outlives it.

A file is: key's number (1 or 2), content. Anything else was written by release 0.1.0, in the clear form, and is read as it is. Stands between
journal and storage with the storage's own contract; knows nothing of records.
"""

from drivers.contracts.secure_element import BLOCK_VAULT, SLOTS_VAULT
from drivers.contracts.storage import Storage, unreadable
from protocol.errors import JournalError
from protocol.pack import u32be

_NONE = bytes(32)
_FIRST = 1  # of a file's first byte: which key it lies under
_MAX = 4096


class Vault(Storage):
    """Over `storage`. `await open()` before the first file is written or read."""

    def __init__(self, storage, secure_element, crypto) -> None:  # noqa: ANN001 - contracts
        self._storage = storage
        self._se = secure_element
        self._crypto = crypto
        self._keys: "list[bytes | None]" = [None, None]
        self._current = 0
        self.names = storage.names
        self.each = storage.each
        self.append = storage.append
        self.remove = storage.remove
        self.free_bytes = storage.free_bytes
        self.sync = storage.sync

    async def open(self) -> None:
        """Fetch the keys; make the first one."""
        for index in (0, 1):
            block = await self._se.read_block(SLOTS_VAULT[index], BLOCK_VAULT)
            self._keys[index] = None if block == _NONE else block[:16]
            if self._keys[index] is not None:
                self._current = index if self._keys[1 - index] is None or block[16] else self._current
        if self._keys[self._current] is None:
            await self._make(self._current, 0)
        elif not self.unfinished:
            await self._settle()

    async def _make(self, index: int, newer: int) -> None:
        key = await self._se.random(16)
        await self._se.write_block(SLOTS_VAULT[index], BLOCK_VAULT, key + bytes((newer,)) + bytes(15))
        self._keys[index] = key
        self._current = index

    @property
    def unfinished(self) -> bool:
        """Whether an erasure has begun and is not finished."""
        return self._keys[0] is not None and self._keys[1] is not None

    async def begin(self) -> None:
        """Before files are erased: from now on new files are written under a new key."""
        if not self.unfinished:
            await self._make(1 - self._current, 1)

    async def finish(self, epoch: int, boot: bool = False) -> None:
        """After files were erased: what remains under the old key goes under the new one, and the old key is destroyed.

        `epoch` is the journal's present one: each has a folder of its own. Raises JRN-014, both keys staying, where its folder cannot be
        listed or, but at a boot, a file cannot be read. What a former epoch has left is for the technician, and keeps no key.
        """
        if not self.unfinished:
            return
        old, lost = 1 - self._current, ""
        for number in range(1, epoch + 1):
            folder = "sealed" if number == 1 else "sealed" + str(number)
            try:
                names = self._storage.names(folder)
            except JournalError:
                if number == epoch:
                    raise
                continue
            for name in names:
                path = folder + "/" + name
                try:
                    content = self._storage.read(path, _MAX)
                except JournalError:
                    lost = path if number == epoch else lost
                    continue
                if content and content[0] == _FIRST + old:
                    self.replace(path, self._mask(old, path, content[1:]))
        if lost and not boot:
            raise unreadable(lost)
        await self._se.write_block(SLOTS_VAULT[old], BLOCK_VAULT, _NONE)
        self._keys[old] = None
        await self._settle()

    async def _settle(self) -> None:
        """The only key is no longer the newer of two."""
        plain = (self._keys[self._current] or b"") + bytes(16)
        if await self._se.read_block(SLOTS_VAULT[self._current], BLOCK_VAULT) != plain:
            await self._se.write_block(SLOTS_VAULT[self._current], BLOCK_VAULT, plain)

    def _mask(self, index: int, name: str, data: bytes) -> bytes:
        """Encipher or decipher."""
        key = self._keys[index]
        start = self._crypto.sha256(name.encode())[:12]
        count = (len(data) + 15) // 16
        stream = self._crypto.aes_ecb_encrypt(key, b"".join([start + u32be(i) for i in range(count)]))
        return bytes([data[i] ^ stream[i] for i in range(len(data))])

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        size = self._storage.size(name)
        return len(self.read(name)) if size > 0 and name.startswith("sealed") else size

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file."""
        content = self._storage.read(name, limit)
        index = content[0] - _FIRST if content and name.startswith("sealed") else -1
        if index in (0, 1) and self._keys[index] is not None:
            return self._mask(index, name, content[1:])
        return content

    def read_into(self, name: str, offset: int, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        """Read from `offset`; returns how many bytes."""
        if not name.startswith("sealed"):
            return self._storage.read_into(name, offset, buffer)
        piece = self.read(name)[offset : offset + len(buffer)]
        buffer[: len(piece)] = piece
        return len(piece)

    def replace(self, name: str, data: bytes) -> None:
        """Write a whole file, old or new after a power cut."""
        if name.startswith("sealed"):
            data = bytes((_FIRST + self._current,)) + self._mask(self._current, name, bytes(data))
        self._storage.replace(name, data)
