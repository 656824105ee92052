"""Four lights and a sounder behind a small controller on a serial line (9600 Bd, 8N1): one frame sets all of it.

    A5  lights (bits 0-3)  blinking (bits 0-3)  n  n times (Hz / 10, ms / 10)  exclusive or of all bytes before

The controller blinks on its own and plays the tones in order; 0 Hz is a pause. A new frame ends what was playing.
"""

from typing import TYPE_CHECKING

from drivers.contracts.small import Indicator

if TYPE_CHECKING:
    from drivers.contracts.small import Uart

START = 0xA5
_MOST_TONES = 8


class SerialIndicator(Indicator):
    """Lights at `uart`. A line that is gone is no reason to stop a payment: `lost` counts what could not be shown."""

    def __init__(self, uart: "Uart") -> None:
        self._uart = uart
        self.lost = 0

    async def show(self, lights: int, blinking: int, tones: "tuple[tuple[int, int], ...]") -> None:
        """Set the lights, play the tones; returns when it is sent."""
        frame = bytearray((START, lights & 0x0F, blinking & 0x0F, min(len(tones), _MOST_TONES)))
        for hertz, duration in tones[:_MOST_TONES]:
            frame.append(min(hertz // 10, 255))
            frame.append(min(duration // 10, 255))
        check = 0
        for byte in frame:
            check ^= byte
        frame.append(check)
        try:
            await self._uart.write(bytes(frame))
        except OSError:
            self.lost += 1
