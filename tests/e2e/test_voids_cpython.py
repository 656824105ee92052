"""A whole terminal, played by its keys, on both runtimes: a payment voided by two officers, paid again, a case given up, books that agree."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from protocol import records as r
from sim.cards import emv
from sim.worlds.fleet import Fleet
from sim.worlds.patrol import Patrol
from sim.worlds.world import World, cpython_terminal
from tests.support import needs
from tools.house.toolchain import APPLICATION_HEAP

pytestmark = pytest.mark.timeout(240)
AMOUNT = 500_000


def _command(runtime: str) -> Callable[[Path], list[str]]:
    if runtime == "cpython":
        return cpython_terminal
    from tools.image import device_command, device_image

    image = device_image()
    return lambda wiring: device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])


class Shift(Patrol):
    """The patrol's hands, for another story."""

    async def begin(self) -> None:
        """Switch on with a network, log in."""
        self.world.gateway.switch(True)
        await self.world.power_on()
        await self._log_in()

    async def case(self, driver: str) -> None:
        """A driver pays with a card that approves, and gets the licence back."""
        await self.actor.see("home")
        await self._notice(driver, scan=True)
        await self._pay("approve", r.OUTCOME_APPROVED)
        await self.actor.press("licence_hand", "ok", disposition=r.DISPOSITION_RETURNED)

    async def badge(self) -> None:
        """The second officer, who first types the first one's number."""
        second = self.world.fleet.people["second"]
        await self.actor.press("login_number", str(second["number"]), "ok", second=True)
        await self.actor.press("login_pin", second["pin"], "ok", second=True)

    async def void(self, card: str) -> None:
        """As far as the card on the reader."""
        await self.actor.press("home", "5")
        await self.actor.press("void_confirm", "ok", amount=AMOUNT)
        await self.badge()
        await self.actor.tap("card_present", self.world.payment_slot, emv.build(self.cards[card], self.world.fleet.pki))

    async def refused(self, code: str) -> None:
        """The terminal says why not, and goes home."""
        event = await self.actor.press("error", "ok")
        assert event["code"] == code, event

    async def story(self) -> dict[str, Any]:
        """What the server's ledger says at the end."""
        await self.begin()
        await self.actor.press("home", "5")
        await self.refused("RSK-010")  # nothing was paid yet
        await self.case("amina")
        await self._void_with_trouble()
        await self.actor.press("void_result", "ok", state=r.VOID_DONE, amount=AMOUNT)
        await self._pay("approve", r.OUTCOME_APPROVED)  # the case is open again: with the same key as ever
        await self.actor.press("licence_hand", "ok", disposition=r.DISPOSITION_RETURNED)
        await self.actor.see("home")
        await self._notice("karim", scan=True)
        await self.actor.press("pay_choice", "cancel")
        await self.actor.press("abandon_reason", "2")
        await self.actor.press("confirm_abandon", "ok")
        await self.actor.press("licence_hand", "ok", disposition=r.DISPOSITION_RETURNED)
        await self.actor.press("home", "2")
        await self.actor.press("sync_done", "ok", pending=0)
        await self.actor.press("home", "3")
        await self.actor.press("confirm_close", "ok")
        event = await self.actor.press("shift_summary", "ok")
        assert (event["count"], event["total"], event["voided_count"], event["balanced"]) == (2, 2 * AMOUNT, 1, True)
        return await self.world.http_json("/api/ledger")

    async def _void_with_trouble(self) -> None:
        """No network; the first officer's own badge; another card; then as it should be."""
        self.world.gateway.switch(False)
        await self.void("approve")
        await self.refused("RSK-013")
        await self.world.payment_slot.remove()
        self.world.gateway.switch(True)
        first = self.world.fleet.people["officer"]
        await self.actor.press("home", "5")
        await self.actor.press("void_confirm", "ok")
        await self.actor.press("login_number", str(first["number"]), "ok", second=True)
        await self.refused("OFC-005")
        await self.void("online")
        await self.refused("RSK-012")
        await self.world.payment_slot.remove()
        await self.void("approve")
        await self.actor.see("void_result")
        await self.world.payment_slot.remove()
        self.actor._cursor -= 1  # the screen is looked at once more by the story


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_a_void_gives_the_money_back_once_and_the_case_is_payable_again(runtime: str, tmp_path: Path) -> None:
    if runtime == "micropython":
        needs.micropython()
    kept: list[dict[int, Any]] = []

    async def play() -> dict[str, Any]:
        world = World(Fleet.make(tmp_path / "world"), runtime, "tcp", "fr", _command(runtime))
        shift = Shift(world, tmp_path, "fr", lambda step: None)
        try:
            await world.start()
            ledger = await shift.story()
            kept.extend(shift._records())
            assert [check for check in shift.checks if not check["ok"]] == []
            return ledger
        finally:
            await world.close()

    ledger = asyncio.run(play())
    assert ledger["balanced"] and ledger["differences"] == []
    assert ledger["now"]["paid"] == {"count": 1, "amount": AMOUNT} == ledger["now"]["reversed"]
    assert sum(amount for name, amount in ledger["accounts"].items() if name.startswith("treasury:")) == -AMOUNT
    asked, done = [record for record in kept if record[r.KIND] == r.VOID]
    first, again = [record for record in kept if record[r.KIND] == r.PAYMENT_OUTCOME]
    assert (asked[r.VOID_STATE], done[r.VOID_STATE]) == (r.VOID_ASKED, r.VOID_DONE)
    assert asked[r.INTENT] == done[r.INTENT] == first[r.INTENT] != again[r.INTENT]
    assert asked[r.CARD_TOKEN] == first[r.CARD_TOKEN] and asked[r.SECOND_OFFICER] == 1012 and asked[r.OFFICER] == 1007
    assert asked[r.DISPOSITION] == r.DISPOSITION_RETAINED
    assert [record[r.CLOSURE] for record in kept if record[r.KIND] == r.CASE_CLOSED] == [
        r.CLOSURE_PAID, r.CLOSURE_PAID, r.CLOSURE_ABANDONED,
    ]  # fmt: skip
    numbers = [record[r.PV] for record in kept if record[r.KIND] == r.NOTICE]
    assert [int(number[-5:]) for number in numbers] == [1, 2]
    (closed,) = [record for record in kept if record[r.KIND] == r.SHIFT_CLOSED]
    assert closed[r.TOTALS] == {r.OUTCOME_APPROVED: [2, 2 * AMOUNT], r.VOIDED: [1, AMOUNT]}
