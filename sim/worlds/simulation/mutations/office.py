"""Broken builds of what two officers of the back office decide about suspense and forks."""

from types import SimpleNamespace
from typing import Any
from unittest import mock

from sqlalchemy import update

from protocol import records as r
from server.acquirer import clearings, outbox
from server.ingest import results
from server.ingest.lost import suspense
from server.ledger import report
from server.office import branches, decisions, failures, refunds
from server.store import restore
from server.store import tables as t
from sim.worlds.simulation.mutations.base import Mutation, both


def _decision_unposted() -> Any:
    return mock.patch.object(suspense, "decide", lambda *_arguments: None)


def _own_approval() -> Any:
    """Whoever has proposed may approve."""

    plain = decisions.other

    def other(officer: int, payload: dict[int, Any], proposal: bytes, _proposed_by: int) -> None:
        plain(officer, payload, proposal, -1)

    return both(mock.patch.object(decisions, "other", other), mock.patch.object(branches, "other", other))


def _undo_unposted() -> Any:
    plain = suspense.decide

    def decide(connection: Any, decision: Any, now: int) -> None:
        if not decision.undoes:
            plain(connection, decision, now)

    return mock.patch.object(suspense, "decide", decide)


def _overtaken_stands() -> Any:
    return mock.patch.object(decisions, "_withdraw", lambda *_arguments: None)


def _verdict_unsent() -> Any:
    return mock.patch.object(branches, "_go_on", lambda *_arguments: None)


def _back_unreversed() -> Any:
    def give_back(connection: Any, payment: Any, _now: int) -> None:
        mine = branches._of(t.payments, (payment.device, payment.epoch, payment.intent))
        connection.execute(update(t.payments).where(mine).values(held=t.HELD_BACK))

    return mock.patch.object(branches, "_give_back", give_back)


def _back_unjudged() -> Any:
    """As if the issuer had judged it."""
    judged, plain = SimpleNamespace(outcome=r.OUTCOME_APPROVED), branches._give_back
    found = SimpleNamespace(find=lambda connection, identity: results.find(connection, identity) or judged)

    def give_back(connection: Any, payment: Any, now: int) -> None:
        with mock.patch.object(branches, "results", found):
            plain(connection, payment, now)

    return mock.patch.object(branches, "_give_back", give_back)


def _stood_as_new() -> Any:
    plain = branches._go_on
    never = SimpleNamespace(doubtful=lambda *_arguments: False, restored=restore.restored)

    def go_on(connection: Any, payment: Any, now: int) -> None:
        with both(mock.patch.object(branches, "restore", never), mock.patch.object(clearings, "restore", never)):
            plain(connection, payment, now)

    return mock.patch.object(branches, "_go_on", go_on)


def _refund_one_officer() -> Any:
    return mock.patch.object(refunds, "other", lambda *_arguments: None)


def _owed_not_declined() -> Any:
    return mock.patch.object(report, "OWED", ("unpaid",))


def _giveup_no_reverse() -> Any:
    plain = failures.give_up

    def give_up(*arguments: Any, **named: Any) -> Any:
        with mock.patch.object(outbox, "reverse", lambda *_arguments: None):
            return plain(*arguments, **named)

    return mock.patch.object(failures, "give_up", give_up)


OFFICE = (
    Mutation("giveup-no-reverse", "a question that a person gives up is not reversed", _giveup_no_reverse),
    Mutation("refund-one-officer", "one officer alone gives a payment back", _refund_one_officer),
    Mutation("owed-not-declined", "of a declined case the report says that nothing is owed", _owed_not_declined),
    Mutation("decision-unposted", "what two officers approve about suspense is not posted", _decision_unposted),
    Mutation("own-approval", "whoever proposed a decision approves it", _own_approval),
    Mutation("undo-unposted", "a decision that is undone stays posted", _undo_unposted),
    Mutation("overtaken-stands", "a proposal that was overtaken can be approved", _overtaken_stands),
    Mutation("verdict-unsent", "what was held of a payment that stands is never sent", _verdict_unsent),
    Mutation("back-unreversed", "what a fork held and is given back is not reversed", _back_unreversed),
    Mutation("back-unjudged", "a deferred payment that a fork held and is given back is not declined", _back_unjudged),
    Mutation("stood-as-new", "after a restore what was held of a payment that stands is sent as new", _stood_as_new),
)
