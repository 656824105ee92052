"""The append-only audit log: what a person may have to look at, and who did what.

Never personal data, never card data.
"""

from sqlalchemy import Connection, bindparam, func, insert, select

from server.store import tables as t

AGAIN_S = 3600
_LAST = select(func.max(t.audit.c.number)).where(t.audit.c.device == bindparam("b_device"))
_LINE = insert(t.audit)
_SAME = (
    select(t.audit.c.what, t.audit.c.at)
    .where(t.audit.c.device == bindparam("b_device"), t.audit.c.code == bindparam("b_code"))
    .order_by(t.audit.c.number.desc())
    .limit(1)
)
"""Statements made once: making one costs more than running it."""


def write(connection: Connection, device: str, level: int, code: str, what: str, now: int) -> None:
    """Append one line (`level` LEVEL_*, at most 200 characters) about `device`, "" for the server itself."""
    last = connection.execute(_LAST, {"b_device": device}).scalar()
    line = {"device": device, "number": (last or 0) + 1, "at": now, "level": level, "code": code, "what": what[:200]}
    connection.execute(_LINE, line)


def seldom(connection: Connection, device: str, level: int, code: str, what: str, now: int) -> None:
    """As `write`, unless the last line of this code about the device says the same and is not AGAIN_S old: what a terminal repeats fills no log."""
    last = connection.execute(_SAME, {"b_device": device, "b_code": code}).first()
    if last is None or last.what != what[:200] or not 0 <= now - last.at < AGAIN_S:
        write(connection, device, level, code, what, now)


def alarm(connection: Connection, device: str, code: str, what: str, now: int) -> None:
    """Append a line of the highest level."""
    write(connection, device, t.LEVEL_ALARM, code, what, now)


def alarm_once(connection: Connection, device: str, code: str, what: str, now: int, among: int = 1) -> None:
    """As `alarm`, unless one of the last `among` lines of this code about the device says the same."""
    c = t.audit.c
    last = select(c.what).where(c.device == device, c.code == code).order_by(c.number.desc()).limit(among)
    if what[:200] not in connection.execute(last).scalars().all():
        alarm(connection, device, code, what, now)
