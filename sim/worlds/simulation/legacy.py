"""The storage of release 0.1.0, written from a present journal: for upgrades in mid-backlog. It shares no code with the
journal's own writer.

Layout: `journal/NNNNNN.seg` of frames 0xA7, length (2), CBOR [record, signature or null], CRC-32 over length and
body; `sealed/SEQ` and `private/SEQ` in the clear form; `state/acked` [sequence, hash]. No heads, no second copies,
no epoch file.
"""

import binascii
from typing import Any

import cbor2

from protocol import records as r

SEGMENT_BYTES = 16384


def storage_of_0_1_0(journal: Any, files: dict[str, bytes]) -> dict[str, bytes]:
    """The files that release 0.1.0 would have left: `journal` is open and of epoch 1, `files` what lies in the flash now."""
    kept = {name: data for name, data in files.items() if name.startswith(("device/", "params/", "state/acked"))}
    segment, number = b"", 1
    for record, data, signature in list(journal.entries(1)):
        body = cbor2.dumps([data, signature], canonical=True)
        framed = len(body).to_bytes(2, "big") + body
        segment += b"\xa7" + framed + binascii.crc32(framed).to_bytes(4, "big")
        kept[f"journal/{number:06d}.seg"] = segment
        if len(segment) >= SEGMENT_BYTES:
            segment, number = b"", number + 1
        for folder, digest in (("sealed", r.SEALED), ("private", r.PRIVATE)):
            blob = journal.blob(folder, record[r.SEQ]) if digest in record else None
            if blob is not None:
                kept[f"{folder}/{record[r.SEQ]}"] = blob
    return kept
