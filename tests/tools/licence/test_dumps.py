"""Dumped files: names accepted, groups judged one by one, pictures decoded; never more than "data genuine, chip not proven"."""

import dataclasses
import datetime as dt
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from drivers import picture_pillow
from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError
from protocol.licence.errors import GroupError
from protocol.licence.trust.anchors import TrustSet
from sim.cards import licence
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import tlv
from sim.pki import Pki, make_pki, sod
from tools import cli, plain
from tools.licence import dump, offline, report, words

TODAY = "20250611"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


def files_of(name: str, pki: Pki) -> dict[int, bytes]:
    held = licence.build(licence.profile(name), pki).content.files
    return {file: held[file] for file in held if file != 0x1C}  # EF.CardAccess is in no dump


def judged(files: dict[int, bytes], pki: Pki, trust: "TrustSet | None" = None) -> dict:
    anchors = TrustSet(pki.anchors()) if trust is None else trust
    return report.of(offline.judge(NativeCrypto(), files, anchors, TODAY), files)


def signed_anew(changed: dict[int, bytes], pki: Pki) -> dict[int, bytes]:
    """Amina's files with other groups, under a SOD that lists them."""
    files = {**files_of("amina", pki), **changed}
    signed = {number: files[number] for number in files if number <= 14}
    files[0x1D] = sod.build(signed, pki.signers["dz"], dt.datetime(2022, 3, 10, tzinfo=dt.UTC))
    return files


def codes(found: dict) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


@pytest.mark.parametrize("filling", [b"\0", b"\xff", b"\xa5"])
@pytest.mark.parametrize("name", ["amina", "both-proofs"])
def test_files_dumped_with_what_fills_them_up_are_judged_as_if_without(name: str, filling: bytes, pki: Pki) -> None:
    files = files_of(name, pki)
    padded = {file: data + filling * (16 + file) for file, data in files.items()}
    assert judged(offline.trimmed(padded), pki) == judged(files, pki)
    assert {**judged(padded, pki), "groups": {}} == {**judged(files, pki), "groups": {}}
    assert f"EF.SOD: {16 + 0x1D} bytes behind its end are not looked at" in offline.padding(padded)
    assert len(offline.padding(padded)) == len(files) and offline.padding(files) == []


def test_filling_behind_a_changed_file_hides_nothing(pki: Pki) -> None:
    files = files_of("amina", pki)
    files[11] = files[11][:-1] + bytes((files[11][-1] ^ 1,)) + bytes(30)
    assert judged(files, pki)["altered"] == ["DG11"]
    files = files_of("amina", pki)
    files[11] = files[11][:-1] + b"\0"  # as long as it says, but its last byte is filling
    assert judged(files, pki)["altered"] == ["DG11"]


def test_a_group_that_was_signed_with_what_fills_it_up_is_whole(pki: Pki) -> None:
    files = signed_anew({11: files_of("amina", pki)[11] + bytes(12)}, pki)
    assert judged(files, pki)["altered"] == [] and len(offline.trimmed(files)[11]) == len(files[11])


