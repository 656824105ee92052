"""Files that are larger than most: security objects full of certificates, scans of signatures, groups beyond the reach of READ BINARY B0."""

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1

from protocol import records
from protocol.crypto.native import NativeCrypto
from protocol.licence.profile import COM, HOLD_LIMIT, PLAIN_REACH, SOD, STREAM_LIMIT
from sim.cards.licence import content, profile
from sim.cards.tlv import read, tlv
from sim.links.direct import DirectReader
from sim.pki import sod
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare
from tools.licence import offline, session

SMALL = {**profile("amina"), "portrait_bytes": 600}
AES = {**profile("agreement-aes128"), "portrait_bytes": 600}
KNOWS_ODD = {"odd_read_kills": False}
PICTURE = b"\xff\xd8\xff\xe0"


def sized(group: int, size: int, form: int = 0) -> bytes:
    """A group of `size` bytes with something like a JPEG in it; `form`: how many bytes its length has (0: no more than it needs)."""
    body = PICTURE + bytes(range(256)) * (size // 256 + 1)
    tag = bytes((b"\x61\x6b\x6c\x65\x67\x75"[group - 1],))
    if form:
        return tag + bytes((0x80 | form,)) + (size - 2 - form).to_bytes(form, "big") + body[: size - 2 - form]
    around = len(tlv(tag[0], body[: size - 5])) - (size - 5)
    return tlv(tag[0], body[: size - around])


def signed_anew(chip: Any, **changed: bytes) -> Any:
    """The chip with other groups (DG4=…), under a SOD that lists them."""
    files = chip.content.files
    files.update({int(name[2:]): data for name, data in changed.items()})
    groups = {number: data for number, data in files.items() if number <= 14}
    files[COM] = content.com(sorted(groups))
    files[SOD] = sod.build(groups, bench.pki().signers["dz"], dt.datetime(2022, 3, 10, tzinfo=dt.UTC))
    return chip


def crowded(size: int) -> Any:
    """Amina's chip, its EF.SOD with so many other certificates that it is larger than `size` bytes."""
    chip = bench.chip_of(SMALL)
    ((_, body),) = read(chip.content.files[SOD])
    made: Any = cms.ContentInfo.load(body)
    others = [anchor["cert"] for anchor in bench.pki().anchors(*bench.TRUSTED)]
    while len(made.dump(force=True)) <= size:
        for der in others:
            made["content"]["certificates"].append(cms.CertificateChoices("certificate", asn1.Certificate.load(der)))
    chip.content.files[SOD] = tlv(0x77, made.dump(force=True))
    return chip


def verified(chip: Any) -> Any:
    """What `tasdid licence verify` finds in the same files."""
    return offline.judge(NativeCrypto(), dict(chip.content.files), bench.trust(), bench.TODAY)


@meets("LR-18")
@pytest.mark.parametrize("size", [8100, 8300, 20000])
def test_a_large_security_object_is_believed_where_it_can_be_kept(size: int) -> None:
    chip = crowded(size)
    got = bench.read(SMALL, chip, hold=STREAM_LIMIT).done
    assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, [])
    assert got.verdict == verified(chip).verdict


@meets("LR-18")
def test_a_security_object_too_large_for_the_terminal_is_not_verified_and_not_altered() -> None:
    got = bench.read(SMALL, crowded(HOLD_LIMIT)).done
    assert (got.verdict, got.altered_groups) == (records.VERDICT_NOT_VERIFIED, [])
    assert ("LIC-238", "EF.SOD") in got.details and got.dg1 is not None and got.covered == []


@meets("LR-18")
@pytest.mark.parametrize("size", [8193, 10500, 15000, 40000])
@pytest.mark.parametrize("group", [5, 6])
def test_large_groups_are_kept_where_there_is_room_and_said_to_be_too_large_where_there_is_none(
    group: int, size: int
) -> None:
    given = {**SMALL, "quirks": KNOWS_ODD}
    data = sized(group, size)
    chip = signed_anew(bench.chip_of(given), **{f"DG{group}": data})
    archive: dict[int, bytes] = {}
    got = bench.read(given, chip, groups=(1, group), hold=STREAM_LIMIT, archive=archive).done
    assert got.covered == [1, group] and archive[group] == data and "LIC-238" not in got.findings
    assert ("LIC-215" in got.findings) == (group == 6)  # which is no template
    chip.power_off()
    got = bench.read(given, chip, groups=(1, group), archive={}).done
    assert (got.verdict, got.covered) == (records.VERDICT_DATA_GENUINE, [1, group])
    assert got.details == [("LIC-238", group)] and group not in got.data


