"""No paper is printed again that is no longer true, that is another driver's or another officer's, and no copy has another date than the first."""

from protocol import records as r
from terminal.journal.journal import Journal
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "288k"
NONE = [("message", {"key": "msg.no_paper"})]
DONE = (r.VOID_ASKED, r.VOID_DONE)
DECLINED = (r.OUTCOME_DECLINED, r.CLOSURE_DECLINED)
WAITS = (r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL)


def _flow():
    """The module afresh: a microcontroller drops it when its phase ends."""
    from terminal.flows import again

    return again


async def _bench(troubles=(), keys=None):
    bench = PaperBench(troubles, keys)
    await bench.journal.open()
    return bench


async def _again(bench):
    """What comes out of the menu now."""
    bench.papers = []
    bench.face.shown = []
    await _flow().again(bench)
    return bench.papers


async def _resume(bench):
    from terminal.flows.fine import Fine

    await Fine(bench).resume()


def _kinds(papers):
    """What each paper says of the payment, and whether it is a copy."""
    names = ("PAS ENCORE ANNULÉ", "ANNULÉ", "PAS ENCORE PAYÉE", "NON PAYÉE", "PAYÉE")
    found = []
    for paper in papers:
        said = [name for name in names if "\n" + name + "\n" in paper]
        found.append((said[0] if said else "", "DUPLICATA" in paper))
    return found


def _days(paper):
    """The dates on a paper."""
    found = []
    for word in paper.split("\n"):
        if "/03/2026" in word and word not in found:
            found.append(word)
    return found


async def test_a_payment_that_was_voided_since_is_not_printed_as_paid():
    bench = await _bench()
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    await bench.case(2, 0, r.CLOSURE_ABANDONED)
    await bench.void(1, intent, r.VOID_ASKED)
    assert _kinds(await _again(bench)) == [("PAS ENCORE ANNULÉ", True)]
    await bench.void(1, intent, r.VOID_DONE)
    assert await _again(bench) == [] and bench.face.shown == NONE  # its case is open again


async def test_a_case_that_is_abandoned_after_a_void_has_no_paper():
    bench = await _bench()
    await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), *DONE)
    closed = {r.CASE: 1, r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: "entry", r.DISPOSITION: r.DISPOSITION_RETURNED}
    await bench.journal.append(r.CASE_CLOSED, closed)
    assert await _again(bench) == [] and bench.face.shown == NONE


async def test_a_deferred_payment_whose_answer_has_come_is_not_printed_as_deferred():
    for between in (False, True):
        bench = await _bench()
        intent = await bench.case(1, *WAITS)
        if between:
            await bench.case(2, 0, r.CLOSURE_ABANDONED)
        result = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
        await bench.journal.append(r.AUTHORISATION_RESULT, result)
        assert await _again(bench) == [] and bench.face.shown == NONE


async def test_the_papers_are_those_of_the_case_that_was_closed_last_void_and_notice():
    bench = await _bench(keys={"pay_choice": ["2"], "licence_hand": ["ok"]})
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    await bench.void(1, intent, r.VOID_ASKED)
    await bench.case(2, r.OUTCOME_APPROVED)
    await bench.void(1, intent, r.VOID_DONE)
    await _resume(bench)
    first = bench.papers
    assert _kinds(first) == [("ANNULÉ", False), ("NON PAYÉE", False)]
    bench.clock.utc += 86400
    papers = await _again(bench)
    assert _kinds(papers) == [("ANNULÉ", True), ("NON PAYÉE", True)]
    assert [_days(paper) for paper in papers] == [_days(paper) for paper in first]
    assert all("000001-00001" in paper for paper in papers)


async def _without(kind):
    """Two paid cases and a boot, and the last record of a kind is lost."""
    bench = await _bench()
    await bench.case(1, r.OUTCOME_APPROVED)
    await bench.case(2, r.OUTCOME_APPROVED)
    data = [item[1] for item in bench.journal.entries(1) if item[0][r.KIND] == kind][-1]
    await bench.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    files = bench.storage.files
    for name in sorted(files):
        at = files[name].find(data)
        if at >= 0:
            files[name] = files[name][: at + 20] + bytes((files[name][at + 20] ^ 4,)) + files[name][at + 21 :]
    bench.journal = Journal(bench.storage, bench.se, bench.clock, bench.crypto, bench.device)
    await bench.journal.open()
    return bench


async def test_a_case_of_which_a_record_is_lost_has_no_paper():
    for kind in (r.PAYMENT_OUTCOME, r.NOTICE, r.LICENCE_DISPOSITION, r.CASE_CLOSED):
        bench = await _without(kind)
        papers = await _again(bench)
        assert papers == [] and bench.face.shown == NONE


async def test_only_the_officer_of_a_case_prints_its_papers_again():
    bench = await _bench()
    await bench.case(1, r.OUTCOME_APPROVED)
    bench.officer = {"number": 2008, "force": 2, "unit": "V"}
    assert await _again(bench) == [] and bench.face.shown == NONE


async def _changed(bench, number):
    """Another officer logs in."""
    bench.officer = {"number": number, "force": 1, "unit": "U"}
    bench.journal.officer = number
    await bench.journal.append(r.LOGIN, {})


