"""Rulings on requests that failed: an officer signs, once, for one state; against the word of two officers a second one signs as well."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, update

from protocol import records as r
from protocol.errors import ConfigError
from server.acquirer import outbox, waiting
from server.office import branches, failures, refunds, rulings, signing
from server.office.proposals import LISTED
from server.office.rulings import AGAIN, CLEAR, GIVE_UP, REVERSED
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_held_back import asked, listed
from tests.server.acquirer.test_voids import PAID, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.office.test_branches_reversed import refund
from tests.server.office.test_office import WRONG
from tests.server.officers import FIRST, SECOND
from tests.server.verdicts import NAME, A, Desk, fork, pay

NOBODY = 2003


class Rulings(Desk):
    """The two officers, and how they rule on what failed."""

    def draw(self, intent: int, ruling: str, reason: str = "the acquirer was asked") -> dict[int, Any]:
        with self.centre.engine.begin() as connection:
            return rulings.draft(connection, (NAME, 1, intent), ruling, reason, self.centre.now)

    def carry(self, signed: bytes, second: bytes | None = None) -> str:
        with self.centre.engine.begin() as connection:
            return rulings.decide(connection, self.office, signed, self.centre.now, second)

    def sign(self, payload: dict[int, Any], number: int = FIRST, kind: str = rulings.RULING) -> bytes:
        return self.decide(number, kind, payload)

    def alone(self, intent: int, ruling: str) -> str:
        return self.carry(self.sign(self.draw(intent, ruling)))

    def two(self, intent: int, ruling: str) -> str:
        payload = self.draw(intent, ruling)
        return self.carry(self.sign(payload), self.sign(payload, SECOND))

    def needs_two(self, intent: int, ruling: str) -> bool:
        """Whether one officer alone is refused, and nothing is changed then."""
        before = _everything(self.centre)
        payload = self.draw(intent, ruling)
        assert _everything(self.centre) == before
        with self.centre.engine.begin() as connection:
            needs = rulings.needs_second(connection, payload)
        if needs:
            assert self.refused(self.carry, self.sign(payload)) == "PRM-033" and _everything(self.centre) == before
        return needs


def _everything(centre: Centre) -> dict[str, Any]:
    """All that the database holds."""
    with reading(centre.engine) as connection:
        return {name: sorted(map(repr, connection.execute(select(one)))) for name, one in t.metadata.tables.items()}


def _kept(centre: Centre) -> list[Any]:
    with reading(centre.engine) as connection:
        return list(connection.execute(select(t.rulings).order_by(t.rulings.c.number)).all())


def _log(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        c = t.audit.c
        return list(connection.execute(select(c.what).where(c.code == "FAILED").order_by(c.number)).scalars())


@pytest.fixture
def desk(either: Centre) -> Rulings:
    return Rulings(either)


def _refused(centre: Centre, handheld: Handheld, outcome: int = r.OUTCOME_PROVISIONAL) -> int:
    """A payment whose request the acquirer has refused to judge."""
    intent = pay(centre, handheld, outcome)
    assert len(asked(centre, "30")) == 1 and len(listed(centre)) == 1
    return intent


def _refunded(centre: Centre, handheld: Handheld, desk: Desk, clearing: str = "63") -> int:
    """A payment that two officers have given back, and whose reversal the acquirer has refused."""
    intent = pay(centre, handheld)
    assert asked(centre, clearing) == [t.STEP_CLEAR]
    refund(desk, intent)
    assert asked(centre, "30") == [t.STEP_REVERSE]
    centre.now += outbox.HOLDS
    return intent


def test_what_was_ruled_is_listed_newest_first_with_who_and_why(
    either: Centre, handheld: Handheld, desk: Rulings
) -> None:
    with reading(either.engine) as connection:
        assert rulings.listed(connection) == []
    first, second = (_refused(either, handheld), _refunded(either, handheld, desk))
    desk.carry(desk.sign(desk.draw(first, GIVE_UP, "no issuer has heard of it")))
    begun, either.now = either.now, either.now + 10
    desk.two(second, CLEAR)
    with reading(either.engine) as connection:
        found = rulings.listed(connection)
    whose = {"device": NAME, "epoch": 1, "number": 1, "amount": A}
    assert found == [
        {**whose, "intent": second, "ruling": CLEAR, "step": "clearing", "reason": "the acquirer was asked", "at": either.now,
         "ruled_by": FIRST, "second_by": SECOND},
        {**whose, "intent": first, "ruling": GIVE_UP, "step": "authorisation", "reason": "no issuer has heard of it", "at": begun,
         "ruled_by": FIRST, "second_by": None},
    ]  # fmt: skip
    assert either.ledger()["rulings"] == found


def test_of_many_rulings_the_last_are_listed(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refused(either, handheld)
    desk.alone(intent, AGAIN)
    with either.engine.begin() as connection:
        (row,) = connection.execute(select(t.rulings)).mappings()
        more = [{**row, "number": number, "at": row["at"] + number} for number in range(2, LISTED + 2)]
        connection.execute(t.rulings.insert(), more)
        assert [one["number"] for one in rulings.listed(connection)] == list(range(LISTED + 1, 1, -1))


def test_an_officer_has_it_asked_again_and_the_log_and_the_signature_say_who_and_why(
    either: Centre, handheld: Handheld, desk: Rulings
) -> None:
    intent = _refused(either, handheld)
    payload = desk.draw(intent, AGAIN, "the key is mended")
    signed = desk.sign(payload)
    assert desk.carry(signed) == "authorisation"
    assert _log(either) == [f"payment {intent} of epoch 1: again (authorisation) by officer {FIRST}: the key is mended"]
    (row,) = _kept(either)
    assert (row.ruled_by, row.second_by, row.reason, row.at) == (FIRST, None, "the key is mended", either.now)
    assert desk.office.verify(bytes(row.signature), rulings.RULING) == (FIRST, payload)
    assert asked(either, "00") == [t.STEP_AUTHORISE]


@pytest.mark.parametrize("ruling", [AGAIN, GIVE_UP])
def test_what_is_signed_wrongly_changes_nothing(either: Centre, handheld: Handheld, desk: Rulings, ruling: str) -> None:
    intent = _refused(either, handheld)
    payload, before = desk.draw(intent, ruling), _everything(either)
    key = {name: number for number, name in enumerate(rulings._NAMES, 1)}
    theirs = signing.private_key(desk.folder / f"{SECOND}.pem")
    wrong = [
        signing.decide(theirs, FIRST, rulings.RULING, payload),  # another's key
        signing.decide(theirs, NOBODY, rulings.RULING, payload),
        desk.sign(payload, kind=refunds.PROPOSAL),
        desk.sign({number: value for number, value in payload.items() if number != key["state"]}),
        desk.sign({**payload, key["ruling"]: "forget it"}),
        desk.sign({**payload, key["at"]: str(either.now)}),
        b"",
    ]
    assert [desk.refused(desk.carry, each) for each in wrong] == ["PRM-030"] * len(wrong)
    for name, value in (("number", 2), ("step", "reversal"), ("state", bytes(32)), ("at", either.now + 1)):
        assert desk.refused(desk.carry, desk.sign({**payload, key[name]: value})) == "PRM-032"
    assert desk.refused(desk.carry, desk.sign({**payload, key["intent"]: intent + 1})) == "PRM-036"
    assert desk.refused(desk.carry, desk.sign({**payload, key["reason"]: " "})) == "PRM-040"
    assert _everything(either) == before
    assert desk.carry(desk.sign(payload)) == "authorisation"


def test_a_signature_holds_for_its_own_payment_only(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intents = [handheld.pay(r.OUTCOME_PROVISIONAL, A, b"sealed") for _ in range(2)]
    either.hello(handheld)
    either.send(handheld)
    assert len(asked(either, "30", "30")) == 2
    first, second = (desk.draw(intent, AGAIN) for intent in intents)
    of = rulings._NAMES.index("intent") + 1
    assert first[of] != second[of] and desk.carry(desk.sign(first)) == "authorisation"
    assert desk.refused(desk.carry, desk.sign({**first, of: second[of]})) == "PRM-032"


def test_a_signature_is_used_once_though_all_is_as_it_was(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refused(either, handheld)
    with reading(either.engine) as connection:
        was = [row._asdict() for row in connection.execute(select(t.outbox))]
    signed = desk.sign(desk.draw(intent, AGAIN))
    assert desk.carry(signed) == "authorisation"
    with either.engine.begin() as connection:
        connection.execute(update(t.outbox).values(**was[0]))
    assert desk.refused(desk.carry, signed) == "PRM-032"


def _fails_again(centre: Centre, _: Desk, intent: int) -> None:
    with centre.engine.begin() as connection:
        failures.again(connection, (NAME, 1, intent), centre.now)
    centre.now -= 4000  # which a claim takes
    asked(centre, "30")


def _is_proposed(centre: Centre, desk: Desk, intent: int) -> None:
    with centre.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "paid twice", centre.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), centre.now)


def _an_hour_passes(centre: Centre, _: Desk, __: int) -> None:
    centre.now += rulings.VALID_S + 1


def _the_clock_is_set_back(centre: Centre, _: Desk, __: int) -> None:
    centre.now -= 1


@pytest.mark.parametrize("happens", [_fails_again, _is_proposed, _an_hour_passes, _the_clock_is_set_back])
def test_what_was_signed_for_another_state_or_time_is_refused(
    either: Centre, handheld: Handheld, desk: Rulings, happens: Callable[[Centre, Desk, int], None]
) -> None:
    intent = _refused(either, handheld, r.OUTCOME_APPROVED)
    signed = desk.sign(desk.draw(intent, AGAIN))
    happens(either, desk, intent)
    before = _everything(either)
    assert desk.refused(desk.carry, signed) == "PRM-032" and _everything(either) == before
    assert desk.alone(intent, AGAIN) == "clearing"


def test_what_would_do_something_else_by_now_is_refused(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    """The reversal behind a clearing that is never answered has waited too long as well, meanwhile."""
    intent = paid(handheld)
    either.hello(handheld)
    either.send(handheld)
    either.claim()
    either.send(handheld, void(handheld, intent))
    with reading(either.engine) as connection:
        put_in = dict(connection.execute(select(t.outbox.c.step, t.outbox.c.created)).all())  # type: ignore[arg-type]
    either.now = put_in[t.STEP_REVERSE] + waiting.WAITS - 600
    signed = desk.sign(desk.draw(intent, GIVE_UP))
    either.now += 1200
    assert desk.refused(desk.carry, signed) == "PRM-032"
    assert desk.alone(intent, GIVE_UP) == failures.STOPPED


def test_what_two_have_given_back_is_cleared_after_all_by_two(
    either: Centre, handheld: Handheld, desk: Rulings
) -> None:
    intent = _refunded(either, handheld, desk)
    payload, before = desk.draw(intent, CLEAR), _everything(either)
    signed = desk.sign(payload)
    other = desk.sign(desk.draw(intent, GIVE_UP), SECOND)
    theirs = signing.private_key(desk.folder / f"{FIRST}.pem")
    forged = signing.decide(theirs, SECOND, rulings.RULING, payload)
    seconds = (
        (None, "PRM-033"),
        (signed, "PRM-033"),
        (desk.sign(payload), "PRM-033"),
        (other, "PRM-032"),
        (forged, "PRM-030"),
    )
    assert [desk.refused(desk.carry, signed, second) for second, _ in seconds] == [code for _, code in seconds]
    assert _everything(either) == before
    assert desk.carry(signed, desk.sign(payload, SECOND)) == "clearing" and asked(either, "00") == [t.STEP_CLEAR]
    (row,) = _kept(either)
    assert (row.ruled_by, row.second_by) == (FIRST, SECOND) and either.books() == PAID
    assert desk.office.verify(bytes(row.second_signature), rulings.RULING) == (SECOND, payload)
    assert f"by officers {FIRST} and {SECOND}: the acquirer was asked" in _log(either)[0]


def test_what_carries_a_refund_out_needs_one_officer(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refunded(either, handheld, desk, "00")
    assert desk.alone(intent, AGAIN) == "reversal" and asked(either, "30") == [t.STEP_REVERSE]
    assert desk.alone(intent, REVERSED) == "reversal" and either.books() == {}


def test_a_refunds_reversal_is_given_up_by_two_and_what_they_said_is_undone_by_two(
    either: Centre, handheld: Handheld, desk: Rulings
) -> None:
    intent = _refunded(either, handheld, desk)
    assert desk.needs_two(intent, GIVE_UP) and desk.two(intent, GIVE_UP) == "reversal"
    assert desk.needs_two(intent, REVERSED) and not desk.needs_two(intent, CLEAR)
    with either.engine.begin() as connection:
        at = connection.execute(select(t.refunds.c.approved_at)).scalar()
        connection.execute(
            update(t.rulings).values(at=at)
        )  # in the very second of the refund: nobody knows which was first
    assert desk.needs_two(intent, REVERSED) and desk.needs_two(intent, CLEAR)
    assert desk.two(intent, REVERSED) == "reversal" and either.books() == {}


def test_a_refunds_reversal_without_an_answer_is_sent_no_more_if_two_say_so(
    either: Centre, handheld: Handheld, desk: Rulings
) -> None:
    intent = pay(either, handheld)
    assert asked(either, "00") == [t.STEP_CLEAR]
    refund(desk, intent)
    assert [request.step for request in either.claim()] == [t.STEP_REVERSE]
    either.now += waiting.WAITS
    assert desk.needs_two(intent, GIVE_UP) and desk.two(intent, GIVE_UP) == failures.STOPPED
    assert not desk.needs_two(intent, AGAIN) and not desk.needs_two(intent, REVERSED)
    either.now += outbox.HOLDS
    assert desk.needs_two(intent, GIVE_UP)


def test_what_a_verdict_has_given_back_is_given_up_by_two(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = pay(either, handheld)
    assert asked(either, "00") == [t.STEP_CLEAR]
    fork(either, handheld, intent)
    desk.both(intent, False)
    assert asked(either, "30") == [t.STEP_REVERSE]
    either.now += outbox.HOLDS
    assert not desk.needs_two(intent, AGAIN) and not desk.needs_two(intent, REVERSED)
    assert desk.needs_two(intent, GIVE_UP) and desk.two(intent, GIVE_UP) == "reversal"
    with reading(either.engine) as connection:
        assert [row["intent"] for row in branches.held(connection)] == [intent]


def test_what_two_say_stands_is_reversed_by_two(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refunded(either, handheld, desk, "00")
    fork(either, handheld, intent)
    desk.both(intent, True)
    assert desk.needs_two(intent, REVERSED) and desk.needs_two(intent, AGAIN) and not desk.needs_two(intent, GIVE_UP)
    assert desk.two(intent, REVERSED) == "reversal"


def test_the_end_of_a_void_is_passed_on_by_one(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = paid(handheld)
    either.hello(handheld)
    either.send(handheld)
    assert asked(either, "00") == [t.STEP_CLEAR]
    either.send(handheld, void(handheld, intent))
    assert len(either.claim()) == 1
    assert asked(either, "30") == [t.STEP_REVERSE]
    either.now += outbox.HOLDS
    assert not any(desk.needs_two(intent, ruling) for ruling in (AGAIN, GIVE_UP, REVERSED))
    assert desk.alone(intent, GIVE_UP) == "reversal" and either.books() == PAID


def test_what_is_to_be_voided_is_cleared_after_all_by_two(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = paid(handheld)
    either.hello(handheld)
    either.send(handheld)
    assert asked(either, "63") == [t.STEP_CLEAR]
    either.send(handheld, void(handheld, intent))
    assert len(either.claim()) == 1
    assert asked(either, "30") == [t.STEP_REVERSE]
    either.now += outbox.HOLDS
    assert desk.needs_two(intent, CLEAR) and not desk.needs_two(intent, GIVE_UP)
    assert desk.two(intent, CLEAR) == "clearing"


def test_a_signature_of_before_a_restore_is_about_nothing(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refunded(either, handheld, desk)
    payload = desk.draw(intent, CLEAR)
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    assert desk.refused(desk.carry, desk.sign(payload), desk.sign(payload, SECOND)) in ("PRM-032", "PRM-036")


def test_what_may_not_be_is_refused_before_anybody_signs(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    intent = _refused(either, handheld)
    before = _everything(either)
    assert desk.refused(desk.draw, intent, REVERSED) == "PRM-036"
    assert [desk.refused(desk.draw, intent, AGAIN, reason) for reason in WRONG] == ["PRM-040"] * len(WRONG)
    assert _everything(either) == before


def test_without_a_list_of_officers_nobody_rules(either: Centre, handheld: Handheld, desk: Rulings) -> None:
    signed = desk.sign(desk.draw(_refused(either, handheld), AGAIN))
    with either.engine.begin() as connection, pytest.raises(ConfigError) as caught:
        rulings.decide(connection, signing.Office({}), signed, either.now)
    assert caught.value.code == "CFG-100" and _kept(either) == []