def test_the_command_says_what_it_does_not_look_at(pki: Pki, tmp_path: Path) -> None:
    files = files_of("amina", pki)
    files[0x1D] += b"\xff" * 100
    dump.write(tmp_path / "dump", files)
    (tmp_path / "csca.der").write_bytes(pki.csca.der)
    words_of = ["verify", str(tmp_path / "dump"), "--trust", str(tmp_path / "csca.der"), "--today", TODAY]
    done = subprocess.run(
        [sys.executable, "-m", "tools.cli", "licence", *words_of],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == cli.OK, done.stderr
    assert "EF.SOD: 100 bytes behind its end are not looked at" in done.stderr


def test_genuine_files_are_data_genuine_chip_not_proven(pki: Pki) -> None:
    found = judged(files_of("amina", pki), pki)
    assert found["verdict"]["words"] == "data genuine, chip not proven" and found["believed"]
    assert {found["groups"][f"DG{number}"]["state"] for number in (1, 2, 3, 4, 5, 11)} == {"signed"}
    assert codes(found) == set()


@pytest.mark.parametrize("group", [1, 2, 3, 4, 5, 11])
def test_each_altered_group_is_named(group: int, pki: Pki) -> None:
    files = files_of("amina", pki)
    files[group] = files[group][:-1] + bytes([files[group][-1] ^ 1])
    found = judged(files, pki)
    assert found["verdict"]["words"] == f"altered: DG{group}" and found["altered"] == [f"DG{group}"]
    assert found["groups"][f"DG{group}"]["state"] == "altered" and not found["believed"]


def test_a_group_of_another_tag_is_altered(pki: Pki) -> None:
    files = files_of("amina", pki)
    files[11] = b"\x62" + files[11][1:]
    assert judged(files, pki)["altered"] == ["DG11"]


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data[:1], lambda data: b"\xff" * len(data)])
@pytest.mark.parametrize("group", [1, 4, 11])
def test_a_group_that_is_there_in_part_is_neither_altered_nor_genuine(group: int, change, pki: Pki) -> None:
    files = files_of("amina", pki)
    files[group] = change(files[group])
    found = judged(files, pki)
    assert found["verdict"]["words"] == ("chip unreadable" if group == 1 else "not verified") and not found["believed"]
    assert found["altered"] == [] and found["groups"][f"DG{group}"]["state"] == "not whole"
    assert ("LIC-239", f"DG{group}") in [(row["code"], row["detail"]) for row in found["findings"]]
    assert group == 1 or "not whole" in found["verdict"]["note"]


def test_a_security_object_that_breaks_off_is_unreadable_and_accuses_nobody(pki: Pki) -> None:
    files = files_of("amina", pki)
    files[0x1D] = files[0x1D][:-1]
    found = judged(files, pki)
    assert (found["verdict"]["words"], found["altered"]) == ("chip unreadable", [])
    assert found["groups"]["EF.SOD"]["state"] == "not whole"
    assert ("LIC-239", "EF.SOD") in [(row["code"], row["detail"]) for row in found["findings"]]


@pytest.mark.parametrize("group", [4, 11])
def test_an_empty_group_was_not_read_and_accuses_nobody(group: int, pki: Pki) -> None:
    """Programs that dump a card leave an empty file for what they may not read."""
    found = judged({**files_of("amina", pki), group: b""}, pki)
    assert found["altered"] == [] and found["verdict"]["words"] == "data genuine, chip not proven"
    assert ("LIC-213", f"DG{group}") in [(row["code"], row["detail"]) for row in found["findings"]]


@pytest.mark.parametrize("content", [b"", b"\x77", b"\x77\x82\x05"])
def test_an_empty_security_object_is_unreadable_and_accuses_nobody(content: bytes, pki: Pki) -> None:
    found = judged({**files_of("amina", pki), 0x1D: content}, pki)
    assert (found["verdict"]["words"], found["altered"]) == ("chip unreadable", [])
    assert found["groups"]["EF.SOD"]["state"] == "empty"
    assert ("LIC-230", "empty") in [(row["code"], row["detail"]) for row in found["findings"]]


def test_an_empty_group_that_is_signed_so_is_not_altered(pki: Pki) -> None:
    found = judged(signed_anew({5: b"\x67\x00"}, pki), pki)
    assert found["verdict"]["words"] == "data genuine, chip not proven" and found["groups"]["DG5"]["state"] == "signed"
    assert [(row["code"], row["detail"]) for row in found["findings"]] == [("LIC-215", "DG5")]


@pytest.mark.parametrize("size", [40_000, 65_000])
def test_a_group_larger_than_a_terminal_reads_is_hashed_whole(size: int, pki: Pki) -> None:
    files = signed_anew({4: dg4(b"\xff\xd8\xff\xe0" + bytes(size))}, pki)
    found = judged(files, pki)
    assert found["believed"] and found["groups"]["DG4"]["state"] == "signed" and codes(found) == set()
    files[4] = files[4][:-1] + b"\x01"
    assert judged(files, pki)["altered"] == ["DG4"]


