"""Parameter sets that are dated ahead: which one waits, which one is in force on which day, and what the journal says of it."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError, ParameterError
from terminal.flows import login
from terminal.parameters import Parameters
from terminal.sync import Sync
from tests.support.centre import Handheld, quiet, signed
from tests.support.dual import raises
from tests.support.menu import Menu
from tests.support.parts import CountingElement, MemoryStorage, PowerCut

DAY = 86400
NOW = 1_790_000_000


def _set(version, days, kind="limits"):
    payload = {1: kind, 2: version, 3: NOW + days * DAY, 4: NOW + 3650 * DAY, 5: NOW, 6: {"tx_max": version}}
    return signed("tsd/set/" + kind, payload, b"set-" + kind.encode())


class _Centre:
    """A terminal whose server holds everything and hands out `sets`; `said`: the versions that each HELLO named."""

    def __init__(self, storage=None, element=None):
        self.utc = NOW
        self.sets = []
        self.said = []
        self.t = Handheld(self, storage, element)

    def __call__(self, kind, payload):
        head = self.t.journal
        said = {m.ACKED_SEQ: head.head_seq, m.ACKED_HASH: head.head_hash, m.SERVER_UTC: self.utc, m.RETRY_AFTER: 0}
        if kind == m.TYPE_HELLO:
            self.said.append(payload[m.SETS])
            said[m.NEW_SETS], self.sets = self.sets, []
            return m.TYPE_WELCOME, said
        return m.TYPE_ACK, said

    async def begin(self):
        await self.boot()
        self.t.storage.files["params/limits"] = _set(1, -1)

    async def boot(self):
        t = self.t
        t.parameters = Parameters(t.storage, t.crypto, t.key)
        await t.journal.open()

    async def sync(self, utc, *sets):
        self.utc, self.sets = utc, list(sets)
        await Sync(self.t, quiet).run()
        return self.t.parameters

    def applied(self):
        return [item[0][r.SET_VERSION] for item in self.t.journal.entries(1) if item[0][r.KIND] == r.PARAMETERS_APPLIED]


def _versions(kept, *days):
    return [kept.load("limits", NOW + day * DAY).version for day in days]


async def _centre():
    centre = _Centre()
    await centre.begin()
    return centre


async def test_a_set_that_waits_does_not_come_back_over_a_newer_one_in_force():
    centre = await _centre()
    await centre.sync(NOW, _set(2, 30))
    kept = await centre.sync(NOW + DAY, _set(3, -1))
    assert _versions(kept, 2, 31) == [3, 3]
    assert kept.versions() == {"limits": 3}


async def test_what_waits_stays_when_an_older_one_comes_that_is_in_force_at_once():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(3, 90), _set(2, -1))
    assert _versions(kept, 0, 89, 91) == [2, 2, 3]
    assert centre.applied() == [2]


async def test_an_older_set_of_a_later_day_takes_no_waiting_ones_place():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(6, 90))
    error = raises(ParameterError, kept.offer, _set(5, 100), NOW)
    assert error.code == "PRM-004" and _versions(kept, 89, 101) == [1, 6]


async def test_the_one_whose_day_comes_first_waits():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(6, 100), _set(5, 90))
    assert kept.versions() == {"limits": 1, "limits.next": 5}
    kept = await centre.sync(NOW + 91 * DAY, _set(6, 100))
    assert _versions(kept, 91, 101) == [5, 6]


async def test_a_postponed_set_waits_for_its_new_day():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(2, 30))
    kept = await centre.sync(NOW, _set(3, 60))
    assert _versions(kept, 31, 61) == [1, 3]


async def test_the_day_of_a_set_that_waited_leaves_one_record():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(2, 30))
    assert centre.applied() == []
    await kept.settle(centre.t.journal, NOW + 29 * DAY, False)
    assert centre.applied() == []
    for _ in range(2):  # without a network
        await kept.settle(centre.t.journal, NOW + 31 * DAY, False)
        assert centre.applied() == [2] and _versions(kept, 31) == [2]
    await centre.sync(NOW + 32 * DAY)
    assert centre.applied() == [2] and kept.versions() == {"limits": 2}


async def test_the_main_menu_writes_down_that_the_day_has_come():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(2, 30))
    for day, applied in ((29, []), (31, [2]), (32, [2])):
        centre.t.clock.utc = NOW + day * DAY
        menu = Menu(centre.t, ["lang"])
        menu.parameters = kept
        await menu._home()
        assert centre.applied() == applied
    centre.t.storage.free_bytes = lambda: 0
    kept.offer(_set(3, 40), NOW)
    await kept.settle(centre.t.journal, NOW + 41 * DAY, True)  # where it is crowded later
    assert centre.applied() == [2] and _versions(kept, 41) == [3]


async def test_the_servers_time_brings_a_set_into_force_with_its_record():
    centre = await _centre()
    await centre.sync(NOW, _set(2, 30))
    kept = await centre.sync(NOW + 31 * DAY)
    assert centre.applied() == [2] and kept.versions() == {"limits": 2}


async def test_a_cut_between_the_record_and_the_set_leaves_one_record():
    centre = await _centre()
    await centre.sync(NOW, _set(2, 30))
    replace = centre.t.storage.replace

    def cut(name, data):
        if name == "params/limits":
            raise OSError(5)
        replace(name, data)

    centre.t.storage.replace = cut
    try:
        await centre.sync(NOW + 31 * DAY)
        raise AssertionError("not cut")
    except OSError:
        pass
    centre.t.storage.replace = replace
    kept = await centre.sync(NOW + 31 * DAY)
    assert centre.applied() == [2] and kept.versions() == {"limits": 2}


async def test_a_clock_that_leaps_ahead_leaves_the_set_in_force():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(2, 30))
    await kept.settle(centre.t.journal, NOW + 400 * DAY, False)
    assert _versions(kept, 400, 1) == [2, 1]


async def test_a_waiting_set_that_is_damaged_stops_nothing():
    centre = await _centre()
    kept = await centre.sync(NOW, _set(2, 30))
    centre.t.storage.files["params/limits.next"] = bytes(200)
    assert _versions(kept, 31) == [1] and kept.versions() == {"limits": 1}


async def test_hello_names_what_waits():
    centre = await _centre()
    await centre.sync(NOW, _set(2, 30))
    await centre.sync(NOW)
    place = m.SET_KINDS.index("limits")
    assert centre.said == [{place: 1}, {place: 1, "limits.next": 2}]


class _Counted:
    """Writes until the power goes before one of them; -1: it stays."""

    def __init__(self):
        self.left = -1

    def write(self):
        if self.left == 0:
            raise PowerCut
        self.left -= 1


class _Cut(MemoryStorage):
    """The power goes before one of its writes, and stays away."""

    def __init__(self, count):
        super().__init__()
        self.count = count

    def append(self, name, data):
        self.count.write()
        super().append(name, data)

    def replace(self, name, data):
        self.count.write()
        super().replace(name, data)

    def remove(self, name):
        self.count.write()
        super().remove(name)


class _CutElement(CountingElement):
    def __init__(self, count):
        super().__init__()
        self.count = count

    async def increment(self, index):
        self.count.write()
        return await super().increment(index)


async def _cut_everywhere(utc, first, second, begun):
    """A session that hands `second` at `utc`, after one that has handed `first`, is cut before each of its writes. Returns how many cuts left the
    set in force; each of them has its record, once, after the next log-in (`begun`: without the centre) or session.
    """
    in_force = cuts = 0
    while True:
        count = _Counted()
        centre = _Centre(_Cut(count), _CutElement(count))
        await centre.begin()
        await centre.sync(NOW, *first)
        count.left = cuts
        try:
            await centre.sync(utc, *second)
            return in_force
        except PowerCut:
            pass
        count.left, cuts = -1, cuts + 1
        again = _Centre(centre.t.storage, centre.t.se)
        again.t.clock.utc = utc
        await again.boot()
        kept = again.t.parameters
        if begun:
            in_force += kept.load("limits", utc).version == 2
            await kept.settle(again.t.journal, utc, False)
            assert again.applied() == [2] * (kept.load("limits", utc).version == 2), cuts
        await again.sync(utc, *([] if kept.load("limits", utc).version == 2 else second))
        assert again.applied() == [2] and _versions(kept, 31) == [2], cuts
        await again.sync(utc)
        await kept.settle(again.t.journal, utc, False)
        assert again.applied() == [2] and kept.versions()["limits"] == 2, cuts
        assert "params/limits.new" not in again.t.storage.files


async def test_a_cut_at_any_write_leaves_a_set_that_is_in_force_at_once_with_one_record():
    for begun in (True, False):
        in_force = await _cut_everywhere(NOW, [], [_set(2, -1)], begun)
        assert (in_force > 3) == begun


async def test_a_cut_at_any_write_leaves_a_set_whose_day_has_come_with_one_record():
    for begun in (True, False):
        in_force = await _cut_everywhere(NOW + 31 * DAY, [_set(2, 30)], [], begun)
        assert (in_force > 3) == begun


async def test_a_set_that_is_in_force_at_once_takes_the_place_of_one_that_waits_with_one_record_wherever_it_is_cut():
    assert await _cut_everywhere(NOW, [_set(1, 60)], [_set(2, -1)], True) > 3


class _Refused(MemoryStorage):
    """One replacement takes place, and its storage says that it does not."""

    def replace(self, name, data):
        super().replace(name, data)
        if name == "params/limits" and data == _set(2, -1):
            raise JournalError("the storage takes nothing", "JRN-012")


async def test_a_set_that_is_in_its_place_though_its_storage_refused_it_has_its_record():
    centre = _Centre(_Refused())
    await centre.begin()
    try:
        await centre.sync(NOW, _set(2, -1))
        raise AssertionError("not refused")
    except JournalError:
        pass
    again = _Centre(centre.t.storage, centre.t.se)
    await again.boot()
    kept = again.t.parameters
    assert _versions(kept, 0) == [2]
    await kept.settle(again.t.journal, NOW, False)
    assert again.applied() == [2] and "params/limits.new" not in again.t.storage.files


async def test_what_was_offered_and_not_kept_before_a_cut_leaves_no_record():
    centre = await _centre()
    for blob in (_set(2, -1), _set(2, 30), bytes(40), _set(1, -1, "tariff")):
        centre.t.storage.files["params/limits.new"] = blob
        await centre.t.parameters.settle(centre.t.journal, NOW, False)
        assert centre.applied() == [] and "params/limits.new" not in centre.t.storage.files


async def test_the_record_of_a_set_that_a_cut_left_waits_for_room_at_the_menu_not_for_a_session():
    for heard in (False, True):
        centre = await _centre()
        files = centre.t.storage.files
        files["params/limits.new"] = files["params/limits"] = _set(2, -1)
        centre.t.storage.free_bytes = lambda: 30000
        await centre.t.parameters.settle(centre.t.journal, NOW, heard)
        assert centre.applied() == [2] * heard and ("params/limits.new" in files) != heard


async def test_who_logs_in_goes_on_with_an_open_case_by_sets_that_are_written_down():
    centre = await _centre()
    await centre.sync(NOW, _set(2, 30))
    centre.t.clock.utc = NOW + 31 * DAY
    notice = {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: 5, r.POINTS: 4}
    await centre.t.journal.append(r.NOTICE, notice)
    menu, applied = Menu(centre.t, ["1"]), []
    menu.parameters = centre.t.parameters

    async def log_in(t, key):
        return True

    async def fine(resume):
        applied.append(centre.applied())
        menu.officer = None

    menu._fine = fine
    plain, login.log_in = login.log_in, log_in
    try:
        await menu._session()
    finally:
        login.log_in = plain
    assert applied == [[2]]
