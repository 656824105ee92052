"""The simulated licences through real PC/SC: reached by opensc-tool, decoded by openssl, read by the reader as in the process."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.card_pcsc import PcscReader
from protocol import records
from sim.cards.licence import mrz
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import read as read_tlv
from sim.links import pcscd
from sim.links.vpcd import VpcdSlot
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.sim.cards.test_licence import Terminal
from tests.sim.pki import strangers
from tests.support import needs, strict


def in_a_slot(name: str, use: "Callable[[VpcdSlot, Any], Awaitable[Any]]") -> Any:
    """Run `use` with the chip of a profile in a virtual reader of pcscd."""
    reason = pcscd.why_not()
    if reason:
        strict.skip_missing(reason)

    async def run() -> Any:
        slot, chip = VpcdSlot(), bench.chip_of(name)
        await slot.start()
        await slot.insert(chip)
        try:
            return await use(slot, chip)
        finally:
            await slot.close()

    return asyncio.run(asyncio.wait_for(run(), 60))


async def opensc(*apdus: str) -> "list[bytes]":
    """What the card answered to the commands that opensc-tool sent in one session, with status words."""
    words = [word for apdu in apdus for word in ("-s", apdu)]
    process = await asyncio.create_subprocess_exec(
        needs.opensc_tool(),
        "-r",
        "0",
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=os.environ,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 30)
    answers = []
    for part in out.decode(errors="replace").split("Received (")[1:]:
        status = re.match(r"SW1=0x(..), SW2=0x(..)\)", part)
        assert status, part
        dump = "".join(re.findall(r"^((?:[0-9A-F]{2} )+)", part.split("\n", 1)[1] if "\n" in part else "", re.M))
        answers.append(bytes.fromhex(dump) + bytes.fromhex(status[1] + status[2]))
    return answers


@meets("LX-01")
def test_opensc_tool_reads_the_open_files_and_is_refused_the_others() -> None:
    async def use(slot: VpcdSlot, chip: Any) -> "list[bytes]":
        for _ in range(20):
            got = await opensc(
                "00B09C0000", "00B08100 00", "00A4040C07A0000002480200", "0084000008", "00B0810000", "00B09E0004"
            )
            if got:
                return got
            await asyncio.sleep(0.2)
        return []

    access, info, selected, challenge, group1, com = in_a_slot("pace-gm", use)
    expected = bench.chip_of("pace-gm").content.files[0x1C]
    assert access == expected + b"\x90\x00" or access[-2] == 0x6C
    assert info == b"\x6a\x82" and selected == b"\x90\x00" and len(challenge) == 10
    assert group1 == com == b"\x69\x82"


@meets("LX-01")
def test_openssl_decodes_the_sod_that_a_stranger_read_and_verifies_it_up_to_the_authority(tmp_path: Path) -> None:
    chip = bench.chip_of("rich")
    terminal = Terminal(chip, mrz.information(PEOPLE["karim"])).open()
    whole = b""
    while len(whole) < len(chip.content.files[0x1D]):
        size = min(200, len(chip.content.files[0x1D]) - len(whole))
        at = len(whole)
        data, status = terminal.send(0xB0, 0x9D if at < 256 else at >> 8, at & 255, size)
        assert status == 0x9000
        whole += data
    (tag, content), *rest = read_tlv(whole)
    assert tag == 0x77 and not rest
    (tmp_path / "sod.der").write_bytes(content)
    anchor = strangers.pem_of(bench.pki().csca.der, tmp_path / "csca.pem")
    out = strangers.run(
        "openssl", "cms", "-verify", "-inform", "DER", "-in", str(tmp_path / "sod.der"), "-CAfile", str(anchor), "-purpose", "any",
        "-attime", "1600000000", "-out", str(tmp_path / "lds.der"),
    )  # fmt: skip
    assert out == ""
    parsed = strangers.run("openssl", "asn1parse", "-inform", "DER", "-in", str(tmp_path / "lds.der"))
    assert parsed.count("OCTET STRING") == len([file for file in chip.content.files if file < 0x1C])


@meets("LX-02")
@pytest.mark.parametrize(
    "name", ["nadia", "pace-cam", "agreement-3des", "extended", "clone-active-none", "altered", "eu"]
)
def test_the_reader_finds_the_same_through_pcscd(name: str) -> None:
    async def use(slot: VpcdSlot, chip: Any) -> Any:
        reader = PcscReader(slot.reader_name, timeout_ms=3000)
        try:
            await reader.wait_for_card(5000)
            atr = await reader.connect()
            assert atr == chip.atr
            machine = bench.machine(name, atr=atr, room=2048)
            answer = None
            while True:
                try:
                    request = machine.send(answer)
                except StopIteration as end:
                    return end.value
                answer = await reader.transceive(request[1]) if request[0] == "apdu" else None
        finally:
            await reader.disconnect()
            reader.close()

    got = in_a_slot(name, use)
    here = bench.read(name).done
    assert (got.verdict, got.findings, got.altered_groups, got.access, got.chip) == (
        here.verdict, here.findings, here.altered_groups, here.access, here.chip,
    )  # fmt: skip
    assert got.verdict != records.VERDICT_UNREADABLE and got.dg1 == here.dg1
