"""Groups that few licences carry, and what a card announces about extended length, on both runtimes."""

from protocol.licence import groups
from protocol.licence.channel import answer_size, extended_announced
from protocol.licence.errors import GroupError
from tests.support.dual import raises

FACE = b"FAC\x00" + bytes(20) + b"\xff\xd8\xff\xe0picture"


def obj(tag, value):
    return bytes.fromhex(tag) + bytes((len(value),)) + value


def biometric(tag, count, *records):
    header = obj("A1", obj("81", b"\x02") + obj("87", b"\x01\x01") + obj("88", b"\x00\x08"))
    rows = b"".join([obj("7F60", header + obj("5F2E", record)) for record in records])
    return obj(tag, obj("7F61", obj("02", bytes((count,))) + rows))


def test_a_face_is_found_with_its_picture():
    content = biometric("75", 1, FACE)
    found = groups.decode(6, content)["templates"][0]
    assert (found["kind"], found["owner"], found["format"]) == ("face", 0x0101, 8)
    assert content[found["start"] : found["end"]] == FACE
    kind, start, end = found["image"]
    assert kind == "jpeg" and content[start:end] == b"\xff\xd8\xff\xe0picture"


def test_equal_records_are_told_apart_by_their_place():
    found = groups.decode(7, biometric("63", 2, b"same", b"same"))["templates"]
    assert found[0]["end"] <= found[1]["start"] and found[0]["image"] is None


def test_wrong_counts_and_missing_records_are_refused():
    for group, content in (
        (6, biometric("75", 2, FACE)),
        (6, biometric("63", 1, FACE)),
        (8, obj("76", b"")),
        (9, obj("70", obj("7F61", obj("02", b"\x01") + obj("7F60", obj("A1", b""))))),
        (5, obj("67", obj("5F43", b"no picture"))),
        (10, obj("62", b"x")),
        (12, b"\x71\x05abc"),
    ):
        assert raises(GroupError, groups.decode, group, content).code == "LIC-050"


def test_pictures_of_group_4_and_5_and_the_alert_of_group_12():
    picture = obj("5F40", b"\xff\xd8\xffx")
    found = groups.decode(4, obj("65", obj("A2", obj("88", b"\x20\x22\x03\x10") + picture)))
    assert (found["image"], found["date"], found["end"] - found["start"]) == ("jpeg", "20220310", 4)
    found = groups.decode(4, obj("65", obj("A2", obj("88", b"\xff\x22\x03\x10") + picture)))
    assert "date" not in found
    assert groups.decode(5, obj("67", picture))["image"] == "jpeg"
    assert groups.decode(12, obj("71", obj("82", b"ref"))) == {"objects": [(0x82, b"ref")]}


def test_what_the_card_announces():
    assert extended_announced(bytes.fromhex("3B8A80018073C00040545445535400"))
    assert not extended_announced(bytes.fromhex("3B8A80018073C00000545445535400"))
    assert not extended_announced(b"") and not extended_announced(b"\x3b\xff\xff")
    assert answer_size(bytes.fromhex("7F6608020204000202 0400".replace(" ", "")), 9000) == 1024 - 48
    assert answer_size(b"", 2048) == 2000 and answer_size(b"", 10) == 240
