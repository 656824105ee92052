"""Proposals of all kinds as a person's lists have them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, func, or_, select

LISTED = 100
"""So many of those that are no longer open are listed."""
OPEN = 0
"""The state of what nobody has approved, withdrawn or overtaken: the same in all tables of proposals."""


def newest(connection: Connection, table: Table, *order: Any) -> Sequence[RowMapping]:
    """Newest first, those of one second by `order`: all that are open, since they are approved by their numbers, and the last others."""
    said = (table.c.proposed_at.desc(), *order)
    place = func.row_number().over(order_by=said).label("place")
    among = func.row_number().over(partition_by=table.c.state == OPEN, order_by=said).label("among")
    each = select(table, place, among).subquery()
    shown = select(each).where(or_(each.c.state == OPEN, each.c.among <= LISTED)).order_by(each.c.place)
    return connection.execute(shown).mappings().all()
