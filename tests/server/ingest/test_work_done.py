"""What one batch makes the server do does not grow with what its device has on file: counted in steps of SQLite's virtual machine."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import outbox, voids
from server.ingest.lost import untaken
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000

RECORDS, ROWS = 40, 4000
FAR = 10**6  # a sequence that no record here has


def _steps(centre: Centre, operation: Callable[[Connection], Any]) -> tuple[int, Any]:
    """How many tens of steps the database takes for an operation, and what that returns."""
    count = [0]

    def step() -> None:
        count[0] += 1

    with centre.engine.begin() as connection:
        driver: Any = connection.connection.driver_connection
        driver.set_progress_handler(step, 10)
        found = operation(connection)
        driver.set_progress_handler(None, 0)
    return count[0], found


def _fill(centre: Centre, table: Any, *rows: dict[str, Any]) -> None:
    """Rows of one device, epoch 1."""
    with centre.engine.begin() as connection:
        connection.execute(insert(table), [{"device": "TSD-000001", "epoch": 1, **row} for row in rows])


def _payment(intent: int, **other: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("outcome", "outcome_seq", "scheme", "last4", "result_seq", "script_results"))
    said = {"case_no": 1, "amount": 1, "utc": 1, "unit": "", "force": 1, "wilaya": 16, "held": 0}
    return {"intent": intent, **nothing, **said, **other}


def _void(seq: int, intent: int, state: int, result_seq: int | None) -> dict[str, Any]:
    return {
        "seq": seq,
        "intent": intent,
        "amount": 1,
        "state": state,
        "reason": "",
        "asked": 1,
        "answered": 1,
        "result_seq": result_seq,
    }


def _gap(first: int) -> dict[str, Any]:
    return {"first": first, "last": first, "hash": b"", "count": 0, "amount": 0, "declared_seq": 1, "at": 1}


def _write(handheld: Handheld, kind: str) -> None:
    """A record that refers to what is not there."""
    seq = len(handheld.records) + 1
    if kind == "shifts":
        handheld.write(r.SHIFT_CLOSED, first=seq, totals={3: [1, 1]})
    elif kind == "gaps":
        handheld.write(r.GAP, first=1, gap_last=2)
    elif kind == "results":
        handheld.write(r.AUTHORISATION_RESULT, intent=max(seq - 1, 1), outcome=1, amount=A)
    elif kind == "erasures":
        handheld.write(r.CARD_DATA_ERASED, intents=[seq], receipt=bytes(32))
    elif kind == "fines":
        handheld.pay(r.OUTCOME_DECLINED)
    elif kind == "ends of voids":
        handheld.write(r.VOID, intent=1, amount=1, void_state=r.VOID_REFUSED)
    else:
        handheld.finish(seq - 1, r.OUTCOME_DECLINED, A)


def _on_file(centre: Centre, kind: str) -> None:
    """What once was gone through for each such record."""
    far = range(FAR, FAR + ROWS)
    if kind == "shifts":
        line = {"at": 1, "level": t.LEVEL_ALARM, "code": codes.FORK, "what": "another"}
        with centre.engine.begin() as connection:
            connection.execute(insert(t.audit), [{"device": "TSD-000001", "number": n, **line} for n in far])
    elif kind == "ends of voids":  # all of one payment, their ends written
        _fill(centre, t.voids, *[_void(n, 1, r.VOID_REFUSED, n) for n in far])
    elif kind == "outcomes":
        _fill(centre, t.gaps, *[_gap(n - ROWS) for n in range(ROWS)])  # all before it
    elif kind == "fines":
        asked = {"amount": A, "utc": 1, "digest": b"", "state": s.ASKED_DOUBTFUL, "asked": 1}
        _fill(centre, t.authorisations, *[{"intent": n, **asked} for n in far])
        case = {"pv": "", "offence": "", "amount": 1, "utc": 1}
        _fill(centre, t.cases, *[{"case_no": n, **case} for n in far])
    else:
        _fill(centre, t.payments, *[_payment(n) for n in far])
        if kind == "gaps":
            _fill(centre, t.voids, *[_void(n, n, r.VOID_DONE, None) for n in far])
            _fill(centre, t.erasures, *[{"intent": n, "seq": n, "receipt": b""} for n in far])
            _fill(centre, t.gaps, *[_gap(n) for n in far])


@pytest.mark.parametrize("kind", ["fines", "shifts", "gaps", "results", "erasures", "ends of voids", "outcomes"])
def test_a_record_costs_the_same_however_much_its_device_has_on_file(
    centre: Centre, handheld: Handheld, kind: str
) -> None:
    def batch() -> int:
        first = len(handheld.records) or 1
        for _ in range(RECORDS):
            _write(handheld, kind)
        handheld.write(r.HEALTH_EVENT, health="boot")  # more is coming: nothing is told yet
        centre.hello(handheld)
        checked = centre.service.check(handheld.batch(first, len(handheld.records) - 1))
        steps, reply = _steps(centre, lambda connection: centre.service.apply(connection, checked, centre.now))
        assert reply[1][s.NEW] == RECORDS * (3 if kind == "fines" else 1) + (first > 1)
        return steps

    batch()
    before = batch()
    _on_file(centre, kind)
    assert batch() < 1.3 * before


def test_nothing_that_was_set_aside_is_gone_through_when_a_new_epoch_begins(centre: Centre) -> None:
    question = {"amount": A, "utc": 1, "digest": b"", "state": s.ASKED_DOUBTFUL, "asked": 1}

    def begun(intent: int) -> int:
        _fill(centre, t.authorisations, {"intent": intent, **question})
        epoch = intent + 1
        return _steps(centre, lambda connection: untaken.forsake(connection, "TSD-000001", 1, epoch, centre.now))[0]

    begun(1)
    before = begun(2)
    spoilt = {"hash": b"", "record": b"\xa0", "received": 1}
    _fill(centre, t.forks, *[{"seq": n, **spoilt} for n in range(ROWS)])
    kept = {"kind": r.PAYMENT_OUTCOME, "rejected": codes.NO_INTENT}
    _fill(centre, t.raw, *[{"seq": n, **spoilt, **kept} for n in range(ROWS)])
    assert begun(3) < 1.3 * before


def test_a_void_is_found_without_those_of_other_payments_and_its_outcome_without_other_records(centre: Centre) -> None:
    payment = {"device": "TSD-000001", "epoch": 1, "outcome_seq": 5}

    def looked_at(connection: Connection) -> None:
        assert voids.of(connection, ("TSD-000001", 1, 1)) is None
        assert voids.outcome_record(connection, payment) is None
        assert voids.pending(connection, "TSD-000001", 1, centre.now) == []
        voids.end(connection, ("TSD-000001", 1, 1), r.VOID_DONE, "", centre.now)

    _steps(centre, looked_at)
    before, _ = _steps(centre, looked_at)
    _fill(centre, t.voids, *[_void(n, n, r.VOID_REFUSED, n) for n in range(FAR, FAR + ROWS)])
    spoilt = {"hash": b"", "record": b"\xa0", "received": 1, "kind": r.PAYMENT_OUTCOME}
    _fill(centre, t.raw, *[{"seq": n, **spoilt} for n in range(FAR, FAR + ROWS)])
    assert _steps(centre, looked_at)[0] < 1.3 * before


def test_a_gap_record_names_some_results_that_count_twice_and_counts_the_rest(
    centre: Centre, handheld: Handheld
) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    centre.send(handheld)
    for _ in range(100):
        handheld.write(r.HEALTH_EVENT, health="boot")
    _fill(centre, t.payments, *[_payment(FAR + n, result_seq=2 + n) for n in range(100)])
    handheld.write(r.GAP, first=1, gap_last=101)
    centre.hello(handheld)
    centre.send(handheld, 2)
    with centre.engine.begin() as connection:
        said = [row.what for row in connection.exec_driver_sql("SELECT what FROM audit WHERE code = 'GAP'")]
    assert len(said) == 65 and "results of 100 payments had arrived" in said[-1] and " 100 count twice" in said[-1]


def test_what_is_settled_is_not_gone_through_for_what_waits(centre: Centre) -> None:
    row = {"step": t.STEP_CLEAR, "amount": 1, "utc": 1, "tries": 0, "created": 1}

    def claimed(intent: int) -> int:
        _fill(centre, t.outbox, {"intent": intent, "state": t.STATE_NEW, "next_at": 1, **row})

        def operation(connection: Connection) -> None:
            assert outbox.unsettled(connection) == intent
            assert [request.identity[2] for request in outbox.claim(connection, centre.now)] == [intent]

        return _steps(centre, operation)[0]

    claimed(1)
    before = claimed(2)
    _fill(
        centre, t.outbox, *[{"intent": n, "state": t.STATE_DONE, "next_at": 1, **row} for n in range(FAR, FAR + ROWS)]
    )
    assert claimed(3) < 1.5 * before


def test_a_hello_does_not_go_through_those_of_before(centre: Centre, handheld: Handheld) -> None:
    def hello() -> int:
        checked = centre.service.check(handheld.hello())
        return _steps(centre, lambda connection: centre.service.apply(connection, checked, centre.now))[0]

    hello()
    before = hello()
    with centre.engine.begin() as connection:
        seen = [{"device": handheld.name, "nonce": b"%d" % n, "at": centre.now} for n in range(ROWS)]
        connection.execute(insert(t.nonces), seen)
    assert hello() < 1.5 * before


def test_closing_goes_through_no_record_for_a_shift_that_was_judged_nor_for_any_other_range(
    centre: Centre, handheld: Handheld
) -> None:
    first = handheld.write(r.SHIFT_OPENED)
    for _ in range(60):
        handheld.pay(r.OUTCOME_DECLINED)
    last = handheld.write(r.SHIFT_CLOSED, first=first, totals={3: [60, 60 * A]})
    centre.hello(handheld)
    centre.send(handheld)

    def closed(begin: int, end: int, totals: dict[int, list[int]]) -> tuple[int, Any]:
        checked = centre.service.check(handheld.close(begin, end, totals))
        steps, reply = _steps(centre, lambda connection: centre.service.apply(connection, checked, centre.now))
        return steps, reply[1]

    least, nothing = closed(last - 1, last, {3: [1, 1]})
    assert nothing[s.BALANCED] is False
    alarms = len(centre.alarms())
    for begin in range(1, 40):
        steps, reply = closed(begin, last - 40 + begin, {3: [1, begin]})
        assert reply[s.BALANCED] is False and reply[s.DIFFERING] == [begin] and steps < 1.5 * least
    assert len(centre.alarms()) == alarms
    steps, reply = closed(first, last, {3: [60, 60 * A]})
    assert reply[s.BALANCED] is True and reply[s.TOTALS] == {3: [60, 60 * A]} and steps < 1.5 * least
