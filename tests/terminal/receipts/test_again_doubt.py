"""What makes the menu print no copy, or one paper fewer: a fine that was paid again, a licence that waits for its holder, another officer's void,
silence, and a newest record that cannot be read.
"""

from protocol import records as r
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "288k"
NONE = [("message", {"key": "msg.no_paper"})]


async def _bench(troubles=()):
    bench = PaperBench(troubles)
    await bench.journal.open()
    return bench


async def _again(bench):
    """What comes out of the menu now."""
    from terminal.flows import again

    bench.papers = []
    bench.face.shown = []
    await again.again(bench)
    return bench.papers


async def _damage(bench, data, change=4):
    """One record and its copy cannot be read any more, and nobody has looked since."""
    files = bench.storage.files
    for name in sorted(files):
        at = files[name].find(data)
        if at >= 0:
            files[name] = files[name][: at + 20] + bytes((files[name][at + 20] ^ change,)) + files[name][at + 21 :]


async def test_a_fine_that_was_paid_again_after_its_void_is_not_called_due():
    bench = await _bench()
    await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), r.VOID_ASKED, r.VOID_DONE)
    await bench.paying(1, r.OUTCOME_APPROVED)
    await bench.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    (paper,) = await _again(bench)
    assert "\nPAYÉE\n" in paper and "ANNULÉ" not in paper


async def test_a_licence_that_waits_for_its_holder_is_not_called_given_back():
    bench = await _bench()
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    await bench.void(1, intent, r.VOID_ASKED)
    refused = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: 500000, r.VOID_STATE: r.VOID_REFUSED}
    refused[r.DISPOSITION] = r.DISPOSITION_RELEASE_GRANTED
    await bench.journal.append(r.VOID, refused)
    assert await _again(bench) == [] and bench.face.shown == NONE


async def test_a_void_that_another_officer_asked_for_is_nobodys_to_print_again():
    bench = await _bench()
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    bench.journal.officer = 2008
    await bench.void(1, intent, r.VOID_ASKED)
    assert await _again(bench) == [] and bench.face.shown == NONE  # 1007 at the menu
    bench.officer = {"number": 2008, "force": 1, "unit": "U"}
    assert await _again(bench) == [] and bench.face.shown == NONE


async def test_an_officer_of_another_unit_since_prints_no_copy_in_its_name():
    bench = await _bench()
    await bench.case(1, r.OUTCOME_APPROVED)
    bench.journal.unit = "W"
    assert await _again(bench) == [] and bench.face.shown == NONE


async def test_nobodys_silence_prints_the_second_paper():
    bench = await _bench(["PRN-003"])
    await bench.case(1, r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL)
    assert await _again(bench) == [] and bench.printed() == []


async def test_where_the_newest_record_cannot_be_read_nothing_is_printed():
    for state in (0, r.VOID_ASKED):
        bench = await _bench()
        paid = (r.OUTCOME_APPROVED, r.CLOSURE_PAID) if state else (r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL)
        intent = await bench.case(1, *paid)
        if state:
            await bench.void(1, intent, state)
        else:
            result = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_DECLINED}
            await bench.journal.append(r.AUTHORISATION_RESULT, result)
        await _damage(bench, list(bench.journal.entries(1))[-1][1])
        assert await _again(bench) == [] and bench.face.shown == NONE


async def test_a_key_typed_ahead_answers_no_question_about_papers():
    bench = await _bench()
    forgot = []
    bench.face.forget = lambda: forgot.append(len(bench.face.shown))
    await bench.case(1, r.OUTCOME_APPROVED)
    assert len(await _again(bench)) == 1 and forgot[0] == 0
