"""Reading: chunks, ends of files, lost channels, encodings, damaged files, cards pulled out."""

from typing import Any

import pytest

from protocol import records
from protocol.licence.channel import MAX_READS, answer_size, extended_announced
from sim.cards.licence import profile
from sim.cards.licence.people import PEOPLE
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets

EVERYTHING = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12)


def plain_of(chip: Any) -> "list[bytes]":
    """The commands as the chip sees them after unwrapping, from now on."""
    seen: "list[bytes]" = []
    inner = chip._plain

    def spy(apdu: Any) -> Any:
        seen.append(bytes([apdu.cla, apdu.ins, apdu.p1, apdu.p2]) + (apdu.le or 0).to_bytes(3, "big"))
        return inner(apdu)

    chip._plain = spy
    return seen


def sizes(seen: "list[bytes]") -> "list[int]":
    """The lengths asked for by READ BINARY in the application's files."""
    return [int.from_bytes(item[4:], "big") for item in seen if item[1] == 0xB0]


@meets("LR-01")
@pytest.mark.parametrize("name", ["amina", "karim", "nadia"])
def test_no_select_ef_and_no_odd_read_is_sent(name: str) -> None:
    chip = bench.chip_of(name)
    seen = plain_of(chip)
    assert bench.read(name, chip).done.verdict == records.VERDICT_DATA_GENUINE
    assert not [item for item in seen if item[1] == 0xB1 or (item[1] == 0xA4 and item[2] != 4)]
    below = [item for item in seen if item[1] == 0xB0 and item[2] & 0x80]
    assert {item[2] & 0x1F for item in below} >= {0x1E, 0x1D, 1, 4, 11}


@meets("LR-02")
@pytest.mark.parametrize("over", ["6C", "6282", "short"])
@pytest.mark.parametrize("chunk", [0, 16, 100, 128, 231, 240])
@pytest.mark.parametrize("name", ["amina", "pace-gm"])
def test_files_end_where_they_end(over: str, chunk: int, name: str) -> None:
    outcome = bench.read({**profile(name), "portrait_bytes": 4000, "quirks": {"over_read": over, "chunk": chunk}})
    assert outcome.done.findings == [] and outcome.done.covered[:3] == [1, 4, 11]


@meets("LR-03")
@pytest.mark.parametrize("status", [0x6987, 0x6882, 0x6988])
@pytest.mark.parametrize("name", ["amina", "agreement-3des", "pace-gm"])
def test_a_channel_lost_at_any_command_is_rebuilt(status: int, name: str) -> None:
    short = {**profile(name), "portrait_bytes": 3000}
    whole = bench.read(short)
    for at in range(1, len(whole.commands) + 1):
        outcome = bench.read({**short, "quirks": {"lose_channel_at": at, "lose_with": status}})
        assert outcome.done.findings == [] and outcome.done.verdict == whole.done.verdict, at
        assert len(outcome.commands) <= len(whole.commands) + 12, at


@meets("LR-04")
@pytest.mark.parametrize(
    ("name", "room", "largest"), [("extended", 4096, 4048), ("extended", 1100, 1052), ("extended-small", 8192, 976)]
)
def test_extended_length_is_used_where_announced_and_as_far_as_there_is_room(
    name: str, room: int, largest: int
) -> None:
    chip = bench.chip_of(name)
    seen = plain_of(chip)
    outcome = bench.read(name, chip, atr=chip.atr, room=room)
    assert outcome.done.findings == [] and outcome.done.covered == [1, 4, 11]
    assert max(sizes(seen)) == largest
    assert max(len(answer) for answer in outcome.answers) <= room
    short = bench.read(name)
    assert len(outcome.commands) < len(short.commands) / 2


@meets("LR-04", "LR-05")
def test_an_extended_size_that_the_chip_does_not_take_is_lowered_once() -> None:
    given = {**profile("extended"), "quirks": {**profile("extended")["quirks"], "most": 1000}}
    chip = bench.chip_of(given)
    seen = plain_of(chip)
    outcome = bench.read(given, chip, atr=chip.atr, room=8192)
    assert outcome.done.covered == [1, 4, 11]
    refused = [answer for answer in outcome.answers if answer[-2:] == b"\x67\x00"]
    assert len(refused) == 3  # the first size, 2048 and 1024; then 512 serves all files
    assert max(sizes(seen)) == 512


