"""What a person does to the world from the page, and what the page says of it: keys, scanner, cards, radio, power, printer.

Each action checks its arguments and raises a coded ActionError; none of them waits for the terminal. Keys are handed over one
by one, the next when the screen answered, because the keypad's controller keeps only a few.
"""

import asyncio
import contextlib
from collections import deque
from typing import Any

from PIL import Image

from sim.links.slot import Slot
from sim.web.apdus import ApduLog
from sim.web.errors import ActionError
from sim.web.paper import PaperTray
from sim.web.wallet import LICENCE, PAYMENT, TAP, Wallet
from sim.worlds.world import KEYS, World

KEYS_WAITING = 64
ANSWER_S = 0.3
"""How long a key waits for a screen before the next one follows: some keys change nothing."""
UNANSWERED, SLOW_ANSWER_S = 5, 5.0
"""After so many keys in a row without a screen the terminal is taken to be slow, and given longer."""
EVENTS_KEPT = 500
SENSORS = ("near_end", "cover_open", "overheat", "silent")


class Console:
    """The page's hands in one world. `start` sets everything going, `close` ends all of it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.wallet = Wallet(world.fleet.people, world.fleet.pki, world.fleet.folder / "cards")
        self.paper = PaperTray(world.printer, world.fleet.folder / "paper")
        self.apdus = ApduLog()
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS_KEPT)
        self.screen: dict[str, Any] = {}
        self.powered = False
        self._inserted: dict[str, str] = {}
        self._locks = {name: asyncio.Lock() for name in (LICENCE, PAYMENT, TAP)}
        self._power_lock = asyncio.Lock()
        self._keys: asyncio.Queue[str] = asyncio.Queue(KEYS_WAITING)
        self._answered = asyncio.Event()
        self._typist: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Everything on, the network off, the terminal booting. Raises what World.start raises."""
        world = self.world
        await world.start()
        world.gateway.switch(False)
        world.diagnostic.listeners.append(self._noted)
        for name in (LICENCE, PAYMENT, TAP):
            self.slot(name).on_exchange = lambda command, response, name=name: self.apdus.add(name, command, response)
        self._typist = asyncio.create_task(self._type())
        await self.power(True)

    async def close(self) -> None:
        """End everything that was started."""
        if self._typist is not None:
            self._typist.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._typist
        await self.world.close()

    def slot(self, name: str) -> Slot:
        """The reader of that name. ActionError SIM-001."""
        if name == LICENCE:
            return self.world.licence_slot
        if name == PAYMENT:
            return self.world.payment_slot
        if name == TAP:
            return self.world.field
        raise ActionError("a slot is licence, payment or tap", detail="slot")

    def _noted(self, event: dict[str, Any]) -> None:
        """An event of the technician's port."""
        if event["event"] == "screen":
            self.screen = event
            self._answered.set()
        self.events.append(event)
        del self.world.diagnostic.events[:-1]  # nobody else reads them; a long session must not grow

    # keys and scanner

    def press(self, keys: list[str]) -> None:
        """Press keys by name, or words of digits. ActionError SIM-001, SIM-003, SIM-005."""
        single: list[str] = []
        for word in keys:
            if word not in KEYS and not (word and word.isascii() and word.isdigit()):
                raise ActionError("there is no such key", detail="key")
            single += [word] if word in KEYS else list(word)
        self._must_be_on()
        if self._keys.qsize() + len(single) > KEYS_WAITING:
            raise ActionError("too many keys wait", "SIM-005", "wait for the terminal")
        for key in single:
            self._keys.put_nowait(key)

    async def _type(self) -> None:
        unanswered = 0
        while True:
            key = await self._keys.get()
            with contextlib.suppress(TimeoutError):
                await self.world.keypad.connected()  # it may still boot
            self._answered.clear()
            self.world.press(key)
            patience = ANSWER_S if unanswered < UNANSWERED else SLOW_ANSWER_S
            try:
                await asyncio.wait_for(self._answered.wait(), patience)
                unanswered = 0
            except TimeoutError:
                unanswered += 1

    def scan(self, text: str) -> None:
        """What the scanner reads: lines of text. ActionError SIM-003."""
        self._must_be_on()
        if not self.world.scanner.send(text.replace("\n", "\r").encode("ascii", "replace") + b"\r\r"):
            raise ActionError("the terminal still boots", "SIM-003", "wait a moment")

    # cards

    async def insert(self, card: str, slot: str = "", tear_at: int | None = None) -> None:
        """Put a card on its reader (or on another, by name), taking out what is there. `tear_at`: it is pulled at that APDU.

        The antenna holds several: a second bank card beside the first is a collision.

        ActionError SIM-001, SIM-002, SIM-007.
        """
        name = slot or self.wallet.kind(card)
        reader = self.slot(name)
        built = await asyncio.to_thread(self.wallet.card, card, name)
        async with self._locks[name]:
            for other in (LICENCE, PAYMENT, TAP):  # a card is in one place
                if other != name and self._inserted.get(other) == card:
                    await self._take_out(other, card)
            reader.log.clear()
            reader.tear_at = tear_at
            try:
                await (self.world.field.add(built) if name == TAP else reader.insert(built))
            except OSError as error:
                raise ActionError("the reader does not take the card", "SIM-007", "start again", error.errno) from error
            self._inserted[name] = card

    async def remove(self, slot: str, card: str = "") -> None:
        """Take out what is on a reader, of several on the antenna `card` or all; nothing happens if there is none. ActionError SIM-001, SIM-002."""
        self.slot(slot)
        async with self._locks[slot]:
            await self._take_out(slot, card)

    async def _take_out(self, slot: str, card: str) -> None:
        if slot == TAP and card:
            await self.world.field.remove(self.wallet.card(card, TAP))
            left = self.tapped()
            if left:
                self._inserted[TAP] = left[-1]
                return
        else:
            await self.slot(slot).remove()
        self._inserted.pop(slot, None)

    def tapped(self) -> list[str]:
        """The bank cards on the antenna, in the wallet's order."""
        return [key for key in self.wallet.bank if self.wallet.card(key, TAP) in self.world.field.cards]

    # power, radio, printer

    def _must_be_on(self) -> None:
        if not self.running:
            raise ActionError("the terminal is off", "SIM-003", "switch it on")

    @property
    def running(self) -> bool:
        """Whether the terminal's process is alive."""
        return self.powered and self.world.terminal.running

    async def power(self, on: bool) -> None:
        """Put the battery in, or take it out at once. A terminal that crashed is started anew by True."""
        async with self._power_lock:
            if self.powered and (not on or not self.world.terminal.running):
                self.powered = False
                while not self._keys.empty():
                    self._keys.get_nowait()
                await self.world.power_cut()
                self.world.display.command(0x01)  # the glass loses its power too
                self.screen = {}
            if on and not self.powered:
                await self.world.power_on()
                self.powered = True

    def network(self, up: bool) -> None:
        """The radio's reach."""
        self.world.gateway.switch(up)

    def printer(self, settings: dict[str, bool]) -> None:
        """Set sensors of the printer; "paper": False empties the roll, True puts a new one in; "tear": tear off what hangs out.

        ActionError SIM-001.
        """
        if not all(name in (*SENSORS, "paper", "tear") and isinstance(value, bool) for name, value in settings.items()):
            raise ActionError("the printer's settings are true or false", detail="printer")
        model = self.world.printer
        for name, value in settings.items():
            if name in SENSORS:
                setattr(model, name, value)
            elif name == "paper":
                model.paper.rows_left = None if value else 0
            elif value and model.paper.rows:
                model.tear()

    # what is seen

    def picture(self) -> Image.Image:
        """What the display shows, 320 x 240 RGB."""
        return self.world.display.image()

    def state(self) -> dict[str, Any]:
        """Everything that changes, small enough to be sent whole."""
        world = self.world
        model = world.printer
        power = "off" if not self.powered else "on" if world.terminal.running else "crashed"
        return {
            "power": power,
            "log": world.terminal.tail() if power == "crashed" else "",
            "screen": {key: value for key, value in self.screen.items() if key != "event"} if power == "on" else {},
            "network": world.gateway.up,
            "bytes": {"up": world.gateway.bytes_up, "down": world.gateway.bytes_down},
            "slots": {
                name: self._inserted.get(name) if self.slot(name).card is not None else None for name in self._locks
            },
            "tapped": self.tapped(),
            "pin_tries": self.wallet.pin_tries(),
            "reader": world.lights.state(),
            "printer": {name: getattr(model, name) for name in SENSORS}
            | {"paper": model.paper.present, "hanging": bool(model.paper.rows)},
            "paper": self.paper.newest_first(),
            "server": world.server.running,
            "secure_element": world.element.running,
            "runtime": world.runtime,
            "link": world.link,
        }
