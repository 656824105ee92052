"""What a terminal of today says and hears: records told as differences, results and receipts in the short form, sets by number."""

import hashlib
import random
from typing import Any

import pytest
from sqlalchemy import select

from protocol import batch
from protocol import records as r
from protocol import sync as s
from server import codes
from server.store import tables as t
from server.store.engine import reading
from server.wire import messages
from tests.server.centre import Centre
from tests.server.handheld import Handheld, dumps, open_reply

A = 200_000


@pytest.fixture
def handheld() -> Handheld:
    """One that tells."""
    made = Handheld()
    made.tells = True
    return made


def _kept(centre: Centre) -> list[bytes]:
    with reading(centre.engine) as connection:
        return [bytes(row.record) for row in connection.execute(select(t.raw).order_by(t.raw.c.seq))]


def _welcome(centre: Centre, handheld: Handheld) -> dict[int, Any]:
    return centre.say(handheld.hello(form=s.SHORT_FORM))[1]


def test_told_records_are_kept_as_the_terminal_wrote_them(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LOGIN)
    for outcome in (1, 2, 3, 1):
        handheld.pay(outcome, A + outcome, b"sealed %d" % outcome)
        handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=outcome)
    _welcome(centre, handheld)
    ack = centre.send(handheld)
    assert s.REJECTED not in ack and ack[s.NEW] == len(handheld.records)
    assert _kept(centre) == [dumps(record) for record in handheld.records]
    assert centre.count("sealed") == 3 and centre.books()["receivable:CIB TEST"] == 2 * (A + 1)


def test_they_go_on_with_what_was_listed_before(centre: Centre, handheld: Handheld) -> None:
    """A terminal is updated in the midst of its backlog, and back again."""
    _welcome(centre, handheld)
    for tells in (False, True, False, True):
        handheld.tells = tells
        handheld.pay(r.OUTCOME_APPROVED, A)
        assert s.REJECTED not in centre.send(handheld, len(handheld.records) - 2)
    assert centre.send(handheld, 2)[s.DUPLICATES] == 11
    assert _kept(centre) == [dumps(record) for record in handheld.records]


def test_signatures_in_a_row_belong_to_money(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED)
    _welcome(centre, handheld)
    _, signatures = handheld.wire(1, 6)
    row = signatures[5] + signatures[2]
    ack = centre.say(handheld.batch(1, signatures=row))[1]
    assert ack[s.REJECTED] == [[3, codes.BAD_OUTCOME_SIGNATURE], [6, codes.BAD_OUTCOME_SIGNATURE]]
    for short in (row[:-1], row[:64], row + bytes(64), b""):
        assert centre.refused(handheld.batch(1, signatures=short)) == codes.MALFORMED


def test_an_arqc_s_receipt_comes_with_its_result(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    other = handheld.pay(r.OUTCOME_APPROVED, A)
    _welcome(centre, handheld)
    centre.send(handheld)
    first, second = centre.claim()
    assert s.CLEARED not in _welcome(centre, handheld)
    assert centre.answer(first, "51") and centre.answer(second, "00")
    reply = _welcome(centre, handheld)
    assert reply[s.RESULTS] == [
        {s.RESULT_INTENT: intent, s.RESULT_OUTCOME: 3, s.RESULT_AUTH_CODE: "123456", s.RESULT_REASON: "51"}
    ]
    kind, receipt = open_reply(reply[s.CLEARED], centre.keys.public("ack"))
    assert (kind, receipt[s.CLEARED]) == (s.TYPE_CLEARED, [intent, other])
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=3, amount=A)
    handheld.write(r.CARD_DATA_ERASED, intents=[intent, other], receipt=hashlib.sha256(reply[s.CLEARED]).digest())
    ack = centre.send(handheld, seq)
    assert not {s.REJECTED, s.RESULTS, s.CLEARED} & ack.keys() and centre.count("erasures") == 2


