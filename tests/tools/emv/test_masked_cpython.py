"""Whatever a trace holds, and wherever: no card's number comes out of `tasdid emv explain` or `replay`, nor out of their errors."""

import contextlib
import copy
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import tlv
from sim.cards.emv import build, contactless, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.tools.emv.test_emv_cpython import _hex
from tests.tools.emv.test_replay_every_card_cpython import paid
from tools import cli
from tools.emv import mask, replay

NUMBERS = ("9999990100000013", "4000001234562", "5999990112345678901", "6077881234567890")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("masked")


@pytest.fixture(scope="module")
def pki(folder: Path) -> Pki:
    made = make_pki(folder / "pki")
    (folder / "emv.json").write_text(json.dumps(_hex(emv_body(made))))
    return made


@pytest.fixture(scope="module")
def traces(pki: Pki) -> list[dict[str, Any]]:
    """What the tool writes: a chip card online, a tapped one, each with all that its form knows."""
    chip = paid(pki, build(profile("edahabia-online"), pki), ("5432",), online=True, tap=False)[1]
    tap = paid(pki, contactless.build(contactless.profile("cda-relayed"), pki), (), online=False, tap=True)[1]
    return [chip, {**tap, "choices": [0], "unit": "", "terminal": {**tap["terminal"], "9F1C": "54" * 8}}]


def forms(number: str) -> list[str]:
    """A number as text, in groups, as BCD in an APDU, as ASCII characters in one, between other things."""
    even = number + "F" * (len(number) % 2)
    groups = [number[at : at + 4] for at in range(0, len(number), 4)]
    return [
        number, " ".join(groups), "-".join(groups), even, number.encode().hex(), f"PAN {number} EMV-101",
        "missing " + " ".join(even[at : at + 6] for at in range(0, len(even) - len(even) % 6, 6)),
        tlv.encode(0x70, tlv.encode(0xDF01, bytes.fromhex(even))).hex() + "9000",
        tlv.encode(0x70, tlv.encode(0x9F10, b"\x06\x01" + number.encode())).hex() + "9000",
        tlv.encode(0x70, tlv.encode(0x94, bytes.fromhex(even))).hex() + "9000",
        tlv.encode(0x6F, tlv.encode(0x84, bytes.fromhex(even)) + tlv.encode(0xA5, b"")).hex() + "9000",
        "00A40400" + f"{len(even) // 2:02X}" + even + "00", "0x" + number,
    ]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every text of a JSON value."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, (dict, list)):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(entry, (*path, key))


def put(trace: dict[str, Any], path: tuple[Any, ...], text: str, as_key: bool) -> dict[str, Any]:
    """A copy with the text there; as the name of a field that holds what stood there, where there are names."""
    changed = copy.deepcopy(trace)
    at = changed
    for key in path[:-1]:
        at = at[key]
    if as_key and isinstance(at, dict):
        at[text] = at.pop(path[-1])
    else:
        at[path[-1]] = text
    return changed


