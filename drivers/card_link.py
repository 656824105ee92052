"""Card reader behind a TCP socket that carries vpcd's frames: this driver plays vpcd, the simulator's slot plays the card.

Frame: length (2 bytes, big-endian), payload. One-byte payloads are controls: 0 off, 1 on, 2 reset (none of them
answered), 4 asks for the ATR (empty answer: no card). Anything longer is an APDU; an empty answer to it says that the
card left. Both runtimes. The driver has a time-out of its own; after one the connection is given up, since a late
answer would be taken for the next one.
"""

import asyncio

from drivers.contracts.card_reader import PolledReader, most_answer
from protocol.errors import CardError, CardRemovedError, CardSilentError, NoCardError
from protocol.pack import rd16, u16be

_OFF = b"\x00"
_ON = b"\x01"
_ATR = b"\x04"
_IPPROTO_TCP = 6
_TCP_NODELAY = 1
_TCP_QUICKACK = 12
_CONTROL_TIMEOUT_MS = 2000


class LinkReader(PolledReader):
    """The slot at `host:port`. `timeout_ms` is how long a card may think about one APDU."""

    def __init__(self, host: str, port: int, name: str = "link", timeout_ms: int = 5000) -> None:
        self.name = name
        self.extended_length = True
        self._host = host
        self._port = port
        self._timeout_ms = timeout_ms
        self._lock = asyncio.Lock()
        self._reader = None
        self._writer = None
        self._socket = None
        self._session = False

    async def card_present(self) -> bool:
        """Whether the slot gives an ATR. Raises CardError CRD-010 if the slot cannot be reached."""
        return len(await self._control(_ATR, True)) > 0

    async def connect(self) -> bytes:
        """Cold reset; returns the ATR. Raises NoCardError, CardError CRD-010."""
        self._session = False
        await self._control(_OFF, False)
        await self._control(_ON, False)
        atr = await self._control(_ATR, True)
        if not atr:
            raise NoCardError("no card in the slot")
        self._session = True
        return atr

    async def transceive(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemovedError, CardSilentError; CardError CRD-006 without `connect`, CRD-007 on a
        malformed answer.
        """
        if not self._session:
            raise CardError("no session with a card", "CRD-006", "present the card again")
        if len(command) < 4:
            raise CardError("not a command APDU", "CRD-007")
        try:
            response = await self._exchange(command, True, self._timeout_ms)
        except BaseException:
            self._session = False
            raise
        if len(response) >= 2:
            return response
        self._session = False
        if response:
            raise CardError("the card's answer has no status word", "CRD-007")
        raise CardRemovedError("the card left while it was being used")

    async def disconnect(self) -> None:
        """Power off. Never raises."""
        self._session = False
        if self._writer is None:
            return
        try:
            await self._control(_OFF, False)
        except CardError:
            self._drop()

    def close(self) -> None:
        """Give the connection up; the next use connects again."""
        self._session = False
        self._drop()

    async def _control(self, payload: bytes, answered: bool) -> bytes:
        return await self._exchange(payload, answered, _CONTROL_TIMEOUT_MS)

    async def _exchange(self, payload: bytes, answered: bool, timeout_ms: int) -> bytes:
        async with self._lock:
            try:
                return await asyncio.wait_for(self._roundtrip(payload, answered), timeout_ms / 1000)
            except asyncio.TimeoutError:  # noqa: UP041  another class on MicroPython
                self._drop()
                raise CardSilentError("the card does not answer in time") from None
            except (OSError, EOFError):
                self._drop()
                if self._session:
                    raise CardRemovedError("the card slot's connection broke") from None
                raise CardError(
                    "the card slot cannot be reached", "CRD-010", "check that the card slot is connected"
                ) from None
            except asyncio.CancelledError:
                self._drop()
                raise

    async def _roundtrip(self, payload: bytes, answered: bool) -> bytes:
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            reader, writer = await self._open()
        writer.write(u16be(len(payload)) + payload)
        await writer.drain()
        if not answered:
            return b""
        head = await reader.readexactly(2)
        length = rd16(head)
        if not length:
            return b""
        if length > most_answer(payload):
            self._drop()
            raise CardError("the card's answer is longer than asked for", "CRD-007")
        self._quickack()
        return await reader.readexactly(length)

    async def _open(self) -> "tuple[asyncio.StreamReader, asyncio.StreamWriter]":
        reader, writer = await asyncio.open_connection(self._host, self._port)
        self._reader, self._writer = reader, writer
        # MicroPython's stream holds the socket as `s`; CPython's gives it on request
        self._socket = getattr(writer, "s", None) or writer.get_extra_info("socket")
        self._option(_TCP_NODELAY)
        self._quickack()
        return reader, writer

    def _quickack(self) -> None:
        self._option(_TCP_QUICKACK)  # not sticky: the kernel clears it by itself

    def _option(self, option: int) -> None:
        if self._socket is None:
            return
        try:
            self._socket.setsockopt(_IPPROTO_TCP, option, 1)
        except OSError:
            self._socket = None  # speed only: a TCP stack without the option works too

    def _drop(self) -> None:
        writer = self._writer
        self._reader = self._writer = self._socket = None
        if writer is None:
            return
        held = getattr(writer, "s", writer)  # MicroPython's Stream.close() leaves its socket open
        held.close()
