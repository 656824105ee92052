"""What `tasdid emv pay --trace` writes of any simulated card replays without a difference; so do its commands alone, where they say enough."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv import tags
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.kernel import Result, transact
from protocol.errors import CardRemovedError
from sim.cards.emv import build, contactless, profile, profiles
from sim.cards.emv.contactless import profiles as taps
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tests.support import emv_machine
from tools.emv import holder, record, report
from tools.emv.pay import Payment, TestIssuer
from tools.emv.replay import Replay

FACTS = ("outcome", "reason", "detail", "tvr", "tsi", "cvm_results", "oda", "arc", "script_results", "aid")
ENCIPHERED = profile("cib-enciphered-pin")
T0 = {**profile("edahabia-approve"), "cvm": "0403", "pin": "1234"}
TWO = profile("two-applications")
PSE_TWO = {**profile("cib-pse"), "also": [{"scheme": "edahabia", "number": 21, "priority": 2}]}
_TIMED = ("cda-relayed",)  # how long the card took decides, and is in no command


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("world") / "pki")


class Reader:
    """A card in a reader; `lie` may answer in the card's stead."""

    def __init__(self, card: Any, lie: Callable[[bytes], bytes | None]) -> None:
        self._card, self._lie = card, lie

    async def wait_for_card(self, _ms: int) -> None:
        self._card.power_on()

    async def wait_for_removal(self, _ms: int) -> None:
        self._card.power_off()

    async def connect(self) -> bytes:
        return b""

    async def disconnect(self) -> None:
        return None

    async def transceive(self, command: bytes) -> bytes:
        return self._lie(bytes(command)) or await self._card.transmit(bytes(command))


def paid(
    pki: Pki, card: Any, typed: tuple[str, ...], online: bool, tap: bool, lie: Any = lambda _: None, place: int = 0,
    amount: int = 0, **changes: Any,
) -> tuple[Result, dict[str, Any], dict[str, Any]]:  # fmt: skip
    """(the result, the trace as written, the body of the set)."""
    body = {**emv_body(pki), **changes}
    keys: Iterator[str] = iter(typed)
    issuer = TestIssuer(pki.folder / "schemes") if online else None
    payment = Payment(
        amount or (90_000 if tap else 500_000), ContactlessParams(body), lambda *_: next(keys, ""), issuer, lambda _: None, tap, place
    )  # fmt: skip
    result = asyncio.run(payment.run(Reader(card, lie)))
    return result, json.loads(json.dumps(report.trace(result, payment))), body


def replayed(tmp_path: Path, written: dict[str, Any], body: dict[str, Any]) -> tuple[Replay, Result]:
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(written))
    played = Replay(record.load(file), body)
    result = played.run()
    assert played.differences == [] and result is not None, played.differences
    return played, result


def agree(tmp_path: Path, found: tuple[Result, dict[str, Any], dict[str, Any]], bare: bool = True) -> Replay:
    """The whole trace replays, and the commands alone come to the same result; the last replay is returned."""
    result, written, body = found
    played, _ = replayed(tmp_path, written, body)
    assert played.assumed == []
    if bare:
        played, again = replayed(tmp_path, {name: written[name] for name in ("steps", "terminal")}, body)
        assert {f: getattr(again, f) for f in FACTS} == {f: getattr(result, f) for f in FACTS}
        noted = {"steps": written["steps"], "terminal": {**written["terminal"], **as_objects(result)}}
        assert replayed(tmp_path, noted, body)[0].assumed == played.assumed
    return played


def as_objects(result: Result) -> dict[str, str]:
    """What came of a payment, as anybody may have noted it with the terminal's data."""
    found = {"95": result.tvr, "9B": result.tsi, "9F34": result.cvm_results, "9F03": bytes(6)}
    if not result.terminated:
        found |= {"9F26": result.cryptogram, "9F27": bytes([result.cid]), "9F36": result.atc.to_bytes(2, "big")}
        found |= {"9F10": result.iad}
    if len(result.reason) == 2 or result.arc:
        found["8A"] = (result.arc or result.reason).encode()
    return {tag: value.hex() for tag, value in found.items()}


@pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])
@pytest.mark.parametrize("name", profiles.PROFILES)
def test_a_chip_card(pki: Pki, tmp_path: Path, name: str, online: bool) -> None:
    pin = profile(name).get("pin", "1234")
    played = agree(tmp_path, paid(pki, build(profile(name), pki), (pin,), online, tap=False))
    assert played.assumed == []


