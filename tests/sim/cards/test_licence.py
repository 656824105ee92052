"""The simulated licence: ICAO's worked example step by step, and the quirks one by one. Its other end here is
written out by hand.
"""

import io
import os

import pytest
from PIL import Image

from sim.cards import licence
from sim.cards.base import parse
from sim.cards.licence import cipher, mrz
from sim.cards.licence.card import Content, LicenceCard, Quirks
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import read, tlv
from tests.sim.pki import made
from tests.support import device, dual, strict

SELECT = bytes.fromhex("00A4040C07A0000002480200")


@pytest.fixture(scope="module")
def icao():
    dual.configure(device.vectors_dir(), "")
    try:
        return dual.vectors("icao9303.json")["bac"]
    except dual.Skip as reason:
        strict.skip_missing(str(reason))


class Terminal:
    """The other end of BAC and secure messaging, with the chip's own cipher module (checked against ICAO's example below)."""

    def __init__(self, card: LicenceCard, information: str) -> None:
        self.card = card
        self.keys = cipher.bac_keys(information)

    def select(self) -> bytes:
        return self.card.respond(SELECT)

    def authenticate(self) -> bytes:
        k_enc, k_mac = self.keys
        challenge = self.card.respond(b"\x00\x84\x00\x00\x08")[:-2]
        own, k_ifd = os.urandom(8), os.urandom(16)
        sealed = cipher.encrypt(k_enc, own + challenge + k_ifd)
        answer = self.card.respond(b"\x00\x82\x00\x00\x28" + sealed + cipher.mac(k_mac, sealed) + b"\x28")
        if len(answer) == 42:
            opened = cipher.decrypt(k_enc, answer[:32])
            assert opened[:16] == challenge + own
            self.enc, self.mac = cipher.key_pair(bytes(a ^ b for a, b in zip(k_ifd, opened[16:], strict=True)))
            self.ssc = int.from_bytes(challenge[4:] + own[4:], "big")
        return answer[-2:]

    def open(self) -> "Terminal":
        assert self.select() == b"\x90\x00"
        assert self.authenticate() == b"\x90\x00"
        return self

    def next(self) -> bytes:
        self.ssc += 1
        return self.ssc.to_bytes(8, "big")

    def send(self, ins: int, p1: int, p2: int, le: int | None = None, data: bytes = b"") -> tuple[bytes, int]:
        """One protected command; data and status after the response's MAC was checked (a clear status word is
        returned as it is).
        """
        header = bytes([0x0C, ins, p1, p2])
        body = tlv(0x87, b"\x01", cipher.encrypt(self.enc, cipher.pad(data))) if data else b""
        if le is not None:
            body += tlv(0x97, bytes([le & 255]))
        message = self.next() + (cipher.pad(header) + body if body else header)
        body += tlv(0x8E, cipher.mac(self.mac, message))
        answer = self.card.respond(header + bytes([len(body)]) + body + b"\x00")
        if len(answer) == 2:
            return b"", int.from_bytes(answer, "big")
        objects = dict(read(answer[:-2]))
        covered = b"".join(tlv(tag, objects[tag]) for tag in (0x87, 0x99) if tag in objects)
        assert cipher.mac(self.mac, self.next() + covered) == objects[0x8E]
        assert objects[0x99] == answer[-2:]
        plain = cipher.unpad(cipher.decrypt(self.enc, objects[0x87][1:])) if 0x87 in objects else b""
        return plain, int.from_bytes(answer[-2:], "big")


def card_of(name: str = "amina", **quirks) -> tuple[LicenceCard, Terminal]:
    person = PEOPLE[name]
    card = licence.build({"person": name, "quirks": quirks}, made.shared())
    return card, Terminal(card, mrz.information(person))


