"""What the commands of the back office share: options, and the centre's database with its officers."""

import time
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


def now() -> int:
    """UTC seconds."""
    return int(time.time())


def identity(text: str) -> tuple[str, int, int]:
    """A payment by its name, as the ledger shows it. ParameterError PRM-035 if it is no payment's name."""
    from protocol.errors import ParameterError

    parts = text.split("/")
    if (
        len(parts) != 3
        or not parts[0]
        or not all(part.isascii() and part.isdigit() and len(part) < 11 for part in parts[1:])
    ):
        raise ParameterError(f"{text!r} names no payment", "PRM-035", "write terminal/epoch/sequence: TSD-000001/1/42")
    return parts[0], int(parts[1]), int(parts[2])


def opened(path: Path, db: str | None) -> Any:
    """(engine, office) of a configuration, whose database is there. ConfigError."""
    from server import config
    from server.office import Office
    from server.store.engine import open_engine

    loaded = config.load(path, db)
    return open_engine(loaded.db, new=False), Office.load(loaded.office)


def waits(path: Path) -> int:
    """Seconds after which a request without a final answer is a person's to decide, by a configuration."""
    from server import config

    return config.load(path).acquirer_waits


def holds(path: Path) -> int:
    """Seconds that the acquirer's host may hold a request before it acts on it."""
    from server import config

    return config.load(path).acquirer_holds
