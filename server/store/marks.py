"""What a database says of itself in `meta`, so that nobody takes it for another one than it is.

    backup     SQLite: this is a backup, made at that time by `tasdid server backup` (`server.store.whole`)
    home       PostgreSQL: the number (oid) of the database that a server was started on; one that createdb and pg_restore made has another
    cluster    PostgreSQL: the number of the cluster that this database was in (`system_identifier`, which initdb draws and pg_upgrade draws anew):
               the first database of two clusters has the same oid in both. Where the role may not ask for it, the oid has to do
    damaged    PostgreSQL: how often a server was told that it is damaged
    forgotten  of when the earliest backup was that a server was started on with `--restored`, until one is started without (`server.store.restore`)

A database that was put back, and of which nobody has said so yet, is neither served nor decided in: the start with `--restored` takes care of
what it has forgotten. It can be told of a backup that `tasdid server backup` made, and of what pg_restore has put into a new database. It cannot of
a file that was copied otherwise, of a PostgreSQL whose own files were put back, of a dump that `pg_restore --clean` has put into the very database
that it was made of, nor of a dump in which a mark is not yet: one that a former release's server was started on last has no `home`, or no
`cluster`. Such a database is taken as it is, and marked at its next start.

Of damage the other servers on a PostgreSQL are to know as well (SRV-042): each remembers how often there was some when it started, and looks whether
it is more often now.
"""

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from protocol.errors import ConfigError
from server.store import tables as t
from server.store.engine import reading, unusable

BACKUP, HOME, CLUSTER, DAMAGED = "backup", "home", "cluster", "damaged"
FORGOTTEN = "forgotten"
_VALUE = select(t.meta.c.value).where(t.meta.c.name == bindparam("name"))
_OID = text("SELECT oid FROM pg_database WHERE datname = current_database()")
_MAY_ASK = text("SELECT has_function_privilege(to_regprocedure('pg_control_system()'), 'EXECUTE')")
_IDENTIFIER = text("SELECT system_identifier FROM pg_control_system()")


def value(connection: Connection, name: str) -> int | None:
    """What `meta` says under a name."""
    return connection.execute(_VALUE, {"name": name}).scalar()


def _place(connection: Connection) -> dict[str, int]:
    """Where a PostgreSQL's database is, as far as its role may ask; SQLite's says nothing of that."""
    if connection.dialect.name != "postgresql":
        return {}
    found = {HOME: int(connection.execute(_OID).scalar_one())}
    if connection.execute(_MAY_ASK).scalar():  # to be refused would end the transaction
        found[CLUSTER] = int(connection.execute(_IDENTIFIER).scalar_one())
    return found


def must_be_known(connection: Connection) -> None:
    """ConfigError CFG-037 if the database was put back from a backup and nobody has said so yet."""
    elsewhere = any(value(connection, name) not in (None, here) for name, here in _place(connection).items())
    if elsewhere or value(connection, BACKUP) is not None:
        raise put_back()


def put_back() -> ConfigError:
    """What is said of such a database."""
    hint = "start the server once with --restored (docs/restore.md): what it has forgotten is looked after then"
    return ConfigError("this database was put back, and no server was told so yet", "CFG-037", hint)


def enter(engine: Engine) -> None:
    """A server starts on a database that nobody says was put back. ConfigError CFG-037 if it was, CFG-028 if it cannot be used."""
    try:
        with reading(engine) as connection:
            must_be_known(connection)
            missing = any(value(connection, name) is None for name in _place(connection))
            over = value(connection, FORGOTTEN) is not None
        if missing or over:
            try:
                with engine.begin() as connection:
                    connection.execute(delete(t.meta).where(t.meta.c.name == FORGOTTEN))
                    at_home(connection)
            except IntegrityError:  # another server has entered it meanwhile
                return
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error


def at_home(connection: Connection) -> None:
    """From now on the database is no backup, and where it is."""
    connection.execute(delete(t.meta).where(t.meta.c.name.in_((BACKUP, HOME, CLUSTER))))
    for name, here in _place(connection).items():
        connection.execute(insert(t.meta).values(name=name, value=here))


def damaged(connection: Connection) -> int:
    """How often a server was told that the database is damaged."""
    return value(connection, DAMAGED) or 0


def damaged_before(engine: Engine) -> int:
    """The same for a server that starts. ConfigError CFG-028."""
    try:
        with reading(engine) as connection:
            return damaged(connection)
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error


def note_damage(engine: Engine) -> None:
    """Tell the other servers on the database that it is damaged. SQLAlchemyError: they could not be told."""
    mine = t.meta.c.name == DAMAGED
    with engine.begin() as connection:
        if not connection.execute(update(t.meta).where(mine).values(value=t.meta.c.value + 1)).rowcount:
            connection.execute(insert(t.meta).values(name=DAMAGED, value=1))
