"""Money in suspense: what lost records took (`server.ingest.lost.gaps`), less what is known to be in the books already.

The running totals count an approved result of a deferred payment when the terminal writes it down; the ledger has it by the acquirer's word
already. So what of the missing money is explained by results that the terminal was told, has not sent as records and may have written
into the lost range, is taken out of suspense, payment by payment (`explained`), and named in the alarm.

That is a guess: the WELCOME that told the result may have been lost, and the range may hold another payment of that amount. So if such a
result comes as a record after the gap, its money goes back into suspense (`put_back`), and a person decides: the terminal has written the
result twice, and nobody is owed anything, or a payment is lost. Records seldom tell one from the other: a terminal that lost what it had
written is told again, and writes it again. Too much in suspense costs a look, too little would cost the Treasury the fine.

What two officers decide about the rest (`server.office.decisions`) counts as well: it is in suspense no longer. What comes later is held
against what they left, and can only put money back, or name it: a decision stands until they take it back.
"""

from typing import Any

from sqlalchemy import Connection, and_, exists, func, or_, select, update

from protocol import records as r
from server.ledger import accounts, posting
from server.store import audit, devices
from server.store import tables as t
from server.store.devices import Device

MOST_TRIED = 24  # candidates of which every sum is tried
MOST_SUMS = 4096  # different sums: amounts of a tariff have few, amounts that are made up would have millions


def hold(
    connection: Connection, device: Device, epoch: int, span: tuple[int, int], count: int, amount: int, now: int
) -> None:
    """Hold in suspense what the lost records `span` (first, last) took, less what is known of it; the alarm."""
    legs = accounts.gap_legs(device.device, _place(device), amount)
    posting.post(connection, (device.device, epoch, span[0]), t.PART_GAP, legs, now)
    known = explained(_unwritten(connection, device.device, epoch, span[1]), count, amount)
    for row in known:
        _known(connection, device, (device.device, row.epoch, row.intent), row.amount, span[0], now)
    held = amount - sum(row.amount for row in known)
    what = (
        f"records {span[0]} to {span[1]} are lost: {count} approved payments, {held} of {amount} centimes in suspense"
    )
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, device.device, "GAP", what, now)


def _place(device: Device) -> accounts.Place:
    return accounts.Place("", device.wilaya, device.force, device.unit)


def _held_at(connection: Connection, device: Device, item: posting.Identity, part: int = t.PART_GAP) -> accounts.Place:
    """Where the money of a gap, or of a result (`t.PART_UNSEEN`), was put into suspense: its device may serve another unit since."""
    for account, _ in posting.of(connection, item, part):
        kind, *owner = account.split(":", 3)
        if kind == "suspense":
            return accounts.Place("", int(owner[0]), int(owner[1]), owner[2])
    return _place(device)


def _unwritten(connection: Connection, device: str, epoch: int, last: int) -> list[Any]:
    """Deferred payments whose approval is on record and posted, was told to the terminal before it wrote record `last`, and has not come
    back as a record: in the order in which the terminal heard of them.
    """
    p, q = t.payments.c, t.results.c
    same = and_(p.device == q.device, p.epoch == q.epoch, p.intent == q.intent)
    mine = (q.device == device, q.epoch == epoch, q.outcome == r.OUTCOME_APPROVED, q.head < last, q.gap.is_(None))
    open_ = (p.outcome == r.OUTCOME_PROVISIONAL, p.outcome_seq < last, p.result_seq.is_(None), p.held == 0)
    chosen = select(q.epoch, q.intent, p.amount).join(t.payments, same).where(*mine, *open_)
    return list(connection.execute(chosen.order_by(q.head, q.intent)).all())


def fits(amount: int, count: int, total: int) -> bool:
    """Whether a payment may be one of `count` that are `total` centimes together."""
    return count > 0 and amount <= total and (count == 1) == (amount == total)


