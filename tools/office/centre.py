"""What the commands of the back office share: options, and the centre's database with its officers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

MOST = 0xFFFFFFFF
"""An officer's number as records hold it."""

Config = Annotated[Path, typer.Option("--config", help="configuration file (TOML or JSON), see server/config.py")]
Database = Annotated[str | None, typer.Option("--db", help="SQLAlchemy URL; wins over the configuration's")]
Number = Annotated[int, typer.Option("--officer", help="number of the deciding officer", min=1, max=MOST)]
Key = Annotated[Path, typer.Option("--key", help="that officer's private key")]
Payment = Annotated[str, typer.Argument(help="terminal/epoch/sequence of the intent")]
Proposal = Annotated[
    int,
    typer.Option("--proposal", help="the number of the proposal that was read, as the list has it", min=1, max=MOST),
]
"""What is approved is named by its number: a later proposal may have overtaken the one that the officer has read."""


_LOST = (
    "look with the list of proposals or failures whether it was decided; if not, try again when the database answers"
)


def decided(row: Any) -> str:
    """How a proposal stands, who proposed and who approved it, and why: the end of its line in any list."""
    who = f"proposed by {row['proposed_by']}, approved by {row['approved_by'] or 'nobody yet'}"
    return f"{row['state']}, {who}: {row['reason']}"


def now() -> int:
    """UTC seconds."""
    return int(time.time())


def identity(text: str) -> tuple[str, int, int]:
    """A payment by its name, as the ledger shows it. ParameterError PRM-035 if it is no payment's name."""
    from protocol.errors import ParameterError

    parts = text.split("/")
    if (
        len(parts) != 3
        or not parts[0].isprintable()
        or not parts[0]
        or not all(part.isascii() and part.isdigit() and len(part) < 11 for part in parts[1:])
    ):
        raise ParameterError(f"{text!r} names no payment", "PRM-035", "write terminal/epoch/sequence: TSD-000001/1/42")
    return parts[0], int(parts[1]), int(parts[2])


def day(utc: int) -> str:
    """The date of UTC seconds."""
    return time.strftime("%Y-%m-%d", time.gmtime(utc))


def standing(rows: list[dict[str, Any]], waiting: Sequence[str] = ("proposed",)) -> list[dict[str, Any]]:
    """Proposals as a list shows them: what nobody approved in time is "expired"; `waiting`: the states that time ends."""
    utc = now()
    return [{**row, "state": "expired"} if row["state"] in waiting and row["expires"] < utc else row for row in rows]


def withdrawn(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """What a new proposal has withdrawn, by the lists of proposals before and after it: the end of what its officer is told."""

    def named(row: dict[str, Any]) -> tuple[str, ...]:
        return tuple(str(value) for name, value in row.items() if name not in ("state", "approved_by"))

    gone = {named(row) for row in after if row["state"] == "withdrawn"}
    ended = [row for row in before if row["state"] != "withdrawn" and named(row) in gone]
    return "".join(f"; proposal {row['number']} of officer {row['proposed_by']} is withdrawn by it" for row in ended)


@contextmanager
def transaction(path: Path, db: str | None) -> Iterator[tuple[Any, Any]]:
    """(connection, office) of a configuration, whose database is there; what is done with them is committed at the end, or not at all.

    ConfigError, CFG-028 also where the database is locked, or lost meanwhile, CFG-037 where it was put back and its server was not told so
    yet, so that what is on file is not how it stands.
    """
    from server.office.signing import Office
    from server.store import marks

    with _engine(path, db) as (engine, loaded):
        office = Office.load(loaded.office)
        with engine.begin() as connection:
            marks.must_be_known(connection)
            yield connection, office


@contextmanager
def reading(path: Path, db: str | None) -> Iterator[Any]:
    """A connection of a configuration that reads only: a list keeps nobody from writing. ConfigError as `transaction`."""
    from server.store import engine as store

    with _engine(path, db) as (engine, _), store.reading(engine, whole=True) as connection:
        yield connection


@contextmanager
def _engine(path: Path, db: str | None) -> Iterator[tuple[Any, Any]]:
    """(engine, configuration) of a database that is there, and was looked at before it is opened."""
    from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

    from server import config
    from server.store import whole
    from server.store.engine import open_engine, unusable

    loaded = config.load(path, db)
    whole.may_be_opened(loaded.db)
    engine = open_engine(loaded.db, new=False)
    try:
        yield engine, loaded
    except (DataError, IntegrityError, ProgrammingError):  # none of the database's faults
        raise
    except DBAPIError as error:
        raise unusable(engine, error, _LOST) from error
    finally:
        engine.dispose()


def listed_key(path: Path, device: str) -> bytes:
    """The public key that a configuration's list of devices has for a device. ParameterError PRM-043 if it has none."""
    from protocol.errors import ParameterError
    from server import config

    for listed in config.load(path).devices:
        if listed.device == device:
            return listed.public_key
    hint = "enter it there with its new key, as it was provisioned"
    raise ParameterError("the list of devices does not have this terminal", "PRM-043", hint, ascii(device))


def waits(path: Path) -> int:
    """Seconds after which a request without a final answer is a person's to decide, by a configuration."""
    from server import config

    return config.load(path).acquirer_waits


def holds(path: Path) -> int:
    """Seconds that the acquirer's host may hold a request before it acts on it."""
    from server import config

    return config.load(path).acquirer_holds