def told(*words: str) -> str:
    """All that a command says."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out), pytest.raises(SystemExit) as ended:
        cli.main(["emv", *words])
    assert ended.value.code in (0, 1, 2), (ended.value.code, out.getvalue())
    return out.getvalue()


def holds(said: str, number: str) -> bool:
    """Whether the number, as digits or in any part as ASCII characters in hexadecimal, is in what was said."""
    bare = re.sub(r"[ ,._:/\-\[\]]", "", said)
    return number in bare or number.encode().hex() in bare.lower()


def everything(folder: Path, trace: Any, number: str, *words: str) -> None:
    """No command says it."""
    file = folder / "trace.json"
    file.write_text(json.dumps(trace))
    said = told("explain", str(file), "--lang", "en"), told("explain", str(file), "--lang", "ar", "--json")
    assert not holds(said[0], number) and not holds(said[1], number), trace
    if "steps" in trace:
        assert not holds(told("replay", str(file), "--params", str(folder / "emv.json"), *words), number), trace


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_number_anywhere_in_a_trace_stays_there(
    folder: Path, traces: list[dict[str, Any]], data: st.DataObject
) -> None:
    trace = data.draw(st.sampled_from(traces))
    path = data.draw(st.sampled_from(list(places(trace))))
    number = data.draw(st.sampled_from(NUMBERS) | st.from_regex(r"[1-9][0-9]{12,18}", fullmatch=True))
    text = data.draw(st.sampled_from(forms(number)))
    words = data.draw(st.sampled_from(((), ("--json",))))
    everything(folder, put(trace, path, text, data.draw(st.booleans())), number, *words)


def near(said: str, number: str) -> bool:
    """Whether a printed line has the number, its digits apart by nothing that is a letter or a digit, four characters at most."""
    return re.search(r"[\W_]{0,4}".join(number), said.replace("\n", "\n" * 5)) is not None


def neighbours(first: str, second: str) -> list[dict[str, Any]]:
    """Traces whose neighbouring fields come to stand in one printed line."""
    pairs = [
        [first, second], ["OUTCOME", first + second], ["RULE", f"{first} {second}"], ["ONLINE", first + second], [f"CVM rule {first}", second],
        [f"CVM rule {first}", f"condition-not-met {second}"], ["CVM rule 1", f"{first} {second}"], [f"CVM {first}", second],
        [f"TVR {first}", second], ["TVR B1b1", f"{first} {second}"], [f"GAC {first}", f"card gave {second}"], [f"TTQ {first}", second],
        ["FORMAT", f"{first} {second}"], [f"TAC-{first}", second], [f"SELECT {first}", f"refused {second}"],
    ]  # fmt: skip
    told = [{"explain": [pair]} for pair in pairs]
    told += [{"explain": [[what, first]], "detail": second} for what in ("OUTCOME", "RULE")]
    return [
        *told,
        {"explain": [["OUTCOME", first], ["OUTCOME", second]]},
        {"explain": [["OUTCOME", "Z1"]], "tvr": first, "detail": second},
    ]


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_number_split_over_neighbouring_fields_is_in_no_printed_line(
    folder: Path, traces: list[dict[str, Any]], data: st.DataObject
) -> None:
    number = data.draw(st.sampled_from(NUMBERS))
    separators = st.text(" -_.,:;/()[]", max_size=4)
    between = data.draw(st.lists(separators, min_size=len(number) - 1, max_size=len(number) - 1) | st.just([""] * 18))
    lead = data.draw(st.sampled_from(["", "EMV ", "-"]))
    at = data.draw(st.integers(0, len(number)))
    digits = [one + more for one, more in zip(number, [*between, ""], strict=False)]
    first, second = lead + "".join(digits[:at]), "".join(digits[at:])
    file = folder / "split.json"
    trace = data.draw(st.sampled_from(neighbours(first, second)))
    file.write_text(json.dumps(trace))
    for words in (("--lang", "en"), ("--lang", "ar"), ("--lang", "fr", "--json")):
        assert not near(told("explain", str(file), *words), number), trace
    file.write_text(json.dumps({**traces[0], **trace}))
    for words in ((), ("--json",)):
        assert not near(told("replay", str(file), "--params", str(folder / "emv.json"), *words), number), trace


@pytest.mark.parametrize("number", NUMBERS)
def test_every_place_where_a_number_may_be_split(folder: Path, number: str) -> None:
    file = folder / "places.json"
    for at in range(1, len(number)):
        entries = neighbours(number[:at], number[at:]) + neighbours(number[:at] + " - ", " - " + number[at:])
        lines = [json.dumps(entry) for entry in entries if "tvr" not in entry]
        file.write_text("\n".join(lines))
        for words in (("--lang", "en"), ("--lang", "ar"), ("--lang", "fr", "--json")):
            assert not near(told("explain", str(file), *words), number)


@pytest.mark.parametrize("form", range(len(forms(NUMBERS[0]))))
@pytest.mark.parametrize(
    "key", ["detail", "reason", "aid", "tvr", "explain", "unknown", "online", "random", "terminal", "steps"]
)
def test_a_number_in_every_field(folder: Path, traces: list[dict[str, Any]], key: str, form: int) -> None:
    number = NUMBERS[0]
    text = forms(number)[form]
    values: dict[str, list[Any]] = {
        "explain": [[["OUTCOME", text]], [[text, "Z1"]], [["RULE", text]], [["CVM rule 1", text]], [[text[:40], text]]],
        "online": [{"arc": text}, {text: ""}, {"arc": "00", "data": text}],
        "random": [[text], ["00000000", text]],
        "terminal": [{text: "zz"}, {text: "00"}, {"9F37": text}],
        "steps": [
            [{"command": "00B2010C00", "response": text}], [{"command": text, "response": text}],
            [*traces[0]["steps"][:1], {"command": text, "response": "9000"}],
        ],
    }  # fmt: skip
    for value in values.get(key, [text]):
        everything(folder, {**traces[0], key: value}, number)
        everything(folder, {"explain": [["OUTCOME", "Z1"]], key: value}, number)


def test_what_a_trace_says_otherwise_is_said_as_before(folder: Path, pki: Pki, traces: list[dict[str, Any]]) -> None:
    for trace in traces:
        file = folder / "whole.json"
        file.write_text(json.dumps(trace))
        for lang in ("en", "fr", "ar"):
            assert "?" not in told("explain", str(file), "--lang", lang).replace("؟", "")
        said = json.loads(told("replay", str(file), "--params", str(folder / "emv.json"), "--json"))
        shown = {name: value for name, _, value in said["data"]}
        assert "?" not in json.dumps(said) and "bytes" not in shown["94"] and len(shown["94"]) >= 16
        assert said["aid"] == trace["aid"] and len(said["differences"]) == (trace is traces[1])  # its choice


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("9999990100000013", "?"), ("A9999990100000013F", "A?F"), ("9999 9901 0000 0013", "?"), ("9999.9901, 0000", "9999.9901, 0000"),
        ("0000009999990100000013", "?"), ("999999010001", "999999010001"), ("9999990100001", "?"), ("0" * 20 + "1F00", "0" * 20 + "1F00"),
        ("3939393939393031", "?"), ("step 3: 50 00", "step 3: 50 00"), ("TVR 0000008000 TSI 6800", "TVR 0000008000 TSI 6800"),
        ("٤٠٠٠٠٠١٢٣٤٥٦٢", "?"), ("byte 100, 101, 102, 103, 104, 105", "byte 100, 101, 102, 103, 104, 105"),
    ],
)  # fmt: skip
def test_what_may_be_a_number_and_what_may_not(text: str, after: str) -> None:
    assert mask.masked(text) == after and mask.suspicious(text) == (text != after)
    if "byte 100" not in text:  # a printed line has none like that
        assert mask.plain({text: [text, 1, None, (text,)]}) == {after: [after, 1, None, [after]]}


@pytest.mark.parametrize("tag", [0xDF01, 0x9F4D, 0x9F6E, 0x9F12, 0x9F7C])
@pytest.mark.parametrize("form", [bytes.fromhex, str.encode], ids=["BCD", "ASCII"])
def test_a_number_that_a_card_has_in_a_wrong_place(
    folder: Path, traces: list[dict[str, Any]], tag: int, form: Any
) -> None:
    trace, number = copy.deepcopy(traces[0]), NUMBERS[0]
    at = next(i for i, step in enumerate(trace["steps"]) if step["response"].startswith("70"))
    content = tlv.parse(bytes.fromhex(trace["steps"][at]["response"])[:-2])[0][1] + tlv.encode(tag, form(number))
    trace["steps"][at]["response"] = tlv.encode(0x70, content).hex() + "9000"
    file = folder / "card.json"
    file.write_text(json.dumps(trace))
    for words in ((), ("--json",)):
        said = told("replay", str(file), "--params", str(folder / "emv.json"), *words)
        assert f"{tag:X}" in said and " bytes" in said and not holds(said, number)


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("a 9999 - 9901 - 0000 - 0013: x", "a ?: x"), ("9999990100 : 000013", "?"), ("code 999999010000 [0013]", "code ?]"),
        ("9999_(9901)_0000; \t;0013", "?"), ("99999901     00000013", "99999901     00000013"), ("99999901 a 00000013", "99999901 a 00000013"),
        ("TVR 8000008000 TSI 6800", "TVR 8000008000 TSI 6800"), ("99999901 ب 00000013", "99999901 ب 00000013"),
    ],
)  # fmt: skip
def test_what_may_be_a_number_in_a_printed_line(text: str, after: str) -> None:
    assert mask.line(text) == after and mask.plain([text]) == [after]


def test_a_tag_and_its_value_make_no_number_together() -> None:
    for tag, value, shown in (
        (0x99, "999901000000", "6 bytes"),
        (0x94, "080101011001", "080101011001"),
        (0xDF01, "9999010000", "9999010000"),
        (0xDF01, "999901000000", "6 bytes"),
    ):
        read = replay.data_read([(b"", tlv.encode(0x70, tlv.encode(tag, bytes.fromhex(value))) + b"\x90\x00")])
        assert [found[2] for found in read] == [shown]


def test_a_value_with_a_number_in_it_is_told_by_its_length_only() -> None:
    number = bytes.fromhex(NUMBERS[0])
    inside = (
        tlv.encode(0xDF01, number) + tlv.encode(0x94, bytes.fromhex("0801010110010300")) + tlv.encode(0x9F36, b"\1\2")
    )
    shown = replay.data_read([(b"", tlv.encode(0x70, inside + tlv.encode(0x9F4D, number)) + b"\x90\x00")])
    assert [value for _, _, value in shown] == ["8 bytes", "0801010110010300", "0102", "8 bytes"]
