"""What failed, and which of it goes out again without a further decision: said once, for a person who asks again (`server.office.failures`),
for sealed data that come again, and after a restore (`server.store.restore`).

    authorisation   not of what is part of a fork, or was to be reversed
    clearing        not of what is part of a fork, or is to be given back. If the reversal has failed and the payment stands, it goes
    reversal        not if the void that it was for has ended refused: the driver was told that the payment stands, and has his licence back.
                    `TOLD` says so of one that was refused at once: another void of the payment may be, and says nothing of its reversal.
                    To give it back all the same is a refund, or a verdict about a fork, which two officers sign; from then on its reversal
                    goes out again

Conditions in SQL on a row of `outbox`, each made once: making one costs more than asking it.
"""

from functools import cache
from typing import Any

from sqlalchemy import and_, exists, or_

from protocol import records as r
from server import codes
from server.store import tables as t

GIVEN_UP = "--"  # in the place of the host's answer: a person has decided
TOLD = "=="  # there: it may have gone out, but its terminal has told after a restore that its void was refused at once
NO_ANSWER = ".."  # in the place of a clearing's: a person has it sent no more, it may be carried out, or may be yet
AT_ONCE = (codes.VOID_UNEXPECTED, codes.VOID_ANOTHER_CARD, codes.VOID_ONE_OFFICER, codes.AMOUNT_DIFFERS)
"""Why a void that may not be ends refused at once: nobody was asked."""


def same(one: Any, other: Any) -> Any:
    """Whether the columns of two tables speak of one payment."""
    return and_(one.device == other.device, one.epoch == other.epoch, one.intent == other.intent)


def refunded(row: Any) -> Any:
    """Whether two officers of the back office have the payment of `row` (columns) given back: by a refund, or by a verdict about a fork."""
    c, p = (
        t.refunds.c,
        t.payments.alias("held_back").c,
    )  # of a name of its own: what this is a part of may join payments
    refund = exists().where(same(c, row), c.state == t.REFUND_APPROVED)
    return or_(refund, exists().where(same(p, row), p.held == t.HELD_BACK))


@cache
def forked() -> Any:
    """Whether the payment is part of a fork."""
    c = t.payments.c
    return exists().where(same(c, t.outbox.c), c.held != 0)


@cache
def stands() -> Any:
    """Whether the payment was to be voided, the void has ended refused, and nobody has decided otherwise since."""
    c, back = t.voids.c, t.outbox.alias("told").c
    refused = exists().where(same(c, t.outbox.c), c.state == r.VOID_REFUSED, c.reason.not_in(AT_ONCE))
    failed = (back.step == t.STEP_REVERSE, back.state == t.STATE_FAILED)
    told = exists().where(same(back, t.outbox.c), *failed, back.response == TOLD)
    return and_(or_(refused, told), ~refunded(t.outbox.c))


@cache
def to_be_reversed(failed: bool = True) -> Any:
    """Whether a reversal of the payment was asked for; not one that `failed`, if False."""
    back = t.outbox.alias("back").c
    asked = and_(same(back, t.outbox.c), back.step == t.STEP_REVERSE)
    return exists().where(asked if failed else and_(asked, back.state != t.STATE_FAILED))


@cache
def goes_again() -> Any:
    """Whether a row has failed, and goes out again when it is asked to."""
    authorisation = and_(t.outbox.c.step == t.STEP_AUTHORISE, ~forked(), ~to_be_reversed())
    clearing = and_(clearable(), or_(~to_be_reversed(), stands()))
    return and_(t.outbox.c.state == t.STATE_FAILED, or_(authorisation, clearing, undecided()))


@cache
def undecided() -> Any:
    """Whether a row is a reversal that has failed, and of which nobody has said yet that the payment stands."""
    mine, given_up = and_(t.outbox.c.step == t.STEP_REVERSE, t.outbox.c.state == t.STATE_FAILED), t.outbox.c.response
    return and_(mine, ~stands(), or_(given_up.is_(None), given_up != GIVEN_UP))


@cache
def under_way() -> Any:
    """Whether a row is a reversal that is asked for, or done, or may be: it has failed, the acquirer's refusal of a repeat, or its silence, proves
    nothing, and nobody has said that the payment stands.
    """
    o, h = t.outbox.c, t.heads.c
    doubted = exists().where(h.device == o.device, h.doubtful_seq >= o.intent)  # what goes out then is a repeat
    unknown = and_(undecided(), or_(o.response.is_(None), o.tries > 1, doubted))
    return and_(o.step == t.STEP_REVERSE, or_(o.state != t.STATE_FAILED, unknown))


@cache
def stopped() -> Any:
    """Whether a row is a clearing that a person sends no more, since the acquirer has given no final answer."""
    o = t.outbox.c
    return and_(o.step == t.STEP_CLEAR, o.state == t.STATE_FAILED, o.response == NO_ANSWER)


@cache
def clearable() -> Any:
    """Whether a row is a clearing that has failed, and may be sent once more if a person decides so: no reversal is under way, or done."""
    mine = and_(t.outbox.c.step == t.STEP_CLEAR, t.outbox.c.state == t.STATE_FAILED)
    return and_(mine, ~forked(), ~to_be_reversed(failed=False))
