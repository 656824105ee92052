"""A terminal is blocked and unblocked by two officers: nothing is taken from it meanwhile, and nothing of before is lost or taken twice."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.office import blocks
from server.office.signing import VALID_S
from server.store import tables as t
from server.store.engine import reading
from tests.server.beginnings import BackOffice
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

DEVICE = "TSD-000001"


def _draft(centre: Centre, blocked: bool, device: str = DEVICE) -> dict[int, Any]:
    with centre.engine.begin() as connection:
        return blocks.draft(connection, device, blocked, "stolen in Blida", centre.now)


def _propose(centre: Centre, officers: Officers, payload: dict[int, Any], number: int = FIRST) -> int:
    with centre.engine.begin() as connection:
        return blocks.propose(
            connection, officers.office, officers.decide(number, blocks.PROPOSAL, payload), centre.now
        )


def _approve(centre: Centre, officers: Officers, payload: dict[int, Any], number: int = SECOND) -> None:
    with centre.engine.begin() as connection:
        blocks.approve(connection, officers.office, officers.decide(number, blocks.APPROVAL, payload), centre.now)


def both(centre: Centre, officers: Officers, blocked: bool) -> None:
    """Two officers decide."""
    payload = _draft(centre, blocked)
    _propose(centre, officers, payload)
    _approve(centre, officers, payload)


def _code(act: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ParameterError) as error:
        act(*arguments)
    return str(error.value.code)


def test_nothing_is_taken_from_a_blocked_terminal_and_all_of_it_once_when_it_is_unblocked(
    either: Centre, handheld: Handheld
) -> None:
    officers = Officers(either.folder)
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    either.hello(handheld)
    either.send(handheld)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)  # before the theft, and not sent yet
    late = handheld.batch(4)
    both(either, officers, True)
    assert either.refused(late) == "SRV-067"  # the session that was open is over too
    assert either.refused(handheld.hello()) == "SRV-067" and either.refused(handheld.batch(4)) == "SRV-067"
    assert either.refused(handheld.hello(trouble="JRN-030")) == "SRV-067"
    assert either.refused(handheld.close(1, 3, {})) == "SRV-067"
    assert (either.count("raw"), either.count("nonces")) == (3, 1)
    assert either.books()["treasury:16:1:BMP-16-01"] == -200_000
    (request,) = either.claim()  # what was on file goes on
    assert request.amount == 200_000 and either.answer(request, "00")
    both(either, officers, False)
    assert either.hello(handheld)[s.ACKED_SEQ] == 3
    for _ in range(2):
        assert s.REJECTED not in either.send(handheld, 4)
    assert either.books()["treasury:16:1:BMP-16-01"] == -500_000
    assert [request.amount for request in either.claim()] == [300_000]


def test_no_issuer_is_asked_for_a_blocked_terminal(centre: Centre, handheld: Handheld, greeted: None) -> None:
    handheld.notice()
    intent = handheld.write(r.PAYMENT_INTENT, case=1, amount=200_000)
    both(centre, Officers(centre.folder), True)
    payload = {
        s.NONCE: handheld.nonce, s.EPOCH: 1, s.DEVICE: DEVICE, s.INTENT: intent, s.AMOUNT: 200_000, s.UTC: handheld.utc,
        s.CARD_DATA: b"opaque",
    }  # fmt: skip
    assert centre.refused(handheld.message(s.TYPE_AUTHORISE, payload)) == "SRV-067"
    assert centre.count("authorisations") == 0


def test_no_command_goes_to_a_blocked_terminal(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    back = BackOffice(centre)
    back.both()
    both(centre, back, True)
    assert centre.refused(handheld.hello(trouble="JRN-030")) == "SRV-067"
    both(centre, back, False)
    kind, payload = centre.say(handheld.hello(trouble="JRN-030"))
    assert kind == s.TYPE_WELCOME and len(payload[s.COMMANDS]) == 1


def test_a_block_takes_two_officers_and_stands_in_audit_log_and_report(centre: Centre, handheld: Handheld) -> None:
    officers = Officers(centre.folder)
    payload = _draft(centre, True)
    assert _propose(centre, officers, payload) == 1
    assert _code(_approve, centre, officers, payload, FIRST) == "PRM-033"
    centre.hello(handheld)  # a proposal is no block
    assert _code(_approve, centre, officers, {**payload, 3: 0}) == "PRM-032"
    _approve(centre, officers, payload)
    assert _code(_approve, centre, officers, payload) == "PRM-032"
    assert _code(_draft, centre, True) == "PRM-042"
    ledger = centre.ledger()
    assert ledger["devices"][0]["blocked"] == centre.now
    (listed,) = ledger["blocks"]
    assert (listed["state"], listed["proposed_by"], listed["approved_by"]) == ("approved", FIRST, SECOND)
    with reading(centre.engine) as connection:
        said = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "BLOCK")).scalars().all()
    assert said == [
        f"terminal to be blocked, proposed by officer {FIRST}: stolen in Blida",
        f"terminal blocked by officer {SECOND}, proposed by {FIRST}",
    ]
    assert centre.refused(handheld.hello()) == "SRV-067" and centre.ledger()["alarms"][0]["code"] == "SRV-067"


def test_what_may_not_be_blocked_is_told_so(centre: Centre, handheld: Handheld) -> None:
    officers = Officers(centre.folder)
    assert _code(_draft, centre, True, "TSD-009999") == "PRM-031"
    assert _code(_draft, centre, False) == "PRM-042"
    payload = _draft(centre, True)
    assert _code(_propose, centre, officers, {**payload, 3: 2}) == "PRM-030"
    assert _code(_propose, centre, officers, {**payload, 4: centre.now + VALID_S + 1}) == "PRM-032"
    assert _code(_propose, centre, officers, {**payload, 1: "TSD-009999"}) == "PRM-031"
    _propose(centre, officers, payload)
    second = _draft(centre, True)
    assert _propose(centre, officers, second) == 2  # the first is withdrawn
    assert _code(_approve, centre, officers, payload) == "PRM-032"
    centre.now += VALID_S + 1
    assert _code(_approve, centre, officers, second) == "PRM-032"
    centre.hello(handheld)