def test_icao_worked_example_of_mutual_authentication_and_reading(icao):
    auth, steps = icao["mutual_auth"], icao["secure_messaging"]
    given = [bytes.fromhex(auth["rnd_ic"]), bytes.fromhex(auth["k_ic"])]
    content = Content({0x1E: bytes.fromhex(icao["ef_com"])}, icao["basic_access_keys"]["mrz_information"])
    card = LicenceCard(content, Quirks(select_then_read_fails=False, chunk=0), lambda count: given.pop(0))
    assert card.respond(SELECT) == b"\x90\x00"
    assert card.respond(bytes.fromhex(auth["get_challenge_command"])).hex().upper() == auth["get_challenge_response"]
    answer = card.respond(bytes.fromhex(auth["external_authenticate_command"]))
    assert answer.hex().upper() == auth["external_authenticate_response"]
    assert len(steps) == 3
    for step in steps:
        assert card.respond(bytes.fromhex(step["protected_command"])).hex().upper() == step["protected_response"], step[
            "name"
        ]


def test_nothing_is_readable_without_the_mrz():
    card, _ = card_of()
    assert card.respond(b"\x00\xb0\x81\x00\x10") == b"\x6d\x00"
    assert card.respond(SELECT) == b"\x90\x00"
    for file in (0x01, 0x04, 0x0B, 0x1D, 0x1E):
        assert card.respond(bytes([0, 0xB0, 0x80 | file, 0, 16])) == b"\x69\x82"
    assert card.respond(b"\x00\xb0\x9c\x00\x10") == b"\x6a\x82"


def test_wrong_mrz_is_refused_with_the_profile_status():
    card = licence.build({"person": "amina", "mrz": "karim", "quirks": {"bac_wrong": 0x6982}}, made.shared())
    terminal = Terminal(card, mrz.information(PEOPLE["amina"]))
    terminal.select()
    assert terminal.authenticate() == b"\x69\x82"
    assert card.respond(b"\x00\xb0\x9e\x00\x10") == b"\x69\x82"


@pytest.mark.parametrize("status", [0x6300, 0x63CF, 0x6982])
def test_first_authentication_may_fail_and_succeeds_after_selecting_again(status):
    card, terminal = card_of(bac_first=status)
    terminal.select()
    assert terminal.authenticate() == status.to_bytes(2, "big")
    assert card.respond(b"\x00\x84\x00\x00\x08") == b"\x6d\x00", "the application has to be selected again"
    terminal.open()
    assert terminal.send(0xB0, 0x9E, 0, 4)[1] == 0x9000


def test_files_are_read_by_short_identifier_then_by_offset():
    card, terminal = card_of()
    terminal.open()
    portrait = card.content.files[4]
    data, status = terminal.send(0xB0, 0x84, 0, 240)
    assert status == 0x9000
    while len(data) < len(portrait):
        piece, status = terminal.send(0xB0, len(data) >> 8, len(data) & 255, min(240, len(portrait) - len(data)))
        assert status == 0x9000
        data += piece
    assert data == portrait
    picture = data[data.index(b"\xff\xd8\xff") :]
    assert Image.open(io.BytesIO(picture)).size == (240, 308)


def test_select_ef_then_read_gives_6985_and_a_short_identifier_helps():
    _, terminal = card_of()
    terminal.open()
    assert terminal.send(0xA4, 0x02, 0x0C, data=b"\x00\x1e") == (b"", 0x9000)
    assert terminal.send(0xB0, 0, 0, 4) == (b"", 0x6985)
    assert terminal.send(0xB0, 0x9E, 0, 4)[1] == 0x9000


def test_odd_read_binary_ends_the_channel():
    card, terminal = card_of()
    terminal.open()
    assert terminal.send(0xB1, 0, 0x1E, 16, b"\x54\x01\x00") == (b"", 0x6987)
    assert terminal.send(0xB0, 0x9E, 0, 4) == (b"", 0x6987), "no channel any more"
    assert card.respond(SELECT) == b"\x90\x00"
    assert terminal.authenticate() == b"\x90\x00"
    assert terminal.send(0xB0, 0x9E, 0, 4)[1] == 0x9000


