"""What fuzzing begins with: genuine files, certificates, lists and conversations of the simulated licences, by target."""

import datetime as dt
import io
from typing import Any

from PIL import Image

from sim.cards.licence import PROFILES, build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.cards.licence.pictures import portrait
from sim.pki import Pki, revocation
from sim.pki.signers import SIGNERS

_FROM, _UNTIL = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 12, 31, tzinfo=dt.UTC)
NAMES = ("amina", "rich", "eu", "both-proofs", "pace-two", "agreement-dh", "agreement-standardised", "active-p384")


def lists(pki: Pki) -> "list[bytes]":
    """Revocation lists."""
    return [revocation.crl(pki.csca, [pki.signers["revoked"]], _FROM, _UNTIL, fill=3)]


def seeds(target: str, pki: Pki) -> "list[bytes]":
    """Inputs for one target. KeyError for a target without any."""
    chips = [build({**profile(name), "portrait_bytes": 64}, pki).content.files for name in NAMES if name in PROFILES]
    every = [content for files in chips for content in files.values() if len(content) < 3000]
    signed = [
        build({**profile("amina"), "signer": name, "portrait_bytes": 64}, pki).content.files[0x1D]
        for name in sorted(SIGNERS)
    ]
    card: Any = build({**profile("pace-cam-own"), "portrait_bytes": 64}, pki)
    certificates = [pki.signers[name].der for name in sorted(SIGNERS)] + [pki.csca.der] + lists(pki)
    made = {
        "tlv": every,
        "groups": [
            bytes([number % 16 if number < 15 else 0]) + content
            for files in chips
            for number, content in files.items()
            if len(content) < 3000 and (number < 15 or number == 0x1E)
        ],
        "certificates": certificates,
        "sod": [*signed, card.abilities.card_security],
        "infos": [files[number] for files in chips for number in (13, 14, 0x1C) if number in files],
        "answers": [bytes(14), bytes.fromhex("8709016375432908C044F6990290008E08FA855A5D4C50A8ED9000")],
        "mrz": [mrz_lines(person).encode() for person in PEOPLE.values()] + [b"314159"],
        "reading": [_conversation(files) for files in chips],
        "files": [_served(files) for files in chips],
        "picture": _pictures(),
    }
    return made[target]


def _pictures() -> "list[bytes]":
    """JPEG files of every arrangement that is decoded, and one that is not; the first byte is the target's."""
    face = Image.open(io.BytesIO(portrait(PEOPLE["amina"], 16000))).resize((24, 18))
    found = []
    for at, options in enumerate(({"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2, "optimize": True},
                                  {"restart_marker_blocks": 2}, {"progressive": True})):  # fmt: skip
        for mode in ("RGB", "L"):
            stream = io.BytesIO()
            face.convert(mode).save(stream, "JPEG", quality=40, **options)
            found.append(bytes([at + 60 * at]) + stream.getvalue())
    return found


def _served(files: "dict[int, bytes]") -> bytes:
    return b"".join(
        bytes([number]) + len(content).to_bytes(2, "big") + content
        for number, content in files.items()
        if len(content) < 3000
    )


def _conversation(files: "dict[int, bytes]") -> bytes:
    pieces = []
    for number in (0x1E, 0x1D, 1, 11):
        content = files.get(number, b"")
        for at in range(0, len(content), 239):
            piece = content[at : at + 239]
            pieces.append(bytes([len(piece) | 1]) + piece + b"\0" * ((len(piece) | 1) - len(piece)))
    return b"".join(pieces)
