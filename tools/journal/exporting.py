"""Exporting from a store that is not in use: the terminal's own journal code opens it (and refuses what it would
refuse at boot).
"""

import asyncio
from pathlib import Path
from typing import Any

from drivers.clock_system import SystemClock
from drivers.contracts.secure_element import SecureElement
from drivers.contracts.storage import Storage
from drivers.flash_file import FileFlash
from drivers.secure_element_link import LinkSecureElement
from drivers.storage_folder import FolderStorage
from drivers.storage_littlefs import LittlefsStorage
from drivers.uart_link import LinkUart
from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError
from sim.parts.secure_element import SecureElementModel, SecureElementState
from terminal import identity
from terminal.boards import config
from terminal.journal.export import export
from terminal.journal.journal import Journal


class StateElement(SecureElement):
    """The software stand-in, used in this process on its state file."""

    def __init__(self, path: Path) -> None:
        self._model = SecureElementModel(SecureElementState(path))

    async def public_key(self, slot: int) -> bytes:
        """65 bytes."""
        return self._model.public_key(slot)

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """64 bytes."""
        return self._model.sign(slot, digest)

    async def counter(self, index: int) -> int:
        """Its value."""
        return self._model.counter(index)

    async def increment(self, index: int) -> int:
        """One step."""
        return self._model.increment(index)


def export_store(out: Path, store: Path | None, flash: Path | None, element: str) -> int:
    """Export to `out`; returns the number of records. Raises JournalError, ConfigError, SecureElementError."""
    storage = _storage(store, flash)
    part: Any = (
        LinkSecureElement(LinkUart(*config.address(element))) if element.startswith("tcp:") else _state(Path(element))
    )
    who = identity.load(storage)
    provisioning = {"wilaya": who.wilaya, "force": who.force, "place": who.place, "ksn_id": who.ksn_id}
    pieces: list[bytes] = []

    async def work() -> int:
        crypto = NativeCrypto()
        journal = Journal(storage, part, SystemClock(), crypto, who.device)
        await journal.open()
        return await export(journal, part, crypto, provisioning, pieces.append)

    count = asyncio.run(work())
    out.write_bytes(b"".join(pieces))
    return count


def _storage(store: Path | None, flash: Path | None) -> Storage:
    if flash is not None:
        if not flash.is_file():
            raise ConfigError("there is no such flash image", "CFG-074", str(flash))
        return LittlefsStorage(FileFlash(str(flash)))
    if store is None or not store.is_dir():
        raise ConfigError("there is no such store", "CFG-074", str(store))
    return FolderStorage(str(store))


def _state(path: Path) -> StateElement:
    if not path.is_file():
        raise ConfigError("there is no such state file of a secure element", "CFG-074", str(path))
    return StateElement(path)
