"""A HELLO that was late on its way replaces the nonce at the server: the terminal says HELLO again, once, and goes on."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import ServerError
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet

REFUSED = (m.TYPE_REFUSED, {m.CODE: "SRV-014"})


class _Server:
    """Acknowledges all of a batch that is bound to the last HELLO; `late` says before which messages (1…) another HELLO arrives."""

    def __init__(self, late=()):
        self.late = late
        self.nonce = b""
        self.seq = 0
        self.hash = bytes(32)
        self.count = 0
        self.t = None

    def __call__(self, kind, payload):
        self.count += 1
        if self.count in self.late:
            self.nonce = b"late"
        if kind == m.TYPE_HELLO:
            self.nonce = payload[m.NONCE]
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            return m.TYPE_WELCOME, said
        if payload[m.NONCE] != self.nonce:
            return REFUSED
        if kind == m.TYPE_CLOSE:
            return m.TYPE_RECON, {m.LAST_SEQ: payload[m.LAST_SEQ], m.TOTALS: payload[m.TOTALS], m.BALANCED: True}
        assert payload[m.FIRST_SEQ] == self.seq + 1
        self.seq += told.count(payload)
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


async def _handheld(server, count=3):
    t = Handheld(server)
    if isinstance(server, _Server):
        server.t = t
    await t.journal.open()
    for number in range(count):
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n%d" % number})
    return t


def _kinds(t):
    return [kind for kind, _ in t.network.sent]


async def test_a_batch_refused_because_of_a_late_hello_is_sent_again_under_a_new_one():
    t = await _handheld(_Server(late=(2,)))
    await Sync(t, quiet).run()
    assert _kinds(t) == [m.TYPE_HELLO, m.TYPE_BATCH, m.TYPE_HELLO, m.TYPE_BATCH]
    first, second = t.network.sent[0][1][m.NONCE], t.network.sent[2][1][m.NONCE]
    assert first != second and t.network.sent[3][1][m.NONCE] == second
    assert t.network.sent[1][1][m.RECORDS] == t.network.sent[3][1][m.RECORDS]
    assert (t.journal.acked_seq, t.journal.server_utc) == (3, 1700000100)


async def test_the_batches_after_it_are_bound_to_the_new_hello():
    t = await _handheld(_Server(late=(2,)), 60)
    t.batch_bytes = 200
    await Sync(t, quiet).run()
    assert t.journal.acked_seq == 60 and _kinds(t)[2:] == [m.TYPE_HELLO, m.TYPE_BATCH, m.TYPE_BATCH]
    assert t.network.sent[4][1][m.NONCE] == t.network.sent[2][1][m.NONCE]


async def test_a_shift_is_compared_though_a_late_hello_comes_before_its_closing():
    t = await _handheld(_Server(late=(3,)))
    held = Sync(t, quiet)
    await held.run()
    recon = await held.close_shift(1, 3, {})
    assert recon[m.BALANCED]
    assert _kinds(t) == [m.TYPE_HELLO, m.TYPE_BATCH, m.TYPE_CLOSE, m.TYPE_HELLO, m.TYPE_CLOSE]


async def test_hello_is_said_again_once_a_session_only():
    t = await _handheld(_Server(late=(2, 4)))
    try:
        await Sync(t, quiet).run()
        raise AssertionError("went on")
    except ServerError as error:
        assert (error.code, error.detail) == ("SRV-071", "SRV-014")
    assert len(t.network.sent) == 4 and t.journal.acked_seq == 0
    await Sync(t, quiet).run()  # the next session begins anew
    assert t.journal.acked_seq == 3


async def test_other_refusals_are_not_asked_again():
    t = await _handheld(_Server())
    answers = t.network.answer
    t.network.answer = lambda kind, payload: (
        answers(kind, payload) if kind == m.TYPE_HELLO else (m.TYPE_REFUSED, {m.CODE: "SRV-016"})
    )
    try:
        await Sync(t, quiet).run()
        raise AssertionError("went on")
    except ServerError as error:
        assert error.detail == "SRV-016"
    assert len(t.network.sent) == 2


async def test_a_blocked_terminal_is_told_so_by_a_code_of_its_own_and_keeps_its_records():
    t = await _handheld(lambda kind, payload: (m.TYPE_REFUSED, {m.CODE: "SRV-067"}))
    try:
        await Sync(t, quiet).run()
        raise AssertionError("went on")
    except ServerError as error:
        assert (error.code, error.detail) == ("SRV-067", "SRV-067")
    assert _kinds(t) == [m.TYPE_HELLO] and (t.journal.acked_seq, t.journal.head_seq) == (0, 3)
