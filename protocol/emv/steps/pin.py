"""PIN entry: offline in clear or enciphered for the card, or online (EMV 4.4 Book 3, 6.5.12, 10.5.1, 10.5.2; Book 2, 7).

A PIN block lives in bytearrays made here and wiped here; a bytearray that brought the digits is wiped too. It is never in a
message, an explanation or an exception. Making the online PIN block is the terminal's (or the PIN pad's) work, not the kernel's.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import state, tags
from protocol.emv.oda import certificates
from protocol.emv.steps import risk

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

_MAX_ASKED = 15  # a card that always answers 63CF would ask for ever


def wipe(buffer: object) -> None:
    """Overwrite a bytearray with zeros; other types are left alone (they cannot be changed)."""
    if isinstance(buffer, bytearray):
        for i in range(len(buffer)):
            buffer[i] = 0


def block(digits: "bytes | bytearray") -> "bytearray | None":
    """The plaintext PIN block (ISO 9564 format 2) of 4 to 12 ASCII digits; None if they are not."""
    if not 4 <= len(digits) <= 12:
        return None
    out = bytearray(b"\xff\xff\xff\xff\xff\xff\xff\xff")
    out[0] = 0x20 | len(digits)
    for i in range(len(digits)):
        if not 0x30 <= digits[i] <= 0x39:
            wipe(out)
            return None
        nibble = digits[i] & 15
        at = 1 + i // 2
        out[at] = out[at] & 0x0F | nibble << 4 if i % 2 == 0 else out[at] & 0xF0 | nibble
    return out


def online(s: "Session") -> "Steps":
    """Let the terminal capture a PIN for the issuer; whether it did."""
    if s.pin_state == "bypassed":
        return False
    entered = yield ("online_pin", {"pan": s.pan, "psn": _psn(s)})
    if not entered:
        _bypass(s)
        return False
    s.online_pin = True
    s.set_tvr(state.ONLINE_PIN_ENTERED, "online-pin")
    return True


def _psn(s: "Session") -> "int | None":
    value = s.card.get(tags.PSN)
    return tags.digits_to_int(value) if value is not None else None


def _bypass(s: "Session") -> None:
    s.pin_state = "bypassed"
    s.set_tvr(state.PIN_NOT_ENTERED, "pin-bypassed")


def _blocked(s: "Session", why: str) -> bool:
    s.pin_state = "blocked"
    s.set_tvr(state.PIN_TRY_LIMIT, why)
    return False


def offline(s: "Session", enciphered: bool) -> "Steps":
    """Let the card verify a PIN, asking again after a wrong one; whether it accepted one."""
    if s.pin_state:
        s.note("PIN", "already-" + s.pin_state)
        return False
    key = certificates.pin_key(s) if enciphered else None
    if enciphered and key is None:
        s.note("PIN", "no-encipherment-key")
        return False
    counter = yield from risk.get_data(s, tags.PIN_TRIES)
    tries = counter[0] if counter is not None else None
    if tries == 0:
        return _blocked(s, "pin-try-counter-zero 9F17")
    for _ in range(_MAX_ASKED):
        digits = yield ("pin", tries, tries == 1)
        if not digits:
            _bypass(s)
            return False
        plain = block(digits)
        wipe(digits)
        if plain is None:
            continue
        try:
            sw = yield from (_verify_enciphered(s, plain, key) if key is not None else _verify_plain(plain))
        finally:
            wipe(plain)
        if sw == 0x9000:
            s.pin_ok = True
            return True
        if sw in (0x6983, 0x6984):
            return _blocked(s, f"pin-blocked {sw:04X}")
        if sw == 0x63C0:
            return _blocked(s, "pin-tries-used 63C0")
        if sw is None or sw & 0xFFF0 != 0x63C0:
            s.note("PIN", "verify-refused")
            return False
        tries = sw & 15
        s.note("PIN", "wrong")
    return False


def _verify_plain(plain: bytearray) -> "Steps":
    command = bytearray(b"\x00\x20\x00\x80\x08")
    command.extend(plain)
    try:
        answer = yield ("apdu", command)
    finally:
        wipe(command)
    return apdu.parse_response(answer).sw


def _verify_enciphered(s: "Session", plain: bytearray, key: "tuple[bytes, bytes]") -> "Steps":
    """Book 2, 7.2. None if the card gives no challenge."""
    challenge, sw = yield from s.exchange(apdu.command(0, 0x84, 0, 0, b"", 256))
    if sw != 0x9000 or len(challenge) != 8:
        return None
    padding = yield ("random", len(key[0]) - 17)
    clear = bytearray(b"\x7f")
    clear.extend(plain)
    clear.extend(challenge)
    clear.extend(padding)
    try:
        sealed = s.crypto.rsa_public(key[0], key[1], clear)
    finally:
        wipe(clear)
    return (yield from s.exchange(apdu.command(0, 0x20, 0, 0x88, sealed)))[1]
