"""`tasdid pictures`: the pictures of README and docs, taken from a running world: the page, some screens, a receipt.

Plays two fines on the page in Chromium, in a world of its own that is thrown away. Nothing is drawn by hand or retouched.
"""

import io
import json
import tempfile
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

from tools import browser
from tools.house.paths import ROOT

GAP = 12
COLUMNS = 3
PAPER_GREY = 0xDD


def run(
    out: Annotated[Path, typer.Option(help="the folder to write to; docs/pictures in the project if not given")] = ROOT
    / "docs"
    / "pictures",
) -> None:
    """Take page.png, page-ar.png, screens.png and receipt.png."""
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="tasdid-pictures-") as folder,
        browser.up(Path(folder), "--port", "0") as running,
        browser.chromium() as chromium,
    ):
        page = chromium.new_page(viewport={"width": 1500, "height": 1000})
        page.set_default_timeout(browser.SCREEN_MS)
        hands = browser.Hands(page, running.about)
        hands.open()
        Photographer(hands, out).shoot()
    for path in sorted(out.glob("*.png")):
        with Image.open(path) as picture:
            typer.echo(f"{path}  {picture.width} x {picture.height}, {path.stat().st_size // 1024} KB")


class Photographer:
    """Plays and takes pictures on the way."""

    def __init__(self, hands: browser.Hands, out: Path) -> None:
        self.hands = hands
        self.out = out
        self.screens: list[Image.Image] = []

    def shoot(self) -> None:
        """The whole session."""
        hands, page = self.hands, self.hands.page
        self._first_fine()
        page.click("#network")
        hands.key("2")
        hands.see("sync_done")
        hands.key("ok")
        hands.see("home")
        page.locator("#ledger .state.paid").wait_for()
        page.click("#network")
        page.locator('#network[aria-checked="false"]').wait_for()
        self._second_fine()
        self._save_page("page.png")
        page.click('[data-lang="ar"]')
        hands.key("lang", "lang")  # French → English → Arabic
        self._save_page("page-ar.png")
        page.click('[data-lang="fr"]')
        self._sheet()
        self._receipt()

    def _first_fine(self) -> None:
        """Paid at once; the screens on the way."""
        hands = self.hands
        hands.log_in()
        hands.see("home")
        self._keep()
        hands.notice("amina", "0012311916")
        hands.key("1")
        hands.see("card_present")
        hands.card("approve")
        hands.see("card_pin")
        hands.key(hands.pins["approve"][:2])
        self._keep()
        hands.key(hands.pins["approve"][2:], "ok")
        hands.see("outcome")
        self._keep()
        hands.key("ok")
        hands.see("card_remove")
        hands.card("approve")
        hands.see("licence_hand")
        hands.key("ok")
        hands.see("home")

    def _second_fine(self) -> None:
        """In Arabic up to the acknowledgement, then in French; stops at the outcome, with a licence and a card on the table."""
        hands = self.hands
        hands.key("lang", "lang")
        hands.key("1")
        hands.see("mrz_entry")
        hands.card("karim", "scan")
        hands.see("licence_present")
        hands.card("karim")
        hands.see("licence_verdict")
        self._keep()
        hands.key("ok")
        hands.card("karim")
        hands.see("plate_entry")
        hands.typed("0453412016")
        hands.see("offence_list")
        self._keep()
        hands.key("1")
        hands.see("acknowledge")
        self._keep()
        hands.key("lang")
        hands.key("ok")
        hands.pay("online")
        hands.settle(2.0)

    def _keep(self) -> None:
        """Keep the display's pixels as they are now."""
        self.hands.settle(0.7)
        with urllib.request.urlopen(self.hands.about["address"] + "api/screen.png", timeout=10) as answer:
            self.screens.append(Image.open(io.BytesIO(answer.read())).convert("RGB"))

    def _save_page(self, name: str) -> None:
        self.hands.settle(1.5)
        self.hands.page.locator(".piece img").first.evaluate("image => image.decode()")
        self.hands.page.mouse.move(5, 5)
        picture = Image.open(io.BytesIO(self.hands.page.screenshot())).convert("RGB")
        picture.save(self.out / name, optimize=True)

    def _sheet(self) -> None:
        """The screens that were kept, side by side, pixel by pixel."""
        width, height = self.screens[0].size
        rows = -(-len(self.screens) // COLUMNS)
        sheet = Image.new("RGB", (COLUMNS * (width + GAP) + GAP, rows * (height + GAP) + GAP), (0x22, 0x2B, 0x33))
        for at, screen in enumerate(self.screens):
            sheet.paste(screen, (GAP + at % COLUMNS * (width + GAP), GAP + at // COLUMNS * (height + GAP)))
        sheet.save(self.out / "screens.png", optimize=True)

    def _receipt(self) -> None:
        """The first receipt as the printer made it, on a grey table."""
        number = min(piece["number"] for piece in self._state()["paper"])
        with urllib.request.urlopen(f"{self.hands.about['address']}api/paper/{number}.png", timeout=10) as answer:
            paper = Image.open(io.BytesIO(answer.read())).convert("L")
        table = Image.new("L", (paper.width + 2 * GAP, paper.height + 2 * GAP), PAPER_GREY)
        table.paste(paper, (GAP, GAP))
        table.save(self.out / "receipt.png", optimize=True)

    def _state(self) -> Any:
        with urllib.request.urlopen(self.hands.about["address"] + "api/state", timeout=10) as answer:
            return json.load(answer)
