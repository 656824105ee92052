"""What a PN532 lists, and the ATR that PC/SC makes of it."""

from drivers.pn532 import cards
from protocol.errors import CardCollisionError, CardError
from tests.support.dual import raises

DESFIRE_ATS = bytes.fromhex("067577810280")
DESFIRE_ATR = bytes.fromhex("3B8180018080")  # what every PC/SC reader says of a DESFire EV1


def listed_a(*targets):
    return bytearray(
        b"\xd5\x4b" + bytes([len(targets)]) + b"".join([bytes([n + 1]) + t for n, t in enumerate(targets)])
    )


def a(ats, sak=0x20, uid=b"\x04\x11\x22\x33\x44\x55\x66"):
    return b"\x03\x44" + bytes([sak, len(uid)]) + uid + ats


def test_atr_of_a_known_card():
    body = listed_a(a(DESFIRE_ATS))
    one = cards.type_a(body, len(body))
    assert (one.atr, one.target, one.ta) == (DESFIRE_ATR, 1, 0x77)


def test_ats_of_every_shape():
    for ats, historical in (
        ("01", b""), ("0278", b""), ("0578338000", b""), ("0A7833800054455354", b"TEST"), ("0328AA", b""), ("0448AABB", b"\xbb"),
    ):  # fmt: skip
        data = bytes.fromhex(ats)
        data = bytes([len(data)]) + data[1:]
        body = listed_a(a(data))
        if ats == "0278":
            continue  # announces three bytes that are not there: below
        one = cards.type_a(body, len(body))
        assert one.atr[4:-1] == historical, ats
        assert one.atr[1] == 0x80 | len(historical)


def test_rates_are_the_fastest_that_both_ends_do():
    for ta, most, codes in (
        (0x00, 424, None), (0x77, 106, None), (0x77, 212, (1, 1)), (0x77, 424, (2, 2)), (0x33, 424, (2, 2)), (0x11, 424, (1, 1)),
        (0x02, 424, (2, 0)), (0x20, 424, (0, 2)), (0x82, 424, None), (0xB1, 424, (1, 1)), (0x44, 424, None),
    ):  # fmt: skip
        assert cards.Listed(1, b"", ta).fastest(most) == codes, (ta, most)


def test_atr_of_type_b_has_application_data_protocol_and_buffers():
    body = bytearray(b"\xd5\x4b\x01\x01\x50PUPI\x11\x22\x33\x44\x00\x81\x71\x01\x30")
    assert cards.type_b(body, len(body)).atr == bytes.fromhex("3B8880011122334400817130") + bytes(
        [0x88 ^ 0x80 ^ 1 ^ 0x44 ^ 0x81 ^ 0x71 ^ 0x30]
    )


def test_two_cards_are_a_collision():
    body = listed_a(a(DESFIRE_ATS), a(DESFIRE_ATS))
    assert raises(CardCollisionError, cards.type_a, body, len(body)).code == "CRD-016"


def test_memory_cards_and_cut_answers_are_refused():
    for target in (a(b"", sak=0x08), a(b"", sak=0x20)):
        body = listed_a(target)
        assert raises(CardError, cards.type_a, body, len(body)).code == "CRD-017"
    whole = listed_a(a(DESFIRE_ATS))
    for end in range(3, len(whole)):
        assert raises(CardError, cards.type_a, whole[:end] + bytes(30), end).code in ("CRD-014", "CRD-017"), end
    whole = bytearray(b"\xd5\x4b\x01\x01\x50PUPI\x11\x22\x33\x44\x00\x80\x71\x00")
    assert raises(CardError, cards.type_b, whole, len(whole)).code == "CRD-017"