def explained(candidates: list[Any], count: int, total: int) -> list[Any]:
    """Those of `candidates` (each with an `amount`) that `count` payments of `total` centimes may be: if any are just these, they, as far as that is
    tried; else the first that may be among them.
    """
    sums: dict[tuple[int, int], list[Any]] = {(0, 0): []}
    for row in candidates[:MOST_TRIED]:
        if len(sums) > MOST_SUMS:
            break
        for (many, so_far), rows in list(sums.items()):
            if many < count and so_far + row.amount <= total:
                sums.setdefault((many + 1, so_far + row.amount), [*rows, row])
    if (count, total) in sums:
        return sums[count, total]
    found = []
    for row in candidates:
        if fits(row.amount, count, total):
            found.append(row)
            count, total = count - 1, total - row.amount
    return found


def _known(
    connection: Connection, device: Device, identity: posting.Identity, amount: int, first: int, now: int
) -> None:
    """Take a payment that is posted by the acquirer's word out of what is in suspense for the gap that begins with `first`."""
    c = t.results.c
    mine = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    connection.execute(update(t.results).where(mine).values(gap=first))
    place = _held_at(connection, device, (identity[0], identity[1], first))
    legs = accounts.opposite(accounts.gap_legs(device.device, place, amount))
    part, stood = t.PART_KNOWN, posting.stood(connection, identity)
    if stood and posting.is_posted(connection, identity, part):  # before a fork held the payment
        part = t.verdict_part(stood, t.AFTER_KNOWN)
    posting.post(connection, identity, part, legs, now)


def put_back(connection: Connection, device: Device, payment: Any, first: int, written: set[int], now: int) -> None:
    """The result of `payment`, which was taken out of the suspense of the gap from `first`, has come as a record: back into it, once, until
    a person decides. Other results may be what the gap holds instead, save those that are `written` by the same batch.
    """
    name, epoch, intent = payment["device"], payment["epoch"], payment["intent"]
    again = posting.is_posted(connection, (name, epoch, intent), t.PART_AGAIN)
    if again or payment["held"]:  # held for a fork: its legs were undone
        what = f"the result of payment {intent} has come once more"
        if not again:
            what = f"the result of payment {intent}, which is part of a fork, has come: nothing is put back into the suspense of the gap from {first}"
        audit.alarm(connection, name, "GAP", what, now)
        return
    legs = accounts.gap_legs(name, _held_at(connection, device, (name, epoch, first)), payment["amount"])
    posting.post(connection, (name, epoch, intent), t.PART_AGAIN, legs, now)
    gap = find(connection, name, epoch, first)
    known = _known_instead(connection, device, gap, written, now)
    held = payment["amount"] - sum(row.amount for row in known)
    why = f"or the gap from {first} holds another payment"
    if not _may_hold_a_payment(connection, gap):
        why = f"record {first} alone holds no payment"
    what = f"the result of payment {intent} has come: written twice, {why}; {held} centimes in suspense again"
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, name, "GAP", what, now)


def forked(connection: Connection, payment: Any, now: int) -> None:
    """What a fork has undone of a payment that is held now is in the suspense of its gap again: other results may be what that holds."""
    q = t.results.c
    mine = (q.device == payment.device, q.epoch == payment.epoch, q.intent == payment.intent)
    first = connection.execute(select(q.gap).where(*mine)).scalar()
    device = None if first is None else devices.find(connection, payment.device)
    if device is None or first is None:
        return
    gap = find(connection, payment.device, payment.epoch, first)
    known = _known_instead(connection, device, gap, set(), now)
    what = f"payment {payment.intent} is part of a fork: its money is in the suspense of the gap from {first} again"
    if decided(connection, t.ITEM_GAP, (payment.device, payment.epoch, first))[0]:
        what += ", save what was decided of it: look whether that stands"
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, payment.device, "GAP", what, now)