@meets("LR-05")
@pytest.mark.parametrize(
    ("name", "atr", "room"), [("extended", "", 4096), ("extended", "own", 0), ("amina", "own", 4096)]
)
def test_no_extended_command_without_announcement_or_room(name: str, atr: str, room: int) -> None:
    chip = bench.chip_of(name)
    outcome = bench.read(name, chip, atr=chip.atr if atr else b"", room=room)
    assert outcome.done.covered == [1, 4, 11]
    assert all(len(command) <= 5 or command[4] != 0 for command in outcome.commands)


@meets("LR-05")
@pytest.mark.parametrize(("name", "size"), [("strict", 231), ("pace-gm", 223)])
def test_the_largest_chunk_that_fits_an_answer_is_learnt_once_for_all_files(name: str, size: int) -> None:
    chip = bench.chip_of({**profile(name), "quirks": {"chunk": 0, "strict": True, "over_read": "short"}})
    outcome = bench.read(name, chip)
    assert outcome.done.covered[:3] == [1, 4, 11]
    asked = [outcome.commands[at] for at, answer in enumerate(outcome.answers) if answer[-2:] == b"\x67\x00"]
    assert len(asked) == (1 if size == 231 else 2)
    assert len(outcome.commands) < 20 + len(chip.content.files[4]) / size + 10


@meets("LR-04")
def test_the_announcement_is_read_from_the_historical_bytes() -> None:
    assert extended_announced(bench.chip_of("extended").atr)
    assert not extended_announced(bench.chip_of("amina").atr)
    for atr, announced in (
        ("", False),
        ("3B", False),
        ("3B8A80018073C00040545445535400", True),
        ("3B8A80018073C00000545445535400", False),
        ("3B6500008073000040", True),
        ("3BF51100008131FE458073000040", True),  # interface bytes of three rounds
        ("3B8F8001804F0CA000000306030001000000006A", False),  # a storage card of PC/SC part 3
        ("3B858001807300", False),
        ("3BFF", False),
    ):
        assert extended_announced(bytes.fromhex(atr)) is announced, atr
    assert (
        answer_size(b"", 1000) == 952
        and answer_size(bytes.fromhex("7F660802020400020202 00".replace(" ", "")), 9000) == 464
    )
    assert answer_size(b"\x7f\x66\x08\x02\x02", 100) == 240


@meets("LR-06")
@pytest.mark.parametrize("name", ["amina", "karim", "yacine", "nadia", "saliha", "eu", "eu-active"])
def test_the_holder_and_the_categories_are_read_as_personalised(name: str) -> None:
    person = PEOPLE[profile(name)["person"]]
    got = bench.read(name).done.dg1
    assert got is not None
    for key in ("surname", "given_names", "birth", "issue", "expiry", "country", "authority", "number"):
        assert got[key] == getattr(person, key), key
    assert tuple((row["category"], row["issue"], row["expiry"]) for row in got["categories"]) == person.categories
    if person.surname_ar:
        arabic = bench.read(name).done.dg11
        assert arabic is not None and arabic["surname_ar"] == person.surname_ar


@meets("LR-07")
def test_rare_groups_are_decoded_and_their_pictures_found() -> None:
    chip = bench.chip_of("rich")
    got = bench.read("rich", chip, groups=EVERYTHING, portrait=True).done
    assert got.findings == [] and got.covered == [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12]
    assert got.data[2]["sex"] == "M" and got.data[3]["national_number"] == PEOPLE["karim"].nin
    signature = chip.content.files[5]
    assert signature[got.data[5]["start"] :][:3] == b"\xff\xd8\xff" and got.data[5]["image"] == "jpeg"
    face = got.data[6]["templates"][0]
    assert (face["kind"], face["owner"], face["format"], face["image"][0]) == ("face", 0x0101, 8, "jpeg")
    assert chip.content.files[6][face["image"][1] : face["image"][2]][-2:] == b"\xff\xd9"
    assert [item["kind"] for item in got.data[7]["templates"]] == ["finger", "finger"]
    one, two = got.data[7]["templates"]
    assert one["end"] - one["start"] == 48 and two["end"] - two["start"] == 58 and one["image"] is None
    assert got.data[8]["templates"][0]["kind"] == "iris" and got.data[12]["objects"] == [
        (0x81, b"\x01"),
        (0x82, b"TEST REFERENCE"),
    ]


