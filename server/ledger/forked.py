"""Which payments count for nothing in the recomputed books because a terminal was copied: from the raw records, those kept beside the chain, the
questions put to issuers, and what two officers have signed. Shares no code with what holds payments as records come.

What is kept in memory are the sequences with several records, which are few and bounded for each device; a question is looked up by who asks.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, or_, select

from protocol import records as r
from protocol import sync as s
from server.acquirer import iso
from server.ledger.reading import VERDICT, Records
from server.store import tables as t

_FORK, _VERDICT, _ASKED = t.forks.c, t.verdicts.c, t.authorisations.c
_PLACE = (_FORK.device, _FORK.epoch, _FORK.seq)
_FORKED = select(*_PLACE, func.count()).group_by(*_PLACE)
_VERDICTS = (
    select(_VERDICT.approval, *(_VERDICT[name] for name in VERDICT))
    .where(_VERDICT.state == t.DECISION_APPROVED)
    .order_by(_VERDICT.device, _VERDICT.epoch, _VERDICT.intent, _VERDICT.number)
)
"""Statements made once: making one costs more than running it."""
JUDGED = and_(_ASKED.state != s.ASKED_NOT, or_(_ASKED.response.is_(None), _ASKED.response.not_in(iso.UNJUDGED)))
"""Condition: a question that an issuer was asked, and may have judged."""


class Question(NamedTuple):
    """What was put to an issuer, and what it said."""

    digest: bytes
    response: str | None


class Forks:
    """The sequences of which there is more than one record, and what two officers have signed about those that are outcomes."""

    def __init__(self, connection: Connection, records: Records) -> None:
        found = connection.execute(_FORKED)
        self._others: dict[Any, int] = {(row[0], row[1], row[2]): row[3] for row in found}
        self._known: dict[Any, int] = {}
        for row in connection.execute(_VERDICTS) if self._others else ():
            said = records.approval(row, VERDICT)
            if said is not None:
                device, epoch, intent, _, _, seq, branches, stands = said
                self._known[device, epoch, intent, seq] = branches if stands else 0

    def hold(self, outcome: dict[int, Any], epoch: int, question: Question | None) -> bool:
        """Whether an outcome, of a payment of `epoch`, counts for nothing: it is one of several records, unless it is signed that it stands, knowing
        of all of them; or another terminal has put a payment of its name to an issuer, which is `question`.
        """
        many = self._others.get((outcome[r.DEVICE], outcome[r.EPOCH], outcome[r.SEQ]))
        signed = self._known.get((outcome[r.DEVICE], epoch, outcome[r.INTENT], outcome[r.SEQ]))
        return many is not None and signed != many or _another_asked(outcome, question)


def _another_asked(outcome: dict[int, Any], question: Question | None) -> bool:
    if question is None or r.ONLINE in outcome:
        return False
    if outcome[r.OUTCOME] == r.OUTCOME_PROVISIONAL:  # what was deferred is what was asked about
        return outcome.get(r.SEALED) != question.digest
    return question.response != "91"
