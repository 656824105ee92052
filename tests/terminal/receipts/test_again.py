"""A printer that fails takes nobody's paper: it is given up by name and asked twice, and the last one can be printed again from the menu."""

from protocol import records as r
from tests.support.menu import Menu
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "288k"
DUPLICATE = "DUPLICATA"


def _flow():
    """The module afresh: a microcontroller drops it when its phase ends."""
    from terminal.flows import again

    return again


async def _printing(troubles, keys):
    """A paid case whose receipt is to be printed now."""
    bench = PaperBench(troubles, keys)
    await bench.journal.open()
    await bench.case(1, r.OUTCOME_APPROVED)
    case, _ = _flow().find(bench.journal)
    from terminal.flows import papers
    from terminal.flows.fine import Fine

    fine = Fine(bench)
    await fine.recall(case)
    await papers.print_outcome(bench, fine, case, r.COPY_DRIVER)
    return bench


async def test_going_on_without_the_paper_is_named_and_asked_once_more():
    bench = await _printing(["PRN-003"] * 2, {"error": ["cancel"], "unprinted": ["ok"]})
    assert bench.face.screens() == ["printing", "error", "unprinted"] and bench.papers == [] and bench.printed() == []
    assert bench.face.shown[1][1]["cancel"] == "key.unprinted"


async def _handing(troubles, keys):
    """The screens of a case that is paid later, from its notice to its end."""
    bench = PaperBench(troubles, dict(keys, licence_hand=["ok"]))
    bench.ports = bench
    await bench.journal.open()
    await bench.journal.append(r.NOTICE, bench.notice(1))
    from terminal.flows.fine import Fine

    fine = Fine(bench)
    await fine.recall(bench.journal.view.case)
    fine.state = "notice"
    await fine.run()
    return bench.face.shown


async def test_who_goes_on_without_the_ten_day_document_is_not_told_to_hand_it_over():
    shown = await _handing(["PRN-003"], {"error": ["cancel"], "unprinted": ["ok"]})
    assert shown[-1] == ("licence_hand", {"disposition": 2, "days": 10, "note": "hand.unprinted.note"})
    shown = await _handing(["PRN-003"], {"error": ["ok"]})
    assert shown[-1] == ("licence_hand", {"disposition": 2, "days": 10, "note": ""})


async def test_the_paper_of_a_void_that_waits_tells_whether_it_was_printed():
    for key, printed in (("cancel", False), ("ok", True)):
        bench = PaperBench(["PRN-003"], {"error": [key], "unprinted": ["ok"]})
        bench.ports = bench
        await bench.journal.open()
        await bench.case(1, r.OUTCOME_APPROVED)
        case, _ = _flow().find(bench.journal)
        case.void = case.outcome_record
        from terminal.flows import void

        assert await void._paper(bench, case) is printed


async def test_who_does_not_want_to_go_on_without_it_prints_again():
    bench = await _printing(["PRN-003"], {"error": ["cancel"], "unprinted": ["cancel"]})
    assert bench.face.screens() == ["printing", "error", "unprinted", "printing"]
    assert bench.printed() == [(1, r.COPY_DUPLICATE)]


async def test_nobodys_silence_gives_a_paper_up_and_one_trouble_is_one_record():
    bench = await _printing(["PRN-003"] * 3 + ["PRN-002"] * 2, {})
    assert bench.printed() == [(1, r.COPY_DUPLICATE)] and len(bench.papers) == 1
    found = [item[0] for item in bench.journal.entries(1)]
    assert [item[r.REASON] for item in found if item[r.KIND] == r.HEALTH_EVENT] == ["PRN-003", "PRN-002"]


async def _again(*cases):
    """What is printed from the menu after these cases, a day later."""
    bench = PaperBench()
    await bench.journal.open()
    for number, (outcome, closure) in enumerate(cases):
        await bench.case(number + 1, outcome, closure)
    bench.clock.utc += 86400
    await _flow().again(bench)
    return bench


async def test_the_last_receipt_is_printed_again_and_says_that_it_is_a_copy():
    bench = await _again((0, r.CLOSURE_UNPAID), (r.OUTCOME_APPROVED, r.CLOSURE_PAID))
    (paper,) = bench.papers
    assert (
        DUPLICATE in paper and "PAYÉE" in paper and "000001-00002" in paper and "0019" in paper and "restitué" in paper
    )
    assert "14/03/2026" in paper and "15/03/2026" not in paper
    assert bench.printed() == [(2, r.COPY_DUPLICATE)]


async def test_the_ten_days_of_a_copied_notice_are_those_of_the_first():
    for outcome, closure in ((0, r.CLOSURE_UNPAID), (r.OUTCOME_DECLINED, r.CLOSURE_DECLINED)):
        (paper,) = (await _again((outcome, closure))).papers
        assert DUPLICATE in paper and "NON PAYÉE" in paper and "24/03/2026" in paper and "25/03/2026" not in paper


async def test_a_provisional_payment_has_two_papers_until_its_issuer_has_answered():
    bench = await _again((r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL))
    assert ["PAS ENCORE PAYÉE" in paper for paper in bench.papers] == [True, False]
    assert bench.printed() == [(1, r.COPY_DUPLICATE)] * 2
    answer = {r.CASE: 1, r.INTENT: 2, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
    await bench.journal.append(r.AUTHORISATION_RESULT, answer)
    assert _flow().find(bench.journal)[0] is None


async def test_an_abandoned_case_has_no_paper_and_does_not_hide_the_one_before():
    bench = await _again((0, r.CLOSURE_ABANDONED))
    assert bench.papers == [] and bench.face.shown == [("message", {"key": "msg.no_paper"})]
    bench = await _again((r.OUTCOME_APPROVED, r.CLOSURE_PAID), (r.OUTCOME_DECLINED, r.CLOSURE_ABANDONED))
    assert "000001-00001" in bench.papers[0] and len(bench.papers) == 1


async def test_a_payment_whose_void_waits_is_not_printed_as_paid():
    bench = PaperBench()
    await bench.journal.open()
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    void = {
        r.CASE: 1,
        r.INTENT: intent,
        r.AMOUNT: 500000,
        r.VOID_STATE: r.VOID_ASKED,
        r.DISPOSITION: r.DISPOSITION_RETAINED,
    }
    await bench.journal.append(r.VOID, void)
    bench.clock.utc += 86400
    await _flow().again(bench)
    (paper,) = bench.papers
    assert DUPLICATE in paper and "PAS ENCORE ANNULÉ" in paper and "24/03/2026" in paper
    void[r.VOID_STATE] = r.VOID_REFUSED
    await bench.journal.append(r.VOID, void)
    await _flow().again(bench)
    assert "\nPAYÉE" in bench.papers[1] and "restitué" in bench.papers[1]


async def test_the_sixth_choice_of_the_menu_prints_it():
    bench = await _again((r.OUTCOME_APPROVED, r.CLOSURE_PAID))
    menu = Menu(bench, ["6"])
    menu.engine = bench.engine
    menu.officer["force"] = 1
    menu.parameter = bench.parameter
    await menu._home()
    assert [screen for screen, _ in menu.face.shown] == ["home", "printing"] and len(bench.papers) == 2
