"""`tasdid emv pay --contactless` and `replay` as a person runs them: the real command, real PC/SC, simulated cards of both kernel families."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from sim.cards.emv.contactless import build, profile
from sim.cards.emv.personalise import number
from sim.links import pcscd
from sim.links.vpcd import VpcdSlot
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support import needs
from tools.house.paths import ROOT

pytestmark = pytest.mark.timeout(120)
FAR = {"low": 10, "high": 20, "estimate": 24, "takes": 3000}
"""A card whose answer to the relay resistance question comes a third of a second late, as over somebody's telephone."""


class Bench:
    """A virtual PC/SC reader on a thread of its own, and the command beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pki: Pki = make_pki(folder / "pki")
        body = emv_body(self.pki)
        for entry in body[
            "contactless"
        ]:  # a loaded machine's own delays decide nothing here: byte 5 only for the relay's test
            entry["tac_online"], entry["tac_default"] = (
                entry["tac_online"][:4] + b"\0",
                entry["tac_default"][:4] + b"\0",
            )
        (folder / "strict.json").write_text(json.dumps(_hex(body)))
        for entry in body["contactless"]:
            entry["tac_denial"] = entry["tac_denial"][:4] + b"\0"
        (folder / "emv.json").write_text(json.dumps(_hex(body)))
        pcscd.ensure()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.slot = VpcdSlot()
        self.do(self.slot.start())

    def do(self, work: "Coroutine[Any, Any, Any]") -> None:
        """Something with the slot, on its thread."""
        self.start(work).result(20)

    def start(self, work: "Coroutine[Any, Any, Any]") -> "Future[Any]":
        """The same, while the command runs."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def pan(self, name: str) -> str:
        """The number of a card."""
        one = profile(name)
        return number(self.pki.schemes.issuers[one["scheme"]].bin, one["number"])

    def close(self) -> None:
        """Card out, thread ended."""
        self.do(self.slot.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def pay(self, name: str, *words: str, amount: str = "900", params: str = "emv.json", **changes: Any) -> "Paid":
        """One payment with a fresh card, and its replay."""
        self.do(self.slot.insert(build({**profile(name), **changes}, self.pki)))
        try:
            return self.paid(["--amount", amount, "--params", str(self.folder / params), *words])
        finally:
            self.do(self.slot.remove())

    def paid(self, options: list[str]) -> "Paid":
        """The command with the card that lies there."""
        trace = self.folder / "trace.json"
        trace.unlink(missing_ok=True)
        reader = ["--contactless", "--reader", "pcsc:0", "--world", str(self.folder), "--json", "--trace", str(trace)]
        done = tasdid("pay", *reader, *options)
        assert done.stdout, done.stderr
        return Paid(done, trace, self.folder)


class Paid:
    """What the command said; `replayed()` is what the recording gives."""

    def __init__(self, done: "subprocess.CompletedProcess[str]", trace: Path, folder: Path) -> None:
        self.code, self.said, self.errors = done.returncode, json.loads(done.stdout), done.stderr
        self.trace = json.loads(trace.read_text())
        self._file, self._folder = trace, folder

    @property
    def end(self) -> tuple[int, int, str, str]:
        """Exit code, kernel, outcome and reason."""
        return self.code, self.said["kernel"], self.said["outcome"], self.said["reason"]

    def replayed(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        """Exit code and words of `replay`, of a recording changed so (None takes something out)."""
        kept = {key: value for key, value in {**self.trace, **changes}.items() if value is not None}
        self._file.write_text(json.dumps(kept))
        done = tasdid("replay", str(self._file), "--params", str(self._folder / "emv.json"), "--json")
        return done.returncode, json.loads(done.stdout)


def tasdid(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.cli", "emv", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def _hex(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hex(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_hex(entry) for entry in value]
    return value.hex() if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    needs.pcsc()
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.close()


@pytest.mark.parametrize(("name", "kernel", "oda"), [("tap-approve", 3, "fdda"), ("cda-approve", 2, "cda")])
def test_a_tap_is_approved_offline_and_its_recording_replays_without_a_difference(
    bench: Bench, name: str, kernel: int, oda: str
) -> None:
    paid = bench.pay(name)
    assert paid.end == (0, kernel, "approved", "Y1"), paid.errors
    assert (paid.said["interface"], paid.said["oda"], paid.said["cda_ok"]) == ("contactless", oda, True)
    assert paid.said["decisive"] == "Outcome: approved offline by the card"
    code, again = paid.replayed()
    assert (code, again["differences"], again["tvr"], again["reason"]) == (0, [], paid.said["tvr"], "Y1")
    code, again = paid.replayed(random=None, elapsed=None)  # as another tool would have recorded it
    assert (code, again["differences"]) == (0, [])
    code, again = paid.replayed(terminal={**paid.trace["terminal"], "9F02": "000000090001"})
    assert code == 1 and any("data differ at byte" in line for line in again["differences"])
    assert bench.pan(name) not in json.dumps([paid.said, paid.trace["explain"]])


@pytest.mark.parametrize(("name", "kernel"), [("tap-online", 3), ("cda-online", 2)])
def test_with_an_issuer_approved_and_without_one_provisional(bench: Bench, name: str, kernel: int) -> None:
    paid = bench.pay(name, "--online")
    assert paid.end == (0, kernel, "approved", "00"), paid.errors
    assert paid.said["decisive"] == "Outcome: approved by the bank" and "Warning" not in paid.errors
    assert paid.replayed()[1]["differences"] == []
    paid = bench.pay(name, "--offline")
    assert paid.end == (0, kernel, "provisional", "DEFERRED"), paid.errors
    assert paid.replayed()[1]["differences"] == []


def test_cards_that_are_not_paid_with(bench: Bench) -> None:
    for name, end in (
        ("tap-switch", (1, 3, "declined", "EMV-140")),
        ("tap-copied", (1, 3, "declined", "EMV-121")),
        ("cda-copied", (1, 2, "declined", "EMV-121")),
    ):
        paid = bench.pay(name)
        assert paid.end == end, (name, paid.errors)
    assert paid.replayed()[1]["differences"] == []
    paid = bench.pay("tap-approve", amount="12000")
    assert (paid.code, paid.said["reason"], paid.said["commands"]) == (1, "EMV-143", 0)


def test_a_relayed_card_is_refused_by_its_time(bench: Bench) -> None:
    paid = bench.pay("cda-approve", params="strict.json", relay=FAR)
    assert (paid.code, paid.said["outcome"]) == (1, "declined"), paid.said
    assert min(paid.trace["elapsed"]) >= FAR["takes"] and len(paid.trace["elapsed"]) == 3
    assert int(paid.said["tvr"], 16) & 0x08
    assert bench.pay("cda-approve", relay=None).end == (0, 2, "approved", "Y1")


@pytest.mark.parametrize("name", ["tap-approve", "cda-approve"])
def test_a_card_torn_away_is_asked_for_again_and_the_recording_has_both_taps(bench: Bench, name: str) -> None:
    bench.slot.tear_at = 3 if name == "tap-approve" else 5

    async def back() -> None:
        while bench.slot.card is not None:
            await asyncio.sleep(0.02)
        await bench.slot.insert(card)

    card = build(profile(name), bench.pki)
    bench.do(bench.slot.insert(card))
    hand = bench.start(back())
    try:
        paid = bench.paid(["--amount", "900", "--params", str(bench.folder / "emv.json")])
        hand.result(20)
    finally:
        bench.do(bench.slot.remove())
    assert paid.end[2:] == ("approved", "Y1"), paid.errors
    assert "present the card again" in paid.errors
    assert [step["response"] for step in paid.trace["steps"]].count("") == 1
    assert paid.replayed()[1]["differences"] == []


def test_a_phone_is_unlocked_and_presented_again(bench: Bench) -> None:
    phone = build(profile("tap-phone"), bench.pki)
    bench.do(bench.slot.insert(phone))

    async def hand() -> None:
        while bench.slot.count < 3:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        await bench.slot.remove()
        await bench.slot.insert(phone)

    moved = bench.start(hand())
    try:
        paid = bench.paid(["--amount", "6500", "--online", "--params", str(bench.folder / "emv.json")])
        moved.result(20)
    finally:
        bench.do(bench.slot.remove())
    assert paid.end == (0, 3, "approved", "00"), paid.said
    assert "unlock the device" in paid.errors
    assert paid.replayed()[1]["differences"] == []
