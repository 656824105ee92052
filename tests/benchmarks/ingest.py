"""Ingest over real HTTP, signatures, chain and durability on, against the bare limit of the same database in the same run.

    tasdid bench ingest [--json]
    python -m tests.benchmarks.ingest [--terminals 64] [--fines 60] [--rounds 3] [--fronts 1] [--databases sqlite,postgresql]
                                      [--boards mcu,linux]

Terminals on the two boards send batches of different sizes; each is measured by itself.

The limit: the very rows of raw, postings, legs and outbox that the server wrote, written again into an empty database of
the same kind by the same statements (`server.store.rows`, one a table and commit), as many batches a commit as the server
had; nothing is read, no other table is written, and the rows are ready before the clock starts. SQLite with WAL and
synchronous FULL, PostgreSQL a private cluster with its defaults (fsync on). Client, server and fronts are processes of their
own and share the machine's cores; the client's CPU is told apart. Served and bare runs alternate; the ratio is the median
of the rounds' ratios. A few terminals before each run warm the server up.

`at_most` is the ratio that no server with these tables and signatures could pass on this machine, measured in the same run:
one writer writes every row that the server wrote, in the same way (`whole_records_per_s`), or writing, signatures (one of a
batch, one of an outcome, one made for each acknowledgement) and the client share the cores without a gap. Reading, chaining,
drafting, HTTP and the database's own processes cost nothing there.

CPU is told beside the clock, since the clock of a machine that does other work too says little: `server_cpu` is all of the
server's processes, `writer_cpu` the one that writes, `limit_cpu` the bare writer (without PostgreSQL's own processes).
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select

from server.ledger import recompute
from server.store import rows as store
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web import serve
from tests.benchmarks import _load

WARM = 900_000  # number of the first terminal that only warms the server up
DATABASES = ("sqlite", "postgresql")
RECORDS = 8  # of a fine (`_load.fine`)
WRITTEN = (t.raw, t.postings, t.legs, t.outbox)
EVERY = (*WRITTEN, t.cases, t.payments, t.sealed)
_NUMBERED = {t.raw: ("seq", 1), t.cases: ("case_no", RECORDS)}  # the others by intent


@contextmanager
def database(kind: str, folder: Path, name: str, cluster: Any) -> Iterator[str]:
    """The URL of an empty database."""
    yield f"sqlite:///{folder / name}.db" if kind == "sqlite" else cluster.url(name)


def rows_by_batch(url: str, size: int, written: Sequence[Any]) -> list[list[tuple[Any, list[dict[str, Any]]]]]:
    """What the server wrote into these tables, batch by batch of `size` records as it came, in the order of arrival: [(table, rows) …] each."""
    engine = open_engine(url, migrate=False)
    batches: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    with reading(engine) as connection:
        for table in written:
            column, records = _NUMBERED.get(table, ("intent", 1))
            mine = table.c.device < _device(WARM)
            for row in connection.execute(select(table).where(mine).order_by(table.c.device)):
                found = dict(row._mapping)
                key = (found["device"], (found[column] * records - 1) // size)
                batches.setdefault(key, {}).setdefault(table.name, []).append(found)
    engine.dispose()
    ordered = sorted(batches.items(), key=lambda item: (item[0][1], item[0][0]))
    return [[(table, tables[table.name]) for table in written if table.name in tables] for _, tables in ordered]


def bare(url: str, batches: list[list[tuple[Any, list[dict[str, Any]]]]], per_commit: int) -> tuple[float, float]:
    """Seconds to write these rows bare, by the clock and of this process's CPU."""
    commits = []
    for first in range(0, len(batches), per_commit):
        gathered: dict[str, list[dict[str, Any]]] = {}
        for batch in batches[first : first + per_commit]:
            for table, rows in batch:
                gathered.setdefault(table.name, []).extend(rows)
        commits.append(gathered)
    engine = open_engine(url)
    with engine.begin() as connection:  # the statements are compiled once
        store.write(connection, {name: rows[:1] for name, rows in commits[0].items()})
        for table in reversed(EVERY):
            connection.execute(delete(table))
    serve.settle()  # as the server's process does
    began, cpu = time.perf_counter(), time.process_time()
    for gathered in commits:
        with engine.begin() as connection:
            store.write(connection, gathered)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    engine.dispose()
    return seconds, used


def signatures(checked: int, made: int) -> float:
    """Seconds of CPU to check and to make so many ES256 signatures, by what some take here."""
    key, several = ec.generate_private_key(ec.SECP256R1()), 2000
    algorithm, public, data = ec.ECDSA(hashes.SHA256()), key.public_key(), bytes(400)
    one = key.sign(data, algorithm)
    began = time.process_time()
    for _ in range(several):
        public.verify(one, data, algorithm)
    middle = time.process_time()
    for _ in range(several):
        key.sign(data, algorithm)
    return ((middle - began) * checked + (time.process_time() - middle) * made) / several


def _device(number: int) -> str:
    return f"TSD-{number:06d}"


