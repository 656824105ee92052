"""The issuer's answer to a card, computed with pyemv: ARPC of method 2 with its card status update, and scripts with a MAC.

    91 08 ARPC (4 bytes) CSU (4 bytes: 00 80 00 00 = approved)
    72 .. 9F18 04 identifier, 86 .. one command

EMV 4.4 Book 2, 8.2.2 and 9.2; Book 3, 10.10.
"""

from pyemv import ac, cvn, kd

from sim.acquirer import emv

APPROVED, REFUSED = bytes.fromhex("00800000"), bytes(4)
SCRIPTS = {"pin-unblock": bytes.fromhex("84240000"), "application-block": bytes.fromhex("841E0000")}
_IDENTIFIER = bytes.fromhex("9F180400000001")


def answer(
    master: bytes,
    script_key: bytes | None,
    pan: str,
    psn: int | None,
    tags: dict[int, bytes],
    approved: bool,
    script: str,
) -> bytes:
    """Field 55 of the answer to the cryptogram in `tags`. KeyError for a script that does not exist."""
    card_key = kd.derive_icc_mk_a(master, pan, f"{psn or 0:02d}")
    session_key = kd.derive_common_sk(card_key, tags[emv.ATC] + bytes(6))
    status = APPROVED if approved else REFUSED
    arpc = ac.generate_arpc_2(session_key, tags[emv.CRYPTOGRAM], status)
    out = b"\x91\x08" + arpc + status
    if script and script_key is not None:
        command = SCRIPTS[script] + b"\x08"
        scheme = cvn.VisaCVN18(master, script_key, script_key, pan, f"{psn or 0:02d}")
        command += scheme.generate_command_mac(command, tags[emv.CRYPTOGRAM], tags[emv.ATC])
        inner = _IDENTIFIER + b"\x86" + bytes([len(command)]) + command
        out += b"\x72" + bytes([len(inner)]) + inner
    return out