async def test_who_answers_the_last_question_for_another_officer_takes_nobodys_papers():
    bench = await _bench(keys={"pay_choice": ["2"]})
    await bench.journal.append(r.NOTICE, bench.notice(1))
    await _resume(bench)
    assert bench.officer is None
    await _changed(bench, 2002)
    bench.face.keys["licence_hand"] = ["ok"]
    await _resume(bench)
    assert bench.journal.view.case is None
    assert await _again(bench) == [] and bench.face.shown == NONE
    await _changed(bench, 1007)
    (paper,) = await _again(bench)
    assert _kinds([paper]) == [("NON PAYÉE", True)] and "1007" in paper


async def test_papers_that_another_officer_has_printed_name_him_and_are_not_printed_again_for_who_closed_the_case():
    bench = await _bench(keys={"pay_choice": ["2"]})
    await bench.journal.append(r.NOTICE, bench.notice(1))
    await _changed(bench, 2002)
    await _resume(bench)
    await _changed(bench, 1007)
    bench.face.keys["licence_hand"] = ["ok"]
    await _resume(bench)
    assert bench.journal.view.case is None
    assert await _again(bench) == [] and bench.face.shown == NONE


async def test_a_hundred_records_without_a_fine_hide_nothing():
    bench = await _bench()
    await bench.case(1, r.OUTCOME_APPROVED)
    for _ in range(55):
        await bench.journal.append(r.OUTAGE_BEGIN, {r.REASON: "NET-001"})
        await bench.journal.append(r.OUTAGE_END, {})
    assert _kinds(await _again(bench)) == [("PAYÉE", True)]


async def test_ten_days_are_the_same_where_printing_went_over_midnight():
    bench = await _bench(keys={"pay_choice": ["2"], "licence_hand": ["ok"]})
    bench.clock.utc = 1773528900  # 23:55
    await bench.journal.append(r.NOTICE, bench.notice(1))
    bench.clock.utc += 600
    await _resume(bench)
    first = bench.papers[0]
    (copy,) = await _again(bench)
    assert _days(first) == _days(copy) and "24/03/2026" in copy and "25/03/2026" not in copy


class Cut(Exception):
    """The power."""


async def _cut_behind_a_paper(bench):
    """Resume, and the power goes when a paper is out and its record is not; a day later somebody logs in."""
    plain = bench.journal.append

    async def append(kind, body, **more):
        if kind == r.RECEIPT_PRINTED:
            raise Cut
        return await plain(kind, body, **more)

    bench.journal.append = append
    try:
        await _resume(bench)
    except Cut:
        pass
    bench.journal.append = plain
    bench.clock.utc += 86400
    await bench.journal.append(r.LOGIN, {})


async def test_what_may_be_out_since_before_the_power_went_is_a_duplicate_with_the_same_days():
    for outcome in (0, r.OUTCOME_PROVISIONAL):
        bench = await _bench(keys={"pay_choice": ["2"] * 2, "licence_hand": ["ok"]})
        await bench.journal.append(r.NOTICE, bench.notice(1))
        if outcome:
            await bench.paying(1, outcome)
        await _cut_behind_a_paper(bench)
        first = bench.papers
        bench.papers = []
        await _resume(bench)
        assert all(copy for _, copy in _kinds(bench.papers)) and len(bench.papers) == (2 if outcome else 1)
        assert _days(bench.papers[0]) == _days(first[0])


async def test_a_payment_after_the_power_went_has_an_original():
    bench = await _bench(keys={"licence_hand": ["ok"]})
    await bench.journal.append(r.NOTICE, bench.notice(1))
    await bench.journal.append(r.LOGIN, {})
    from terminal.flows.fine import Fine

    class Paying(Fine):
        async def _paying(self):
            await bench.paying(1, r.OUTCOME_PROVISIONAL)
            return "receipt"

    bench.face.keys["pay_choice"] = ["1"]
    await Paying(bench).resume()
    assert _kinds(bench.papers) == [("PAS ENCORE PAYÉE", False), ("", False)]


async def test_a_void_paper_that_may_be_out_is_a_duplicate_and_what_follows_on_the_void_is_none():
    bench = await _bench(keys={"pay_choice": ["2"] * 2, "licence_hand": ["ok"]})
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    await bench.journal.append(r.LOGIN, {})
    await bench.void(1, intent, *DONE)
    await _cut_behind_a_paper(bench)
    first = bench.papers
    assert _kinds(first) == [("ANNULÉ", False)]
    bench.papers = []
    await _resume(bench)
    assert _kinds(bench.papers) == [("ANNULÉ", True), ("NON PAYÉE", True)]
    assert _days(bench.papers[0]) == _days(first[0])


async def test_a_void_paper_that_was_given_up_comes_from_the_menu():
    keys = {"error": ["cancel"], "unprinted": ["ok"], "pay_choice": ["2"], "licence_hand": ["ok"]}
    bench = await _bench(["PRN-003"], keys)
    await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), *DONE)
    await _resume(bench)
    assert _kinds(bench.papers) == [("NON PAYÉE", False)]
    assert _kinds(await _again(bench)) == [("ANNULÉ", True), ("NON PAYÉE", True)]
