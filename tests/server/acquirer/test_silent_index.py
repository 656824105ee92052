"""What waits too long for its terminal's word is found among what waits, not among all that was ever settled."""

from typing import Any

from sqlalchemy import event

from server.acquirer import word
from server.store.engine import reading
from tests.server.centre import Centre


def test_settled_requests_are_not_read_through(centre: Centre) -> None:
    asked: list[tuple[str, Any]] = []

    @event.listens_for(centre.engine, "before_cursor_execute")
    def _asked(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    with reading(centre.engine) as connection:
        assert list(word.silent(connection, centre.now, 86400)) == []
        statement, parameters = asked[-1]
        plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)]
    assert any("outbox_waiting" in step for step in plan), plan
