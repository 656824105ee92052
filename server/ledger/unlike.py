"""A payment of another amount than its notice's: the fine is not paid by it, whatever its terminal says.

A terminal asks for the amount of the notice; one that is broken, or whose owner means ill, may ask for less. The money was taken and stays
posted; an alarm says so once the outcome is on record, and the case does not count as paid (`server.ledger.report`). Most payments come with
their notice, and are compared in memory where they are posted (`server.ingest.work`): only for the others is anything asked of the database.
A notice that is lost, or of another epoch than its payment, is not on record: nothing is said then.
"""

from sqlalchemy import Connection, bindparam, select

from server import codes
from server.store import audit
from server.store import tables as t

Unlike = tuple[int, int, int, int]  # epoch, intent, case, amount of a payment

_NOTICES = select(t.cases.c.epoch, t.cases.c.case_no, t.cases.c.amount).where(
    t.cases.c.device == bindparam("device"),
    t.cases.c.epoch.in_(bindparam("epochs", expanding=True)),
    t.cases.c.case_no.in_(bindparam("numbers", expanding=True)),
)
"""Made once: making it costs more than running it."""


def look(connection: Connection, device: str, paid: list[Unlike], now: int) -> None:
    """After a batch was written: raise the alarm for each of the payments `paid`, approved or deferred, that is not of the amount of its notice."""
    if not paid:
        return
    numbers = {"epochs": sorted({epoch for epoch, *_ in paid}), "numbers": sorted({case for _, _, case, _ in paid})}
    found = connection.execute(_NOTICES, {"device": device, **numbers})
    asked = {(row.epoch, row.case_no): row.amount for row in found}
    for epoch, intent, case, amount in paid:
        notice = asked.get((epoch, case), amount)
        if notice != amount:
            what = f"payment {intent} of case {case} is of {amount} centimes, its notice of {notice}: the case does not count as paid"
            audit.alarm(connection, device, codes.PAID_OTHERWISE, what, now)
