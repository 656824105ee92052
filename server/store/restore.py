"""After a restore from a backup: what this database does not know of may all the same have been sent to the acquirer.

`mark` is called once, before the server starts on a restored database (`python -m server --restored`), and `begin` before anything is written
there. From then on
every request for a payment that a terminal may have reported before that moment goes out as a *repeat*: the acquirer's
host answers what it knows, and charges nobody twice. Which those are is told by the terminal's sequence, never by its
clock: all, until the first message that is bound to a HELLO of after the restore shows that this HELLO was no late one
of before; then those up to the head that it named, or to a higher one that the terminal names within WINDOW; if a new
epoch begins then, those up to where it goes on. Terminals send again what they retain; nothing else has to be done.

What was given back since the backup, by officers of the back office, no terminal tells again. So the acquirer is asked about every payment of
the last INQUIRY_S seconds that it had captured by the backup's word: the clearing goes out once more as a repeat, at a pace that leaves
room for the day's work. The same answer as before: it stands. That it is reversed (12): the books follow (`server.acquirer.returned`). Nothing
is asked about older payments; and a clearing that had not left when the backup was made is sent, as a repeat, to a host that must
remember a reversal which it was asked for meanwhile. Both are alarms, the latter one for each payment.

What had failed is asked again only where a person could have it asked again without a further decision (`server.store.failed`): the clearing of
a fork is not, nor the reversal of a void that ended refused. If that payment was captured, the inquiry above tells whether it was given back since.

The reversal of a void waits for what its terminal has to say of that (`server.acquirer.word`).

Which terminals were blocked since the backup, or unblocked, nothing tells: until two officers have decided again, a stolen terminal is served as any
other. So the start says, and the audit log keeps, which ones the backup knows as blocked, and of which one officer had proposed it.

Sessions are over: what is still on its way from one that the backup knows is bound to nothing, so it cannot carry the
chain on past a new epoch's beginning.
"""

import time
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, bindparam, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from protocol import sync as s
from server.store import audit, failed, marks
from server.store import tables as t
from server.store.engine import unhurried, unusable

NAME, LATE, FROM = "restored", "late", "restored from"
_VALUE = select(t.meta.c.value).where(t.meta.c.name == NAME)
_DOUBTFUL = select(t.heads.c.doubtful_seq).where(t.heads.c.device == bindparam("device"))
UNKNOWN = 1 << 40  # a sequence that no terminal reaches: everything is doubtful
INQUIRY_S = 60 * 86400
INQUIRIES = 8  # a second, about
SHOWN = 3  # blocked terminals that are named in one line; `tasdid server device list` has them all
WINDOW = 3600  # seconds in which an older HELLO may still arrive late


def begin(engine: Engine) -> None:
    """A server starts on a database that was restored: of when it is has to be read before anything is written into it. ConfigError CFG-028."""
    try:
        with engine.begin() as connection:
            unhurried(connection)
            _note_last(connection)
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error


def _note_last(connection: Connection) -> int:
    """Of when the backup is: what was decided after that is forgotten. As long as no server was started without `--restored` since, it is of the
    earliest one that was: what such a start writes itself, and what is put back once more, makes no day one that is known.
    """
    said, earlier = marks.value(connection, marks.BACKUP), marks.value(connection, marks.FORGOTTEN)
    last = _last_entry(connection) if said is None else said
    last = last if earlier is None else min(last, earlier)
    connection.execute(delete(t.meta).where(t.meta.c.name == marks.FORGOTTEN))
    connection.execute(insert(t.meta).values(name=marks.FORGOTTEN, value=last))
    return last


