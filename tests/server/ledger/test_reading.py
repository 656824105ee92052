"""A record or an approval that is not what its row says, or does not decode, is named by the recomputation, which goes on with the others."""

from typing import Any

import pytest
from sqlalchemy import select, update

from protocol import cbor
from protocol import records as r
from server.ledger import recompute
from server.office.decisions import Finding
from server.store import tables as t
from server.store.engine import reading
from tests.server import doubts, verdicts
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000
pytestmark = pytest.mark.usefixtures("greeted")


def _differences(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        return recompute.differences(connection)


def _write(centre: Centre, seq: int, **values: Any) -> None:
    with centre.engine.begin() as connection:
        assert connection.execute(update(t.raw).where(t.raw.c.seq == seq).values(**values)).rowcount == 1


def _record(centre: Centre, seq: int) -> bytes:
    with reading(centre.engine) as connection:
        return bytes(connection.execute(select(t.raw.c.record).where(t.raw.c.seq == seq)).scalar_one())


def _paid(centre: Centre, handheld: Handheld) -> int:
    """The first of two payments."""
    intent = handheld.pay(r.OUTCOME_APPROVED, A)
    handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    assert _differences(centre) == []
    return intent


@pytest.mark.parametrize("torn", [b"\xff", b"", cbor.encode(7), cbor.encode({r.KIND: r.PAYMENT_INTENT})])
def test_an_intent_that_cannot_be_read_is_named_and_nothing_else_differs(
    centre: Centre, handheld: Handheld, torn: bytes
) -> None:
    intent = _paid(centre, handheld)
    _write(centre, intent, record=torn)
    (named,) = _differences(centre)
    assert named.startswith(f"record {intent} of epoch 1 of {handheld.name} ")


@pytest.mark.parametrize("other", [-1, 3], ids=["of another kind", "of the same kind"])
def test_another_ones_content_is_named(centre: Centre, handheld: Handheld, other: int) -> None:
    intent = _paid(centre, handheld)
    _write(centre, intent, record=_record(centre, intent + other))
    assert _differences(centre) == [f"record {intent} of epoch 1 of {handheld.name} is not what its row says"]


def test_content_that_was_changed_is_named(centre: Centre, handheld: Handheld) -> None:
    intent = _paid(centre, handheld)
    record = cbor.decode(_record(centre, intent + 1))
    _write(centre, intent + 1, record=cbor.encode({**record, r.CUM_TOTAL: record[r.CUM_TOTAL] + 1}))
    assert f"record {intent + 1} of epoch 1 of {handheld.name} is not what its row says" in _differences(centre)


def test_what_differs_beside_it_is_found_as_well(centre: Centre, handheld: Handheld) -> None:
    intent = _paid(centre, handheld)
    _write(centre, intent, record=b"\xff")
    with centre.engine.begin() as connection:
        mine = (t.legs.c.intent == intent, t.legs.c.amount > 0)
        connection.execute(update(t.legs).where(*mine).values(amount=t.legs.c.amount + 100))
    found = _differences(centre)
    assert any(f"posted {2 * A + 100}, recomputed {2 * A}" in line for line in found)
    assert any("does not balance" in line for line in found)
    assert found[-1] == f"record {intent} of epoch 1 of {handheld.name} does not decode"


def test_an_outcome_that_cannot_be_read_is_missing_from_the_recomputed_books(
    centre: Centre, handheld: Handheld
) -> None:
    intent = _paid(centre, handheld)
    _write(centre, intent + 1, record=b"\xff")
    found = _differences(centre)
    assert any(f"posted {2 * A}, recomputed {A}" in line for line in found)
    assert found[-1] == f"record {intent + 1} of epoch 1 of {handheld.name} does not decode"


_TORN = {
    "no item": b"\xff", "nothing": b"", "a number": cbor.encode(7), "no payload": cbor.encode([b"", {}, b"", bytes(64)]), "null": None,
}  # fmt: skip
TORN = pytest.mark.parametrize("torn", _TORN.values(), ids=_TORN.keys())


@TORN
def test_a_decision_that_cannot_be_read_is_named(either: Centre, handheld: Handheld, torn: bytes | None) -> None:
    desk, first = doubts.Desk(either), doubts.lost(either, handheld, A, 300_000)
    desk.both(doubts.gap(first), Finding(A, "CIB TEST"))
    assert _differences(either) == []
    with either.engine.begin() as connection:
        connection.execute(update(t.decisions).values(approval=torn))
    found = _differences(either)
    assert found[-1].startswith(
        f"the officers' approval about device {handheld.name}, epoch 1, kind 1, seq {first}, number 1 "
    )
    assert any(line.startswith("account receivable:CIB TEST") for line in found)  # posted, and no word says so


def test_nor_is_another_ones_decision_believed(either: Centre, handheld: Handheld) -> None:
    desk, first = doubts.Desk(either), doubts.lost(either, handheld, A, A, 300_000)
    for _ in range(2):
        desk.both(doubts.gap(first), Finding(A, "CIB TEST"))
    with either.engine.begin() as connection:
        signed = connection.execute(select(t.decisions.c.approval).where(t.decisions.c.number == 1)).scalar_one()
        connection.execute(update(t.decisions).where(t.decisions.c.number == 2).values(approval=signed))
    assert _differences(either)[-1].endswith(f"seq {first}, number 2 is not what its row says")


@TORN
def test_a_verdict_that_cannot_be_read_is_named(either: Centre, handheld: Handheld, torn: bytes | None) -> None:
    intent = verdicts.pay(either, handheld)
    verdicts.fork(either, handheld, intent)
    verdicts.Desk(either).both(intent, True)
    assert _differences(either) == []
    with either.engine.begin() as connection:
        connection.execute(update(t.verdicts).values(approval=torn))
    found = _differences(either)
    assert found[-1].startswith(
        f"the officers' approval about device {handheld.name}, epoch 1, intent {intent}, number 1, "
    )
    assert any(line.startswith("account receivable:CIB TEST") for line in found)
