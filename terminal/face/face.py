"""The face of the terminal as the flows see it: show a screen, wait for a key or a scan.

Screens are laid out as panels and drawn in bands through one buffer of `BAND_BYTES`; panels that look as they did before are not
sent again. Every screen shown is reported on the diagnostic port with those fields only that are on the list of public ones:
names, numbers of documents, plates and whatever is typed never are.
"""

from typing import TYPE_CHECKING

from terminal.face import sheet as sheets
from terminal.face.canvas import Canvas
from terminal.face.catalogue import LANGUAGES, Catalogue
from terminal.face.screens import drawer
from terminal.face.text import TextEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from drivers.contracts.small import Diagnostic, Display, Keypad, Scanner
    from terminal.face.atlas import Bytes
    from terminal.face.sheet import Panel, Sheet

BAND_BYTES = 1600
PUBLIC = (
    "amount", "attempts_left", "balanced", "code", "copy", "count", "days", "declined_count", "disposition", "done",
    "field", "file", "findings", "hint_key", "index", "key", "last_try", "left", "message_key", "outcome", "page", "pages",
    "pending", "points", "provisional_count", "provisional_total", "pv", "reason", "results", "scheme", "sent", "total",
    "tap", "tries_left", "ui", "verdict", "second", "state", "voided_count", "voided_total",
)  # fmt: skip


