"""One bad record, request or blob is named, set aside, and never in the way of the others."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, outbox
from server.acquirer.worker import Worker
from server.store import tables as t
from server.store.engine import reading
from server.wire.messages import MAX_SEALED
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


pytestmark = pytest.mark.usefixtures("greeted")


def _request(**change: Any) -> iso.Request:
    usual: dict[str, Any] = {
        "identity": ("TSD-000001", 1, 5), "step": t.STEP_CLEAR, "repeat": False, "amount": A, "utc": 1_800_000_000,
        "auth_code": "123456", "sealed": b"x", "wilaya": 16,
    }  # fmt: skip
    return iso.Request(**{**usual, **change})


@pytest.mark.parametrize(
    "change",
    [{"auth_code": "é12345"}, {"utc": 1 << 39}, {"utc": 1 << 70}, {"amount": 10**12}, {"sealed": b"x" * 1000}, {"clear": bytes(256)}],
    ids=["code", "year", "beyond time", "amount", "blob", "field 55"],
)  # fmt: skip
def test_what_iso_8583_cannot_say_has_a_code(change: dict[str, Any]) -> None:
    with pytest.raises(codes.AcquirerError) as caught:
        iso.encode(_request(**change), 1_800_000_000)
    assert caught.value.code == codes.UNSENDABLE and caught.value.unsent


def test_the_largest_that_the_schema_takes_can_be_sent() -> None:
    assert iso.encode(
        _request(amount=10**12 - 1, utc=253_402_300_799, auth_code="~ 1234", sealed=b"x" * MAX_SEALED), 1_800_000_000
    )


@pytest.mark.parametrize(
    ("change", "amount"),
    [({"utc": 253_402_300_800}, A), ({"auth_code": "é12345"}, A), ({"auth_code": "1\n2345"}, A), ({}, 10**12)],
    ids=["year 10000", "code", "line break", "amount"],
)
def test_a_record_that_could_not_be_sent_is_set_aside(
    centre: Centre, handheld: Handheld, change: dict[str, Any], amount: int
) -> None:
    intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=amount)
    seq = handheld.write(r.PAYMENT_OUTCOME, **{**_paid(intent, amount), **change})
    ack = centre.send(handheld)
    assert [seq, codes.BAD_RECORD] in ack[s.REJECTED] and centre.books() == {} and centre.claim() == []


def _paid(intent: int, amount: int) -> dict[str, Any]:
    return {"intent": intent, "outcome": 1, "amount": amount, "scheme": "CIB TEST", "last4": "0017"}


class _Link:
    """The acquirer's link: encodes as the real one, and approves; `fail` names intents at which it breaks down."""

    def __init__(self, fail: Callable[[iso.Request], bool] = lambda _: False) -> None:
        self.fail, self.asked = fail, []

    async def exchange(self, request: iso.Request, now: int) -> iso.Answer:
        if self.fail(request):
            raise RuntimeError("broken")
        iso.encode(request, now)
        self.asked.append(request.identity[2])
        return iso.Answer(request.identity, request.step, "00", "123456", iso.reference(request.identity))

    async def close(self) -> None:
        pass


def _work(centre: Centre, link: Any, steps: int = 3) -> None:
    async def write(operation: Callable[[Any], Any], _device: str = "") -> Any:
        with centre.engine.begin() as connection:
            return operation(connection)

    def clock() -> int:
        centre.now += 4000
        return centre.now

    async def go() -> None:
        worker = Worker(write, link, clock)
        for _ in range(steps):
            await worker.step()

    asyncio.run(go())


def _states(centre: Centre) -> dict[int, int]:
    with reading(centre.engine) as connection:
        return {row.intent: row.state for row in connection.execute(select(t.outbox))}


def test_a_request_that_cannot_be_written_fails_alone_and_is_named(centre: Centre, handheld: Handheld) -> None:
    bad, good = handheld.pay(r.OUTCOME_APPROVED, A), handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    with centre.engine.begin() as connection:  # as a server of before may have taken it
        connection.execute(update(t.outbox).where(t.outbox.c.intent == bad).values(utc=1 << 39))
    link = _Link()
    _work(centre, link)
    assert link.asked == [good]
    assert _states(centre) == {bad: t.STATE_FAILED, good: t.STATE_DONE}
    assert centre.alarms() == [codes.UNSENDABLE] and centre.count("sealed") == 1


@pytest.mark.parametrize("torn", [b"\xff", b"\x80"], ids=["no CBOR", "no record"])
def test_a_request_whose_record_cannot_be_read_fails_alone_and_is_named(
    centre: Centre, handheld: Handheld, torn: bytes
) -> None:
    bad, good = handheld.pay(r.OUTCOME_APPROVED, A), handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        outcome = select(t.payments.c.outcome_seq).where(t.payments.c.intent == bad).scalar_subquery()
        assert connection.execute(update(t.raw).where(t.raw.c.seq == outcome).values(record=torn)).rowcount == 1
    link = _Link()
    _work(centre, link)
    assert link.asked == [good]
    assert _states(centre) == {bad: t.STATE_FAILED, good: t.STATE_DONE}
    assert centre.alarms() == [codes.UNSENDABLE] and centre.count("sealed") == 1
    with reading(centre.engine) as connection:
        told = connection.execute(select(t.audit).where(t.audit.c.code == codes.UNSENDABLE)).one()
    assert told.device == handheld.name and f"payment {bad}:" in told.what


def test_a_reversal_goes_out_whatever_has_become_of_the_record(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, (handheld.name, 1, intent), "test", centre.now)
        connection.execute(update(t.raw).values(record=b"\xff"))
    link = _Link()
    _work(centre, link)
    assert link.asked == [intent] and codes.UNSENDABLE not in centre.alarms()


def test_a_request_at_which_everything_breaks_is_asked_again_and_stops_no_other(
    centre: Centre, handheld: Handheld
) -> None:
    bad, good = handheld.pay(r.OUTCOME_APPROVED, A), handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    link = _Link(lambda request: request.identity[2] == bad)
    _work(centre, link)
    assert link.asked == [good] and _states(centre) == {bad: t.STATE_DOUBTFUL, good: t.STATE_DONE}
    _work(centre, _Link(), 1)
    assert _states(centre) == {bad: t.STATE_DONE, good: t.STATE_DONE}


@pytest.mark.parametrize("tells", [False, True])
def test_a_blob_too_long_is_left_out_and_named(centre: Centre, handheld: Handheld, tells: bool) -> None:
    """The batch is not refused: it would be sent again for ever."""
    handheld.tells = tells
    for size in (MAX_SEALED, MAX_SEALED + 1):
        handheld.pay(r.OUTCOME_APPROVED, A, b"x" * size)
    seq = len(handheld.records)
    ack = centre.send(handheld)
    assert ack[s.REJECTED] == [[seq, codes.SEALED_TOO_LARGE]] and ack[s.ACKED_SEQ] == seq
    assert centre.count("sealed") == 1 and centre.books()["receivable:CIB TEST"] == 2 * A