@meets("LR-08")
@pytest.mark.parametrize(("name", "group"), [("amina", 4), ("eu", 6), ("pace-gm", 4)])
def test_the_portrait_comes_whole_and_last(name: str, group: int) -> None:
    chip = bench.chip_of(name)
    outcome = bench.read(name, chip, groups=(4, 1), portrait=True)
    assert bytes(outcome.done.portrait or b"") == chip.content.files[group]
    names = list(dict.fromkeys(item[0] for item in outcome.progress))
    assert [item for item in names if item not in ("DG13", "DG14")][-1] == f"DG{group}"
    without = bench.read(name, groups=(4, 1)).done
    assert without.portrait is None and group in without.covered


@meets("LR-10")
@pytest.mark.parametrize("name", ["nadia", "rich", "pace-gm"])
def test_progress_grows_to_each_files_end(name: str) -> None:
    last: "dict[str, tuple[int, int]]" = {}
    for file, done, total in bench.read(name, groups=EVERYTHING).progress:
        before = last.get(file, (0, total))
        assert before[0] < done <= total == before[1]
        last[file] = (done, total)
    assert len(last) >= 6 and all(done == total for done, total in last.values())


DAMAGE = ("cut", "long", "huge", "tag", "empty", "trailing", "indefinite", "gone")


@meets("LR-09", "LR-20", "LB-14")
@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("file", [1, 11, 0x1D, 0x1E])
@pytest.mark.parametrize("over", ["6C", "short", "6282"])
def test_damaged_files_never_look_genuine(file: int, how: str, over: str) -> None:
    got = bench.read({**profile("amina"), "damage": {file: how}, "quirks": {"over_read": over}}).done
    if how == "trailing":  # bytes after a file's end belong to nobody and are not read
        assert got.verdict == records.VERDICT_DATA_GENUINE and got.findings == []
    elif file == 0x1E:
        assert "LIC-212" in got.findings and got.verdict == records.VERDICT_DATA_GENUINE
    elif how == "gone":
        missing = {1: records.VERDICT_UNREADABLE, 0x1D: records.VERDICT_UNREADABLE, 11: records.VERDICT_DATA_GENUINE}
        assert got.verdict == missing[file] and ("LIC-230" if file == 0x1D else "LIC-213") in got.findings
    elif how == "huge":  # larger than a terminal reads: nothing was compared
        unread = {1: records.VERDICT_UNREADABLE, 0x1D: records.VERDICT_NOT_VERIFIED, 11: records.VERDICT_DATA_GENUINE}
        assert got.verdict == unread[file] and ("LIC-238" if file == 0x1D else "LIC-213") in got.findings
        assert got.altered_groups == [] and (file != 11 or got.dg11 is None)
    elif how in ("cut", "long") or (how == "indefinite" and file != 0x1D):  # there is no hash to compare
        assert got.verdict == (records.VERDICT_NOT_VERIFIED if file == 11 else records.VERDICT_UNREADABLE)
        assert got.altered_groups == [] and ("LIC-239", "EF.SOD" if file == 0x1D else file) in got.details
    else:
        assert got.verdict == records.VERDICT_ALTERED
        assert got.altered_groups == [0 if file == 0x1D else file]
    if file in (1, 11) and how != "trailing":
        assert file not in got.covered


@meets("LR-09", "LP-04")
@pytest.mark.parametrize("how", ["cut", "long", "tag", "indefinite", "empty"])
@pytest.mark.parametrize("name", ["active-rsa-sha1", "agreement-aes128"])
def test_a_damaged_key_group_is_altered_or_a_suspected_clone_and_proves_nothing(how: str, name: str) -> None:
    group = 13 if name.startswith("active") else 14
    got = bench.read({**profile(name), "damage": {group: how}}).done
    if how in ("tag", "empty"):
        assert (got.verdict, got.altered_groups, got.chip) == (records.VERDICT_ALTERED, [group], "failed")
    else:
        assert (got.verdict, got.altered_groups, got.chip) == (records.VERDICT_CLONE, [], "failed")
        assert {"LIC-239", "LIC-241" if group == 13 else "LIC-243"} <= set(got.findings)


@meets("LR-09")
def test_a_picture_larger_than_can_be_read_is_a_finding_and_no_accusation() -> None:
    got = bench.read({**profile("amina"), "damage": {4: "huge"}}).done
    assert (got.verdict, got.findings, got.covered) == (records.VERDICT_DATA_GENUINE, ["LIC-213"], [1, 11])


