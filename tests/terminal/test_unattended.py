"""At the log-in screen the terminal sends what it owes by itself, as it does in the menu: nobody's log-in is needed, and nobody is told anything
there.
"""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, NetworkError, ParameterError, SecureElementError
from terminal.flows import ask, login
from terminal.journal.room import LAST
from terminal.parameters import Parameters
from tests.support.centre import DEVICE, Handheld, Willing, signed
from tests.support.dual import araises, raises
from tests.support.menu import Menu
from tests.support.parts import PowerCut

DEVICE_HEAP = "256k"
AMOUNT = 200000


class Network(Willing):
    """Out of reach while `up` is False; WELCOME brings `more`. `lost`: how many answers to batches do not arrive."""

    def __init__(self, up=True):
        super().__init__()
        self.up, self.more, self.lost = up, {}, 0

    def __call__(self, kind, payload):
        if not self.up:
            raise NetworkError("not within reach", "NET-001")
        said, fields = super().__call__(kind, payload)
        if kind == m.TYPE_HELLO:
            fields.update(self.more)
        elif self.lost:
            self.lost -= 1
            raise NetworkError("the reply is lost", "NET-002")
        return said, fields


async def _left(up=True, keys=(), storage=None, element=None, deferred=False, case=False, open_=False):
    """A terminal that lies at its log-in screen, its shift closed unless `open_`: with a deferred payment, its case still open with `case`."""
    parts = Handheld(Network(up), storage, element)
    parts.network.answer.t = parts
    await parts.journal.open()
    if storage is None:
        for kind, body in ((r.SHIFT_OPENED, {r.SHIFT: 1}), (r.LOGIN, {})):
            await parts.journal.append(kind, body)
        if deferred:
            await _pay(parts.journal, r.OUTCOME_PROVISIONAL, not case)
        if not (open_ or case):
            await parts.journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: {}})
    t = Menu(parts, keys)
    t.officer = None
    return t, parts.network


async def _pay(journal, outcome, over):
    """A case whose payment ended so; its intent's number."""
    await journal.append(
        r.NOTICE, {r.CASE: 1, r.PV: "000001-00001", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: AMOUNT, r.POINTS: 4}
    )
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: AMOUNT}))[r.SEQ]
    body = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: AMOUNT, r.OUTCOME: outcome}
    await journal.append(r.PAYMENT_OUTCOME, body, sealed=b"x")
    if over:
        paid = outcome == r.OUTCOME_APPROVED
        closed = r.CLOSURE_PAID if paid else r.CLOSURE_PROVISIONAL
        await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: closed})
    return intent


def _result(intent, outcome=r.OUTCOME_APPROVED):
    return {m.RESULT_EPOCH: 1, m.RESULT_INTENT: intent, m.RESULT_OUTCOME: outcome}


def _kinds(t):
    return [entry[0][r.KIND] for entry in t.journal.entries(1)]


def _screens(t):
    return [screen for screen, _ in t.face.shown if screen != "syncing"]


async def _rounds(t, count):
    for _ in range(count):
        await t._session()


async def test_a_shift_closed_without_a_network_is_sent_once_there_is_one_and_nobody_logs_in():
    t, network = await _left(up=False)
    await _rounds(t, 3)
    assert t.journal.acked_seq == 0 and not t.reached
    network.answer.up = True
    await _rounds(t, 16)  # more than the longest wait
    assert t.journal.acked_seq == t.journal.head_seq and t.reached
    assert _kinds(t)[2:] == [r.SHIFT_CLOSED, r.OUTAGE_BEGIN, r.OUTAGE_END]
    assert set(_screens(t)) == {"login_number"} and t.officer is None
    sent = len(network.sent)
    await _rounds(t, 30)
    assert len(network.sent) == sent  # nothing is owed any more


async def test_after_failures_it_waits_as_long_as_the_menu_does():
    tried = []
    for officer in (None, {"number": 1007, "unit": "BSR-16"}):
        t, network = await _left(up=False)
        t.officer = officer
        at = []
        for number in range(60):
            before = len(network.sent)
            await (t._session() if officer is None else t._home())
            if len(network.sent) > before:
                at.append(number)
        tried.append(at)
        assert set(t.face.waits) == {30000}
    assert tried[0] == tried[1] and 4 < len(tried[0]) < 14
    assert tried[0][0] == 0 and tried[0][-1] - tried[0][-2] > 7


