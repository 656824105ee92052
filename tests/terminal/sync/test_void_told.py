"""The end of a void that was done: the fine is called due again only where its case is open again."""

from protocol import records as r
from protocol import sync as m
from terminal.flows import shift
from tests.support import told
from tests.support.centre import Handheld

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


async def test_a_case_that_is_open_again_is_due_again():
    assert await _shown(0) == ([("void_result", r.VOID_DONE, None)], 1)


async def test_one_that_may_be_paid_anew_among_lost_records_is_not():
    assert await _shown(3) == ([("error", None, "RSK-016")], None)
