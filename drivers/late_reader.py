"""A card reader whose driver is loaded when it is first used, and let go by `release`: a microcontroller's memory has room for the
antenna's driver only while something is on the antenna.

`make` builds the reader anew, and must find the part in whatever state the last one left it. Both runtimes.
"""

from drivers.contracts.card_reader import CardReader


class LateReader(CardReader):
    """Stands for the reader that `make()` gives; everything else is as that reader has it."""

    def __init__(self, make, name: str = "late", extended_length: bool = True) -> None:  # noqa: ANN001 - () → CardReader
        self.name = name
        self.extended_length = extended_length
        self._make = make
        self._held: "CardReader | None" = None

    def _reader(self) -> CardReader:
        reader = self._held
        if reader is None:
            reader = self._held = self._make()
        return reader

    async def card_present(self) -> bool:
        """As the reader has it; without one in use nothing is looked for by a part that was let go."""
        return await self._reader().card_present()

    async def wait_for_card(self, timeout_ms: int) -> None:
        """As the reader has it."""
        await self._reader().wait_for_card(timeout_ms)

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """As the reader has it."""
        return await self._reader().wait_for_removal(timeout_ms)

    async def connect(self) -> bytes:
        """As the reader has it."""
        return await self._reader().connect()

    async def transceive(self, command: bytes) -> bytes:
        """As the reader has it."""
        return await self._reader().transceive(command)

    async def transceive_timed(self, command: bytes) -> "tuple[bytes, int]":
        """As the reader has it: readers that are loaded late have it."""
        return await self._reader().transceive_timed(command)  # type: ignore[attr-defined]

    async def disconnect(self) -> None:
        """As the reader has it; nothing to do while no reader is loaded."""
        if self._held is not None:
            await self._held.disconnect()

    def release(self) -> None:
        """Let the reader go; no session may be on."""
        self._held = None
