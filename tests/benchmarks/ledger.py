"""The ledger page on a long history: what a page costs, beside what it costs to add all up at once.

    tasdid bench ledger [--json]
    python -m tests.benchmarks.ledger [--records 500000] [--databases sqlite,postgresql]

One terminal's fines are taken in by the service, some deferred and some declined; the other terminals are copies of its rows under other names, which
the sums do not tell from others. Each page is the median of several.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, literal, select

from protocol import records as r
from server.ledger import report
from server.store import tables as t
from server.store.engine import reading
from server.web.auditing import Auditor
from server.web.ledger import Ledger
from tests.benchmarks import _load
from tests.server.centre import Centre
from tests.server.handheld import Handheld

DATABASES = ("sqlite", "postgresql")
FINES, RECORDS, SENT = 500, 8, 80
COPIED = (t.devices, t.heads, t.raw, t.cases, t.payments, t.postings, t.legs, t.outbox, t.sealed)
PAGES = 9


def fill(folder: Path, url: str | None, records: int) -> Engine:
    """A database of so many records, about."""
    handheld = Handheld()
    centre = Centre(folder, handheld, url=url)
    for number in range(FINES):
        if number % 10 == 3:
            deferred = number % 20 == 3
            handheld.pay(
                r.OUTCOME_PROVISIONAL if deferred else r.OUTCOME_DECLINED, 200_000, b"sealed" if deferred else None
            )
        else:
            _load.fine(handheld, 200_000 + 100 * number)
    centre.hello(handheld)
    for first in range(1, len(handheld.records) + 1, SENT):
        centre.send(handheld, first, min(first + SENT - 1, len(handheld.records)))
    with centre.engine.begin() as connection:
        for copy in range(1, records // len(handheld.records)):
            for table in COPIED:
                columns = [column for column in table.c if column.name != "device"]
                said = [column + f"-{copy}" if column.name == "pv" else column for column in columns]
                rows = select(literal(f"TSD-9{copy:05d}"), *said).where(table.c.device == handheld.name)
                connection.execute(table.insert().from_select(["device", *(column.name for column in columns)], rows))
    if centre.engine.dialect.name == "postgresql":
        with centre.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("ANALYZE")
    return centre.engine


async def _pages(engine: Engine) -> tuple[float, list[float]]:
    """Seconds until the first sums are there, and those of pages after that."""

    async def write(_operation: Any) -> None:
        return None

    def clock() -> int:
        return int(time.time())

    auditor = Auditor(engine, clock, write, print)

    async def audited(_now: bool) -> dict[str, Any]:
        return {"found": None, "running": False, "failed": False, "summed": await auditor.summed()}

    ledger, began = Ledger(engine, clock, audited), time.perf_counter()
    while auditor._sums is None:
        auditor._begin_sums() if auditor._summing is None else await asyncio.sleep(0.05)
    first, spent = time.perf_counter() - began, []
    for _ in range(PAGES):
        began = time.perf_counter()
        await ledger.page()
        spent.append(time.perf_counter() - began)
    await auditor.stop()
    return first, spent


def measure(kind: str, cluster: Any, records: int) -> dict[str, Any]:
    """One database."""
    with tempfile.TemporaryDirectory(prefix="tasdid-ledger-") as folder:
        engine = fill(Path(folder), None if kind == "sqlite" else cluster.url(), records)
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            with reading(engine, whole=True) as connection:
                many = connection.exec_driver_sql("SELECT count(*) FROM raw").scalar()
                began = time.perf_counter()
                report.page(connection)
            spent.append(time.perf_counter() - began)
        first, pages = asyncio.run(_pages(engine))
        engine.dispose()
    return {
        "database": kind, "records": many, "all_at_once_ms": round(1000 * statistics.median(spent)),
        "first_sums_ms": round(1000 * first), "page_ms": round(1000 * statistics.median(pages)), "worst_page_ms": round(1000 * max(pages)),
    }  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="ledger", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--no-device", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--databases", default=",".join(DATABASES))
    options = parser.parse_args(arguments)
    _load.at_least(parser, options, 10_000, "records")
    for kind in _load.among(parser, options, DATABASES, "databases"):
        with ExitStack() as stack:
            cluster = None
            if kind != "sqlite":
                from tests.server.postgres import Cluster

                cluster = stack.enter_context(Cluster(durable=True))
            told = measure(kind, cluster, options.records)
        if options.json:
            print(json.dumps(told))
        else:
            print(
                f"{told['database']}, {told['records']} records: a page takes {told['page_ms']} ms (the longest {told['worst_page_ms']});"
                f" all at once it would take {told['all_at_once_ms']}; the first sums of a process of their own {told['first_sums_ms']}"
            )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