def test_asking_for_too_much_is_answered_with_the_right_length():
    card, terminal = card_of()
    terminal.open()
    length = len(card.content.files[0x1E])
    assert terminal.send(0xB0, 0x9E, 0, 240) == (b"", 0x6C00 | length)
    assert terminal.send(0xB0, 0x9E, 0, length) == (card.content.files[0x1E], 0x9000)
    assert terminal.send(0xB0, 0x84, 0, 0) == (b"", 0x6CF0), "256 is more than its 240"


@pytest.mark.parametrize(("way", "status"), [("6282", 0x6282), ("short", 0x9000)])
def test_other_chips_give_what_is_there(way, status):
    card, terminal = card_of(over_read=way)
    terminal.open()
    assert terminal.send(0xB0, 0x9E, 0, 240) == (card.content.files[0x1E], status)


def test_a_channel_that_is_lost_can_be_built_again():
    _, terminal = card_of(lose_channel_at=2, lose_with=0x6882)
    terminal.open()
    assert terminal.send(0xB0, 0x9E, 0, 4)[1] == 0x9000
    assert terminal.send(0xB0, 0x9E, 0, 4) == (b"", 0x6882)
    terminal.open()
    for _ in range(5):
        assert terminal.send(0xB0, 0x9E, 0, 4)[1] == 0x9000


def test_a_command_in_clear_or_a_wrong_mac_ends_the_channel():
    card, terminal = card_of()
    terminal.open()
    assert card.respond(b"\x00\xb0\x9e\x00\x04") == b"\x69\x87"
    terminal.open()
    terminal.ssc += 1
    assert terminal.send(0xB0, 0x9E, 0, 4) == (b"", 0x6988)
    assert card.respond(b"\x00\xb0\x9e\x00\x04") == b"\x69\x82"


def test_power_off_forgets_the_channel():
    card, terminal = card_of()
    terminal.open()
    card.power_off()
    assert terminal.send(0xB0, 0x9E, 0, 4) == (b"", 0x6987)


def test_mrz_check_digits_agree_with_icao(icao):
    known = [example for example in icao["mrz"] if example["format"] == "TD1"]
    assert known
    for example in known:
        fields = ("document_number", "date_of_birth", "date_of_expiry")
        for field in fields:
            number = example[field].ljust(9, "<") if field == "document_number" else example[field]
            assert mrz.check_digit(number) == str(example[f"{field}_check_digit"])
    lines = licence.mrz_lines(PEOPLE["amina"]).split("\n")
    assert [len(line) for line in lines] == [30, 30, 30]
    assert lines[0].startswith("DLDZAA10203047")


def test_all_profiles_build_and_change_what_they_say():
    pki = made.shared()
    for name in licence.PROFILES:
        files = licence.build(licence.profile(name), pki).content.files
        first = {1: 0x61, 2: 0x6B, 3: 0x6C, 4: 0x65, 5: 0x67, 11: 0x6D, 0x1D: 0x77, 0x1E: 0x60}
        if licence.profile(name).get("encoding") == "eu":
            first = {1: 0x61, 5: 0x67, 6: 0x75, 0x1D: 0x77, 0x1E: 0x60}
        assert {file: files[file][0] for file in first} == first, name
    genuine = licence.build(licence.profile("karim"), pki).content.files
    altered = licence.build(licence.profile("altered"), pki).content.files
    assert altered[1] != genuine[1]
    with pytest.raises(KeyError):
        licence.build({"person": "nobody"}, pki)
    with pytest.raises(TypeError):
        licence.build({"person": "amina", "quirks": {"unheard_of": 1}}, pki)


def test_extended_length_only_where_the_profile_has_it():
    card, _ = card_of()
    assert card.respond(bytes.fromhex("00B09E00000100")) == b"\x67\x00"
    assert parse(bytes.fromhex("00B09E00000100")).le == 256
