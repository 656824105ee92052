"""A person's eyes and hands on the simulator's page, for the browser test and the pictures: starts `tasdid up`, opens Chromium.

Works on what a person sees: buttons, keyboard, the status line. Reads nothing of the simulator but what `tasdid up --json` prints.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.house.errors import HouseError, MissingPart
from tools.house.paths import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
STOP_S = 20.0
SCREEN_MS = 60000


class Up:
    """A running `tasdid up`: `about` is what it printed. `stop` ends it by SIGTERM and gives its exit code."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.log = folder / "up.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tools.cli", "up", "--json", "--data", str(folder), *options],
                cwd=ROOT, stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise HouseError("H-UP", f"tasdid up did not start: {self.log.read_text()[-400:]}", "run it by hand")
        self.about: dict[str, Any] = json.loads(line)

    def stop(self) -> int:
        """Ask it to end, as Ctrl-C does; kill it if it does not."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextlib.contextmanager
def up(folder: Path, *options: str) -> Iterator[Up]:
    """A running `tasdid up` with its data in `folder`."""
    running = Up(folder, *options)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()


@contextlib.contextmanager
def chromium() -> "Iterator[Browser]":
    """Debian's browser without a window. MissingPart H-CHROMIUM."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        raise MissingPart(
            "H-CHROMIUM", "there is no chromium", "`make setup` as root, or install the Debian package chromium"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Hands:
    """The page used by mouse and keyboard; `see` waits for a screen as the status line names it."""

    def __init__(self, page: "Page", about: dict[str, Any]) -> None:
        self.page = page
        self.about = about
        self.pins = {card["key"]: card["pin"] for card in about["cards"]}

    def open(self) -> None:
        """Load the page and wait until the terminal has booted."""
        self.page.goto(self.about["address"])
        self.page.locator(".driver").first.wait_for()

    def see(self, *screens: str) -> str:
        """Wait until the terminal shows one of these screens; which."""
        wanted = ", ".join(f'#announce[data-screen="{name}"]' for name in screens)
        self.page.locator(wanted).wait_for(timeout=SCREEN_MS)
        return self.page.locator("#announce").get_attribute("data-screen") or ""

    def says(self) -> str:
        """The status line."""
        return self.page.locator("#announce").inner_text()

    def key(self, *names: str) -> None:
        """Click keys of the handheld; a word of digits digit by digit."""
        for word in names:
            for name in list(word) if word.isdigit() else [word]:
                self.page.click(f'[data-key="{name}"]')

    def typed(self, digits: str) -> None:
        """Type digits on the computer's keyboard, then Enter."""
        self.page.keyboard.type(digits, delay=40)
        self.page.keyboard.press("Enter")

    def card(self, key: str, act: str = "lay") -> None:
        """Click a card's button: "lay" (lay on or insert, and take back) or "scan"."""
        self.page.click(f'[data-card="{key}"] [data-act="{act}"]')

    def log_in(self, pin: str = "") -> None:
        """Number and PIN, by keyboard."""
        self.see("login_number")
        self.typed(str(self.about["officer"]["number"]))
        self.see("login_pin")
        self.typed(pin or self.about["officer"]["pin"])

    def notice(self, driver: str, plate: str) -> None:
        """From the menu to the choice of paying, licence read and offence acknowledged."""
        self.see("home")
        self.key("1")
        self.see("mrz_entry")
        self.card(driver, "scan")
        self.see("licence_present")
        self.card(driver)
        self.see("licence_verdict")
        self.key("ok")
        self.card(driver)
        self.see("plate_entry")
        self.typed(plate)
        self.see("offence_list")
        self.key("1")
        self.see("acknowledge")
        self.key("ok")
        self.see("pay_choice")

    def pay(self, card: str) -> None:
        """Pay by card with its PIN, up to the outcome's screen."""
        self.see("pay_choice")
        self.key("1")
        self.see("card_present")
        self.card(card)
        self.see("card_pin")
        self.typed(self.pins[card])
        self.see("outcome")

    def receipts(self, count: int) -> None:
        """Wait for that many pieces of paper."""
        self.page.locator(".piece").nth(count - 1).wait_for(timeout=SCREEN_MS)

    def settle(self, seconds: float = 0.4) -> None:
        """Let pixels arrive."""
        self.page.wait_for_timeout(int(seconds * 1000))

    @staticmethod
    def until(what: Any, seconds: float = 20.0) -> Any:
        """The first true value of `what()`. TimeoutError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = what()
            if found:
                return found
            time.sleep(0.2)
        raise TimeoutError("it did not come true")