@meets("LR-18")
@pytest.mark.parametrize("form", [0, 4])
@pytest.mark.parametrize("over", ["6C", "short"])
@pytest.mark.parametrize("chunk", [0, 100, 240])
@pytest.mark.parametrize("given", [SMALL, AES])
def test_a_portrait_beyond_32_kilobytes_is_read_by_the_odd_instruction(
    given: "dict[str, Any]", chunk: int, over: str, form: int
) -> None:
    wanted = {**given, "quirks": {**KNOWS_ODD, "chunk": chunk, "over_read": over}}
    for size in (PLAIN_REACH + 1, 0x10123):
        data = sized(4, size, form)
        got = bench.read(wanted, signed_anew(bench.chip_of(wanted), DG4=data), portrait=True).done
        assert 4 in got.covered and got.findings == [] and bytes(got.portrait or b"") == data


@meets("LR-18", "LR-04")
@pytest.mark.parametrize("room", [1100, 0x7000])
@pytest.mark.parametrize("given", [SMALL, AES])
def test_extended_length_serves_beyond_32_kilobytes_too(given: "dict[str, Any]", room: int) -> None:
    quirks = {**KNOWS_ODD, "chunk": 0, "extended": True, "strict": True, "over_read": "short"}
    wanted = {**given, "announces_extended": True, "quirks": quirks}
    data = sized(4, 0x12345)
    chip = signed_anew(bench.chip_of(wanted), DG4=data)
    outcome = bench.read(wanted, chip, portrait=True, atr=chip.atr, room=room)
    assert outcome.done.findings == [] and bytes(outcome.done.portrait or b"") == data
    assert max(len(answer) for answer in outcome.answers) > room - 100
    assert [command for command in outcome.commands if command[1] == 0xB1]


@meets("LR-18", "LR-03", "LR-11")
@pytest.mark.parametrize("select_only", [False, True])
def test_a_card_pulled_or_a_channel_lost_beyond_32_kilobytes_is_gone_on_with(select_only: bool) -> None:
    given = {**SMALL, "quirks": {**KNOWS_ODD, "select_then_read_fails": False}}
    chip = signed_anew(bench.chip_of(given), DG5=sized(5, 36000))
    if select_only:
        inner = chip._read_binary
        chip._read_binary = lambda apdu: (b"", 0x6A86) if apdu.p1 & 0x80 else inner(apdu)
    whole = bench.read(given, chip, groups=(1, 5), hold=STREAM_LIMIT)
    assert whole.done.covered == [1, 5] and whole.done.findings == []
    count = len(whole.commands)
    for back in (1, 3, 9, 16):
        resume = bench.Resume()
        chip.power_off()
        assert (
            bench.read(given, chip, groups=(1, 5), hold=STREAM_LIMIT, resume=resume, pull_at=count - back).code
            == "CRD-003"
        )
        chip.power_off()
        again = bench.read(given, chip, groups=(1, 5), hold=STREAM_LIMIT, resume=resume)
        assert again.summary() == whole.summary() and len(again.commands) < 60
        chip.power_off()
        chip.quirks.lose_channel_at = count - back - 4
        lost = bench.read(given, chip, groups=(1, 5), hold=STREAM_LIMIT)
        chip.quirks.lose_channel_at = 0
        assert lost.summary() == whole.summary() and len(lost.commands) > count


@meets("LR-18")
def test_a_length_in_more_bytes_than_it_needs_is_no_alteration() -> None:
    chip = bench.chip_of(SMALL)
    ((_, first),) = read(chip.content.files[1])
    long = b"\x61\x84" + len(first).to_bytes(4, "big") + first
    got = bench.read(SMALL, signed_anew(chip, DG1=long, DG5=sized(5, 700, 4)), groups=(1, 5)).done
    assert (got.verdict, got.findings, got.covered) == (records.VERDICT_DATA_GENUINE, [], [1, 5])
    assert verified(chip).verdict == got.verdict