@meets("LR-09")
def test_large_groups_are_hashed_even_if_they_are_not_kept() -> None:
    got = bench.read({**profile("rich"), "portrait_bytes": 30000}, groups=(1, 4, 6), portrait=True).done
    assert got.covered == [1, 4, 6] and len(got.portrait or b"") > 8192


@meets("LR-13")
def test_files_in_crumbs_end_the_reading_after_a_bounded_number_of_commands() -> None:
    """A chip that answers every READ BINARY with eight bytes would hold an officer for minutes."""
    chip = bench.chip_of({**profile("amina"), "quirks": {"over_read": "short", "chunk": 0}})
    chip.content.files[4] = b"\x65\x82\x7f\x00" + bytes(0x7F00)
    inner = chip._piece
    chip._piece = lambda content, offset, wanted: inner(content, offset, min(wanted, 8))
    outcome = bench.read("amina", chip)
    assert outcome.code == "LIC-031" and MAX_READS < len(outcome.commands) < MAX_READS + 20


@meets("LR-11")
@pytest.mark.parametrize("name", ["amina", "agreement-aes128", "pace-cam", "active-p256", "eu"])
def test_a_card_pulled_at_any_command_is_read_on_without_reading_twice(name: str) -> None:
    given = {**profile(name), "portrait_bytes": 2500}
    chip = bench.chip_of(given)
    whole = bench.read(given, chip)
    for at in range(1, len(whole.commands) + 1):
        chip.power_off()
        resume = bench.Resume()
        torn = bench.read(given, chip, pull_at=at, resume=resume)
        assert torn.code == "CRD-003" and torn.reading is None and len(torn.commands) == at
        complete = {state.file for state in resume.reads.values() if state.complete}
        chip.power_off()
        seen = plain_of(chip)
        again = bench.read(given, chip, resume=resume)
        del chip._plain
        assert again.summary() == whole.summary() and again.done.files == whole.done.files, at
        read_again = {item[2] & 0x1F for item in seen if item[1] == 0xB0 and item[2] & 0x80}
        assert not complete & read_again, at


@meets("LR-12")
def test_another_chip_after_an_interruption_is_noticed() -> None:
    resume = bench.Resume()
    bench.read("amina", pull_at=20, resume=resume)
    assert resume.sod_sha256
    outcome = bench.read("amina", bench.chip_of({**profile("amina"), "signer": "revoked"}), resume=resume)
    assert outcome.code == "LIC-033" and resume.reads == {} and resume.sod_sha256 == b""


@meets("LR-12")
def test_a_file_that_begins_otherwise_after_a_lost_channel_is_of_another_chip() -> None:
    chip = bench.chip_of("amina")
    other = chip.content.files[4] + b"\0"
    opened = chip._external_authenticate

    def lost_in_the_portrait(apdu: Any) -> Any:
        if chip._lose_at == 0:
            chip.content.files[4] = other[:2] + (len(other) - 4).to_bytes(2, "big") + other[4:]
        return opened(apdu)

    chip.quirks.lose_channel_at, chip._external_authenticate = 40, lost_in_the_portrait
    assert bench.read("amina", chip).code == "LIC-033"


@meets("LR-15")
@pytest.mark.parametrize("status", [0x6700, 0x6C00, 0x6C80])
@pytest.mark.parametrize("most", [231, 223, 128, 64])
@pytest.mark.parametrize("name", ["amina", "pace-gm"])
def test_a_length_refused_in_clear_is_learnt_from(name: str, most: int, status: int) -> None:
    given = {**profile(name), "portrait_bytes": 2500}
    got = bench.read(given, odd_chips.ends_the_channel(bench.chip_of(given), most, status)).done
    assert got.verdict == records.VERDICT_DATA_GENUINE


@meets("LR-15")
@pytest.mark.parametrize("status", [0x6700, 0x6C00, 0x6300, 0x6D00, 0x6E00, 0x6F00, 0x6987, 0x6988, 0x6882])
@pytest.mark.parametrize("name", ["amina", "pace-gm"])
def test_a_reader_or_card_without_the_announced_extended_length_is_read_in_short_pieces(name: str, status: int) -> None:
    given = {**profile(name), "portrait_bytes": 2500, "announces_extended": True}
    chip = bench.chip_of(given)
    got = bench.read(given, odd_chips.ends_the_channel(chip, 256, status), room=0x4000, atr=chip.atr).done
    assert got.verdict == records.VERDICT_DATA_GENUINE
