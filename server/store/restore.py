"""After a restore from a backup: what this database does not know of may all the same have been sent to the acquirer.

`mark` is called once, before the server starts on a restored database (`python -m server --restored`). From then on
every request for a payment made before that moment goes out as a *repeat*: the acquirer's host answers what it knows,
and charges nobody twice. Terminals send again what they retain; nothing else has to be done.
"""

from sqlalchemy import Connection, insert, select, update

from server.store import audit
from server.store import tables as t

_NAME = "restored"
_VALUE = select(t.meta.c.value).where(t.meta.c.name == _NAME)


def mark(connection: Connection, now: int) -> None:
    """Note that the database was restored, and make every unsent request doubtful."""
    if doubtful_before(connection):
        connection.execute(update(t.meta).where(t.meta.c.name == _NAME).values(value=now))
    else:
        connection.execute(insert(t.meta).values(name=_NAME, value=now))
    connection.execute(update(t.outbox).where(t.outbox.c.state == t.STATE_NEW).values(state=t.STATE_DOUBTFUL))
    audit.alarm(connection, "", "RESTORED", "the database was restored from a backup", now)


def doubtful_before(connection: Connection) -> int:
    """Requests for payments made before this time (seconds UTC) may have been sent already; 0 if there never was a
    restore.
    """
    return connection.execute(_VALUE).scalar() or 0
