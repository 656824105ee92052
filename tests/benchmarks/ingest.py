"""Ingest over real HTTP, signatures, chain and durability on, against the bare limit of the same database in the same run.

    tasdid bench ingest [--json]      python -m tests.benchmarks.ingest [--terminals 40] [--fines 30] [--databases sqlite,postgresql]

The limit: the very rows of raw, postings, legs and outbox that the server wrote, written again into an empty database of
the same kind by the same statements, as many batches a commit as the server had. SQLite with WAL and synchronous FULL,
PostgreSQL a private cluster with its defaults (fsync on). Client and server are processes of their own; two processes
share the machine's cores with the client, whose CPU is told apart.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import insert, select

from server.ledger import recompute
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.benchmarks import _load

WRITTEN = (t.raw, t.postings, t.legs, t.outbox)


@contextmanager
def database(kind: str, folder: Path, name: str, cluster: Any) -> Iterator[str]:
    """The URL of an empty database."""
    yield f"sqlite:///{folder / name}.db" if kind == "sqlite" else cluster.url(name)


def rows_by_batch(url: str) -> list[list[tuple[Any, list[dict[str, Any]]]]]:
    """What the server wrote, batch by batch as it came, in the order of arrival: [(table, rows) …] each."""
    engine = open_engine(url, migrate=False)
    batches: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    with reading(engine) as connection:
        for table in WRITTEN:
            for row in connection.execute(select(table).order_by(table.c.device)):
                found = dict(row._mapping)
                number = found["seq" if table is t.raw else "intent"]
                key = (found["device"], (number - 1) // _load.BATCH)
                batches.setdefault(key, {}).setdefault(table.name, []).append(found)
    engine.dispose()
    ordered = sorted(batches.items(), key=lambda item: (item[0][1], item[0][0]))
    return [[(table, tables[table.name]) for table in WRITTEN if table.name in tables] for _, tables in ordered]


def bare(url: str, batches: list[list[tuple[Any, list[dict[str, Any]]]]], per_commit: int) -> float:
    """Seconds to write these rows bare."""
    engine = open_engine(url)
    began = time.perf_counter()
    for first in range(0, len(batches), per_commit):
        with engine.begin() as connection:
            for batch in batches[first : first + per_commit]:
                for table, rows in batch:
                    connection.execute(insert(table), rows)
    seconds = time.perf_counter() - began
    engine.dispose()
    return seconds


def measure(kind: str, cluster: Any, options: argparse.Namespace) -> dict[str, Any]:
    """One database."""
    with tempfile.TemporaryDirectory(prefix="tasdid-ingest-") as temporary:
        folder = Path(temporary)
        handhelds, found = _load.scripts(options.terminals, options.fines)
        config = _load.configure(folder / "server", handhelds)
        records = options.terminals * options.fines * 8
        with database(kind, folder, "served", cluster) as url:
            with _load.server(config, url) as server:
                before = server.cpu_s()
                said = _load.drive(folder, server.url, found, options.connections, 600)
                used, peak = server.cpu_s() - before, server.peak_mib()
                health = httpx.get(server.url + "/health").json()
            engine = open_engine(url, migrate=False)
            with reading(engine) as connection:
                differing = recompute.differences(connection)
            engine.dispose()
            batches = rows_by_batch(url)
        kept = sum(len(rows) for batch in batches for table, rows in batch if table is t.raw)
        assert (kept, differing, said["refused"]) == (records, [], 0), (kept, records, differing, said)
        per_commit = max(1, round(health["operations"] / max(1, health["commits"])))
        with database(kind, folder, "bare", cluster) as url:
            limit_s = bare(url, batches, per_commit)
    return {
        "database": kind, "records": records, "batches": len(batches), "batches_per_commit": per_commit,
        "records_per_s": round(records / said["seconds"]), "limit_records_per_s": round(records / limit_s),
        "ratio": round(limit_s / said["seconds"], 3), "server_cpu_us_per_record": round(1e6 * used / records, 1),
        "client_cpu_us_per_record": round(1e6 * said["client_cpu_s"] / records, 1), "server_peak_mib": round(peak, 1),
        "ack_p50_ms": round(said["p50_ms"], 1), "ack_p99_ms": round(said["p99_ms"], 1), "later": said["later"],
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-device", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--terminals", type=int, default=40)
    parser.add_argument("--fines", type=int, default=30)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--databases", default="sqlite,postgresql")
    options = parser.parse_args(arguments)
    for kind in options.databases.split(","):
        if kind == "sqlite":
            report = measure(kind, None, options)
        else:
            from tests.server.postgres import Cluster

            with Cluster() as cluster:
                report = measure(kind, cluster, options)
        if options.json:
            print(json.dumps(report))
        else:
            print(
                f"{kind}: {report['records_per_s']} records/s over HTTP, limit {report['limit_records_per_s']}, ratio"
                f" {report['ratio']}; server {report['server_cpu_us_per_record']} µs, client"
                f" {report['client_cpu_us_per_record']} µs of CPU a record; ack p99 {report['ack_p99_ms']} ms"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
