"""What a recording says of the end, as data objects beside the terminal's or as `pay --json` prints it, is compared with what the replay holds."""

import json
from pathlib import Path
from typing import Any

import pytest

from protocol.emv.kernel import Result
from sim.cards.emv import build, contactless, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.tools.emv.test_emv_cpython import _hex
from tests.tools.emv.test_replay_every_card_cpython import paid
from tools import cli
from tools.emv import record, report
from tools.emv.replay import Replay

Paid = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]
CARDS = ("cib-approve", "edahabia-online", "tap-approve", "cda-approve")
NUMBER = "4000001234562000"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("world") / "pki")


def payment(pki: Pki, name: str) -> Paid:
    """(the trace, what `pay --json` printed and the response code, the body of the set)."""
    tap = not name.startswith(("cib", "edahabia"))
    made = contactless.build(contactless.profile(name), pki) if tap else build(profile(name), pki)
    pin = "" if tap else profile(name).get("pin", "1234")
    result, trace, body = paid(pki, made, (pin,), "online" in name, tap)
    steps = [(bytes.fromhex(s["command"]), bytes.fromhex(s["response"])) for s in trace["steps"]]
    return trace, {"arc": trace["arc"], **json.loads(json.dumps(report.of(result, steps, "en")))}, body


@pytest.fixture(scope="module")
def payments(pki: Pki) -> dict[str, Paid]:
    return {name: payment(pki, name) for name in (*CARDS, "tap-online")}


def replay(tmp_path: Path, body: dict[str, Any], recording: dict[str, Any]) -> Replay:
    file = tmp_path / "recording.json"
    file.write_text(json.dumps(recording))
    played = Replay(record.load(file), body)
    assert isinstance(played.run(), Result)
    return played


def bare(trace: dict[str, Any], **objects: str) -> dict[str, Any]:
    return {"steps": trace["steps"], "terminal": {**trace["terminal"], **objects}}


OBJECTS = {
    "95": "FFFFFFFFFE", "9B": "0001", "9F34": "010203", "9F27": "3F", "9F06": "F0000054440F", "84": "F0000054440F", "4F": "F0000054440F",
    "9F26": "A1A1A1A1A1A1A1A1", "9F36": "7FFF", "9F10": "0F0F", "8A": "4646", "9F39": "91", "82": "FFFF", "5F24": "010101",
}  # fmt: skip


@pytest.mark.parametrize("tag", OBJECTS)
@pytest.mark.parametrize("name", CARDS)
def test_a_data_object_that_the_replay_holds_otherwise_is_named(
    tmp_path: Path, payments: dict[str, Paid], name: str, tag: str
) -> None:
    trace, _, body = payments[name]
    for recording in (bare(trace), trace):
        with_it = {**recording, "terminal": {**trace["terminal"], tag: OBJECTS[tag]}}
        (said,) = replay(tmp_path, body, with_it).differences
        assert said.startswith(f"terminal {tag} ") and said.endswith((f", recorded {OBJECTS[tag]}", " differs"))


@pytest.mark.parametrize("tag", ["5F20", "9F1F", "9F20", "9F0B"])
def test_no_name_and_no_discretionary_data_are_said(tmp_path: Path, payments: dict[str, Paid], tag: str) -> None:
    trace, _, body = payments["cib-approve"]
    played = replay(tmp_path, body, bare(trace, **{tag: b"AMINA/BEN".hex()}))
    said = " ".join(played.differences + played.assumed)
    assert f"terminal {tag}" in said and "AMINA" not in said and b"AMINA".hex().upper() not in said


@pytest.mark.parametrize("tag", ["9F03", "5A", "57", "5F20"])
def test_what_identifies_somebody_only_differs(tmp_path: Path, payments: dict[str, Paid], tag: str) -> None:
    trace, _, body = payments["cib-approve"]
    value = "000000000099" if tag == "9F03" else NUMBER
    played = replay(tmp_path, body, bare(trace, **{tag: value}))
    assert played.differences == [f"terminal {tag} differs"] and played.assumed == []


@pytest.mark.parametrize("name", CARDS)
def test_what_the_card_gave_may_stand_there(tmp_path: Path, payments: dict[str, Paid], name: str) -> None:
    trace, printed, body = payments[name]
    given = {tag: value for tag, _, value in printed["data"] if "bytes" not in value and tag in OBJECTS and tag != "4F"}
    played = replay(tmp_path, body, {**trace, "terminal": {**trace["terminal"], **given}})
    assert given.keys() >= {"84", "9F36"} and played.differences == [] == played.assumed


