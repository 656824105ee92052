"""After a restore from a backup: what this database does not know of may all the same have been sent to the acquirer.

`mark` is called once, before the server starts on a restored database (`python -m server --restored`). From then on
every request for a payment that a terminal may have reported before that moment goes out as a *repeat*: the acquirer's
host answers what it knows, and charges nobody twice. Which those are is told by the terminal's sequence, never by its
clock: all, until its first HELLO after the restore names its head; then those up to the highest head that it names
within WINDOW. Terminals send again what they retain; nothing else has to be done.
"""

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from server.store import audit
from server.store import tables as t

_NAME = "restored"
_VALUE = select(t.meta.c.value).where(t.meta.c.name == _NAME)
_DOUBTFUL = select(t.heads.c.doubtful_seq).where(t.heads.c.device == bindparam("device"))
UNKNOWN = 1 << 40  # a sequence that no terminal reaches: everything is doubtful
WINDOW = 3600  # seconds in which an older HELLO may still arrive late


def mark(connection: Connection, now: int) -> None:
    """Note that the database was restored, and make every unsent request doubtful."""
    if restored(connection):
        connection.execute(update(t.meta).where(t.meta.c.name == _NAME).values(value=now))
    else:
        connection.execute(insert(t.meta).values(name=_NAME, value=now))
    connection.execute(update(t.heads).values(doubtful_seq=UNKNOWN))
    connection.execute(update(t.outbox).where(t.outbox.c.state == t.STATE_NEW).values(state=t.STATE_DOUBTFUL))
    audit.alarm(connection, "", "RESTORED", "the database was restored from a backup", now)


def restored(connection: Connection) -> int:
    """When the database was restored last (seconds UTC); 0 if it never was."""
    return connection.execute(_VALUE).scalar() or 0


def heard(connection: Connection, head: Row, head_seq: int, now: int) -> int:  # type: ignore[type-arg]
    """The value of `doubtful_seq` after a HELLO that names `head_seq`; `head` is the device's row."""
    if head.doubtful_seq == UNKNOWN:
        return head_seq
    if head.doubtful_seq and now < restored(connection) + WINDOW:
        return max(head.doubtful_seq, head_seq)
    return head.doubtful_seq


def doubtful(connection: Connection, device: str, seq: int) -> bool:
    """Whether a request about the device's record `seq` may have been sent before the restore."""
    return seq <= (connection.execute(_DOUBTFUL, {"device": device}).scalar() or 0)
