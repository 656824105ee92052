"""What a user interface request makes lights and sounder show (domain §4: idle, read, alert)."""

from protocol.emv.contactless import ui
from terminal.face import lights


def _shown(message, status):
    found = lights.signal(message, status)
    return found.lights, found.blinking, found.tones


def test_idle_blinks_the_first_light_and_ready_lets_it_shine():
    assert _shown(ui.WELCOME, ui.IDLE) == (0, 1, ())
    assert _shown(ui.PRESENT_CARD, ui.READY_TO_READ) == (1, 0, ())
    assert _shown(ui.PROCESSING, ui.BUSY) == (1, 0, ())


def test_read_is_all_four_and_one_long_high_tone():
    assert _shown(ui.CARD_READ_OK, ui.READ) == (15, 0, ((1500, 500),))


def test_alert_is_two_short_low_tones_in_the_dark():
    alert = (0, 0, ((750, 200), (0, 200), (750, 200)))
    for message in (ui.SEE_PHONE, ui.PRESENT_AGAIN, ui.ONE_CARD_ONLY):
        assert _shown(message, ui.ERROR) == alert
    assert _shown(ui.DECLINED, ui.NOT_READY) == alert and _shown(ui.INSERT_CARD, ui.NOT_READY) == alert


def test_an_approval_has_no_light_of_its_own():
    """The reader says that the card was read; that money was taken only the durable outcome says."""
    for message in (ui.APPROVED, ui.CLEAR, ui.AUTHORISING):
        assert _shown(message, ui.NOT_READY) == (0, 0, ())


class _Indicator:
    def __init__(self):
        self.seen = []

    async def show(self, shining, blinking, tones):
        self.seen.append((shining, blinking, tones))


async def test_a_terminal_without_lights_shows_none():
    await lights.show(None, ui.CARD_READ_OK, ui.READ)
    indicator = _Indicator()
    await lights.show(indicator, ui.CARD_READ_OK, ui.READ)
    assert indicator.seen == [(15, 0, ((1500, 500),))]