@pytest.mark.parametrize("online", [False, True], ids=["offline", "online"])
@pytest.mark.parametrize("name", taps.PROFILES)
def test_a_tapped_card(pki: Pki, tmp_path: Path, name: str, online: bool) -> None:
    found = paid(pki, contactless.build(contactless.profile(name), pki), (), online, tap=True)
    agree(tmp_path, found, bare="online" not in found[1] and name not in _TIMED)


def test_a_tap_that_went_online_says_what_its_commands_do_not_tell(pki: Pki, tmp_path: Path) -> None:
    result, written, body = paid(
        pki, contactless.build(contactless.profile("tap-online"), pki), (), online=True, tap=True
    )
    played, again = replayed(tmp_path, {name: written[name] for name in ("steps", "terminal")}, body)
    assert (result.reason, again.reason) == ("00", "DEFERRED")
    assert len(played.assumed) == 1 and "issuer's answer" in played.assumed[0]


def test_a_tap_over_the_limit_meets_no_card_and_replays(pki: Pki, tmp_path: Path) -> None:
    card = contactless.build(contactless.profile("tap-approve"), pki)
    found = paid(pki, card, (), online=False, tap=True, amount=5_000_000)
    result, written, body = found
    assert (result.reason, written["steps"]) == ("EMV-143", []) and len(written["terminal"]["9F37"]) == 8
    agree(tmp_path, found, bare=False)
    less = {**written, "terminal": {**written["terminal"], "9F02": "000000090000"}}
    (tmp_path / "less.json").write_text(json.dumps(less))
    assert (
        Replay(record.load(tmp_path / "less.json"), body).run() is None
    )  # the kernel asks for a card that is not there


@pytest.mark.parametrize("name", ["cib-copied", "cib-approve", "edahabia-approve", "edahabia-online"])
def test_a_chip_card_with_an_amount_over_the_floor(pki: Pki, tmp_path: Path, name: str) -> None:
    """Of a copied card the result keeps the request for the issuer, although a refusal was asked for after it."""
    for amount in (4_999_999, 5_000_000, 90_000):
        found = paid(pki, build(profile(name), pki), ("1234",), online=False, tap=False, amount=amount)
        agree(tmp_path, found)


class Slow(Reader):
    """A card whose answers take 90 milliseconds: too slow for any relay resistance exchange."""

    async def transceive_timed(self, command: bytes) -> tuple[bytes, int]:
        return await self.transceive(command), 900


@pytest.mark.parametrize("name", ["cda-approve", "cda-online"])
def test_a_time_that_the_kernel_asks_for_and_nobody_recorded_is_told(pki: Pki, tmp_path: Path, name: str) -> None:
    body = emv_body(pki)
    payment = Payment(90_000, ContactlessParams(body), lambda *_: "", None, lambda _: None, True)
    card = contactless.build(contactless.profile(name), pki)
    result = asyncio.run(payment.run(Slow(card, lambda _: None)))
    written = json.loads(json.dumps(report.trace(result, payment)))
    assert written["elapsed"] == [900] * 3 and replayed(tmp_path, written, body)[0].assumed == []
    file = tmp_path / "short.json"
    for kept, missing in ((written["elapsed"][:-1], [3]), ([], [1]), (None, [1])):
        for names in (written, ("steps", "terminal")):
            short = {field: written[field] for field in names if field != "elapsed"}
            file.write_text(json.dumps(short if kept is None else {**short, "elapsed": kept}))
            played = Replay(record.load(file), body)
            played.run()
            told = [words for words in played.assumed if "how long" in words]
            assert told == [
                f"relay resistance exchange {n}: how long it took is not recorded, played as no time" for n in missing
            ]
            if missing == [1]:  # nothing too slow, and so no second and third exchange
                assert "the recording goes on with" not in played.differences[0]
                assert any("EXCHANGE RELAY RESISTANCE DATA 00 00" in words for words in played.differences)


