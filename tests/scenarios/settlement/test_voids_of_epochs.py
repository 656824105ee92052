"""Of a terminal that has begun a new epoch two payments may have one number: the end of each void is held against its own money."""

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from protocol import cbor
from protocol import records as r
from sim.worlds.simulation.oracle.endings import Endings

NAME, INTENT = "TSD-000001", 8


def _judge(failed: list[str]) -> Any:
    def nothing(*_arguments: object) -> tuple[()]:
        return ()

    missing = SimpleNamespace(destroyed=nothing, untold=nothing, void_ends=nothing)
    names = SimpleNamespace(names=nothing)
    return SimpleNamespace(
        tampered=set(), missing=missing, refunds=names, sums=SimpleNamespace(nowhere=nothing), fail=failed.append
    )


def _voided(connection: Connection, epoch: int, *, given_back: bool) -> None:
    """A void of payment 8 in one epoch, done."""
    for seq, state in ((10, r.VOID_ASKED), (11, r.VOID_DONE)):
        record = cbor.encode({r.EPOCH: epoch, r.INTENT: INTENT, r.VOID_STATE: state})
        row = {"d": NAME, "e": epoch, "s": seq, "k": r.VOID, "r": record}
        connection.execute(text("INSERT INTO raw VALUES (:d, :e, :s, :k, :r, NULL)"), row)
    if given_back:
        money = {"d": NAME, "e": epoch, "i": INTENT}
        connection.execute(text("INSERT INTO postings VALUES (:d, :e, :i, 3)"), money)
        connection.execute(text("INSERT INTO outbox VALUES (:d, :e, :i, 3, 2)"), money)


@pytest.mark.parametrize("second", [True, False])
def test_the_voids_of_two_epochs_are_two(second: bool) -> None:
    failed: list[str] = []
    with create_engine("sqlite://").begin() as connection:
        for table in (
            "raw (device, epoch, seq, kind, record, rejected)",
            "postings (device, epoch, intent, part)",
            "outbox (device, epoch, intent, step, state)",
        ):
            connection.execute(text("CREATE TABLE " + table))
        _voided(connection, 1, given_back=True)
        _voided(connection, 2, given_back=second)
        Endings(_judge(failed))._voided(connection)
    assert len(failed) == (0 if second else 1)
