"""A shift with canary cards, whose numbers and PINs occur nowhere else, and the search for them in files and memory."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from protocol import records as r
from sim.cards.emv.contactless import build
from sim.cards.emv.personalise import number
from sim.worlds.actor import Unexpected
from sim.worlds.fleet import Fleet
from sim.worlds.patrol import Patrol

PIN = "834592716034"
EXPIRY = "311231"
CARDS: dict[str, dict[str, Any]] = {
    "approve": {"scheme": "cib", "number": 7361952, "pin": PIN, "risk": "approve", "numbered": True},
    "online": {"scheme": "edahabia", "number": 4815926, "pin": PIN, "risk": "online"},
    "online-pin": {"scheme": "edahabia", "number": 5926481, "pin": PIN, "risk": "online", "cvm": "0203"},
    "decline": {"scheme": "cib", "number": 2648159, "pin": PIN, "risk": "decline"},
}
TAPS: dict[str, dict[str, Any]] = {
    "cib-3": {"scheme": "cib", "number": 8361957, "kernel": 3, "tap": "approve"},
    "cib-2": {"scheme": "cib", "number": 3748219, "kernel": 2, "tap": "approve", "numbered": True},
    "edahabia-3": {"scheme": "edahabia", "number": 6815923, "kernel": 3, "tap": "online", "verify": "device"},
    "edahabia-2": {
        "scheme": "edahabia",
        "number": 9926487,
        "kernel": 2,
        "tap": "online",
        "risk": "online",
        "verify": "device",
    },
    "edahabia-pin": {
        "scheme": "edahabia",
        "number": 7648153,
        "kernel": 3,
        "tap": "online",
        "risk": "online",
        "pin": PIN,
    },
}
"""Canaries for the antenna: both schemes, both kernels, one whose PIN goes to its bank."""


def pans(fleet: Fleet) -> list[str]:
    """The canaries' numbers."""
    cards = [*CARDS.values(), *TAPS.values()]
    return [number(fleet.pki.schemes.issuers[card["scheme"]].bin, card["number"]) for card in cards]


def plant(fleet: Fleet, profiles: dict[str, str] | None = None) -> None:
    """Put the canaries into the world's wallet and tell their issuers; `profiles` {card: profile of the acquirer's book}."""
    fleet.people["cards"] = [{"key": key, **card} for key, card in CARDS.items()]
    wishes = {
        pan: {"pin": PIN, "profile": (profiles or {}).get(key, "approve")}
        for key, pan in zip([*CARDS, *TAPS], pans(fleet), strict=True)
    }
    fleet.acquirer_profiles.write_text(json.dumps(wishes))


def needles(fleet: Fleet) -> list[tuple[str, bytes]]:
    """What must not be found: numbers, track 2 and PIN, as text and as the card's bytes."""
    found: list[tuple[str, bytes]] = [("PIN, text", PIN.encode()), ("PIN, block", bytes.fromhex(f"2C{PIN}FF"))]
    found.append(("PIN, BCD", bytes.fromhex(PIN)))
    for pan in pans(fleet):
        found += [("number, text", pan.encode()), ("number, BCD", bytes.fromhex(pan))]
        found.append(("track 2", f"{pan}D{EXPIRY[:4]}".encode()))
    return found


def hits(data: bytes, what: list[tuple[str, bytes]]) -> list[str]:
    """Names of the needles in `data`, also where it is hex text in either case."""
    lower = data.lower()
    return [name for name, needle in what if needle in data or needle.hex().encode() in lower]


def files(folder: Path, leave_out: tuple[str, ...]) -> Iterator[Path]:
    """Every file below a folder but those of cards and acquirer, who know their own secrets."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.relative_to(folder).as_posix().startswith(leave_out):
            yield path


def memory(pid: int) -> Iterator[tuple[str, bytes]]:
    """(where, content) of a process's writable memory."""
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", 0) as mem:
        for line in maps:
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found is None or "[vvar" in line:
                continue
            start, end = int(found[1], 16), int(found[2], 16)
            mem.seek(start)
            yield line.strip(), mem.read(end - start)


class Shift(Patrol):
    """Payments in any order; each is one case from the licence to its hand-back."""

    at_outcome: Callable[[], None] = staticmethod(
        lambda: None
    )  # called when an outcome is on the screen and the card is out

    async def begin(self, network: bool) -> None:
        """Boot and log in."""
        self.world.gateway.switch(network)
        await self.world.power_on()
        await self._log_in()

    async def case(self, card: str, outcome: int) -> dict[int, Any]:
        """One case paid with `card`; the outcome's record."""
        await self.actor.see("home")
        await self._notice("amina", scan=True)
        await self._pay(card, outcome)
        self.at_outcome()
        record = [entry for entry in self._records() if entry[r.KIND] == r.PAYMENT_OUTCOME][-1]
        await self._finish(outcome)
        return record

    async def tap(self, card: str, outcome: int, pin: str = "") -> dict[int, Any]:
        """The same with a canary on the antenna."""
        await self.actor.see("home")
        await self._notice("amina", scan=True)
        await self.actor.press("pay_choice", "1")
        await self.actor.see("card_present", tap=True)
        await self.world.field.insert(build({"pin": PIN, **TAPS[card]}, self.world.fleet.pki))
        if pin:
            await self.actor.press("card_pin", pin, "ok")
        event = await self.actor.see("outcome")
        await self.world.field.remove()
        self.at_outcome()
        record = [entry for entry in self._records() if entry[r.KIND] == r.PAYMENT_OUTCOME][-1]
        assert event["outcome"] == record[r.OUTCOME] == outcome, (card, event, record.get(r.REASON))
        await self.actor.type("ok")
        await self._finish(outcome)
        return record

    async def not_voided(self, card: str) -> None:
        """The last payment is to be taken back, with another card than the one that paid."""
        second = self.world.fleet.people["second"]
        await self.actor.press("home", "5")
        await self.actor.press("void_confirm", "ok")
        await self.actor.press("login_number", str(second["number"]), "ok", second=True)
        await self.actor.press("login_pin", second["pin"], "ok", second=True)
        await self.actor.tap("card_present", self.world.payment_slot, self.built[card])
        event = await self.actor.see("error")
        self.at_outcome()
        await self.actor.type("ok")
        await self.world.payment_slot.remove()
        assert event["code"] == "RSK-012", event

    async def _finish(self, outcome: int) -> None:
        name = str(len(self.receipts))
        await self._paper(name, outcome)
        if outcome == r.OUTCOME_DECLINED:
            await self.actor.press("pay_choice", "2")
        if outcome != r.OUTCOME_APPROVED:
            await self._paper(name + "-document", outcome if outcome == r.OUTCOME_PROVISIONAL else 0)
        await self._hand(r.DISPOSITION_RETURNED if outcome == r.OUTCOME_APPROVED else r.DISPOSITION_RETAINED)

    async def synchronise(self) -> dict[str, Any]:
        """The officer's wish."""
        await self.actor.press("home", "2")
        event = await self.actor.press("sync_done", "ok")
        for _ in event.get("results") or ():
            await self.actor.press("licence_hand", "ok")
        return event

    def failed(self) -> list[dict[str, Any]]:
        """Checks that did not hold."""
        return [check for check in self.checks if not check["ok"]]


__all__ = ["CARDS", "TAPS", "Shift", "Unexpected", "files", "hits", "memory", "needles", "plant"]
