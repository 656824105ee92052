"""Decisions about money in suspense, under four eyes: what lost records took (`server.ingest.lost.suspense`), and what has become of it at
the acquirer.

    one officer of the back office proposes, another approves      both signed, both in the audit log
    collected                                                      it is captured: income of the device's place, owed by the acquirer
    nothing                                                        nobody paid it, or it was counted twice: its entries are undone
    undoes                                                         takes an earlier decision back: the money is in suspense again

An item is a gap, named by its first record, or an approved result whose outcome is lost, named by its payment's intent. The two may have one number:
whoever decides says which kind it is. About one item there may be many decisions, together about no more than it holds. A decision says how many
payments it is about, so that what is left of a gap is still so many payments of so many centimes.

The approval is posted at once. Records and totals of the terminal say what happened at the roadside and stay as they are; the acquirer is asked
nothing.
"""

from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, insert, select, update

from protocol import cbor
from protocol.errors import ParameterError
from server.ingest.lost import suspense
from server.ledger.accounts import Place, receivable
from server.office import proposals
from server.office.signing import VALID_S, Office, other, reason_of
from server.store import audit, devices
from server.store import tables as t
from server.wire import envelope

PROPOSAL, APPROVAL = "tsd/office/suspense-proposal", "tsd/office/suspense-approval"
KINDS = {t.ITEM_GAP: "gap", t.ITEM_RESULT: "result"}
_NAMES = (
    "device", "epoch", "kind", "seq", "number", "collected", "scheme", "untaken", "payments", "undoes", "expires", "reason",
)  # fmt: skip
_TEXTS = ("device", "scheme", "reason")
_STATES = {t.DECISION_PROPOSED: "proposed", t.DECISION_APPROVED: "approved", t.DECISION_WITHDRAWN: "withdrawn"}


class Item(NamedTuple):
    """What holds money in suspense: `seq` is a gap's first record, or the intent of a payment."""

    kind: int
    device: str
    epoch: int
    seq: int


class Finding(NamedTuple):
    """What the officers have found out, in centimes; `payments`: how many these are, 0: not said."""

    collected: int = 0
    scheme: str = ""
    untaken: int = 0
    payments: int = 0


def _of(item: Item) -> Any:
    c = t.decisions.c
    return and_(c.device == item.device, c.epoch == item.epoch, c.kind == item.kind, c.seq == item.seq)


def draft(connection: Connection, item: Item, found: Finding, reason: str, now: int) -> dict[int, Any]:
    """What an officer signs to propose a decision, and another to approve it: keys 1… in the order of `_NAMES`.

    ParameterError PRM-037 if the item holds no money in suspense, or not what is decided about, PRM-040 for such a reason.
    """
    payments, amount = _left(connection, item)
    both = bool(found.collected) + bool(found.untaken)
    many = found.payments or (payments if found.collected + found.untaken == amount else both)
    _must_fit(item, found._replace(payments=many), payments, amount)
    return _payload(connection, item, found._replace(payments=many), 0, reason, now)


def draft_undo(connection: Connection, item: Item, number: int, reason: str, now: int) -> dict[int, Any]:
    """As `draft`: what puts the money of an earlier decision into suspense again. ParameterError PRM-037 if that was never approved, or is
    undone, PRM-040 for such a reason.
    """
    row = _standing(connection, item, number)
    if row is None:
        hint = "see: tasdid server suspense list"
        raise ParameterError("no such decision stands", "PRM-037", hint, number)
    found = Finding(row.collected, row.scheme, row.untaken, row.payments)
    return _payload(connection, item, found, number, reason, now)


def _payload(connection: Connection, item: Item, found: Finding, undoes: int, reason: str, now: int) -> dict[int, Any]:
    number = connection.execute(select(func.max(t.decisions.c.number)).where(_of(item))).scalar() or 0
    values = (
        item.device,
        item.epoch,
        item.kind,
        item.seq,
        number + 1,
        *found,
        undoes,
        now + VALID_S,
        reason_of(reason),
    )
    return dict(enumerate(values, 1))


def _left(connection: Connection, item: Item) -> tuple[int, int]:
    """(payments, centimes) that an item holds in suspense; a result is one payment, of which a part may be left."""
    if item.kind == t.ITEM_RESULT:
        amount = suspense.unseen_left(connection, item[1:])
        return int(amount > 0), amount
    c = t.gaps.c
    gap = connection.execute(
        select(t.gaps).where(c.device == item.device, c.epoch == item.epoch, c.first == item.seq)
    ).first()
    return (0, 0) if gap is None else suspense.left(connection, gap)


