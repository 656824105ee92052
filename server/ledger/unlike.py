"""A payment of another amount than its notice's, or without any: no fine is paid by it, whatever its terminal says.

A terminal asks for the amount of the notice; one that is broken, or whose owner means ill, may ask for less. The money was taken and stays
posted; an alarm says so once the outcome is on record, and the case does not count as paid (`server.ledger.report`). Most payments come with
their notice, and are compared in memory where they are posted (`server.ingest.work`): only for the others is anything asked of the database.
A notice is written before its payment. So one that is not on record, in whatever epoch, was never written, and an alarm says that too; not of a
terminal that has lost records, since it may be among them.
"""

from sqlalchemy import Connection, bindparam, or_, select

from server import codes
from server.store import audit
from server.store import tables as t

Unlike = tuple[int, int, int, int]  # epoch, intent, case, amount of a payment

_NOTICES = select(t.cases.c.epoch, t.cases.c.case_no, t.cases.c.amount).where(
    t.cases.c.device == bindparam("device"),
    t.cases.c.epoch.in_(bindparam("epochs", expanding=True)),
    t.cases.c.case_no.in_(bindparam("numbers", expanding=True)),
)
_MAY_BE_LOST = select(t.devices.c.device).where(
    t.devices.c.device == bindparam("device"),
    or_(
        select(t.gaps.c.first).where(t.gaps.c.device == bindparam("device")).exists(),
        select(t.cases.c.epoch)
        .where(t.cases.c.device == bindparam("device"), t.cases.c.case_no == bindparam("number"))
        .exists(),
    ),
)
"""Made once: making them costs more than running them."""


def look(connection: Connection, device: str, paid: list[Unlike], now: int) -> None:
    """After a batch was written: raise the alarm for each of the payments `paid`, approved or deferred, that is not of the amount of its notice, or
    has none.
    """
    if not paid:
        return
    numbers = {"epochs": sorted({epoch for epoch, *_ in paid}), "numbers": sorted({case for _, _, case, _ in paid})}
    found = connection.execute(_NOTICES, {"device": device, **numbers})
    asked = {(row.epoch, row.case_no): row.amount for row in found}
    for epoch, intent, case, amount in paid:
        notice = asked.get((epoch, case))
        if notice is None and connection.execute(_MAY_BE_LOST, {"device": device, "number": case}).first() is None:
            what = (
                f"payment {intent}, {amount} centimes, is of case {case}, of which its terminal has written no notice"
            )
            audit.alarm(connection, device, codes.PAID_UNASKED, what, now)
        elif notice is not None and notice != amount:
            what = f"payment {intent} of case {case} is of {amount} centimes, its notice of {notice}: the case does not count as paid"
            audit.alarm(connection, device, codes.PAID_OTHERWISE, what, now)
