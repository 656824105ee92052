"""The database: its migrations make what the code expects, SQLite is as durable as it says, the writer groups and
isolates.
"""

import asyncio
import copy
import threading
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config as AlembicConfig
from alembic.migration import MigrationContext
from sqlalchemy import Connection, insert, select, text
from sqlalchemy.exc import IntegrityError

from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.ledger import posting
from server.store import audit
from server.store import engine as engine_module
from server.store import tables as t
from server.store.engine import open_engine, reading, upgrade
from server.web import writer as writer_module
from server.web.writer import Writer
from tests.server.acquirer.test_online import A, HostSays, ask, begin, take
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def test_the_migrations_make_the_tables_that_the_code_expects(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
    upgrade(engine)  # again: nothing to do


def test_a_database_of_before_knows_its_highest_case_numbers(tmp_path: Path) -> None:
    """Migration 0008: as if every case had been counted."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(engine_module.MIGRATIONS))
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}", migrate=False)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        for device in ("TSD-000001", "TSD-000002"):
            head = "INSERT INTO heads (device, seq, hash, cum_count, cum_total, counter, utc, forks) VALUES (:device, 0, x'', 0, 0, 0, 0, 0)"
            connection.execute(text(head), {"device": device})
        for epoch, number in ((1, 3), (1, 9), (2, 4)):
            case = "INSERT INTO cases (device, epoch, case_no, pv, offence, amount, utc) VALUES ('TSD-000001', :epoch, :number, '', '', 1, 1)"
            connection.execute(text(case), {"epoch": epoch, "number": number})
    upgrade(engine)
    with reading(engine) as connection:
        found = connection.execute(select(t.heads.c.device, t.heads.c.last_case).order_by(t.heads.c.device)).all()
    assert [tuple(row) for row in found] == [("TSD-000001", 9), ("TSD-000002", 0)]


def test_a_database_of_before_learns_which_case_was_paid_last(tmp_path: Path) -> None:
    """Migration 0014."""
    handheld = Handheld()
    centre = Centre(tmp_path, handheld)
    centre.hello(handheld)
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_APPROVED, r.OUTCOME_DECLINED):
        handheld.pay(outcome)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        for column in ("paid_case", "behind", "blocked", "key_epoch"):
            connection.execute(text(f"ALTER TABLE heads DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE epochs DROP COLUMN public_key"))
        for table in ("decisions", "verdicts", "rulings", "blocks", "former_keys"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0013'"))
    upgrade(centre.engine)
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.heads.c.paid_case)).scalar() == 2


def without_bounds(connection: Connection) -> None:
    """As before migration 0011."""
    for table in t.metadata.tables.values():
        for index in table.indexes:
            index.drop(connection)
    for statement in (
        "DROP TABLE tallies", "DROP TABLE aside", "ALTER TABLE heads DROP COLUMN opened", "ALTER TABLE heads DROP COLUMN closed",
        "ALTER TABLE heads DROP COLUMN told_epoch", "ALTER TABLE heads DROP COLUMN paid_case",
        "ALTER TABLE heads DROP COLUMN behind", "DROP TABLE decisions", "DROP TABLE verdicts", "DROP TABLE rulings",
        "ALTER TABLE heads DROP COLUMN blocked", "ALTER TABLE heads DROP COLUMN key_epoch", "ALTER TABLE epochs DROP COLUMN public_key",
        "DROP TABLE blocks", "DROP TABLE former_keys",
    ):  # fmt: skip
        connection.execute(text(statement))


def _without_told(connection: Connection) -> None:
    """As before migration 0010."""
    without_bounds(connection)
    for column in ("results.head", "results.gap", "results.told", "voids.told", "payments.told"):
        table, name = column.split(".")
        connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))


def test_a_database_of_before_tells_what_it_has_in_turn_and_knows_not_when_it_was_told(
    tmp_path: Path, handheld: Handheld
) -> None:
    """Migration 0010."""
    centre = Centre(tmp_path, handheld)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.hello(handheld)
    centre.send(handheld)
    for request in centre.claim():
        centre.answer(request, "00")
    with centre.engine.begin() as connection:
        _without_told(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    upgrade(centre.engine)
    with reading(centre.engine) as connection:
        assert tuple(connection.execute(select(t.results.c.told, t.results.c.head, t.results.c.gap)).one()) == (
            0,
            0,
            None,
        )
    centre.restart()
    assert [result[s.RESULT_INTENT] for result in centre.hello(handheld)[s.RESULTS]] == [intent]


def test_a_database_of_before_knows_where_its_shifts_stand_and_what_was_set_aside(
    either: Centre, handheld: Handheld
) -> None:
    """Migration 0011."""
    handheld.write(r.SHIFT_OPENED)
    closed = handheld.write(r.SHIFT_CLOSED, first=1, totals={})
    opened = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_DECLINED)
    handheld.finish(1, r.OUTCOME_DECLINED, A)  # no intent
    end = len(handheld.records)
    other = copy.copy(handheld)
    other.records = [dict(record) for record in handheld.records[: opened + 2]]
    other.finish(opened + 2, r.OUTCOME_INTERRUPTED, A)
    either.hello(handheld)
    either.send(handheld)
    other.nonce = handheld.nonce
    assert either.send(other, opened + 3)[s.REJECTED] == [[opened + 3, codes.FORK]]
    with either.engine.begin() as connection:
        before = sorted(connection.execute(select(t.aside.c.intent)).scalars())
        without_bounds(connection)
        connection.execute(text("UPDATE alembic_version SET version_num = '0010'"))
    upgrade(either.engine)
    with reading(either.engine) as connection:
        head = connection.execute(select(t.heads.c.seq, t.heads.c.opened, t.heads.c.closed)).one()
        assert sorted(connection.execute(select(t.aside.c.intent)).scalars()) == before == [1, opened + 2]
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
    assert tuple(head) == (end, opened, closed)


def test_a_database_of_before_knows_of_which_payments_the_terminal_keeps_card_data(
    tmp_path: Path, handheld: Handheld
) -> None:
    """Migration 0009: the outcome records say so, whoever was asked before; a payment that its issuer approved online keeps none."""
    centre = Centre(tmp_path, handheld)
    centre.hello(handheld)
    host = HostSays(centre, "91")
    alone = begin(handheld)
    ask(centre, handheld, alone)
    handheld.finish(alone, r.OUTCOME_APPROVED, A)
    host.response = "00"
    online = begin(handheld)
    ask(centre, handheld, online)
    take(handheld, online, r.OUTCOME_APPROVED)
    deferred, refused = handheld.pay(r.OUTCOME_PROVISIONAL), handheld.pay(r.OUTCOME_DECLINED)
    assert s.REJECTED not in centre.send(handheld)
    with centre.engine.begin() as connection:
        _without_told(connection)
        connection.execute(text("ALTER TABLE payments DROP COLUMN sealed"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0008'"))
    upgrade(centre.engine)
    with reading(centre.engine) as connection:
        found = connection.execute(select(t.payments.c.intent, t.payments.c.sealed)).all()
    assert {row.intent: row.sealed for row in found} == {alone: 1, online: 0, deferred: 1, refused: 0}


def test_sqlite_is_in_wal_mode_and_syncs_fully(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with reading(engine) as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_a_reader_sees_a_snapshot_while_a_writer_commits(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with reading(engine) as reader:
        before = reader.execute(select(t.audit)).all()
        with engine.begin() as connection:
            audit.write(connection, "", t.LEVEL_NOTE, "X", "while somebody reads", 1)
        assert reader.execute(select(t.audit)).all() == before == []
    with reading(engine) as reader:
        assert len(reader.execute(select(t.audit)).all()) == 1


def test_a_posting_that_does_not_balance_cannot_be_written(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection, pytest.raises(ServerError, match=codes.UNBALANCED):
        posting.post(connection, ("D", 1, 1), 1, [("a", 5), ("b", -4)], 0)


def test_a_posting_cannot_be_written_twice(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'a.db'}")
    with engine.begin() as connection:
        posting.post(connection, ("D", 1, 1), 1, [("a", 5), ("b", -5)], 0)
    with pytest.raises(IntegrityError), engine.begin() as connection:
        posting.post(connection, ("D", 1, 1), 1, [("a", 5), ("b", -5)], 0)


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(open_engine(f"sqlite:///{tmp_path / 'a.db'}"), lambda _connection, _group, _also: [])


def _note(number: int):  # noqa: ANN202
    return lambda connection: audit.write(connection, "", t.LEVEL_NOTE, "N", str(number), number)


def test_what_waits_is_written_in_one_commit(writer: Writer) -> None:
    futures = [writer.submit(_note(number)) for number in range(50)]
    writer.start()
    assert [future.result(20) for future in futures] == [None] * 50
    writer.stop()
    assert (writer.operations, writer.commits) == (50, 1)


def test_an_operation_that_fails_hurts_nobody_else_in_its_group(writer: Writer) -> None:
    def bad(connection):  # noqa: ANN001, ANN202
        connection.execute(insert(t.audit).values(device="", number=99, at=0, level=1, code="B", what="half done"))
        raise ValueError("this one is broken")

    futures = [writer.submit(_note(1)), writer.submit(bad), writer.submit(_note(2))]
    writer.start()
    futures[0].result(20), futures[2].result(20)
    with pytest.raises(ValueError, match="broken"):
        futures[1].result(20)
    writer.stop()
    with reading(writer._engine) as connection:
        assert [row.what for row in connection.execute(select(t.audit).order_by(t.audit.c.number))] == ["1", "2"]


def test_devices_that_operations_are_about_are_told_before_any_of_them_runs(tmp_path: Path) -> None:
    seen: list[Any] = []

    def apply_all(_connection: Connection, group: list[Any], also: set[str]) -> list[Any]:
        seen.append((group, also))
        return group

    writer = Writer(open_engine(f"sqlite:///{tmp_path / 'a.db'}"), apply_all)

    async def ask() -> None:
        one = writer.write(lambda _: seen.append("one"), "TSD-000001")
        two, none = writer.write(lambda _: seen.append("two"), "TSD-000002"), writer.write(lambda _: None)
        waiting = asyncio.gather(one, two, none, writer.say("a message"))
        await asyncio.sleep(0)
        writer.start()
        await waiting

    asyncio.run(ask())
    writer.stop()
    assert seen == [(["a message"], {"TSD-000001", "TSD-000002"}), "one", "two"]


class _Broken:
    """Posts what cannot be opened, and cannot be told anything."""

    def __init__(self) -> None:
        self.heard = 0

    def opened(self, letter: bytes) -> list[tuple[int, str]]:
        if letter == b"spoilt":
            raise ValueError("no letter")
        return [(1, "message")]

    def told(self, results: list[writer_module.Told]) -> None:
        self.heard += len(results)
        raise RuntimeError("event loop is closed")


def test_a_front_that_is_broken_stops_nobody_else(tmp_path: Path) -> None:
    writer = Writer(open_engine(f"sqlite:///{tmp_path / 'a.db'}"), lambda _connection, group, _also: group)
    broken = _Broken()
    writer.start()
    for letter in (b"spoilt", b"good"):
        writer.post(letter, broken)
        writer.submit(_note(1)).result(20)
    writer.stop()
    assert broken.heard == 1 and writer.operations == 3


def test_a_full_queue_says_later(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(writer_module.WAITING):
        writer.submit(_note(number))
    with pytest.raises(codes.RefusedError, match=codes.BUSY):
        writer.submit(_note(0))
    writer.start()
    writer.stop()
    assert writer.operations == writer_module.WAITING


def test_a_result_is_handed_out_after_the_commit_only(writer: Writer) -> None:
    seen: list[int] = []
    done = threading.Event()

    def look(_future: object) -> None:
        with reading(writer._engine) as connection:
            seen.append(len(connection.execute(select(t.audit)).all()))
        done.set()

    writer.submit(_note(1)).add_done_callback(look)
    writer.start()
    assert done.wait(20)
    writer.stop()
    assert seen == [1]


def test_what_a_terminal_repeats_is_noted_once_an_hour(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    old = handheld.batch(1)
    centre.hello(handheld)

    def noted() -> int:
        kind, payload = centre.say(old)
        assert (kind, payload[s.CODE]) == (s.TYPE_REFUSED, codes.WRONG_NONCE)
        with reading(centre.engine) as connection:
            return len(connection.execute(select(t.audit).where(t.audit.c.code == codes.WRONG_NONCE)).all())

    assert [noted() for _ in range(3)] == [1, 1, 1]
    centre.now += audit.AGAIN_S
    assert [noted() for _ in range(2)] == [2, 2]
    centre.now -= 2 * audit.AGAIN_S  # a clock that went back
    assert noted() == 3
