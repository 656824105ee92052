"""The end of a void that was done: the fine is called due again only where its case is open again."""

from protocol import records as r
from protocol import sync as m
from terminal import phases
from terminal.flows import shift
from tests.support import told
from tests.support.centre import Handheld
from tests.support.menu import Menu

A = 300000


class _Face:
    def __init__(self):
        self.shown = []

    async def show(self, screen, **fields):
        if screen != "syncing":
            self.shown.append((screen, fields.get("state"), fields.get("code")))

    async def key(self, timeout_ms):
        return "ok"

    def forget(self):
        pass


class _Centre:
    """Takes every batch; once it has the asking, WELCOME says that the void is done."""

    def __init__(self, t, intent):
        self.t, self.intent = t, intent

    def __call__(self, kind, payload):
        seq = self.t.journal.acked_seq
        if kind != m.TYPE_HELLO:
            seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
        said = {m.ACKED_SEQ: seq, m.ACKED_HASH: self.t.crypto.sha256(self.t.journal.record_at(seq)[1])}
        if kind != m.TYPE_HELLO:
            return m.TYPE_ACK, said
        end = {m.RESULT_EPOCH: 1, m.RESULT_INTENT: self.intent, m.RESULT_OUTCOME: r.VOID_DONE}
        end[m.RESULT_REASON], end[m.RESULT_REF] = "00", "x"
        said.update({m.SERVER_UTC: 1790000100, m.RETRY_AFTER: 0, m.VOIDS: [end]})
        return m.TYPE_WELCOME, said


async def _shown(lost):
    """(screens, the open case's number) when the end comes to a terminal that lost so many records behind the asking, all of them the centre's."""
    t = Handheld(None)
    journal = t.journal
    await journal.open()
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    facts = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A}
    await journal.append(r.PAYMENT_OUTCOME, facts | {r.OUTCOME: r.OUTCOME_APPROVED})
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    await journal.append(r.VOID, facts | {r.VOID_STATE: r.VOID_ASKED})
    spoilt = []
    for number in range(4):
        record = await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n%d" % number})
        spoilt.append(journal.record_at(record[r.SEQ])[1])
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    for data in spoilt[:lost]:
        for name in sorted(t.storage.files):
            t.storage.files[name] = t.storage.files[name].replace(data, bytes(len(data)))
    t = Handheld(None, t.storage, t.se)
    t.network.answer = _Centre(t, intent)
    t.face, t.reached = _Face(), True
    await t.journal.open()
    await t.journal.append(r.LOGIN, {})
    await shift.synchronise(t)
    case = t.journal.view.case
    return t.face.shown[1:], case and case.number


async def _kept(flow):
    """Run it without dropping modules: what this file holds of them stays usable on a device."""
    leave, phases.leave = phases.leave, lambda phase: None
    try:
        await flow()
    finally:
        phases.leave = leave


async def test_the_end_of_a_void_waits_until_what_became_of_a_later_cases_licence_is_answered():
    for number, disposition in ((2, r.DISPOSITION_RETAINED), (0, r.DISPOSITION_RETURNED)):
        t = Handheld(None)
        journal = t.journal
        await journal.open()
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
        await journal.append(r.LOGIN, {})
        await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
        intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
        facts = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A}
        await journal.append(r.PAYMENT_OUTCOME, facts | {r.OUTCOME: r.OUTCOME_APPROVED})
        await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
        await journal.append(r.VOID, facts | {r.VOID_STATE: r.VOID_ASKED, r.DISPOSITION: r.DISPOSITION_RETAINED})
        await journal.append(r.LICENCE_READ, {r.VERDICT: 1, r.FINDINGS: [], r.LICENCE_TOKEN: bytes(8)})
        given_up = {r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: "left", r.DISPOSITION: disposition}
        if number:
            notice = {r.CASE: number, r.PV: "q", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4}
            await journal.append(r.NOTICE, notice)
            given_up[r.CASE] = number
        await journal.append(r.CASE_CLOSED, given_up)
        journal.acknowledge(journal.head_seq, journal.head_hash)
        t.network.answer = _Centre(t, intent)
        menu = Menu(t, [None, None, None, None, "2", "ok", None])

        async def fine(resume):
            pass

        menu._fine = fine
        await _kept(menu._home)  # nobody answers, and the terminal asks the centre by itself
        await _kept(menu._home)  # nor does who has it ask
        assert journal.view.voiding is not None and journal.hand[:2] == (number, disposition)
        menu.face.keys, menu.face.shown = ["ok", "2", "ok", "ok"], []
        await _kept(menu._home)
        shown = [screen for screen, _ in menu.face.shown if screen != "syncing"]
        assert shown == ["licence_hand", "home", "sync_done", "void_result"] and menu.face.keys == []
        assert journal.view.voiding is None and journal.view.case.number == 1


async def test_a_case_that_is_open_again_is_due_again():
    assert await _shown(0) == ([("void_result", r.VOID_DONE, None)], 1)


async def test_one_that_may_be_paid_anew_among_lost_records_is_not():
    assert await _shown(3) == ([("error", None, "RSK-016")], None)