def test_a_group_of_an_odd_layout_that_the_sod_signs_as_it_is_is_not_altered(pki: Pki) -> None:
    found = judged(signed_anew({5: b"\x67\x05ab"}, pki), pki)
    assert found["altered"] == [] and codes(found) == {"LIC-215"}


def test_a_changed_security_object_is_altered_and_an_absent_one_unreadable(pki: Pki) -> None:
    files = files_of("amina", pki)
    whole = files[0x1D]
    at = whole.index(b"\x04\x20") + 5  # inside the first digest
    files[0x1D] = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    found = judged(files, pki)
    assert found["verdict"]["number"] == 3 and "EF.SOD" in found["altered"]
    del files[0x1D]
    found = judged(files, pki)
    assert found["verdict"]["words"] == "chip unreadable" and "LIC-230" in codes(found)


def test_an_unknown_issuer_a_swapped_sod_and_an_unlisted_group_are_told(pki: Pki) -> None:
    assert judged(files_of("unknown-issuer", pki), pki)["verdict"]["words"] == "unknown issuer"
    assert judged(files_of("amina", pki), pki, TrustSet([]))["verdict"]["words"] == "unknown issuer"
    assert judged(files_of("swapped-sod", pki), pki)["verdict"]["number"] == 3
    found = judged(files_of("unlisted-group", pki), pki)
    assert "LIC-210" in codes(found) and found["groups"]["DG11"]["state"] == "not covered by the SOD"


def test_a_group_that_was_not_dumped_is_a_finding(pki: Pki) -> None:
    files = files_of("amina", pki)
    del files[3]
    found = judged(files, pki)
    assert found["believed"] and [(row["code"], row["detail"]) for row in found["findings"]] == [("LIC-213", "DG3")]


@pytest.mark.parametrize(
    ("name", "file"),
    [("EF.SOD", 0x1D), ("ef_sod.bin", 0x1D), ("SOD", 0x1D), ("EF.COM", 0x1E), ("DG1", 1), ("dg11.bin", 11), ("Datagroup04.bin", 4),
     ("EF.DG14", 14), ("DG15", 0), ("DG0", 0), ("portrait.png", 0), ("notes.txt", 0), ("DG1x", 0)],
)  # fmt: skip
def test_names_of_dumped_files(name: str, file: int) -> None:
    assert dump.file_of(name) == file


def test_a_dump_is_written_and_loaded_again(tmp_path: Path, pki: Pki) -> None:
    files = files_of("karim", pki)
    dump.write(tmp_path / "new" / "dump", files)
    assert dump.load(tmp_path / "new" / "dump") == files


def test_files_are_written_for_their_owner_alone_into_a_new_or_empty_folder(tmp_path: Path, pki: Pki) -> None:
    folder, files = tmp_path / "dump", files_of("karim", pki)
    folder.mkdir(mode=0o755)
    before = os.umask(0)
    try:
        dump.write(folder, files)
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    for used in (folder, folder / "DG1"):
        with pytest.raises(ConfigError) as caught:
            dump.write(used, files)
        assert caught.value.code == "CFG-092"
    assert dump.load(folder) == files


def test_folders_that_hold_no_dump_are_refused(tmp_path: Path) -> None:
    for folder in (tmp_path / "absent", tmp_path):
        with pytest.raises(ConfigError) as caught:
            dump.load(folder)
        assert caught.value.code == "CFG-104"
    (tmp_path / "DG1").write_bytes(b"a")
    (tmp_path / "DG1.bin").write_bytes(b"b")
    with pytest.raises(ConfigError) as caught:
        dump.load(tmp_path)
    assert caught.value.code == "CFG-082"


def dg4(picture: bytes) -> bytes:
    return tlv(0x65, tlv(0x02, b"\x01"), tlv(0xA2, tlv(0x89, b"\x03"), tlv(0x5F40, picture)))


