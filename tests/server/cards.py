"""Card data for tests: DE55 with a cryptogram that pyemv computes, in the form that is sealed for the host."""

import hashlib
import secrets
from typing import Any

from pyemv import ac, kd

from sim.acquirer import emv
from sim.acquirer.keys import HostKeys

MASTER = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "9999990112345674"
KEYS = HostKeys(hashlib.sha256(b"test bdk").digest()[:16], {"99999901": MASTER})
ARQC, TC = 0x80, 0x40


def _tlv(tag: str, value: bytes) -> bytes:
    return bytes.fromhex(tag) + bytes([len(value)]) + value


def de55(
    amount: int,
    kind: int,
    pan: str = PAN,
    atc: int = 1,
    master: bytes = MASTER,
    holder: bytes = b"",
    psn: str = "01",
    number: bytes = b"",
) -> bytes:
    """The frozen data of one cryptogram; `holder`: CVM results beside it; `number`: the terminal's, drawn at random if none is given."""
    values = {
        "9F02": bytes.fromhex(f"{amount:012d}"), "9F03": bytes(6), "9F1A": b"\x00\x12", "95": bytes.fromhex("0000048000"),
        "5F2A": b"\x00\x12", "9A": bytes.fromhex("270115"), "9C": b"\x00", "9F37": number or secrets.token_bytes(4),
        "82": b"\x39\x00", "9F36": atc.to_bytes(2, "big"), "9F10": b"\x06\x01\x0a\x03" + bytes([0x80 | kind >> 2, 0, 0]),
    }  # fmt: skip
    session = kd.derive_common_sk(kd.derive_icc_mk_a(master, pan, psn), values["9F36"] + bytes(6))
    cryptogram = ac.generate_ac(session, b"".join(values.values()), ac.PaddingType.EMV)
    return (
        b"".join(_tlv(tag, value) for tag, value in values.items())
        + _tlv("9F27", bytes([kind]))
        + _tlv("9F26", cryptogram)
        + (_tlv("9F34", holder) if holder else b"")
    )


def short(de55_: bytes, told: tuple[int, ...] = ()) -> list[Any]:
    """What is sealed since: chip data of form 1, here with nothing in its places but what is `told` (bits 0, 1, 4, 5: 9F26, 9F27, 9F36, 95)."""
    rest = b"".join(_tlv(f"{tag:X}", value) for tag, value in emv.parse(de55_).items() if tag not in told)
    places = {0x9F26: 0, 0x9F27: 1, 0x9F36: 4, 0x95: 5}
    implied = sum(1 << places[tag] for tag in told)
    return [bytes.fromhex(PAN), 1, b"\x29\x12", b"\x01" + bytes(3) + implied.to_bytes(3, "big") + rest]


def content(amount: int, kind: int, pan: str = PAN, **more: Any) -> dict[int, Any]:
    """What is sealed."""
    return {1: pan, 2: 1, 3: "2912", 4: de55(amount, kind, pan, **more)}
