"""A person who presses keys before he has seen what they answer, for tests on both runtimes."""


class Hasty:
    """In front of a test's face: `pressed` is pressed twice before every screen; seen are only those at which that was forgotten."""

    def __init__(self, face, pressed="ok"):
        self.face, self.pressed, self.stale, self.ahead = face, pressed, False, 0
        self.unseen, self.told = [], []
        self.lang = "fr"

    async def show(self, screen, **fields):
        await self.face.show(screen, **fields)
        self.screen, self.ahead = screen, 0 if self.stale else 2
        self.told.append(screen)
        self.stale = False

    async def key(self, timeout_ms=None):
        if self.ahead:
            self.ahead -= 1
            self.unseen.append(self.screen)
            return self.pressed
        return await self.face.key(timeout_ms)

    def forget(self):
        self.stale = True

    def saw(self, *screens):
        """They were shown, and none of them was answered unseen."""
        for screen in screens:
            assert screen in self.told and screen not in self.unseen, (screen, self.told, self.unseen)
