"""The server over HTTP, for tests: a configuration on disk, a host in a thread, a device's connection."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from protocol import sync as s
from server import keys
from sim.acquirer.book import Book
from sim.acquirer.host import Host
from tests.server.cards import KEYS
from tests.server.handheld import Handheld, open_reply

ROOT = Path(__file__).resolve().parents[2]


class HostThread:
    """The simulated host on a loop in a thread of its own."""

    def __enter__(self) -> Host:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.host = Host(Book(KEYS))
        asyncio.run_coroutine_threadsafe(self.host.start(), self._loop).result(10)
        return self.host

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self.host.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def write_config(folder: Path, handhelds: list[Handheld], port: int = 0) -> Path:
    """A configuration on disk, with keys made."""
    keys.make(folder / "keys")
    (folder / "sets").mkdir(exist_ok=True)
    (folder / "devices.json").write_text(json.dumps({device.name: device.entry() for device in handhelds}))
    text = 'keys = "keys"\ndevices = "devices.json"\nsets = "sets"\n'
    (folder / "server.toml").write_text(text + f'[acquirer]\nhost = "127.0.0.1"\nport = {port}\ntimeout = 2\n')
    return folder / "server.toml"


class Line:
    """A device's connection."""

    def __init__(self, url: str, ack_key: bytes) -> None:
        self.client = httpx.Client(base_url=url, timeout=20, trust_env=False)
        self._ack_key = ack_key

    def say(self, body: bytes) -> tuple[str, dict[int, Any]]:
        reply = self.client.post(s.PATH, content=body)
        assert reply.status_code == 200, reply.text
        return open_reply(reply.content, self._ack_key)


def wait_for(look: Any, seconds: float = 15.0) -> Any:
    """What `look` gives as soon as it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen in time")
