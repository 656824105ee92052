"""One fine played on the page with mouse and keyboard, in Debian's Chromium, over `tasdid up`; pixels, paper, ledger, crash."""

import base64
import io
import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support import needs
from tests.support.apdu_lines import secrets_in
from tools import browser

pytestmark = pytest.mark.timeout(240)
PLATE = "0012311916"
UNSEEN = """[...document.querySelectorAll('button, canvas, img, table, .tile, .bay, .note, .licence, .bank')].filter(e => {
  const box = e.getBoundingClientRect();
  return !e.closest('dialog') && box.width && (box.left < 0 || box.right > document.documentElement.clientWidth);
}).map(e => e.outerHTML.slice(0, 80))"""  # what lies beyond the window's edges, whichever way the page is read
BROKEN = """[...document.querySelectorAll('#ledger .code, td bdi')].filter(e => new Set([...e.getClientRects()].map(box => box.top)).size > 1)
  .map(e => e.textContent)"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Up]:
    """`tasdid up` on a free port with data of its own."""
    needs.chromium()
    needs.module("playwright", "playwright")
    with browser.up(tmp_path_factory.mktemp("page"), "--port", "0") as found:
        yield found


@pytest.fixture(scope="module")
def chromium(running: browser.Up) -> Iterator[Any]:
    with browser.chromium() as found:
        yield found


@pytest.fixture(scope="module")
def hands(chromium: Any, running: browser.Up) -> browser.Hands:
    """The page, open; every request that it makes and every error in it are noted."""
    page = chromium.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(browser.SCREEN_MS)
    found = browser.Hands(page, running.about)
    page.requests, page.errors = [], []
    page.on("request", lambda request: page.requests.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.on("console", lambda message: message.type == "error" and page.errors.append(message.text))
    found.open()
    return found


def get(hands: browser.Hands, path: str) -> Any:
    with urllib.request.urlopen(hands.about["address"] + path, timeout=10) as answer:
        return json.load(answer)


def glass(hands: browser.Hands) -> Image.Image:
    """The canvas' pixels, as the page shows them."""
    text = hands.page.evaluate("document.getElementById('glass').toDataURL()")
    return Image.open(io.BytesIO(base64.b64decode(text.split(",", 1)[1]))).convert("RGB")


def same_pixels(hands: browser.Hands) -> bool:
    with urllib.request.urlopen(hands.about["address"] + "api/screen.png", timeout=10) as answer:
        return Image.open(io.BytesIO(answer.read())).convert("RGB").tobytes() == glass(hands).tobytes()


def test_one_fine_by_mouse_and_keyboard_from_log_in_to_the_ledger(hands: browser.Hands):
    page, pins = hands.page, hands.pins
    hands.log_in("0000" if hands.about["officer"]["pin"] != "0000" else "1111")
    hands.see("error")
    assert "OFC-002" in hands.says() and "2" in hands.says().split("OFC-002")[1], "the attempts left are said"
    page.keyboard.press("Enter")
    hands.log_in()
    hands.notice("amina", PLATE)
    assert page.locator('[data-card="amina"] [data-act="lay"]').inner_text() != ""

    hands.key("1")
    hands.see("card_present")
    hands.card("approve")
    hands.see("card_pin")
    hands.typed("0000" if pins["approve"] != "0000" else "1111")
    page.locator('[data-card="approve"] .tries', has_text="2").wait_for()
    hands.until(lambda: "2" in hands.says())
    hands.typed(pins["approve"])
    hands.see("outcome")
    assert get(hands, "api/state")["screen"]["outcome"] == 1
    hands.key("ok")
    hands.see("card_remove")
    hands.card("approve")
    hands.receipts(1)
    page.locator(".piece img").first.evaluate("image => image.decode()")
    assert page.locator(".piece img").first.evaluate("image => image.naturalHeight") > 600
    hands.see("licence_hand")
    assert get(hands, "api/state")["screen"]["disposition"] == 1
    hands.key("ok")
    hands.see("home")

    page.click("#network")
    page.locator('#network[aria-checked="true"]').wait_for()
    hands.key("2")
    hands.see("sync_done")
    hands.key("ok")
    hands.see("home")
    page.locator("#ledger .state.paid").wait_for()
    assert "000001-00001" in page.locator("#ledger").inner_text()
    ledger = get(hands, "api/ledger")
    assert ledger["balanced"] and ledger["now"]["paid"] == {"count": 1, "amount": 500_000}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", "Trésor · wilaya 16, police, "),
        ("ar", "الخزينة · ولاية 16، الشرطة، "),
        ("en", "Treasury · wilaya 16, police, "),
    ],
)
def test_the_ledger_names_accounts_in_the_page_s_language_and_as_the_books_do(
    hands: browser.Hands, language: str, words: str
):
    hands.page.click(f'[data-lang="{language}"]')
    told = hands.page.locator("#ledger .postings").text_content() or ""
    hands.page.click('[data-lang="fr"]')
    assert words in told and "treasury:16:1:" in told
    assert "5\u00a0000,00" in told, "an amount is written as on the terminal's screen and on the paper"


