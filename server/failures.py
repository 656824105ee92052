"""What the acquirer answered with a refusal that is no verdict, and a person must look at: listed, asked again, or given up.

    again      the request goes out once more, as a repeat, since what was wrong (a key, a format, a merchant) has been mended
    give_up    a deferred authorisation that no issuer will judge: declined, told to the terminal, its sealed card data erased. Whatever an
               earlier try may have left at the issuer is reversed

A clearing that stays refused is given up by a refund (`server.refunds`): its money was promised to the Treasury, so two officers sign.
Synchronous functions on a connection.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, exists, select, update

from protocol import records as r
from protocol.errors import ParameterError
from server.acquirer import outbox
from server.acquirer.iso import reference
from server.ingest import forks, results
from server.ledger.posting import Identity
from server.store import audit, devices
from server.store import tables as t

STEPS = {t.STEP_AUTHORISE: "authorisation", t.STEP_CLEAR: "clearing", t.STEP_REVERSE: "reversal"}


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Every request that failed, oldest answer first: whose, what, centimes, what the host answered and when (UTC seconds). Not a clearing in the
    place of which the payment is given back.
    """
    c, back = t.outbox.c, t.outbox.alias("back").c
    same = and_(back.device == c.device, back.epoch == c.epoch, back.intent == c.intent, back.step == t.STEP_REVERSE)
    given_back = and_(c.step == t.STEP_CLEAR, exists().where(same))
    chosen = select(t.outbox).where(c.state == t.STATE_FAILED, ~given_back)
    found = connection.execute(chosen.order_by(c.answered, c.device, c.intent))
    return [
        {
            "device": row.device, "epoch": row.epoch, "intent": row.intent, "step": STEPS[row.step], "amount": row.amount,
            "response": row.response, "answered": row.answered,
        }
        for row in found
    ]  # fmt: skip


def again(connection: Connection, identity: Identity, now: int) -> list[str]:
    """Have what failed of a payment sent again; the names of the steps. ParameterError PRM-036 if nothing can be.

    A clearing of what is part of a fork, or was to be reversed, is not sent again.
    """
    failed = _failed(connection, identity)
    over = outbox.reversal_asked(connection, identity) or forks.held(connection, identity)
    steps = [row.step for row in failed if row.step == t.STEP_REVERSE or not over]
    if not steps:
        raise ParameterError(
            "the payment is reversed or part of a fork", "PRM-036", "decide the fork first", identity[2]
        )
    for step in steps:
        values = {
            "state": t.STATE_DOUBTFUL,
            "next_at": now,
            "created": now,
            "tries": t.outbox.c.tries + 1,
            "response": None,
        }
        connection.execute(update(t.outbox).where(_row(identity), t.outbox.c.step == step).values(**values))
    names = [STEPS[step] for step in steps]
    _note(connection, identity, f"{', '.join(names)} asked again", now)
    return names


def give_up(connection: Connection, identity: Identity, now: int) -> None:
    """Declare a deferred authorisation that failed declined. ParameterError PRM-036 if there is none."""
    failed = [row for row in _failed(connection, identity) if row.step == t.STEP_AUTHORISE]
    if not failed:
        raise ParameterError(
            "only a deferred authorisation can be given up", "PRM-036", "a clearing: tasdid server refund", identity[2]
        )
    row, c = failed[0], t.payments.c
    mine = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    payment = connection.execute(select(t.payments).where(mine)).one()
    results.record(connection, payment, r.OUTCOME_DECLINED, "", row.response or "", reference(identity), now)
    s = t.sealed.c
    connection.execute(delete(t.sealed).where(s.device == identity[0], s.epoch == identity[1], s.intent == identity[2]))
    connection.execute(update(t.outbox).where(_row(identity), t.outbox.c.step == row.step).values(state=t.STATE_DONE))
    outbox.reverse(connection, identity, row.amount, row.utc, now)
    _note(connection, identity, f"authorisation given up after the answer {row.response}: declined", now)


def _row(identity: Identity) -> Any:
    c = t.outbox.c
    return and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])


def _failed(connection: Connection, identity: Identity) -> list[Any]:
    devices.heads(connection, [identity[0]])
    found = select(t.outbox).where(_row(identity), t.outbox.c.state == t.STATE_FAILED).order_by(t.outbox.c.step)
    rows = list(connection.execute(found).all())
    if not rows:
        raise ParameterError(
            "nothing of this payment has failed", "PRM-036", "see: tasdid server failed list", identity[2]
        )
    return rows


def _note(connection: Connection, identity: Identity, what: str, now: int) -> None:
    audit.write(
        connection, identity[0], t.LEVEL_NOTE, "ACQUIRER", f"payment {identity[2]} of epoch {identity[1]}: {what}", now
    )
