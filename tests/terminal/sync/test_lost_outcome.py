"""An outcome that is lost for good: nothing of it is awaited, though a segment's head remembers it; what the centre says of it is taken."""

from protocol import records as r
from protocol import sync as m
from terminal.flows import shift
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet

OUTCOME = 2
SPOILT = ("journal/000001.seg", "copies/000001.seg")


class _Server:
    """Acknowledges whatever comes; `held` is where it stands; `results` come with every WELCOME."""

    def __init__(self):
        self.held = 0
        self.results = []
        self.t = None

    def __call__(self, kind, payload):
        if kind != m.TYPE_HELLO:
            self.held = payload[m.FIRST_SEQ] + told.count(payload) - 1
        item = self.t.journal.record_at(self.held) if self.held else None
        said = {m.ACKED_SEQ: self.held, m.ACKED_HASH: self.t.crypto.sha256(item[1]) if item else bytes(32)}
        if kind != m.TYPE_HELLO:
            return m.TYPE_ACK, said
        said.update({m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0, m.RESULTS: self.results})
        return m.TYPE_WELCOME, said


async def _patrol(server, outcome):
    """1 health, 2 outcome (sealed card data), 3 health; 4 in a segment whose head remembers all that."""
    t = server.t = Handheld(server)
    await t.journal.open()
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 200000, r.OUTCOME: outcome}
    await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"sealed")
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "paper"})
    t.journal._shelf.fresh = True
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    return t


async def _lost(server, t):
    """The outcome and its second copy are spoilt, and the terminal boots again."""
    data = t.journal.record_at(OUTCOME)[1]
    for name in SPOILT:
        content = bytearray(t.storage.files[name])
        content[bytes(content).index(data) + 20] ^= 4
        t.storage.files[name] = bytes(content)
    again = server.t = Handheld(server, t.storage, t.se)
    again.quiet_after = 0
    await again.journal.open()
    assert again.journal.view.gaps == {2: 2} and again.journal.view.sealed == {1: 2}
    return again


async def test_a_terminal_does_not_ask_for_ever_about_an_outcome_that_never_arrived():
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
        server = _Server()
        t = await _patrol(server, outcome)
        assert t.journal.view.due() == (outcome == r.OUTCOME_PROVISIONAL, True)
        t = await _lost(server, t)
        await Sync(t, quiet).run()
        assert t.journal.acked_seq == t.journal.head_seq
        count = len(t.network.sent)
        assert t.journal.view.due() == (False, False)
        await shift.quiet_sync(t)
        assert len(t.network.sent) == count


async def test_what_the_centre_says_of_a_lost_outcome_that_had_arrived_is_written_down():
    server = _Server()
    t = await _lost(server, await _patrol(server, r.OUTCOME_PROVISIONAL))
    server.held = 3
    server.results = [{m.RESULT_EPOCH: 1, m.RESULT_INTENT: 1, m.RESULT_OUTCOME: r.OUTCOME_APPROVED}]
    session = Sync(t, quiet)
    await session.run()
    assert [result[r.INTENT] for result in session.results] == [1] and not t.journal.view.provisional


async def test_other_outcomes_are_awaited_beside_it():
    server = _Server()
    t = await _lost(server, await _patrol(server, r.OUTCOME_APPROVED))
    body = {r.CASE: 2, r.INTENT: 5, r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"sealed")
    assert t.journal.view.due() == (True, True)


async def test_a_clock_that_the_centre_sets_back_does_not_stop_the_questions_about_receipts():
    server = _Server()
    t = await _patrol(server, r.OUTCOME_APPROVED)
    await Sync(t, quiet).run()
    t.quiet_after, t.clock.utc = 0, 1_800_000_000  # years ahead
    asked = []
    for waited in (0, 0, 599, 1):
        t.clock.utc += waited
        count = len(t.network.sent)
        await shift.quiet_sync(t)
        asked.append(len(t.network.sent) > count)
    assert asked == [True, True, False, True] and t.clock.utc == 1700000100
