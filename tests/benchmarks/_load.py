"""Shared by the load measurements: terminals' messages made and signed beforehand, a server process, and a client process
that only posts them, so that its CPU is told apart.

Messages are built with cbor2 and `cryptography` by `tests.server.handheld`. A terminal picks its HELLO's nonce, so that
everything it will say can be signed before the clock starts.

    python -m tests.benchmarks._load FILE URL CONNECTIONS     the client: posts, backs off on 503, prints a line of JSON
"""

import argparse
import asyncio
import json
import os
import pickle
import random
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from protocol import records as r
from protocol import sync as s
from protocol.batch import Course, tell
from server import keys
from tests.server.handheld import Handheld

ROOT = Path(__file__).resolve().parents[2]
BATCHES = {"mcu": 24, "linux": 200}  # records in a message, as terminals on these boards send them
TICKS = os.sysconf("SC_CLK_TCK")
Script = list[bytes]  # one terminal's messages: HELLO, then batches
CODE = "CFG-089"  # nothing can be measured so


def at_least(parser: argparse.ArgumentParser, options: argparse.Namespace, least: int, *names: str) -> None:
    """Exit code 2 unless each of these options is so much."""
    for name in names:
        if getattr(options, name) < least:
            parser.error(f"{CODE} --{name} is at least {least}, not {getattr(options, name)}")


def among(parser: argparse.ArgumentParser, options: argparse.Namespace, known: Collection[str], name: str) -> list[str]:
    """The words of an option; exit code 2 if one is none of the known."""
    words = getattr(options, name).split(",")
    for word in words:
        if word not in known:
            parser.error(f"{CODE} --{name} takes {', '.join(known)}, separated by commas, not {word!r}")
    return words


def fine(handheld: Handheld, amount: int) -> None:
    """The eight records of one fine paid by card."""
    handheld.write(r.LICENCE_READ, verdict=2, findings=[], licence_token=bytes(8))
    intent = handheld.pay(r.OUTCOME_APPROVED, amount, blob=b"sealed card data, about as long as it is in truth " * 3)
    assert intent
    handheld.write(r.RECEIPT_PRINTED, case=handheld.cases, copy=1)
    handheld.write(r.LICENCE_DISPOSITION, case=handheld.cases, disposition=1)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=1)
    handheld.write(r.HEALTH_EVENT, health="battery")


def script(handheld: Handheld, fines: int, batch: int) -> Script:
    """Everything that a terminal with `fines` fines in its journal says to have them acknowledged."""
    for number in range(fines):
        fine(handheld, 200_000 + 100 * number)
    messages = [handheld.hello()]
    for first in range(1, len(handheld.records) + 1, batch):
        messages.append(_batch(handheld, first, min(first + batch - 1, len(handheld.records))))
    return messages


def _batch(handheld: Handheld, first: int, last: int) -> bytes:
    """A batch told as terminals tell it."""
    course, blobs = Course(handheld.name), handheld.attached[s.SEALED]
    records = handheld.records[first - 1 : last]
    told = b"".join([tell(course, record, (r.SEALED,) if record[r.SEQ] in blobs else ()) for record in records])
    _, signatures = handheld.wire(first, last)
    return handheld.batch(first, last, records=told, signatures=b"".join(signatures.values()))


def scripts(count: int, fines: int, first: int = 1, batch: int = 24) -> tuple[list[Handheld], list[Script]]:
    """The terminals and what they say; a terminal's records are dropped once they are signed. `first` is the first one's number,
    `batch` how many records a message has.
    """
    handhelds, found = [], []
    for number in range(first, first + count):
        handheld = Handheld(f"TSD-{number:06d}")
        found.append(script(handheld, fines, batch))
        handheld.records.clear()
        handheld.attached = {}
        handhelds.append(handheld)
    return handhelds, found


def configure(folder: Path, handhelds: list[Handheld], fronts: int = 0) -> Path:
    """The server's configuration; no acquirer: requests stay in the outbox."""
    folder.mkdir(parents=True, exist_ok=True)
    keys.make(folder / "keys")
    (folder / "devices.json").write_text(json.dumps({device.name: device.entry() for device in handhelds}))
    (folder / "server.toml").write_text(f'keys = "keys"\ndevices = "devices.json"\nfronts = {fronts}\n')
    return folder / "server.toml"


