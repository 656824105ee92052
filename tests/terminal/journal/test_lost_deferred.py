"""The outcome of a deferred payment is lost and nobody has another: it is interrupted by name, though its case is closed, and told."""

from protocol import records as r
from terminal.journal.view import View
from tests.terminal.journal.test_lost_outcome import A, _fine, _opened
from tests.terminal.journal.test_lost_words import _again, _begun


def _cut(journal):
    kinds = [x[0] for x in journal.entries(1) if x[0][r.KIND] == r.PAYMENT_OUTCOME and x[0].get(r.REASON) == "power"]
    return [(one[r.CASE], one[r.INTENT], one[r.AMOUNT], one[r.OUTCOME]) for one in kinds]


def _named(case, seqs):
    return (case, seqs["intent"], A, r.OUTCOME_INTERRUPTED)


async def _lost(*names, fines=1, **how):
    """The journal after a boot that finds these records of the first of so many deferred fines lost, and their numbers."""
    storage, element, journal = await _begun()
    seqs = []
    for number in range(fines):
        seqs.append(await _fine(journal, number + 1, r.OUTCOME_PROVISIONAL, **how))
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal = await _again(storage, element, journal, [seqs[0][name] for name in names])
    return storage, element, journal, seqs


async def test_its_closing_being_there_it_is_interrupted_and_told():
    for names in (("outcome",), ("notice", "outcome"), ("outcome", "receipt", "disposition")):
        storage, element, journal, seqs = await _lost(*names)
        assert _cut(journal) == [_named(1, seqs[0])] and journal.view.lost and journal.view.case is None, names
        journal = await _again(storage, element, journal, ())
        await journal.append(r.LOGIN, {})
        assert len(_cut(journal)) == 1 and not journal.view.lost and not journal.view.cut, names
        await journal.append(r.PAYMENT_INTENT, {r.CASE: 2, r.AMOUNT: A})


async def test_so_it_is_where_the_closing_is_lost_too_and_another_case_follows():
    for names in (("outcome", "closed"), ("notice", "outcome", "closed")):
        _, _, journal, seqs = await _lost(*names, fines=2)
        assert _cut(journal) == [_named(1, seqs[0])] and journal.view.lost, names
        assert sorted(journal.view.provisional) == [seqs[1]["intent"]], names


async def test_an_open_case_stays_open_when_another_one_s_payment_is_interrupted():
    storage, element, journal = await _begun()
    one = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    two = await _fine(journal, 2, r.OUTCOME_PROVISIONAL)
    await journal.append(r.NOTICE, {r.CASE: 3, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    third = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 3, r.AMOUNT: A}))[r.SEQ]
    journal = await _again(storage, element, journal, [one["outcome"], two["outcome"]])
    assert _cut(journal) == [_named(1, one), _named(2, two), (3, third, A, r.OUTCOME_INTERRUPTED)]
    assert journal.view.case.number == 3
    journal = await _again(storage, element, journal, ())
    assert journal.view.case.number == 3 and len(_cut(journal)) == 3


async def test_it_is_not_forgotten_if_the_power_goes_first():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    journal._shelf.fresh = True
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    data = journal.record_at(seqs["outcome"])[1]
    for name in list(storage.files):
        storage.files[name] = storage.files[name].replace(data, bytes(len(data)))
    head = bytearray(storage.files["journal/000002.seg"])
    head[20] ^= 4
    storage.files["journal/000002.seg"] = bytes(head)
    await _opened(storage, element)
    journal = await _opened(storage, element)  # from the head of the segment that the gap record began
    assert journal.view.cut == {seqs["intent"]: (seqs["intent"], 1, A)} and _cut(journal) == []
    found = View()
    found.restore(journal.view.snapshot())
    assert found.cut == journal.view.cut


async def test_nothing_is_interrupted_of_which_the_result_or_another_closing_is_there():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    result = {r.CASE: 1, r.INTENT: seqs["intent"], r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED}
    await journal.append(r.AUTHORISATION_RESULT, result)
    journal = await _again(storage, element, journal, [seqs["outcome"]])
    assert _cut(journal) == [] and sorted(journal.view.releases) == [seqs["intent"]]
    storage, element, journal = await _begun()
    await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    declined = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_DECLINED}
    lost = (await journal.append(r.PAYMENT_OUTCOME, declined))[r.SEQ]
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_DECLINED})
    journal = await _again(storage, element, journal, [lost])
    assert _cut(journal) == [] and not journal.view.lost


async def test_nor_one_behind_which_its_case_s_last_payment_is_there():
    for names in (("firstoutcome",), ("firstoutcome", "intent"), ("notice", "firstoutcome", "intent")):
        _, _, journal, seqs = await _lost(*names, first=r.OUTCOME_DECLINED)
        assert _cut(journal) == [] and sorted(journal.view.provisional) == [seqs[0]["intent"]], names


