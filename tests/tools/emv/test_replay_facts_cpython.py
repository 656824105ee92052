"""A replay names every recorded fact that it does not find again, and needs no more than the commands to know what an issuer had answered."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.kernel import Result, transact
from protocol.emv.params import EmvParams
from protocol.errors import CardRemovedError
from sim.cards.emv import build, contactless, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support import emv_machine
from tests.tools.emv.test_emv_cpython import _hex
from tools import cli
from tools.emv import record, report
from tools.emv.pay import Payment
from tools.emv.replay import Replay

AMOUNT = 500_000
TERMINAL = {
    0x9F02: f"{AMOUNT:012d}", 0x5F2A: "0012", 0x9F1A: "0012", 0x9A: "261122", 0x9F21: "093000", 0x9C: "00", 0x9F41: "00000001",
    0x9F37: "A1B2C3D4",
}  # fmt: skip
SCRIPT = tlv.encode(0x86, bytes.fromhex("00DA9F4F02AABB"))
PROOF = tlv.encode(0x91, bytes.fromhex("1122334455667788"))
REPLIES: list[dict[str, Any] | None] = [
    None,
    {"arc": "00", "data": PROOF},
    {"arc": "00", "data": b""},
    {"arc": "05", "data": PROOF},
    {"arc": "51", "data": b""},
    {"arc": "00", "data": PROOF + tlv.encode(0x71, SCRIPT) + tlv.encode(0x72, SCRIPT + SCRIPT)},
    {"arc": "05", "data": tlv.encode(0x72, SCRIPT)},
]


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def exchange(pki: Pki, name: str, pin: bytes, reply: dict[str, Any] | None) -> tuple[Result, list[tuple[bytes, bytes]]]:
    """A contact payment's result and the commands that passed."""
    card, steps = build(profile(name), pki), []
    card.power_off()

    def respond(command: bytes) -> bytes:
        answer = card.respond(command)
        steps.append((record.masked(command), answer))
        return answer

    txn = emv_machine.purchase(AMOUNT)
    machine = transact(txn, EmvParams(emv_body(pki)), NativeCrypto(), bytes.fromhex("A1B2C3D4"))
    answers = {"pin": bytearray(pin), "choose": 0, "online": reply, "random": bytes(1)}
    return emv_machine.run(machine, respond, lambda request: answers.get(request[0])), steps


@pytest.mark.parametrize("reply", REPLIES, ids=lambda r: r["arc"] if r else "unable")
@pytest.mark.parametrize(("name", "pin"), [("edahabia-online", b"5432"), ("cib-online", b"2345")])
def test_a_bare_exchange_replays_as_it_went(pki: Pki, name: str, pin: bytes, reply: dict[str, Any] | None) -> None:
    result, steps = exchange(pki, name, pin, reply)
    terminal = {tag: bytes.fromhex(value) for tag, value in TERMINAL.items()}
    played = Replay({"steps": steps, "terminal": terminal}, emv_body(pki))
    again = played.run()
    assert again is not None and played.differences == []
    same = ("outcome", "tvr", "tsi", "cvm_results", "arc", "script_results", "cryptogram", "oda")
    for field in same:
        assert getattr(again, field) == getattr(result, field), field


@pytest.fixture(scope="module")
def recording(pki: Pki) -> dict[str, Any]:
    """What `--trace` writes of a payment approved online."""
    reply = {"arc": "00", "data": PROOF, "auth_code": "123456"}
    result, steps = exchange(pki, "edahabia-online", b"5432", reply)

    class Paid:
        txn = emv_machine.purchase(AMOUNT)
        un, numbers, choices, contactless = result.un, [result.un], (), False
        online_reply = reply

    Paid.steps = steps  # type: ignore[attr-defined]
    return json.loads(json.dumps(report.trace(result, Paid)))