def measure(kind: str, cluster: Any, options: argparse.Namespace, board: str, round_: int) -> dict[str, Any]:
    """One round on one database."""
    size = _load.BATCHES[board]
    with tempfile.TemporaryDirectory(prefix="tasdid-ingest-") as temporary:
        folder = Path(temporary)
        handhelds, found = _load.scripts(options.terminals, options.fines, batch=size)
        warm, first = _load.scripts(8, 6, WARM, size)
        config = _load.configure(folder / "server", handhelds + warm, options.fronts)
        fines = options.terminals * options.fines
        records = fines * RECORDS
        with database(kind, folder, f"served_{board}{round_}", cluster) as url:
            with _load.server(config, url) as server:
                _load.drive(folder, server.url, first, options.connections, 600)
                before, writing = server.cpu_s(), server.cpu_s(server.pids()[:1])
                counts = httpx.get(server.url + "/health").json()
                said = _load.drive(folder, server.url, found, options.connections, 600)
                used, peak = server.cpu_s() - before, server.peak_mib()
                writing = server.cpu_s(server.pids()[:1]) - writing
                health = httpx.get(server.url + "/health").json()
            engine = open_engine(url, migrate=False)
            with reading(engine) as connection:
                differing = recompute.differences(connection)
            engine.dispose()
            batches, every = rows_by_batch(url, size, WRITTEN), rows_by_batch(url, size, EVERY)
        kept = sum(len(rows) for batch in batches for table, rows in batch if table is t.raw)
        assert (kept, differing, said["refused"]) == (records, [], 0), (kept, records, differing, said)
        commits = health["commits"] - counts["commits"]
        per_commit = max(1, round((health["operations"] - counts["operations"]) / max(1, commits)))
        with database(kind, folder, f"bare_{board}{round_}", cluster) as url:
            limit_s, limit_cpu = bare(url, batches, per_commit)
        with database(kind, folder, f"whole_{board}{round_}", cluster) as url:
            whole_s, whole_cpu = bare(url, every, per_commit)
    signing = signatures(len(batches) + fines, len(batches))
    shared = (whole_cpu + signing + said["client_cpu_s"]) / (os.cpu_count() or 1)
    return {
        "database": kind, "board": board, "records_per_batch": size, "records": records, "batches": len(batches), "batches_per_commit": per_commit,
        "records_per_s": round(records / said["seconds"]), "limit_records_per_s": round(records / limit_s),
        "ratio": round(limit_s / said["seconds"], 3), "server_cpu_us_per_record": round(1e6 * used / records, 1),
        "writer_cpu_us_per_record": round(1e6 * writing / records, 1),
        "limit_cpu_us_per_record": round(1e6 * limit_cpu / records, 1),
        "whole_records_per_s": round(records / whole_s), "whole_cpu_us_per_record": round(1e6 * whole_cpu / records, 1),
        "signatures_us_per_record": round(1e6 * signing / records, 1), "at_most": round(limit_s / max(whole_s, shared), 3),
        "client_cpu_us_per_record": round(1e6 * said["client_cpu_s"] / records, 1), "server_peak_mib": round(peak, 1),
        "ack_p50_ms": round(said["p50_ms"], 1), "ack_p99_ms": round(said["p99_ms"], 1), "later": said["later"],
    }  # fmt: skip


def rounds(kind: str, cluster: Any, options: argparse.Namespace, board: str) -> dict[str, Any]:
    """The round with the median ratio, and all ratios."""
    every = (measure(kind, cluster, options, board, n) for n in range(options.rounds))
    found = sorted(every, key=lambda one: one["ratio"])
    return {**found[len(found) // 2], "ratios": [one["ratio"] for one in found]}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="ingest", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-device", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--terminals", type=int, default=64)
    parser.add_argument("--fines", type=int, default=60)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--fronts", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", default=",".join(DATABASES))
    parser.add_argument("--boards", default=",".join(_load.BATCHES))
    options = parser.parse_args(arguments)
    _load.at_least(parser, options, 1, "terminals", "fines", "connections", "rounds")
    _load.at_least(parser, options, 0, "fronts")
    databases = _load.among(parser, options, DATABASES, "databases")
    boards = _load.among(parser, options, _load.BATCHES, "boards")
    for kind in databases:
        with ExitStack() as stack:
            cluster = None
            if kind != "sqlite":
                from tests.server.postgres import Cluster

                cluster = stack.enter_context(Cluster(durable=True))
            for board in boards:
                _tell(rounds(kind, cluster, options, board), options.json)
    return 0


def _tell(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    print(
        f"{report['database']}, batches of {report['records_per_batch']} ({report['board']}): {report['records_per_s']} records/s"
        f" over HTTP, limit {report['limit_records_per_s']}, ratio {report['ratio']} (median of {report['ratios']}),"
        f" at most {report['at_most']} with these rows and signatures;"
        f" server {report['server_cpu_us_per_record']} µs, client {report['client_cpu_us_per_record']} µs of CPU a record;"
        f" ack p99 {report['ack_p99_ms']} ms"
    )


if __name__ == "__main__":
    raise SystemExit(main())
