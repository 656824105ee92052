"""Lights and tones of the contactless reader as state: what a user interface request makes them show (EMV Contactless Book A, 9.2 and 9.3).

Four lights in a row. Idle: the first one blinks. Ready: it stays on. Read: all four and one long high tone, which means that the card may go, not
that anything is approved. Alert: none, and two short low tones. Otherwise: none, silence.
"""

from protocol.emv.contactless import ui

READ_TONE = ((1500, 500),)
"""(Hz, ms) in order; 0 Hz is a pause."""
ALERT_TONE = ((750, 200), (0, 200), (750, 200))
_FIRST, _ALL = 0x01, 0x0F
_ALERTING = (
    ui.DECLINED,
    ui.PROCESSING_ERROR,
    ui.ONE_CARD_ONLY,
    ui.SEE_PHONE,
    ui.PRESENT_AGAIN,
    ui.INSERT_CARD,
    ui.TRY_ANOTHER_CARD,
)


class Signal:
    """`lights` and `blinking`: bits 0 to 3 are the lights from the left; `tones` as above."""

    def __init__(self, lights: int, blinking: int, tones: "tuple[tuple[int, int], ...]") -> None:
        self.lights = lights
        self.blinking = blinking
        self.tones = tones


def signal(message: int, status: int) -> Signal:
    """What `message` and `status` (`protocol.emv.contactless.ui`) make the reader show."""
    if status == ui.READ:
        return Signal(_ALL, 0, READ_TONE)
    if status == ui.ERROR or message in _ALERTING:
        return Signal(0, 0, ALERT_TONE)
    if status == ui.IDLE:
        return Signal(0, _FIRST, ())
    if status in (ui.READY_TO_READ, ui.BUSY):
        return Signal(_FIRST, 0, ())
    return Signal(0, 0, ())


async def show(indicator, message: int, status: int) -> None:  # noqa: ANN001 - Indicator or None
    """Show it, where there are lights."""
    if indicator is not None:
        found = signal(message, status)
        await indicator.show(found.lights, found.blinking, found.tones)
