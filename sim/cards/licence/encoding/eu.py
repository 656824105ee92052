"""The files of a simulated EU licence (Commission Regulation (EU) 383/2012 annex I): DG1 with its own tags, DG5 and DG6 pictures.

AID A00000045645444C2D3031. Dates are BCD ddMMyyyy, also inside the categories. The portrait is in DG6, not in DG4.
"""

from sim.cards.licence.encoding import biometric
from sim.cards.licence.people import Person
from sim.cards.licence.pictures import portrait, signature
from sim.cards.tlv import tlv

AID = bytes.fromhex("A00000045645444C2D3031")
_TYPE_APPROVAL = b"e2-TEST 00"


def _date(text: str) -> bytes:
    """YYYYMMDD as BCD ddMMyyyy."""
    return bytes.fromhex(text[6:8] + text[4:6] + text[0:4])


def dg1(person: Person) -> bytes:
    """Type approval, personal data 5F02, categories 7F63."""
    fields = (
        (0x5F03, person.country.encode()),
        (0x5F04, person.surname.encode()),
        (0x5F05, person.given_names.encode()),
        (0x5F06, _date(person.birth)),
        (0x5F07, person.birthplace.encode()),
        (0x5F0A, _date(person.issue)),
        (0x5F0B, _date(person.expiry)),
        (0x5F0C, person.authority.encode()),
        (0x5F0E, person.number.encode()),
    )
    rows = [
        tlv(
            0x87,
            b";".join(
                (row[0].encode(), _date(row[1]), _date(row[2]), *(text.encode() for text in (*row[3:], "", "", "")[:3]))
            ),
        )
        for row in person.categories
    ]
    return tlv(
        0x61,
        tlv(0x5F01, _TYPE_APPROVAL),
        tlv(0x5F02, *(tlv(tag, value) for tag, value in fields)),
        tlv(0x7F63, tlv(0x02, bytes([len(rows)])), *rows),
    )


def groups(person: Person, portrait_bytes: int, kind: str = "jpeg") -> dict[int, bytes]:
    """DG1, DG5 (signature) and DG6 (portrait)."""
    return {
        1: dg1(person),
        5: tlv(0x67, tlv(0x89, b"\x03"), tlv(0x5F43, signature(person))),
        6: biometric.group(0x75, biometric.FACE, biometric.face_record(portrait(person, portrait_bytes, kind))),
    }
