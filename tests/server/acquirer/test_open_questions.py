"""A terminal puts no more questions to issuers than it can have payments whose outcomes are not on record yet."""

from typing import Any

import pytest
from sqlalchemy import insert

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import online
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import HostSays, ask, authorise, begin, take
from tests.server.acquirer.test_returned import _backup
from tests.server.centre import Centre
from tests.server.handheld import Handheld

MOST = online.MOST_OPEN


def _asked(centre: Centre, first: int, count: int) -> None:
    """Questions about payments of which nothing is on file."""
    row = {
        "device": "TSD-000001",
        "epoch": 1,
        "amount": 1,
        "utc": 1,
        "digest": b"",
        "state": s.ASKED_DOUBTFUL,
        "asked": 1,
    }
    with centre.engine.begin() as connection:
        connection.execute(insert(t.authorisations), [{**row, "intent": first + at} for at in range(count)])


def _lines(centre: Centre) -> list[Any]:
    with reading(centre.engine) as connection:
        return list(connection.execute(t.audit.select().where(t.audit.c.code == codes.OPEN_QUESTIONS)))


def test_no_more_questions_are_put_than_may_be_open_and_one_alarm_says_so(either: Centre, handheld: Handheld) -> None:
    host = HostSays(either)
    either.hello(handheld)
    _asked(either, 1000, MOST - 1)
    assert ask(either, handheld, 1)[s.STATE] == s.ASKED_ANSWERED
    for intent in (2, 3, 10**6):
        assert either.refused(authorise(handheld, intent)) == codes.OPEN_QUESTIONS
    assert either.count("authorisations") == MOST and len(host.asked) == 1
    assert [line.level for line in _lines(either)] == [t.LEVEL_ALARM]
    assert ask(either, handheld, 1)[s.STATE] == s.ASKED_ANSWERED, "what was asked before is answered from its row"


def test_a_terminal_that_synchronises_may_ask_again(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre)
    centre.hello(handheld)
    intent = begin(handheld)
    _asked(centre, 10**6, MOST - 1)
    ask(centre, handheld, intent)
    assert centre.refused(authorise(handheld, intent + 1)) == codes.OPEN_QUESTIONS
    take(handheld, intent, r.OUTCOME_APPROVED)
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld)
    intent = begin(handheld)
    assert ask(centre, handheld, intent)[s.STATE] == s.ASKED_ANSWERED
    assert centre.refused(authorise(handheld, intent + 1)) == codes.OPEN_QUESTIONS
    assert len(_lines(centre)) == 2, "of another head"


def test_a_gap_leaves_no_room_for_more_questions(centre: Centre, handheld: Handheld) -> None:
    """One record could have the chain leap over any number of them."""
    HostSays(centre)
    handheld.write(r.SHIFT_OPENED)
    handheld.write(r.HEALTH_EVENT, health="n")
    centre.hello(handheld)
    centre.send(handheld, 1, 1)
    _asked(centre, 10, MOST)
    last = 20 + MOST
    with centre.engine.begin() as connection:
        gap = {
            "device": "TSD-000001",
            "epoch": 1,
            "first": 2,
            "last": last,
            "hash": b"",
            "count": 0,
            "amount": 0,
            "at": 1,
        }
        connection.execute(insert(t.gaps).values(**gap))
        connection.execute(t.heads.update().values(seq=last))
    assert centre.refused(authorise(handheld, last + 1)) == codes.OPEN_QUESTIONS


def test_old_gaps_and_many_payments_keep_no_terminal_from_asking(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre)
    centre.hello(handheld)
    _asked(centre, 10, 3 * MOST)
    nothing = dict.fromkeys(("outcome_seq", "scheme", "last4", "result_seq", "script_results"))
    said = {
        "device": "TSD-000001",
        "epoch": 1,
        "outcome": r.OUTCOME_DECLINED,
        "case_no": 1,
        "amount": 1,
        "utc": 1,
        "unit": "",
    }
    said |= {"force": 1, "wilaya": 16, "held": 0, **nothing}
    with centre.engine.begin() as connection:
        gap = {"device": "TSD-000001", "epoch": 1, "first": 2, "last": 3, "hash": b"", "count": 0, "amount": 0, "at": 1}
        connection.execute(insert(t.gaps).values(**gap))
        rows = [{**said, "intent": 10 + at} for at in range(MOST, 3 * MOST)]
        connection.execute(insert(t.payments), rows)
    assert ask(centre, handheld, 10**6)[s.STATE] == s.ASKED_ANSWERED


def test_a_restored_centre_is_asked_as_before(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre)
    centre.hello(handheld)
    _asked(centre, 10**6, MOST - 3)
    back = _backup(centre)
    for _ in range(2):
        intent = begin(handheld)
        ask(centre, handheld, intent)
        take(handheld, intent, r.OUTCOME_APPROVED)
        centre.hello(handheld)
        centre.send(handheld, intent - 1)
    back()
    centre.hello(handheld)
    intent = begin(handheld)
    assert ask(centre, handheld, intent)[s.STATE] == s.ASKED_ANSWERED


@pytest.mark.parametrize("refusals", [3])
def test_a_refusal_of_this_kind_is_no_line_of_the_log_each(centre: Centre, handheld: Handheld, refusals: int) -> None:
    centre.hello(handheld)
    _asked(centre, 10, MOST)
    before = centre.count("audit")
    for intent in range(1, refusals + 1):
        assert centre.refused(authorise(handheld, 10**6 + intent)) == codes.OPEN_QUESTIONS
    assert centre.count("audit") == before + 1