async def test_one_whose_intent_is_lost_too_has_no_name_and_is_told():
    for names in (("intent", "outcome"), ("notice", "intent", "outcome")):
        storage, element, journal, _ = await _lost(*names)
        assert _cut(journal) == [] and journal.view.lost, names
        await journal.append(r.LOGIN, {})
        journal = await _again(storage, element, journal, ())
        assert not journal.view.lost, names
    assert not (await _lost())[2].view.lost


async def _deferred(journal):
    """A case that is closed as deferred: its intent, its outcome, its closing."""
    await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    outcome = (await journal.append(r.PAYMENT_OUTCOME, said, sealed=b"blob"))[r.SEQ]
    lost = (await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL}))[r.SEQ]
    return intent, outcome, lost


async def test_one_that_a_segment_s_head_remembers_is_interrupted_once():
    for had in (False, True):
        storage, element, journal = await _begun()
        intent, outcome, lost = await _deferred(journal)
        if had:
            journal.hear(1790000000)
            journal.acknowledge(outcome, bytes(32))
        journal._shelf.fresh = True
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        journal = await _again(storage, element, journal, [outcome, lost])
        named = [] if had else [(1, intent, A, r.OUTCOME_INTERRUPTED)]
        assert _cut(journal) == named and journal.view.lost != had and sorted(journal.view.provisional) == [intent]
        journal = await _again(storage, element, journal, [lost + 1])  # the gap is a longer one
        assert _cut(journal) == named


async def test_nor_is_it_once_more_when_the_gap_record_is_lost_too():
    for head in (False, True):  # that a head remembers the interruption too
        storage, element, journal = await _begun()
        intent, outcome, lost = await _deferred(journal)
        journal._shelf.fresh = True
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        journal = await _again(storage, element, journal, [outcome, lost])
        gap = next(x[0][r.SEQ] for x in journal.entries(1) if x[0][r.KIND] == r.GAP)
        ended = next(x[0][r.SEQ] for x in journal.entries(1) if x[0].get(r.OUTCOME) == r.OUTCOME_INTERRUPTED)
        journal._shelf.fresh = head
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "y"})
        journal = await _again(storage, element, journal, [lost + 1, gap])
        assert len(_cut(journal)) == 1 and sorted(journal.view.provisional) == [intent], head
        journal = await _again(storage, element, journal, ())
        assert len(_cut(journal)) == 1 and not journal.view.cut, head
        journal = await _again(storage, element, journal, [ended])  # said once more, since nobody has it
        assert len(_cut(journal)) == 1 and not journal.view.cut, head
        assert max(word[0] for word in journal.view.ended.values()) > ended


async def test_a_boot_s_word_that_is_lost_before_the_centre_has_it_is_said_again_wherever_heads_lie():
    for before in (False, True):  # a segment begins behind the payment, or
        for behind in (False, True):  # behind the word
            for had in (False, True):
                storage, element, journal = await _begun()
                _, outcome, _ = await _deferred(journal)
                journal._shelf.fresh = before
                await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
                journal = await _again(storage, element, journal, [outcome])
                word = next(x[0][r.SEQ] for x in journal.entries(1) if x[0].get(r.OUTCOME) == r.OUTCOME_INTERRUPTED)
                await journal.append(r.LOGIN, {})
                if had:
                    journal.hear(1790000000)
                    journal.acknowledge(journal.head_seq, journal.head_hash)
                journal._shelf.fresh = behind
                for name in "yz":
                    await journal.append(r.HEALTH_EVENT, {r.HEALTH: name})
                journal = await _again(storage, element, journal, [word])
                named = (before, behind, had)
                again = 0 if had and behind else 1  # a head remembers that the centre has it
                assert len(_cut(journal)) == again and journal.view.lost == bool(again), named
                journal = await _again(storage, element, journal, ())
                assert len(_cut(journal)) == again and not journal.view.cut, named


async def test_nor_is_a_boot_s_word_of_which_the_result_is_there():
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_DECLINED):
        storage, element, journal = await _begun()
        intent, lost, _ = await _deferred(journal)
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        journal = await _again(storage, element, journal, [lost])
        word = next(x[0][r.SEQ] for x in journal.entries(1) if x[0].get(r.OUTCOME) == r.OUTCOME_INTERRUPTED)
        journal._shelf.fresh = True  # a head remembers it
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        await journal.append(r.AUTHORISATION_RESULT, {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: outcome})
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
        await journal.append(r.LOGIN, {})
        journal = await _again(storage, element, journal, [word])
        assert _cut(journal) == [] and not journal.view.lost, outcome


def test_a_head_of_another_form_of_what_was_ended_is_taken():
    view = View()
    view.apply({r.KIND: r.SHIFT_OPENED, r.SEQ: 1, r.SHIFT: 3, r.UTC: 1, r.OFFICER: 1})
    found = View()
    kept = view.snapshot()
    kept[14] = [[3, 8]]
    found.restore(kept)
    assert found.shift == 3 and found.ended == {}
