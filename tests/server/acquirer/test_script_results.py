"""What became of the issuer's scripts goes back to the acquirer: with the clearing, or with the reversal (EMV 4.4 Book 4, annex A5).

A simulated card, the kernel, the server and the simulated host: the scripts' MAC is computed by pyemv and checked by the card.
"""

import asyncio
from pathlib import Path
from typing import Any

import iso8583
import pytest

from protocol import records as r
from protocol import sync as s
from protocol.crypto.native import NativeCrypto
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams
from server.acquirer import iso
from server.acquirer.worker import Worker
from server.store import tables as t
from sim.acquirer import emv, keys
from sim.acquirer.book import Book
from sim.acquirer.host import Host
from sim.cards.emv import build, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.support import emv_machine
from tests.support.emv_machine import purchase

A = 700_000
DONE, FIRST_FAILED = bytes.fromhex("2000000001"), bytes.fromhex("1100000001")
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


class Counter:
    """A terminal's kernel with one simulated card, a server and a host."""

    def __init__(self, folder: Path, pki: Pki, script: str = "pin-unblock", wrong_key: bool = False) -> None:
        self.handheld = Handheld()
        self.centre = Centre(folder, self.handheld)
        self.centre.hello(self.handheld)
        keys.make(folder / "host")
        held = keys.load(folder / "host", pki.folder / "schemes")
        if wrong_key:
            held = keys.HostKeys(held.bdk, held.issuers, {bin_: bytes(range(16)) for bin_ in held.script_keys})
        self.bdk = held.bdk
        self.card, self.parameters = build(profile("cib-online"), pki), EmvParams(emv_body(pki))
        self.pan = self.card.applications[0].pan
        self.host = Host(Book(held, scripts={self.pan: script}))
        self.centre.service.ask = self._ask
        self.facts: dict[str, Any] = {}
        self.code = ""  # of the issuer's approval
        self.clearing = b""  # the last message of the outbox

    def _ask(self, request: iso.Request, now: int) -> iso.Answer:
        message = iso.encode(request, now)
        self.clearing = message if request.step != t.STEP_AUTHORISE else self.clearing
        answer = self.host.take(message)
        assert answer is not None
        return iso.decode(answer)

    def pay(self) -> Any:
        """One payment with the card, its issuer asked; the kernel's result, written as an outcome record."""
        handheld = self.handheld
        self.intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
        txn = purchase(A)
        self.card.power_off()
        machine = transact(txn, self.parameters, NativeCrypto(), bytes.fromhex("A1B2C3D4"))
        return emv_machine.run(machine, self.card.respond, self._answer)

    def _answer(self, request: tuple[Any, ...]) -> Any:
        if request[0] == "identified":
            self.facts = request[1]
            return None
        if request[0] == "online":
            return self._authorise(bytes(request[1]))
        return {"pin": b"2345", "choose": 0, "random": bytes(4)}.get(request[0])

    def _authorise(self, de55: bytes) -> dict[str, Any]:
        handheld = self.handheld
        blob = handheld.seal(
            self.bdk, self.intent, A, {1: self.facts["pan"].decode(), 2: self.facts["psn"], 3: "3112", 4: de55}
        )
        question = {s.NONCE: handheld.nonce, s.EPOCH: 1, s.INTENT: self.intent, s.AMOUNT: A, s.UTC: handheld.utc}
        kind, said = self.centre.say(handheld.message(s.TYPE_AUTHORISE, {**question, s.CARD_DATA: blob}))
        assert kind == s.TYPE_AUTHORISED and said[s.RESPONSE] == "00"
        self.code = said[s.AUTH_CODE]
        return {"arc": said[s.RESPONSE], "data": said[s.ISSUER_DATA], "auth_code": said[s.AUTH_CODE]}

    def settle(self, outcome: int, results: bytes) -> dict[int, Any]:
        """The outcome arrives with its script results, the outbox is worked off; what the acquirer was sent, and the ACK."""
        extra: dict[str, Any] = {"script_results": results} if results else {}
        if outcome == r.OUTCOME_APPROVED:
            extra["auth_code"] = self.code
        online = r.ONLINE_ANSWERED if outcome == r.OUTCOME_APPROVED else r.ONLINE_DOUBTFUL
        self.handheld.write(
            r.PAYMENT_OUTCOME, intent=self.intent, outcome=outcome, amount=A, scheme="CIB TEST", last4="0017",
            online=online, **extra,
        )  # fmt: skip
        ack = self.centre.send(self.handheld)
        counter = self

        class Line:
            async def exchange(self, request: iso.Request, now: int) -> iso.Answer:
                return counter._ask(request, now)

        async def write(operation: Any, _device: str = "") -> Any:
            with self.centre.engine.begin() as connection:
                return operation(connection)

        worker = Worker(write, Line(), lambda: self.centre.now + 10)  # type: ignore[arg-type]
        asyncio.run(worker.step())
        return ack

    def fields(self) -> dict[str, str]:
        """The last message out of the outbox."""
        return iso8583.decode(self.clearing, iso.SPEC)[0]

    def entry(self) -> Any:
        """The payment in the host's book."""
        return self.host.book.entries[iso.reference((self.handheld.name, 1, self.intent))]


@pytest.mark.parametrize(("wrong_key", "results"), [(False, DONE), (True, FIRST_FAILED)])
def test_a_clearing_tells_how_the_script_ended(tmp_path: Path, pki: Pki, wrong_key: bool, results: bytes) -> None:
    counter = Counter(tmp_path, pki, wrong_key=wrong_key)
    result = counter.pay()
    assert (result.outcome, result.script_results) == (r.OUTCOME_APPROVED, results)
    assert bool(result.tvr[4] & 0x10) == wrong_key  # byte 5: after the final GENERATE AC
    assert emv.parse(result.de55)[0x95][4] == 0  # the issuer's check of the ARQC was over this one
    assert s.REJECTED not in counter.settle(result.outcome, result.script_results)
    assert counter.fields()["t"] == "0220" and counter.fields()["55"] == "9F5B05" + results.hex().upper()
    assert counter.entry().script_results == results and len(counter.host.book.captures()) == 1


def test_a_reversal_tells_it_too(tmp_path: Path, pki: Pki) -> None:
    counter = Counter(tmp_path, pki, wrong_key=True)
    counter.pay()
    counter.settle(r.OUTCOME_DECLINED, FIRST_FAILED)
    assert counter.fields()["t"] == "0400" and counter.fields()["55"] == "9F5B05" + FIRST_FAILED.hex().upper()
    assert counter.entry().reversed and counter.entry().script_results == FIRST_FAILED


def test_without_scripts_there_is_no_such_field(tmp_path: Path, pki: Pki) -> None:
    counter = Counter(tmp_path, pki, script="")
    assert counter.pay().script_results == b""
    counter.settle(r.OUTCOME_APPROVED, b"")
    assert counter.fields()["t"] == "0220" and "55" not in counter.fields()


def test_the_longest_results_fit_into_the_field_and_other_lengths_are_no_results(tmp_path: Path, pki: Pki) -> None:
    counter = Counter(tmp_path, pki)
    counter.pay()
    counter.settle(r.OUTCOME_APPROVED, DONE * 50)
    assert counter.entry().script_results == DONE * 50
    for wrong in (DONE * 51, DONE[:4], DONE + b"\x20"):
        handheld = counter.handheld
        intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
        seq = handheld.write(
            r.PAYMENT_OUTCOME, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A, script_results=wrong
        )
        assert [pair[0] for pair in counter.centre.send(handheld, seq - 2)[s.REJECTED]] == [seq]
