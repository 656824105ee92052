"""What the tables are made of: kinds of columns, the index of a few rows, the one `metadata`."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, LargeBinary, MetaData, String, text

metadata = MetaData()


def integer(name: str, nullable: bool = False) -> Column[int]:
    return Column(name, BigInteger, nullable=nullable)


def words(name: str, length: int, nullable: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=nullable)


def octets(name: str, nullable: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, nullable=nullable)


def partly(name: str, where: str, *columns: str) -> Index:
    """An index over the rows of which `where` holds: those of the common run cost nothing."""
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


def told_column() -> Column[int]:
    """When a terminal was told last: whoever waits longest is told next, so that nobody waits behind what a terminal cannot take."""
    return Column("told", BigInteger, nullable=False, server_default="0")


def four_eyes() -> list[Column[Any]]:
    """What one officer of the back office has proposed and another approved."""
    return [
        words("reason", 64),
        integer("expires"),
        integer("proposed_by"),
        octets("proposal"),  # COSE_Sign1 by the first officer
        integer("proposed_at"),
        integer("approved_by", nullable=True),
        octets("approval", nullable=True),  # COSE_Sign1 by the second officer
        integer("approved_at", nullable=True),
    ]