def stands(connection: Connection, payment: Any, now: int) -> list[accounts.Leg]:
    """A payment that was held for a fork is in the books again by the acquirer's word: the legs that take it out of the suspense of a gap that may
    hold its result, the one that was explained with it before any other. An alarm, if what that holds is taken by others, or if officers have decided
    that what was collected of a gap is income, and it may be this payment.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    q, g = t.results.c, t.gaps.c
    mine = (q.device == payment.device, q.epoch == payment.epoch, q.intent == payment.intent)
    result = connection.execute(select(t.results).where(*mine)).one()
    first, device = result.gap, devices.find(connection, payment.device)
    again = posting.is_posted(connection, identity, t.PART_AGAIN)  # it has come, and was put back: as before
    if not again:
        connection.execute(update(t.results).where(*mine).values(gap=None))
    clashes = _clashes(connection, payment, result, "stands", now)
    if again or device is None:
        return []
    found = connection.execute(select(t.gaps).where(g.device == payment.device, g.epoch == payment.epoch)).all()
    for gap in sorted(found, key=lambda gap: (gap.first != first, gap.first)):
        told = any(row.intent == payment.intent for row in _unwritten(connection, gap.device, gap.epoch, gap.last))
        if told and fits(payment.amount, *left(connection, gap)):
            connection.execute(update(t.results).where(*mine).values(gap=gap.first))
            place = _held_at(connection, device, (gap.device, gap.epoch, gap.first))
            return accounts.opposite(accounts.gap_legs(device.device, place, payment.amount))
    if first is not None and first not in clashes:
        what = f"payment {payment.intent} of a fork stands; what is decided or known of the gap from {first}, or is left in its suspense, may be it"
        audit.alarm(connection, payment.device, "GAP", what, now)
    return []


def given_back(connection: Connection, payment: Any, now: int) -> None:
    """An approved payment that was held for a fork is given back: an alarm if officers have decided that what was collected of a gap is income, and
    it may be this payment. To be called while it is still held.
    """
    q = t.results.c
    mine = (q.device == payment.device, q.epoch == payment.epoch, q.intent == payment.intent)
    result = connection.execute(select(t.results).where(*mine, q.outcome == r.OUTCOME_APPROVED)).first()
    if result is not None:
        _clashes(connection, payment, result, "is given back", now)


def _given_back_before(connection: Connection, decision: Any, now: int) -> None:
    """What was collected of a gap is income by `decision`: an alarm about each payment that a fork's verdict had given back, and that may be it."""
    p, q = t.payments.c, t.results.c
    back = select(t.payments).where(p.device == decision.device, p.epoch == decision.epoch, p.held == t.HELD_BACK)
    for payment in connection.execute(back.order_by(p.intent)).all():
        mine = (q.device == payment.device, q.epoch == payment.epoch, q.intent == payment.intent)
        result = connection.execute(select(t.results).where(*mine, q.outcome == r.OUTCOME_APPROVED)).first()
        if result is not None:
            _clashes(connection, payment, result, "is given back", now, decision)


def _clashes(connection: Connection, payment: Any, result: Any, verdict: str, now: int, only: Any = None) -> list[int]:
    """An alarm for each gap of which officers have decided that what was collected is income, and that may be `payment`, whose approval is `result`;
    the first records of these gaps. `only`: one decision, the others were named before. To be called while no gap is explained with it.

    A gap may hold it that was explained with it, or whose last record its terminal wrote after it was told; not one that was lost after the result
    had come. While the explained one still holds its money, no other one is named. What the officers decided while the payment was in the books is
    another one.
    """
    g, since = t.gaps.c, _missed_since(connection, (payment.device, payment.epoch, payment.intent))
    may = g.first == result.gap
    if result.head is not None:
        told = g.last > max(result.head, payment.outcome_seq)
        may = or_(may, told if payment.result_seq is None else and_(told, g.first < payment.result_seq))
    chosen = select(t.gaps).where(g.device == payment.device, g.epoch == payment.epoch, may).order_by(g.first)
    gaps = connection.execute(chosen).all()
    own = [gap for gap in gaps if gap.first == result.gap and fits(payment.amount, *left(connection, gap))]
    found = []
    for gap in own or gaps:
        made = _decisions(connection, t.ITEM_GAP, (gap.device, gap.epoch, gap.first))
        if only is not None:
            made = [row for row in made if (gap.first, row.number) == (only.seq, only.number)]
        taken = [row for row in made if row.collected >= payment.amount and row.approved_at >= since]
        if any(fits(payment.amount, row.payments, row.collected + row.untaken) for row in taken):
            found.append(gap.first)
            what = (
                f"payment {payment.intent} of a fork {verdict}; what is decided of the gap from {gap.first} may be it:"
            )
            audit.alarm(connection, payment.device, "GAP", what + " if it is, have that decision undone", now)
    return found