@pytest.mark.parametrize("typed", [("1234",), ("9999", "1234"), ("9999", ""), ("",), ("12", "1234")])
@pytest.mark.parametrize("card", [ENCIPHERED, T0], ids=["T=1", "T=0"])
def test_an_enciphered_pin(pki: Pki, tmp_path: Path, card: dict[str, Any], typed: tuple[str, ...]) -> None:
    found = paid(pki, build(card, pki), typed, online=False, tap=False)
    verified = [step for step in found[1]["steps"] if step["command"][2:4] == "20"]
    assert bool(verified) == any(len(pin) == 4 for pin in typed) and found[0].pin_ok == (typed[-1] == "1234")
    agree(tmp_path, found)


@pytest.mark.parametrize("refusal", ["6D00", "6985", "9000", "01029000"])
@pytest.mark.parametrize("card", [ENCIPHERED, T0], ids=["T=1", "T=0"])
def test_a_card_that_gives_no_challenge(pki: Pki, tmp_path: Path, card: dict[str, Any], refusal: str) -> None:
    found = paid(
        pki, build(card, pki), ("1234",), online=False, tap=False,
        lie=lambda command: bytes.fromhex(refusal) if command[1] == 0x84 else None,
    )  # fmt: skip
    assert ["PIN", "verify-refused"] in found[1]["explain"] and not found[0].pin_ok
    agree(tmp_path, found)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("pse", [False, True], ids=["list", "directory"])
@pytest.mark.parametrize("card", [TWO, PSE_TWO], ids=["without a directory", "with one"])
def test_the_application_that_was_chosen(pki: Pki, tmp_path: Path, card: dict[str, Any], pse: bool, place: int) -> None:
    found = paid(pki, build(card, pki), ("1234",), online=False, tap=False, place=place, pse=pse)
    assert found[0].aid.hex() == ("f00000544402" if place == 2 else "f00000544401")
    assert ["SELECT", "cardholder-choice"] in found[1]["explain"]
    agree(tmp_path, found)


ENDINGS = ("", "01", "9999", "999999", "9999990100000013")


def called(card: Any, *endings: str) -> Any:
    """The card, its applications' names going on like this."""
    for application, more in zip(card.applications, endings * 2, strict=False):
        application.aid += bytes.fromhex(more)
    return card


def _says_no_more(found: tuple[Result, dict[str, Any], dict[str, Any]]) -> None:
    """Of the trace, only what passed holds more of the name than three bytes."""
    result, written, body = found
    entry = max((bytes(e["aid"]) for e in body["aids"] if result.aid.startswith(bytes(e["aid"]))), key=len)
    assert len(result.aid) <= len(entry) + 2 and written["aid"] == result.aid.hex().upper()
    assert "9999990100000013" not in json.dumps({**written, "steps": []})


@pytest.mark.parametrize("name", ["cib-approve", "cib-pse", "edahabia-approve", "cib-online"])
@pytest.mark.parametrize("more", ENDINGS)
def test_a_card_that_is_found_by_the_beginning_of_its_name(pki: Pki, tmp_path: Path, name: str, more: str) -> None:
    for pse in (False, True):
        pin = profile(name).get("pin", "1234")
        found = paid(pki, called(build(profile(name), pki), more), (pin,), online=True, tap=False, pse=pse)
        entry = "F00000544402" if "edahabia" in name else "F00000544401"
        assert found[1]["aid"] == entry + (more if len(more) <= 4 else "")
        _says_no_more(found)
        agree(tmp_path, found)


@pytest.mark.parametrize("more", ENDINGS)
@pytest.mark.parametrize("name", ["cda-relayed", "tap-approve", "tap-phone"])
def test_a_tapped_card_that_is_found_by_the_beginning_of_its_name(
    pki: Pki, tmp_path: Path, name: str, more: str
) -> None:
    card = called(contactless.build(contactless.profile(name), pki), more)
    found = paid(pki, card, (), online=False, tap=True)
    assert found[1]["aid"] == "F00000544401" + (more if len(more) <= 4 else "")
    _says_no_more(found)
    agree(tmp_path, found, bare=name not in _TIMED)


