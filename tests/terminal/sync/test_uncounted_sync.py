"""A damaged storage that counts no free space takes no record: what it holds is sent all the same, whatever the centre has to say."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.parts import MemoryStorage


class _Damaged(MemoryStorage):
    bad = False

    def free_bytes(self):
        if self.bad:
            raise JournalError("storage cannot be read", "JRN-014")
        return super().free_bytes()

    def append(self, name, data):
        if self.bad:
            raise JournalError("storage refuses to write", "JRN-012")
        super().append(name, data)


class _Server:
    def __init__(self):
        self.seq, self.hash, self.t = 0, bytes(32), None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            said[m.RESULTS] = [{m.RESULT_INTENT: 1, m.RESULT_OUTCOME: r.OUTCOME_APPROVED, m.RESULT_EPOCH: 1}]
            return m.TYPE_WELCOME, said
        self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


async def test_what_it_holds_is_sent_and_what_the_centre_says_waits():
    server = _Server()
    t = Handheld(server, _Damaged())
    server.t = t
    await t.journal.open()
    await t.journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500})
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    await t.journal.append(r.PAYMENT_OUTCOME, body)
    t.storage.bad = True
    await Sync(t, quiet).run()
    assert (server.seq, t.journal.head_seq, sorted(t.journal.view.provisional)) == (2, 2, [1])
    t.storage.bad = False
    t.journal.room(True)
    await Sync(t, quiet).run()
    assert (server.seq, t.journal.head_seq, t.journal.view.provisional) == (3, 3, {})
