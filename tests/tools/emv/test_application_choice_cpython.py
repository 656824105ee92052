"""Of several applications on a card the person may name one to `tasdid emv pay`, by place or by AID; without that the card's priority decides."""

import json
from pathlib import Path

import pytest

from sim.cards.emv import build, profile
from sim.pki import make_pki
from tests.tools.emv.test_emv_cpython import reader
from tests.tools.emv.test_interrupted_cpython import Bench, bench, world

__all__ = ["bench", "world"]
CARD = {**profile("cib-pse"), "also": [{"scheme": "edahabia", "number": 21, "priority": 2}]}


def paid(bench: Bench, *words: str) -> tuple[int, str, str]:
    bench.pin = "1234"
    with reader(build(CARD, make_pki(bench.world / "pki"))) as link:
        options = ["--amount", "5000", "--params", str(bench.world / "emv.json"), "--pin-stdin", "--json"]
        return bench.run("pay", "--reader", link, *options, "--trace", str(bench.trace), *words)


def test_place_aid_and_priority_choose_the_application(bench: Bench) -> None:
    by_priority = json.loads(paid(bench)[1])
    second = paid(bench, "--application", "2")
    chosen = json.loads(second[1])
    assert chosen["aid"] != by_priority["aid"] and "1 " in second[2] and "taken: " + chosen["label"] in second[2]
    again = bench.run("replay", str(bench.trace), "--params", str(bench.world / "emv.json"), "--json")
    assert (again[0], json.loads(again[1])["aid"]) == (0, chosen["aid"])
    assert json.loads(paid(bench, "--application", "1")[1])["aid"] == by_priority["aid"]
    for found in (by_priority, chosen):
        assert json.loads(paid(bench, "--application", found["aid"])[1])["aid"] == found["aid"]


@pytest.mark.parametrize("wrong", ["3", "0", "x", "A0000000031010", "F0000054", "²"])
def test_an_application_that_is_not_there_is_told(bench: Bench, wrong: str) -> None:
    bench.trace = Path(str(bench.trace) + ".none")
    code, out, err = paid(bench, "--application", wrong)
    assert (code, out) == (2, "") and "CFG-095" in err and not bench.trace.exists()


@pytest.mark.parametrize("tear", [0, 5])
def test_an_application_named_by_hand_is_told_as_the_list_has_it(bench: Bench, tear: int) -> None:
    number = "9999990100000013"
    card = build({**CARD, "also": [{**profile("cib-approve"), "numbered": True}]}, make_pki(bench.world / "pki"))
    name = card.applications[1].aid.hex().upper()
    assert name.endswith(number)
    bench.pin = "1234"
    options = ["--amount", "5000", "--params", str(bench.world / "emv.json"), "--pin-stdin", "--json"]
    with reader(card, tear) as link:
        code, out, err = bench.run(
            "pay", "--reader", link, *options, "--trace", str(bench.trace), "--application", name
        )
    written = json.loads(bench.trace.read_text())
    assert (code, json.loads(out)["aid"], written["aid"]) == (2 if tear else 0, "F00000544401", "F00000544401")
    assert number not in out + err + json.dumps({**written, "steps": []}) and number in json.dumps(written["steps"])