TWICE = {**profile("cib-approve"), "also": [{"scheme": "cib", "number": 23, "priority": 2}]}


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize(
    "card", [TWICE, {**TWICE, "pse": True}, TWO, PSE_TWO], ids=["twice", "twice, PSE", "two", "two, PSE"]
)
@pytest.mark.parametrize("endings", [("01", "02"), ("9999990100000013", "0102"), ("0102030405", "9999990100000013")])
def test_several_applications_under_the_beginnings_of_their_names(
    pki: Pki, tmp_path: Path, card: dict[str, Any], endings: tuple[str, str], place: int
) -> None:
    def refusing(command: bytes) -> bytes | None:
        seen.append(bytes(command))
        return bytes.fromhex("6985") if command[1] == 0xA8 and len(ran) == 0 and not ran.append(1) else None

    for lie, first in ((lambda _: None, False), (refusing, True)):
        for pse in (False, True):
            seen: list[bytes] = []
            ran: list[int] = []
            built = called(build(card, pki), *endings)
            found = paid(pki, built, ("1234",), online=False, tap=False, lie=lie, place=0 if first else place, pse=pse)
            _says_no_more(found)
            agree(tmp_path, found)


def test_entries_and_names_that_go_on_from_one_another(pki: Pki, tmp_path: Path) -> None:
    base = emv_body(pki)
    (cib,) = [entry for entry in base["aids"] if bytes(entry["aid"]).hex().endswith("01")]
    orders = [[b""], [b"\1"], [b"", b"\1"], [b"\1", b""], [b"", b"\1", b"\1\2"], [b"\1\2", b"\3", b""]]
    for order in orders:
        aids = [{**cib, "aid": bytes(cib["aid"]) + more} for more in order]
        for endings in (("", "01"), ("01", "02"), ("0102", "01"), ("01", "")):
            if not any(bytes.fromhex(more).startswith(own) for more in endings for own in order):
                continue
            for pse in (False, True):
                card = called(build({**TWICE, "pse": True}, pki), *endings)
                found = paid(pki, card, ("1234",), online=False, tap=False, pse=pse, aids=aids)
                agree(tmp_path, found)
                torn_and_replayed(tmp_path, pki, {**base, "aids": aids, "pse": pse}, endings)


def torn_and_replayed(tmp_path: Path, pki: Pki, body: dict[str, Any], endings: tuple[str, str]) -> None:
    """The same card, leaving in each of its first commands."""
    for tear in range(1, 14):
        card = Gone(called(build({**TWICE, "pse": True}, pki), *endings), tear, heard=True)
        payment = Payment(500_000, ContactlessParams(body), lambda *_: "1234", None, lambda _: None)
        try:
            asyncio.run(payment.run(card))
        except CardRemovedError as error:
            written = json.loads(json.dumps(report.trace_interrupted(error, payment)))
        else:
            assert tear > 8
            break
        if written["aid"]:
            file = tmp_path / "torn.json"
            file.write_text(json.dumps(written))
            played = Replay(record.load(file), body)
            assert played.run() is None and played.interrupted and played.differences == []


def test_a_choice_of_an_application_that_was_not_offered_is_named(pki: Pki, tmp_path: Path) -> None:
    _, written, body = paid(pki, build(TWO, pki), ("1234",), online=False, tap=False)
    assert written["choices"] == [0]
    file = tmp_path / "trace.json"
    for choices, said in (
        ([2], "choice 2, recorded from 0, the kernel offers 2 applications"),
        ([0, 1], "choices, entry 2:"),
    ):
        file.write_text(json.dumps({**written, "choices": choices}))
        played = Replay(record.load(file), body)
        played.run()
        assert played.differences[0].startswith(said)


class Gone(Reader):
    """A card that leaves in its command `tear`, heard or not, and comes back as often as it is asked to."""

    def __init__(self, card: Any, tear: int, heard: bool) -> None:
        super().__init__(card, lambda _: None)
        self.tear, self.heard, self.commands = tear, heard, 0

    async def transceive(self, command: bytes) -> bytes:
        self.commands += 1
        if self.commands != self.tear:
            return await super().transceive(command)
        if self.heard:
            await super().transceive(command)
        raise CardRemovedError("the card left")

    async def transceive_timed(self, command: bytes) -> tuple[bytes, int]:
        """Slower than any card says it is: the TVR tells which time a replay took."""
        return await self.transceive(command), 542


@pytest.mark.parametrize("name", taps.PROFILES)
def test_a_tapped_card_that_was_torn_and_came_again(pki: Pki, tmp_path: Path, name: str) -> None:
    body, tear, longest = emv_body(pki), 0, 1
    params = ContactlessParams(body)
    while tear <= longest:
        card = contactless.build(contactless.profile(name), pki)
        payment = Payment(90_000, params, lambda *_: "", None, lambda _: None, True)
        reader = Gone(card, tear, heard=bool(tear % 2))
        result = asyncio.run(payment.run(reader))
        longest = reader.commands if not tear else longest
        replayed(tmp_path, json.loads(json.dumps(report.trace(result, payment))), body)
        tear += 1
    assert longest > 1


