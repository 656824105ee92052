"""Many terminals with weeks of backlog come back at once, and what one record costs as the fleet grows.

    tasdid bench reconnect [--full] [--json]
    python -m tests.benchmarks.reconnect [--full] [--terminals 100] [--fines 10] [--connections N] [--fronts 1]
                                         [--fleet 100,1000,10000,100000] [--plot FILE.png]

First: every terminal says HELLO and sends its backlog, all at once and each over a connection of its own (--connections: over so many,
one terminal after the other on each), backing off with jitter when the server says "later"; drained means that every record
is in the database, contiguous, and the books agree. Told: time, the server's peak memory, how often it said later, and p50, p99 and
maximum of an acknowledgement, twice: `ack` is the try that was accepted alone, `waited` all from a message's first try on, with the pauses
after each "later" (of a terminal's first batch: from its connection and HELLO on). By default 100 terminals of
10 fines each; --full: 2,000 of 90 fines, 30 days at three a day.

Second: such messages into SQLite in one process, a commit for each, with a fleet of growing size already on record (five records a
terminal), as microseconds of CPU a record: the least of ten terminals, since a machine's other work only adds; plotted as PNG.
"""

import argparse
import json
import math
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from PIL import Image, ImageDraw
from sqlalchemy import func, insert, select

from server import config, keys
from server.ingest.dispatch import Service
from server.ledger import recompute
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.benchmarks import _load

SAMPLE = 10  # terminals whose messages are timed in a fleet
SAMPLE_FINES = 24
HISTORY = 5  # records that every other terminal has on record
NOW = 1_900_000_000
FULL = (2000, 90)  # terminals, fines of each
STEPS = 5  # of the plot's scale
SPARE = 100  # files that client and server have open beside their connections


def drain(options: argparse.Namespace) -> dict[str, Any]:
    """All terminals at once, over HTTP."""
    with tempfile.TemporaryDirectory(prefix="tasdid-reconnect-") as temporary:
        folder = Path(temporary)
        handhelds, found = _load.scripts(options.terminals, options.fines)
        records = options.terminals * options.fines * 8
        url = f"sqlite:///{folder / 'served.db'}"
        with _load.server(_load.configure(folder / "server", handhelds, options.fronts), url) as server:
            idle = server.peak_mib()
            said = _load.drive(folder, server.url, found, options.connections, 3000)
            peak = server.peak_mib()
            healthy = httpx.get(server.url + "/health").json()["ok"]
        engine = open_engine(url, migrate=False)
        with reading(engine) as connection:
            kept = connection.execute(select(func.count()).select_from(t.raw)).scalar()
            heads = connection.execute(select(func.count()).where(t.heads.c.seq == options.fines * 8)).scalar()
            differing = recompute.differences(connection)
        engine.dispose()
    assert healthy and not said["refused"], said
    assert (kept, heads, differing) == (records, options.terminals, []), (kept, heads, differing)
    return {
        "measured": "drain", "terminals": options.terminals, "connections": options.connections, "records": records, "lost": records - (kept or 0),
        "seconds": round(said["seconds"], 1), "records_per_s": round(records / said["seconds"]),
        "ack_p50_ms": round(said["p50_ms"], 1), "ack_p99_ms": round(said["p99_ms"], 1),
        "ack_max_ms": round(said["max_ms"], 1), "waited_p50_ms": round(said["waited_p50_ms"], 1),
        "waited_p99_ms": round(said["waited_p99_ms"], 1), "waited_max_ms": round(said["waited_max_ms"], 1),
        "later": said["later"], "server_idle_mib": round(idle, 1),
        "server_peak_mib": round(peak, 1),
    }  # fmt: skip


def _populate(connection: Any, size: int, point: bytes) -> None:
    """A fleet on record: devices, heads, a few raw records each."""
    chunk = 2000
    for first in range(0, size, chunk):
        names = [f"OLD-{number:07d}" for number in range(first, min(first + chunk, size))]
        connection.execute(
            insert(t.devices),
            [
                {
                    "device": name, "public_key": point, "dukpt_key_id": "", "unit": "U", "force": 1, "wilaya": 16,
                    "registered": 1,
                }
                for name in names
            ],
        )  # fmt: skip
        zero = {"hash": bytes(32), "cum_count": 0, "cum_total": 0, "counter": 0, "utc": 0, "forks": 0}
        connection.execute(insert(t.heads), [{"device": name, "seq": HISTORY, **zero} for name in names])
        row = {"epoch": 1, "hash": bytes(32), "kind": 18, "record": bytes(130), "received": 1}
        rows = [{"device": name, "seq": seq, **row} for name in names for seq in range(1, HISTORY + 1)]
        connection.execute(insert(t.raw), rows)


def cost(size: int) -> dict[str, Any]:
    """Microseconds of CPU a record in a fleet of this size."""
    with tempfile.TemporaryDirectory(prefix="tasdid-fleet-") as temporary:
        folder = Path(temporary)
        handhelds, found = _load.scripts(SAMPLE, SAMPLE_FINES)
        loaded = config.load(_load.configure(folder, handhelds))
        engine = open_engine(f"sqlite:///{folder / 'fleet.db'}")
        with engine.begin() as connection:
            _populate(connection, max(0, size - SAMPLE), handhelds[0].public())
            for device in loaded.devices:
                devices.register(connection, device, 1)
        service = Service(engine, keys.load(loaded.keys))
        for body in found.pop():  # statements are compiled once
            service.handle(body, NOW)
        took = []
        for script in found:
            began = time.process_time()
            for body in script:
                service.handle(body, NOW)
            took.append(time.process_time() - began)
        engine.dispose()
    return {
        "measured": "cost",
        "fleet": size,
        "cpu_us_per_record": round(1e6 * min(took) / (SAMPLE_FINES * 8), 1),
    }


