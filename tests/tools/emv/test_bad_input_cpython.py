"""Wrong input to `tasdid emv` is a coded error with exit code 2, found before any card is touched; files that are there stay as they are."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sim.pki import make_pki
from sim.worlds.fleet import emv_body
from tests.tools.emv.test_emv_cpython import _hex, pay
from tools import cli

NOBODY = "link:127.0.0.1:1"  # no reader answers here: exit code 3, if a command gets that far


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    (folder / "emv.json").write_text(json.dumps(_hex(emv_body(make_pki(folder / "pki")))))
    return folder


@pytest.fixture(scope="module")
def recording(world: Path) -> dict[str, Any]:
    trace = world / "good.json"
    assert pay(world, "cib-approve", trace=trace)[0] == 0
    return json.loads(trace.read_text())


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["emv", *words])
    return int(ended.value.code or 0), capsys.readouterr().err


def _pay(world: Path, **options: str) -> list[str]:
    chosen = {"reader": NOBODY, "amount": "5000", "params": str(world / "emv.json"), **options}
    return ["pay", *(word for name, value in chosen.items() for word in (f"--{name}", value))]


@pytest.mark.parametrize(
    "words",
    [
        ("pay", "--amount", "abc", "--params", "/nonexistent/x"),
        ("pay", "--amount", "-5", "--params", "/nonexistent/x"),
        ("explain", "/nonexistent/x", "--lang", "de"),
        ("replay", "/nonexistent/x", "--lang", "de"),
    ],
)
def test_what_was_typed_is_told_before_what_is_not_there(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    ended, told = said(capsys, *words)
    assert ended == 2 and "CFG-095" in told


def test_without_a_mistake_the_reader_is_what_is_missing(world: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, *_pay(world))[0] == 3


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("amount", "²", "CFG-095"),
        ("amount", "0", "CFG-095"),
        ("amount", "abc", "CFG-095"),
        ("amount", "-5", "CFG-095"),
        ("amount", "0.00", "CFG-095"),
        ("amount", "5٠", "CFG-095"),
        ("amount", "1.²", "CFG-095"),
        ("lang", "xx", "CFG-095"),
        ("trace", "/nonexistent/x", "CFG-095"),
        ("trace", "/", "CFG-095"),
        ("params", "/nonexistent/x", "CFG-093"),
        ("reader", "link:127.0.0.1:99999", "CFG-042"),
        ("reader", "link:127.0.0.1:²", "CFG-042"),
        ("reader", "pn532:tty:/nonexistent/x", "CFG-045"),
    ],
)
def test_a_wrong_option_is_told_before_the_reader_is_asked(
    world: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, code: str
) -> None:
    ended, words = said(capsys, *_pay(world, **{option: value}))
    assert (ended, words.count("\n")) == (2, 1) and code in words and " — " in words


def test_a_trace_that_is_there_is_kept_until_there_is_a_new_one(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text("kept")
    assert said(capsys, *_pay(world, trace=str(old)))[0] == said(capsys, *_pay(world, trace=str(new)))[0] == 3
    assert old.read_text() == "kept" and not new.exists()
    link = tmp_path / "link.json"
    link.symlink_to(new)
    assert said(capsys, *_pay(world, trace=str(link)))[0] == 3 and link.is_symlink() and not new.exists()
    for stream in ("/dev/stdout", "/dev/null"):
        assert said(capsys, *_pay(world, trace=stream))[0] == 3


@pytest.mark.parametrize("linked", [False, True])
def test_a_trace_that_is_no_file_is_refused_and_not_waited_for(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], linked: bool
) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for trace in (str(link if linked else pipe), "/dev/full"):
        ended, words = said(capsys, *_pay(world, trace=trace))
        assert ended == 2 and "CFG-095" in words and "--trace" in words
    assert pipe.is_fifo()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("aids", 5),
        ("aids", [5]),
        ("aids", []),
        ("ca_keys", {"a": 1}),
        ("exceptions", "00"),
        ("revoked", 7),
        ("de55", ["9F02"]),
        ("deferral", 1),
        ("deferral_oda", [1]),
        ("contactless", [None]),
    ],
)
def test_parameters_of_the_wrong_shape_are_named(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, value: Any
) -> None:
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps({**json.loads((world / "emv.json").read_text()), field: value}))
    ended, words = said(capsys, *_pay(world, params=str(changed)))
    assert ended == 2 and "CFG-093" in words and field in words
    assert said(capsys, "replay", str(world / "good.json"), "--params", str(changed))[0] == 2


@pytest.mark.parametrize("label", ["\ud800", "A\nB", "بطاقة", 5, None, ["A"]])
@pytest.mark.parametrize("part", ["aids", "contactless"])
def test_a_label_that_is_no_ascii_text_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], part: str, label: Any
) -> None:
    body = json.loads((world / "emv.json").read_text())
    body[part][0]["label"] = label
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(body))
    ended, words = said(capsys, *_pay(world, params=str(changed)))
    assert ended == 2 and "PRM-120" in words and "label" in words


@pytest.mark.parametrize("date", ["2030123١", "٢٠٣٠١٢٣١", "203012³1", "20301\ud80031", "2030 231", "20301331", ""])
def test_a_ca_key_with_a_date_that_is_none_is_refused(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], date: str
) -> None:
    body = json.loads((world / "emv.json").read_text())
    body["ca_keys"][0]["expiry"] = date
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(body))
    ended, words = said(capsys, *_pay(world, params=str(changed)))
    assert ended == 2 and "PRM-122" in words and "YYYYMMDD" in words


def test_a_ca_key_with_a_wrong_check_sum_is_refused_when_it_is_loaded(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.loads((world / "emv.json").read_text())
    body["ca_keys"][0]["sha1"] = "00" * 20
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps(body))
    ended, words = said(capsys, *_pay(world, params=str(changed)))
    assert ended == 2 and "PRM-122" in words and "check sum" in words


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("9F02", "ABCDEF"),
        ("9F02", "00000000000A"),
        ("9C", ""),
        ("9F37", "00"),
        ("9F35", ""),
        ("random", 5),
        ("random", ["zz"]),
        ("random", ["00"]),
        ("elapsed", [-1]),
        ("elapsed", 5),
        ("tvr", 5),
        ("tsi", "zz"),
        ("cvm_results", "00"),
        ("outcome", "approved"),
        ("reason", 5),
        ("online", 5),
        ("online", {"arc": 5}),
        ("online", {"arc": "00", "data": "zz"}),
        ("online", {"arc": "00", "scripts": "00"}),
    ],
)
def test_a_recording_with_a_wrong_field_is_named(
    world: Path, recording: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, value: Any
) -> None:
    changed = {**recording, field: value}
    if field[0] == "9":
        changed = {**recording, "terminal": {**recording["terminal"], field: value}}
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(changed))
    ended, words = said(capsys, "replay", str(file), "--params", str(world / "emv.json"))
    assert ended == 2 and "CFG-094" in words and field in words and " — " in words


@pytest.mark.parametrize(
    "twice",
    [
        ('"terminal": {', '"terminal": {"95": "FFFFFFFFFF", "0095": "0000008000", '),
        ('"terminal": {', '"terminal": {"95": "FFFFFFFFFF", "95": "0000008000", '),
        ('{"steps"', '{"tvr": "FFFFFFFFFF", "tvr": "0000008000", "steps"'),
        ('"command"', '"command": "00", "command"'),
    ],
)
def test_a_recording_that_says_something_twice_is_refused(
    world: Path, recording: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], twice: tuple[str, str]
) -> None:
    whole = json.dumps({"steps": recording["steps"], "terminal": recording["terminal"]})
    assert twice[0] in whole
    file = tmp_path / "twice.json"
    file.write_text(whole.replace(*twice, 1))
    ended, words = said(capsys, "replay", str(file), "--params", str(world / "emv.json"))
    assert ended == 2 and "CFG-094" in words and "twice" in words


def test_replay_and_explain_survive_what_is_no_file_of_theirs(
    world: Path, recording: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = str(world / "good.json")
    assert said(capsys, "replay", good, "--params", str(world / "emv.json"))[0] == 0
    assert said(capsys, "replay", good, "--lang", "xx")[0] == 2
    assert said(capsys, "replay", good, "--params", "/nonexistent/x")[0] == 2
    file = tmp_path / "deep.json"
    file.write_text("[" * 200_000)
    assert said(capsys, "replay", str(file))[0] == said(capsys, "explain", str(file))[0] == 2
    pairs = [["GAC", "x"], ["GAC1 asked 80", "zz"], ["CVM rule 1", "condition-not-met"], ["CVM rule 1", "performed zz"]]
    file.write_text(json.dumps({"explain": pairs}))
    assert said(capsys, "explain", str(file))[0] == 0


@pytest.mark.parametrize("path", [".", "..", "/"])
def test_a_folder_in_place_of_a_file_is_called_as_it_was_given(
    world: Path, recording: dict[str, Any], capsys: pytest.CaptureFixture[str], path: str
) -> None:
    assert recording["steps"]
    for words in (["replay", path], ["explain", path], ["replay", str(world / "good.json"), "--params", path]):
        ended, told = said(capsys, *words)
        assert ended == 2 and f" {path} cannot be read" in told, told