def _missed_since(connection: Connection, identity: posting.Identity) -> int:
    """When a fork first took a deferred payment out of the books whose approval they had; 0 if that was not posted before."""
    p = t.postings.c
    mine = (p.device == identity[0], p.epoch == identity[1], p.intent == identity[2])
    found = connection.execute(select(p.part, p.at).where(*mine, p.part.in_((t.PART_FINAL, t.PART_FORK)))).all()
    at = {row.part: row.at for row in found}
    return at.get(t.PART_FORK, 0) if t.PART_FINAL in at else 0


def find(connection: Connection, device: str, epoch: int, first: int) -> Any:
    """The gap that begins with record `first`."""
    c = t.gaps.c
    return connection.execute(select(t.gaps).where(c.device == device, c.epoch == epoch, c.first == first)).one()


def _known_instead(connection: Connection, device: Device, gap: Any, written: set[int], now: int) -> list[Any]:
    """Take out of a gap's suspense other results than it was explained with, save those of the payments `written`."""
    others = [row for row in _unwritten(connection, gap.device, gap.epoch, gap.last) if row.intent not in written]
    known = explained(others, *left(connection, gap))
    for row in known:
        _known(connection, device, (gap.device, row.epoch, row.intent), row.amount, gap.first, now)
    return known


def _may_hold_a_payment(connection: Connection, gap: Any) -> bool:
    """Whether an outcome may be among lost records: with its intent, or alone if the last intent before them has none."""
    if gap.last > gap.first:
        return True
    p = t.payments.c
    mine = (p.device == gap.device, p.epoch == gap.epoch, p.intent < gap.first)
    last = connection.execute(select(p.outcome).where(*mine).order_by(p.intent.desc()).limit(1)).first()
    return last is not None and last.outcome is None


def left(connection: Connection, gap: Any) -> tuple[int, int]:
    """(payments, centimes) that a gap holds in suspense, after what is known and decided."""
    q, p, back = t.results.c, t.payments.c, t.postings.c
    same = and_(p.device == q.device, p.epoch == q.epoch, p.intent == q.intent)
    again = and_(back.device == q.device, back.epoch == q.epoch, back.intent == q.intent, back.part == t.PART_AGAIN)
    of_gap = (q.device == gap.device, q.epoch == gap.epoch, q.gap == gap.first, ~exists().where(again))
    known = select(func.count(), func.coalesce(func.sum(p.amount), 0)).join_from(t.results, t.payments, same)
    count, amount = connection.execute(known.where(*of_gap, p.held == 0)).one()
    payments, collected, untaken = decided(connection, t.ITEM_GAP, (gap.device, gap.epoch, gap.first))
    return gap._mapping["count"] - count - payments, gap.amount - int(amount) - collected - untaken


def decided(connection: Connection, kind: int, item: posting.Identity) -> tuple[int, int, int]:
    """(payments, centimes collected, centimes that were nothing) that are decided of an item: a gap by its first record, a result by its payment."""
    rows = _decisions(connection, kind, item)
    return sum(row.payments for row in rows), sum(row.collected for row in rows), sum(row.untaken for row in rows)