@meets("LR-18")
@pytest.mark.parametrize("quirks", [{}, KNOWS_ODD])
def test_a_card_that_cannot_be_read_beyond_32_kilobytes_is_not_accused(quirks: "dict[str, Any]") -> None:
    given = {**SMALL, "quirks": quirks}
    chip = signed_anew(bench.chip_of(given), DG5=sized(5, 40000))
    if quirks:
        chip._read_far = lambda apdu: (b"", 0x6D00)
    got = bench.read(given, chip, groups=(1, 5, 11)).done
    assert (got.verdict, got.covered, got.altered_groups) == (records.VERDICT_DATA_GENUINE, [1, 11], [])
    assert got.details == [("LIC-213", "DG5 6D00" if quirks else "DG5 6987")]


@meets("LR-18")
@pytest.mark.parametrize("answer", [b"", b"\x53", b"\x53\x00", b"\x54\x01\x00", b"\x53\x05\x00"])
def test_an_answer_to_the_odd_instruction_that_holds_no_data_is_a_refusal(answer: bytes) -> None:
    given = {**SMALL, "quirks": KNOWS_ODD}
    chip = signed_anew(bench.chip_of(given), DG5=sized(5, 40000))
    chip._read_far = lambda apdu: (answer, 0x9000)
    got = bench.read(given, chip, groups=(1, 5)).done
    assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, ["LIC-213"])


@meets("LR-18")
def test_a_forged_part_beyond_32_kilobytes_is_altered() -> None:
    given = {**SMALL, "quirks": KNOWS_ODD}
    chip = signed_anew(bench.chip_of(given), DG5=sized(5, 40000))
    chip.content.files[5] = chip.content.files[5][:-1] + b"\xaa"
    got = bench.read(given, chip, groups=(1, 5)).done
    assert (got.verdict, got.altered_groups) == (records.VERDICT_ALTERED, [5])


@meets("LR-18")
def test_key_groups_that_cannot_be_kept_leave_the_chip_unproven() -> None:
    for name, group in (("active-rsa-sha1", 13), ("agreement-aes128", 14)):
        given = {**profile(name), "portrait_bytes": 600}
        chip = bench.chip_of(given)
        assert bench.read(given, chip, hold=10).done.verdict == records.VERDICT_NOT_VERIFIED
        chip.power_off()
        whole = len(chip.content.files[group])
        limit = max(len(data) for file, data in chip.content.files.items() if file in (1, 11, SOD))
        assert whole < limit  # made larger, by what follows the key in a DG14 and nobody reads
        if group == 14:
            ((_, infos),) = read(chip.content.files[14])
            ((_, rows),) = read(infos)
            chip = signed_anew(
                chip, DG14=tlv(0x6E, tlv(0x31, rows, tlv(0x30, tlv(6, b"\x2a\x03"), tlv(4, bytes(9000)))))
            )
            got = bench.read(given, chip).done
            assert (got.verdict, got.chip) == (records.VERDICT_DATA_GENUINE, "untested")
            assert ("LIC-238", 14) in got.details
            chip.power_off()
            assert bench.read(given, chip, hold=STREAM_LIMIT).done.verdict == records.VERDICT_GENUINE


@meets("LR-18")
def test_the_command_keeps_every_group_that_it_reads() -> None:
    given = {**profile("rich"), "portrait_bytes": 600, "quirks": KNOWS_ODD}
    chip = signed_anew(bench.chip_of(given), DG5=sized(5, 10500), DG4=sized(4, 40000))
    reader = DirectReader()

    async def course() -> Any:
        await reader.insert(chip)
        return await session.read(
            reader, NativeCrypto(), bench.print_of(given), bench.trust(), bench.TODAY, 1000, lambda line: None, False
        )

    reading, files = asyncio.run(course())
    assert (reading.verdict, reading.findings) == (records.VERDICT_DATA_GENUINE, [])
    assert files == {file: data for file, data in chip.content.files.items() if file != 0x1C}


@meets("LR-18", "LX-03")
def test_large_files_come_out_the_same_on_the_device(tmp_path: Path) -> None:
    given = {**SMALL, "quirks": KNOWS_ODD}
    far = signed_anew(bench.chip_of(given), DG5=sized(5, PLAIN_REACH + 900))
    compare(
        [
            (SMALL, (1, 11), False, 0, crowded(HOLD_LIMIT)),
            (given, (1, 5), False, 0, far),
            (SMALL, (1, 5), False, 0, signed_anew(bench.chip_of(SMALL), DG5=sized(5, 8300, 4))),
        ],
        tmp_path,
    )
