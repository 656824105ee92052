"""The files of a simulated licence in the compact encoding of ISO/IEC 18013-2, laid out as the Algerian one is.

Files by short identifier: 01 DG1 (61), 02 DG2 (6B), 03 DG3 (6C), 04 DG4 portrait (65), 05 DG5 signature (67), 0B DG11
(6D), 1E EF.COM (60). The tags inside DG2, DG3 and DG11 of the real card are not published (?): those here are agreed
with `protocol.licence.profile` (DG11) or made up (DG2, DG3).
"""

from sim.cards.licence.people import Person
from sim.cards.licence.pictures import portrait, signature
from sim.cards.tlv import tlv

TAGS = {
    1: 0x61,
    2: 0x6B,
    3: 0x6C,
    4: 0x65,
    5: 0x67,
    6: 0x75,
    7: 0x63,
    8: 0x76,
    9: 0x70,
    11: 0x6D,
    12: 0x71,
    13: 0x6F,
    14: 0x6E,
}
COM, SOD = 0x1E, 0x1D
COM_TAG = 0x60
_JPEG, _JPEG_2000 = b"\x03", b"\x04"


def _lv(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data)]) + data


def dg1(person: Person) -> bytes:
    """Demographic data and categories: 5F1F with length-value texts and BCD dates (yyyyMMdd), 7F63 with one 87 per category."""
    demographic = b"".join(
        (
            _lv(person.surname),
            _lv(person.given_names),
            bytes.fromhex(person.birth),
            bytes.fromhex(person.issue),
            bytes.fromhex(person.expiry),
            person.country.encode(),
            _lv(person.authority),
            _lv(person.number),
        )
    )
    lines = [tlv(0x87, ";".join((*row, "", "", "")[:6]).encode()) for row in person.categories]
    return tlv(0x61, tlv(0x5F1F, demographic), tlv(0x7F63, tlv(0x02, bytes([len(lines)])), *lines))


def dg11(person: Person) -> bytes:
    """Arabic names and blood group."""
    return tlv(
        0x6D,
        tlv(0x5F50, person.surname_ar.encode()),
        tlv(0x5F51, person.given_names_ar.encode()),
        tlv(0x5F52, person.blood_group.encode()),
    )


def com(groups: list[int]) -> bytes:
    """EF.COM: version 1.0 and the tags of the groups present."""
    return tlv(COM_TAG, tlv(0x5F01, b"\x01\x00"), tlv(0x5C, bytes(TAGS[number] for number in groups)))


def groups(person: Person, portrait_bytes: int, kind: str = "jpeg") -> dict[int, bytes]:
    """All data groups of a licence by number; the portrait, of a `kind` of pictures.portrait, is at most `portrait_bytes` long."""
    return {
        1: dg1(person),
        2: tlv(0x6B, tlv(0x5F35, person.sex.encode()), tlv(0x5F11, person.birthplace.encode())),
        3: tlv(0x6C, tlv(0x5F48, person.authority.encode()), tlv(0x5F49, person.nin.encode())),
        4: tlv(
            0x65,
            tlv(0x02, b"\x01"),
            tlv(
                0xA2,
                tlv(0x88, bytes.fromhex(person.issue)),
                tlv(0x89, _JPEG_2000 if kind == "jp2" else _JPEG),
                tlv(0x5F40, portrait(person, portrait_bytes, kind)),
            ),
        ),
        5: tlv(0x67, tlv(0x89, _JPEG), tlv(0x5F43, signature(person))),
        11: dg11(person),
    }