def differences(pki: Pki, tmp_path: Path, data: dict[str, Any]) -> list[str]:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(data))
    played = Replay(record.load(file), emv_body(pki))
    played.run()
    return played.differences


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tvr", "0000000000"),
        ("tsi", "0000"),
        ("cvm_results", "000000"),
        ("outcome", 2),
        ("reason", "05"),
        ("aid", "F000005444FF"),
        ("aid", ""),
        ("kernel", 2),
        ("interface", "contactless"),
        ("detail", "x"),
        ("explain", []),
        ("explain", [["TVR B1b1", "floor"]]),
    ],
)
def test_a_changed_fact_is_named(pki: Pki, recording: dict[str, Any], tmp_path: Path, field: str, value: Any) -> None:
    assert differences(pki, tmp_path, recording) == []
    (difference,) = differences(pki, tmp_path, {**recording, field: value})
    assert difference.lower().startswith("explanation, line 1:" if field == "explain" else field)


def test_a_changed_unpredictable_number_is_named(pki: Pki, recording: dict[str, Any], tmp_path: Path) -> None:
    other = {**recording, "terminal": {**recording["terminal"], "9F37": "00000001"}}
    assert differences(pki, tmp_path, other) == ["terminal 9F37 A1B2C3D4, recorded 00000001"]


@pytest.mark.parametrize(
    ("field", "entry"), [("random", "00"), ("random", "00000000"), ("random", "00" * 9), ("choices", 0), ("elapsed", 5)]
)
def test_what_the_kernel_never_asks_for_is_named_entry_by_entry(
    pki: Pki, recording: dict[str, Any], tmp_path: Path, field: str, entry: Any
) -> None:
    here = recording.get(field, [])
    said = differences(pki, tmp_path, {**recording, field: [*here, entry, entry]})
    places = [len(here) + 1, len(here) + 2]
    assert said == [f"{field}, entry {place}: recorded, the kernel does not ask for it" for place in places]


@pytest.mark.parametrize("reply", [{"sent": True}, {"arc": "00", "data": ""}, {"arc": "05"}])
def test_an_issuers_answer_that_nobody_asked_for_is_named(
    pki: Pki, tmp_path: Path, capsys: pytest.CaptureFixture[str], reply: dict[str, Any]
) -> None:
    result, steps = exchange(pki, "cib-approve", b"1234", None)

    class Paid:
        txn = emv_machine.purchase(AMOUNT)
        un, numbers, choices, contactless, online_reply = result.un, [result.un], (), False, None

    Paid.steps = steps  # type: ignore[attr-defined]
    assert result.reason == "Y1"
    written = json.loads(json.dumps(report.trace(result, Paid)))
    assert differences(pki, tmp_path, written) == [] == differences(pki, tmp_path, {**written, "online": None})
    (said,) = differences(pki, tmp_path, {**written, "online": reply})
    assert said == "online: an issuer's answer is recorded, the kernel does not ask for it"
    (tmp_path / "emv.json").write_text(json.dumps(_hex(emv_body(pki))))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emv", "replay", str(tmp_path / "trace.json"), "--params", str(tmp_path / "emv.json")])
    assert ended.value.code == 1 and said in capsys.readouterr().out


class _Leaving:
    """A simulated card that leaves in its command `tear`."""

    def __init__(self, card: Any, tear: int) -> None:
        self._card, self._left = card, tear

    async def wait_for_card(self, _ms: int) -> None:
        self._card.power_on()

    async def connect(self) -> bytes:
        return b""

    async def disconnect(self) -> None:
        return None

    async def transceive(self, command: bytes) -> bytes:
        self._left -= 1
        if not self._left:
            raise CardRemovedError("the card left")
        return await self._card.transmit(bytes(command))


