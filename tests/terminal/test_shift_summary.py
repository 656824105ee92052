"""What the officer reads of a shift: no figure is below 0, whatever was begun in another shift; after a power cut it is there again."""

from protocol import records as r
from protocol import sync as m
from tests.support.centre import Handheld
from tests.support.menu import Menu
from tests.terminal.journal.test_lost_outcome import _spoil
from tests.terminal.test_unattended import AMOUNT, Network, _pay, _result

DEVICE_HEAP = "256k"
NONE = {"count": 0, "total": 0, "voided_count": 0, "voided_total": 0, "provisional_count": 0, "provisional_total": 0}


async def _menu(up=True):
    parts = Handheld(Network(up))
    parts.network.answer.t = parts
    await parts.journal.open()
    t = Menu(parts)
    await _log_in(t)
    return t


async def _log_in(t):
    await t.journal.append(r.SHIFT_OPENED, {r.SHIFT: t.journal.view.shift + 1})
    await t.journal.append(r.LOGIN, {})
    t.officer = {"number": 1007, "unit": "BSR-16"}


async def _close(t):
    """Key 3, once what was to be told is told: the figures that are shown."""
    t.journal.view.releases.clear()
    t.face.keys, t.face.shown = ["3", "ok", "ok", "ok"], []
    await t._home()
    return _shown(t)


def _shown(t):
    fields = dict([fields for screen, fields in t.face.shown if screen == "shift_summary"][0])
    assert fields.pop("balanced") in (True, None)
    return {key: value for key, value in fields.items() if NONE.get(key) != value}


def _closings(t):
    return [entry[0] for entry in t.journal.entries(1) if entry[0][r.KIND] == r.SHIFT_CLOSED]


async def test_a_deferred_payment_is_awaited_in_one_shift_and_paid_or_declined_in_the_next():
    for outcome, key in ((r.OUTCOME_APPROVED, "count"), (r.OUTCOME_DECLINED, "declined_count")):
        t = await _menu(up=False)
        intent = await _pay(t.journal, r.OUTCOME_PROVISIONAL, True)
        right = {"provisional_count": 1, "provisional_total": AMOUNT, "declined_count": 0}
        assert await _close(t) == right
        await _log_in(t)
        await t.journal.append(
            r.AUTHORISATION_RESULT, {r.CASE: 1, r.INTENT: intent, r.AMOUNT: AMOUNT, r.OUTCOME: outcome}
        )
        right = {"declined_count": 0, key: 1}
        if outcome == r.OUTCOME_APPROVED:
            right["total"] = AMOUNT
        assert await _close(t) == right


async def test_a_result_that_comes_while_closing_is_awaited_no_longer_and_counts_in_the_next_shift():
    t = await _menu()
    intent = await _pay(t.journal, r.OUTCOME_PROVISIONAL, True)
    t.ports.network.answer.more = {m.RESULTS: [_result(intent)]}
    assert await _close(t) == {"declined_count": 0}
    await _log_in(t)
    assert await _close(t) == {"count": 1, "total": AMOUNT, "declined_count": 0}
    one, two = _closings(t)
    assert (one[r.FIRST], one[r.TOTALS]) == (1, {r.OUTCOME_PROVISIONAL: [1, AMOUNT]})
    assert (two[r.FIRST], two[r.TOTALS]) == (one[r.SEQ] + 1, {r.LATE + r.OUTCOME_APPROVED: [1, AMOUNT]})
    asked = [payload for kind, payload in t.ports.network.sent if kind == m.TYPE_CLOSE]
    assert [(one[m.FIRST_SEQ], one[m.TOTALS]) for one in asked] == [(one[r.FIRST], one[r.TOTALS]) for one in (one, two)]


async def test_what_is_declared_lost_is_awaited_no_longer():
    t = await _menu(up=False)
    journal = t.journal
    intent = await _pay(journal, r.OUTCOME_PROVISIONAL, True)
    journal._shelf.fresh = True  # its head remembers the payment
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    for seq in (intent, intent + 1):
        _spoil(t.ports.storage, journal.record_at(seq)[1])
    parts = Handheld(Network(False), t.ports.storage, t.ports.se)
    await parts.journal.open()
    await parts.journal.end_what_was_cut()
    t = Menu(parts)
    await t.journal.append(r.LOGIN, {})
    assert t.journal.view.due() == (False, False) and list(t.journal.view.provisional) == [intent]
    assert await _close(t) == {"declined_count": 0}


async def test_what_is_voided_in_the_next_shift_is_not_taken_off_what_is_paid_there():
    t = await _menu()
    intent = await _pay(t.journal, r.OUTCOME_APPROVED, True)
    void = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: AMOUNT}
    void[r.VOID_STATE] = r.VOID_ASKED
    await t.journal.append(r.VOID, void)
    assert await _close(t) == {"count": 1, "total": AMOUNT, "declined_count": 0}
    await _log_in(t)
    void[r.VOID_STATE] = r.VOID_DONE
    await t.journal.append(r.VOID, void)
    assert await _close(t) == {"voided_count": 1, "voided_total": AMOUNT, "declined_count": 0}


async def test_after_a_boot_the_closed_shift_is_shown_until_somebody_is_in():
    t = await _menu(up=False)
    await _pay(t.journal, r.OUTCOME_PROVISIONAL, True)
    view = t.journal.view
    await t.journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: view.totals})
    for _ in range(2):
        parts = Handheld(Network(False), t.ports.storage, t.ports.se)
        await parts.journal.open()
        await parts.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        t = Menu(parts, ["ok"])
        await t._recall_totals()
        right = {"provisional_count": 1, "provisional_total": AMOUNT, "declined_count": 0, "recalled": True}
        assert _shown(t) == right and t.face.shown[0][1]["balanced"] is None
        assert parts.network.sent == []
    await _log_in(t)
    t.face.shown = []
    await t._recall_totals()
    assert t.face.shown == []


async def test_a_terminal_that_never_closed_a_shift_shows_none():
    parts = Handheld(Network(False))
    await parts.journal.open()
    t = Menu(parts)
    await t._recall_totals()
    await parts.journal.append(r.PROVISIONED, {r.WILAYA: 16})
    await t._recall_totals()
    assert t.face.shown == []
