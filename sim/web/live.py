"""What changes, sent to every page that looks on: the state whole, new APDUs, and of the display the rectangle that differs.

Each page has its own memory of what it was sent, so that a page that reloads, or a second one, gets all of it and disturbs
nobody; a slow page gets fewer frames, never stale ones. Looked at 20 times a second, and only while somebody watches.

WebSocket messages: text {"state": …} or {"apdus": […]}; binary = x, y (2 bytes each, big endian) + PNG of a rectangle there.
"""

import asyncio
import contextlib
import io
import json

from PIL import Image, ImageChops
from starlette.websockets import WebSocket, WebSocketDisconnect

from sim.web.console import Console

PERIOD_S = 0.05


class Live:
    """One watcher of the world for all pages."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.watchers = 0
        self.state = ""
        self.picture = Image.new("RGB", (320, 240))
        self._seen: tuple[int, int] = (-1, -1)
        self._tick = asyncio.Event()

    async def run(self) -> None:
        """Look at the world for ever."""
        while True:
            if self.watchers:
                self.look()
                tick, self._tick = self._tick, asyncio.Event()
                tick.set()
            await asyncio.sleep(PERIOD_S)

    def look(self) -> None:
        """Take in what is to be seen now."""
        self.state = json.dumps({"state": self.console.state()})
        display = self.console.world.display
        seen = (display.generation, display.pixels_written)
        if seen != self._seen:
            self._seen = seen
            self.picture = self.console.picture()

    async def serve(self, socket: WebSocket) -> None:
        """One page, until it goes."""
        await socket.accept()
        self.watchers += 1
        sender = asyncio.create_task(self._send(socket))
        try:
            while True:
                await socket.receive_text()  # pages say nothing; this ends when they go
        except WebSocketDisconnect:
            pass
        finally:
            self.watchers -= 1
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await sender  # it may have met the closed socket first

    async def _send(self, socket: WebSocket) -> None:
        state = ""
        number = 0
        shown: Image.Image | None = None
        self.look()
        while True:
            if self.state != state:
                state = self.state
                await socket.send_text(state)
            lines = self.console.apdus.after(number)
            if lines:
                number = lines[-1]["n"]
                await socket.send_text(json.dumps({"apdus": lines}))
            if shown is not self.picture:
                before, shown = shown, self.picture
                rectangle = difference(before, shown)
                if rectangle is not None:
                    await socket.send_bytes(rectangle)
            await self._tick.wait()


def difference(before: Image.Image | None, now: Image.Image) -> bytes | None:
    """The rectangle that changed, as x, y and PNG; the whole picture if there was none before; None if nothing differs."""
    box = (0, 0, *now.size) if before is None else ImageChops.difference(before, now).getbbox()
    if box is None:
        return None
    stream = io.BytesIO()
    now.crop(box).save(stream, "PNG", compress_level=1)
    return box[0].to_bytes(2, "big") + box[1].to_bytes(2, "big") + stream.getvalue()
