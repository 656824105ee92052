"""The chip's commands (UM0701-02, 7.2 and 7.3), as far as an initiator needs them.

What this chip would do with hardware that is not here fails as it would without a counterpart: FeliCa, Jewel and DEP find nothing, a raw
frame (InCommunicateThru) is not answered. Target mode is refused with a syntax error.
"""

import asyncio
from collections.abc import Awaitable, Callable

from sim.cards.base import Card
from sim.parts.pn532.air import AirError, Spent, Target
from sim.parts.pn532.field import Field

FIRMWARE = bytes([0x32, 0x01, 0x06, 0x07])  # PN532, version 1.6, ISO/IEC 14443 A and B and 18092
SYNTAX_ERROR = None
OK, TIMEOUT, INVALID, CONTEXT = 0x00, 0x01, 0x10, 0x27
MORE = 0x40
ROOM = 262
_FOR_EVER = 0xFF
_POLL_S = 0.005
_KINDS = {0: "A", 3: "B"}


class Commands:
    """What the chip knows between commands: settings, registers, and the targets that it has activated."""

    def __init__(self, field: Field, spent: Spent) -> None:
        self.field = field
        self.spent = spent
        self._targets: dict[int, Target] = {}
        self._registers: dict[int, int] = {}
        self._retries = _FOR_EVER
        self._automatic_ats = True
        self._table: dict[int, Callable[[bytes], Awaitable["bytes | None"]]] = {
            0x00: self._diagnose, 0x02: self._firmware, 0x04: self._status, 0x06: self._read, 0x08: self._write,
            0x0C: self._read_pins, 0x0E: self._nothing, 0x10: self._nothing, 0x12: self._parameters, 0x14: self._nothing,
            0x16: self._power_down, 0x32: self._configure, 0x40: self._exchange, 0x42: self._through, 0x44: self._deselect,
            0x4A: self._list, 0x4E: self._rates, 0x50: self._refused, 0x52: self._release, 0x54: self._select,
            0x56: self._refused, 0x60: self._auto_poll,
        }  # fmt: skip

    def reset(self) -> None:
        """As after power-up."""
        self._forget()
        self.field.switch(False)
        self._registers.clear()
        self._retries, self._automatic_ats = _FOR_EVER, True

    async def run(self, content: bytes) -> "bytes | None":
        """Carry out one command; its answer after the code, or SYNTAX_ERROR."""
        command = self._table.get(content[0])
        return await command(content[1:]) if command is not None else SYNTAX_ERROR

    # the chip itself

    async def _nothing(self, _: bytes) -> bytes:
        return b""

    async def _refused(self, _: bytes) -> bytes:
        return bytes([TIMEOUT])

    async def _firmware(self, _: bytes) -> bytes:
        return FIRMWARE

    async def _diagnose(self, body: bytes) -> "bytes | None":
        if not body:
            return SYNTAX_ERROR
        if body[0] == 0x00:
            return body  # communication line: what came goes back
        if body[0] in (0x01, 0x02):
            return bytes([OK])  # ROM, RAM
        if body[0] == 0x06:
            target = self._targets.get(1)
            return bytes([OK if target is not None and await target.present() else TIMEOUT])
        return bytes([TIMEOUT])

    async def _status(self, _: bytes) -> bytes:
        listed = b"".join(
            bytes([number, (target.from_card // 106) >> 1, (target.to_card // 106) >> 1, 0x10])
            for number, target in self._targets.items()
        )
        return bytes([OK, self.field.on, len(self._targets)]) + listed + b"\x00"

    async def _read(self, body: bytes) -> bytes:
        addresses = [body[at] << 8 | body[at + 1] for at in range(0, len(body) - 1, 2)]
        return bytes(self._registers.get(address, 0) for address in addresses)

    async def _write(self, body: bytes) -> bytes:
        for at in range(0, len(body) - 2, 3):
            self._registers[body[at] << 8 | body[at + 1]] = body[at + 2]
        return b""

    async def _read_pins(self, _: bytes) -> bytes:
        return bytes([0x3F, 0x06, 0x00])

    async def _power_down(self, _: bytes) -> bytes:
        self._forget()
        self.field.switch(False)
        return bytes([OK])

    async def _parameters(self, body: bytes) -> "bytes | None":
        if len(body) != 1:
            return SYNTAX_ERROR
        self._automatic_ats = bool(body[0] & 0x10)
        return b""

    async def _configure(self, body: bytes) -> "bytes | None":
        if len(body) < 2:
            return SYNTAX_ERROR
        if body[0] == 0x01:
            if not body[1] & 1:
                self._forget()
            self.field.switch(bool(body[1] & 1))
        elif body[0] == 0x05 and len(body) == 4:
            self._retries = body[3]
        return b""

    # cards

    async def _list(self, body: bytes) -> "bytes | None":
        if len(body) < 2 or not 1 <= body[0] <= 2:
            return SYNTAX_ERROR
        self._forget()
        self.field.switch(True)
        kind = _KINDS.get(body[1])
        tries = self._retries
        while True:
            found = self.field.of_kind(kind)[: body[0]] if kind is not None else []
            if found or tries == 0:
                break
            if tries != _FOR_EVER:
                tries -= 1
            await asyncio.sleep(_POLL_S)
        for number, card in enumerate(found, 1):
            self.field.wake(card)
            self._targets[number] = Target(self.field, card, self.spent)
        return bytes([len(found)]) + b"".join(
            bytes([number]) + self._introduction(card) for number, card in enumerate(found, 1)
        )

    def _introduction(self, card: Card) -> bytes:
        one = self.field.activation(card)
        if one.kind == "B":
            return one.atqb + bytes([1, 0x00])
        ats = one.ats if self._automatic_ats else b""
        return one.atqa + bytes([one.sak, len(one.uid)]) + one.uid + ats

    async def _exchange(self, body: bytes) -> "bytes | None":
        if not body:
            return SYNTAX_ERROR
        target = self._targets.get(body[0] & 0x07)
        if target is None or not target.activation.sak & 0x20:
            return bytes([CONTEXT if target is None else TIMEOUT])
        if len(body) - 1 > ROOM:
            return bytes([INVALID])
        try:
            if len(body) > 1 or not target.more:
                await target.send(body[1:], bool(body[0] & MORE))
        except AirError as error:
            return bytes([error.status])
        part = target.take(ROOM)
        return bytes([OK | (MORE if target.more else 0)]) + part

    async def _through(self, _: bytes) -> bytes:
        return bytes([TIMEOUT])

    async def _rates(self, body: bytes) -> "bytes | None":
        if len(body) != 3:
            return SYNTAX_ERROR
        target = self._targets.get(body[0])
        if target is None:
            return bytes([CONTEXT])
        return bytes([OK if target.set_rates(body[1], body[2]) else INVALID])

    async def _deselect(self, body: bytes) -> "bytes | None":
        return await self._let_go(body, forget=False)

    async def _release(self, body: bytes) -> "bytes | None":
        return await self._let_go(body, forget=True)

    async def _let_go(self, body: bytes, forget: bool) -> "bytes | None":
        if len(body) != 1:
            return SYNTAX_ERROR
        numbers = list(self._targets) if body[0] == 0 else [body[0]]
        if any(number not in self._targets for number in numbers):
            return bytes([CONTEXT])
        for number in numbers:
            await self._targets[number].deselect()
            if forget:
                self._targets.pop(number).drop()
        return bytes([OK])

    async def _select(self, body: bytes) -> "bytes | None":
        if len(body) != 1:
            return SYNTAX_ERROR
        target = self._targets.get(body[0])
        if target is None:
            return bytes([CONTEXT])
        if target.card not in self.field.cards:
            return bytes([TIMEOUT])
        self.field.wake(target.card)
        self._targets[body[0]] = Target(self.field, target.card, self.spent)
        return bytes([OK])

    async def _auto_poll(self, _: bytes) -> bytes:
        return bytes([0])

    def _forget(self) -> None:
        for target in self._targets.values():
            target.drop()
        self._targets.clear()