def _must_fit(item: Item, found: Finding, payments: int, amount: int) -> None:
    """PRM-037 unless `found` may be part of what is left: so many payments, so many centimes."""
    total, hint = found.collected + found.untaken, "see: tasdid server suspense list"
    if not amount:
        raise ParameterError("nothing of this is in suspense", "PRM-037", hint, item.seq)
    if min(found.collected, found.untaken, found.payments) < 0 or not 0 < total <= amount:
        raise ParameterError("that is nothing, or more than is left in suspense", "PRM-037", hint, amount)
    scheme = found.scheme
    if bool(scheme) != bool(found.collected) or len(scheme) > 32 or ":" in scheme or not scheme.isprintable():
        hint = "whoever owes what is collected: a card scheme as the ledger names it"
        raise ParameterError("the scheme is missing, or is none", "PRM-037", hint)
    if item.kind == t.ITEM_RESULT:
        fits = found.payments == 1
    else:
        fits = 0 < found.payments <= payments and (found.payments == payments) == (total == amount)
    if not fits:
        why = f"{found.payments} payments of {total} centimes cannot be among the {payments} of {amount} that are left"
        raise ParameterError(why, "PRM-037", "say how many payments it is about", found.payments)


def must_know(connection: Connection, scheme: str) -> None:
    """PRM-041 unless the ledger has an account of what is owed for cards of this scheme: a slip of the pen would open one of its own."""
    prefix = receivable(Place("", 0, 0, "")).removesuffix("?")
    c = t.legs.c.account
    known = connection.execute(select(c).where(c.startswith(prefix, autoescape=True)).distinct().order_by(c)).scalars()
    names = [account.removeprefix(prefix) for account in known]
    if scheme not in names:
        hint = f"known: {', '.join(names) or 'none yet'}; another goes with --new-scheme"
        raise ParameterError("the ledger knows no such scheme", "PRM-041", hint, scheme)


def _standing(connection: Connection, item: Item, number: int) -> Any:
    """The approved decision of that number which no other one has undone."""
    c = t.decisions.c
    approved = select(t.decisions).where(_of(item), c.state == t.DECISION_APPROVED)
    rows = connection.execute(approved).all()
    if any(row.undoes == number for row in rows):
        return None
    return next((row for row in rows if row.number == number and not row.undoes), None)


def propose(connection: Connection, office: Office, proposal: bytes, now: int) -> int:
    """Enter a signed proposal; its number. An earlier one about the item that is still open is withdrawn.

    ParameterError: PRM-030 signature, PRM-032 it does not fit the item as it stands, PRM-037 the item does not hold what it is about.
    """
    officer, payload = office.verify(proposal, PROPOSAL)
    said = named(payload)
    item = _item(said)
    devices.heads(connection, [item.device])
    if not now < said["expires"] <= now + VALID_S or payload != _drafted(connection, item, said):
        raise ParameterError("the proposal is not about the money as it stands", "PRM-032", "propose again")
    _withdraw(connection, item, "overtaken by a later proposal", now)
    connection.execute(
        insert(t.decisions).values(
            **said, proposed_by=officer, proposal=proposal, proposed_at=now, state=t.DECISION_PROPOSED
        )
    )
    _note(connection, said, f"proposed by officer {officer}: {said['reason']}", now)
    return said["number"]


def _drafted(connection: Connection, item: Item, said: dict[str, Any]) -> dict[int, Any]:
    """The payload as this server would draw it up."""
    then = said["expires"] - VALID_S
    if said["undoes"]:
        return draft_undo(connection, item, said["undoes"], said["reason"], then)
    found = Finding(said["collected"], said["scheme"], said["untaken"], said["payments"])
    return draft(connection, item, found, said["reason"], then)


def proposed(connection: Connection, item: Item, number: int) -> dict[int, Any]:
    """What proposal `number` about an item says: what another officer signs to approve it. ParameterError PRM-032 if it is not open."""
    where = (_of(item), t.decisions.c.number == number, t.decisions.c.state == t.DECISION_PROPOSED)
    found = connection.execute(select(t.decisions.c.proposal).where(*where)).scalar()
    if found is None:
        raise ParameterError("no such proposal is open", "PRM-032", "see the list: another may be open", number)
    return cbor.decode(envelope.parse(bytes(found)).payload)


