"""Contracts of the small parts: buses, clock, display, keypad, scanner, network, diagnostic port.

Each is a handful of methods; a part with more to say has a file of its own beside this one.
"""

CLOCK_UNKNOWN = 0  # never set
CLOCK_RTC = 1  # a battery-backed clock that has not been compared lately
CLOCK_SERVER = 2  # set from the server's signed time within the last day


class Uart:
    """An asynchronous serial line."""

    async def write(self, data: bytes) -> None:
        """Send all. Raises OSError when the line is gone."""
        raise NotImplementedError

    async def read_into(self, buffer: object, timeout_ms: int) -> int:
        """Read 1..len(buffer) bytes; 0 after `timeout_ms`. Raises OSError when the line is gone."""
        raise NotImplementedError

    def set_baudrate(self, baudrate: int) -> None:
        """Change the speed once what was written has gone out; a line that has none (TCP, a pty) does nothing. Raises OSError when it is gone."""


class Spi:
    """A write-only SPI device with a data/command pin, as displays have."""

    async def command(self, opcode: int, data: bytes = b"") -> None:
        """Send one opcode (D/C low) and its parameters (D/C high)."""
        raise NotImplementedError

    async def data(self, data: object) -> None:
        """Send more data of the last command."""
        raise NotImplementedError


class Clock:
    """Time, through one seam."""

    def now(self) -> "tuple[int, int]":
        """(seconds since 1970-01-01 UTC, quality CLOCK_*)."""
        raise NotImplementedError

    def set_utc(self, seconds: int, quality: int) -> None:
        """Set from a trusted source."""
        raise NotImplementedError

    def ticks_ms(self) -> int:
        """A monotonic count; differences through `ticks_diff`."""
        raise NotImplementedError

    def ticks_us(self) -> int:
        """A monotonic count of microseconds; differences through `ticks_diff`."""
        raise NotImplementedError

    def ticks_diff(self, later: int, earlier: int) -> int:
        """later - earlier in the counts' unit, wrap-around included."""
        raise NotImplementedError

    async def sleep_ms(self, duration: int) -> None:
        """Let others run for `duration` ms."""
        raise NotImplementedError


class Display:
    """A colour display, drawn in 1-bit bands with a foreground and a background colour."""

    width = 320
    height = 240

    async def fill(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """Fill a rectangle with an RGB565 colour."""
        raise NotImplementedError

    async def band(
        self, x: int, y: int, width: int, height: int, rows: object, foreground: int, background: int
    ) -> None:
        """Draw 1-bit rows (ceil(width/8) bytes each, MSB left) in two RGB565 colours."""
        raise NotImplementedError


class Keypad:
    """Keys by name: "0".."9" "ok" "cancel" "clear" "up" "down" "menu" "lang"."""

    async def read_key(self, timeout_ms: int) -> "str | None":
        """Next key, None after `timeout_ms`; a key pressed before is not lost (8 are kept)."""
        raise NotImplementedError

    async def forget(self) -> None:
        """Drop the keys that were pressed but not read, on the line too."""
        raise NotImplementedError


class Scanner:
    """A serial 2D scanner / MRZ reader: one text per scan, its lines joined by a line feed."""

    async def read_scan(self, timeout_ms: int) -> "str | None":
        """Next scan (at most 512 characters), None after `timeout_ms` or when the line is gone: what it would read can be typed."""
        raise NotImplementedError

    async def discard(self) -> None:
        """Drop what was scanned but not read."""
        raise NotImplementedError


class Network:
    """HTTP POST to the one server."""

    async def post(self, path: str, body: bytes, timeout_ms: int) -> bytes:
        """POST a CBOR/COSE body, return the reply's body (at most 32 KiB).

        A connection may be kept for the next one until `close`. Raises NetworkError: NET-001 unreachable, NET-002 time-out,
        NET-003 HTTP status (`detail`), NET-004 reply malformed or too large, NET-007 … 010 (`Tls`), NET-011 the server asks to
        come back in `detail` seconds.
        """
        raise NotImplementedError

    async def close(self) -> None:
        """End a connection that was kept; nothing happens if there is none."""


class Tls:
    """How the link to the server is secured: `context` for asyncio, `name` of the server. Built by the board."""

    name: str
    context: object

    def trouble(self, error: Exception) -> "Exception | None":
        """The NetworkError that a failed handshake means (`drivers.tls_troubles`); None if `error` is none of TLS."""
        raise NotImplementedError


class Diagnostic:
    """The technician's port: one line of JSON per event, never personal data."""

    def emit(self, event: str, fields: dict) -> None:
        """Queue an event; never blocks, never raises; the oldest are dropped when nobody listens."""
        raise NotImplementedError


class Indicator:
    """Lights and sounder of the contactless reader."""

    async def show(self, lights: int, blinking: int, tones: "tuple[tuple[int, int], ...]") -> None:
        """Set the four lights (bits 0 to 3 from the left; on, blinking) and play `tones` ((Hz, ms), 0 Hz a pause). Never raises."""
        raise NotImplementedError
