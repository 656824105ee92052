"""The lights and the sounder of the contactless reader: reads the controller's frames, keeps what is shown and what was heard.

Frame: A5, lights, blinking, number of tones, (Hz / 10, ms / 10) each, exclusive or of what came before. Anything else is passed over until the
next A5.
"""

from collections import deque
from functools import reduce
from operator import xor
from typing import Any

_KEPT = 50
_TOLD = 30


class Lights:
    """`lights` and `blinking`: four bits from the left; `tones`: the last signal's (Hz, ms); `history`: the last signals, oldest first."""

    def __init__(self) -> None:
        self._buffer = b""
        self.lights = self.blinking = 0
        self.tones: list[tuple[int, int]] = []
        self.history: deque[tuple[int, int, tuple[tuple[int, int], ...]]] = deque(maxlen=_KEPT)
        self.signals = 0

    def feed(self, data: bytes) -> None:
        """Bytes of the line, in pieces of any size."""
        self._buffer += data
        while True:
            start = self._buffer.find(b"\xa5")
            self._buffer = self._buffer[start:] if start >= 0 else b""
            if len(self._buffer) < 4:
                return
            size = 5 + 2 * self._buffer[3]
            if self._buffer[3] > 8 or self._buffer[1] > 15 or self._buffer[2] > 15:
                self._buffer = self._buffer[1:]
                continue
            if len(self._buffer) < size:
                return
            frame = self._buffer[:size]
            if reduce(xor, frame):
                self._buffer = self._buffer[1:]
                continue
            self._buffer = self._buffer[size:]
            self._show(frame)

    def _show(self, frame: bytes) -> None:
        self.lights, self.blinking = frame[1], frame[2]
        self.tones = [(frame[at] * 10, frame[at + 1] * 10) for at in range(4, len(frame) - 1, 2)]
        self.history.append((self.lights, self.blinking, tuple(self.tones)))
        self.signals += 1

    def off(self) -> None:
        """The power is gone."""
        self.lights = self.blinking = 0
        self.tones = []

    def state(self) -> dict[str, Any]:
        """For the page: four words from the left, the last tones, how many signals there were (so that a tone is played once), and the
        lights of the last signals, since one may be over before anybody looks.
        """
        return {
            "lights": _words(self.lights, self.blinking), "tones": [list(tone) for tone in self.tones], "signals": self.signals,
            "shown": [_words(lights, blinking) for lights, blinking, _ in self.history][-_TOLD:],
        }  # fmt: skip


def _words(lights: int, blinking: int) -> list[str]:
    return ["blink" if blinking >> at & 1 else "on" if lights >> at & 1 else "off" for at in range(4)]