async def test_who_presses_a_key_logs_in_with_it_and_nothing_is_sent_before():
    t, network = await _left(keys=["1"])
    begun = []

    async def log_in(terminal, key):
        begun.append((key, list(network.sent)))
        return False

    plain, login.log_in = login.log_in, log_in
    try:
        await t._session()
    finally:
        login.log_in = plain
    assert begun == [("1", [])]
    t.face.keys = ["0", "ok"]
    assert await ask.digits(t, "login_number", 1, 8, "1", second=False) == "10"
    assert [fields["entry"] for screen, fields in t.face.shown[1:]] == ["1", "10"]
    t.face.keys, t.face.waits = [], []
    assert await ask.digits(t, "login_number", 1, 8, "1", second=False) is None
    assert t.face.waits == [ask.IDLE_MS]  # half a number stays as long as before
    for key in ("cancel", "ok"):
        t.face.keys, t.face.shown = [], []
        assert await ask.digits(t, "login_number", 1, 8, key, second=False) is None
        assert [fields["missing"] for _, fields in t.face.shown] == ([1] if key == "ok" else [])


async def test_the_red_key_at_the_log_in_screen_is_no_idle_round():
    t, network = await _left(keys=["cancel"] * 5)
    await _rounds(t, 5)
    assert network.sent == []
    await t._session()
    assert network.sent


async def test_a_result_that_comes_is_written_and_told_to_who_logs_in_next():
    t, network = await _left(deferred=True)
    intent = list(t.journal.view.provisional)[0]
    network.answer.more = {m.RESULTS: [_result(intent)]}
    await t._session()
    assert t.journal.view.provisional == {} and sorted(t.journal.view.releases) == [intent]
    assert t.journal.acked_seq == t.journal.head_seq and _screens(t) == ["login_number"]
    assert r.LICENCE_DISPOSITION not in _kinds(t)
    t.officer = {"number": 1007, "unit": "BSR-16"}
    t.face.keys = ["ok"]
    await t._home()
    assert _screens(t)[1:] == ["licence_hand", "home"] and t.journal.view.releases == {}


async def test_a_result_of_an_open_case_waits_for_who_goes_on_with_it():
    t, network = await _left(deferred=True, case=True)
    intent = list(t.journal.view.provisional)[0]
    network.answer.more = {m.RESULTS: [_result(intent, r.OUTCOME_DECLINED)]}
    await t._session()
    assert t.journal.acked_seq == t.journal.head_seq and list(t.journal.view.provisional) == [intent]
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    await t._session()
    assert t.journal.view.provisional == {}


async def test_what_is_only_awaited_is_asked_for_every_ten_minutes_where_nobody_is_in():
    t, network = await _left(deferred=True)
    await t._session()
    sent = len(network.sent)
    t.quiet_after = t.now() + 600  # the server has set the clock since
    for seconds, more in ((0, 0), (599, 0), (600, 1)):
        t.ports.clock.utc = t.quiet_after - 600 + seconds
        await t._session()
        assert (len(network.sent) > sent) == more, seconds
    sent, t.officer = len(network.sent), {"number": 1007, "unit": "BSR-16"}
    await t._home()
    assert len(network.sent) > sent


async def test_the_end_of_a_void_waits_until_somebody_is_in_who_is_told():
    t, network = await _left(open_=True)
    intent = await _pay(t.journal, r.OUTCOME_APPROVED, True)
    await t.journal.append(r.VOID, {r.CASE: 1, r.INTENT: intent, r.AMOUNT: AMOUNT, r.VOID_STATE: r.VOID_ASKED})
    end = _result(intent, r.VOID_REFUSED)
    end[m.RESULT_REASON], end[m.RESULT_REF] = "05", "x"
    network.answer.more = {m.VOIDS: [end]}
    await t._session()
    assert t.journal.acked_seq == t.journal.head_seq and t.journal.view.voiding is not None
    t.officer = {"number": 1007, "unit": "BSR-16"}
    t.face.keys = [None, "ok", "ok"]
    await t._home()
    assert t.journal.view.voiding is None and _screens(t) == ["login_number", "home", "void_result", "licence_hand"]