def test_an_application_that_refuses_and_the_one_chosen_after_it(pki: Pki, tmp_path: Path) -> None:
    third = {**PSE_TWO, "also": [*PSE_TWO["also"], {"scheme": "edahabia", "number": 22, "priority": 3}]}
    refused = bytes.fromhex("F00000544401")
    for card in (TWO, PSE_TWO, third):
        seen: list[bytes] = []

        def lie(command: bytes, seen: list[bytes] = seen) -> bytes | None:
            seen.append(command[5:11] if command[1] == 0xA4 else command[1:2])
            return bytes.fromhex("6985") if seen[-1] == b"\xa8" and refused in seen[-2:] else None

        agree(tmp_path, paid(pki, build(card, pki), ("1234",), online=False, tap=False, lie=lie, pse=True))


def _online_pin_capable(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "aids": [{**entry, "capabilities": bytes.fromhex("2078C8")} for entry in body["aids"]]}


@pytest.mark.parametrize("cvm", ["0203", "4203", "42031E03", "42031F03", "1E03"])
@pytest.mark.parametrize("entered", [True, None])
def test_an_online_pin_is_read_from_what_the_card_was_told(
    pki: Pki, tmp_path: Path, cvm: str, entered: bool | None
) -> None:
    body, steps = _online_pin_capable(emv_body(pki)), []
    card = build({**profile("cib-online"), "cvm": cvm}, pki)

    def respond(command: bytes) -> bytes:
        steps.append((record.masked(command), card.respond(command)))
        return steps[-1][1]

    txn = emv_machine.purchase(500_000)
    answers = {"choose": 0, "online_pin": entered, "online": None, "random": bytes(1)}
    result = emv_machine.run(
        transact(txn, ContactlessParams(body), NativeCrypto(), bytes(4)), respond, lambda r: answers.get(r[0])
    )
    terminal = {
        0x9F02: "000000500000", 0x5F2A: "0012", 0x9F1A: "0012", 0x9A: "261122", 0x9F21: "093000", 0x9C: "00", 0x9F41: "00000001",
        0x9F37: "00000000", 0x9F33: "2078C8",
    }  # fmt: skip
    written = {
        "steps": record.steps_json(steps, result.aid), "terminal": {f"{tag:X}": value for tag, value in terminal.items()},
    }  # fmt: skip
    facts = {"cvm_results": result.cvm_results.hex(), "tvr": result.tvr.hex()}
    for more in ({}, facts):
        played, again = replayed(tmp_path, {**written, **more}, body)
        assert {f: getattr(again, f) for f in FACTS} == {f: getattr(result, f) for f in FACTS} and played.assumed == []


def _told(*asked: tuple[int, str]) -> list[tuple[bytes, bytes]]:
    """A record with a CDOL1, and the GENERATE AC made with it."""
    dol = b"".join(tag.to_bytes(1 + (tag > 0xFF), "big") + bytes([len(value) // 2]) for tag, value in asked)
    data = bytes.fromhex("".join(value for _, value in asked))
    record_ = tlv.encode(0x70, tlv.encode(tags.CDOL1, dol)) + b"\x90\x00"
    return [
        (bytes.fromhex("00B2010C00"), record_),
        (bytes.fromhex("80AE8000") + bytes([len(data)]) + data, b"\x90\x00"),
    ]


@pytest.mark.parametrize(
    ("steps", "entered"),
    [
        (_told((tags.CVM_RESULTS, "420300"), (tags.TVR, "0000000000")), True),
        (_told((tags.CVM_RESULTS, "020301")), False),
        (_told((tags.CVM_RESULTS, "1F0302")), False),
        (_told((tags.AMOUNT, "000000500000"), (tags.TVR, "0000048000")), True),
        (_told((tags.TVR, "0000088000")), False),
        (_told((tags.AMOUNT, "000000500000")), None),
        ([], None),
    ],
)
def test_where_nothing_says_whether_an_online_pin_was_entered_nothing_is_made_up(
    steps: list[tuple[bytes, bytes]], entered: bool | None
) -> None:
    assert holder.gave_online_pin(steps) is entered