def plot(points: list[dict[str, Any]], path: Path) -> None:
    """A plain chart: fleets at even distances, microseconds a record upwards from zero."""
    width, height, left, bottom = 640, 400, 70, 50
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    step = _step(max(point["cpu_us_per_record"] for point in points))
    scale = (height - bottom - 50) / (step * STEPS)  # pixels of a microsecond
    for mark in range(STEPS + 1):
        y = height - bottom - mark * step * scale
        draw.line([(left - 5, y), (left, y)], fill="black")
        draw.line([(left, y), (width - 30, y)], fill="#e4e4e4")
        draw.text((left - 10, y), f"{mark * step:,g}", fill="black", anchor="rm")
    draw.text((left + 8, 36), "microseconds", fill="black", anchor="lm")
    between = (width - left - 120) / max(1, len(points) - 1)
    places = []
    for index, point in enumerate(points):
        x, y = left + 45 + index * between, height - bottom - point["cpu_us_per_record"] * scale
        places.append((x, y))
        draw.line([(x, height - bottom), (x, height - bottom + 5)], fill="black")
        draw.text((x, height - bottom + 16), f"{point['fleet']:,}", fill="black", anchor="mm")
        draw.text((x, y - 12), f"{point['cpu_us_per_record']:.0f}", fill="black", anchor="mm")
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill="#1f5fa8")
    draw.line(places, fill="#1f5fa8", width=2)
    draw.line([(left, 30), (left, height - bottom), (width - 30, height - bottom)], fill="black")
    draw.text((width // 2, height - 12), "terminals on record", fill="black", anchor="mm")
    draw.text((left, 8), "CPU per record (microseconds) by size of the fleet, SQLite, one batch a commit", fill="black")
    image.save(path)


def _step(most: float) -> float:
    """A round distance between STEPS marks of a scale that reaches `most` and some more."""
    least = most * 1.1 / STEPS
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * round_ for round_ in (1, 2, 2.5, 5, 10) if power * round_ >= least)


def _room(files: int) -> bool:
    """Let this process and those that it starts open so many files; whether they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= files:
        return True
    if hard != resource.RLIM_INFINITY and hard < files:
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    return True


def _fleets(parser: argparse.ArgumentParser, text: str) -> list[int]:
    """Sizes of fleets; exit code 2 if one is none, or smaller than what is timed."""
    words = text.split(",")
    if any(not word.isdecimal() or int(word) < SAMPLE for word in words):
        parser.error(
            f"{_load.CODE} --fleet takes numbers of terminals, {SAMPLE} or more, separated by commas, not {text!r}"
        )
    return [int(word) for word in words]


def _writable(parser: argparse.ArgumentParser, path: Path) -> None:
    """Exit code 2 if a picture cannot be put there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"{_load.CODE} --plot: the folder cannot be made ({error.strerror})")
    if path.suffix != ".png" or path.is_dir():
        parser.error(f"{_load.CODE} --plot takes a file that ends in .png")


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="reconnect", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-device", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help=f"{FULL[0]} terminals of {FULL[1]} fines each")
    parser.add_argument("--terminals", type=int, help="by default 100")
    parser.add_argument("--fines", type=int, help="of each terminal, by default 10")
    parser.add_argument("--connections", type=int, help="by default as many as terminals")
    parser.add_argument("--fronts", type=int, default=1)
    parser.add_argument("--fleet", default="100,1000,10000,100000")
    parser.add_argument("--plot", type=Path, default=Path("var/reconnect.png"))
    options = parser.parse_args(arguments)
    terminals, fines = FULL if options.full else (100, 10)
    options.terminals = terminals if options.terminals is None else options.terminals
    options.fines = fines if options.fines is None else options.fines
    options.connections = options.terminals if options.connections is None else options.connections
    _load.at_least(parser, options, 1, "terminals", "fines", "connections")
    _load.at_least(parser, options, 0, "fronts")
    fleets = _fleets(parser, options.fleet)
    _writable(parser, options.plot)
    if not _room(options.connections + SPARE):
        parser.error(
            f"{options.connections} connections are more than may be open here: raise `ulimit -n`, or give --connections"
        )
    drained = drain(options)
    points = [cost(size) for size in fleets]
    plot(points, options.plot)
    if options.json:
        for report in (drained, *points):
            print(json.dumps(report))
        return 0
    print(
        f"{drained['terminals']} terminals over {drained['connections']} connections, {drained['records']} records:"
        f" drained in {drained['seconds']} s, none lost; ack p50 {drained['ack_p50_ms']} ms, p99 {drained['ack_p99_ms']} ms;"
        f" from the first try on p50 {drained['waited_p50_ms']} ms, p99 {drained['waited_p99_ms']} ms; peak {drained['server_peak_mib']} MiB"
        f" (idle {drained['server_idle_mib']}); later {drained['later']} times"
    )
    print("; ".join(f"{point['fleet']} terminals {point['cpu_us_per_record']} µs a record" for point in points))
    print(f"plotted to {options.plot}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
