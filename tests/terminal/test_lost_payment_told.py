"""A payment that is lost with the storage is told before a log-in until somebody has answered: nobody who has paid is asked again."""

from protocol import records as r
from terminal.flows import login
from terminal.journal.view import View
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
    return await _again(parts)


async def _again(parts):
    """After one more boot."""
    again = Handheld(None, parts.storage, parts.se)
    await again.journal.open()
    return again


_IN_AND_OUT = ("1", "cancel", "ok")  # a first digit, and in the menu the red key and yes


async def _sessions(parts, keys=("1", "ok", "cancel", "ok") + _IN_AND_OUT):  # noqa: RUF005 - the device
    """The codes that two officers see who log in; `keys` are what they press."""
    t = Menu(parts, keys)
    t.officer = None

    async def credentials(terminal, second, key):
        return {"number": 7, "unit": "u"}

    plain, login._credentials = login._credentials, credentials
    try:
        for _ in range(2):
            await t._session()
    finally:
        login._credentials = plain
    return [fields["code"] for screen, fields in t.face.shown if screen == "error"]


def _in(parts):
    """How often somebody has logged in."""
    return len([item for item in parts.journal.entries(1) if item[0][r.KIND] == r.LOGIN])


async def test_it_is_told_once():
    parts = await _booted((2, 3))
    assert await _sessions(parts) == ["RSK-016"] and _in(parts) == 2
    assert await _sessions(await _again(parts), _IN_AND_OUT * 2) == []


async def test_another_loss_is_not():
    assert await _sessions(await _booted((2,)), _IN_AND_OUT * 2) == []


async def test_it_is_told_until_somebody_has_answered():
    parts = await _again(await _booted((2, 3)))  # the power went before anybody logged in
    assert await _sessions(parts, ("1", None, "1")) == ["RSK-016"] * 2 and _in(parts) == 0
    parts = await _again(parts)
    assert await _sessions(parts) == ["RSK-016"] and _in(parts) == 2


def test_a_snapshot_keeps_that_it_is_to_be_told_and_one_of_before_knows_nothing_of_it():
    view, found = View(), View()
    view.apply({r.KIND: r.GAP, r.SEQ: 1, r.FIRST: 1, r.GAP_LAST: 1, r.GAP_COUNT: 1})
    kept = view.snapshot()
    found.restore(kept)
    assert found.lost and found.untold == {1: 1}
    del kept[12]
    found.restore(kept)
    assert not found.lost
    kept[12] = True  # of which loss it did not say
    found.restore(kept)
    assert found.lost
    found.apply({r.KIND: r.LOGIN, r.SEQ: 1, r.OFFICER: 7})
    assert not found.lost
