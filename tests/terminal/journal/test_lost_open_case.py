"""A deferred payment is interrupted while its case is open, or another one's is: each case stays what it is."""

from protocol import records as r
from terminal.sync import Sync
from tests.support.centre import quiet
from tests.terminal.journal.test_lost_outcome import A, _fine, _opened
from tests.terminal.journal.test_lost_words import _again, _begun
from tests.terminal.sync.test_closed_over import _boot


async def _notice(journal, case):
    await journal.append(r.NOTICE, {r.CASE: case, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})


async def _deferred(journal, case):
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: case, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    return intent, (await journal.append(r.PAYMENT_OUTCOME, said, sealed=b"card"))[r.SEQ]


async def test_an_open_case_whose_deferred_outcome_is_lost_is_unpaid():
    """The head of the segment that tells of the loss remembers the payment; the fine is due again and the case offered."""
    t, journal = await _boot()
    await journal.append(r.LOGIN, {})
    await _notice(journal, 1)
    intent, outcome = await _deferred(journal, 1)
    data = journal.record_at(outcome)[1]
    for name in t.storage.files:
        t.storage.files[name] = t.storage.files[name].replace(data, bytes(len(data)))
    await Sync(t, quiet).run()
    t, journal = await _boot(t.storage, t.se)
    cut = [item[0][r.INTENT] for item in journal.entries(1) if item[0].get(r.REASON) == "power"]
    case = journal.view.case
    assert cut == [intent] and (case.number, case.outcome) == (1, r.OUTCOME_INTERRUPTED)


async def test_a_boot_s_word_on_an_unknown_payment_ends_no_other_case():
    """The heads that remembered it are damaged since."""
    storage, element, journal = await _begun()
    await journal.append(r.LOGIN, {})
    await _notice(journal, 1)
    intent, outcome = await _deferred(journal, 1)
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    journal._shelf.fresh = True
    await _notice(journal, 2)
    journal = await _again(storage, element, journal, [intent, outcome])
    assert journal.view.case.number == 2
    names = [name for name in storage.files if name.startswith("journal/") and not name.endswith("000001.seg")]
    for name in names:
        spoilt = bytearray(storage.files[name])
        spoilt[20] ^= 4
        storage.files[name] = bytes(spoilt)
    assert names and (await _opened(storage, element)).view.case.number == 2


async def test_a_loss_of_two_records_that_nobody_had_is_told():
    """Whatever it says of approved payments: a deferred one is an intent and an outcome."""
    for names in (("intent", "outcome"), ("intent", "outcome", "receipt", "disposition", "closed")):
        for after in (0, 1):
            storage, element, journal = await _begun()
            await journal.append(r.LOGIN, {})
            lost = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
            for number in range(after):
                await _fine(journal, number + 2)
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
            journal = await _again(storage, element, journal, [lost[name] for name in names])
            assert journal.view.lost, (names, after)
