"""A card that leaves during `tasdid emv pay`: the payment is told as interrupted at every command, its trace is written, replayed and explained."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from sim.cards.emv import build, profile
from sim.pki import make_pki
from sim.worlds.fleet import emv_body
from tests.tools.emv.test_emv_cpython import PAN_CIB, _hex, reader
from tools import cli
from tools.emv import record


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    (folder / "emv.json").write_text(json.dumps(_hex(emv_body(make_pki(folder / "pki")))))
    return folder


class Bench:
    """The command in this process, on a link."""

    def __init__(self, world: Path, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self.world, self.trace = world, world / "trace.json"
        self._capsys, self._patch = capsys, patch
        self.pin = ""

    def run(self, *words: str) -> tuple[int, str, str]:
        self._patch.setattr("sys.stdin", io.StringIO(self.pin + "\n"))
        with pytest.raises(SystemExit) as ended:
            cli.main(["emv", *words])
        captured = self._capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    def torn(
        self, at: int, *words: str, name: str = "cib-approve", pin: str = "1234"
    ) -> tuple[int, dict[str, Any], str]:
        """Pay with a card that leaves in this command."""
        self.trace.unlink(missing_ok=True)
        self.pin = pin
        options = ["--amount", "5000", "--params", str(self.world / "emv.json"), "--world", str(self.world)]
        options += ["--pin-stdin", "--json", "--trace", str(self.trace), *words]
        with reader(build(profile(name), make_pki(self.world / "pki")), at) as link:
            code, out, err = self.run("pay", "--reader", link, *options)
        return code, json.loads(out), err


@pytest.fixture
def bench(world: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(world, capsys, monkeypatch)


def test_a_card_torn_at_any_command_leaves_an_interrupted_payment_that_is_told(bench: Bench) -> None:
    ends = []
    for at in range(1, 40):
        code, found, err = bench.torn(at)
        ends.append(found["outcome"])
        if found["outcome"] == "approved":
            break
        assert (code, found["outcome"], found["reason"], found["commands"]) == (2, "interrupted", "CRD-003", at)
        assert "CRD-003" in err and found["error"]["code"] == "CRD-003" and PAN_CIB not in json.dumps(found)
        written = json.loads(bench.trace.read_text())
        assert (written["outcome"], written["reason"], len(written["steps"])) == (4, "CRD-003", at)
        said = bench.run("explain", str(bench.trace), "--lang", "en")[1]
        assert "The card was removed too early [" in said and found["detail"] in said
        again = bench.run("replay", str(bench.trace), "--params", str(bench.world / "emv.json"), "--json")
        if found["aid"]:
            assert (again[0], json.loads(again[1])["outcome"], json.loads(again[1])["differences"]) == (
                0,
                "interrupted",
                [],
            ), at
        else:
            assert again[0] == 2 and "CFG-096" in again[2]
    assert len(ends) > 10 and ends.count("approved") == 1


def test_what_was_sent_online_before_the_card_left_is_to_be_reversed(bench: Bench) -> None:
    card = {"name": "edahabia-online", "pin": "5432"}
    whole = bench.torn(99, "--online", **card)[1]
    assert (whole["outcome"], whole["reason"]) == ("approved", "00")
    code, found, _ = bench.torn(whole["commands"], "--online", **card)
    assert (code, found["outcome"], found["reversal"]) == (2, "interrupted", True)
    assert found["detail"].startswith("GENERATE AC")
    code, found, _ = bench.torn(3, "--online", **card)
    assert (code, found["outcome"], found["reversal"]) == (2, "interrupted", False)


def test_an_application_of_no_test_rid_decides_what_may_be_written() -> None:
    select = "00A40400{:02X}{}00"
    real, test = "A0000000031010", "F00000544401"
    steps = [(bytes.fromhex(select.format(len(aid) // 2, aid)), b"\x6f\x00\x90\x00") for aid in (real, test)]
    assert record.selected(steps) == bytes.fromhex(real)
    assert record.selected(steps[1:]) == bytes.fromhex(test)
    assert record.selected([(steps[0][0], b"\x6a\x82")]) == b""
    assert record.selected([(steps[0][0], b"\x61\x20")]) == bytes.fromhex(real)  # T=0: the answer is fetched afterwards


def test_a_shortened_trace_is_named_as_such(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "real.json"
    steps = record.steps_json([(bytes.fromhex("00B2010C00"), b"\x70\x00\x90\x00")], bytes.fromhex("A0000000031010"))
    file.write_text(json.dumps({"steps": steps, "terminal": {}, "explain": [["OUTCOME", "Z1"]]}))
    code, _, err = bench.run("replay", str(file))
    assert code == 2 and "CFG-096" in err and "F000005444" in err
    assert bench.run("explain", str(file))[0] == 0
