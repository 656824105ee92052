"""An approved outcome that is lost while its intent is whole: the payment is not called cut, and nobody is asked to pay again. And what the
centre's words were, once they are lost among what it has: they are told again.
"""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage

A = 300000


async def _opened(storage, element):
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    await journal.open()
    return journal


def _spoil(storage, data):
    """One bit of a record, wherever it lies."""
    for name in sorted(storage.files):
        content = storage.files[name]
        at = content.find(data)
        if at >= 0:
            storage.files[name] = content[: at + 20] + bytes((content[at + 20] ^ 4,)) + content[at + 21 :]


async def _fine(journal, case, outcome=r.OUTCOME_APPROVED, first=None):
    """A whole fine; `first`: an outcome that another payment of it had before. {name: seq}"""
    seqs = {}

    async def write(name, kind, body):
        seqs[name] = (await journal.append(kind, body))[r.SEQ]

    notice = {r.CASE: case, r.PV: "000001-%05d" % case, r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4}
    await write("read", r.LICENCE_READ, {r.VERDICT: 2, r.LICENCE_TOKEN: bytes(8), r.FINDINGS: []})
    await write("notice", r.NOTICE, notice)
    for name, end in (("first", first), ("", outcome)):
        if end is not None:
            await write(name + "intent", r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: A})
            body = {r.CASE: case, r.INTENT: seqs[name + "intent"], r.AMOUNT: A, r.OUTCOME: end}
            await write(name + "outcome", r.PAYMENT_OUTCOME, body)
    await write("receipt", r.RECEIPT_PRINTED, {r.CASE: case, r.COPY: r.COPY_DRIVER})
    disposition = {r.CASE: case, r.DISPOSITION: r.DISPOSITION_RETURNED}
    await write("disposition", r.LICENCE_DISPOSITION, disposition)
    paid = outcome == r.OUTCOME_APPROVED
    closure = r.CLOSURE_PAID if paid else r.CLOSURE_PROVISIONAL
    await write("closed", r.CASE_CLOSED, {r.CASE: case, r.CLOSURE: closure})
    return seqs


async def _lost(names, before=(), after=0, **how):
    """The journal after a boot that finds these records of a fine lost, with `after` fines behind it; (journal, seqs)."""
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16})
    seqs = await _fine(journal, 1, **how)
    for case in range(after):
        await _fine(journal, case + 2)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    for name in names:
        _spoil(storage, journal.record_at(seqs[name])[1])
    journal = await _opened(storage, element)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    await journal.end_what_was_cut()
    return journal, seqs


def _ended(journal):
    """What the boot has written of payments and cases."""
    kinds = (r.PAYMENT_OUTCOME, r.CASE_CLOSED)
    return [x[0].get(r.REASON) for x in journal.entries(1) if x[0][r.KIND] in kinds and r.REASON in x[0]]


async def test_a_payment_whose_approval_is_lost_is_not_interrupted():
    for names, after in (
        (("outcome", "receipt", "disposition", "closed"), 0),
        (("outcome",), 0),
        (("notice", "outcome"), 1),
        (("intent", "outcome", "receipt", "disposition", "closed"), 0),
    ):
        journal, _ = await _lost(names, after=after)
        view = journal.view
        assert _ended(journal) == [] and view.case is None and view.orphan is None, names
        await journal.append(r.PAYMENT_INTENT, {r.CASE: 9, r.AMOUNT: A})


async def test_a_declined_payment_is_not_voided_in_the_place_of_the_lost_one():
    journal, _ = await _lost(("intent", "outcome"), first=r.OUTCOME_DECLINED)
    assert journal.view.paid is None and _ended(journal) == []
    journal, seqs = await _lost((), first=r.OUTCOME_DECLINED)
    assert journal.view.paid.intent == seqs["intent"]


async def test_a_verdict_whose_case_is_lost_whole_is_not_abandoned():
    names = ("notice", "intent", "outcome", "receipt", "disposition", "closed")
    journal, _ = await _lost(names)
    assert _ended(journal) == [] and not journal.view.verdict


async def test_no_report_number_is_given_twice_after_a_loss():
    journal, _ = await _lost(("read", "notice", "intent", "outcome", "receipt", "disposition", "closed"))
    assert journal.view.cases >= 1


async def test_an_end_of_a_void_that_is_lost_after_the_centre_had_it_is_declared():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16})
    intent = (await _fine(journal, 1))["intent"]
    void = {
        r.CASE: 1,
        r.INTENT: intent,
        r.AMOUNT: A,
        r.VOID_STATE: r.VOID_ASKED,
        r.CARD_TOKEN: bytes(8),
        r.SECOND_OFFICER: 2,
    }
    await journal.append(r.VOID, void)
    void[r.VOID_STATE] = r.VOID_DONE
    end = (await journal.append(r.VOID, void))[r.SEQ]
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    _spoil(storage, journal.record_at(end)[1])
    journal = await _opened(storage, element)
    head = journal.head_seq
    assert journal.view.gaps == {end: end} and journal.view.waits()
    journal = await _opened(storage, element)
    assert journal.head_seq == head
