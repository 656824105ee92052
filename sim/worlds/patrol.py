"""The patrol: one officer, four drivers, no network at first, a power cut in the middle; then sync, authorisation, and the shift's close.

`Patrol.run` plays it through the terminal's own keys, cards, paper and radio, narrates each step, and checks each claim it makes against a
source other than the screen: the records in the storage, the printed paper, the server's ledger, the acquirer's captures.
"""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from protocol import records as r
from sim.cards import emv, licence
from sim.cards.licence.people import PEOPLE
from sim.worlds import evidence
from sim.worlds.actor import Actor, Unexpected
from sim.worlds.fleet import DEVICE, UNIT
from sim.worlds.papers import read_claim
from sim.worlds.world import World

_WORDS = yaml.safe_load((Path(__file__).parent / "data" / "patrol.yaml").read_text())


def _dinars(whole: int) -> str:
    """5000 as receipts and screens write it: 5 000,00, with a no-break space."""
    return f"{whole:,}".replace(",", "\u00a0") + ",00"


class Patrol:
    """One run. `say` gets each step as {"step", "text", …}; `checks` collects {"check", "ok", …}."""

    def __init__(self, world: World, out: Path, language: str, say: Callable[[dict[str, Any]], None]) -> None:
        self.world = world
        self.actor = Actor(world)
        self.out = out
        self.language = language
        self.say_to = say
        self.checks: list[dict[str, Any]] = []
        self.receipts: list[Path] = []
        self.drivers = {driver["key"]: driver for driver in world.fleet.people["drivers"]}
        self.cards = {card["key"]: card for card in world.fleet.people["cards"]}
        self.built = {key: emv.build(card, world.fleet.pki) for key, card in self.cards.items()}
        self._readings = 0

    def say(self, step: str, **fields: Any) -> None:
        """Tell a step in the officer's words; `amount` and `total` are whole dinars."""
        shown = {name: _dinars(value) if name in ("amount", "total") else value for name, value in fields.items()}
        self.say_to({"step": step, "text": _WORDS[step][self.language].format(**shown), **fields})

    def check(self, name: str, ok: bool, **fields: Any) -> None:
        """Note a check; the demo's exit code is their conjunction."""
        self.checks.append({"check": name, "ok": bool(ok), **fields})

    async def run(self) -> None:
        """The whole patrol."""
        world = self.world
        world.gateway.switch(False)
        await world.power_on()
        boot = await self.actor.event("boot")
        self.say("boot", part=boot["secure_element"])
        self.check(
            "the secure element's stand-in says what it is", boot["stand_in"] is True, part=boot["secure_element"]
        )
        await self._log_in_badly()
        await self._log_in()
        await self._first_driver()
        await self._second_driver()
        await self._third_driver()
        await self._fourth_driver()
        await self._no_network()
        await self._sync()
        await self._close()

    # logging in

    async def _log_in_badly(self) -> None:
        officer = self.world.fleet.people["officer"]
        wrong = "0000" if officer["pin"] != "0000" else "1111"
        await self.actor.press("login_number", str(officer["number"]), "ok")
        await self.actor.press("login_pin", wrong, "ok", attempts_left=3)
        event = await self.actor.see("error")
        await self.actor.type("ok")
        await self.actor.press("login_number", str(officer["number"]), "ok")
        event = await self.actor.see("login_pin")
        self.check(
            "a wrong PIN costs one attempt", event.get("attempts_left") == 2, attempts_left=event.get("attempts_left")
        )
        self.say("wrong_pin", left=event.get("attempts_left"))
        await self.actor.type("cancel")

    async def _log_in(self) -> None:
        officer = self.world.fleet.people["officer"]
        await self.actor.press("login_number", str(officer["number"]), "ok")
        await self.actor.press("login_pin", officer["pin"], "ok")

    # the drivers

    async def _first_driver(self) -> None:
        """Pays with a card that approves offline; the power goes in the middle."""
        await self.actor.see("home")
        self.say("login", officer=self.world.fleet.people["officer"]["number"], unit=UNIT)
        await self._notice("amina", scan=True)
        await self.actor.press("pay_choice", "1")
        await self.actor.tap("card_present", self.world.payment_slot, self.built["approve"])
        await self.actor.see("card_pin")
        await self.actor.type(self.cards["approve"]["pin"][:2])
        await self.world.power_cut()
        self.say("power_cut")
        await self.world.payment_slot.remove()
        await self.world.power_on()
        await self._log_in()
        await self.actor.see("interrupted")
        kept = [entry for entry in self._records() if entry[r.KIND] == r.PAYMENT_OUTCOME]
        self.check(
            "the cut payment is recorded as interrupted", bool(kept) and kept[-1][r.OUTCOME] == r.OUTCOME_INTERRUPTED
        )
        self.say("interrupted")
        await self.actor.type("ok")
        await self._pay("approve", r.OUTCOME_APPROVED)
        await self._paper("1-approved", r.OUTCOME_APPROVED)
        await self._hand(r.DISPOSITION_RETURNED)

    async def _second_driver(self) -> None:
        """Types the MRZ; the card wants the issuer, nobody is there: provisional."""
        await self.actor.see("home")
        await self._notice("karim", scan=False)
        await self._pay("online", r.OUTCOME_PROVISIONAL)
        await self._paper("2-provisional", r.OUTCOME_PROVISIONAL)
        await self._paper("2-document", r.OUTCOME_PROVISIONAL)
        await self._hand(r.DISPOSITION_RETAINED)

    async def _third_driver(self) -> None:
        """The card declines; the driver pays later."""
        await self.actor.see("home")
        await self._notice("yacine", scan=True)
        await self._pay("decline", r.OUTCOME_DECLINED)
        await self._paper("3-declined", r.OUTCOME_DECLINED)
        await self.actor.press("pay_choice", "2")
        await self._paper("3-document", 0)
        await self._hand(r.DISPOSITION_RETAINED)

    async def _fourth_driver(self) -> None:
        """Prefers not to pay."""
        await self.actor.see("home")
        await self._notice("nadia", scan=True)
        await self.actor.press("pay_choice", "2")
        self.say("later")
        await self._paper("4-notice", 0)
        await self._hand(r.DISPOSITION_RETAINED)

    # the parts of a case

    async def _notice(self, driver: str, scan: bool) -> None:
        """From the home screen to the acknowledged offence 66/D-24."""
        world = self.world
        await self.actor.type("1")
        await self._mrz(driver, scan)
        card = licence.build(licence.profile(driver), world.fleet.pki)
        began = time.monotonic()
        await self.actor.tap("licence_present", world.licence_slot, card)
        event = await self.actor.see("licence_verdict")
        self._readings += 1
        expected = r.VERDICT_DATA_GENUINE
        self.check(
            f"licence {self._readings} verifies up to the CSCA",
            event["verdict"] == expected,
            verdict=event["verdict"],
            findings=event.get("findings"),
        )
        verdict = (
            _WORDS[f"verdict.{event['verdict']}"][self.language]
            if f"verdict.{event['verdict']}" in _WORDS
            else str(event["verdict"])
        )
        self.say("licence", n=self._readings, seconds=round(time.monotonic() - began, 1), verdict=verdict)
        await self.actor.type("ok")
        await world.licence_slot.remove()
        await self.actor.press("plate_entry", self.drivers[driver]["plate"], "ok")
        await self.actor.press("offence_list", "1")
        event = await self.actor.press("acknowledge", "ok")
        self.say("offence", code=event["code"], amount=event["amount"] // 100, points=event["points"])
        self.check(
            "amount and points are the tariff's",
            (event["code"], event["amount"], event["points"]) == ("66/D-24", 500_000, 6),
        )

    async def _mrz(self, driver: str, scan: bool) -> None:
        person = PEOPLE[driver]
        await self.actor.see("mrz_entry", field="number")
        if scan:
            await self.world.scanner.connected()
            self.world.scanner.send(licence.mrz_lines(person).replace("\n", "\r").encode() + b"\r\r")
            return
        lines = licence.mrz_lines(person).split("\n")
        number, birth, expiry = lines[0][6:14] + lines[0][14], lines[1][:7], lines[1][8:15]
        wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
        await self.actor.type(wrong, "ok")
        await self.actor.press("mrz_entry", birth, "ok", field="birth")
        await self.actor.press("mrz_entry", expiry, "ok", field="expiry")
        event = await self.actor.press("error", "ok")
        self.check("a wrong check digit names its field", event["code"].startswith("LIC-"), code=event["code"])
        event = await self.actor.press("mrz_entry", number, "ok")
        self.check("only the wrong field is asked for again", event["field"] == "number", field=event["field"])
        self.say("wrong_mrz", field=event["field"])

    async def _pay(self, card: str, expected: int) -> None:
        await self.actor.press("pay_choice", "1")
        await self.actor.tap("card_present", self.world.payment_slot, self.built[card])
        await self.actor.press("card_pin", self.cards[card]["pin"], "ok")
        event = await self.actor.see("outcome")
        last = self._records()[-1]
        durable = last[r.KIND] == r.PAYMENT_OUTCOME and last[r.OUTCOME] == event["outcome"]
        self.check("the outcome is durable before it is shown", durable, outcome=event["outcome"])
        self.check(
            f"the card that is set to {card} gives outcome {expected}",
            event["outcome"] == expected,
            outcome=event["outcome"],
            reason=event.get("reason"),
        )
        name = {r.OUTCOME_APPROVED: "approved", r.OUTCOME_PROVISIONAL: "provisional", r.OUTCOME_DECLINED: "declined"}[
            expected
        ]
        self.say(name, amount=event["amount"] // 100)
        await self.actor.type("ok")
        await self.actor.see("card_remove")
        await self.world.payment_slot.remove()

    async def _paper(self, name: str, outcome: int) -> None:
        """Wait for the paper, keep it as PNG, decode its QR with a stranger and verify the claim."""
        before = len(self.receipts)
        seen = len(self.world.diagnostic.events)
        deadline = time.monotonic() + self.actor.timeout
        while len(self.world.printer.strips) <= before:
            troubles = [e for e in self.world.diagnostic.events[seen:] if e.get("screen") == "error"]
            if troubles or time.monotonic() > deadline:
                raise Unexpected(
                    f"receipt {name} did not come; {troubles or self.actor.last()}; {self.world.terminal.tail()}"
                )
            await asyncio.sleep(0.02)
        strip = self.world.printer.strips[before]
        path = self.out / f"receipt-{name}.png"
        strip.save(path)
        self.receipts.append(path)
        claim = read_claim(path, self.world.fleet.folder / "receipt-keys.json")
        self.check(
            f"receipt {name}: QR read from the paper, signature holds, outcome right",
            claim is not None and claim.outcome == outcome,
        )
        self.say("receipt", name=path.name)

    async def _hand(self, disposition: int) -> None:
        await self.actor.press("licence_hand", "ok", disposition=disposition)
        self.say("returned" if disposition == r.DISPOSITION_RETURNED else "retained")

    # the network

    async def _no_network(self) -> None:
        await self.actor.press("home", "2")
        event = await self.actor.press("error", "ok")
        self.check(
            "without a network the terminal says so and keeps everything",
            event["code"].startswith("NET-"),
            code=event["code"],
        )
        self.say("no_network", code=event["code"])

    async def _sync(self) -> None:
        """The network returns: records go up; the acquirer answers; the next sync brings the release."""
        world = self.world
        await self.actor.see("home")
        world.gateway.switch(True)
        await self.actor.type("2")
        event = await self.actor.press("sync_done", "ok")
        self.check("the server has everything", event["pending"] == 0, sent=event["sent"])
        self.say("synced", sent=event["sent"])
        results = event.get("results") or []
        for _ in range(20):
            if results:
                break
            await asyncio.sleep(0.3)
            await self.actor.press("home", "2")
            event = await self.actor.press("sync_done", "ok")
            results = event.get("results") or []
        released = await self.actor.press("licence_hand", "ok", disposition=r.DISPOSITION_RELEASE_GRANTED)
        pv = next(entry[r.PV] for entry in self._records() if entry[r.KIND] == r.AUTHORISATION_RESULT)
        self.check("the provisional payment was authorised and the release granted", released is not None, pv=pv)
        self.say("released", pv=pv)

    async def _close(self) -> None:
        await self.actor.press("home", "3")
        await self.actor.press("confirm_close", "ok")
        event = await self.actor.press("shift_summary", "ok")
        ledger = await self.world.http_json("/api/ledger")
        shift = [e for e in self.world.diagnostic.events if e["event"] == "shift"][-1]
        totals = {key: [count, amount] for key, count, amount in shift["totals"]}
        expected = {1: [1, 500_000], 2: [1, 500_000], 3: [1, 500_000], 4: [1, 500_000], 11: [1, 500_000]}
        self.check("the terminal's totals are what happened", totals == expected, totals=totals)
        self.check("the server's reconciliation says balanced", event["balanced"] is True)
        self._check_ledger(ledger, totals)
        self.say("closed", count=event["count"], total=event["total"] // 100)

    def _check_ledger(self, ledger: dict[str, Any], totals: dict[int, list[int]]) -> None:
        """Three independent sources: the terminal's own totals, its storage read by a stranger, the server's ledger."""
        recomputed: dict[int, list[int]] = {}
        for entry in self._records():
            if entry[r.KIND] in (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT):
                late = r.LATE if entry[r.KIND] == r.AUTHORISATION_RESULT else 0
                line = recomputed.setdefault(entry[r.OUTCOME] + late, [0, 0])
                line[0] += 1
                line[1] += entry[r.AMOUNT]
        self.check(
            "recomputation from the terminal's storage agrees with its totals",
            recomputed == totals,
            recomputed=recomputed,
        )
        names = {"approved": 1, "provisional": 2, "declined": 3, "interrupted": 4}
        by_server = {
            names[name]: [line["count"], line["amount"]] for name, line in ledger["totals"].items() if line["count"]
        }
        own = {key: value for key, value in totals.items() if key < r.LATE}
        self.check("the server's totals agree with the terminal's", by_server == own, server=by_server)
        paid = [totals.get(1, [0, 0])[at] + totals.get(r.LATE + 1, [0, 0])[at] for at in (0, 1)]
        now = ledger["now"]["paid"]
        self.check("the server's ledger says what is paid", [now["count"], now["amount"]] == paid, ledger=now)
        treasury = sum(amount for name, amount in ledger["accounts"].items() if name.startswith("treasury:"))
        self.check("the Treasury's account holds exactly that", treasury == -paid[1], treasury=treasury)
        balanced = sum(ledger["accounts"].values()) == 0 and ledger["balanced"] and not ledger["differences"]
        self.check("the double-entry ledger balances and equals the server's recomputation from raw records", balanced)
        (self.out / "ledger.json").write_text(json.dumps(ledger, indent=1))

    def _records(self) -> list[dict[int, Any]]:
        found = evidence.records(self.world.fleet.store(self.world.runtime))
        assert all(entry[r.DEVICE] == DEVICE for entry in found)
        return found
