"""Writing many rows: one statement a table, whoever writes them. The load measurement's bare limit goes through here too.

Rows are dicts with every column of their table that has no default.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert

from server.store import tables as t

_INSERTS = {name: insert(table) for name, table in t.metadata.tables.items()}
"""Statements made once: making one costs more than running it."""


def write(connection: Connection, gathered: Mapping[str, list[dict[str, Any]]]) -> None:
    """Insert what was gathered {table: rows}, in the order of the tables' first rows."""
    for table, rows in gathered.items():
        if rows:
            connection.execute(_INSERTS[table], rows)
