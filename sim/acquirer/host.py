"""The host's wire: a TCP server for ISO 8583 messages behind a two-byte length, one `Book` behind all connections.

Its specification of the fields is its own (ISO 8583:1987, ASCII): 48 sealed card data and 55 the issuer's data for the
card (91, 71, 72), or in a request what became of them (9F5B) and, beside field 48, the chip data that the outcome record said in clear (9F26,
9F27, 9F36, 95, 84), which are put together with what is sealed (LLLVAR, binary), 60 payment identity
"device/epoch/intent". Faults for tests: `silent` messages are acted upon but not answered, `deaf` ones are dropped
unread, each closing the connection; `delay` seconds pass before every answer; the answers to `echoed` messages come twice.
"""

import asyncio
from copy import deepcopy
from typing import Any

import iso8583
from iso8583.specs import default_ascii

from protocol.errors import ConfigError
from sim.acquirer import emv
from sim.acquirer.book import APPROVED, Book, Demand, Ruling, auth_code
from sim.acquirer.diary import HINT, Diary

_KINDS = {"01": "authorise", "02": "clear", "04": "reverse"}
_ANSWERS = {"authorise": "0110", "clear": "0230", "reverse": "0410"}
_ECHOED = ("3", "7", "11", "12", "13", "37", "41", "42", "49", "60")

SPEC: Any = deepcopy(default_ascii)
SPEC["48"] = {"data_enc": "b", "len_enc": "ascii", "len_type": 3, "max_len": 999, "desc": "Sealed card data"}
SPEC["55"] = {"data_enc": "b", "len_enc": "ascii", "len_type": 3, "max_len": 255, "desc": "Chip data"}
SPEC["60"] = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 3, "max_len": 64, "desc": "Payment identity"}


class Host:
    """A host on a free port (or the given one).

    `await start()`, then `port`; `await stop()` ends it and its connections. `diary`: what an earlier host was asked, heard first and gone on with.
    """

    def __init__(self, book: Book, host: str = "127.0.0.1", port: int = 0, diary: Diary | None = None) -> None:
        self.book = book
        self._diary = diary
        self._address = (host, port)
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}
        self.port = 0
        self.silent = 0
        self.deaf = 0
        self.echoed = 0
        self.delay = 0.0
        self._unkept: list[tuple[bytes, Ruling | None]] = []
        self.types: list[str] = []  # message types received, in order
        for number, (message, ruling) in enumerate(diary.entries() if diary else (), 1):
            try:
                self._act(message, ruling)
            except (iso8583.DecodeError, KeyError, ValueError) as error:
                raise ConfigError("a message of the diary is none", "CFG-098", HINT, f"line {number}") from error

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, *self._address)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the listening socket and every connection."""
        if self._server is not None:
            self._server.close()
            tasks = [task for task in self._open.values() if task is not None]
            for writer in list(self._open):
                writer.close()
            await asyncio.gather(*tasks)
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open[writer] = asyncio.current_task()
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                message = await reader.readexactly(size)
                answer = self.take(message)
                if answer is None:
                    return
                await asyncio.sleep(self.delay)
                framed = len(answer).to_bytes(2, "big") + answer
                writer.write(framed * 2 if self.echoed else framed)
                self.echoed = max(0, self.echoed - 1)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the other side is gone
        finally:
            self._open.pop(writer, None)
            writer.close()

    def take(self, message: bytes) -> bytes | None:
        """Act on one message; its answer, or None when this one is to be left without."""
        if self.deaf:
            self.deaf -= 1
            return None
        try:
            _demand(iso8583.decode(message, SPEC)[0])
        except (iso8583.DecodeError, KeyError, ValueError):
            return None  # not a message of ours: a host hangs up
        answer = self._act(message)
        if not self._kept(message):
            return None  # so not answered: it is asked again
        if self.silent:
            self.silent -= 1
            return None
        return answer

    def _kept(self, message: bytes) -> bool:
        """Whether the diary has all that was acted upon; what it had no room for goes into it first, with how it was ruled."""
        self._unkept.append((message, self.book.ruling))
        while self._diary is not None and self._unkept:
            try:
                self._diary.add(*self._unkept[0])
            except OSError:
                return False
            del self._unkept[0]
        self._unkept.clear()
        return True

    def _act(self, message: bytes, remembered: Ruling | None = None) -> bytes:
        fields, _ = iso8583.decode(message, SPEC)
        demand = _demand(fields)
        self.types.append(fields["t"])
        code = self.book.answer(demand, remembered)
        reply = {key: fields[key] for key in _ECHOED if key in fields}
        reply.update({"t": _ANSWERS[demand.kind], "39": code})
        reply["4"] = f"{self.book.granted(demand):012d}"
        if code in APPROVED and demand.kind == "authorise":
            reply["38"] = auth_code(demand.reference)
        issuer_data = self.book.issuer_data(demand)
        if issuer_data:
            reply["55"] = issuer_data.hex().upper()
        return bytes(iso8583.encode(reply, SPEC)[0])


def _demand(fields: dict[str, str]) -> Demand:
    device, epoch, intent = fields["60"].split("/")
    blob = bytes.fromhex(fields["48"]) if "48" in fields else None
    said = emv.parse(bytes.fromhex(fields.get("55", "")))
    return Demand(
        _KINDS[fields["t"][:2]],
        fields["t"][3] == "1",
        fields["37"],
        device,
        int(epoch),
        int(intent),
        int(fields["4"]),
        blob,
        said.get(emv.SCRIPT_RESULTS, b""),
        tuple(said.get(tag) for tag in emv.IN_CLEAR),
        fields.get("38", "").strip(),
        fields.get("41", ""),
        fields.get("42", ""),
        fields.get("3", ""),
    )