def test_more_results_than_a_reply_holds_leave_no_receipt_without_its_result(
    centre: Centre, handheld: Handheld
) -> None:
    for _ in range(20):
        handheld.pay(r.OUTCOME_PROVISIONAL, A)
    _welcome(centre, handheld)
    centre.send(handheld)
    for _ in range(3):
        for request in centre.claim():
            assert centre.answer(request, "51")
    reply = _welcome(centre, handheld)
    told = [result[s.RESULT_INTENT] for result in reply[s.RESULTS]]
    assert len(told) == 16
    assert open_reply(reply[s.CLEARED], centre.keys.public("ack"))[1][s.CLEARED] == told


def test_kinds_of_sets_by_number(centre: Centre, handheld: Handheld) -> None:
    _, payload = centre.say(handheld.hello(form=s.SHORT_FORM, sets={0: 3, 4: 7, "other": 1}))
    assert s.CODE not in payload
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.heads.c.sets)).scalar() == '{"limits": 7, "other": 1, "tariff": 3}'
    for sets in ({5: 1}, {-1: 1}, {b"x": 1}, [1], {0: "1"}):
        assert centre.refused(handheld.hello(sets=sets)) == codes.MALFORMED
    for form in (0, -1, "2", None):
        assert centre.refused(handheld.hello(form=form)) == codes.MALFORMED


@pytest.mark.parametrize("totals", [{-1: [0, 0], 1: [0, 0]}, {-3: [0, 0], 2: [1, 5], -1: [0, 0]}])
def test_keys_below_zero_stand_where_the_terminal_has_them(centre: Centre, handheld: Handheld, totals: Any) -> None:
    """No terminal writes them; whatever one writes is kept byte by byte, and is no trouble when it comes again."""
    handheld.write(r.LOGIN)
    seq = handheld.write(r.SHIFT_CLOSED, shift=1, totals=totals, private=hashlib.sha256(b"beside").digest())
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.attached[s.PRIVATE][seq] = b"beside"
    _welcome(centre, handheld)
    assert [seq, codes.BAD_RECORD] in centre.send(handheld)[s.REJECTED]
    assert _kept(centre) == [dumps(record) for record in handheld.records]
    assert centre.send(handheld)[s.DUPLICATES] == 5 and centre.ledger() and centre.books()["receivable:CIB TEST"] == A


def test_what_is_told_in_few_bytes_has_a_limit(centre: Centre, handheld: Handheld) -> None:
    """One long record, and hundreds that are told to be like it."""
    handheld.write(r.HEALTH_EVENT, health="x" * 20_000)
    _welcome(centre, handheld)
    assert (
        centre.refused(handheld.batch(1, records=handheld.told(1, 1) + bytes((r.HEALTH_EVENT,)) * 200))
        == codes.MALFORMED
    )
    login = handheld.told(1, 1)
    assert centre.refused(handheld.batch(1, records=login + bytes((r.LOGIN,)) * 300)) == codes.MALFORMED
    assert centre.refused(handheld.batch(1, records=b"")) == codes.MALFORMED


def test_damaged_telling_is_refused_or_another_record(centre: Centre, handheld: Handheld) -> None:
    """Whatever a terminal may tell by mistake, it is refused as a whole or kept as what it says."""
    handheld.pay(r.OUTCOME_APPROVED, A, None)
    handheld.pay(r.OUTCOME_DECLINED, A, None)
    handheld.write(r.CASE_CLOSED, case=2, closure=1)
    told, rng, seen = handheld.told(1, 7), random.Random(7), set()
    device = {handheld.name: _device(handheld)}.get
    _welcome(centre, handheld)
    for _ in range(1500):
        damaged = bytearray(told)
        for _ in range(rng.choice((1, 1, 2, 5))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        body = handheld.batch(
            1, records=bytes(damaged[: rng.choice((len(damaged), rng.randrange(1, len(damaged))))]), signatures={}
        )
        found = messages.check(body, device)
        seen.add(found.code if isinstance(found, messages.Refusal) else "")
    assert seen == {"", codes.MALFORMED}


def _device(handheld: Handheld) -> Any:
    from server.store import devices

    return devices.parse(handheld.name, handheld.entry())


def test_the_usual_keys_are_those_of_the_first_release_that_told() -> None:
    """Another list is another form of batch: terminals in the field tell by this one."""
    assert (
        hashlib.sha256(dumps({kind: list(keys) for kind, keys in batch.KEYS.items()})).hexdigest()[:16]
        == "a6858933363b8f2b"
    )