def mark(connection: Connection, now: int, window: int = WINDOW) -> list[str]:
    """Note that the database was restored, make every unsent request doubtful, end every session. `window`: how late a message may come (s).

    What a person has to look at before terminals are served, in lines.
    """
    last = _note_last(connection)
    told = _blocks(connection, last)
    marks.at_home(connection)
    _keep_news(connection)
    noted = {NAME: now, LATE: now + window, FROM: last}
    connection.execute(delete(t.meta).where(t.meta.c.name.in_(noted)))
    connection.execute(insert(t.meta), [{"name": name, "value": value} for name, value in noted.items()])
    connection.execute(update(t.heads).values(doubtful_seq=UNKNOWN, nonce=None))
    head = select(t.heads.c.seq).where(t.heads.c.device == t.results.c.device).scalar_subquery()
    connection.execute(
        update(t.results).where(t.results.c.head.is_(None)).values(head=head)
    )  # may have been told since
    audit.alarm(connection, "", "RESTORED", "the database was restored from a backup", now)
    audit.alarms(connection, "RESTORED", told, now)
    _name_unsent(connection, now)
    _ask_failed(connection, now)
    o = t.outbox.c
    waiting = update(t.outbox).where(o.state.in_((t.STATE_NEW, t.STATE_DOUBTFUL)), o.step != t.STEP_CLEAR)
    connection.execute(waiting.values(created=now))  # what left, and how long it has waited, the backup does not know
    connection.execute(waiting.where(o.step == t.STEP_REVERSE).values(next_at=now, response=None))
    connection.execute(update(t.outbox).where(o.state == t.STATE_NEW).values(state=t.STATE_DOUBTFUL))
    _inquire(connection, now)
    return [f"{device}: {what}" if device else what for device, what in told]


def _blocks(connection: Connection, last: int) -> list[tuple[str, str]]:
    """What a person has to look at of the blocked terminals, each about a device, or "" for all: the word of the backup, whose `last` entry that was,
    and what was on its way.
    """
    h, b = t.heads.c, t.blocks.c
    rows = connection.execute(select(h.device).where(h.blocked > 0).order_by(h.device)).scalars().all()
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    day = time.strftime("%Y-%m-%d %H:%M", time.gmtime(last))
    names = ", ".join(rows[:SHOWN]) or "none"
    told = [
        (
            "",
            f"blocked by the backup, of {day} UTC: {names}{more}; who was since is forgotten: tasdid server device list",
        )
    ]
    for row in connection.execute(select(t.blocks).where(b.state == t.DECISION_PROPOSED).order_by(b.device)).all():
        word = "block" if row.blocked else "unblock"
        who = (
            f"officer {row.proposed_by} had proposed to {word} it, and by the time of the backup nobody had approved it"
        )
        told.append((row.device, f"{who}: if it was since, that is forgotten, tasdid server device {word}"))
    return told


def _last_entry(connection: Connection) -> int:
    """When something was written last, by the audit log, what terminals were heard, and which were entered."""
    columns = (t.audit.c.at, t.heads.c.last_contact, t.devices.c.registered)
    times = [select(func.max(column)) for column in columns]
    return max(connection.execute(one).scalar() or 0 for one in times)


def _keep_news(connection: Connection) -> None:
    """What a clearing was answered since the restore before this one, while its reversal waited, may tell of what that one had forgotten: it stays to
    be asked for if the reversal comes to nothing (`server.acquirer.clearings.let_go`, which knows the last restore only). Called before it is noted.
    """
    o, h, last = t.outbox.c, t.heads.c, restored(connection)
    doubted = exists().where(h.device == o.device, h.doubtful_seq >= o.intent)
    other = t.outbox.alias("other").c
    approved = and_(other.step == t.STEP_AUTHORISE, other.answered >= last)  # since: then the answer is no news
    over = exists().where(
        failed.same(other, o), or_(approved, and_(other.step == t.STEP_REVERSE, other.state == t.STATE_DONE))
    )
    news = (o.step == t.STEP_CLEAR, o.state == t.STATE_HELD, o.answered >= last, doubted, ~over)
    connection.execute(update(t.outbox).where(*news).values(response=None, answered=None))


def _name_unsent(connection: Connection, now: int) -> None:
    """An alarm for each clearing that had not left when the backup was made."""
    o = t.outbox.c
    unsent = select(o.device, o.epoch, o.intent, o.amount).where(o.step == t.STEP_CLEAR, o.state == t.STATE_NEW)
    lines = (
        (
            row.device,
            f"payment {row.intent} of epoch {row.epoch}, {row.amount} centimes, had not been cleared by the time of the backup;"
            " if it was given back since, the acquirer must know",
        )
        for row in connection.execute(unsent.order_by(o.device, o.epoch, o.intent)).all()
    )
    audit.alarms(connection, "RESTORED", lines, now)


