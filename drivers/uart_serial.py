"""A serial port (RS-232, USB-serial, pty) through pyserial: contract `Uart` on CPython.

Non-blocking under asyncio: the port's file descriptor is watched by the event loop, no thread is used. Parity and modem lines are
left alone: 8N1, no handshake.
"""

import asyncio
import termios
from typing import Any

import serial

from drivers.contracts.small import Uart


class SerialUart(Uart):
    """One serial port; opened at once, SerialException (an OSError) if that fails."""

    def __init__(self, path: str, baudrate: int = 115200) -> None:
        self._port = serial.Serial(path, baudrate, timeout=0, write_timeout=0, exclusive=True)

    async def write(self, data: Any) -> None:
        """Send all; waits while the port's buffer is full. Raises OSError when the line is gone."""
        rest = memoryview(bytes(data))
        while rest:
            sent = self._port.write(rest)
            rest = rest[sent or 0 :]
            if rest:
                await self._wait(True, None)

    async def read_into(self, buffer: Any, timeout_ms: int) -> int:
        """Read 1..len(buffer) bytes; 0 after `timeout_ms`. Raises OSError when the line is gone."""
        data = self._port.read(len(buffer))
        if not data:
            if not await self._wait(False, timeout_ms / 1000):
                return 0
            data = self._port.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def set_baudrate(self, baudrate: int) -> None:
        """Change the speed once what was written has gone out. Raises OSError when the line is gone."""
        try:
            self._port.flush()
            self._port.baudrate = baudrate
        except termios.error as error:
            raise OSError(*error.args) from None

    async def _wait(self, writing: bool, timeout: "float | None") -> bool:
        """True once the port is ready, False after `timeout` seconds."""
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        descriptor = self._port.fileno()
        (loop.add_writer if writing else loop.add_reader)(descriptor, ready.set)
        try:
            await asyncio.wait_for(ready.wait(), timeout)
        except TimeoutError:
            return False
        finally:
            (loop.remove_writer if writing else loop.remove_reader)(descriptor)
        return True

    def close(self) -> None:
        """Give the port back."""
        self._port.close()