class Server:
    """A server process."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self.process, self.url = process, url

    def pids(self) -> list[int]:
        """The server's process and those that it has started."""
        own = self.process.pid
        return [own, *map(int, Path(f"/proc/{own}/task/{own}/children").read_text().split())]

    def cpu_s(self, pids: list[int] | None = None) -> float:
        """Processor seconds that these have used, by default all."""
        used = 0
        for pid in pids or self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            used += int(fields[11]) + int(fields[12])
        return used / TICKS

    def peak_mib(self) -> float:
        """The most memory that these have held (VmHWM), added up."""
        peak = 0.0
        for pid in self.pids():
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmHWM"):
                    peak += int(line.split()[1]) / 1024
        return peak


@contextmanager
def server(config: Path, db: str) -> Iterator[Server]:
    """A server on a free port; ended with the block."""
    command = [sys.executable, "-m", "server", "--db", db, "--port", "0", "--config", str(config)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if "http://" not in line:
            raise RuntimeError("the server did not start: " + line)
        url = line.split()[-1]
        while True:  # fronts take a moment longer
            try:
                httpx.get(url + "/health", timeout=60, trust_env=False).raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield Server(process, url)
    finally:
        process.terminate()
        process.wait(30)


def drive(folder: Path, url: str, found: list[Script], connections: int, timeout: float) -> dict[str, Any]:
    """Run the client process on these messages; its report."""
    path = folder / "messages.pickle"
    path.write_bytes(pickle.dumps(found))
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks._load", str(path), url, str(connections)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=timeout, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


class _Client:
    """`acks` leaves out what `waits` has: the tries that were answered "later", and the pauses after them; before a terminal's first batch also
    its HELLO, and the connection.
    """

    def __init__(self, found: list[Script], host: str, port: int) -> None:
        self.queue = list(reversed(found))
        self.host, self.port = host, port
        self.acks: list[float] = []  # seconds of the try that was accepted
        self.waits: list[float] = []  # seconds from the first try until the acknowledgement, see above
        self.later = 0
        self.refused = 0

    async def run(self) -> None:
        """One connection: terminal after terminal."""
        first = time.perf_counter()
        reader, writer = await asyncio.open_connection(self.host, self.port)
        while self.queue:
            for number, body in enumerate(self.queue.pop()):
                wait = 0.25
                while True:
                    began = time.perf_counter()
                    status, reply = await self._post(reader, writer, body)
                    if status != 503:
                        break
                    self.later += 1
                    await asyncio.sleep(wait * random.uniform(0.5, 1.5))
                    wait = min(8.0, wait * 2)
                if number:
                    now = time.perf_counter()
                    self.acks.append(now - began)
                    self.waits.append(now - first)
                    first = now
                if status != 200 or b"tsd/refused" in reply[:60]:
                    self.refused += 1
            first = time.perf_counter()
        writer.close()

    async def _post(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, body: bytes) -> tuple[int, bytes]:
        writer.write(b"POST /v1/sync HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return int(head[9:12]), await reader.readexactly(length)


async def _client(path: str, url: str, connections: int) -> dict[str, Any]:
    found: list[Script] = pickle.loads(Path(path).read_bytes())
    host, port = url.removeprefix("http://").split(":")
    client = _Client(found, host, int(port))
    cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client.run() for _ in range(connections)))
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return {
        "seconds": seconds, "client_cpu_s": used, "acks": len(client.acks), "later": client.later, "refused": client.refused,
        **_spread("", client.acks), **_spread("waited_", client.waits),
    }  # fmt: skip


def _spread(name: str, seconds: list[float]) -> dict[str, float]:
    found = sorted(seconds)
    return {
        f"{name}p50_ms": 1000 * found[len(found) // 2], f"{name}p99_ms": 1000 * found[int(len(found) * 0.99)],
        f"{name}max_ms": 1000 * found[-1],
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_client(sys.argv[1], sys.argv[2], int(sys.argv[3])))))
