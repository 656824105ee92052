"""What all decisions of the back office have in common: the reason that an officer gives, and numbers that no table holds."""

import copy
from typing import Any

import pytest

from protocol import records as r
from protocol.errors import ParameterError
from server.office import branches, decisions, epochs, refunds
from server.office.decisions import Finding, Item
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, Officers

NAME = "TSD-000001"
FORGED = "the file\nproposal 2: gap TSD-000001/1/9, 9,00 DA nothing: approved"
WRONG = ["", " ", FORGED, "a\tb", "\x1b[2K", "two\u202eeno", "\udcff", "\x00", "é" * 65]


def _office(centre: Centre, handheld: Handheld) -> tuple[Officers, int, int, int]:
    """Two officers, and what there is to decide: a paid payment, one of a fork, the first of some lost records."""
    paid = handheld.pay(r.OUTCOME_APPROVED, 200_000)
    forked = handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    other = copy.deepcopy(handheld)
    del other.records[forked:]
    other.write(r.LOGIN)
    centre.say(other.batch(forked + 1))
    lost = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    end = handheld.write(r.LOGIN)
    centre.say(handheld.batch(end, gap=lost))
    return Officers(centre.folder), paid, forked, lost


def _drafts(connection: Any, paid: int, forked: int, lost: int, reason: str, now: int) -> Any:
    """By module: what draws a proposal up for that reason."""
    item = Item(t.ITEM_GAP, NAME, 1, lost)
    return {
        refunds: lambda: refunds.draft(connection, (NAME, 1, paid), reason, now),
        branches: lambda: branches.draft(connection, (NAME, 1, forked), True, reason, now),
        decisions: lambda: decisions.draft(connection, item, Finding(untaken=200_000), reason, now),
        epochs: lambda: epochs.draft(connection, NAME, reason, now),
    }


@pytest.mark.parametrize("reason", WRONG)
def test_a_reason_is_one_line_that_the_list_can_show(centre: Centre, handheld: Handheld, reason: str) -> None:
    officers, *what = _office(centre, handheld)
    with centre.engine.begin() as connection:
        for draft in _drafts(connection, *what, reason, centre.now).values():
            with pytest.raises(ParameterError) as caught:
                draft()
            assert caught.value.code == "PRM-040"
        for module, draft in _drafts(connection, *what, "a reason", centre.now).items():
            payload = {**draft(), max(draft()): reason}
            try:
                signed = officers.decide(FIRST, module.PROPOSAL, payload)
            except UnicodeEncodeError:
                continue
            with pytest.raises(ParameterError) as caught:
                module.propose(connection, officers.office, signed, centre.now)
            assert caught.value.code == "PRM-040"


def test_a_reason_has_64_letters_of_any_script(centre: Centre, handheld: Handheld) -> None:
    officers, *what = _office(centre, handheld)
    with centre.engine.begin() as connection:
        for module, draft in _drafts(connection, *what, "دفع مرتين " * 6 + "قطعا", centre.now).items():
            signed = officers.decide(FIRST, module.PROPOSAL, draft())
            assert module.propose(connection, officers.office, signed, centre.now) == 1


@pytest.mark.parametrize("number", [2**63 + 5, -(2**63) - 1, 2**64 - 1])
def test_a_number_that_no_table_holds_is_no_decision(centre: Centre, handheld: Handheld, number: int) -> None:
    officers, *what = _office(centre, handheld)
    with centre.engine.begin() as connection:
        for module, draft in _drafts(connection, *what, "a reason", centre.now).items():
            payload = draft()
            for key in [key for key, value in payload.items() if isinstance(value, int)]:
                for kind, take in ((module.PROPOSAL, module.propose), (module.APPROVAL, module.approve)):
                    signed = officers.decide(FIRST, kind, {**payload, key: number})
                    with pytest.raises(ParameterError) as caught:
                        take(connection, officers.office, signed, centre.now)
                    assert caught.value.code in ("PRM-030", "PRM-032", "PRM-037"), key
