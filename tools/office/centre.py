"""What the commands of the back office share: options, and the centre's database with its officers."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

Config = Annotated[Path, typer.Option("--config", help="configuration file (TOML or JSON), see server/config.py")]
Database = Annotated[str | None, typer.Option("--db", help="SQLAlchemy URL; wins over the configuration's")]
Number = Annotated[int, typer.Option("--officer", help="number of the deciding officer", min=1)]
Key = Annotated[Path, typer.Option("--key", help="that officer's private key")]


def now() -> int:
    """UTC seconds."""
    return int(time.time())


def opened(path: Path, db: str | None) -> Any:
    """(engine, office) of a configuration."""
    from server import config
    from server.office import Office
    from server.store.engine import open_engine

    loaded = config.load(path, db)
    return open_engine(loaded.db), Office.load(loaded.office)
