"""Biometric groups DG6 to DG9 and the non-match alert DG12 (ISO/IEC 18013-2 annex C; CBEFF, ISO/IEC 19785; faces ISO/IEC 19794-5).

A group is 7F61 {02 count, 7F60 {A1 header, 5F2E record} …}. Fingers and irises are nobody's: records of made-up bytes. The
contents of DG12 are not published (?): an input method and a reference.
"""

from sim.cards.tlv import tlv

FACE, FINGER, IRIS = 0x02, 0x08, 0x10
_OWNER = b"\x01\x01"  # ISO/IEC JTC 1/SC 37
_FORMATS = {FACE: b"\x00\x08", FINGER: b"\x00\x07", IRIS: b"\x00\x09"}


def group(tag: int, kind: int, *records: bytes) -> bytes:
    """One group of templates of one kind."""
    templates = [
        tlv(
            0x7F60,
            tlv(0xA1, tlv(0x80, b"\x01\x01"), tlv(0x81, bytes([kind])), tlv(0x87, _OWNER), tlv(0x88, _FORMATS[kind])),
            tlv(0x5F2E, record),
        )
        for record in records
    ]
    return tlv(tag, tlv(0x7F61, tlv(0x02, bytes([len(templates)])), *templates))


def face_record(jpeg: bytes) -> bytes:
    """A facial record of one picture: header of 14, information of 20 and of 12, then the picture (ISO/IEC 19794-5 section 5)."""
    whole = 14 + 20 + 12 + len(jpeg)
    header = b"FAC\x00010\x00" + whole.to_bytes(4, "big") + b"\0\x01"
    information = (20 + 12 + len(jpeg)).to_bytes(4, "big") + bytes(16)
    picture = b"\x01\x00" + (240).to_bytes(2, "big") + (308).to_bytes(2, "big") + bytes(6)
    return header + information + picture + jpeg


def rare_groups(picture: bytes) -> dict[int, bytes]:
    """DG6, DG7, DG8, DG9 and DG12 of a licence that has everything."""
    return {
        6: group(0x75, FACE, face_record(picture)),
        7: group(0x63, FINGER, b"FIR\x00020\x00" + bytes(range(40)), b"FIR\x00020\x00" + bytes(range(50))),
        8: group(0x76, IRIS, b"IIR\x00010\x00" + bytes(64)),
        9: group(0x70, FINGER, b"other" * 9),
        12: tlv(0x71, tlv(0x81, b"\x01"), tlv(0x82, b"TEST REFERENCE")),
    }
