"""`tasdid licence`: simulated cards read over TCP and over PC/SC by the command itself; dumps judged; words, JSON, exit codes."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from protocol.errors import ConfigError
from sim.cards import licence
from sim.cards.licence.people import PEOPLE
from sim.links.slot_server import LinkSlot
from sim.links.vpcd import VpcdSlot
from sim.pki import Pki, make_pki
from tests.support import needs
from tools import cli
from tools.licence import trace

DAY = ("--today", "20250611")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def anchor(tmp_path: Path, pki: Pki) -> Path:
    path = tmp_path / "csca.der"
    path.write_bytes(pki.csca.der)
    return path


async def tasdid(*words: str, stdin: str = "") -> "tuple[int, str, str]":
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tools.cli", "licence", *words,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=dict(os.environ),
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(stdin.encode()), 60)
    assert "Traceback" not in err.decode()
    return process.returncode or 0, out.decode(), err.decode()


def read(name: str, pki: Pki, *words: str, tear_at: "int | None" = None, mrz: str = "") -> "tuple[int, str, str]":
    """Run `licence read` on a card of profile `name` behind a TCP slot."""
    given = licence.profile(name)
    lines = mrz or licence.mrz_lines(PEOPLE[given["person"]])

    async def course() -> "tuple[int, str, str]":
        slot = LinkSlot()
        await slot.start()
        card = licence.build(given, pki)
        await slot.insert(card)
        slot.tear_at = tear_at
        again = asyncio.create_task(_put_back(slot, card))
        try:
            return await tasdid("read", "--reader", f"link:127.0.0.1:{slot.port}", "--mrz", lines, *DAY, *words)
        finally:
            again.cancel()
            await slot.close()

    return asyncio.run(course())


async def _put_back(slot: LinkSlot, card: Any) -> None:
    """A person who puts the card back after it slipped out."""
    while True:
        await asyncio.sleep(0.1)
        if slot.card is None:
            slot.tear_at = None
            await slot.insert(card)


def test_a_genuine_licence_is_read_dumped_and_its_portrait_decoded(pki: Pki, anchor: Path, tmp_path: Path) -> None:
    out = tmp_path / "dump"
    code, said, progress = read("amina", pki, "--trust", str(anchor), "--out", str(out), "--json")
    report = json.loads(said)
    assert code == cli.OK and report["verdict"]["words"] == "data genuine, chip not proven"
    files = licence.build(licence.profile("amina"), pki).content.files
    assert {name: (out / name).read_bytes() for name in ("EF.COM", "DG1", "DG2", "DG3", "DG4", "DG5", "DG11")} == {
        "EF.COM": files[0x1E], **{f"DG{number}": files[number] for number in (1, 2, 3, 4, 5, 11)}
    }  # fmt: skip
    assert Image.open(out / "portrait.png").size == (240, 308)
    assert {name: group["state"] for name, group in report["groups"].items()}["DG4"] == "signed"
    assert report["data"]["DG1"]["number"] == PEOPLE["amina"].number
    assert (out / "DG1").stat().st_mode & 0o777 == 0o600
    assert "DG4: " in progress


def test_without_trust_the_issuer_is_unknown_and_the_exit_code_says_so(pki: Pki) -> None:
    code, said, remarks = read("karim", pki)
    assert code == cli.CHECK_FAILED and said.startswith("unknown issuer\n") and "no --trust" in remarks


def test_a_licence_that_slips_out_is_read_on_to_the_end(pki: Pki, anchor: Path) -> None:
    code, said, remarks = read("amina", pki, "--trust", str(anchor), "--json", tear_at=30)
    assert code == cli.OK and "CRD-003" in remarks
    assert json.loads(said)["verdict"]["number"] == 2


def test_the_trace_is_decoded_and_holds_nothing_personal(pki: Pki, anchor: Path) -> None:
    code, _, trace = read("amina", pki, "--trust", str(anchor), "--trace")
    lines = [line for line in trace.splitlines() if line[:1] in "→←"]
    assert code == cli.OK
    assert any("SELECT A0000002480200" in line for line in lines)
    assert any("READ BINARY DG1 from 0  secured {Le F0, MAC ‹8 bytes›}" in line for line in lines)
    assert any(line.startswith("← 9000 ok  secured {data ‹") for line in lines)
    person = PEOPLE["amina"]
    for secret in (person.number, person.surname, person.number.encode().hex(), person.surname.encode().hex()):
        assert secret.upper() not in trace.upper()
    authenticate = next(line for line in lines if "EXTERNAL AUTHENTICATE" in line)
    assert authenticate == "→ 00 82 00 00  EXTERNAL AUTHENTICATE  ‹40 bytes›"


PERSONAL = b"BENALI<AMINA 19870614 A10203047"


@pytest.mark.parametrize("tag", [0x97, 0x99, 0x85, 0x87, 0x5F])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 31])
def test_the_trace_shows_no_object_that_is_longer_than_a_length_or_a_status(tag: int, size: int) -> None:
    value = PERSONAL[:size]
    for said in (
        trace.response(bytes((tag, size)) + value + b"\x90\x00", True),
        trace.response(bytes((tag, 0x81, size)) + value + b"\x90\x00", True),
        trace.command(b"\x0c\xb0\x81\x00" + bytes((2 + size, tag, size)) + value),
    ):
        shown = value.hex().upper() in said and size > 0
        assert shown == ((tag, size) in ((0x97, 1), (0x97, 2), (0x99, 2))), said
    cut = trace.response(bytes((0x99, 2)) + PERSONAL[:1] + b"\x90\x00", True)
    assert "42" not in cut


@pytest.mark.parametrize(
    ("field", "change"), [("number", (0, 7)), ("birth", (1, 2)), ("expiry", (1, 10)), ("composite", (1, 29))]
)
def test_a_wrong_mrz_is_refused_and_its_field_named(field: str, change: "tuple[int, int]") -> None:
    lines = licence.mrz_lines(PEOPLE["amina"]).split("\n")
    at, column = change
    digit = str((int(lines[at][column]) + 1) % 10)
    lines[at] = lines[at][:column] + digit + lines[at][column + 1 :]
    code, _, said = asyncio.run(tasdid("read", "--reader", "link:127.0.0.1:9", "--mrz", "/".join(lines)))
    assert code == cli.BAD_INPUT and "LIC-010" in said and f"MRZ: {field}" in said


def test_the_mrz_may_come_on_standard_input(pki: Pki) -> None:
    lines = licence.mrz_lines(PEOPLE["amina"])
    code, _, said = asyncio.run(tasdid("read", "--reader", "link:127.0.0.1:9", "--mrz", "-", stdin=lines))
    assert code == cli.MISSING and "CRD-010" in said  # the MRZ was taken: it fails at the reader that is not there


def test_another_persons_mrz_is_bad_input(pki: Pki) -> None:
    code, _, said = read("amina", pki, mrz=licence.mrz_lines(PEOPLE["karim"]))
    assert code == cli.BAD_INPUT and "LIC-021" in said


def test_no_card_is_told_after_the_wait() -> None:
    async def course() -> "tuple[int, str, str]":
        slot = LinkSlot()
        await slot.start()
        lines = licence.mrz_lines(PEOPLE["amina"])
        try:
            return await tasdid("read", "--reader", f"link:127.0.0.1:{slot.port}", "--mrz", lines, "--wait", "1")
        finally:
            await slot.close()

    code, _, said = asyncio.run(course())
    assert code == cli.BAD_INPUT and "CRD-002" in said


def test_a_reader_that_is_not_there_is_missing_and_a_bad_name_is_bad_input() -> None:
    lines = licence.mrz_lines(PEOPLE["amina"])
    code, _, said = asyncio.run(tasdid("read", "--reader", "pcsc:no such reader", "--mrz", lines, "--wait", "1"))
    assert code == cli.MISSING and "CRD-01" in said
    code, _, said = asyncio.run(tasdid("read", "--reader", "usb:0", "--mrz", lines))
    assert code == cli.BAD_INPUT and "CFG-042" in said


def test_a_licence_is_read_through_pcscd(pki: Pki, anchor: Path) -> None:
    needs.pcsc()

    async def course() -> "tuple[int, str, str]":
        slot = VpcdSlot()
        await slot.start()
        await slot.insert(licence.build(licence.profile("nadia"), pki))
        lines = licence.mrz_lines(PEOPLE["nadia"])
        try:
            return await tasdid(
                "read", "--reader", f"pcsc:{slot.reader_name}", "--mrz", lines, "--trust", str(anchor), *DAY
            )
        finally:
            await slot.close()

    code, said, _ = asyncio.run(course())
    assert code == cli.OK and said.startswith("data genuine, chip not proven\n")


def test_a_folder_in_use_is_refused_before_anybody_waits_for_a_card(tmp_path: Path) -> None:
    (tmp_path / "DG11").write_bytes(b"another card's")
    lines = licence.mrz_lines(PEOPLE["amina"])
    code, _, said = asyncio.run(tasdid("read", "--reader", "link:127.0.0.1:1", "--mrz", lines, "--out", str(tmp_path)))
    assert code == cli.BAD_INPUT and "CFG-092" in said


def test_today_is_algerias(monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.commands import licence as command

    monkeypatch.setattr(command.time, "time", lambda: 1750026600)  # 15 June 2025, 22:30 UTC
    assert command._day("") == "20250615"
    monkeypatch.setattr(command.time, "time", lambda: 1750030200)  # an hour later it is the 16th in Algiers
    assert command._day("") == "20250616"


@pytest.mark.parametrize(
    "text", ["2025061", "203231", "20250631", " 2025061", "2025-6-1", "٢٠٢٥٠٦١١", "00000101", "20250611\n"]
)
def test_a_day_has_eight_digits_and_is_in_the_calendar(text: str) -> None:
    from tools.commands import licence as command

    assert command._day("20240229") == "20240229"
    with pytest.raises(ConfigError) as caught:
        command._day(text)
    assert caught.value.code == "CFG-087"


def test_an_eu_licence_that_knows_its_number_alone_is_read_with_the_scanned_line(
    pki: Pki, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = licence.build

    def by_number_alone(given: Any, made: Pki) -> Any:
        card = build(given, made)
        begin = card._set_pace
        card._set_pace = lambda apdu: begin(apdu) if b"\x83\x01\x02" in apdu.data else (b"", 0x6A88)
        return card

    monkeypatch.setattr(licence, "build", by_number_alone)
    (tmp_path / "csca.der").write_bytes(pki.authorities["csca-foreign"].der)
    code, said, remarks = read("eu-pace", pki, "--trust", str(tmp_path / "csca.der"), "--json")
    assert code == cli.OK and json.loads(said)["access"] == "PACE" and "the number in it" in remarks
