"""A payment with any card on any reader, on the bench: the kernel as the terminal runs it, a person or a script at the keys.

Online means a test issuer in this process, with the keys of a simulated world: it knows the simulated cards and refuses all others (05).
Nothing is captured anywhere. The PIN is asked for on the terminal's own line, never taken from an argument, never kept.
"""

import datetime as dt
import secrets
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import Result, transact
from protocol.errors import ConfigError, NoCardError
from terminal.flows.drive import drive
from tools.emv import applications
from tools.emv.record import Recorder

WAIT_MS = 60000
_PUBLIC = 4  # bytes of numbers that a card or anybody may see; what pads a PIN is longer, and kept nowhere
_MASTER = 16  # bytes of an issuer's master key
AskPin = Callable[[int | None, bool], str]
Online = Callable[[bytes, Any, int], dict[str, Any] | None]


def listing(params: ContactlessParams, contactless: bool) -> list[bytes]:
    """The names of a set's applications on this interface."""
    return [entry.aid for entry in (params.combinations if contactless else params.aids)]


class TestIssuer:
    """Issuers of a world's cards. `folder`: the world's `pki/schemes`; absent: no card is known."""

    __test__ = False

    def __init__(self, folder: Path) -> None:
        from sim.acquirer import keys

        self._keys = keys.HostKeys(bytes(16)) if not folder.is_dir() else self._load(folder)

    @staticmethod
    def _load(folder: Path) -> Any:
        import json

        from sim.acquirer import keys

        masters, scripts = {}, {}
        for prefix, name in keys.ISSUER_BINS.items():
            path = folder / f"issuer-{name}.master.json"
            if path.exists():
                try:
                    stored = json.loads(path.read_text())
                    masters[prefix], scripts[prefix] = bytes.fromhex(stored["ac"]), bytes.fromhex(stored["smi"])
                    whole = len(masters[prefix]) == len(scripts[prefix]) == _MASTER
                except (OSError, ValueError, KeyError, TypeError, RecursionError):
                    whole = False
                if not whole:
                    hint = "--world names the folder of a simulated world; `make reset` makes it anew"
                    raise ConfigError(f"{path.name} holds no issuer's keys", "CFG-097", hint)
        return keys.HostKeys(bytes(16), masters, scripts)

    def answer(self, de55: bytes, facts: dict[str, Any], amount: int) -> dict[str, Any]:
        """The kernel's reply for one ARQC."""
        with warnings.catch_warnings(action="ignore"):  # of a library's own future
            return self._judge(de55, facts, amount)

    def _judge(self, de55: bytes, facts: dict[str, Any], amount: int) -> dict[str, Any]:
        from sim.acquirer import emv, issuer

        pan = bytes(facts["pan"]).decode()
        master = self._keys.issuer_key(pan)
        if master is None:
            return {"arc": "05"}
        tags = emv.parse(de55)
        genuine = emv.genuine(master, pan, facts["psn"], tags, amount, emv.TYPE_ARQC)
        data = issuer.answer(master, self._keys.script_keys.get(pan[:8]), pan, facts["psn"], tags, genuine, "")
        return {"arc": "00" if genuine else "82", "data": data, "auth_code": "000000" if genuine else ""}


