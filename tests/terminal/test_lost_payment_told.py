"""An approved payment that is lost with the storage is told to who logs in next, once: nobody who has paid is asked again."""

from protocol import records as r
from terminal.flows import login
from tests.support.centre import Handheld
from tests.support.menu import Menu


async def _booted(lost):
    """A terminal with one paid fine, of which the records in `lost` are spoilt."""
    parts = Handheld(None)
    journal = parts.journal
    await journal.open()
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 200000})
    paid = {r.CASE: 1, r.INTENT: intent[r.SEQ], r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_APPROVED}
    await journal.append(r.PAYMENT_OUTCOME, paid)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    for seq in lost:
        data = journal.record_at(seq)[1]
        for name in sorted(parts.storage.files):
            parts.storage.files[name] = parts.storage.files[name].replace(data, bytes(len(data)))
    again = Handheld(None, parts.storage, parts.se)
    await again.journal.open()
    return again


async def _sessions(parts):
    """The codes that two officers see at their log-in."""
    t = Menu(parts, ["ok", "cancel", "ok", "cancel"])

    async def log_in(terminal):
        terminal.officer = {"number": 7, "unit": "u"}
        return True

    plain, login.log_in = login.log_in, log_in
    try:
        for _ in range(2):
            await t._session()
    finally:
        login.log_in = plain
    return [fields["code"] for screen, fields in t.face.shown if screen == "error"]


async def test_it_is_told_once():
    assert await _sessions(await _booted((2, 3))) == ["RSK-016"]


async def test_another_loss_is_not():
    assert await _sessions(await _booted((2,))) == []
