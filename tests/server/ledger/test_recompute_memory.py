"""The recomputation goes through all records and keeps few: a longer history costs it time, no memory."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event

from protocol import records as r
from server.ledger import recompute
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

MANY = 4  # times as many payments in the larger one
ALLOWED = 1.25


def _filled(folder: Path, payments: int) -> Centre:
    handheld = Handheld()
    centre = Centre(folder, handheld)
    for _ in range(payments // 50):
        centre.hello(handheld)
        first = len(handheld.records) + 1
        for _ in range(50):
            handheld.pay(r.OUTCOME_APPROVED, 200_000)
        centre.send(handheld, first)
    assert centre.count("payments") == payments
    return centre


def _peak(engine: Engine, work: Callable[[Connection], Any]) -> int:
    with reading(engine) as connection:
        work(connection)  # what is made once is not counted
        tracemalloc.start()
        try:
            assert work(connection) == []
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_more_records_cost_no_more_memory(tmp_path: Path) -> None:
    few, many = (_filled(tmp_path / str(n), n) for n in (600, 600 * MANY))
    small, large = (_peak(centre.engine, recompute.differences) for centre in (few, many))
    assert large < ALLOWED * small, (small, large)


def test_the_raw_records_are_gone_through_once(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_PROVISIONAL, 200_000, blob=b"card")
    centre.send(handheld)
    scans: list[str] = []

    @event.listens_for(centre.engine, "before_cursor_execute")
    def _asked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "FROM raw" in statement:
            scans.append(statement)

    with reading(centre.engine) as connection:
        assert recompute.differences(connection) == []
    assert len(scans) == 1