class Face:
    """Display, keypad and scanner together.

    `atlas` is the glyph atlas (bytes-like), `lang` "ar", "fr" or "en"; `strings` the catalogue's bytes (read from beside this
    module if None); scanner and diagnostic may be None where there is none. `look`, if there is one, is called before each drawing and
    while a key is waited for: it brings `status` up to date and returns after how many ms its clock changes.

    `status` is what the status bar says: (local time "hh:mm", whether the server is within reach, records to send, the officer's number), 0 and
    "" for none.
    """

    def __init__(
        self,
        display: "Display",
        keypad: "Keypad",
        scanner: "Scanner | None",
        diagnostic: "Diagnostic | None",
        atlas: "Bytes",
        lang: str,
        strings: "Bytes | None" = None,
        look: "Callable[[], int] | None" = None,
    ) -> None:
        self.display = display
        self.keypad = keypad
        self.scanner = scanner
        self.diagnostic = diagnostic
        self.engine = TextEngine(atlas)
        self.lang = lang
        if strings is None:
            from terminal.face.resources import strings_blob

            strings = strings_blob()
        self.catalogue = Catalogue(strings)
        self.status: "tuple[str, bool, int, int]" = ("", False, 0, 0)
        self.look = look
        self._canvas = Canvas(0, 0, bytearray(BAND_BYTES))
        self._screen = "boot"
        self._fields = {}
        self._shown = []
        self._bar = self.status  # as it is drawn
        self._stale = False  # whether keys pressed until the next screen is drawn are dropped

    def t(self, key: str, **fields: object) -> str:
        """Text of the catalogue in the current language."""
        return self.catalogue.text(key, self.lang, **fields)

    async def show(self, screen: str, **fields: object) -> None:
        """Draw a screen and report it. Raises ConfigError CFG-054 for an unknown one."""
        self._screen = screen
        self._fields = fields
        await self.refresh()
        if self._stale:  # before it is reported: who answers the report has seen the screen
            self._stale = False
            await self.keypad.forget()
        if self.diagnostic is not None:
            public: "dict[str, object]" = {"screen": screen, "lang": self.lang}
            for name in fields:
                if name in PUBLIC:
                    public[name] = fields[name]
            self.diagnostic.emit("screen", public)

    async def refresh(self) -> None:
        """Draw the current screen again, as the status and the language are now; only what differs is sent.

        A bus that fails is tried once more, with all of the screen; OSError if it fails again.
        """
        try:
            await self._draw()
        except OSError:
            await self._draw()

    async def _tick(self) -> None:
        """Draw the status bar alone, as `refresh` does the screen."""
        try:
            await self._draw(True)
        except OSError:
            await self._draw()

    async def _draw(self, bar: bool = False) -> None:
        if self.look is not None:
            self.look()
        self._bar = self.status
        if bar:
            sheet = sheets.Sheet(self.engine, self.catalogue, self.lang)
            self._status_bar(sheet)
        else:
            sheet = self.lay_out(self._screen, self._fields)
        before = self._shown
        self._shown = []  # if a transfer fails, everything is drawn anew next time
        shown = []
        for panel in sheet.panels:
            signature = panel.signature()
            if signature not in before:
                await self._send(panel)
            shown.append(signature)
        self._shown = shown + before[len(shown) :] if bar else shown

    def lay_out(self, screen: str, fields: dict) -> "Sheet":
        """The sheet of a screen in the current language, status bar included, without drawing it."""
        sheet = sheets.Sheet(self.engine, self.catalogue, self.lang)
        self._status_bar(sheet)
        drawer(screen)(sheet, fields)
        return sheet

    def _status_bar(self, sheet: "Sheet") -> None:
        """Clock and officer where reading begins, network at the other end, records to send between them."""
        left, online, pending, officer = self.status
        if officer:
            left += ("  " if left else "") + "\u2066#" + str(officer) + "\u2069"
        waiting = sheet.t("status.pending", n=pending) if pending else ""
        first = 100 if self._wide(sheet, left) <= 96 else 136  # an officer's number has up to eight digits
        if self._wide(sheet, waiting) > 216 - first:  # the words give way, not the figures
            waiting = "↑ " + str(pending)
        if online:
            network, colour = "● " + sheet.t("status.online"), sheets.LEAF
        else:
            network, colour = "○ " + sheet.t("status.offline"), sheets.AMBER
        cells = ((first, left, sheets.WHITE), (224 - first, waiting, sheets.WHITE), (96, network, colour))
        x = 0
        for width, text, ink in cells:
            place = sheets.WIDTH - x - width if sheet.rtl else x
            sheet.cell(place, 0, width, sheets.STATUS_HEIGHT, ink, sheets.BLACK, text)
            x += width

    def _wide(self, sheet: "Sheet", text: str) -> int:
        return self.engine.line(text, sheets.SMALL, sheet.rtl).width

    async def _send(self, panel: "Panel") -> None:
        if not panel.items:
            await self.display.fill(panel.x, panel.y, panel.width, panel.height, panel.paper)
            return
        canvas = self._canvas
        stride = (panel.width + 7) >> 3
        rows = min(panel.height, BAND_BYTES // stride)
        top = panel.y
        bottom = panel.y + panel.height
        while top < bottom:
            height = min(rows, bottom - top)
            canvas.place(panel.x, top, panel.width, height)
            panel.paint(self.engine, canvas)
            await self.display.band(panel.x, top, panel.width, height, canvas.rows(), panel.ink, panel.paper)
            top += height

    async def next_language(self) -> None:
        """Change to the next of Arabic, French, English, and show the current screen in it; it is reported again."""
        self.lang = LANGUAGES[(LANGUAGES.index(self.lang) + 1) % len(LANGUAGES)]
        await self.show(self._screen, **self._fields)

    async def key(self, timeout_ms: "int | None" = None) -> "str | None":
        """The next key, None after `timeout_ms` (None waits for ever). The language key is dealt with here, not returned; the status bar goes on."""
        left = timeout_ms
        while True:
            wait = 60000 if left is None else left
            if self.look is not None:
                wait = min(wait, self.look())
                if self.status != self._bar:
                    await self._tick()
            key = await self.keypad.read_key(wait)
            if key == "lang":
                await self.next_language()
                left = timeout_ms
            elif key is not None:
                return key
            elif left is not None:
                left -= wait
                if left <= 0:
                    return None

    def forget(self) -> None:
        """Drop keys typed ahead of the screen that is shown next, until it is drawn."""
        self._stale = True