def approve(connection: Connection, office: Office, approval: bytes, now: int) -> None:
    """Take the second officer's signature and post the decision, in one transaction.

    ParameterError: PRM-030 signature, PRM-032 no such proposal is open, or it has expired, or the item no longer holds what it is about, PRM-033
    the same officer.
    """
    officer, payload = office.verify(approval, APPROVAL)
    said = named(payload)
    item = _item(said)
    devices.heads(connection, [item.device])
    c = t.decisions.c
    where = (_of(item), c.number == said["number"], c.state == t.DECISION_PROPOSED)
    row = connection.execute(select(t.decisions).where(*where).with_for_update()).first()
    if row is None or row.expires < now:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    other(officer, payload, bytes(row.proposal), row.proposed_by)
    _must_stand(connection, item, row)
    values = {"approved_by": officer, "approval": approval, "approved_at": now, "state": t.DECISION_APPROVED}
    connection.execute(update(t.decisions).where(*where).values(values))
    _note(connection, said, f"approved by officer {officer}, proposed by {row.proposed_by}", now)
    suspense.decide(connection, row, now)


def _must_stand(connection: Connection, item: Item, row: Any) -> None:
    """PRM-032 if what a proposal is about has changed since: less is left than it takes, or what it undoes is undone."""
    try:
        if row.undoes:
            draft_undo(connection, item, row.undoes, row.reason, row.proposed_at)
        else:
            _must_fit(item, Finding(row.collected, row.scheme, row.untaken, row.payments), *_left(connection, item))
    except ParameterError as error:
        raise ParameterError("the proposal is not about the money as it stands", "PRM-032", "propose again") from error


def _withdraw(connection: Connection, item: Item, why: str, now: int) -> None:
    where = (_of(item), t.decisions.c.state == t.DECISION_PROPOSED)
    if connection.execute(update(t.decisions).where(*where).values(state=t.DECISION_WITHDRAWN)).rowcount:
        what = f"{KINDS[item.kind]} {item.seq} of epoch {item.epoch}: the proposal is {why}"
        audit.write(connection, item.device, t.LEVEL_WARNING, "SUSPENSE", what, now)


def named(payload: dict[int, Any]) -> dict[str, Any]:
    """A decision by names. PRM-030 if it is none."""
    said = {name: payload.get(key) for key, name in enumerate(_NAMES, 1)}
    right = all(type(value) is (str if name in _TEXTS else int) for name, value in said.items())
    if not right or len(payload) != len(_NAMES) or said["kind"] not in KINDS:
        raise ParameterError("not an officer's decision", "PRM-030")
    return said


def _item(said: dict[str, Any]) -> Item:
    return Item(said["kind"], said["device"], said["epoch"], said["seq"])


def _note(connection: Connection, said: dict[str, Any], what: str, now: int) -> None:
    about = f"{said['collected']} centimes collected, {said['untaken']} nothing"
    if said["undoes"]:
        about = f"decision {said['undoes']} undone, {about}"
    what = f"{KINDS[said['kind']]} {said['seq']} of epoch {said['epoch']}: {about}, {what}"
    audit.write(connection, said["device"], t.LEVEL_WARNING, "SUSPENSE", what, now)


def items(connection: Connection) -> list[dict[str, Any]]:
    """What is in suspense, oldest first, for a person: of each gap and each result what it took and what is left of it (centimes, payments)."""
    g, p = t.gaps.c, t.postings.c
    found: list[dict[str, Any]] = []
    for gap in connection.execute(select(t.gaps).where(g.amount > 0)).all():
        payments, amount = suspense.left(connection, gap)
        more = {"first": gap.first, "last": gap.last, "payments": payments}
        item = Item(t.ITEM_GAP, gap.device, gap.epoch, gap.first)
        found.append(_told(item, gap.amount, amount, gap.at) | more)
    for row in connection.execute(select(t.postings).where(p.part == t.PART_UNSEEN)).all():
        item = Item(t.ITEM_RESULT, row.device, row.epoch, row.intent)
        found.append(_told(item, row.amount, suspense.unseen_left(connection, item[1:]), row.at))
    left = [one for one in found if one["left"]]
    return sorted(left, key=lambda one: (one["at"], one["device"], one["epoch"], one["seq"], one["kind"]))


def _told(item: Item, amount: int, left: int, at: int) -> dict[str, Any]:
    return {**item._asdict(), "kind": KINDS[item.kind], "amount": amount, "left": left, "at": at}


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Proposals, newest first, for a person."""
    c = t.decisions.c
    rows = proposals.newest(connection, t.decisions, c.device, c.epoch.desc(), c.seq.desc(), c.kind, c.number.desc())
    names = (*_NAMES, "proposed_by", "approved_by")
    return [
        {**{name: row[name] for name in names}, "kind": KINDS[row["kind"]], "state": _STATES[row["state"]]}
        for row in rows
    ]
