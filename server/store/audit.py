"""The append-only audit log: what a person may have to look at, and who did what.

Never personal data, never card data.
"""

from sqlalchemy import Connection, func, insert, select

from server.store import tables as t


def write(connection: Connection, device: str, level: int, code: str, what: str, now: int) -> None:
    """Append one line (`level` LEVEL_*, at most 200 characters) about `device`, "" for the server itself."""
    last = connection.execute(select(func.max(t.audit.c.number)).where(t.audit.c.device == device)).scalar()
    connection.execute(
        insert(t.audit).values(device=device, number=(last or 0) + 1, at=now, level=level, code=code, what=what[:200])
    )


def alarm(connection: Connection, device: str, code: str, what: str, now: int) -> None:
    """Append a line of the highest level."""
    write(connection, device, t.LEVEL_ALARM, code, what, now)
