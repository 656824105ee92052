"""What the ledger page shows, as plain JSON: totals, balances, last postings, cases, devices, alarms. Reads only.

`ledger` is all of it, with a recomputation from the raw records (`server.ledger.recompute`), which takes as long as the history is. `page` is what
the database adds up itself: `sums`, which go through the whole history too, and `current`, what does not grow with it. `judged` puts beside it what a
recomputation has found that was made before, `unsummed` beside `current` alone.
"""

from typing import Any

from sqlalchemy import Connection, and_, case, exists, func, or_, select

from protocol import records as r
from server.ingest.lost import suspense
from server.ledger import recompute
from server.office import blocks, branches, decisions, epochs, refunds, rulings
from server.store import tables as t

LAST = 50
SHORT = 2000
"""Records that are recomputed while a page waits: some 250 fines, a few hundredths of a second."""
EACH = 20  # alarms of one device: none pushes out those of all others
OUTCOMES = {
    r.OUTCOME_APPROVED: "approved",
    r.OUTCOME_PROVISIONAL: "provisional",
    r.OUTCOME_DECLINED: "declined",
    r.OUTCOME_INTERRUPTED: "interrupted",
}
PARTS = {
    t.PART_OUTCOME: "outcome",
    t.PART_FINAL: "final",
    t.PART_REVERSAL: "reversal",
    t.PART_FORK: "fork",
    t.PART_GAP: "gap",
    t.PART_KNOWN: "known",
    t.PART_AGAIN: "again",
    t.PART_UNSEEN: "unseen",
}
_DECLINED, _UNLIKE, _PROVISIONAL, _HELD, _PAID = 1, 2, 3, 4, 5  # how far one payment of a case has got
OWED = ("unpaid", "declined", "unlike")
LEVELS = {t.LEVEL_NOTE: "note", t.LEVEL_WARNING: "warning", t.LEVEL_ALARM: "alarm"}


def ledger(connection: Connection) -> dict[str, Any]:
    """The whole report. Amounts in centimes, times in seconds UTC."""
    return judged(page(connection), recompute.differences(connection))


def judged(page: dict[str, Any], differing: list[str] | None) -> dict[str, Any]:
    """A page with what does not agree by recomputation; "balanced" is None if there was none (`differing` is None) and nothing speaks against it."""
    zero = sum(page["accounts"].values()) == 0
    balanced = zero and not differing if differing is not None or not zero else None
    return {**page, "balanced": balanced, "differences": differing or []}


def unsummed(page: dict[str, Any], differing: list[str] | None) -> dict[str, Any]:
    """A page without sums, as long as there are none: that it is balanced is not said of it, only that it is not."""
    return {**page, "balanced": False if differing else None, "differences": differing or []}


def is_short(connection: Connection) -> bool:
    """Whether there are so few records that a recomputation takes no time to speak of."""
    return connection.execute(select(t.raw.c.seq).limit(1).offset(SHORT)).first() is None


def page(connection: Connection) -> dict[str, Any]:
    """What `ledger` says, without a recomputation."""
    return {**sums(connection), **current(connection)}


def sums(connection: Connection) -> dict[str, Any]:
    """What takes as long as the history is: what all payments and cases come to, and the last of them."""
    books = recompute.posted(connection)
    twice, many = refunds.paid_twice(connection)
    return {
        "currency": "DZD",
        "totals": _totals(books),
        "now": _now(connection),
        "accounts": dict(sorted(books.balances.items())),
        "postings": _postings(connection),
        "cases": _cases(connection),
        **_all_cases(connection),
        "paid_twice": twice,
        "paid_twice_count": many,
    }


def current(connection: Connection) -> dict[str, Any]:
    """Terminals, what people decide, and alarms."""
    return {
        "devices": _devices(connection),
        "gaps": _gaps(connection),
        "epochs": epochs.listed(connection),
        "blocks": blocks.listed(connection),
        "refunds": refunds.listed(connection),
        "decisions": decisions.listed(connection),
        "verdicts": branches.listed(connection),
        "rulings": rulings.listed(connection),
        "alarms": _alarms(connection),
    }


def _totals(books: recompute.Books) -> dict[str, dict[str, int]]:
    """By outcome as it was at the roadside."""
    empty = [0, 0]
    return {
        name: {"count": books.totals.get(key, empty)[0], "amount": books.totals.get(key, empty)[1]}
        for key, name in OUTCOMES.items()
    }


def _same_identity(a: Any, b: Any) -> Any:
    return and_(a.c.device == b.c.device, a.c.epoch == b.c.epoch, a.c.intent == b.c.intent)