@pytest.mark.parametrize("tag", ["9F53", "DF7F", "9F15", "5F57"])
def test_a_data_object_of_which_the_replay_knows_nothing_is_told(
    tmp_path: Path, payments: dict[str, Paid], tag: str
) -> None:
    trace, _, body = payments["cib-approve"]
    played = replay(tmp_path, body, bare(trace, **{tag: "1234"}))
    assert played.differences == []
    assert played.assumed == [f"terminal {tag}: recorded, the replay neither used it nor holds one"]


@pytest.mark.parametrize("tag", ["9F1B", "9F35", "9F40", "9F09", "9F1C", "9F16", "9F33", "9F66"])
@pytest.mark.parametrize("name", ["cib-approve", "cda-approve"])
def test_what_the_terminal_was_is_used_as_it_is_recorded(
    tmp_path: Path, payments: dict[str, Paid], name: str, tag: str
) -> None:
    trace, _, body = payments[name]
    values = {
        "9F1B": "00000001", "9F35": "22", "9F40": "6000F0A001", "9F09": "0001", "9F1C": "41" * 8, "9F16": "41" * 15, "9F33": "E0F8C8",
        "9F66": "36004000",
    }  # fmt: skip
    played = replay(tmp_path, body, bare(trace, **{tag: values[tag]}))
    assert not any(f"terminal {tag}" in said for said in played.differences)
    assert any(f"terminal {tag}" in said for said in played.assumed) == (tag == "9F66" and name == "cib-approve")


def test_an_unpredictable_number_of_a_bare_tap_is_compared(tmp_path: Path, payments: dict[str, Paid]) -> None:
    trace, _, body = payments["cda-approve"]
    said = replay(tmp_path, body, bare(trace, **{"9F37": "00000001"})).differences
    assert said == [f"terminal 9F37 {trace['terminal']['9F37']}, recorded 00000001"]


FACTS: dict[str, Any] = {
    "oda": "xda", "cda_ok": None, "cid": "00", "atc": 65535, "label": "XX", "last4": "9999", "arc": "51", "auth_code": "99",
    "script_results": "1000000000",
}  # fmt: skip


@pytest.mark.parametrize("field", FACTS)
@pytest.mark.parametrize("name", CARDS)
def test_what_a_payment_printed_is_compared(tmp_path: Path, payments: dict[str, Paid], name: str, field: str) -> None:
    trace, printed, body = payments[name]
    true = {one: printed[one] for one in FACTS}
    value = not printed["cda_ok"] if field == "cda_ok" else FACTS[field]
    for recording in (trace, bare(trace)):
        if recording is trace or name == "cib-approve":
            assert replay(tmp_path, body, {**recording, **true}).differences == []
        said = replay(tmp_path, body, {**trace, **true, field: value}).differences
        assert said == [f"{field} {printed[field]}, recorded {value}"]


def test_what_no_command_tells_is_taken_from_what_was_printed(tmp_path: Path, payments: dict[str, Paid]) -> None:
    for name in ("edahabia-online", "tap-online"):
        trace, printed, body = payments[name]
        played = replay(tmp_path, body, {**bare(trace), **{one: printed[one] for one in FACTS}})
        assert printed["auth_code"] == "000000" and printed["arc"] == "00"
        assert played.differences == [] == played.assumed


@pytest.mark.parametrize("name", ["edahabia-online", "tap-online"])
def test_an_authorisation_code_that_was_changed_is_named(tmp_path: Path, payments: dict[str, Paid], name: str) -> None:
    trace, _, body = payments[name]
    changed = {**trace, "online": {**trace["online"], "auth_code": "300000"}}
    assert replay(tmp_path, body, changed).differences == ["auth_code 300000, recorded 000000"]
    older = {field: value for field, value in trace.items() if field not in FACTS}
    assert replay(tmp_path, body, older).differences == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("oda", 5), ("cda_ok", 1), ("cid", "0"), ("cid", 0), ("atc", True), ("atc", -1), ("label", "\ud800"), ("last4", NUMBER), ("arc", "123"),
        ("auth_code", 5), ("script_results", "0"),
    ],
)  # fmt: skip
def test_a_fact_of_another_form_is_refused(
    pki: Pki, tmp_path: Path, payments: dict[str, Paid], capsys: pytest.CaptureFixture[str], field: str, value: Any
) -> None:
    file, params = tmp_path / "recording.json", tmp_path / "emv.json"
    file.write_text(json.dumps({**payments["cib-approve"][0], field: value}))
    params.write_text(json.dumps(_hex(emv_body(pki))))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emv", "replay", str(file), "--params", str(params)])
    words = capsys.readouterr().err
    assert ended.value.code == 2 and "CFG-094" in words and field in words and NUMBER not in words
