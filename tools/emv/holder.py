"""What the cardholder did, out of the commands of a recording alone.

A PIN for the card is followed by VERIFY, or by GET CHALLENGE to encipher it, which a card may refuse; with T=0 there are more exchanges for each.
A PIN for the issuer shows in what GENERATE AC told the card: CVM results (9F34), else the TVR (95), where CDOL1 asks for them.
"""

from protocol.emv import tags
from protocol.emv.steps import cvm
from tools.emv import issuer, record

Step = tuple[bytes, bytes]
_VERIFY, _CHALLENGE, _RESPONSE, _GENERATE = b"\x20", b"\x84", b"\xc0", b"\xae"
_CHALLENGE_BYTES = 8
_PIN_ENTERED = 0x04  # TVR byte 3: online PIN entered


def gave_pin(steps: list[Step], at: int) -> bool:
    """Whether the steps from `at` on were made with a PIN for the card."""
    refused = False
    for command, response in steps[at:]:
        ins = command[1:2]
        if ins == _VERIFY:
            return True
        if ins not in (_CHALLENGE, _RESPONSE):
            break
        refused = response[-2:] != b"\x90\x00" or len(response) != _CHALLENGE_BYTES + 2
    return refused


def gave_online_pin(steps: list[Step]) -> bool | None:
    """Whether the first GENERATE AC says that a PIN for the issuer was entered; None if it does not say."""
    generated = next((record.parsed(command)[1] for command, _ in steps if command[1:2] == _GENERATE), None)
    if generated is None:
        return None
    told = issuer.fields(issuer.object_in(steps, tags.CDOL1), generated)
    results, registers = told.get(tags.CVM_RESULTS, b""), told.get(tags.TVR, b"")
    if len(results) == 3:
        return online_pin_in(results)
    return bool(registers[2] & _PIN_ENTERED) if len(registers) == 5 else None


def online_pin_in(results: bytes) -> bool:
    """Whether these CVM results are of an online PIN that was entered: its outcome is unknown, of a bypassed one failed."""
    return results[0] & 0x3F == cvm.ONLINE_PIN and results[2] != cvm.FAILED