def _now(connection: Connection) -> dict[str, dict[str, int]]:
    """Where the money stands now: paid, still awaited, refused after all, given back, held for a fork."""
    p, q = t.payments.c, t.results.c
    each = (
        select(p.outcome, q.outcome.label("final"), _given_back().label("back"), p.held, p.amount)
        .outerjoin(t.results, _same_identity(t.payments, t.results))
        .where(p.outcome.in_((r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)))
        .subquery()
        .c
    )
    key = (each.outcome, each.final, each.back, each.held)
    found = connection.execute(select(*key, func.count().label("n"), func.sum(each.amount).label("sum")).group_by(*key))
    out = {name: {"count": 0, "amount": 0} for name in ("paid", "awaited", "refused", "reversed", "held")}
    for row in found:
        last = row.outcome if row.final is None else row.final
        name = {r.OUTCOME_APPROVED: "paid", r.OUTCOME_PROVISIONAL: "awaited"}.get(last, "refused")
        if row.back or row.held:
            name = "held" if row.held == t.HELD_FORK else "reversed" if row.back else "refused"
        out[name]["count"] += row.n
        out[name]["amount"] += int(row.sum)
    return out


def _given_back() -> Any:
    """Whether an approved payment was given back: voided at the roadside, refunded by the centre, or by a verdict about a fork. Beside results."""
    o, approved = t.outbox.c, func.coalesce(t.results.c.outcome, t.payments.c.outcome) == r.OUTCOME_APPROVED
    undone = exists().where(_same_identity(t.outbox, t.payments), o.step == t.STEP_REVERSE, o.state == t.STATE_DONE)
    return case((and_(approved, or_(undone, t.payments.c.held == t.HELD_BACK)), 1), else_=0)


def _postings(connection: Connection) -> list[dict[str, Any]]:
    p = t.postings.c
    heads = connection.execute(
        select(t.postings).order_by(p.at.desc(), p.device, p.epoch.desc(), p.intent.desc(), p.part.desc()).limit(LAST)
    ).all()
    found = []
    for head in heads:
        where = (_same_row(t.legs, head), t.legs.c.part == head.part)
        lines = connection.execute(select(t.legs.c.account, t.legs.c.amount).where(*where).order_by(t.legs.c.leg))
        found.append(
            {
                "device": head.device,
                "epoch": head.epoch,
                "intent": head.intent,
                "part": _part(head.part),
                "at": head.at,
                "amount": head.amount,
                "legs": [{"account": line.account, "amount": line.amount} for line in lines],
            }
        )
    return found


def _part(part: int) -> str:
    """What a posting is of, in a word."""
    if part >= t.PART_DECIDED:
        return "decided"
    after = {t.AFTER_HELD: "fork", t.AFTER_STANDS: "stands", t.AFTER_KNOWN: "known"}
    return PARTS[part] if part in PARTS else after[(part - t.PART_VERDICT) % 4]


def _same_row(table: Any, row: Any) -> Any:
    return and_(table.c.device == row.device, table.c.epoch == row.epoch, table.c.intent == row.intent)


def _cases(connection: Connection) -> list[dict[str, Any]]:
    """The last notices, each with the state that follows from its payments."""
    c = t.cases.c
    last = select(t.cases).order_by(c.utc.desc(), c.device, c.case_no.desc()).limit(LAST).subquery()
    each = _payments_of_each()
    rows = connection.execute(
        select(last, each.c.furthest)
        .select_from(last.outerjoin(each, _same_case(last, each)))
        .order_by(last.c.utc.desc(), last.c.device, last.c.case_no.desc())
    )
    return [
        {
            "device": row.device,
            "case": row.case_no,
            "pv": row.pv,
            "offence": row.offence,
            "amount": row.amount,
            "utc": row.utc,
            "state": _state(row.furthest, row.closure),
            "closed": row.closure is not None,
        }
        for row in rows
    ]


def _all_cases(connection: Connection) -> dict[str, Any]:
    """How many notices there are, and what is owed of all of them."""
    each = _payments_of_each()
    group = (each.c.furthest, t.cases.c.closure)
    found = connection.execute(
        select(*group, func.count().label("n"), func.sum(t.cases.c.amount).label("sum"))
        .select_from(t.cases.outerjoin(each, _same_case(t.cases, each)))
        .group_by(*group)
    ).all()
    owed = [row for row in found if _state(row.furthest, row.closure) in OWED]
    return {
        "case_count": sum(row.n for row in found),
        "owed": {"count": sum(row.n for row in owed), "amount": sum(int(row.sum) for row in owed)},
    }


def _same_case(a: Any, b: Any) -> Any:
    return and_(a.c.device == b.c.device, a.c.epoch == b.c.epoch, a.c.case_no == b.c.case_no)


