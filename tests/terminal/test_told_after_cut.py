"""After a power cut the officer is told where the licence is, and what was declined: before a log-in what was given up, behind it an open case."""

from protocol import records as r
from protocol.errors import NetworkError, OfficerError
from terminal.flows import login, void
from tests.support.centre import Handheld
from tests.support.menu import Menu
from tests.terminal.receipts.again_bench import PaperBench

DEVICE_HEAP = "288k"
HAND = "licence_hand"
REPORT = "000001-00001"


async def _open(troubles=(), keys=None):
    """A case of which there is a notice."""
    bench = PaperBench(troubles, keys)
    bench.ports = bench
    await bench.journal.open()
    await bench.journal.append(r.NOTICE, bench.notice(1))
    return bench


async def _resumed(bench, keys=()):
    """What is shown after a boot."""
    again = PaperBench((), dict(keys))
    again.storage, again.se, again.ports = bench.storage, bench.se, again
    again.journal = Handheld(None, bench.storage, bench.se).journal
    await again.journal.open()
    await again.journal.end_what_was_cut()
    from terminal.flows.fine import Fine

    await Fine(again).resume()
    return again


def _kinds(journal):
    return [item[0][r.KIND] for item in journal.entries(1)]


async def test_a_disposition_on_record_is_shown_again_and_written_once():
    for outcome, shown in (
        (r.OUTCOME_APPROVED, r.DISPOSITION_RETURNED),
        (r.OUTCOME_PROVISIONAL, r.DISPOSITION_RETAINED),
    ):
        bench = await _open()
        await bench.paying(1, outcome)
        await bench.journal.append(r.RECEIPT_PRINTED, {r.CASE: 1, r.COPY: 1})
        await bench.journal.append(r.LICENCE_DISPOSITION, {r.CASE: 1, r.DISPOSITION: shown})
        again = await _resumed(bench, {HAND: ["ok"]})
        assert again.face.shown == [(HAND, {"disposition": shown, "days": 10, "note": "", "pv": REPORT})]
        kinds = _kinds(again.journal)
        assert kinds.count(r.LICENCE_DISPOSITION) == 1 and kinds[-1] == r.CASE_CLOSED and again.papers == []


async def test_a_case_that_nobody_answered_what_to_do_with_the_licence_of_stays_open_and_is_asked_behind_the_next_log_in():
    for outcome, shown, closure in (
        (r.OUTCOME_APPROVED, r.DISPOSITION_RETURNED, r.CLOSURE_PAID),
        (0, r.DISPOSITION_RETAINED, r.CLOSURE_UNPAID),
    ):
        bench = await _open((), {"pay_choice": ["2"]})
        if outcome:
            await bench.paying(1, outcome)
        from terminal.flows.fine import Fine

        await Fine(bench).resume()
        kinds = _kinds(bench.journal)
        assert bench.face.screens()[-1] == HAND and bench.officer is None
        assert kinds[-1] == r.LICENCE_DISPOSITION and bench.journal.view.case.disposition == shown
        for answered in (False, True):
            assert bench.journal.view.case is not None
            bench = await _resumed(bench, {HAND: ["cancel"] * answered})
            assert bench.face.shown == [(HAND, {"disposition": shown, "days": 10, "note": "", "pv": REPORT})]
            assert (bench.officer is None) != answered
        assert _kinds(bench.journal) == kinds + [r.CASE_CLOSED]  # noqa: RUF005 - the device
        assert [item[0] for item in bench.journal.entries(1)][-1][r.CLOSURE] == closure


async def test_who_is_asked_for_the_first_time_has_the_case_before_him_and_who_is_asked_later_is_told_its_report():
    bench = await _open((), {"pay_choice": ["2"]})
    from terminal.flows.fine import Fine

    await Fine(bench).resume()
    assert "pv" not in bench.face.shown[-1][1]
    again = await _resumed(bench)
    assert again.face.shown[-1][1]["pv"] == REPORT


