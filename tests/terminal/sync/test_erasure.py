"""A signed receipt erases sealed card data; where what stays cannot be read, the key of before waits, and so does the next erasure."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from terminal.sync import Sync
from terminal.vault import Vault
from tests.support import told
from tests.support.centre import DEVICE, Handheld, quiet, signed


class _Server:
    """Acknowledges whatever comes; `cleared` is on the receipt that comes with each of its messages."""

    def __init__(self):
        self.held = 0
        self.cleared = []
        self.t = None

    def __call__(self, kind, payload):
        if kind != m.TYPE_HELLO:
            self.held = payload[m.FIRST_SEQ] + told.count(payload) - 1
        item = self.t.journal.record_at(self.held) if self.held else None
        said = {m.ACKED_SEQ: self.held, m.ACKED_HASH: self.t.crypto.sha256(item[1]) if item else bytes(32)}
        due = [intent for intent in self.cleared if intent in self.t.journal.view.sealed]
        if due:
            said[m.CLEARED] = signed(m.TYPE_CLEARED, {m.DEVICE: DEVICE, m.EPOCH: 1, m.CLEARED: due})
        if kind != m.TYPE_HELLO:
            return m.TYPE_ACK, said
        said.update({m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0})
        return m.TYPE_WELCOME, said


async def _patrol():
    """Three approved payments, intents 1 to 3, outcomes in records 1 to 3."""
    server = _Server()
    t = server.t = Handheld(server)
    t.vault = Vault(t.storage, t.se, t.crypto)
    await t.vault.open()
    t.journal = Journal(t.vault, t.se, t.clock, t.crypto, DEVICE)
    await t.journal.open()
    for intent in (1, 2, 3):
        body = {r.CASE: intent, r.INTENT: intent, r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_APPROVED}
        await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"sealed %d" % intent)
    return server, t


def _health(t):
    return [item[0][r.HEALTH] for item in t.journal.entries(1) if item[0][r.KIND] == r.HEALTH_EVENT]


async def _synchronised(t):
    session = Sync(t, quiet)
    await session.run()
    assert t.journal.acked_seq == t.journal.head_seq
    return session.erased


async def test_an_erasure_is_finished_in_its_session():
    server, t = await _patrol()
    server.cleared = [1]
    assert await _synchronised(t) == [1]
    assert not t.vault.unfinished and not _health(t) and t.storage.size("sealed/1") < 0
    assert t.journal.blob("sealed", 2) == b"sealed 2"


async def test_where_what_stays_cannot_be_listed_nothing_of_it_is_lost_and_the_centre_is_told():
    server, t = await _patrol()
    names, down = t.storage.names, [True]

    def listed(folder):
        if down[0] and folder == "sealed":
            raise JournalError("storage cannot be read", "JRN-014")
        return names(folder)

    t.storage.names = listed
    server.cleared = [1]
    assert await _synchronised(t) == [1]
    assert t.vault.unfinished and _health(t) == ["vault"] and ("error", {"code": "JRN-014"}) in t.notes
    server.cleared = [1, 2]  # what is erased next waits: it was written under the key that stays
    assert await _synchronised(t) == [] and sorted(t.journal.view.sealed) == [2, 3]
    assert t.journal.blob("sealed", 2) == b"sealed 2" and t.journal.blob("sealed", 3) == b"sealed 3"
    down[0] = False
    assert await _synchronised(t) == [2]
    assert not t.vault.unfinished and _health(t) == ["vault"]
    assert t.journal.blob("sealed", 3) == b"sealed 3" and not t.journal.losses.blobs
