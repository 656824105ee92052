"""A person at the terminal, played by a script: looks at what the screen shows (the technician's port says which screen it is), then presses.

The script cannot see more than a person with a technician's cable: screen names and public fields. It never reaches into the terminal.
"""

from typing import Any

from sim.cards.base import Card
from sim.links.slot import Slot
from sim.worlds.world import KEYS, World


class Unexpected(AssertionError):
    """The terminal showed another screen than the one that had to come."""


class Actor:
    """Waits for screens in order; screens that only pass by (progress) are skipped."""

    def __init__(self, world: World, timeout: float = 20.0) -> None:
        self.world = world
        self.timeout = timeout
        self._cursor = 0

    async def see(self, *names: str, **fields: Any) -> dict[str, Any]:
        """Wait for one of the screens `names` whose fields have these values; an error screen that was not asked for ends the script."""

        def wanted(event: dict[str, Any]) -> bool:
            if event["event"] != "screen":
                return False
            if event["screen"] == "error" and "error" not in names:
                return True
            return event["screen"] in names and all(event.get(key) == value for key, value in fields.items())

        try:
            self._cursor, event = await self.world.diagnostic.wait(wanted, self._cursor, self.timeout)
        except TimeoutError:
            raise Unexpected(
                f"no screen {names} {fields} came; the last events were {self.last()}; {self.world.terminal.tail()}"
            ) from None
        if event["screen"] not in names:
            raise Unexpected(f"the terminal shows {event} instead of {names}; {self.world.terminal.tail()}")
        return event

    async def event(self, name: str) -> dict[str, Any]:
        """Wait for another event of the technician's port."""
        self._cursor, event = await self.world.diagnostic.wait(lambda e: e["event"] == name, self._cursor, self.timeout)
        return event

    def last(self) -> list[dict[str, Any]]:
        """The last few events, for a message."""
        return self.world.diagnostic.events[-4:]

    async def press(self, screen: str, *keys: str, **fields: Any) -> dict[str, Any]:
        """Wait for `screen`, then press keys."""
        event = await self.see(screen, **fields)
        await self.type(*keys)
        return event

    async def type(self, *keys: str) -> None:
        """Press keys by name, words of digits digit by digit, looking at the screen after each as a person does."""
        single = [key for word in keys for key in ([word] if word in KEYS else word)]
        await self.world.keypad.connected()
        for index, key in enumerate(single):
            seen = len(self.world.diagnostic.events)
            self.world.press(key)
            if index + 1 < len(single):
                await self.world.diagnostic.wait(lambda event: event["event"] == "screen", seen, self.timeout)

    async def tap(self, screen: str, slot: Slot, card: Card) -> None:
        """Wait for `screen`, then put a card on a reader."""
        await self.see(screen)
        await slot.insert(card)