def _ask_failed(connection: Connection, now: int) -> None:
    """What had failed at the time of the backup may have been asked again since: so it is now, as a repeat, with an alarm for each. What may not be
    (`server.store.failed`) is left to a person.
    """
    o = t.outbox.c
    chosen = select(t.outbox, failed.goes_again().label("again")).where(o.state == t.STATE_FAILED)
    lines = []
    for row in connection.execute(chosen.order_by(o.device, o.epoch, o.intent, o.step)).all():
        what = f"step {row.step} of payment {row.intent} of epoch {row.epoch}, {row.amount} centimes, had failed by the time of the backup;"
        what += " it is asked again" if row.again else " it is left so"
        lines.append((row.device, what + ": ask the acquirer what became of it"))
        if row.again:
            answered = None if row.response == failed.NO_ANSWER else row.answered  # a person's word is no answer
            again = {
                "state": t.STATE_DOUBTFUL,
                "response": None,
                "answered": answered,
                "next_at": now,
                "tries": row.tries + 1,
            }
            connection.execute(update(t.outbox).where(failed.same(o, row), o.step == row.step).values(**again))
    audit.alarms(connection, "RESTORED", lines, now)


def _inquire(connection: Connection, now: int) -> None:
    """Have the acquirer asked about what it had captured. The row's response stays, and tells an inquiry from a clearing."""
    o, back = t.outbox.c, t.outbox.alias("back").c
    same = and_(back.device == o.device, back.epoch == o.epoch, back.intent == o.intent)
    returned = exists().where(same, back.step == t.STEP_REVERSE, back.state != t.STATE_FAILED)
    cleared = (o.step == t.STEP_CLEAR, o.state == t.STATE_DONE, o.response.in_(s.APPROVED), ~returned)
    recent = (*cleared, o.created >= now - INQUIRY_S)
    many = connection.execute(select(func.count()).select_from(t.outbox).where(*recent)).scalar() or 0
    spread = now + (o.created + o.intent) % (many // INQUIRIES + 1)
    connection.execute(update(t.outbox).where(*recent).values(state=t.STATE_DOUBTFUL, next_at=spread))
    older = connection.execute(select(func.count()).select_from(t.outbox).where(*cleared)).scalar() or 0
    what = f"the acquirer is asked about {many} payments that it had captured; not about {older} older ones:"
    audit.alarm(connection, "", "RESTORED", what + " compare refunds of these with its reconciliation", now)


def restored(connection: Connection) -> int:
    """When the database was restored last (seconds UTC); 0 if it never was."""
    return connection.execute(_VALUE).scalar() or 0


def span(connection: Connection) -> tuple[int, int] | None:
    """(of when the backup was, when it was said to be restored): what was decided in between is forgotten. None if nothing was, or of before this
    release.
    """
    first, last = marks.value(connection, FROM), restored(connection)
    return None if first is None or not last else (first, last)


def late() -> Any:
    """Until when an older HELLO may come late, as a part of a statement; a database that was marked by an earlier release does not say."""
    said = select(t.meta.c.value).where(t.meta.c.name == LATE).scalar_subquery()
    return func.coalesce(said, select(t.meta.c.value + WINDOW).where(t.meta.c.name == NAME).scalar_subquery())


def heard(connection: Connection, head: Row, head_seq: int, now: int) -> int:  # type: ignore[type-arg]
    """The value of `doubtful_seq` after a HELLO that names `head_seq`; `head` is the device's row.

    It stays UNKNOWN: a HELLO may come late, and name a head from before what the acquirer was sent.
    """
    if head.doubtful_seq == UNKNOWN:
        return UNKNOWN
    if head.doubtful_seq and now < (connection.execute(select(late())).scalar() or 0):
        return max(head.doubtful_seq, head_seq)
    return head.doubtful_seq


def settle(connection: Connection, head: Row[Any]) -> bool:
    """A message bound to the device's last HELLO has come: what that named was its head. Whether `head`, its row, is changed by this."""
    if head.doubtful_seq != UNKNOWN:
        return False
    mine = t.heads.c.device == head.device
    connection.execute(update(t.heads).where(mine).values(doubtful_seq=head.claimed_seq or 0))
    return True


def cut(doubtful_seq: int, seq: int) -> int:
    """The value of `doubtful_seq` once a new epoch goes on from record `seq`: what the old one had after that comes no more, and what the new one has
    under its numbers is of after the restore. It stays UNKNOWN: the new epoch may have begun before the restore.
    """
    return doubtful_seq if doubtful_seq == UNKNOWN else min(doubtful_seq, seq)


def doubtful(connection: Connection, device: str, seq: int) -> bool:
    """Whether a request about the device's record `seq` may have been sent before the restore."""
    return seq <= (connection.execute(_DOUBTFUL, {"device": device}).scalar() or 0)
