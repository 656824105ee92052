"""Small dialogues: a number typed on the keypad (or scanned), an acknowledgement, a coded error shown until it is read."""

from protocol import records as r
from protocol.errors import NoCardError, OfficerError, TasdidError

IDLE_MS = 120000  # an unattended dialogue gives up after this
CANCELLED = "CRD-015"  # the officer no longer waits for a card
_CARD_SLICE_MS = 300  # how long the card is waited for before the keypad is looked at
_CHOICES = 4  # of a card's applications on one page
_SLICE_MS = 100  # how often keypad and scanner are looked at in turn


async def digits(
    t, screen: str, least: int, most: int, key: "str | None" = None, scan: bool = False, **fields
) -> "str | None":  # noqa: ANN001, ANN003 - Terminal
    """Digits typed on `screen` (`entry` follows the keys; `missing`: how many are, when OK came too early). None when cancelled or left alone.

    `key`: the first one, where it has been pressed already. `scan`: a text from the scanner ends the dialogue too and is returned as it came; so does
    ▲ or the menu key ("menu").
    """
    text = ""
    missing = waited = 0
    slice_ms = _SLICE_MS if scan else IDLE_MS
    while waited < IDLE_MS:
        if not (key or waited):
            await t.face.show(screen, entry=text, missing=missing, **fields)
        if scan and t.ports.scanner is not None:
            scanned = await t.ports.scanner.read_scan(1)
            if scanned:
                return scanned
        key = key or await t.face.key(slice_ms)
        if key is None:
            waited += slice_ms
            continue
        waited = 0
        if key == "cancel":
            return None
        if scan and key in ("menu", "up"):  # not every keypad has a menu key
            return "menu"
        missing = max(0, least - len(text)) if key == "ok" else 0
        if key == "ok" and not missing:
            return text
        if key == "clear":
            text = text[:-1]
        elif len(key) == 1 and len(text) < most:
            text += key
        key = None
    return None


async def secret_digits(t, screen: str, least: int, most: int, **fields) -> "bytearray | None":  # noqa: ANN001, ANN003
    """A PIN, as digits in a bytearray that the caller wipes. The screen sees only its length (`stars`); keys pressed before are not part of it."""
    t.face.forget()
    pin = bytearray()
    while True:
        await t.face.show(screen, stars=len(pin), **fields)
        key = await t.face.key(IDLE_MS)
        if key is None or key == "cancel":
            wipe(pin)
            return None
        if key == "ok" and len(pin) >= least:
            return pin
        if key == "clear":
            wipe(pin)
            pin = bytearray()
        elif len(key) == 1 and len(pin) < most:
            pin.append(ord(key))


async def card(t, reader, timeout_ms: int) -> None:  # noqa: ANN001 - Terminal, CardReader
    """Wait for a card while CANCEL works. Raises NoCardError: CRD-002 nobody presented one, CRD-015 the officer cancelled."""
    waited = 0
    while True:
        try:
            await reader.wait_for_card(_CARD_SLICE_MS)
            return
        except NoCardError:
            waited += _CARD_SLICE_MS
            if waited >= timeout_ms:
                raise
        if await t.face.key(1) == "cancel":
            raise NoCardError("waiting for the card was cancelled", CANCELLED, "choose again")


def wipe(buffer: bytearray) -> None:
    """Overwrite a secret."""
    for index in range(len(buffer)):
        buffer[index] = 0


async def acknowledge(t, screen: str, **fields) -> bool:  # noqa: ANN001, ANN003
    """Show a screen until OK (True), CANCEL or nobody (False)."""
    return await answer(t, screen, **fields) == "ok"


async def answer(t, screen: str, also: tuple = (), **fields) -> "str | None":  # noqa: ANN001, ANN003
    """Show a screen until "ok" or "cancel" is pressed, or one of `also`; None if nobody is there. A key pressed before it was drawn is no answer."""
    t.face.forget()
    await t.face.show(screen, **fields)
    while True:
        key = await t.face.key(IDLE_MS)
        if key in ("ok", "cancel", None) or key in also:
            return key


async def outcome(t, record: dict, why: str = "") -> None:  # noqa: ANN001
    """Say what a payment's outcome record says. `why`: what decided, as far as it is known."""
    await acknowledge(
        t,
        "outcome",
        outcome=record[r.OUTCOME],
        amount=record[r.AMOUNT],
        scheme=record.get(r.SCHEME, ""),
        last4=record.get(r.LAST4, ""),
        reason=record.get(r.REASON, ""),
        why=why,
    )


async def choose(t, labels: list) -> "int | None":  # noqa: ANN001
    """Index of one of the card's applications, None when cancelled or left alone; a digit chooses one that is on the screen."""
    index = 0
    t.face.forget()
    while True:
        first = index - index % _CHOICES
        shown = labels[first : first + _CHOICES]
        await t.face.show(
            "card_choose",
            labels=shown,
            first=first + 1,
            index=index - first,
            page=first // _CHOICES + 1,
            pages=(len(labels) + _CHOICES - 1) // _CHOICES,
        )
        key = await t.face.key(IDLE_MS)
        if key is None or key == "cancel":
            return None
        if key == "ok":
            return index
        if key == "down":
            index = (index + 1) % len(labels)
        elif key == "up":
            index = (index - 1) % len(labels)
        elif len(key) == 1 and first < int(key) <= first + len(shown):
            return int(key) - 1


async def show_error(t, error: TasdidError, cancel: str = "key.back") -> bool:  # noqa: ANN001
    """Show a coded error; True when the officer pressed OK (try again), False for CANCEL, whose key `cancel` names, or nobody."""
    return await answer_error(t, error, cancel) == "ok"


async def answer_error(t, error: TasdidError, cancel: str) -> "str | None":  # noqa: ANN001
    """The same, with the key that was pressed: "ok" or "cancel", None if nobody is there."""
    left = error.detail if isinstance(error, OfficerError) else None
    detail = error.detail if isinstance(error.detail, str) else None
    return await answer(
        t,
        "error",
        code=error.code,
        message_key="err." + error.code,
        hint_key="hint." + error.code,
        left=left,
        detail=detail,
        cancel=cancel,
    )