def _decisions(connection: Connection, kind: int, item: posting.Identity) -> list[Any]:
    """The approved decisions about an item that are not undone."""
    d = t.decisions.c
    mine = (d.device == item[0], d.epoch == item[1], d.kind == kind, d.seq == item[2], d.state == t.DECISION_APPROVED)
    chosen = select(d.number, d.payments, d.collected, d.untaken, d.undoes, d.approved_at).where(*mine)
    rows = connection.execute(chosen).all()
    undone = {row.undoes for row in rows}
    return [row for row in rows if not row.undoes and row.number not in undone]


def unseen_left(connection: Connection, identity: posting.Identity) -> int:
    """Centimes that an approved result whose outcome is lost holds in suspense, after what is decided."""
    p = t.postings.c
    mine = (p.device == identity[0], p.epoch == identity[1], p.intent == identity[2], p.part == t.PART_UNSEEN)
    held = connection.execute(select(p.amount).where(*mine)).scalar() or 0
    return held - sum(decided(connection, t.ITEM_RESULT, identity)[1:])


def decide(connection: Connection, decision: Any, now: int) -> None:
    """Post an approved decision, a row of `decisions`, or undo the one that it takes back: what results explain of the gap is taken out then."""
    device = devices.find(connection, decision.device)
    assert device is not None  # its records are on file
    item = (decision.device, decision.epoch, decision.seq)
    if decision.undoes:
        legs = accounts.opposite(posting.of(connection, item, t.decided_part(decision.kind, decision.undoes)))
    else:
        part = t.PART_GAP if decision.kind == t.ITEM_GAP else t.PART_UNSEEN
        place = _held_at(connection, device, item, part)._replace(scheme=decision.scheme)
        legs = accounts.decided_legs(device.device, place, decision.collected, decision.untaken)
    posting.post(connection, item, t.decided_part(decision.kind, decision.number), legs, now)
    if not decision.undoes and decision.kind == t.ITEM_GAP and decision.collected:
        _given_back_before(connection, decision, now)
    if decision.undoes and decision.kind == t.ITEM_GAP:
        known = _known_instead(connection, device, find(connection, *item), set(), now)
        for row in known:
            what = f"the gap from {decision.seq}: known is the result of payment {row.intent}"
            audit.alarm(connection, device.device, "GAP", what, now)


def recall(connection: Connection, payment: Any, head: int, now: int) -> None:
    """An approval is on record again after a restore, and was told after record `head`: if a gap that was told again before it may hold what
    the terminal wrote down, it is taken out of its suspense. If officers have decided about what may be it, an alarm says so.
    """
    c = t.gaps.c
    mine = (c.device == payment.device, c.epoch == payment.epoch, c.last > head)
    device = devices.find(connection, payment.device)
    found = connection.execute(select(t.gaps).where(*mine).order_by(c.first)).all()
    for gap in found:
        if device is not None and fits(payment.amount, *left(connection, gap)):
            identity = (payment.device, payment.epoch, payment.intent)
            _known(connection, device, identity, payment.amount, gap.first, now)
            what = f"records {gap.first} to {gap.last} are lost: known is the result of payment {payment.intent}"
            audit.alarm(connection, payment.device, "GAP", what, now)
            return
    for gap in found:
        payments, *amounts = decided(connection, t.ITEM_GAP, (gap.device, gap.epoch, gap.first))
        count, amount = left(connection, gap)
        if payments and fits(payment.amount, count + payments, amount + sum(amounts)):
            what = f"payment {payment.intent} is approved, and may be what was decided of the gap from {gap.first}:"
            audit.alarm(connection, payment.device, "GAP", what + " if it is, have that decision undone", now)
            return


def hold_unseen(connection: Connection, device: Device, identity: posting.Identity, amount: int, now: int) -> bool:
    """Hold an approved payment in suspense whose outcome is among lost records; False if it is already."""
    if posting.is_posted(connection, identity, t.PART_UNSEEN):
        return False
    posting.post(connection, identity, t.PART_UNSEEN, accounts.gap_legs(device.device, _place(device), amount), now)
    return True
