"""An officer logs in with number and PIN (domain §4: verifiers keyed by the secure element, attempts counted there).

The attempt is counted durably *before* the PIN is checked, so a power cut does not give one back. A block of the secure element: the officer's
number, attempts, the first bytes of his verifier, the version of the set that this is in. Another verifier of a newer set (new credentials) begins
at 0; a set of before put back gives nothing back. OFC-002 wrong number or PIN (`detail` = attempts left), OFC-003 locked, OFC-004 as many others as
there are blocks have typed a wrong PIN, OFC-005 the second badge is the first officer's.

RSK-016, and what became of a licence before the power went (`release.hand`), is told before: nobody is in who has not answered it, and the record of
the log-in says so (`View.lost`, `View.hand`).
"""

from drivers.contracts.secure_element import SLOT_ATTEMPTS, SLOT_PIN_HMAC
from protocol import records as r
from protocol.errors import OfficerError, RiskError
from protocol.pack import ct_equal, rd32, u32be
from terminal.flows import ask

_BLOCKS = 13
_TAG = 8
_VERSION = 5 + _TAG  # where it stands in a block


async def _attempts_block(se, found, number: int) -> "tuple[int, int, int]":  # noqa: ANN001 - SecureElement, ParameterSet
    """(block, attempts so far, version of the set that they are of) of an officer. Who has none gets an empty block, or one without attempts, or one
    of an officer whom the set in force no longer names. Blocks of earlier code name no verifier: they get the one in force.
    """
    officers = found.body
    free, rank = 0, 3
    for block in range(_BLOCKS):
        data = await se.read_block(SLOT_ATTEMPTS, block)
        owner, attempts, version = rd32(data), data[4], rd32(data, _VERSION)
        officer = _find(officers, owner)
        if officer is not None and attempts:
            tag = data[5:_VERSION]
            if not any(tag):
                await _count(se, block, officer, attempts, found.version)
            elif tag != officer["verifier"][:_TAG] and version < found.version:
                attempts = 0
        if owner == number:
            return block, attempts, version
        worth = int(owner > 0) if not attempts else 2 if officer is None else 3
        if worth < rank:
            free, rank = block, worth
    if rank > 2:
        raise OfficerError(
            "too many officers have typed a wrong PIN",
            "OFC-004",
            "one of them logs in here first, or use another terminal",
        )
    return free, 0, 0


async def _count(se, block: int, officer: dict, attempts: int, version: int) -> None:  # noqa: ANN001
    data = u32be(officer["number"]) + bytes((attempts,)) + officer["verifier"][:_TAG] + u32be(version)
    await se.write_block(SLOT_ATTEMPTS, block, data + bytes(32 - len(data)))


async def verify_pin(se, found, officer: dict, pin: bytearray, limit: int) -> None:  # noqa: ANN001
    """Check the PIN of an officer of the set `found`. Raises OfficerError OFC-002 (detail = attempts left) or OFC-003."""
    number = officer["number"]
    block, attempts, version = await _attempts_block(se, found, number)
    if attempts >= limit:
        raise _locked()
    version = max(version, found.version)
    await _count(se, block, officer, attempts + 1, version)
    mac = await se.hmac(SLOT_PIN_HMAC, u32be(number) + bytes(pin))
    if ct_equal(mac, officer["verifier"]):
        await _count(se, block, officer, 0, version)
        return
    left = limit - attempts - 1
    if left == 0:
        raise _locked()
    raise OfficerError("number or PIN is wrong", "OFC-002", "try again", left)


def _locked() -> OfficerError:
    return OfficerError("the officer is locked", "OFC-003", "ask the supervisor for new credentials")


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
    found = t.parameter("officers")
    officer = _find(found.body, int(typed))
    left = await _left(t, found, officer, limits["pin_attempts"])
    pin = await ask.secret_digits(t, "login_pin", 4, 8, attempts_left=left, second=second)
    if pin is None:
        return None
    try:
        if officer is None:
            raise OfficerError("number or PIN is wrong", "OFC-002", "try again")
        await verify_pin(t.ports.se, found, officer, pin, limits["pin_attempts"])
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
    if t.journal.hand:
        from terminal.flows import release

        if not await release.hand(t):
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


async def _left(t, found, officer: "dict | None", limit: int) -> int:  # noqa: ANN001
    if officer is None:
        return limit
    attempts = (await _attempts_block(t.ports.se, found, officer["number"]))[1]
    if attempts >= limit:
        raise _locked()
    return limit - attempts
