"""A licence that goes back is told to an officer until he has read it, whatever breaks off between the centre's word and his."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import NetworkError, SecureElementError
from terminal import phases
from terminal.flows import release, shift
from terminal.journal.view import View
from tests.support import told
from tests.support.centre import Handheld
from tests.support.dual import araises
from tests.support.parts import PowerCut

APPROVED, PROVISIONAL = r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL


class _Face:
    """Shows, and gives the next of `keys` (None: nobody is there)."""

    def __init__(self, keys=()):
        self.keys = list(keys)
        self.shown = []
        self.forgotten = []  # how many screens had been shown by then

    async def show(self, screen, **fields):
        self.shown.append((screen, fields.get("disposition"), fields.get("pv")))

    async def key(self, timeout_ms):
        return self.keys.pop(0) if self.keys else None

    def forget(self):
        self.forgotten.append(len(self.shown))


class _Centre:
    """Takes every batch; WELCOME brings `results`. `lost`: how many answers to batches do not arrive."""

    def __init__(self, results, lost=0):
        self.results, self.lost = results, lost
        self.seq, self.hash = 0, bytes(32)
        self.t = None

    def __call__(self, kind, payload):
        if kind == m.TYPE_HELLO:
            said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash, m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0}
            if self.seq >= 6:  # it knows of the payments by then
                said[m.RESULTS] = self.results
            return m.TYPE_WELCOME, said
        self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
        self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        if self.lost:
            self.lost -= 1
            raise NetworkError("the reply is lost", "NET-002")
        return m.TYPE_ACK, {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}


def _result(intent, outcome=APPROVED):
    return {m.RESULT_EPOCH: 1, m.RESULT_INTENT: intent, m.RESULT_OUTCOME: outcome}


async def _two_deferred(centre):
    """A terminal with two cases that are paid provisionally, intents 2 and 5; all of it is at the centre."""
    t = Handheld(centre)
    centre.t = t
    t.face = _Face()
    t.reached, t.quiet_after = True, 0
    await t.journal.open()
    for case in (1, 2):
        notice = {
            r.CASE: case,
            r.PV: "000001-0000%d" % case,
            r.OFFENCE: "66/D-24",
            r.TARIFF: 1,
            r.AMOUNT: 200000,
            r.POINTS: 6,
        }
        await t.journal.append(r.NOTICE, notice)
        intent = await t.journal.append(r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: 200000})
        body = {r.CASE: case, r.INTENT: intent[r.SEQ], r.AMOUNT: 200000, r.OUTCOME: PROVISIONAL}
        await t.journal.append(r.PAYMENT_OUTCOME, body, sealed=b"x")
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 2, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    await shift.session(t)
    return t


def _told(t):
    return [pv for screen, disposition, pv in t.face.shown if disposition == r.DISPOSITION_RELEASE_GRANTED]


def _released(t):
    return [entry[0][r.CASE] for entry in t.journal.entries(1) if entry[0][r.KIND] == r.LICENCE_DISPOSITION]


async def test_a_session_that_breaks_off_after_the_result_loses_no_release():
    centre = _Centre([_result(2), _result(5, r.OUTCOME_DECLINED)])
    t = await _two_deferred(centre)
    centre.lost = 1
    await araises(NetworkError, shift.session(t))
    assert t.journal.view.provisional == {} and sorted(t.journal.view.releases) == [2]
    assert _told(t) == [] and _released(t) == []
    t.face.keys = ["ok"]
    await release.tell(t)
    assert _told(t) == ["000001-00001"] and _released(t) == [1] and t.journal.view.releases == {}
    await release.tell(t)
    assert len(_told(t)) == 1


async def test_what_nobody_answers_stays_due_and_any_key_is_an_answer():
    t = await _two_deferred(_Centre([_result(2), _result(5)]))
    await shift.quiet_sync(t)  # nobody is there
    assert _told(t) == ["000001-00001"] and _released(t) == []
    t.face.keys = ["1", "cancel", "up", "ok"]
    await release.tell(t)
    assert _told(t) == ["000001-00001", "000001-00001", "000001-00002"] and _released(t) == [1, 2]
    assert t.journal.view.releases == {}


async def test_a_power_cut_anywhere_between_result_and_answer_loses_no_release():
    counted = None
    cut = 0
    while counted is None or cut <= counted:
        t = await _two_deferred(_Centre([_result(2)]))
        writes = []
        append = t.storage.append

        def dying(name, data, append=append, writes=writes, cut=cut):
            writes.append(name)
            if len(writes) == cut:
                raise PowerCut
            append(name, data)

        t.storage.append = dying
        t.face.keys = ["ok"]
        try:
            await shift.synchronise(t)
            t.face.keys.append("ok")
            await release.tell(t)
        except PowerCut:
            pass
        if counted is None:
            counted, cut = len(writes), 1
            assert counted >= 2 and _released(t) == [1]
            continue
        cut += 1
        t.storage.append = append
        again = Handheld(t.network.answer, t.storage, t.se)
        again.network.answer.t = again
        again.reached, again.quiet_after = True, 0
        again.face = _Face(["ok"] * 9)
        await again.journal.open()
        await shift.synchronise(again)
        assert _released(again) == [1] and again.journal.view.releases == {}, cut
        assert _told(t) or _told(again), cut


async def test_an_open_case_comes_first():
    t = await _two_deferred(_Centre([_result(2)]))
    await shift.session(t)
    notice = {r.CASE: 3, r.PV: "000001-00003", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 200000, r.POINTS: 6}
    await t.journal.append(r.NOTICE, notice)
    t.face.keys = ["ok"]
    await release.tell(t)
    assert _told(t) == [] and sorted(t.journal.view.releases) == [2]
    await t.journal.append(r.LICENCE_DISPOSITION, {r.CASE: 3, r.DISPOSITION: r.DISPOSITION_RETAINED})
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 3, r.CLOSURE: r.CLOSURE_UNPAID})
    await release.tell(t)
    assert _told(t) == ["000001-00001"] and _released(t) == [3, 1]


async def test_a_snapshot_keeps_what_is_due_and_one_of_before_knows_of_nothing():
    t = await _two_deferred(_Centre([_result(2)]))
    await shift.session(t)
    kept, found = t.journal.view.snapshot(), View()
    found.restore(kept)
    assert found.releases == t.journal.view.releases != {}
    del kept[10]
    found.restore(kept)
    assert found.releases == {}


async def test_a_refused_void_is_told_until_it_is_answered():
    t = await _two_deferred(_Centre([]))
    notice = {r.CASE: 3, r.PV: "000001-00003", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 200000, r.POINTS: 6}
    await t.journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    await t.journal.append(r.NOTICE, notice)
    intent = (await t.journal.append(r.PAYMENT_INTENT, {r.CASE: 3, r.AMOUNT: 200000}))[r.SEQ]
    facts = {r.CASE: 3, r.INTENT: intent, r.AMOUNT: 200000}
    await t.journal.append(r.PAYMENT_OUTCOME, facts | {r.OUTCOME: APPROVED})
    await t.journal.append(r.LICENCE_DISPOSITION, {r.CASE: 3, r.DISPOSITION: r.DISPOSITION_RETURNED})
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 3, r.CLOSURE: r.CLOSURE_PAID})
    for state in (r.VOID_ASKED, r.VOID_REFUSED):
        assert t.journal.view.releases == {}
        await t.journal.append(r.VOID, facts | {r.VOID_STATE: state})
    await release.tell(t)  # nobody is there
    t.face.keys = ["ok", "ok"]
    await release.tell(t)
    assert [screen for screen, _, _ in t.face.shown if screen != "syncing"] == ["void_result", "licence_hand"] * 2
    assert _told(t) == ["000001-00003"] * 2 and _released(t) == [3, 3] and t.journal.view.releases == {}


async def test_a_key_pressed_before_is_no_answer():
    t = await _two_deferred(_Centre([_result(2)]))
    await shift.session(t)
    shown = len(t.face.shown)
    await release.tell(t)
    assert t.face.forgotten == [shown] and t.face.shown[shown][0] == "licence_hand"


async def test_another_drivers_licence_that_goes_back_answers_nothing():
    t = await _two_deferred(_Centre([_result(2)]))
    await shift.session(t)
    notice = {r.CASE: 3, r.PV: "000001-00003", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 200000, r.POINTS: 6}
    await t.journal.append(r.NOTICE, notice)
    await t.journal.append(r.LICENCE_DISPOSITION, {r.CASE: 3, r.DISPOSITION: r.DISPOSITION_RETURNED})
    assert sorted(t.journal.view.releases) == [2]


async def test_an_unreliable_element_ends_more_than_a_quiet_session():
    t = await _two_deferred(_Centre([_result(2)]))

    async def silent(index):
        raise SecureElementError("no answer", "SEC-002")

    t.se.increment = silent
    await araises(SecureElementError, shift.quiet_sync(t))


async def test_the_menu_tells_what_is_due_before_anything_else():
    from terminal.app import Terminal

    t = await _two_deferred(_Centre([_result(2)]))
    await shift.session(t)
    app = object.__new__(Terminal)
    app.ports, app.face, app.journal, app.officer, app.room, app.reached = (
        t,
        t.face,
        t.journal,
        {"number": 7, "unit": "U"},
        0,
        True,
    )
    app.identity, app.parameters, app.patience = t, t, t.patience
    t.diagnostic = None
    t.face.status = lambda **fields: None
    t.face.lang = app.kept = "fr"
    t.face.keys = ["ok", "cancel", "ok"]
    t.face.shown.clear()
    leave = phases.leave
    phases.leave = lambda phase: None  # what this file holds of those modules stays usable on a device
    try:
        await app._home()
    finally:
        phases.leave = leave
    assert [screen for screen, _, _ in t.face.shown] == ["licence_hand", "home", "confirm_out"] and _released(t) == [1]
    assert app.officer is None


async def test_where_it_is_crowded_results_wait_at_the_centre_and_come_again():
    """As many as were deferred would fill what is left of the room; what cannot wait is written all the same."""
    t = await _two_deferred(_Centre([_result(2), _result(5)]))
    free, t.storage.free_bytes = t.storage.free_bytes, lambda: 30000
    head = t.journal.head_seq
    await shift.quiet_sync(t)
    assert sorted(t.journal.view.provisional) == [2, 5] and t.journal.head_seq == head
    t.storage.free_bytes = free
    await shift.quiet_sync(t)
    assert t.journal.view.provisional == {}
