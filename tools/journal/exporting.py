"""Exporting from a store that is not in use: the terminal's own journal code opens it. What it refuses as it would at
boot, and what belongs to an older epoch, is exported as raw records (`tools.journal.salvage`), and the file says so.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.clock_system import SystemClock
from drivers.contracts.secure_element import SecureElement
from drivers.contracts.storage import Storage, unreadable
from drivers.flash_file import FileFlash
from drivers.secure_element_link import LinkSecureElement
from drivers.storage_folder import FolderStorage
from drivers.storage_littlefs import LittlefsStorage
from drivers.uart_link import LinkUart
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError, FormatError, JournalError
from sim.parts.secure_element import Refused, SecureElementModel, SecureElementState
from terminal import identity
from terminal.boards import config
from terminal.journal.export import ENDED, Exporter, export
from terminal.journal.journal import Journal
from tools.journal import salvage

NO_IDENTITY = "CFG-099"


class StateElement(SecureElement):
    """The software stand-in, used in this process on its state file."""

    def __init__(self, path: Path) -> None:
        self._model = SecureElementModel(SecureElementState(path))
        for look in (self._model.public_key, self._model.counter):
            look(0)  # raises if it is none

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


@dataclass
class Exported:
    """What was exported: the number of records, their epoch, why the journal did not open ("" if it did, "ended" of an
    older epoch), and which other epochs the storage holds.
    """

    count: int
    epoch: int
    trouble: str
    others: list[int]


def export_store(out: Path, store: Path | None, flash: Path | None, element: str, epoch: int = 0) -> Exported:
    """Export to `out`: the present epoch, or the one asked for. Raises JournalError, ConfigError, SecureElementError."""
    storage = _storage(store, flash)
    part: Any = (
        LinkSecureElement(LinkUart(*config.address(element))) if element.startswith("tcp:") else _state(Path(element))
    )
    pieces, done = asyncio.run(exported(storage, part, *_who(storage), epoch))
    try:
        out.write_bytes(b"".join(pieces))
    except OSError as error:
        raise ConfigError(f"{out} cannot be written", "CFG-107", str(error.strerror)) from None
    return done


def _who(storage: Storage) -> tuple[str, dict[str, Any] | None]:
    """The device's name and what it knows of its provisioning. Where its identity is lost, the name in its records and None.

    Raises ConfigError CFG-099 if there are none either.
    """
    try:
        who = identity.load(storage)
        if isinstance(who.device, str):
            return who.device, {"wilaya": who.wilaya, "force": who.force, "place": who.place, "ksn_id": who.ksn_id}
    except (ConfigError, FormatError, JournalError, TypeError):
        pass
    named = salvage.survey(storage).device()
    if not named:
        raise ConfigError("nothing stored says which device this is", NO_IDENTITY, "is this a handheld's storage?")
    return named, None


async def exported(
    storage: Storage, part: Any, device: str, provisioning: dict[str, Any] | None, epoch: int = 0
) -> tuple[list[bytes], Exported]:
    """The pieces of an export, and what it is; without `provisioning` raw records, since nothing but they says whose they are. Raises
    JournalError, ConfigError, SecureElementError.
    """
    crypto = NativeCrypto()
    pieces: list[bytes] = []
    found = salvage.survey(storage)
    others = found.others(found.present)
    trouble = ENDED
    if epoch in (0, found.present) and provisioning is None:
        trouble, epoch = NO_IDENTITY, found.present
    elif epoch in (0, found.present):
        journal = Journal(storage, part, SystemClock(), crypto, device)
        try:
            await journal.open()
            if _silent(journal):
                raise unreadable("free space")
            count = await export(journal, part, crypto, provisioning or {}, pieces.append, others)
            return pieces, Exported(count, journal.epoch, "", [each[0] for each in others])
        except JournalError as error:
            trouble = error.code
        found = salvage.survey(storage)  # what was mended before it refused is there too
        epoch = found.present
    elif epoch not in found.segments:
        known = ", ".join(map(str, sorted(found.segments))) or "none"
        raise ConfigError("nothing of that epoch is stored", "CFG-106", f"epochs on the storage: {known}")
    pieces = []
    exporter = Exporter(device, part, crypto, pieces.append)
    await exporter.begin(provisioning or {}, found.statement(storage, epoch, trouble))
    for item in found.records(epoch):
        exporter.entry(item.record[r.SEQ], item.data, item.signature, (item.number, item.copy))
    await exporter.end()
    return pieces, Exported(exporter.count, epoch, trouble, [each[0] for each in found.others(epoch)])


def _silent(journal: Journal) -> bool:
    """Whether records are lost and no gap record could say so: the file must."""
    gaps = journal.losses.gaps if journal.room.uncounted() else ()
    return any(
        gap[r.GAP_LAST] > journal.acked_seq and not journal.view.declared(gap[r.FIRST], gap[r.GAP_LAST]) for gap in gaps
    )


def _storage(store: Path | None, flash: Path | None) -> Storage:
    if flash is not None:
        if not flash.is_file():
            raise ConfigError("there is no such flash image", "CFG-074", str(flash))
        try:
            return LittlefsStorage(FileFlash(str(flash)))
        except OSError as error:  # it is opened for writing, as the terminal does
            raise ConfigError(f"{flash} cannot be opened", "CFG-074", str(error.strerror)) from None
    if store is None or not store.is_dir():
        raise ConfigError("there is no such store", "CFG-074", str(store))
    return FolderStorage(str(store))


def _state(path: Path) -> StateElement:
    if not path.is_file():
        raise ConfigError("there is no such state file of a secure element", "CFG-074", str(path))
    try:
        return StateElement(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, Refused):
        raise ConfigError("this is no state file of a secure element", "CFG-074", str(path)) from None
