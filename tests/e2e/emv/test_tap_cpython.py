"""Contactless payments through the whole terminal: cards on a PN532's antenna, lights, screens, records, acquirer; on both runtimes.

One shift: approved offline by a tap; provisional; two cards at once; a card taken away too early and presented again; a phone that is to be
unlocked; a card that is to be inserted (two identities, one payment); an online PIN; a signature, in the slot and refused after a tap that the
bank had approved; the server's ledger agrees.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from protocol import records as r
from sim.cards.emv import build as contact_card
from sim.cards.emv.contactless import build, dual, profile
from sim.cards.emv.personalise import number
from sim.worlds.fleet import Fleet
from sim.worlds.world import World, cpython_terminal
from tests.e2e.emv import canary
from tools.house.toolchain import APPLICATION_HEAP

pytestmark = pytest.mark.timeout(300)
PIN = "4711"
CARDS = {
    "approve": "tap-approve",
    "online": "tap-ask",
    "switch": "tap-switch",
    "phone": "tap-phone",
    "pin": "tap-online",
    "decline": "tap-decline",
    "signature": "tap-signature",
}
SIGNED_SLOT: dict[str, Any] = {"scheme": "cib", "number": 71, "cvm": "1E00"}
READ = (15, 0, ((1500, 500),))


def _profile(name: str) -> dict[str, Any]:
    if name == "tap-ask":
        return {**profile("tap-approve"), "number": 61, "tap": "online"}
    if name == "tap-phone":
        return {**profile("tap-phone"), "scheme": "edahabia"}
    if name == "tap-signature":  # at this amount holders of the other scheme are not verified
        return {**profile(name), "scheme": "edahabia"}
    return {**profile(name), "pin": PIN}


class TapShift(canary.Shift):
    """Payments with the cards on the antenna."""

    def prepare(self) -> None:
        pki = self.world.fleet.pki
        profiles = {key: _profile(name) for key, name in CARDS.items()}
        self.contact, self.air = {}, {}
        for key, one in profiles.items():
            if key == "switch":
                self.contact[key], self.air[key] = dual(one, pki)
            else:
                self.air[key] = build(one, pki)
        wishes = {
            number(pki.schemes.issuers[one["scheme"]].bin, one["number"]): {"pin": PIN, "profile": "approve"}
            for one in profiles.values()
        }
        self.world.fleet.acquirer_profiles.write_text(json.dumps(wishes))

    async def notice(self) -> None:
        await self.actor.see("home")
        await self._notice("amina", scan=True)
        await self.actor.press("pay_choice", "1")
        await self.actor.see("card_present", tap=True)

    async def sign(self, key: str) -> None:
        """The slip comes before the question, and both before any outcome."""

        def outcomes() -> int:
            return len([entry for entry in self._records() if entry[r.KIND] == r.PAYMENT_OUTCOME])

        before = outcomes()
        await self.actor.see("signature")
        printed = self._records()[-1]
        assert (printed[r.KIND], printed[r.COPY], outcomes()) == (r.RECEIPT_PRINTED, r.COPY_OFFICER, before)
        self.receipts.append(self.out / "slip.png")
        assert len(self.world.printer.strips) == len(self.receipts)
        await self.actor.type(key)

    async def outcome(self, expected: int) -> dict[int, Any]:
        """The outcome on the screen is the one that is durable; then papers and hand-over."""
        event = await self.actor.see("outcome")
        record = [entry for entry in self._records() if entry[r.KIND] == r.PAYMENT_OUTCOME][-1]
        assert (event["outcome"], record[r.OUTCOME]) == (expected, expected), (event, record.get(r.REASON))
        await self.actor.type("ok")
        await self.world.field.remove()
        await self._finish(expected)
        return record


async def _shift(shift: TapShift) -> None:
    world, actor, field = shift.world, shift.actor, shift.world.field
    await shift.begin(network=False)

    await shift.notice()
    await field.insert(shift.air["approve"])
    record = await shift.outcome(r.OUTCOME_APPROVED)
    assert (record[r.REASON], record[r.INTERFACE], r.SEALED in record) == ("Y1", r.INTERFACE_CONTACTLESS, True)
    assert READ in world.lights.history and [c[1] for c, _ in field.log][-6:] == [0xA4, 0xA4, 0xA8, 0xB2, 0xB2, 0xB2]

    await shift.notice()  # two cards at once, then one; it leaves before it is read, and comes back
    await field.insert(shift.air["decline"])
    await field.add(shift.air["online"])
    await actor.see("card_message", ui=0x19)
    field.tear_at = 4
    await field.remove(shift.air["decline"])
    await actor.see("card_message", ui=0x21)
    await field.insert(shift.air["online"])
    record = await shift.outcome(r.OUTCOME_PROVISIONAL)
    assert (record[r.REASON], record[r.INTERFACE], record[r.ATC]) == ("DEFERRED", r.INTERFACE_CONTACTLESS, 2)

    await shift.notice()  # the card wants its contacts: the tap's identity ends declined, the slot's is new
    await field.insert(shift.air["switch"])
    await actor.see("card_message", ui=0x1D)
    await field.remove()
    await world.payment_slot.insert(shift.contact["switch"])
    await actor.press("card_pin", PIN, "ok")
    await actor.see("outcome")
    assert shift._records()[-1][r.HOLDER] == r.HOLDER_PIN
    outcomes = [entry for entry in shift._records() if entry[r.KIND] == r.PAYMENT_OUTCOME][-2:]
    assert [entry[r.OUTCOME] for entry in outcomes] == [r.OUTCOME_DECLINED, r.OUTCOME_APPROVED]
    assert outcomes[0][r.REASON] == "EMV-140" and outcomes[0][r.INTENT] != outcomes[1][r.INTENT]
    assert outcomes[0][r.INTERFACE] == r.INTERFACE_CONTACTLESS and r.INTERFACE not in outcomes[1]
    await actor.type("ok")
    await actor.see("card_remove")
    await world.payment_slot.remove()
    await shift._finish(r.OUTCOME_APPROVED)

    await shift.notice()  # the slot's card has nothing but a signature
    await world.payment_slot.insert(contact_card(SIGNED_SLOT, world.fleet.pki))
    await shift.sign("ok")
    await actor.see("outcome", outcome=r.OUTCOME_APPROVED)
    record = shift._records()[-1]
    assert (record[r.REASON], record[r.HOLDER], r.SEALED in record) == ("Y1", r.HOLDER_SIGNATURE, True)
    await actor.type("ok")
    await actor.see("card_remove")
    await world.payment_slot.remove()
    await shift._finish(r.OUTCOME_APPROVED)

    world.gateway.switch(True)
    await shift.notice()  # the bank approves, the signature differs: to be reversed
    await field.insert(shift.air["signature"])
    await shift.sign("cancel")
    record = await shift.outcome(r.OUTCOME_DECLINED)
    assert (record[r.REASON], record[r.ONLINE], r.HOLDER in record) == ("EMV-146", r.ONLINE_DOUBTFUL, False)

    await shift.notice()  # a phone: look at it, unlock it, present it again
    await field.insert(shift.air["phone"])
    await actor.see("card_message", ui=0x20)
    await field.remove()
    await asyncio.sleep(0.5)
    await field.insert(shift.air["phone"])
    record = await shift.outcome(r.OUTCOME_APPROVED)
    assert (record[r.REASON], record[r.ONLINE], record[r.HOLDER]) == ("00", r.ONLINE_ANSWERED, r.HOLDER_DEVICE)

    await shift.notice()  # a card that wants its PIN checked by the bank; it has left the field by then
    await field.insert(shift.air["pin"])
    await actor.see("card_pin")
    await field.remove()
    await actor.type(PIN, "ok")
    record = await shift.outcome(r.OUTCOME_APPROVED)
    assert (record[r.REASON], record[r.ONLINE], record[r.HOLDER]) == ("00", r.ONLINE_ANSWERED, r.HOLDER_ONLINE_PIN)

    await shift.notice()
    await field.insert(shift.air["decline"])
    record = await shift.outcome(r.OUTCOME_DECLINED)
    assert record[r.REASON] == "Z1"

    await shift.synchronise()
    await actor.see("home")
    ledger = await world.http_json("/api/ledger")
    paid = [e for e in shift._records() if e[r.KIND] == r.PAYMENT_OUTCOME and e[r.OUTCOME] == r.OUTCOME_APPROVED]
    assert ledger["totals"]["approved"]["count"] == len(paid) == 5
    assert ledger["balanced"] and not ledger["differences"]


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_a_shift_of_taps(tmp_path: Path, runtime: str) -> None:
    async def play() -> None:
        command: Any = cpython_terminal
        if runtime == "micropython":
            from tools.image import device_command, device_image

            image = device_image()

            def command(wiring: Path) -> list[str]:
                return device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])

        world = World(Fleet.make(tmp_path / "world"), runtime, "tcp", "fr", command)
        shift = TapShift(world, tmp_path, "fr", lambda step: None)
        shift.prepare()
        try:
            await world.start()
            await _shift(shift)
            assert shift.failed() == []
        finally:
            await world.close()

    asyncio.run(play())
