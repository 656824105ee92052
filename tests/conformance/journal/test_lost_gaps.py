"""An export of a journal that has lost a gap record too: every loss has its reason in the chain itself."""

import asyncio
from pathlib import Path

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.chain import copy_name, main_name
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.parts import HandClock, MemoryStorage
from tools.journal.verify import verify


class Device:
    """A journal in short segments, booted and damaged at will; nothing of it was ever acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.part, self.storage, self.case = exports.element(folder), MemoryStorage(), 0

    async def boot(self) -> None:
        self.journal = Journal(self.storage, self.part, HandClock(), NativeCrypto(), exports.DEVICE)
        self.journal._shelf.segment_bytes = 1500
        await self.journal.open()

    async def fines(self, count: int) -> None:
        for _ in range(count):
            self.case += 1
            intent = (await self.journal.append(r.PAYMENT_INTENT, {r.CASE: self.case, r.AMOUNT: 500000}))[r.SEQ]
            body = {r.CASE: self.case, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
            await self.journal.append(r.PAYMENT_OUTCOME, body)

    def lose(self, *lost: int) -> None:
        """Spoil these records and their second copies."""
        for number, _ in self.journal._shelf.segments:
            for name in (main_name(number), copy_name(number)):
                for seq, offset, _ in self.journal._reader.index(name):
                    if seq in lost:
                        content = bytearray(self.storage.files[name])
                        content[offset + 3] ^= 1
                        self.storage.files[name] = bytes(content)

    async def findings(self) -> tuple[str, list[str]]:
        """The verdict, and what the verifier found."""
        pieces: list[bytes] = []
        await export(self.journal, self.part, NativeCrypto(), {}, pieces.append, [])
        said = verify(b"".join(pieces), await self.part.public_key(0))
        return said["verdict"], [found["text"] for found in said["findings"]]


def test_a_loss_whose_gap_record_is_lost_later_is_not_taken_for_tampering(tmp_path: Path) -> None:
    async def story() -> None:
        device = Device(tmp_path)
        await device.boot()
        await device.fines(4)
        device.lose(4, 5, 6)
        await device.boot()
        assert await device.findings() == ("holds", ["records 4 to 6 are declared lost by record 9"])
        await device.fines(25)
        device.lose(9)
        told = ["records 4 to 6 are declared lost by record 60", "record 9 is declared lost by record 61"]
        for _ in range(3):
            await device.boot()
            assert await device.findings() == ("holds", told)
            await device.fines(1)

    asyncio.run(story())