async def test_parameters_are_taken():
    t, network = await _left()
    offered = []

    def offer(blob, utc):
        offered.append(blob)

    t.parameters.offer = offer
    network.answer.more = {m.NEW_SETS: [b"set"]}
    await t._session()
    assert offered == [b"set"]


def _approve(network):
    """The centre has another chain than ours, and approves a new epoch."""
    network.answer.seq, network.answer.hash = 1, b"\7" * 32
    approval = signed(m.TYPE_EPOCH, {1: DEVICE, 2: 2, 3: 1, 4: network.answer.hash, 5: 0, 6: 0, 7: 9}, b"epoch")
    command = {1: DEVICE, 2: 1, 3: 1700000200, 4: m.COMMAND_EPOCH, 5: approval}
    network.answer.more = {m.COMMANDS: [signed(m.TYPE_COMMAND, command, b"cmd")]}
    plain, network.answer = network.answer, None

    def answer(kind, payload):
        if kind == m.TYPE_BATCH and payload[m.EPOCH] == 1:
            return m.TYPE_ACK, {m.ACKED_SEQ: 1, m.ACKED_HASH: plain.hash}
        return plain(kind, payload)

    network.answer = answer


async def test_a_command_begins_a_new_epoch():
    t, network = await _left()
    _approve(network)
    await t._session()
    assert t.journal.epoch == 2 and t.journal.acked_seq == t.journal.head_seq and t.officer is None


async def test_no_epoch_begins_over_an_open_case_before_somebody_is_in_who_goes_on_with_it():
    t, network = await _left(open_=True)
    await _pay(t.journal, r.OUTCOME_APPROVED, False)
    _approve(network)
    await _rounds(t, 20)
    assert len(network.sent) > 2 and t.journal.epoch == 1 and t.journal.view.case.outcome == r.OUTCOME_APPROVED
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    await _rounds(t, 20)
    assert t.journal.epoch == 2


async def test_no_epoch_begins_before_somebody_is_told_what_became_of_a_licence():
    t, network = await _left(open_=True)
    notice = {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: AMOUNT, r.POINTS: 4}
    await t.journal.append(r.NOTICE, notice)
    facts = {r.CASE: 1, r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: "left", r.DISPOSITION: r.DISPOSITION_RETAINED}
    await t.journal.append(r.CASE_CLOSED, facts)
    _approve(network)
    await _rounds(t, 20)
    assert len(network.sent) > 2 and t.journal.epoch == 1 and t.journal.hand[:2] == (1, r.DISPOSITION_RETAINED)
    t.journal.told = t.journal.hand[2]  # somebody has answered it
    await _rounds(t, 20)
    assert t.journal.epoch == 2


async def test_where_nobody_can_log_in_over_an_open_case_a_list_of_officers_comes_all_the_same_and_the_epoch_behind_the_case():
    t, network = await _left(open_=True)
    await _pay(t.journal, r.OUTCOME_APPROVED, False)
    now = network.answer.utc
    payload = {1: "officers", 2: 2, 3: now - 5, 4: now + 99, 5: now, 6: {"officers": []}}
    _approve(network)
    plain = network.answer
    handed = []

    def answer(kind, said):
        content_type, fields = plain(kind, said)
        if kind == m.TYPE_HELLO and said[m.SETS].get(m.SET_KINDS.index("officers"), 0) < 2:
            fields[m.NEW_SETS] = [signed("tsd/set/officers", payload, b"set-officers")]
            handed.append(said[m.EPOCH])
        return content_type, fields

    network.answer = answer
    t.parameters = t.ports.parameters = Parameters(t.ports.storage, t.ports.crypto, t.ports.key)
    old = {1: "officers", 2: 1, 3: 1, 4: 2, 5: 1, 6: {"officers": []}}
    t.ports.storage.files["params/officers"] = signed("tsd/set/officers", old, b"set-officers")
    assert raises(ParameterError, t.parameter, "officers").code == "PRM-005"
    await _rounds(t, 20)
    assert t.parameter("officers").version == 2 and handed == [1]
    assert t.journal.epoch == 1 and t.journal.view.case.outcome == r.OUTCOME_APPROVED
    assert _kinds(t).count(r.PARAMETERS_APPLIED) == 1
    await t.journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    await _rounds(t, 20)
    assert t.journal.epoch == 2 and t.parameter("officers").version == 2


