"""A reader that is built when it is used and let go afterwards; both runtimes."""

import asyncio

from drivers.contracts.card_reader import CardReader
from drivers.late_reader import LateReader


class Slot(CardReader):
    """Counts what was asked of it."""

    def __init__(self) -> None:
        self.asked: "list[str]" = []

    async def card_present(self) -> bool:
        self.asked.append("present")
        return True

    async def wait_for_card(self, timeout_ms: int) -> None:
        self.asked.append("wait %d" % timeout_ms)

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        self.asked.append("removal %d" % timeout_ms)
        return False

    async def connect(self) -> bytes:
        self.asked.append("connect")
        return b"\x3b\x00"

    async def transceive(self, command: bytes) -> bytes:
        self.asked.append(command.hex())
        return b"\x90\x00"

    async def transceive_timed(self, command: bytes):
        return await self.transceive(command), 42

    async def disconnect(self) -> None:
        self.asked.append("disconnect")


def test_the_reader_is_built_at_its_first_use_and_again_after_it_was_let_go():
    built = []

    def make():
        built.append(Slot())
        return built[-1]

    async def use():
        late = LateReader(make)
        await late.disconnect()
        assert built == [], "nothing to disconnect"
        await late.wait_for_card(7)
        assert await late.connect() == b"\x3b\x00"
        assert await late.transceive(b"\x00\xa4") == b"\x90\x00"
        assert await late.transceive_timed(b"\x80\xea") == (b"\x90\x00", 42)
        assert await late.card_present() and not await late.wait_for_removal(9)
        await late.disconnect()
        assert len(built) == 1
        late.release()
        await late.disconnect()
        await late.wait_for_card(1)
        assert len(built) == 2

    asyncio.run(use())
    assert built[0].asked == ["wait 7", "connect", "00a4", "80ea", "present", "removal 9", "disconnect"]
    assert built[1].asked == ["wait 1"]
