"""A backlog in batches: as much as the board grants, told so that it is heard as it stands in the journal."""

from protocol import records as r
from protocol import sync as m
from terminal import batches
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.dual import record

FINES = 20
DEVICE_HEAP = "512k"  # flash, server and what it hears are in it


class _Server:
    """Hears the records of every batch and acknowledges them; has no memory for batches of more records than `most`."""

    def __init__(self, most=1000):
        self.seq = 0
        self.hash = bytes(32)
        self.most = most
        self.heard = []
        self.counts = []
        self.beside = {m.SEALED: 0, m.PRIVATE: 0}
        self.t = None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            return m.TYPE_WELCOME, said
        records = told.records(payload, self.t.journal.device, self.t.crypto.sha256)
        self.counts.append(len(records))
        if len(records) > self.most:
            raise MemoryError
        for key in self.beside:
            self.beside[key] += len(told.attached(payload, key))
        self.heard += [one[r.SEQ] for one in records]
        for one in records:
            assert self.t.journal.record_at(one[r.SEQ])[0] == one
        self.seq = records[-1][r.SEQ]
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


async def _fine(journal, number):
    """The records of a fine, with blobs as long as they are in truth."""
    pv = "000001-%05d" % number
    await journal.append(r.LICENCE_READ, {r.VERDICT: 2, r.LICENCE_TOKEN: bytes((number,)) * 8, r.FINDINGS: []})
    notice = {r.CASE: number, r.PV: pv, r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 200000, r.POINTS: 4}
    await journal.append(r.NOTICE, notice, private=b"\xd0\x83\x44\xa1\x01\x0a" + bytes((number,)) * 60)
    await journal.append(r.ACKNOWLEDGED, {r.CASE: number})
    intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 200000})
    paid = {
        r.CASE: number, r.INTENT: journal.head_seq, r.AMOUNT: 200000, r.OUTCOME: 1, r.AID: b"\xf0\0\0TD\1", r.SCHEME: "CIB TEST",
        r.REASON: "Y1", r.TVR: bytes(5), r.CID: 64, r.LAST4: "%04d" % number, r.CRYPTOGRAM: bytes((number, 7)) * 4, r.ATC: 3 * number,
        r.CARD_TOKEN: bytes((number,)) * 8, r.HOLDER: 2,
    }  # fmt: skip
    await journal.append(r.PAYMENT_OUTCOME, paid, sealed=b"\xd0\x83\x52\xa2\x01\x0a\x04\x4c" + bytes((number,)) * 64)
    await journal.append(r.RECEIPT_PRINTED, {r.CASE: number, r.COPY: 1})
    await journal.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: 1})
    return intent


async def _backlog(server, fines):
    t = server.t = Handheld(server)
    await t.journal.open()
    for number in range(1, fines + 1):
        await _fine(t.journal, number)
    return t


async def test_twenty_fines_are_one_batch():
    server = _Server()
    t = await _backlog(server, FINES)
    await Sync(t, quiet).run()
    assert server.counts == [7 * FINES] and server.heard == list(range(1, 7 * FINES + 1))
    payload = t.network.sent[1][1]
    assert len(payload[m.SIGNATURES]) == 64 * FINES
    assert payload[m.SHARED][m.SEALED][0][:8] == b"\xd0\x83\x52\xa2\x01\x0a\x04\x4c"
    assert t.crypto.sha256(told.attached(payload, m.SEALED)[4]) == t.journal.record_at(5)[0][r.SEALED]
    assert t.crypto.sha256(told.attached(payload, m.PRIVATE)[1]) == t.journal.record_at(2)[0][r.PRIVATE]
    assert server.beside == {m.SEALED: FINES, m.PRIVATE: FINES}
    record("told", len(payload[m.RECORDS]))


async def test_a_batch_for_which_memory_is_short_is_made_smaller():
    server = _Server(most=20)
    t = await _backlog(server, 6)
    await Sync(t, quiet).run()
    assert t.journal.acked_seq == 42 == server.seq and server.heard == list(range(1, 43))
    refused = [count for count in server.counts if count > 20]
    assert refused == server.counts[: len(refused)] and sum(server.counts) - sum(refused) == 42


async def test_memory_that_is_short_for_the_smallest_batch_ends_the_session():
    t = await _backlog(_Server(most=0), 2)
    try:
        await Sync(t, quiet).run()
        raise AssertionError("went on")
    except MemoryError:
        assert t.journal.acked_seq == 0


async def test_room_is_kept_to():
    t = await _backlog(_Server(), 4)
    for room in (1, 300, 1000, 4000):
        payload, count = batches.fill(t.journal, 1, room)
        beside = [len(blob) for key in (m.SEALED, m.PRIVATE) for blob in told.attached(payload, key).values()]
        assert count >= 1 and (count == 1 or len(payload[m.RECORDS]) + sum(beside) <= room)
    assert count == 28


async def test_a_signature_that_is_lost_is_told_by_place():
    """In a row the signatures after it would be taken for those of other payments."""
    server = _Server()
    t = await _backlog(server, 3)
    plain = t.journal.entries

    def entries(first):
        for one, data, signature in plain(first):
            yield one, data, None if one[r.SEQ] == 5 else signature

    t.journal.entries = entries
    payload, count = batches.fill(t.journal, 1, 6144)
    assert count == 21 and sorted(payload[m.SIGNATURES]) == [11, 18]
    t.journal.entries = plain
    payload, _ = batches.fill(t.journal, 1, 6144)
    assert len(payload[m.SIGNATURES]) == 3 * 64