async def test_the_question_after_an_interrupted_payment_comes_again_and_nothing_else():
    bench = await _open((), {"interrupted": ["ok"], "pay_choice": ["2"]})
    await bench.paying(1, r.OUTCOME_INTERRUPTED)
    from terminal.flows.fine import Fine

    await Fine(bench).resume()
    assert bench.face.screens() == ["interrupted", "pay_choice", "printing", HAND] and bench.officer is None
    kinds = _kinds(bench.journal)
    keys = {
        HAND: ["ok"],
        "interrupted": ["ok"],
        "pay_choice": ["cancel"],
        "abandon_reason": ["1"],
        "confirm_abandon": ["ok"],
    }
    again = await _resumed(bench, keys)
    assert again.face.shown == [(HAND, {"disposition": 2, "days": 10, "note": "", "pv": REPORT})]
    assert again.papers == [] and _kinds(again.journal) == kinds + [r.CASE_CLOSED]  # noqa: RUF005 - the device
    assert [item[0] for item in again.journal.entries(1)][-1][r.CLOSURE] == r.CLOSURE_UNPAID


async def test_a_payment_that_a_boot_has_ended_since_the_question_is_told_first():
    bench = await _open()
    intent = (await bench.journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500000}))[r.SEQ]
    await bench.journal.append(
        r.LICENCE_DISPOSITION, {r.CASE: 1, r.DISPOSITION: r.DISPOSITION_RETAINED}
    )  # its outcome is lost
    ended = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_INTERRUPTED, r.REASON: "power"}
    await bench.journal.append(r.PAYMENT_OUTCOME, ended)
    again = await _resumed(bench, {"interrupted": ["ok"], "pay_choice": ["2"]})
    assert again.face.screens()[0] == "interrupted"


async def test_that_the_notice_is_missing_is_said_though_the_paper_of_a_void_has_come_since():
    bench = PaperBench(["PRN-003"] * 2, {"pay_choice": ["2"], "error": ["cancel"] * 2, "unprinted": ["ok"] * 2})
    bench.ports = bench
    await bench.journal.open()
    await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), r.VOID_ASKED, r.VOID_DONE)
    from terminal.flows.fine import Fine

    await Fine(bench).resume()
    assert bench.face.shown[-1] == (HAND, {"disposition": 2, "days": 10, "note": "hand.unprinted.note"})
    again = await _resumed(bench)
    assert again.face.screens() == ["printing", HAND] and len(again.papers) == 1
    assert again.face.shown[-1][1]["note"] == "hand.unprinted.note"


async def test_behind_an_unanswered_question_the_terminal_is_at_its_log_in_screen_and_sends():
    for keys, screens in ((["1"], []), (["1", "ok", "cancel", "ok"], ["home", "confirm_out"])):
        parts = await _booted(NOTICE, (r.LICENCE_DISPOSITION, {r.CASE: 1, r.DISPOSITION: r.DISPOSITION_RETAINED}))
        parts.release = lambda: None
        t, sent = Menu(parts, keys), []

        async def log_in(terminal, key):
            return True

        def answer(kind, payload, _sent=sent):
            _sent.append(kind)
            raise NetworkError("gone", "NET-001", "")

        async def fine(resume, _t=t):
            from terminal.flows.fine import Fine

            flow = Fine(_t)
            flow.state = "hand"
            await flow.run()

        parts.network.answer, t._fine = answer, fine
        plain, login.log_in = login.log_in, log_in
        try:
            await t._session()
        finally:
            login.log_in = plain
        assert [screen for screen, _ in t.face.shown] == ["login_number", HAND] + screens  # noqa: RUF005 - the device
        assert t.officer is None and sent == [] and (t.journal.view.case is None) == bool(screens)
        if not screens:
            await t._session()
            assert len(sent) == 1 and t.journal.view.case.number == 1


