"""Cards tapped on the page, in Debian's Chromium, over `tasdid up`: the tap zone and its lights, in French and in Arabic.

With TASDID_PICTURES=FOLDER the screens are kept there as PNG files, for a person to look at.
"""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import needs
from tests.support.apdu_lines import secrets_in
from tools import browser

pytestmark = pytest.mark.timeout(120)
PLATE = "0012311916"


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Hands]:
    """The page over a world of its own."""
    needs.chromium()
    needs.module("playwright", "playwright")
    with browser.up(tmp_path_factory.mktemp("tap"), "--port", "0") as running, browser.chromium() as chromium:
        page = chromium.new_page(viewport={"width": 1500, "height": 1100})
        page.set_default_timeout(browser.SCREEN_MS)
        found = browser.Hands(page, running.about)
        found.open()
        yield found


def state(hands: browser.Hands) -> Any:
    with urllib.request.urlopen(hands.about["address"] + "api/state", timeout=10) as answer:
        return json.load(answer)


def lights(hands: browser.Hands) -> list[str]:
    """The four lights as a person sees them: "on", "blink" or ""."""
    return hands.page.evaluate("[...document.querySelectorAll('#lights i')].map(light => light.className)")


def picture(hands: browser.Hands, name: str) -> None:
    folder = os.environ.get("TASDID_PICTURES")
    if folder:
        hands.settle()
        hands.page.screenshot(path=Path(folder) / (name + ".png"))


def zone(hands: browser.Hands) -> str:
    return hands.page.locator("#bay-tap").inner_text()


def hand_over(hands: browser.Hands, receipts: int) -> None:
    hands.key("ok")
    hands.receipts(receipts)
    hands.see("licence_hand")
    hands.key("ok")
    hands.see("home")


def test_a_tap_is_approved_in_french(hands: browser.Hands) -> None:
    hands.page.click('[data-lang="fr"]')
    hands.log_in()
    hands.notice("amina", PLATE)
    hands.key("1")
    hands.see("card_present")
    hands.until(lambda: lights(hands) == ["on", "off", "off", "off"])
    assert "Lecteur sans contact" in zone(hands)
    picture(hands, "tap-1-ready-fr")
    hands.card("approve", "tap")
    hands.see("outcome")
    assert hands.page.locator('[data-card="approve"] [data-act="tap"]').inner_text() == "Reprendre"
    assert (state(hands)["screen"]["outcome"], state(hands)["slots"]["tap"]) == (1, "approve")
    assert ["on"] * 4 in state(hands)["reader"]["shown"], "all four lights say that the card is read"
    picture(hands, "tap-2-approved-fr")
    hands.card("approve", "tap")
    hands.until(lambda: not state(hands)["slots"]["tap"])
    hand_over(hands, 1)
    picture(hands, "tap-3-receipt-fr")


def test_two_cards_at_once_then_one_whose_bank_wants_its_pin_in_arabic(hands: browser.Hands) -> None:
    hands.page.click('[data-lang="ar"]')
    hands.key("lang", "lang")  # French, English, Arabic
    hands.page.click("#network")
    hands.notice("karim", "0453412016")
    for card in ("approve", "online"):
        hands.card(card, "tap")
        hands.page.locator(f'[data-card="{card}"].there').wait_for()
    assert zone(hands) == "CIB TEST · EDAHABIA TEST"
    hands.key("1")
    hands.see("card_message")
    assert state(hands)["screen"]["ui"] == 0x19
    assert hands.page.locator("#lights").evaluate("one => getComputedStyle(one).direction") == "ltr"
    picture(hands, "tap-4-one-card-only-ar")
    hands.card("approve", "tap")  # taken back: the other one is read
    hands.see("card_pin")
    assert zone(hands) == "EDAHABIA TEST" and state(hands)["tapped"] == ["online"]
    assert ["on"] * 4 in state(hands)["reader"]["shown"]
    picture(hands, "tap-5-pin-ar")
    hands.card("online", "tap")
    hands.until(lambda: zone(hands) == "قارئ التقريب")
    hands.typed(hands.pins["online"])
    hands.see("outcome")
    assert state(hands)["screen"]["outcome"] == 1
    picture(hands, "tap-6-approved-ar")
    hand_over(hands, 2)
    with urllib.request.urlopen(hands.about["address"] + "api/apdus", timeout=10) as answer:
        lines = json.load(answer)
    assert any(line["name"] == "GET PROCESSING OPTIONS" for line in lines)
    assert secrets_in(lines, list(hands.pins.values())) == []
