"""Nothing waits for a PostgreSQL database without an end: what another connection holds is let go of, what is silent is given up."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from server.store import engine as engine_module
from server.store import postgres
from server.store import tables as t
from server.store.engine import is_lost, is_trouble, open_engine, reading, unhurried, upgrade
from tests.server.postgres import Cluster
from tests.server.way import Way

SHORT = 0.2  # seconds


@pytest.fixture(scope="module")
def url(cluster: Cluster) -> str:
    url = cluster.url()
    open_engine(url).dispose()
    return url


def opened(url: str, monkeypatch: pytest.MonkeyPatch, **bounds: float) -> Engine:
    """An engine of short bounds."""
    for name, seconds in bounds.items():
        monkeypatch.setattr(postgres, name, seconds)
    return open_engine(url, migrate=False)


@pytest.fixture
def plain(url: str) -> Iterator[Engine]:
    engine = open_engine(url, migrate=False)
    yield engine
    engine.dispose()


_LOCK = text("LOCK TABLE heads")
_SLEEP = select(func.pg_sleep(5 * SHORT))


def test_who_stands_still_in_a_transaction_keeps_nothing_locked(
    url: str, plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = opened(url, monkeypatch, IDLE_S=SHORT)
    with still.connect() as stopped:
        stopped.execute(_LOCK)
        with plain.begin() as connection:
            unhurried(connection)
            connection.execute(_LOCK)
        with pytest.raises(DBAPIError) as caught:
            stopped.execute(_LOCK)
        assert is_lost(caught.value)
        stopped.invalidate()
    with still.begin() as connection:  # the next one works
        connection.execute(_LOCK)
    still.dispose()


def test_who_waits_for_a_lock_is_told_so_and_keeps_the_connection(
    url: str, plain: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = opened(url, monkeypatch, LOCK_S=SHORT)
    with plain.begin() as holder, waiting.connect() as connection:
        holder.execute(_LOCK)
        with pytest.raises(OperationalError, match="lock timeout") as caught:
            connection.execute(_LOCK)
        assert is_trouble(caught.value) and not is_lost(caught.value)
    waiting.dispose()


def test_a_statement_that_takes_too_long_is_ended_by_the_database(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(url, monkeypatch, STATEMENT_S=SHORT)
    with engine.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(_SLEEP)
    engine.dispose()


def test_connections_that_fell_silent_are_given_up_and_new_ones_taken(
    url: str, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Way(cluster.port) as way:
        engine = opened(url.replace(str(cluster.port), str(way.port)), monkeypatch, SILENCE_S=SHORT)
        with engine.connect() as connection:
            with engine.connect() as other:
                other.execute(select(1))  # then it waits in the pool
            connection.execute(select(1))
            way.forget()
            with pytest.raises(OperationalError, match="nothing was heard") as caught:
                connection.execute(select(1))
            assert is_lost(caught.value)
        with engine.connect() as connection:
            assert connection.execute(select(1)).scalar() == 1
        engine.dispose()


def test_a_migration_takes_as_long_as_it_takes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = opened(url, monkeypatch, LOCK_S=SHORT, STATEMENT_S=SHORT, IDLE_S=SHORT, SILENCE_S=2 * SHORT)
    slept = []

    def slowly(config: object, _to: str) -> None:
        config.attributes["connection"].execute(_SLEEP)  # type: ignore[attr-defined]
        slept.append(True)

    monkeypatch.setattr(engine_module.command, "upgrade", slowly)
    upgrade(engine)
    assert slept
    with engine.connect() as connection, pytest.raises(OperationalError, match="statement timeout"):
        connection.execute(_SLEEP)  # the same connection, bounded again
    engine.dispose()


def test_what_a_url_says_wins(url: str) -> None:
    engine = open_engine(f"{url}?options=-c%20lock_timeout%3D7s", migrate=False)
    with engine.connect() as connection:
        assert connection.execute(text("SHOW lock_timeout")).scalar() == "7s"
        assert connection.execute(text("SHOW statement_timeout")).scalar() == f"{postgres.STATEMENT_S:.0f}s"
    engine.dispose()


def test_what_is_read_does_not_change_meanwhile_and_nothing_is_written_through_it(plain: Engine) -> None:
    count, line = (
        select(func.count()).select_from(t.audit),
        {"device": "", "at": 0, "level": 1, "code": "A", "what": ""},
    )
    with reading(plain) as connection:
        before = connection.execute(count).scalar()
        with plain.begin() as other:
            other.execute(insert(t.audit).values(number=1, **line))
        assert connection.execute(count).scalar() == before
    with reading(plain) as connection:
        assert connection.execute(count).scalar() == 1
        with pytest.raises(DBAPIError, match="read-only"):
            connection.execute(insert(t.audit).values(number=2, **line))
    with plain.begin() as connection:  # of the same pool
        connection.execute(insert(t.audit).values(number=2, **line))