async def test_who_went_on_without_the_ten_day_document_is_told_so_again():
    for printed, note in ((False, "hand.unprinted.note"), (True, "")):
        bench = await _open()
        await bench.paying(1, r.OUTCOME_PROVISIONAL)
        await bench.journal.append(r.RECEIPT_PRINTED, {r.CASE: 1, r.COPY: 1})
        await bench.journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer", r.REASON: "PRN-003"})
        if printed:
            await bench.journal.append(r.RECEIPT_PRINTED, {r.CASE: 1, r.COPY: 3})
        await bench.journal.append(r.LICENCE_DISPOSITION, {r.CASE: 1, r.DISPOSITION: r.DISPOSITION_RETAINED})
        again = await _resumed(bench)
        assert again.face.shown == [(HAND, {"disposition": 2, "days": 10, "note": note, "pv": REPORT})]


async def test_a_declined_payment_is_told_with_its_slip_unless_that_is_out():
    for printed in (False, True):
        bench = await _open()
        await bench.paying(1, r.OUTCOME_DECLINED)
        if printed:
            await bench.journal.append(r.RECEIPT_PRINTED, {r.CASE: 1, r.COPY: 1})
        again = await _resumed(bench, {"outcome": ["ok"], "pay_choice": ["2"], HAND: ["ok"]})
        told = [] if printed else ["outcome", "printing"]
        assert again.face.screens() == told + ["pay_choice", "printing", HAND]  # noqa: RUF005 - the device
        if not printed:
            fields = again.face.shown[0][1]
            assert (fields["outcome"], fields["amount"], fields["last4"]) == (r.OUTCOME_DECLINED, 500000, "0019")
            assert len(again.papers) == 2


async def _booted(*records):
    """A terminal that has written these, after one more boot."""
    parts = Handheld(None)
    await parts.journal.open()
    for kind, body in records:
        await parts.journal.append(kind, body)
    return await _again(parts)


async def _again(parts):
    again = Handheld(None, parts.storage, parts.se)
    await again.journal.open()
    await again.journal.end_what_was_cut()
    return again


async def _logged_in(parts, *keys):
    """What is shown between the first digit at the log-in screen and the menu; `keys` are pressed there."""
    t = Menu(parts, ("1",) + keys)  # noqa: RUF005 - the device
    t.officer = None

    async def credentials(terminal, second, key):
        return {"number": 7, "unit": "u", "force": 1}

    async def home():
        t.officer = None

    plain, login._credentials, t._home = login._credentials, credentials, home
    t.identity.wilaya = 16
    try:
        await t._session()
    finally:
        login._credentials = plain
    return t.face.shown[1:]


JUDGED = (r.LICENCE_READ, {r.VERDICT: 1, r.FINDINGS: [], r.LICENCE_TOKEN: bytes(8)})
NOTICE = (r.NOTICE, {r.CASE: 1, r.PV: "000001-00001", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: 500000, r.POINTS: 6})


def _given_up(disposition):
    body = {r.CASE: 1, r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: "left", r.DISPOSITION: disposition}
    return r.CASE_CLOSED, body


async def test_what_a_boot_closes_by_itself_is_told_before_the_log_in_until_somebody_answers():
    parts = await _booted(JUDGED)
    told = [(HAND, {"disposition": r.DISPOSITION_RETURNED, "days": 0, "note": "hand.abandon.note"})]
    assert await _logged_in(parts, None) == told and r.LOGIN not in _kinds(parts.journal)
    parts = await _again(parts)
    assert await _logged_in(parts, "ok") == told and r.LOGIN in _kinds(parts.journal)
    assert await _logged_in(parts) == [] and await _logged_in(await _again(parts)) == []


async def test_a_case_given_up_is_told_with_its_report_and_disposition():
    for disposition in (r.DISPOSITION_RETURNED, r.DISPOSITION_RETAINED):
        parts = await _booted(NOTICE, _given_up(disposition))
        ((screen, fields),) = await _logged_in(parts, "ok")
        assert screen == HAND and fields["disposition"] == disposition and fields["pv"] == "000001-00001"


async def test_nothing_is_told_of_a_case_once_the_next_has_begun_or_somebody_has_logged_in():
    for later in (JUDGED, (r.LOGIN, {})):
        parts = Handheld(None)
        await parts.journal.open()
        for kind, body in (NOTICE, _given_up(1), later):
            await parts.journal.append(kind, body)
        assert parts.journal.hand is None