async def test_a_torn_session_goes_on_in_a_later_round():
    t, network = await _left()
    network.answer.lost = 1
    await t._session()
    assert t.journal.acked_seq == 0
    await _rounds(t, 3)
    assert t.journal.acked_seq == t.journal.head_seq


async def test_the_power_may_go_in_the_midst():
    parts, network = await _left(up=False, deferred=True)
    intent = list(parts.journal.view.provisional)[0]
    for write in range(3):
        storage, se = parts.ports.storage, parts.ports.se
        t, network = await _left(storage=storage, element=se)
        network.answer.more = {m.RESULTS: [_result(intent)]}
        storage.cut_after = 40 * write
        await araises(PowerCut, t._session())
        storage.cut_after = -1
        parts = t
    t, network = await _left(storage=storage, element=se)
    network.answer.more = {m.RESULTS: [_result(intent)]}
    await _rounds(t, 2)
    assert t.journal.acked_seq == t.journal.head_seq and sorted(t.journal.view.releases) == [intent]
    assert _kinds(t).count(r.AUTHORISATION_RESULT) == 1


async def test_it_sets_a_clock_that_is_behind():
    t, network = await _left()
    t.ports.clock.utc = 1600000000
    assert t.journal.last_utc > t.now()
    await t._session()
    assert t.now() == 1700000100 >= t.journal.last_utc
    t.journal.require()  # no RSK-006


async def test_where_no_list_of_officers_is_valid_by_its_clock_it_asks_the_centre_whose_word_sets_the_clock():
    t, network = await _left()
    await _rounds(t, 1)  # all is sent
    t.ports.clock.utc = 1600000000

    def load(kind, now):
        raise ParameterError("a parameter set is not valid yet", "PRM-007", "synchronise", kind)

    t.ports.load = load
    t.face.keys, sent = ["1", "0", "0", "7", "ok", "ok"], len(network.sent)
    await _rounds(t, 1)
    assert ("error", "PRM-007") in [(screen, fields.get("code")) for screen, fields in t.face.shown]
    assert len(network.sent) > sent and t.now() == 1700000100 and t.officer is None


async def test_where_nobody_can_log_in_nobody_is_told_anything():
    t, network = await _left(deferred=True)
    intent = list(t.journal.view.provisional)[0]
    network.answer.more = {m.RESULTS: [_result(intent)]}

    def load(kind, now):
        raise ParameterError("a parameter set has expired", "PRM-005", "call the centre", kind)

    t.ports.load = load
    for _ in range(2):
        t.face.keys = ["1", "0", "ok", "ok", "ok", "ok", "ok"]
        await _rounds(t, 1)
        left = {r.CASE: 2, r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: "left", r.DISPOSITION: r.DISPOSITION_RETAINED}
        await t.journal.append(r.CASE_CLOSED, left)
    assert set(_screens(t)) == {"login_number", "error"} and t.officer is None and t.journal.hand
    assert sorted(t.journal.view.releases) == [intent] and r.LICENCE_DISPOSITION not in _kinds(t)
    from terminal.flows import shift  # the device has dropped the one of before

    await shift.synchronise(t)
    await shift.tell(t)
    assert "licence_hand" not in _screens(t)


async def test_a_full_storage_takes_one_word_of_an_outage_and_a_damaged_one_none():
    def uncounted():
        raise JournalError("storage cannot be read", "JRN-014")

    for free_bytes, words in ((lambda: LAST // 2 - 1, 1), (uncounted, 0)):
        t, _ = await _left(up=False)
        t.ports.storage.free_bytes = free_bytes
        await _rounds(t, 40)
        assert _kinds(t)[3:] == [r.OUTAGE_BEGIN] * words


async def test_an_unreliable_element_or_journal_stops_it_as_in_the_menu():
    t, network = await _left(deferred=True)
    network.answer.more = {m.RESULTS: [_result(list(t.journal.view.provisional)[0])]}

    async def silent(index):
        raise SecureElementError("no answer", "SEC-002")

    t.ports.se.increment = silent
    await araises(SecureElementError, t._session())
    assert _screens(t) == ["login_number"]
