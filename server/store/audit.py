"""The append-only audit log: what a person may have to look at, and who did what.

Never personal data, never card data.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection, bindparam, func, insert, select

from server.store import tables as t

AGAIN_S = 3600
TOGETHER = 1000
"""Lines that are written by one statement."""
_LAST = select(func.max(t.audit.c.number)).where(t.audit.c.device == bindparam("b_device"))
_LASTS = select(t.audit.c.device, func.max(t.audit.c.number).label("number")).group_by(t.audit.c.device)
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


def alarms(connection: Connection, code: str, lines: Iterable[tuple[str, str]], now: int) -> None:
    """Append many lines of the highest level, (device, what) each, in their order. Their numbers are looked up for all at once: one by one,
    PostgreSQL keeps to the plan that it has made while the log was empty, and reads through all of it for each line.
    """
    last = {row.device: row.number for row in connection.execute(_LASTS)}
    for some in _together(lines):
        rows = []
        for device, what in some:
            last[device] = last.get(device, 0) + 1
            line = {"device": device, "number": last[device], "at": now, "level": t.LEVEL_ALARM, "code": code}
            rows.append({**line, "what": what[:200]})
        connection.execute(_LINE, rows)


def alarm_once(connection: Connection, device: str, code: str, what: str, now: int, among: int = 1) -> None:
    """As `alarm`, unless one of the last `among` lines of this code about the device says the same."""
    c = t.audit.c
    last = select(c.what).where(c.device == device, c.code == code).order_by(c.number.desc()).limit(among)
    if what[:200] not in connection.execute(last).scalars().all():
        alarm(connection, device, code, what, now)


def _together(lines: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    rest = iter(lines)
    while some := list(islice(rest, TOGETHER)):
        yield some