@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("JPEG2000", "RGB"), ("JPEG2000", "L")])
def test_portraits_are_decoded(kind: str, mode: str) -> None:
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((120, 154)).convert(mode).save(stream, kind)
    image = picture_pillow.decode(dg4(stream.getvalue()))
    assert image.size == (120, 154) and image.mode == mode
    assert image.convert("L").getpixel((60, 5)) < 30 and image.convert("L").getpixel((60, 148)) > 220


def test_a_bare_jpeg_2000_codestream_is_decoded() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (64, 80), (10, 200, 30)).save(stream, "JPEG2000", no_jp2=True)
    assert picture_pillow.decode(dg4(stream.getvalue())).size == (64, 80)


@pytest.mark.parametrize(
    "picture",
    [
        b"",
        b"\xff\xd8\xff",
        b"\xff\xd8\xff\xe0" + bytes(500),
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(40),
        b"GIF89a" + bytes(30),
    ],
)
def test_broken_or_other_pictures_are_refused(picture: bytes) -> None:
    with pytest.raises(GroupError) as caught:
        picture_pillow.decode(dg4(picture))
    assert caught.value.code == "LIC-050"


def test_the_command_judges_a_folder(tmp_path: Path, pki: Pki) -> None:
    anchor = tmp_path / "csca.der"
    anchor.write_bytes(pki.csca.der)
    dump.write(tmp_path / "dump", files_of("altered", pki))
    command = [
        sys.executable,
        "-m",
        "tools.cli",
        "licence",
        "verify",
        str(tmp_path / "dump"),
        "--trust",
        str(anchor),
        "--today",
        TODAY,
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == cli.CHECK_FAILED and json.loads(done.stdout)["altered"] == ["DG1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.startswith("altered: DG1\n")
    command[5] = str(tmp_path / "nowhere")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == cli.BAD_INPUT and "CFG-104" in done.stderr


@pytest.mark.parametrize(
    ("name", "announced"),
    [
        ("active-rsa-sha1", ["DG13"]),
        ("active-brainpool-sha1", ["DG13"]),
        ("agreement-aes128", ["DG14"]),
        ("both-proofs", ["DG13", "DG14"]),
        ("pace-gm", []),
        ("amina", []),
    ],
)
def test_a_proof_that_files_cannot_show_is_said_to_be_announced(name: str, announced: list[str], pki: Pki) -> None:
    found = judged(files_of(name, pki), pki)
    assert found["verdict"]["words"] == "data genuine, chip not proven" and found["believed"]
    assert found["announced"] == announced and found["chip"] == ("untested" if announced else "not offered")
    note, line = found["verdict"]["note"], words.in_words(found)[1]
    assert line == f"  ({note})"
    if announced:
        assert f"announces that the chip can prove itself ({', '.join(announced)})" in note and "files cannot" in note
        assert "would look the same" not in note
    else:
        assert note == "a copied chip would look the same"


def test_a_group_with_keys_that_was_not_dumped_is_announced_all_the_same(pki: Pki) -> None:
    files = files_of("both-proofs", pki)
    del files[13], files[14]
    found = judged(files, pki)
    assert found["announced"] == ["DG13", "DG14"] and codes(found) == {"LIC-213"}
    assert "DG13, DG14" in found["verdict"]["note"]


@pytest.mark.parametrize(("group", "finding"), [(13, "LIC-241"), (14, "LIC-243")])
def test_a_proof_that_is_gone_from_files_and_com_is_named_as_on_a_copied_chip(
    group: int, finding: str, pki: Pki
) -> None:
    given = {**licence.profile("both-proofs"), "strip": [group]}
    found = judged({file: data for file, data in licence.build(given, pki).content.files.items() if file != 0x1C}, pki)
    named = {(row["code"], row["detail"]) for row in found["findings"]}
    assert named >= {("LIC-211", f"DG{group}"), ("LIC-213", f"DG{group}"), (finding, f"DG{group}")}
    assert f"neither the files nor EF.COM have DG{group}" in found["verdict"]["note"] and found["chip"] == "untested"
    assert found["verdict"]["words"] == "data genuine, chip not proven"


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"signer": "list-signer"}, "not one for signing documents"),
        ({"signer": "unknown"}, "no trust anchor of this country and purpose"),
        ({"person": "nobodys"}, "country XQZ is not known"),
    ],
)
def test_why_an_issuer_is_unknown_is_said_truly(given: dict, note: str, pki: Pki) -> None:
    if given.get("person"):
        given = {"person": dataclasses.replace(PEOPLE["amina"], country="XQZ")}
    files = dict(licence.build({**licence.profile("amina"), **given}, pki).content.files)
    found = judged(files, pki)
    assert found["verdict"]["words"] == "unknown issuer" and note in found["verdict"]["note"]


