"""Card reader over PC/SC (pyscard, winscard API). CPython only.

PC/SC calls block, so they run in a daemon thread of their own; a call that does not return within the reader's own
time-out (a card that stays silent blocks SCardTransmit for ever) is abandoned together with its thread, and a fresh
thread and context serve what follows. The session is exclusive and always closed explicitly with "unpower". The
low-level API is used, since a high-level connection that is collected late powers off the card that came after it.
Status words are not interpreted; presence is polled, no monitor thread.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any

from drivers.contracts.card_reader import PolledReader
from protocol.errors import CardError, CardRemovedError, CardSilentError, NoCardError

_CALL_TIMEOUT_S = 5.0

# Result codes of winscard (unsigned 32 bits), by what they mean here
_GONE = (
    0x80100069,
    0x80100016,
    0x8010002F,
    0x80100068,
    0x80100003,
)  # removed, not transacted, data lost, reset, handle invalid
_ABSENT = (0x8010000C, 0x80100069)  # no smart card, removed
_MUTE = (0x80100066, 0x80100067, 0x8010000A)  # unresponsive, unpowered, time-out
_BUSY = (0x8010000B,)  # sharing violation
_NO_READER = (0x80100009, 0x80100017, 0x8010002E)  # unknown reader, unavailable, none at all
_NO_SERVICE = (0x8010001D, 0x8010001E)


class _Worker:
    """A daemon thread that runs calls one after the other; it ends at `stop`, or when its blocked call returns."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._calls: queue.SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], Any, Any] | None] = (
            queue.SimpleQueue()
        )
        self._last: Callable[[], None] = self.ended.set
        threading.Thread(target=self._work, name="pcsc", daemon=True).start()

    def run(self, function: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":
        """The future of a call's result."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._calls.put((function, args, loop, future))
        return future

    def stop(self, last: Callable[[], None]) -> threading.Event:
        """Once the present call has returned, make one last call and end the thread; the event says that it is done."""
        self._last = last
        self._calls.put(None)
        return self.ended

    def _work(self) -> None:
        while True:
            call = self._calls.get()
            if call is None:
                self._last()
                self.ended.set()
                return
            function, args, loop, future = call
            try:
                outcome: Any = function(*args)
                failed = False
            except Exception as error:  # noqa: BLE001  handed over to the one who waits
                outcome, failed = error, True
            try:
                loop.call_soon_threadsafe(_settle, future, outcome, failed)
            except RuntimeError:  # the loop closed while the call was blocked: nobody waits any more
                continue


def _settle(future: "asyncio.Future[Any]", outcome: Any, failed: bool) -> None:
    if future.done():
        return
    if failed:
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def reader_names() -> list[str]:
    """The names of all readers. Raises CardError CRD-012 without the PC/SC service."""
    api = _Api()
    try:
        return api.names()
    finally:
        api.release()


class PcscReader(PolledReader):
    """One PC/SC reader, by its name (or the beginning of it) or its index. `timeout_ms` bounds one APDU."""

    poll_ms = 50

    def __init__(self, name_or_index: "str | int" = 0, timeout_ms: int = 10000) -> None:
        self.name = "pcsc:" + str(name_or_index)
        self.extended_length = True
        self._wanted = name_or_index
        self._timeout_ms = timeout_ms
        self._worker: _Worker | None = None
        self._api: _Api | None = None
        self._session = False
        self._ending: threading.Event | None = None

    async def card_present(self) -> bool:
        """Whether a card is in the reader. Raises CardError CRD-011 (no such reader), CRD-012 (no PC/SC service)."""
        return await self._call(self._get().present)

    async def connect(self) -> bytes:
        """Exclusive session with a cold reset; returns the ATR. Raises NoCardError, CardSilentError, CardError CRD-011..013."""
        self._session = False
        await self._old_session_ended()
        atr = await self._call(self._get().connect)
        self._session = True
        return atr

    async def transceive(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemovedError, CardSilentError; CardError CRD-006 without `connect`, CRD-007 on a
        malformed command.
        """
        if not self._session:
            raise CardError("no session with a card", "CRD-006", "present the card again")
        if len(command) < 4:
            raise CardError("not a command APDU", "CRD-007")
        try:
            return await self._call(self._get().transmit, command, timeout_s=self._timeout_ms / 1000)
        except BaseException:
            self._session = False
            raise

    async def disconnect(self) -> None:
        """Power off and release the reader. Never raises."""
        self._session = False
        if self._api is not None:
            try:
                await self._call(self._api.disconnect)
            except CardError:
                self._abandon()

    def close(self) -> None:
        """Release PC/SC and end the thread."""
        self._session = False
        self._abandon()

    def _get(self) -> "_Api":
        if self._api is None:
            self._api = _Api(self._wanted)
            self._worker = _Worker()
        return self._api

    def _abandon(self) -> None:
        """Let the thread go: once its present call returns it releases the reader and ends."""
        if self._worker is not None and self._api is not None:
            self._ending = self._worker.stop(self._api.release)
        self._worker = self._api = None

    async def _old_session_ended(self) -> None:
        """After a time-out the abandoned session holds the reader until its card leaves; wait for that, within the
        usual time.
        """
        ending, self._ending = self._ending, None
        for _ in range(int(1000 * _CALL_TIMEOUT_S / self.poll_ms)):
            if ending is None or ending.is_set():
                return
            await asyncio.sleep(self.poll_ms / 1000)
        self._ending = ending
        raise CardSilentError("the card still does not answer")

    async def _call(self, function: Callable[..., Any], *args: Any, timeout_s: float = _CALL_TIMEOUT_S) -> Any:
        assert self._worker is not None
        try:
            return await asyncio.wait_for(self._worker.run(function, *args), timeout_s)
        except TimeoutError:
            self._abandon()
            raise CardSilentError("the card does not answer in time") from None
        except asyncio.CancelledError:
            self._abandon()
            raise


class _Api:
    """The winscard calls of one reader, all made from one thread. Errors become card errors here."""

    def __init__(self, wanted: "str | int" = 0) -> None:
        try:
            from smartcard import scard
        except ImportError:
            raise CardError("pyscard is not installed", "CRD-012", "make setup builds it") from None
        self._scard: Any = scard
        self._wanted = wanted
        self._context: Any = None
        self._card: Any = None
        self._pci: Any = None
        self._name = ""

    def names(self) -> list[str]:
        """The readers' names; empty if there is none."""
        code, names = self._scard.SCardListReaders(self._open(), [])
        if _unsigned(code) in _NO_READER:
            return []
        self._check(code)
        return list(names)

    def present(self) -> bool:
        """Whether the reader's state says that a card is in."""
        context = self._open()
        code, states = self._scard.SCardGetStatusChange(context, 0, [(self._reader(), self._scard.SCARD_STATE_UNAWARE)])
        self._check(code)
        return bool(states[0][1] & self._scard.SCARD_STATE_PRESENT)

    def connect(self) -> bytes:
        """Connect exclusively, power the card off and on, return its ATR."""
        self.disconnect()
        api = self._scard
        protocols = api.SCARD_PROTOCOL_T0 | api.SCARD_PROTOCOL_T1
        code, card, _ = api.SCardConnect(self._open(), self._reader(), api.SCARD_SHARE_EXCLUSIVE, protocols)
        self._check(code, _ABSENT)
        self._card = card
        code, protocol = api.SCardReconnect(card, api.SCARD_SHARE_EXCLUSIVE, protocols, api.SCARD_UNPOWER_CARD)
        self._check(code, _ABSENT)
        self._pci = api.SCARD_PCI_T0 if protocol == api.SCARD_PROTOCOL_T0 else api.SCARD_PCI_T1
        code, _, _, _, atr = api.SCardStatus(card)
        self._check(code, _ABSENT)
        return bytes(atr)

    def transmit(self, command: bytes) -> bytes:
        """One APDU. A card torn out gives an empty answer with code 0, or a code of `_GONE`."""
        code, response = self._scard.SCardTransmit(self._card, self._pci, list(command))
        self._check(code)
        if len(response) < 2:
            raise CardRemovedError("the card left while it was being used")
        return bytes(response)

    def disconnect(self) -> None:
        """End the session; the card is powered off."""
        card, self._card = self._card, None
        if card is not None:
            self._scard.SCardDisconnect(card, self._scard.SCARD_UNPOWER_CARD)

    def release(self) -> None:
        """End the session and the context."""
        self.disconnect()
        context, self._context = self._context, None
        if context is not None:
            self._scard.SCardReleaseContext(context)

    def _open(self) -> Any:
        if self._context is None:
            code, context = self._scard.SCardEstablishContext(self._scard.SCARD_SCOPE_USER)
            self._check(code)
            self._context = context
        return self._context

    def _reader(self) -> str:
        if not self._name:
            names = self.names()
            if isinstance(self._wanted, int):
                names = names[self._wanted : self._wanted + 1]
            else:
                names = [name for name in names if name.startswith(self._wanted)]
            if not names:
                raise CardError("no such card reader", "CRD-011", "check that the reader is connected")
            self._name = names[0]
        return self._name

    def _check(self, code: int, absent: tuple[int, ...] = ()) -> None:
        """Raise what a result code means; 0 is success. `absent`: the codes that mean "no card" at this point."""
        value = _unsigned(code)
        if value == 0:
            return
        if value in absent or value == 0x8010000C:
            raise NoCardError("no card in the reader", detail=value)
        if value in _GONE:
            raise CardRemovedError("the card left while it was being used", detail=value)
        if value in _MUTE:
            raise CardSilentError("the card does not answer", detail=value)
        if value in _NO_READER:
            self._name = ""
            raise CardError("no such card reader", "CRD-011", "check that the reader is connected", detail=value)
        if value in _NO_SERVICE:
            self._context = None
            raise CardError("the PC/SC service is not running", "CRD-012", "start pcscd", detail=value)
        if value in _BUSY:
            raise CardError("another program uses the card reader", "CRD-013", "close the other program", detail=value)
        raise CardError("the card reader reports an error", "CRD-014", "present the card again", detail=value)


def _unsigned(code: int) -> int:
    return code & 0xFFFFFFFF
