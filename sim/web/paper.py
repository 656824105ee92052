"""The pieces of paper that came out of the printer, kept as PNG files so that they outlast a restart; the newest counts."""

import time
from pathlib import Path

from sim.parts.escpos import EscPosPrinter
from sim.parts.escpos.paper import Strip
from sim.web.errors import ActionError

KEPT = 60


class PaperTray:
    """Catches what `printer` cuts or a hand tears off. Names are numbers that grow."""

    def __init__(self, printer: EscPosPrinter, folder: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        self.folder = folder
        self.printer = printer
        self._numbers = sorted(int(path.stem) for path in folder.glob("*.png") if path.stem.isdigit())
        self._times = {number: int(self._path(number).stat().st_mtime) for number in self._numbers}
        printer.on_strip = self._keep

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.png"

    def _keep(self, strip: Strip) -> None:
        number = self._numbers[-1] + 1 if self._numbers else 1
        strip.save(self._path(number))
        self._numbers.append(number)
        self._times[number] = int(time.time())
        self.printer.strips.clear()  # the files are the memory; a long session must not grow
        while len(self._numbers) > KEPT:
            self._path(self._numbers.pop(0)).unlink(missing_ok=True)

    def newest_first(self) -> list[dict[str, int]]:
        """Number and time (seconds UTC) of each piece."""
        return [{"number": number, "utc": self._times[number]} for number in reversed(self._numbers)]

    def file(self, number: int) -> Path:
        """The picture of a piece. ActionError SIM-004."""
        if number not in self._numbers:
            raise ActionError("there is no such piece of paper", "SIM-004", detail=number)
        return self._path(number)
