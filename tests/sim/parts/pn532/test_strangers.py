"""libnfc, which nobody here wrote, at the PN532 model: it opens it, lists the cards as they are, and reads the simulated licence."""

import asyncio
import ctypes.util
import os
import re
import sys
from pathlib import Path

from sim.cards import licence
from sim.cards.base import Card
from sim.cards.contactless import Activation
from sim.parts.pn532 import Pn532, PtyLink
from tests.sim.cards.echo import EchoCard
from tests.support import needs, strict

SESSION = str(Path(__file__).parent / "libnfc_session.py")
SELECT_LICENCE = "00A4040C07A0000002480200"


def visit(command: list[str], *cards: "Card | str") -> "tuple[int, str, Pn532]":
    """Run a program of libnfc's on a chip with these cards ("echo" = the readers' test card); exit code, what it printed, the chip."""

    async def run() -> "tuple[int, str, Pn532]":
        chip = Pn532()
        link = PtyLink(chip)
        await link.start()
        for card in cards:
            await chip.field.add(EchoCard(chip.field) if isinstance(card, str) else card)
        device = f"pn532_uart:{link.path}:115200"
        process = await asyncio.create_subprocess_exec(
            *[device if word == "DEVICE" else word for word in command],
            env={**os.environ, "LIBNFC_DEVICE": device},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await asyncio.wait_for(process.communicate(), 60)
        await link.close()
        return process.returncode or 0, out.decode(), chip

    return asyncio.run(run())


def counts(text: str) -> dict[str, int]:
    """What nfc-list says it found, by kind."""
    return {
        kind: int(count) for count, kind in re.findall(r"(\d+) (\S+(?: \S+)*?) ?(?:\(\d+ kbps\) )?passive target", text)
    }


def test_nfc_list_sees_one_card_and_no_ghosts_of_other_families():
    code, text, _ = visit([needs.nfc_list(), "-v"], "echo")
    assert code == 0
    found = counts(text)
    assert found.pop("ISO14443A") == 1
    assert set(found.values()) == {0}
    assert len(found) >= 6
    assert "UID (NFCID3): 08  00  00  01" in text
    assert "Compliant with ISO/IEC 14443-4" in text
    assert "Historical bytes Tk: 54  53  44  49  44" in text
    assert "Max Frame Size accepted by PICC: 256 bytes" in text
    assert "bitrate 424 kbits/s supported" in text


def test_nfc_list_sees_an_empty_field_a_card_of_type_b_and_a_memory_card():
    assert set(counts(visit([needs.nfc_list(), "-v"])[1]).values()) == {0}
    card = Card()
    card.activation = Activation(b"PUPI", b"\x11\x22\x33\x44", kind="B")
    text = visit([needs.nfc_list(), "-v"], card)[1]
    assert counts(text)["ISO14443B"] == 1
    assert "PUPI: 50  55  50  49" in text
    assert "Application Data: 11  22  33  44" in text
    card.activation = Activation(bytes.fromhex("04112233445566"), sak=0x08)
    text = visit([needs.nfc_list(), "-v"], card)[1]
    assert counts(text)["ISO14443A"] == 1
    assert "Not compliant with ISO/IEC 14443-4" in text


def session(card: "Card | str", *apdus: str) -> "tuple[list[str], Pn532]":
    """A session of libnfc's with one card: its description, then the answers."""
    needs.nfc_list()
    if ctypes.util.find_library("nfc") is None:
        strict.skip_missing("libnfc is not here (Debian package libnfc-bin; `make setup` as root)")
    code, text, chip = visit([sys.executable, SESSION, "DEVICE", *apdus], card)
    assert code == 0, (code, text)
    return text.splitlines(), chip


def test_libnfc_exchanges_short_and_long_apdus():
    lines, chip = session("echo", "8001000003616263", "80020100", "80010000FA" + "5A" * 250)
    assert lines[1:] == ["6162639000", "00" * 256 + "9000", "5A".lower() * 250 + "9000"]
    assert 0x40 in chip.commands_seen


def test_libnfc_selects_the_simulated_licence(tmp_path):
    from sim.worlds.fleet import Fleet

    fleet = Fleet.make(tmp_path / "world")
    lines, _ = session(licence.build(licence.profile("amina"), fleet.pki), SELECT_LICENCE, "0084000008")
    assert "54  45  53  54  2d  49  44  4c" in lines[0]
    assert lines[1] == "9000"
    assert re.fullmatch(r"[0-9a-f]{16}9000", lines[2])
