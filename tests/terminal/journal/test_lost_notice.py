"""A notice that is lost while what came after it is whole: the payment that it began is ended by name, the void of it too."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage

SEGMENT = "journal/000001.seg"
A = 300000
NOTICE = {r.CASE: 7, r.PV: "000001-00007", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4}


async def _opened(storage, element):
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    await journal.open()
    return journal


def _spoil(storage, data):
    """One bit of a record, wherever it lies."""
    found = 0
    for name in sorted(storage.files):
        content = storage.files[name]
        at = content.find(data)
        if at >= 0:
            storage.files[name] = content[: at + 20] + bytes((content[at + 20] ^ 4,)) + content[at + 21 :]
            found += 1
    assert found


async def _cut():
    """boot, notice, intent; the power goes, and the notice with it."""
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    await journal.append(r.NOTICE, NOTICE)
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: A})
    _spoil(storage, journal.record_at(2)[1])
    return storage, element


def _outcomes(journal):
    return [item[0] for item in journal.entries(1) if item[0][r.KIND] == r.PAYMENT_OUTCOME]


async def test_a_payment_whose_notice_is_lost_is_interrupted_by_name():
    storage, element = await _cut()
    journal = await _opened(storage, element)
    assert [(gap[r.FIRST], gap[r.GAP_LAST]) for gap in journal.losses.gaps] == [(2, 2)] and journal.view.case is None
    try:
        await journal.append(r.PAYMENT_INTENT, {r.CASE: 8, r.AMOUNT: A})
        raise AssertionError
    except JournalError as error:
        assert error.code == "JRN-026"
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    for _ in range(2):
        await journal.end_what_was_cut()
        journal = await _opened(storage, element)
    [outcome] = _outcomes(journal)
    said = [outcome[key] for key in (r.INTENT, r.CASE, r.AMOUNT, r.OUTCOME, r.REASON)]
    assert said == [3, 7, A, r.OUTCOME_INTERRUPTED, "power"]
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 8, r.AMOUNT: A})


async def test_it_is_not_forgotten_if_the_power_goes_before_it_is_ended():
    storage, element = await _cut()
    journal = await _opened(storage, element)  # the gap record begins a new segment, whose head says what is open
    assert len(journal._shelf.segments) == 2
    journal = await _opened(storage, element)
    assert journal.view.orphan == (3, 7, A)
    await journal.end_what_was_cut()
    assert len(_outcomes(journal)) == 1 and journal.view.orphan is None


async def _void(spoilt):
    """A payment that is over, and a void of it that was asked for; record `spoilt` is lost, and the power is cut."""
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    await journal.append(r.NOTICE, NOTICE)
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: A})
    paid = {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED, r.ONLINE: r.ONLINE_ANSWERED}
    await journal.append(r.PAYMENT_OUTCOME, paid)
    await journal.append(r.CASE_CLOSED, {r.CASE: 7, r.CLOSURE: r.CLOSURE_PAID})
    asked = {r.VOID_STATE: r.VOID_ASKED, r.SECOND_OFFICER: 2, r.CARD_TOKEN: bytes(8)}
    asked.update({r.CASE: 7, r.INTENT: 3, r.AMOUNT: A})
    await journal.append(r.VOID, asked)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "paper"})
    journal._shelf.fresh = True  # a new segment, whose head remembers
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    _spoil(storage, journal.record_at(spoilt)[1])
    if spoilt == 2:
        for name in ("journal/000002.seg",):  # and nothing remembers
            body = storage.files[name]
            storage.files[name] = body[:20] + bytes((body[20] ^ 4,)) + body[21:]
    return await _opened(storage, element)


async def test_a_void_whose_notice_is_lost_waits_for_its_end():
    for state in (r.VOID_DONE, r.VOID_REFUSED):
        journal = await _void(2)
        view = journal.view
        assert view.case is None and view.voiding.intent == 3 and view.waits() and view.due() == (True, False)
        await journal.append(r.VOID, {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.VOID_STATE: state})
        assert view.voiding is None and view.case is None and not view.waits()
        assert view.releases == ({3: (7, A, "", r.VOID)} if state == r.VOID_REFUSED else {})


async def test_a_void_that_is_lost_itself_is_waited_for_no_longer_and_its_end_is_taken():
    journal = await _void(6)
    view = journal.view
    assert view.gaps == {6: 6} and view.voiding is not None
    assert not view.waits() and view.due() == (False, False)
    await journal.append(r.VOID, {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.VOID_STATE: r.VOID_DONE})
    assert view.voiding is None and view.case.pv == NOTICE[r.PV]


async def _two(outcome, last):
    """Case 7 ended with `outcome` and was closed, case 8 came as far as `last`; the closing of 7 and the notice of 8 are lost."""
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    await journal.append(r.NOTICE, NOTICE)
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: A})
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.OUTCOME: outcome})
    await journal.append(r.CASE_CLOSED, {r.CASE: 7, r.CLOSURE: r.CLOSURE_UNPAID})
    notice = dict(NOTICE)
    notice.update({r.CASE: 8, r.PV: "000001-00008", r.AMOUNT: 2 * A})
    await journal.append(r.NOTICE, notice)
    await journal.append(r.ACKNOWLEDGED, {r.CASE: 8})
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 8, r.AMOUNT: 2 * A})
    if last == r.PAYMENT_OUTCOME:
        paid = {r.CASE: 8, r.INTENT: 8, r.AMOUNT: 2 * A, r.OUTCOME: r.OUTCOME_APPROVED}
        await journal.append(r.PAYMENT_OUTCOME, paid)
    for seq in (5, 6):
        _spoil(storage, journal.record_at(seq)[1])
    return await _opened(storage, element)


async def test_what_follows_on_a_lost_notice_is_not_the_case_befores():
    journal = await _two(r.OUTCOME_DECLINED, r.PAYMENT_INTENT)
    assert journal.view.case is None and journal.view.orphan == (8, 8, 2 * A)
    await journal.end_what_was_cut()
    said = [(one[r.CASE], one[r.INTENT], one[r.AMOUNT], one[r.OUTCOME]) for one in _outcomes(journal)]
    assert said[1:] == [(8, 8, 2 * A, r.OUTCOME_INTERRUPTED)]
    journal = await _two(r.OUTCOME_DECLINED, r.PAYMENT_OUTCOME)
    assert journal.view.case is None and journal.view.orphan is None
    await journal.end_what_was_cut()
    assert len(_outcomes(journal)) == 2


async def test_a_void_whose_case_was_not_closed_for_all_that_is_known_goes_on_as_ever():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    await journal.append(r.NOTICE, NOTICE)
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: A})
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED})
    await journal.append(r.CASE_CLOSED, {r.CASE: 7, r.CLOSURE: r.CLOSURE_PAID})
    asked = {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.VOID_STATE: r.VOID_ASKED}
    asked.update({r.SECOND_OFFICER: 2, r.CARD_TOKEN: bytes(8)})
    await journal.append(r.VOID, asked)
    _spoil(storage, journal.record_at(5)[1])
    journal = await _opened(storage, element)
    view = journal.view
    assert view.case is None and view.voiding.pv == NOTICE[r.PV] and view.paid is None
    await journal.append(r.VOID, {r.CASE: 7, r.INTENT: 3, r.AMOUNT: A, r.VOID_STATE: r.VOID_DONE})
    assert view.case.number == 7 and view.case.outcome == 0 and view.paid is None and view.voiding is None


async def test_a_verdict_whose_notice_is_lost_is_not_closed_after_its_payment():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.LICENCE_READ, {r.VERDICT: 1})
    await journal.append(r.NOTICE, NOTICE)
    await journal.append(r.ACKNOWLEDGED, {r.CASE: 7})
    await journal.append(r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: A})
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 7, r.INTENT: 4, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED})
    _spoil(storage, journal.record_at(2)[1])
    journal = await _opened(storage, element)
    head = journal.head_seq
    await journal.end_what_was_cut()
    assert journal.head_seq == head and not journal.view.verdict