def test_what_a_licence_says_steers_no_screen(pki: Pki) -> None:
    posing = dataclasses.replace(
        PEOPLE["amina"], surname="X\x1b[2J\n\ndata and chip genuine", given_names="A\x9b8m\u202e"
    )
    files = dict(licence.build({"person": posing, "signer": "unknown"}, pki).content.files)
    found = judged(files, pki)
    printed = words.in_words(found)
    assert printed[0] == "unknown issuer"
    for text in [*printed, plain.as_json(found)]:
        assert all(char.isprintable() for char in text), text
    assert "X\ufffd[2J\ufffd\ufffddata" in plain.as_json(found)


def test_steering_characters_are_printed_as_escapes() -> None:
    assert plain.line("a\x1b[2J\n\x9b\u202eé[bold]") == "a\\x1b[2J\\x0a\\x9b\\u202eé[bold]"
    odd = {"é": "\x1b\x7f\x85\u2066"}
    assert plain.as_json(odd) == '{"é": "\\u001b\\u007f\\u0085\\u2066"}' and json.loads(plain.as_json(odd)) == odd


def test_a_malformed_security_object_announces_nothing(pki: Pki) -> None:
    files = files_of("both-proofs", pki)
    files[0x1D] = files[0x1D][:4] + b"\x31" + files[0x1D][5:]
    found = judged(files, pki)
    assert found["announced"] == [] and found["altered"] == ["EF.SOD"]


def test_what_a_signer_may_not_do_is_told_of_dumped_files_too(pki: Pki) -> None:
    for given, verdict, finding in (
        ({"sod": {"signed_type": "data"}}, "altered: EF.SOD", "LIC-227"),
        ({"signer": "two-algorithms"}, "unknown issuer", "LIC-237"),
        ({"signer": "unknown-critical"}, "not verified", "LIC-232"),
    ):
        chip = licence.build({**licence.profile("amina"), **given}, pki)
        found = judged(dict(chip.content.files), pki)
        assert (found["verdict"]["words"], codes(found), found["believed"]) == (verdict, {finding}, False)


def test_an_anchor_of_another_purpose_is_told_though_dg1_says_no_state(pki: Pki) -> None:
    files = signed_anew({1: b"\x61\x04\x5f\x1f\x01\xff"}, pki)
    assert codes(judged(files, pki)) == {"LIC-215", "LIC-217"}
    other = TrustSet([{"country": "DZ", "purpose": "mrtd", "cert": pki.csca.der}])
    found = judged(files, pki, other)
    assert found["verdict"]["words"] == "unknown issuer" and codes(found) == {"LIC-215", "LIC-217", "LIC-229"}


def test_rare_groups_and_european_licences_are_reported_too(pki: Pki) -> None:
    for name in ("rich", "eu"):
        given = licence.profile(name)
        files = dict(licence.build(given, pki).content.files)
        found = judged(files, pki)
        assert json.loads(json.dumps(found))["data"]["DG1"]["number"]
        assert words.in_words(found)[0] == found["verdict"]["words"]
        assert found["verdict"]["number"] == (2 if name == "rich" else 4), "a French signer has no Algerian anchor"