@pytest.fixture(scope="module", params=[(False, 3), (False, 6), (True, 3), (True, 5)], ids=str)
def cut_short(pki: Pki, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A trace of a payment in which the card left and nobody brought it back."""
    tap, tear = request.param
    card = contactless.build(contactless.profile("cda-approve"), pki) if tap else build(profile("cib-approve"), pki)
    payment = Payment(90_000, ContactlessParams(emv_body(pki)), lambda *_: "1234", None, lambda _: None, tap)
    payment._again = _nobody  # type: ignore[method-assign]
    with pytest.raises(CardRemovedError) as left:
        asyncio.run(payment.run(_Leaving(card, tear)))
    return json.loads(json.dumps(report.trace_interrupted(left.value, payment)))


async def _nobody(_message: int) -> None:
    return None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tvr", "0000000000"),
        ("tvr", "FFFFFFFFFF"),
        ("tsi", "0000"),
        ("cvm_results", "3F0000"),
        ("kernel", 0),
        ("kernel", 3),
        ("oda", "none"),
        ("cid", "00"),
        ("atc", 0),
        ("auth_code", ""),
    ],
)
def test_a_fact_that_a_payment_cut_short_does_not_have_is_named(
    pki: Pki, cut_short: dict[str, Any], tmp_path: Path, field: str, value: Any
) -> None:
    assert differences(pki, tmp_path, cut_short) == []
    assert differences(pki, tmp_path, {**cut_short, field: value}) == [
        f"{field}: recorded, a payment that was cut short has none"
    ]


def test_a_data_object_of_a_payment_cut_short_is_compared(pki: Pki, cut_short: dict[str, Any], tmp_path: Path) -> None:
    other = {**cut_short, "terminal": {**cut_short["terminal"], "95": "FFFFFFFFFF"}}
    (said,) = differences(pki, tmp_path, other)
    assert said.startswith("terminal 95 ") and said.endswith(", recorded FFFFFFFFFF")


def test_a_changed_number_of_a_payment_cut_short_is_named(pki: Pki, cut_short: dict[str, Any], tmp_path: Path) -> None:
    number = cut_short["random"][0]
    other = {**cut_short, "terminal": {**cut_short["terminal"], "9F37": "00000001"}}
    assert f"terminal 9F37 {number}, recorded 00000001" in differences(pki, tmp_path, other)
    said = differences(pki, tmp_path, {**cut_short, "random": ["00000002", *cut_short["random"][1:]]})
    assert f"terminal 9F37 00000002, recorded {number}" in said
    bare = {name: value for name, value in cut_short.items() if name != "random"}
    assert differences(pki, tmp_path, bare) == []


def test_a_line_changed_added_or_left_out_is_named_with_its_number(
    pki: Pki, recording: dict[str, Any], tmp_path: Path
) -> None:
    lines = recording["explain"]
    for at in range(len(lines)):
        changed = [*lines[:at], [lines[at][0], "x"], *lines[at + 1 :]]
        for said in (changed, lines[:at], [*lines[:at], *lines[at + 1 :]]):
            (difference,) = differences(pki, tmp_path, {**recording, "explain": said})
            assert difference.startswith(f"explanation, line {at + 1}: {lines[at][0]}")
    (difference,) = differences(pki, tmp_path, {**recording, "explain": [*lines, ["TVR B1b1", "x"]]})
    assert difference == f"explanation, line {len(lines) + 1}: nothing more, recorded TVR B1b1 x"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", "\ud800"),
        ("detail", "\n"),
        ("aid", "zz"),
        ("aid", 5),
        ("interface", "air"),
        ("kernel", "2"),
        ("kernel", None),
        ("explain", [["TVR B1b1", "\ud800"]]),
        ("explain", [["TVR B1b1"]]),
        ("online", {"arc": "\ud800", "data": ""}),
        ("online", {"arc": "00", "auth_code": "\ud800"}),
        ("online", {"arc": "00", "auth_code": 5}),
        ("online", {"data": ""}),
    ],
)
def test_what_no_trace_says_is_refused(
    recording: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, value: Any
) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({**recording, field: value}))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emv", "replay", str(file)])
    words = capsys.readouterr().err
    assert ended.value.code == 2 and "CFG-094" in words and field in words


@pytest.mark.parametrize("value", ["\ud800", "00\nTVR 0000000000", "zz", "00", "00" * 6, 5, None])
@pytest.mark.parametrize("field", ["tvr", "tsi"])
def test_explain_takes_registers_in_hexadecimal_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], field: str, value: Any
) -> None:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps({"explain": [["OUTCOME", "Z1"]], field: value}))
    for words in ([], ["--json"]):
        with pytest.raises(SystemExit) as ended:
            cli.main(["emv", "explain", str(file), *words])
        said = capsys.readouterr()
        assert ended.value.code == 2 and "CFG-094" in said.err and field in said.err and not said.out
    file.write_text(json.dumps({"explain": [["OUTCOME", "Z1"]], "tvr": "00000000aB", "tsi": ""}))
    with pytest.raises(SystemExit) as ended:
        cli.main(["emv", "explain", str(file)])
    assert ended.value.code == 0 and "TVR 00000000AB TSI" in capsys.readouterr().out
