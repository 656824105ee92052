"""The application's main menu without its boot: for tests on both runtimes."""

from terminal.app import Terminal


class Face:
    """Notes screens, presses the keys that it is given, then walks away. `waits`: how long the terminal waited for keys, in ms."""

    def __init__(self, keys):
        self.keys = list(keys)
        self.shown = []
        self.waits = []
        self.lang = "fr"

    async def show(self, screen, **fields):
        self.shown.append((screen, fields))

    async def key(self, timeout_ms):
        self.waits.append(timeout_ms)
        return self.keys.pop(0) if self.keys else None

    def forget(self):
        pass


class Menu(Terminal):
    """`parts`: a `tests.support.centre.Handheld` with an open journal."""

    def __init__(self, parts, keys=()):
        self.ports, self.face, self.journal, self.room, self.reached = parts, Face(keys), parts.journal, 0, True
        self.kept = "fr"
        self.officer = {"number": 1007, "unit": "BSR-16"}
        self.identity, self.parameters, self.patience, self.quiet_after = parts, parts, parts.patience, 0
        parts.diagnostic = None
