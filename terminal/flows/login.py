"""An officer logs in with number and PIN (domain §4: verifiers keyed by the secure element, attempts counted there).

The attempt is counted durably *before* the PIN is checked, so a power cut does not give one back. OFC-002 wrong number or PIN (`detail` =
attempts left), OFC-003 locked, OFC-004 no room to count attempts, OFC-005 the second badge is the first officer's. RSK-016 is told before: nobody is
in who has not answered it, and the record of the log-in says so (`View.lost`).
"""

from drivers.contracts.secure_element import SLOT_ATTEMPTS, SLOT_PIN_HMAC
from protocol import records as r
from protocol.errors import OfficerError, RiskError
from protocol.pack import ct_equal, rd32, u32be
from terminal.flows import ask

_BLOCKS = 13


async def _attempts_block(se, number: int) -> "tuple[int, int]":  # noqa: ANN001 - SecureElement
    """(block, attempts so far) of an officer; a free block if none has counted yet."""
    free = -1
    for block in range(_BLOCKS):
        data = await se.read_block(SLOT_ATTEMPTS, block)
        owner = rd32(data)
        if owner == number:
            return block, data[4]
        if owner == 0 and free < 0:
            free = block
    if free < 0:
        raise OfficerError("no room to count this officer's attempts", "OFC-004", "use another terminal")
    return free, 0


async def _count(se, block: int, number: int, attempts: int) -> None:  # noqa: ANN001
    await se.write_block(SLOT_ATTEMPTS, block, u32be(number) + bytes((attempts,)) + bytes(27))


async def verify_pin(se, officer: dict, pin: bytearray, limit: int) -> None:  # noqa: ANN001
    """Check a PIN. Raises OfficerError OFC-002 (detail = attempts left) or OFC-003."""
    number = officer["number"]
    block, attempts = await _attempts_block(se, number)
    if attempts >= limit:
        raise OfficerError("the officer is locked", "OFC-003", "ask the supervisor for new credentials")
    await _count(se, block, number, attempts + 1)
    mac = await se.hmac(SLOT_PIN_HMAC, u32be(number) + bytes(pin))
    if ct_equal(mac, officer["verifier"]):
        await _count(se, block, number, 0)
        return
    left = limit - attempts - 1
    if left == 0:
        raise OfficerError("the officer is locked", "OFC-003", "ask the supervisor for new credentials")
    raise OfficerError("number or PIN is wrong", "OFC-002", "try again", left)


def _find(body: dict, number: int) -> "dict | None":
    for officer in body["officers"]:
        if officer["number"] == number:
            return officer
    return None


async def _credentials(t, second: bool, key: "str | None" = None) -> "dict | None":  # noqa: ANN001 - Terminal
    """Number and PIN of an officer, checked; None when cancelled. `second`: it must be another one than who is logged in. `key`: see `ask.digits`."""
    typed = await ask.digits(t, "login_number", 1, 8, key, second=second)
    if typed is None:
        return None
    if second and int(typed) == t.officer["number"]:
        raise OfficerError("the second badge is the first officer's", "OFC-005", "another officer confirms")
    limits = t.limits()
    officer = _find(t.parameter("officers").body, int(typed))
    left = await _left(t, officer, limits["pin_attempts"])
    pin = await ask.secret_digits(t, "login_pin", 4, 8, attempts_left=left, second=second)
    if pin is None:
        return None
    try:
        if officer is None:
            raise OfficerError("number or PIN is wrong", "OFC-002", "try again")
        await verify_pin(t.ports.se, officer, pin, limits["pin_attempts"])
    finally:
        ask.wipe(pin)
    return officer


async def second_badge(t) -> int:  # noqa: ANN001
    """The number of a second officer who confirms with a PIN of their own; 0 when cancelled. Raises OfficerError."""
    officer = await _credentials(t, True)
    return officer["number"] if officer is not None else 0


async def log_in(t, key: str) -> bool:  # noqa: ANN001 - Terminal
    """One try at logging in, begun with `key`. True when an officer is in; the shift is opened with the first log-in. Raises OfficerError,
    RiskError.
    """
    officer = await _credentials(t, False, key)
    if officer is None:
        return False
    if t.journal.view.lost and not await told(t):
        return False
    t.journal.officer = officer["number"]
    t.journal.unit = officer["unit"]
    if not t.journal.view.shift_open:
        await t.journal.append(
            r.SHIFT_OPENED, {r.SHIFT: t.journal.view.shift + 1, r.WILAYA: t.identity.wilaya, r.FORCE: officer["force"]}
        )
    await t.journal.append(r.LOGIN, {})
    t.officer = officer
    return True


async def told(t) -> bool:  # noqa: ANN001 - Terminal
    """Whether the officer has read that payments are lost with the storage (RSK-016)."""
    error = RiskError("records of payments are lost", "RSK-016", "do not ask who has paid to pay again")
    t.note_error(error)
    return await ask.show_error(t, error)


async def _left(t, officer: "dict | None", limit: int) -> int:  # noqa: ANN001
    if officer is None:
        return limit
    _, attempts = await _attempts_block(t.ports.se, officer["number"])
    if attempts >= limit:
        raise OfficerError("the officer is locked", "OFC-003", "ask the supervisor for new credentials")
    return limit - attempts
