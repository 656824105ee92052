"""`tasdid emv` with simulated cards over a link: pay, replay, explain; what is written never holds what identifies card or holder."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol.emv.kernel import transact
from protocol.errors import ConfigError
from sim.cards.emv import build, profile
from sim.links.slot_server import LinkSlot
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support import emv_machine
from tests.support.emv_machine import purchase
from tests.tools import command
from tools.emv import explain, record, replay
from tools.emv.pay import TestIssuer
from tools.house.paths import ROOT

PAN_CIB, PIN = "9999990100000013", "1234"


def _hex(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hex(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_hex(entry) for entry in value]
    return value.hex() if isinstance(value, bytes) else value


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the issuers' keys and the parameters as JSON."""
    folder = tmp_path_factory.mktemp("world")
    pki = make_pki(folder / "pki")
    (folder / "emv.json").write_text(json.dumps(_hex(emv_body(pki))))
    return folder


@contextlib.contextmanager
def reader(card: Any, tear_at: int | None = None) -> Iterator[str]:
    """A reader on a link with a card in it, which leaves in its `tear_at`-th command."""
    ready, loop, slot = threading.Event(), asyncio.new_event_loop(), LinkSlot()
    slot.tear_at = tear_at

    async def serve() -> None:
        await slot.start()
        await slot.insert(card)
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"link:127.0.0.1:{slot.port}"
    finally:
        asyncio.run_coroutine_threadsafe(slot.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def tasdid(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return command.tasdid("emv", *words, stdin=stdin)


def pay(
    world: Path, name: str, *words: str, stdin: str = PIN + "\n", trace: Path | None = None
) -> tuple[int, dict[str, Any]]:
    with reader(build(profile(name), make_pki(world / "pki"))) as link:
        options = ["--params", str(world / "emv.json"), "--world", str(world), "--pin-stdin", "--json", *words]
        options += ["--trace", str(trace)] if trace else []
        done = tasdid("pay", "--reader", link, "--amount", "5000", *options, stdin=stdin)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_a_card_approves_offline_and_its_recording_replays_without_a_difference(world: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    code, found = pay(world, "cib-approve", trace=trace)
    assert (code, found["outcome"], found["reason"], found["tvr"]) == (0, "approved", "Y1", "0000000000")
    assert found["last4"] == PAN_CIB[-4:]
    written = trace.read_text()
    assert PIN not in "".join(step["command"] for step in json.loads(written)["steps"] if step["command"][2:4] == "20")
    done = tasdid("replay", str(trace), "--params", str(world / "emv.json"), "--json")
    again = json.loads(done.stdout)
    assert (done.returncode, again["differences"]) == (0, []), done.stderr
    assert (again["tvr"], again["tsi"], again["reason"]) == (found["tvr"], found["tsi"], "Y1")
    assert PAN_CIB not in done.stdout and PAN_CIB not in json.dumps(found)


def test_online_the_issuers_answer_reaches_the_card(world: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    code, found = pay(world, "edahabia-online", "--online", stdin="5432\n", trace=trace)
    assert (code, found["outcome"], found["reason"]) == (0, "approved", "00")
    done = tasdid("replay", str(trace), "--params", str(world / "emv.json"), "--json")
    assert (done.returncode, json.loads(done.stdout)["differences"]) == (0, [])
    code, found = pay(world, "edahabia-online", "--offline", stdin="5432\n")
    assert (code, found["outcome"], found["reason"]) == (0, "provisional", "DEFERRED")
    code, found = pay(world, "cib-decline", stdin="3456\n")
    assert (code, found["outcome"]) == (1, "declined")


@pytest.mark.parametrize("typed", [b"\xff\xfe\n", "١٢٣٤\n".encode()])
@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_a_pin_that_is_no_text_is_a_coded_error(world: Path, typed: bytes, locale: str) -> None:
    with reader(build(profile("cib-approve"), make_pki(world / "pki"))) as link:
        words = ("--reader", link, "--amount", "5000", "--params", str(world / "emv.json"), "--pin-stdin")
        done = subprocess.run(
            [sys.executable, "-m", "tools.cli", "emv", "pay", *words], input=typed, capture_output=True, timeout=60, cwd=ROOT,
            env={**os.environ, "LC_ALL": locale}, check=False,
        )  # fmt: skip
    said = done.stderr.decode()
    assert done.returncode == 2 and "CFG-095" in said and "PIN" in said and "Traceback" not in said


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"ac": "zz", "smi": ""}', '{"ac": "00", "smi": "00"}', "[" * 100_000, "\udcff"]
)
def test_a_worlds_damaged_issuer_keys_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "issuer-cib.master.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as refused:
        TestIssuer(tmp_path)
    assert refused.value.code == "CFG-097" and "issuer-cib.master.json" in refused.value.message


def test_a_card_that_wants_a_signature_says_so(world: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    card = build({**profile("cib-approve"), "cvm": "1E00"}, make_pki(world / "pki"))
    words = ("--amount", "900", "--params", str(world / "emv.json"), "--trace", str(trace), "--lang", "fr")
    with reader(card) as link:
        done = tasdid("pay", "--reader", link, *words, "--json")
        told = tasdid("pay", "--reader", link, *words)
    found = json.loads(done.stdout)
    assert (done.returncode, found["outcome"], found["signature"], found["holder"]) == (
        0,
        "approved",
        True,
        "signature",
    )
    assert "signature: True" in told.stdout and "to_do: le titulaire doit signer" in told.stdout
    again = json.loads(tasdid("replay", str(trace), "--params", str(world / "emv.json"), "--json").stdout)
    assert (again["differences"], again["signature"], "has to sign" in again["to_do"]) == ([], True, True)
    code, found = pay(world, "cib-approve")
    assert (code, found["signature"], found["holder"], "to_do" in found) == (0, False, "pin", False)


def test_differences_are_named(world: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    pay(world, "cib-approve", trace=trace)
    data = json.loads(trace.read_text())
    data["terminal"]["9F02"] = "000000990000"
    data["tvr"] = "0000000000"
    other = tmp_path / "other.json"
    other.write_text(json.dumps(data))
    done = tasdid("replay", str(other), "--params", str(world / "emv.json"), "--json")
    differences = json.loads(done.stdout)["differences"]
    assert done.returncode == 1
    assert any("GENERATE AC" in line for line in differences) and any("TVR 0000008000" in line for line in differences)
    data["steps"] = data["steps"][:3]
    other.write_text(json.dumps(data))
    done = tasdid("replay", str(other), "--params", str(world / "emv.json"), "--json")
    assert done.returncode == 1
    assert "the recording has no answer" in json.loads(done.stdout)["differences"][-1]


def test_explain_prints_three_languages(world: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace.json"
    pay(world, "edahabia-online", stdin="5432\n", trace=trace)
    said = {lang: tasdid("explain", str(trace), "--lang", lang).stdout for lang in explain.LANGUAGES}
    assert "amount reaches the floor limit" in said["en"] and "9F1B Terminal Floor Limit" in said["en"]
    assert "montant au plafond" in said["fr"] and "المبلغ" in said["ar"]
    assert len({text.count("\n") for text in said.values()}) == 1
    events = tmp_path / "events.jsonl"
    events.write_text('{"event": "screen"}\n' + json.dumps({"event": "emv", **json.loads(trace.read_text())}) + "\n")
    assert tasdid("explain", str(events), "--lang", "en").stdout == said["en"]
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    for indent in (None, 1):  # as GET /api/events answers, and as a person's tool lays it out
        events.write_text(json.dumps(lines, indent=indent))
        assert tasdid("explain", str(events), "--lang", "en").stdout == said["en"]
    for nothing in ('{"event": "screen"}\n', '[{"event": "screen"}]', "[]", "[[]]", "5", ""):
        events.write_text(nothing)
        assert tasdid("explain", str(events)).returncode == 2


def test_a_card_of_no_test_scheme_leaves_no_raw_exchange() -> None:
    steps = [(bytes.fromhex("00B2010C00"), bytes.fromhex("7003" + "5A0199" + "9000"))]
    assert record.steps_json(steps, bytes.fromhex("A0000000031010")) == [
        {"header": "00B2010C", "bytes": 5, "sw": "9000"}
    ]
    assert record.steps_json(steps, bytes.fromhex("F00000544401"))[0]["response"] == "70035A01999000"


def test_verify_is_masked_before_it_is_kept() -> None:
    class Card:
        async def transceive(self, command: bytes) -> bytes:
            assert bytes(command).hex() == "0020008008241234ffffffffff"
            return b"\x90\x00"

    recorder = record.Recorder(Card())
    asyncio.run(recorder.transceive(bytes.fromhex("0020008008241234FFFFFFFFFF")))
    assert recorder.steps == [(bytes.fromhex("00200080080000000000000000"), b"\x90\x00")]


def _explained(pki: Pki, name: str, pin: bytes | None, amount: int, online: Any) -> Any:
    from protocol.crypto.native import NativeCrypto
    from protocol.emv.params import EmvParams

    card = build(profile(name), pki)
    txn = purchase(amount)
    machine = transact(txn, EmvParams(emv_body(pki)), NativeCrypto(), bytes(4))
    answers = {"pin": pin, "choose": 0, "online": online, "random": bytes(4)}
    return emv_machine.run(machine, card.respond, lambda request: answers.get(request[0]))


@pytest.mark.parametrize(
    "online",
    [
        None,
        {"sent": True},
        {"arc": "00", "issuer_auth": bytes(8)},
        {"arc": "05", "scripts": bytes.fromhex("71038601FF")},
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "cib-approve",
        "cib-online",
        "cib-expired",
        "cib-sda",
        "cib-dda",
        "cib-copied",
        "cib-forged",
        "cib-pin-blocked",
        "cib-without-oda",
        "edahabia-online",
        "cib-limits",
    ],
)
def test_every_bit_is_traced_and_every_reason_has_words(world: Path, name: str, online: Any) -> None:
    pki = make_pki(world / "pki")
    for pin in (None, b"0000"):
        result = _explained(pki, name, pin, 700_000, online)
        assert explain.untraced(result.explain, result.tvr, result.tsi) == [], result.explain
        for what, why in result.explain:
            for lang in explain.LANGUAGES:
                assert "?" not in explain.line(what, why, lang)
        for what, _ in result.explain:
            if what[:4] in ("TAC-", "IAC-"):
                assert f"TVR {what.split(' ')[1]}" in [w for w, _ in result.explain]


def test_the_catalogue_is_complete_in_three_languages() -> None:
    for section in explain.texts().values():
        for key, entry in section.items():
            assert set(entry) == set(explain.LANGUAGES), key
            assert all(entry.values()), key


def test_what_is_shown_of_card_data_identifies_nobody() -> None:
    steps = [(b"", bytes.fromhex("7014" + "5A089999990100000013" + "5F2403311231" + "9F070100" + "9000"))]
    shown = replay.data_read(steps)
    assert ("5A", "PAN", "8 bytes") in shown and ("5F24", "Application Expiration Date", "311231") in shown
