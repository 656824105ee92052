"""A damaged storage that counts no free space takes no record: what it holds is sent all the same, whatever the centre has to say, and
nothing stops.
"""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, NetworkError
from terminal import phases
from terminal.flows import release
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.menu import Menu
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

    def replace(self, name, data):
        if self.bad:
            raise JournalError("storage refuses to write", "JRN-012")
        super().replace(name, data)


class _Server:
    def __init__(self, results=()):
        self.seq, self.hash, self.t, self.down, self.gaps = 0, bytes(32), None, False, []
        self.results = [{m.RESULT_INTENT: 1, m.RESULT_OUTCOME: state, m.RESULT_EPOCH: 1} for state in results]

    def __call__(self, kind, payload):
        if self.down:
            raise NetworkError("no network", "NET-001")
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            said[m.RESULTS] = self.results
            return m.TYPE_WELCOME, said
        if m.GAP in payload:
            self.gaps.append((payload[m.GAP], payload[m.FIRST_SEQ] - 1))
        self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


async def _terminal(*records, results=()):
    t = Handheld(_Server(results), _Damaged())
    t.network.answer.t = t
    await t.journal.open()
    for kind, body in records:
        await t.journal.append(kind, body)
    t.storage.bad = True
    return t


async def _boot(t):
    """The same storage and element, started anew."""
    again = Handheld(t.network.answer, t.storage, t.se)
    again.network.answer.t = again
    await again.journal.open()
    await again.journal.end_what_was_cut()
    return again


async def _home(t, *keys):
    """The main menu once, when these keys are pressed."""
    menu, leave = Menu(t, keys), phases.leave
    phases.leave = lambda phase: None  # what this file holds of those modules stays usable on a device
    try:
        await menu._home()
    finally:
        phases.leave = leave
    return menu


def _codes(menu):
    return [fields["code"] for screen, fields in menu.face.shown if screen == "error"]


_SHIFT = (r.SHIFT_OPENED, {r.SHIFT: 1})
_NOTICE = (r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "x", r.TARIFF: 1, r.AMOUNT: 500, r.POINTS: 1})
_INTENT = (r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500})


async def test_what_it_holds_is_sent_and_what_the_centre_says_waits():
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    t = await _terminal(_INTENT, (r.PAYMENT_OUTCOME, body), results=(r.OUTCOME_APPROVED,))
    server = t.network.answer
    await Sync(t, quiet).run()
    assert (server.seq, t.journal.head_seq, sorted(t.journal.view.provisional)) == (2, 2, [1])
    t.storage.bad = False
    t.journal.room.state(True)
    await Sync(t, quiet).run()
    assert (server.seq, t.journal.head_seq, t.journal.view.provisional) == (3, 3, {})


async def test_a_network_that_goes_and_comes_back_stops_nothing():
    t = await _terminal(_SHIFT)
    t.network.answer.down = True
    menu = await _home(t, "2", "ok")
    assert _codes(menu) == ["NET-001"] and t.journal.head_seq == 1
    t = await _terminal(_SHIFT, (r.OUTAGE_BEGIN, {r.REASON: "NET-001"}))
    menu = await _home(t, "2", "ok")
    assert _codes(menu) == [] and (t.network.answer.seq, t.journal.head_seq) == (2, 2)


async def test_neither_a_void_nor_the_end_of_a_shift_begins():
    for key in "35":
        t = await _terminal(_SHIFT)
        menu = await _home(t, key, "ok")
        assert _codes(menu) == ["RSK-015"] and menu.officer is not None and not t.network.sent
        assert t.journal.view.shift_open and t.journal.head_seq == 1


async def test_a_licence_that_goes_back_is_told_and_stays_due():
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    result = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED, r.PV: "p"}
    t = await _terminal(_INTENT, (r.PAYMENT_OUTCOME, body), (r.AUTHORISATION_RESULT, result))
    menu = Menu(t, ["ok"])
    menu.face.forget = lambda: None
    await release.tell(menu)
    assert [screen for screen, _ in menu.face.shown] == ["licence_hand"] and sorted(t.journal.view.releases) == [1]
    t.storage.bad = False
    menu.face.keys = ["ok"]
    await release.tell(menu)
    assert not t.journal.view.releases


async def test_behind_lost_records_all_is_sent_and_the_batch_names_them():
    for boots in (False, True):
        t = await _terminal(_SHIFT, *[(r.HEALTH_EVENT, {r.HEALTH: "x%d" % n}) for n in range(3)], _NOTICE, _INTENT)
        data = t.journal.record_at(3)[1]
        name = "journal/000001.seg"
        content = t.storage.files[name]
        at = content.find(data) + 20
        t.storage.files[name] = content[:at] + bytes((content[at] ^ 4,)) + content[at + 1 :]
        if boots:
            t = await _boot(t)
        server = t.network.answer
        await Sync(t, quiet).run()
        assert (server.seq, t.journal.head_seq, server.gaps, t.journal.view.gaps) == (6, 6, [(3, 3)], {})
        assert t.journal.acked_seq == 6 and t.journal.counter == 6


async def test_a_payment_that_was_cut_stays_as_it_is_until_records_are_taken():
    t = await _boot(await _terminal(_SHIFT, _NOTICE, _INTENT))
    assert (t.journal.head_seq, t.journal.view.case.intent) == (3, 3)
    await Sync(t, quiet).run()
    assert t.network.answer.seq == 3
    t.storage.bad = False
    t = await _boot(t)
    assert (t.journal.head_seq, t.journal.view.case.outcome) == (4, r.OUTCOME_INTERRUPTED)


async def test_a_second_copy_that_is_missing_waits():
    t = await _terminal(
        _INTENT, (r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 5, r.OUTCOME: r.OUTCOME_APPROVED})
    )
    del t.storage.files["copies/000001.seg"]
    t = await _boot(t)
    assert t.storage.size("copies/000001.seg") < 0
    t.storage.bad = False
    await _boot(t)
    assert t.storage.size("copies/000001.seg") > 0