def _payments_of_each() -> Any:
    """Of each case with payments that were not given back, how far they have got: `furthest`, the highest of _DECLINED to _PAID, or 0, as of a
    deferred one that is to be given back by a verdict about a fork. One of another amount than its notice gets no farther than _UNLIKE.
    """
    p, last = t.payments.c, func.coalesce(t.results.c.outcome, t.payments.c.outcome)
    forked, deferred = p.held == t.HELD_FORK, and_(last == r.OUTCOME_PROVISIONAL, p.held != t.HELD_BACK)
    reached = case(
        (and_(forked, last.in_((r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL))), _HELD),
        (forked, 0),
        (and_(or_(last == r.OUTCOME_APPROVED, deferred), p.amount != t.cases.c.amount), _UNLIKE),
        (last == r.OUTCOME_APPROVED, _PAID),
        (deferred, _PROVISIONAL),
        (last == r.OUTCOME_DECLINED, _DECLINED),
        else_=0,
    )
    key = (p.device, p.epoch, p.case_no)
    joined = t.payments.join(t.cases, _same_case(t.cases, t.payments)).outerjoin(
        t.results, _same_identity(t.payments, t.results)
    )
    return (
        select(*key, func.max(reached).label("furthest"))
        .select_from(joined)
        .where(_given_back() == 0)
        .group_by(*key)
        .subquery()
    )


def _state(furthest: int | None, closure: int | None) -> str:
    """unpaid → provisional → paid | declined (domain §4: a declined case is payable again); held: what a fork holds may have paid it; unlike: what
    stands is of another amount than the notice (SRV-064), which is owed until a person has looked.

    An open case, and one that the driver pays later, are owed; abandoned: its officer has taken the report back, and no money for it is there or
    on its way. The payments decide first: an abandoned case that was paid all the same is paid.
    """
    reached = {_PAID: "paid", _HELD: "held", _PROVISIONAL: "provisional", _UNLIKE: "unlike"}.get(furthest or 0)
    if reached:
        return reached
    if closure == r.CLOSURE_ABANDONED:
        return "abandoned"
    return "declined" if furthest == _DECLINED else "unpaid"


def _devices(connection: Connection) -> list[dict[str, Any]]:
    d, h = t.devices.c, t.heads.c
    columns = (
        d.device,
        d.unit,
        d.wilaya,
        d.force,
        h.epoch,
        h.last_contact,
        h.seq.label("acked_seq"),
        h.claimed_seq,
        h.firmware,
        h.forks,
        h.cum_count.label("approved_count"),
        h.cum_total.label("approved_total"),
        h.blocked,
    )
    rows = connection.execute(select(*columns).join(t.heads, d.device == h.device).order_by(d.device))
    return [dict(row) for row in rows.mappings()]


def _gaps(connection: Connection) -> list[dict[str, Any]]:
    """Records lost for good, how much is missing by the running totals, and the payments of which that is known: they are not in suspense, unless
    they came as records later. `left` are the centimes that are, after what was decided.
    """
    c, q = t.gaps.c, t.results.c
    again = exists().where(_same_identity(t.postings, t.results), t.postings.c.part == t.PART_AGAIN)
    known: dict[tuple[str, int, int | None], list[int]] = {}
    for row in connection.execute(
        select(q.device, q.epoch, q.gap, q.intent).where(q.gap.is_not(None), ~again).order_by(q.intent)
    ):
        known.setdefault((row.device, row.epoch, row.gap), []).append(row.intent)
    rows = connection.execute(select(t.gaps).order_by(c.at.desc(), c.device, c.first.desc()).limit(LAST))
    names = ("device", "epoch", "first", "last", "count", "amount", "declared_seq", "at")
    return [
        {
            **{name: row._mapping[name] for name in names},
            "known": known.get((row.device, row.epoch, row.first), []),
            "left": suspense.left(connection, row)[1],
        }
        for row in rows.all()
    ]


def _alarms(connection: Connection) -> list[dict[str, Any]]:
    """The last ones, EACH of a device at most."""
    a = t.audit.c
    place = func.row_number().over(partition_by=a.device, order_by=a.number.desc()).label("place")
    each = select(t.audit, place).where(a.level >= t.LEVEL_WARNING).subquery()
    last = select(each).where(each.c.place <= EACH)
    rows = connection.execute(last.order_by(each.c.at.desc(), each.c.device, each.c.number.desc()).limit(LAST))
    return [
        {"device": row.device, "at": row.at, "level": LEVELS[row.level], "code": row.code, "what": row.what}
        for row in rows
    ]
