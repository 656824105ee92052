"""Whose card is charged: the oracle holds the host's captures against what each card's own driver was shown."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast
from unittest import mock

import pytest

from protocol import records as r
from sim.acquirer.book import Book, Capture, Entry, card_digest
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan, draw
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.oracle.cards import Cards
from sim.worlds.simulation.run import play
from sim.worlds.simulation.verdicts.copying import COPIED, ONLINE, Copying

PAYMENT, AMOUNT = ("TSD-000001", 1, 7), 300_000
TAKEN, DEFERRED, DECLINED = r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED


def terminal(label: str, card: str) -> Any:
    """A terminal or a copy of it whose payment 7 goes on, with this card in its reader."""
    journal = SimpleNamespace(epoch=1, view=SimpleNamespace(case=SimpleNamespace(intent=7)))
    return SimpleNamespace(label=label, index=0, presented=card, terminal=SimpleNamespace(journal=journal))


def shown(cards: Cards, label: str, card: str, outcome: int) -> Any:
    """A person sees how payment 7 ended with his card."""
    device = terminal(label, card)
    cards.shown(device)
    cards.told(device, {r.SEQ: 8, r.EPOCH: 1, r.INTENT: 7, r.OUTCOME: outcome, r.AMOUNT: AMOUNT})
    return device


def charged(cards: Cards, card: str, *amounts: int) -> list[str]:
    """What is wrong where the host captures so much of a card."""
    digest = card_digest(factory().pan(card))
    captures = [Capture("REF", PAYMENT, amount, "", digest) for amount in amounts]
    return list(cards.problems(cast("Book", SimpleNamespace(captures=lambda: captures))))


@pytest.mark.parametrize("outcome", [DECLINED, r.OUTCOME_INTERRUPTED])
def test_a_card_that_is_charged_though_its_driver_was_shown_that_nothing_is_taken_is_named(outcome: int) -> None:
    """The other one's, who was shown *deferred* under the same identity, is no excuse."""
    cards = Cards()
    shown(cards, "terminal 1", "asks-1", outcome)
    shown(cards, "terminal 1's twin", "asks-2", DEFERRED)
    (said,) = charged(cards, "asks-1", AMOUNT)
    assert "card asks-1 is charged 300000 centimes" in said and "by terminal 1" in said
    assert factory().pan("asks-1") not in said
    assert charged(cards, "asks-2", AMOUNT) == []