def test_an_alarm_is_its_code_a_word_and_the_server_s_own_sentence(hands: browser.Hands):
    report = get(hands, "api/ledger")
    said = {"device": "TSD-000001", "at": 1, "level": "alarm"}
    report["alarms"] = [{**said, "code": "EPOCH", "what": "a"}, {**said, "code": "XYZ-999", "what": "b"}]
    hands.page.route("**/api/ledger", lambda route: route.fulfill(json=report))
    hands.page.locator("#ledger .alarm").nth(1).wait_for()
    told = [line.replace("\n", " ") for line in hands.page.locator("#ledger .alarm").all_inner_texts()]
    hands.page.unroute("**/api/ledger")
    assert told == ["EPOCH nouvelle époque TSD-000001: a", "XYZ-999 à examiner TSD-000001: b"]
    hands.page.locator("#ledger .alarm").first.wait_for(state="detached")


def test_a_ledger_that_is_still_being_added_up_says_so_and_shows_what_people_have_to_see_to(hands: browser.Hands):
    full = get(hands, "api/ledger")
    sums = ("totals", "accounts", "now", "owed", "postings", "cases", "case_count", "paid_twice", "paid_twice_count")
    report = {name: value for name, value in full.items() if name not in sums} | {"balanced": None}
    report["alarms"] = [{"device": "TSD-000001", "at": 1, "level": "alarm", "code": "EPOCH", "what": "a"}]
    hands.page.route("**/api/ledger", lambda route: route.fulfill(json=report))
    hands.page.locator("#ledger .alarm").wait_for()
    told = hands.page.locator("#ledger .empty").all_inner_texts(), hands.page.locator("#balanced").inner_text()
    hands.page.unroute("**/api/ledger")
    assert told == (["en vérification"], "en vérification")
    hands.page.locator("#ledger .postings").wait_for()


@pytest.mark.parametrize("language", ["fr", "ar"])
@pytest.mark.parametrize(
    "size", [(1500, 1000), (1366, 768), (1280, 720), (1024, 768), (790, 600), (400, 800), (360, 640)]
)
def test_a_page_loaded_in_a_window_of_this_size_shows_all_of_it_and_the_receipt(
    chromium: Any, hands: browser.Hands, size: tuple[int, int], language: str
):
    page = chromium.new_page(viewport={"width": size[0], "height": size[1]})
    page.add_init_script(f"localStorage.setItem('language', '{language}')")
    try:
        fresh = browser.Hands(page, hands.about)
        fresh.open()
        page.locator("#ledger .postings").first.wait_for(timeout=10000)
        picture = page.locator(".piece img").first
        picture.wait_for(timeout=10000)  # it has a size
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        drawn = picture.bounding_box()
        assert drawn is not None and drawn["width"] > 240 and drawn["height"] > 2 * drawn["width"], drawn
        assert page.evaluate(UNSEEN) == []
        assert page.locator("#ledger .code").count() and page.evaluate(BROKEN) == [], "a code is on one line"
    finally:
        page.close()


@pytest.mark.parametrize("width", [1410, 1390, 1060, 1024, 790, 400, 360])
def test_no_page_scrolls_sideways(hands: browser.Hands, width: int):
    hands.page.set_viewport_size({"width": width, "height": 900})
    room = hands.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    hands.page.set_viewport_size({"width": 1500, "height": 1100})
    assert room[0] <= room[1]