class Payment:
    """One payment's questions answered. `steps`, `online_reply`, `un`, `numbers` (drawn at random) and `elapsed` are there afterwards."""

    def __init__(
        self,
        amount: int,
        params: ContactlessParams,
        ask_pin: AskPin,
        issuer: TestIssuer | None,
        say: Callable[[str], None],
        contactless: bool = False,
        application: int = 0,
        listed: list[bytes] | None = None,
    ) -> None:
        self._application = application  # 1..: the one to take of those that the card offers; 0: the best by priority
        self.listed = listed or listing(
            params, contactless
        )  # the terminal's applications: what it says of a card's names for them
        self.choices: list[int] = []
        self.contactless = contactless
        self.amount = amount
        self._params = params
        self._ask_pin = ask_pin
        self._issuer = issuer
        self._say = say
        self._facts: dict[str, Any] = {}
        self.un = secrets.token_bytes(4)
        self.txn: dict[str, Any] = {}
        self.numbers = [self.un]
        self.elapsed: list[int] = []
        self.online_reply: dict[str, Any] | None = None
        self.steps: list[tuple[bytes, bytes]] = []
        self.atr = b""

    async def run(self, reader: Any) -> Result:
        """Wait for the card and pay. Raises CardError."""
        self._say("present the card")
        await reader.wait_for_card(WAIT_MS)
        self.atr = await reader.connect()
        now = dt.datetime.now()
        self.txn = {
            "amount": self.amount, "currency": 12, "country": 12, "date": now.strftime("%y%m%d"), "time": now.strftime("%H%M%S"),
            "type": 0, "counter": secrets.randbelow(99_999_999) + 1,
        }  # fmt: skip
        recorder = Recorder(reader)
        self._recorder, self._reader = recorder, reader
        handlers: dict[str, Callable[..., Awaitable[Any]]] = {
            "choose": self._choose, "pin": self._pin, "online_pin": self._online_pin, "random": self._random, "online": self._online,
            "identified": self._identified, "first_gac": self._nothing, "progress": self._nothing, "ui": self._nothing,
            "again": self._again, "timed_apdu": self._timed,
        }  # fmt: skip
        arguments = (self.txn, self._params, NativeCrypto(), self.un)
        machine = entry.transact(*arguments, TornLog()) if self.contactless else transact(*arguments)
        try:
            result = await drive(recorder, machine, handlers)
            self.un = result.un
            result.aid = applications.shown(result.aid, self.listed)
            return result
        finally:
            self.steps = recorder.steps
            self._facts = {}
            await reader.disconnect()

    async def _choose(self, labels: list[str]) -> int:
        """The application that was asked for, once; without that the best by the card's priority (Book 1, 12.4)."""
        wanted = self._application
        listed = ", ".join(f"{at + 1} {label}" for at, label in enumerate(labels))
        if wanted > len(labels):
            raise ConfigError("the card has no such application", "CFG-095", f"--application: {listed}")
        if wanted and self.choices:
            raise ConfigError("the card refuses the application that was chosen", "CFG-095", f"--application: {listed}")
        self.choices.append(max(wanted - 1, 0))
        self._say(f"applications: {listed}; taken: {labels[self.choices[-1]]}")
        return self.choices[-1]

    async def _pin(self, tries: int | None, last: bool) -> bytearray | None:
        digits = self._ask_pin(tries, last)
        return bytearray(digits.encode()) if digits else None

    async def _online_pin(self, _facts: dict[str, Any]) -> None:
        self._say("the card wants an online PIN: bypassed, there is no PIN pad here")

    async def _random(self, count: int) -> bytes:
        drawn = secrets.token_bytes(count)
        if count <= _PUBLIC:
            self.numbers.append(drawn)
        return drawn

    async def _online(self, de55: bytes) -> dict[str, Any] | None:
        self.online_reply = None if self._issuer is None else self._issuer.answer(bytes(de55), self._facts, self.amount)
        return self.online_reply

    async def _identified(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        if self._application > 1 and not self.choices:
            raise ConfigError("the card offers one application", "CFG-095", "leave --application out")
        self._say(f"application {facts['label']}")

    async def _again(self, message: int) -> bool | None:
        """Message 20 (hexadecimal): see the phone; 21: present again."""
        self._say("unlock the device, then present it again" if message == 0x20 else "present the card again")
        await self._reader.disconnect()
        try:
            await self._reader.wait_for_removal(WAIT_MS)
            await self._reader.wait_for_card(WAIT_MS)
            await self._reader.connect()
        except NoCardError:
            return None
        return True

    async def _timed(self, command: bytes) -> tuple[bytes, int]:
        """The response and its time, as near to the antenna as the reader measures."""
        response, elapsed = await self._recorder.transceive_timed(command)
        self.elapsed.append(elapsed)
        return response, elapsed

    async def _nothing(self, *_: Any) -> None:
        return None
