"""A server in one process, without HTTP: service, database, and the questions that tests ask of it."""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select

from protocol import sync as s
from server import keys, sets
from server.acquirer import outbox, settling
from server.acquirer.iso import Answer, Request, reference
from server.ingest.dispatch import Service
from server.ledger import recompute, report
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.server import migrated
from tests.server.handheld import START, Handheld, open_reply


class Centre:
    """The service of one database; `now` is its clock."""

    def __init__(self, folder: Path, *handhelds: Handheld, url: str | None = None) -> None:
        self.folder, self.url = folder, url or f"sqlite:///{folder / 'server.db'}"
        self.keys = keys.make(folder / "keys")
        self.now = START + 100_000
        migrated.lay(self.url)
        self.engine: Engine = open_engine(self.url)
        self.shelf = sets.Shelf([])
        with self.engine.begin() as connection:
            for handheld in handhelds:
                devices.register(connection, devices.parse(handheld.name, handheld.entry()), self.now)
        self.service = Service(self.engine, self.keys, self.shelf)

    def restart(self) -> None:
        """Forget everything that is not in the database."""
        self.engine.dispose()
        self.engine = open_engine(self.url)
        self.service = Service(self.engine, self.keys, self.shelf)

    def say(self, body: bytes) -> tuple[str, dict[int, Any]]:
        """One message; (content type, payload) of the verified reply."""
        self.now += 1
        return open_reply(self.service.handle(body, self.now), self.keys.public("ack"))

    def hello(self, handheld: Handheld) -> dict[int, Any]:
        """HELLO, expecting WELCOME."""
        kind, payload = self.say(handheld.hello())
        assert kind == s.TYPE_WELCOME, payload
        return payload

    def send(self, handheld: Handheld, first: int = 1, last: int | None = None) -> dict[int, Any]:
        """BATCH, expecting ACK."""
        kind, payload = self.say(handheld.batch(first, last))
        assert kind == s.TYPE_ACK, payload
        return payload

    def refused(self, body: bytes) -> str:
        """The code of the refusal that `body` must meet."""
        kind, payload = self.say(body)
        assert kind == s.TYPE_REFUSED, (kind, payload)
        return payload[s.CODE]

    def claim(self) -> list[Request]:
        """What the outbox would send now, marked as sent."""
        self.now += 4000  # later than any waiting time
        with self.engine.begin() as connection:
            return outbox.claim(connection, self.now)

    def answer(self, request: Request, response: str, auth_code: str = "123456") -> bool:
        """The acquirer's answer to a request."""
        said = Answer(request.identity, request.step, response, auth_code, reference(request.identity))
        with self.engine.begin() as connection:
            return settling.settle(connection, request, said, self.now)

    def count(self, table: str) -> int:
        """Rows of a table."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.count()).select_from(t.metadata.tables[table])).scalar() or 0

    def alarms(self) -> list[str]:
        """Codes of all alarms, in order."""
        with reading(self.engine) as connection:
            rows = connection.execute(
                select(t.audit).where(t.audit.c.level == t.LEVEL_ALARM).order_by(t.audit.c.number)
            )
            return [row.code for row in rows]

    def books(self) -> dict[str, int]:
        """Balances by account, after checking that they agree with the recomputation and add up to zero."""
        with reading(self.engine) as connection:
            assert recompute.differences(connection) == []
            balances = recompute.posted(connection).balances
        assert sum(balances.values()) == 0
        return balances

    def ledger(self) -> dict[str, Any]:
        """The report."""
        with reading(self.engine) as connection:
            return report.ledger(connection)