def test_the_receipt_is_enlarged_by_a_click_and_its_code_verifies(hands: browser.Hands, running: browser.Up):
    from sim.worlds.papers import read_claim

    hands.page.click(".piece")
    hands.page.locator("#viewer[open] img").wait_for()
    hands.page.keyboard.press("Escape")
    hands.page.locator("#viewer[open]").wait_for(state="hidden")
    assert get(hands, "api/state")["screen"]["screen"] == "home", "Escape closed the picture and went no further"
    folder = Path(running.about["data"])
    claim = read_claim(folder / "paper" / "000001.png", folder / "receipt-keys.json")
    assert claim is not None and claim.outcome == 1 and claim.amount == 500_000


def test_the_canvas_shows_the_pixels_of_the_display(hands: browser.Hands):
    assert hands.until(lambda: same_pixels(hands))
    assert len(glass(hands).getcolors() or []) > 3, "something is drawn"


def test_a_second_page_and_a_reload_see_all_and_disturb_nothing(chromium: Any, hands: browser.Hands):
    hands.see("home")
    before = get(hands, "api/state")
    other = browser.Hands(chromium.new_page(), hands.about)
    other.open()
    other.see("home")
    other.page.reload()
    other.see("home")
    other.until(lambda: same_pixels(other))
    other.receipts(1)
    assert other.page.locator(".apdu").count() > 20
    hands.key("1")
    other.see("mrz_entry")
    other.key("cancel")
    hands.see("home")
    other.page.close()
    assert get(hands, "api/state")["paper"] == before["paper"]


def test_no_log_line_holds_a_pin_or_a_card_number(hands: browser.Hands):
    lines = get(hands, "api/apdus")
    assert any(line["name"] == "VERIFY" and "2 tries left" in line["meaning"] for line in lines)
    assert any(line["name"] == "GENERATE AC" and line["meaning"].startswith("TC") for line in lines)
    assert secrets_in(lines, list(hands.pins.values())) == []


def test_arabic_turns_the_page_and_the_words(hands: browser.Hands):
    hands.page.click('[data-lang="ar"]')
    html = hands.page.locator("html")
    assert (html.get_attribute("lang"), html.get_attribute("dir")) == ("ar", "rtl")
    assert hands.page.locator("#h-drivers").inner_text() == "السائقون"
    assert hands.says() == "القائمة الرئيسية"
    hands.page.click('[data-lang="fr"]')


def test_every_button_has_a_name_and_the_status_line_is_a_status(hands: browser.Hands):
    nameless = hands.page.evaluate(
        "[...document.querySelectorAll('button')].filter(b => !(b.getAttribute('aria-label') || b.textContent).trim()"
        " && ![...b.querySelectorAll('img')].some(i => i.alt)).length"
    )
    assert nameless == 0
    assert hands.page.get_by_role("status").inner_text()


def test_a_power_cut_darkens_the_glass_and_the_terminal_comes_back(hands: browser.Hands):
    hands.page.click("#power")
    hands.page.locator('#announce[data-power="off"]').wait_for()
    hands.until(lambda: glass(hands).getcolors() == [(320 * 240, (0, 0, 0))])
    hands.page.click("#power")
    hands.see("login_number")


def test_a_terminal_that_crashes_is_shown_as_such_and_starts_again(hands: browser.Hands, running: browser.Up):
    terminal = [pid for pid in children(running.process.pid) if "terminal.boards" in command(pid)]
    os.kill(terminal[0], 9)
    hands.page.locator('#announce[data-power="crashed"]').wait_for()
    assert hands.page.locator("#crashed").is_visible()
    hands.page.click("#restart")
    hands.see("login_number")


def test_nothing_was_loaded_from_outside_and_nothing_went_wrong_in_the_page(hands: browser.Hands):
    address = hands.about["address"]
    assert [
        url for url in hands.page.requests if not url.startswith((address, "ws" + address[4:], "data:", "blob:"))
    ] == []
    assert hands.page.errors == []


def test_sigterm_stops_everything_that_was_started_and_the_data_are_found_again(
    hands: browser.Hands, running: browser.Up
):
    started = children(running.process.pid)
    assert len(started) >= 4
    hands.page.close()
    assert running.stop() == 0
    assert [pid for pid in started if Path(f"/proc/{pid}/cmdline").exists() and command(pid)] == []
    with browser.up(Path(running.about["data"]).parent, "--port", "0") as again:
        assert again.about["officer"] == running.about["officer"]
        other = browser.Hands(None, again.about)
        assert other.until(lambda: get(other, "api/ledger")["now"]["paid"]["count"]) == 1
        assert len(get(other, "api/state")["paper"]) == 1


def children(pid: int) -> list[int]:
    """All living descendants of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
