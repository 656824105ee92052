"""The ledger computed anew, from the raw records and the acquirer's answers alone.

Shares no code with the posting of batches: it reads the records as they were signed, pairs outcomes with intents
itself, and adds up. `differences` compares with what was posted; an empty list is the only good answer. Rejected
records and forked payments count for nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from protocol import cbor
from protocol import records as r
from server.store import tables as t

Identity = tuple[str, int, int]


@dataclass
class Books:
    """Balances by account (centimes, debit positive) and totals by outcome {outcome: [count, centimes]}."""

    balances: dict[str, int] = field(default_factory=dict)
    totals: dict[int, list[int]] = field(default_factory=dict)

    def enter(self, account: str, amount: int) -> None:
        """Add to an account; accounts that come back to zero disappear."""
        value = self.balances.get(account, 0) + amount
        if value:
            self.balances[account] = value
        else:
            self.balances.pop(account, None)

    def count(self, outcome: int, amount: int) -> None:
        """Add to the totals of an outcome."""
        entry = self.totals.setdefault(outcome, [0, 0])
        entry[0] += 1
        entry[1] += amount


def _records(connection: Connection, kind: int) -> Iterator[dict[int, Any]]:
    c = t.raw.c
    found = connection.execute(
        select(c.record).where(c.kind == kind, c.rejected.is_(None)).order_by(c.device, c.epoch, c.seq)
    )
    for row in found:
        yield cbor.decode(bytes(row.record))


def _identities(connection: Connection, table: Any, *extra: Any) -> dict[Identity, Any]:
    found = connection.execute(select(table).where(*extra))
    return {(row.device, row.epoch, row.intent): row for row in found}


def _paid(outcome: int, final: Any) -> bool:
    """Whether the money is there: approved by the card, or by the issuer later."""
    return outcome == r.OUTCOME_APPROVED or (final is not None and final.outcome == r.OUTCOME_APPROVED)


def recompute(connection: Connection) -> Books:
    """The books as they must be."""
    books = Books()
    places = {row.device: row for row in connection.execute(select(t.devices))}
    intents = {(rec[r.DEVICE], rec[r.SEQ]): rec for rec in _records(connection, r.PAYMENT_INTENT)}
    forked = {(row.device, row.epoch, row.seq) for row in connection.execute(select(t.forks))}
    finals = _identities(connection, t.results)
    reversed_ = _identities(connection, t.outbox, t.outbox.c.step == t.STEP_REVERSE, t.outbox.c.state == t.STATE_DONE)
    for rec in _records(connection, r.PAYMENT_OUTCOME):
        device = places[rec[r.DEVICE]]
        intent = intents.get((rec[r.DEVICE], rec[r.INTENT]), rec)  # lost: the outcome says as much
        identity = (rec[r.DEVICE], intent[r.EPOCH], rec[r.INTENT])
        amount, outcome = rec[r.AMOUNT], rec[r.OUTCOME]
        books.count(outcome, amount)
        if (rec[r.DEVICE], rec[r.EPOCH], rec[r.SEQ]) in forked or outcome not in (1, 2):
            continue
        final = finals.get(identity)
        owner = f"{intent.get(r.WILAYA, device.wilaya)}:{intent.get(r.FORCE, device.force)}:{intent[r.UNIT]}"
        scheme = rec.get(r.SCHEME) or "?"
        if outcome == r.OUTCOME_PROVISIONAL and final is None:
            books.enter(f"provisional:{scheme}", amount)
            books.enter(f"awaited:{owner}", -amount)
        elif _paid(outcome, final) and identity not in reversed_:
            books.enter(f"receivable:{scheme}", amount)
            books.enter(f"treasury:{owner}", -amount)
    for name, amount in _missing(connection):
        place = places[name]
        books.enter(f"missing:{name}", amount)
        books.enter(f"suspense:{place.wilaya}:{place.force}:{place.unit}", -amount)
    return books


def _missing(connection: Connection) -> Iterator[tuple[str, int]]:
    """(device, centimes) of each range of lost records: the running totals before the record after it, less those of the
    record before it.
    """
    c = t.raw.c
    for gap in connection.execute(select(t.gaps)).all():
        after = (c.device == gap.device, c.epoch >= gap.epoch, c.seq == gap.last + 1)
        before = (c.device == gap.device, c.epoch <= gap.epoch, c.seq < gap.first)
        following = connection.execute(select(c.record).where(*after).order_by(c.epoch).limit(1)).scalar()
        preceding = connection.execute(
            select(c.record).where(*before).order_by(c.seq.desc(), c.epoch.desc()).limit(1)
        ).scalar()
        least = cbor.decode(bytes(preceding))[r.CUM_TOTAL] if preceding is not None else 0
        if following is None:  # a new epoch began after the gap, and nothing of it has arrived yet
            e = t.epochs.c
            begun = (e.device == gap.device, e.epoch > gap.epoch, e.seq == gap.last, e.state == t.EPOCH_BEGUN)
            most = connection.execute(select(e.cum_total).where(*begun)).scalar_one()
        else:
            record = cbor.decode(bytes(following))
            most = record[r.CUM_TOTAL] - r.approved_step(record)[1]
        yield gap.device, most - least


def posted(connection: Connection) -> Books:
    """The books as they are."""
    books = Books()
    sums = connection.execute(
        select(t.legs.c.account, func.sum(t.legs.c.amount).label("sum")).group_by(t.legs.c.account)
    )
    for row in sums:
        books.enter(row.account, int(row.sum))
    c = t.payments.c
    totals = connection.execute(
        select(c.outcome, func.count().label("n"), func.sum(c.amount).label("sum"))
        .where(c.outcome.is_not(None))
        .group_by(c.outcome)
    )
    for row in totals:
        books.totals[row.outcome] = [row.n, int(row.sum)]
    return books


def differences(connection: Connection) -> list[str]:
    """What does not agree between posted and recomputed books, in words; empty when all does, every posting
    balances and all is zero in sum.
    """
    is_, must = posted(connection), recompute(connection)
    found = [
        f"account {account}: posted {is_.balances.get(account, 0)}, recomputed {must.balances.get(account, 0)}"
        for account in sorted(set(is_.balances) | set(must.balances))
        if is_.balances.get(account, 0) != must.balances.get(account, 0)
    ]
    found += [
        f"outcome {outcome}: counted {is_.totals.get(outcome)}, recomputed {must.totals.get(outcome)}"
        for outcome in sorted(set(is_.totals) | set(must.totals))
        if is_.totals.get(outcome) != must.totals.get(outcome)
    ]
    c = t.legs.c
    key = (c.device, c.epoch, c.intent, c.part)
    uneven = connection.execute(select(*key).group_by(*key).having(func.sum(c.amount) != 0))
    found += [f"posting {tuple(row)} does not balance" for row in uneven]
    return found