@pytest.mark.parametrize("outcome", [TAKEN, DEFERRED])
def test_no_card_is_charged_for_more_than_its_driver_was_shown(outcome: int) -> None:
    cards = Cards()
    shown(cards, "terminal 1", "asks-1", outcome)
    assert charged(cards, "asks-1", AMOUNT) == [] and charged(cards, "asks-1", AMOUNT // 2) == []
    assert charged(cards, "asks-1", AMOUNT + 1) and charged(cards, "asks-1", AMOUNT, AMOUNT)
    shown(cards, "terminal 1's twin", "asks-1", outcome)  # the same person paid at both
    assert charged(cards, "asks-1", AMOUNT, AMOUNT) == []


def test_a_card_that_nobody_held_out_is_named() -> None:
    cards = Cards()
    shown(cards, "terminal 1", "asks-1", TAKEN)
    (said,) = charged(cards, "approves-1", AMOUNT)
    assert said.endswith("its driver was shown nothing")


def test_what_a_copy_shows_of_a_payment_that_was_begun_before_is_no_word_to_its_driver() -> None:
    cards = Cards()
    shown(cards, "terminal 1's twin", "", TAKEN)
    shown(cards, "terminal 1", "asks-1", DECLINED)
    assert charged(cards, "asks-1", AMOUNT)


@pytest.mark.parametrize("where", ["terminal 1", "terminal 1's twin"])
def test_a_payment_that_was_voided_before_its_drivers_eyes_is_charged_no_more(where: str) -> None:
    """By the terminal that took it, or by its copy."""
    cards = Cards()
    shown(cards, "terminal 1", "asks-1", TAKEN)
    cards.voided(terminal(where, "asks-1"), 7)
    (said,) = charged(cards, "asks-1", AMOUNT)
    assert "voided" in said


def test_a_simulation_ends_with_that_look_at_the_hosts_book() -> None:
    real = Book.captures

    def another(book: Book) -> list[Capture]:
        return [replace(one, card=card_digest(factory().pan("asks-2"))) for one in real(book)]

    plan = Plan(0, [[Task("fine", "amina", "asks-1"), Task("sync"), Task("close")]], [])
    assert play(plan).broken == []
    with mock.patch.object(Book, "captures", another):
        (said,) = play(plan).broken
    assert "card asks-2 is charged" in said


@pytest.mark.parametrize(
    ("authorised", "captured", "back", "wrong"),
    [("00", "00", False, True), ("00", "00", True, False), ("05", "00", False, False), ("00", "63", False, False)],
)
def test_a_card_that_is_captured_by_the_approval_of_another_one_is_named(
    authorised: str, captured: str, back: bool, wrong: bool
) -> None:
    """Both drivers may have been shown *approved*, and one of the two would not have to pay."""
    asked, pays = (card_digest(factory().pan(name)) for name in ("asks-1", "approves-1"))
    entry = Entry(PAYMENT, AMOUNT, AMOUNT, authorised, asked, captured=captured, captured_for=pays, reversed=back)
    said = list(Cards.mixed(cast("Book", SimpleNamespace(entries={"REF": entry}))))
    assert [("asks-1" in one, "approves-1" in one) for one in said] == [(True, True)] * wrong
    same = replace(entry, captured_for=asked)
    assert list(Cards.mixed(cast("Book", SimpleNamespace(entries={"REF": same})))) == []


def test_a_simulation_ends_with_a_look_at_whose_approval_each_capture_rests_on() -> None:
    real = Book._clear

    def clear(book: Book, demand: Any, entry: Any) -> str:
        code = real(book, demand, entry)
        if entry is not None and entry.captured == "00":
            entry.captured_for = card_digest(factory().pan("asks-2"))
        return code

    plan = Plan(0, [[Task("fine", "amina", "asks-1"), Task("sync"), Task("close")]], [])
    with mock.patch.object(Book, "_clear", clear):
        assert any("approved it, and card asks-2 is captured for it" in said for said in play(plan).broken)


def test_three_of_ten_seeds_with_copies_that_work_have_one_of_them_ask_online() -> None:
    plans = [draw(seed) for seed in range(4000)]
    kinds = [{fault.kind for fault in plan.faults} for plan in plans]
    assert all(COPIED in found for found in kinds if ONLINE in found)
    assert 0.2 < sum(ONLINE in found for found in kinds) / sum(COPIED in found for found in kinds) < 0.5


def beside(how: int) -> Plan:
    """A terminal is copied, and one of the two keeps its network, or both do."""
    work, online = Fault(COPIED, 0, 1, how), Fault(ONLINE, 0, 1, how)
    faults = [Fault("twin", 0, 1), work, online, Fault("fork-decided", -1, 300, 1)]
    return Plan(0, [Copying(work, online).tasks], faults)


def test_the_answer_to_either_of_the_two_is_lost_while_its_card_waits() -> None:
    stories = [play(beside(how), hasty=True).story for how in range(1, 9)]
    lost = [line for story in stories for line in story if "the issuer's answer is lost" in line]
    assert {"twin" in line for line in lost} == {True, False}, lost


@pytest.mark.parametrize("how", [309, 321])
def test_no_card_pays_for_the_other_ones_deferred_payment(how: int) -> None:
    """Its issuer approves it, the answer is lost and its driver is shown *declined*; the other terminal speaks first, and what it had deferred under
    the same identity, with another card, goes out as a repeat.
    """
    outcome = play(beside(how))
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])


@pytest.mark.parametrize("how", [2, 17])
def test_an_approval_is_given_back_where_the_other_one_has_taken_another_amount_offline(how: int) -> None:
    """What its issuer approved, and its terminal declined, is neither captured nor that terminal's to reverse: the other outcome is on file."""
    outcome = play(beside(how))
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