async def test_a_void_that_waits_is_told_and_whether_its_paper_is_out():
    for printed in (False, True):
        bench = PaperBench()
        await bench.journal.open()
        await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), r.VOID_ASKED)
        if printed:
            await bench.journal.append(r.RECEIPT_PRINTED, {r.CASE: 1, r.COPY: 1})
        shown = await _logged_in(await _again(bench), "ok", "ok")
        assert [screen for screen, _ in shown] == ["void_result", HAND]
        assert shown[0][1] == {"state": r.VOID_ASKED, "amount": 500000, "pv": "000001-00001"}
        note = "" if printed else "hand.unprinted.note"
        assert shown[1][1] == {"disposition": 2, "days": 10, "note": note, "pv": "000001-00001"}


async def test_what_nobody_answered_while_it_was_on_is_shown_in_the_menu():
    parts = Handheld(None)
    await parts.journal.open()
    await parts.journal.append(*NOTICE)
    await parts.journal.append(*_given_up(1))
    t = Menu(parts, (None, "9", "ok", "9", "9"))
    await t._home()
    await t._home()
    await t._home()
    assert [screen for screen, _ in t.face.shown] == [HAND, "home", HAND, "home", "home"]


async def test_no_fine_and_no_void_begins_before_what_is_due_is_answered_and_an_unattended_terminal_sends():
    for key in ("1", "5"):
        parts = Handheld(None)
        await parts.journal.open()
        await parts.journal.append(*NOTICE)
        await parts.journal.append(*_given_up(2))
        begun, sent = [], []
        t = Menu(parts, (None, key, None, None, None, key, "ok"))

        async def flow(*arguments, _begun=begun):
            _begun.append(arguments)

        def answer(kind, payload, _sent=sent):
            _sent.append(kind)
            raise NetworkError("gone", "NET-001", "")

        t._fine = t._of_paid = flow
        parts.network.answer = answer
        await t._home()
        assert begun == [] and parts.journal.hand
        await t._home()
        assert begun == [] and len(sent) == 1 and parts.journal.hand
        t.face.keys[0:0] = [None]
        await t._home()
        assert len(begun) == 1 and not parts.journal.hand and t.face.keys == []
        screens = [screen for screen, _ in t.face.shown if screen != "syncing"]
        assert screens == [HAND, "home", HAND, HAND, "home", HAND, "home", HAND]


async def test_a_void_that_waits_is_told_again_unless_somebody_answered():
    for keys in ([], ["ok"], ["cancel"]):
        bench = PaperBench((), {HAND: keys[:]})
        bench.ports = bench
        await bench.journal.open()
        await bench.void(1, await bench.case(1, r.OUTCOME_APPROVED), r.VOID_ASKED)
        await void._tell(bench, bench.journal.view.voiding)
        assert HAND in bench.face.screens() and bool(bench.journal.hand) == (not keys)


async def test_a_snapshot_keeps_what_is_to_be_told_and_one_of_before_knows_nothing_of_it():
    from terminal.journal.view import View

    parts = await _booted(NOTICE, _given_up(2))
    kept, found = parts.journal.view.snapshot(), View()
    found.restore(kept)
    assert found.hand == parts.journal.view.hand and found.hand is not None
    del kept[17]
    found.restore(kept)
    assert found.hand is None


async def test_who_is_locked_fetches_new_credentials_with_ok():
    for key, fetched in (("ok", 1), ("cancel", 0)):
        parts = await _booted()
        t = Menu(parts, ("1", key, "ok"))
        t.officer = None
        tried = []

        async def locked(terminal, second, first):
            raise OfficerError("the officer is locked", "OFC-003", "")

        def answer(kind, payload, _tried=tried):
            _tried.append(kind)
            raise NetworkError("gone", "NET-001", "")

        parts.network.answer = answer
        plain, login._credentials = login._credentials, locked
        try:
            await t._session()
        finally:
            login._credentials = plain
        assert len(tried) == fetched and t.face.shown[1][0] == "locked"
