"""A printer that fails takes nobody's paper: it is given up by name and asked twice, and the last one can be printed again from the menu."""

from protocol import records as r
from tests.support.menu import Menu
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "288k"
DUPLICATE = "DUPLICATA"
NONE = [("message", {"key": "msg.no_paper"})]


def _flow():
    """The module afresh: a microcontroller drops it when its phase ends."""
    from terminal.flows import again

    return again


async def _printing(troubles, keys):
    """A paid case whose receipt is to be printed now."""
    bench = PaperBench(troubles, keys)
    await bench.journal.open()
    await bench.case(1, r.OUTCOME_APPROVED)
    case = _flow().find(bench.journal, 1007)
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
        await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), r.VOID_ASKED)
        from terminal.flows import void

        assert await void._paper(bench, bench.journal.view.voiding) is printed


async def test_who_does_not_want_to_go_on_without_it_prints_again():
    bench = await _printing(["PRN-003"], {"error": ["cancel"], "unprinted": ["cancel"]})
    assert bench.face.screens() == ["printing", "error", "unprinted", "printing"]
    assert bench.printed() == [(1, r.COPY_DUPLICATE)]


async def test_nobodys_silence_prints_nothing_again_and_one_trouble_is_one_record():
    bench = await _printing(["PRN-003"] * 3, {})
    assert bench.face.screens() == ["printing", "error"] and bench.printed() == [] and bench.troubles == ["PRN-003"] * 2
    bench = await _printing(["PRN-003", "PRN-002"] * 2, {"error": ["ok"] * 4})
    assert bench.printed() == [(1, r.COPY_DUPLICATE)] and len(bench.papers) == 1
    found = [item[0] for item in bench.journal.entries(1)]
    assert [item[r.REASON] for item in found if item[r.KIND] == r.HEALTH_EVENT] == ["PRN-003", "PRN-002"]


async def test_a_case_without_paper_goes_on_to_its_last_question_though_nobody_is_there_and_its_paper_is_at_the_menu():
    for before in ({}, {"error": ["cancel"]}):
        bench = PaperBench(["PRN-003"], dict(before))
        await bench.journal.open()
        await bench.journal.append(r.NOTICE, bench.notice(1))
        await bench.paying(1, r.OUTCOME_APPROVED)
        from terminal.flows.fine import Fine

        await Fine(bench).resume()
        assert bench.journal.view.case is not None and bench.officer is None  # at the log-in screen it is sent
        bench.officer, bench.face.keys["licence_hand"] = {"number": 1007, "force": 1, "unit": "U"}, ["ok"]
        await Fine(bench).resume()
        assert bench.journal.view.case is None and bench.papers == []
        await _flow().again(bench)
        assert "\nPAYÉE" in bench.papers[0] and bench.printed() == [(1, r.COPY_DUPLICATE)]


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
    assert _flow().find(bench.journal, 1007) is None


async def test_an_abandoned_case_has_no_paper_and_another_drivers_is_not_taken_for_it():
    for before in ((), ((r.OUTCOME_APPROVED, r.CLOSURE_PAID),)):
        bench = await _again(*before, (0, r.CLOSURE_ABANDONED))
        assert bench.papers == [] and bench.face.shown == NONE


async def test_whose_papers_come_is_asked_first():
    bench = PaperBench(keys={"reprint": ["cancel"]})
    await bench.journal.open()
    await bench.case(1, r.OUTCOME_APPROVED)
    await _flow().again(bench)
    assert bench.papers == [] and bench.face.shown == [("reprint", {"pv": "000001-00001"})]


async def test_a_payment_whose_void_waits_is_not_printed_as_paid():
    bench = PaperBench()
    await bench.journal.open()
    intent = await bench.case(1, r.OUTCOME_APPROVED)
    await bench.void(1, intent, r.VOID_ASKED)
    bench.clock.utc += 86400
    await _flow().again(bench)
    (paper,) = bench.papers
    assert DUPLICATE in paper and "PAS ENCORE ANNULÉ" in paper and "24/03/2026" in paper
    await bench.void(1, intent, r.VOID_REFUSED)
    await _flow().again(bench)
    assert "\nPAYÉE" in bench.papers[1] and "restitué" in bench.papers[1]


async def test_the_sixth_choice_of_the_menu_prints_it():
    bench = await _again((r.OUTCOME_APPROVED, r.CLOSURE_PAID))
    menu = Menu(bench, ["6"])
    menu.engine = bench.engine
    menu.officer["force"] = 1
    menu.parameter = bench.parameter
    menu.face.keys.append("ok")
    await menu._home()
    assert [screen for screen, _ in menu.face.shown] == ["home", "reprint", "printing"] and len(bench.papers) == 2
