"""A new epoch that begins while an officer is logged in: his shift is over, and nobody is asked how it balances."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import RiskError
from terminal.flows import shift, void
from tests.support.centre import DEVICE, Handheld, signed
from tests.support.dual import araises


class _Face:
    def __init__(self):
        self.summaries = []

    async def show(self, screen, **fields):
        if screen == "shift_summary":
            self.summaries.append((fields["provisional_count"], fields["provisional_total"]))

    async def key(self, timeout_ms):
        return "ok"

    def forget(self):
        pass


class _Server:
    """It has another record 2 than the terminal, and approves a new epoch behind its own."""

    def __init__(self):
        self.closings = 0
        self.seq, self.hash = 2, b"\7" * 32
        self.t = None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            if payload[m.EPOCH] == 1:
                approval = signed(
                    m.TYPE_EPOCH, {1: DEVICE, 2: 2, 3: self.seq, 4: self.hash, 5: 0, 6: 0, 7: 9}, b"epoch"
                )
                command = {1: DEVICE, 2: 1, 3: 1700000200, 4: m.COMMAND_EPOCH, 5: approval}
                said[m.COMMANDS] = [signed(m.TYPE_COMMAND, command, b"cmd")]
            return m.TYPE_WELCOME, said
        if kind == m.TYPE_BATCH:
            if payload[m.EPOCH] == 1:  # the other branch, shown
                return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
            self.seq, self.hash = self.t.journal.head_seq, self.t.journal.head_hash
            return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
        self.closings += 1
        return m.TYPE_RECON, {m.BALANCED: True}


async def _on_shift():
    server = _Server()
    t = Handheld(server)
    server.t = t
    t.face, t.reached, t.quiet_after, t.officer = _Face(), True, 0, {"number": 7, "unit": "u"}
    await t.journal.open()
    await t.journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    await t.journal.append(r.LOGIN, {})
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    return t, server


async def test_the_officer_is_logged_out():
    t, _ = await _on_shift()
    await shift.session(t)
    assert t.journal.epoch == 2 and t.officer is None and not t.journal.view.shift_open


async def test_a_shift_that_is_being_closed_is_not_compared():
    t, server = await _on_shift()
    await shift.close(t)
    assert t.journal.epoch == 2 and t.officer is None and server.closings == 0
    assert [x[0][r.KIND] for x in t.journal.entries(3)] == [r.NEW_EPOCH]


async def test_its_summary_says_what_it_awaited():
    t, _ = await _on_shift()
    facts = {r.CASE: 1, r.AMOUNT: 500}
    intent = await t.journal.append(r.PAYMENT_INTENT, facts)
    await t.journal.append(r.PAYMENT_OUTCOME, facts | {r.INTENT: intent[r.SEQ], r.OUTCOME: r.OUTCOME_PROVISIONAL})
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    await shift.close(t)
    assert t.journal.epoch == 2 and t.face.summaries == [(1, 500)]


async def test_a_void_is_not_asked_for_in_another_epoch_than_its_payment():
    t, _ = await _on_shift()
    notice = {r.CASE: 1, r.PV: "1-1", r.OFFENCE: "66", r.TARIFF: 1, r.AMOUNT: 500, r.POINTS: 1}
    await t.journal.append(r.NOTICE, notice)
    intent = await t.journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500})
    paid = {r.CASE: 1, r.INTENT: intent[r.SEQ], r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
    await t.journal.append(r.PAYMENT_OUTCOME, paid)
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    case = t.journal.view.paid
    error = await araises(RiskError, void._ask(t, case, 9, bytes(8)))
    assert error.code == "RSK-010" and t.journal.epoch == 2
    assert [x[0][r.KIND] for x in t.journal.entries(3)] == [r.NEW_EPOCH]
    error = await araises(RiskError, void._tell(t, case))
    assert error.code == "RSK-010"
