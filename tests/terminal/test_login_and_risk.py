"""Log-in attempts counted in the secure element, and the limits that stop a sale."""

from drivers.contracts.secure_element import SLOT_ATTEMPTS, SLOT_PIN_HMAC
from protocol import records as r
from protocol.errors import OfficerError, RiskError
from protocol.pack import u32be
from terminal import risk
from terminal.flows import login
from terminal.journal.case import Case
from terminal.journal.journal import Journal
from terminal.journal.room import Room
from terminal.journal.view import View
from tests.support.dual import araises, raises
from tests.support.parts import CountingElement, HandClock, PowerCut

LIMITS = {
    "tx_max": 500000,
    "offline_total_max": 1000000,
    "offline_count_max": 3,
    "offline_age_max": 86400,
    "pin_attempts": 3,
}


async def _officer(element):
    return await _credentials(element, 1007, b"4711")


async def _credentials(element, number, pin):
    return {"number": number, "verifier": await element.hmac(SLOT_PIN_HMAC, u32be(number) + pin)}


class Set:
    """A signed set of officers."""

    def __init__(self, version, *officers):
        self.version, self.body = version, {"officers": list(officers)}


async def _try(element, officer, pin, found=None):
    try:
        found = found or Set(1, officer)
        await login.verify_pin(element, found, officer, bytearray(pin), LIMITS["pin_attempts"])
    except OfficerError as error:
        return error.code, error.detail
    return "in", None


async def test_a_wrong_pin_tells_the_attempts_left_then_locks():
    element = CountingElement()
    officer = await _officer(element)
    assert await _try(element, officer, b"0000") == ("OFC-002", 2)
    assert await _try(element, officer, b"0001") == ("OFC-002", 1)
    assert await _try(element, officer, b"0002") == ("OFC-003", None)
    assert await _try(element, officer, b"4711") == ("OFC-003", None)


async def test_the_right_pin_gives_all_attempts_back():
    element = CountingElement()
    officer = await _officer(element)
    await _try(element, officer, b"0000")
    assert await _try(element, officer, b"4711") == ("in", None)
    assert await _try(element, officer, b"0000") == ("OFC-002", 2)


async def test_the_attempt_is_counted_before_the_pin_is_checked():
    element = CountingElement()
    officer = await _officer(element)

    async def cut(slot, data):
        raise OSError(5)

    element.hmac = cut
    for _ in range(3):
        try:
            await login.verify_pin(element, Set(1, officer), officer, bytearray(b"4711"), 3)
            raise AssertionError("no cut")
        except OSError:
            pass
    element.hmac = CountingElement().hmac
    assert await _try(element, officer, b"4711") == ("OFC-003", None)


async def test_two_officers_are_counted_apart():
    element = CountingElement()
    first = await _officer(element)
    second = {"number": 2001, "verifier": first["verifier"]}
    await _try(element, first, b"0000")
    assert await _try(element, second, b"0000") == ("OFC-002", 2)


async def _lock(element, officer, found=None):
    for code in ("OFC-002", "OFC-002", "OFC-003"):
        assert (await _try(element, officer, b"0000", found))[0] == code


async def test_new_credentials_by_a_newer_set_unlock_an_officer():
    element = CountingElement()
    officer = await _officer(element)
    await _lock(element, officer)
    assert await _try(element, officer, b"4711", Set(2, officer)) == ("OFC-003", None)  # the same ones do not
    renewed = await _credentials(element, 1007, b"8888")
    assert await _try(element, renewed, b"8888", Set(3, renewed)) == ("in", None)
    again = await _credentials(element, 1007, b"9999")
    await _lock(element, renewed, Set(3, renewed))
    assert await _try(element, again, b"0000", Set(4, again)) == ("OFC-002", 2)


async def test_a_set_of_before_that_is_put_back_gives_no_attempt_back():
    element = CountingElement()
    old, new = await _officer(element), await _credentials(element, 1007, b"8888")
    await _lock(element, old)
    assert await _try(element, new, b"0000", Set(2, new)) == ("OFC-002", 2)
    assert await _try(element, old, b"0000") == ("OFC-002", 1)
    assert await _try(element, new, b"0001", Set(2, new)) == ("OFC-003", None)
    assert await _try(element, old, b"4711") == ("OFC-003", None)


async def test_who_was_locked_by_earlier_code_stays_so_until_there_are_newer_credentials():
    element = CountingElement()
    officer, other = await _officer(element), await _credentials(element, 1012, b"1212")
    element.blocks[(SLOT_ATTEMPTS, 0)] = u32be(1007) + b"\x03" + bytes(27)
    assert await _try(element, officer, b"4711", Set(5, officer)) == ("OFC-003", None)
    renewed = await _credentials(element, 1007, b"8888")
    assert await _try(element, renewed, b"8888", Set(6, renewed)) == ("in", None)
    element.blocks[(SLOT_ATTEMPTS, 0)] = u32be(1007) + b"\x03" + bytes(27)
    assert await _try(element, other, b"1212", Set(5, officer, other)) == ("in", None)  # another one's log-in reads it
    assert await _try(element, renewed, b"8888", Set(6, renewed, other)) == ("in", None)


async def _twenty(element):
    officers = []
    for at in range(20):
        officers.append(await _credentials(element, 2000 + at, b"4711"))  # noqa: PERF401 - the device
    return officers


async def test_any_number_of_officers_log_in_one_after_the_other():
    element = CountingElement()
    officers = await _twenty(element)
    for officer in officers + officers:
        assert await _try(element, officer, b"0000", Set(1, *officers)) == ("OFC-002", 2)
        assert await _try(element, officer, b"4711", Set(1, *officers)) == ("in", None)


async def test_who_has_typed_a_wrong_pin_keeps_his_count_while_others_come_and_go():
    element = CountingElement()
    officers = await _twenty(element)
    for officer in officers[:12]:
        assert await _try(element, officer, b"0000", Set(1, *officers)) == ("OFC-002", 2)
    for officer in officers[12:]:
        assert await _try(element, officer, b"4711", Set(1, *officers)) == ("in", None)
    for officer in officers[:12]:
        assert await _try(element, officer, b"0000", Set(1, *officers)) == ("OFC-002", 1)


async def test_only_thirteen_with_wrong_attempts_at_once_leave_no_room():
    element = CountingElement()
    officers = await _twenty(element)
    everybody = Set(1, *officers)
    for officer in officers[:13]:
        await _try(element, officer, b"0000", everybody)
    assert await _try(element, officers[13], b"4711", everybody) == ("OFC-004", None)
    full = dict(element.blocks)
    assert await _try(element, officers[0], b"4711", everybody) == ("in", None)  # one of them logs in
    assert await _try(element, officers[13], b"4711", everybody) == ("in", None)
    element.blocks = dict(full)  # or the set in force no longer names one
    assert await _try(element, officers[13], b"4711", Set(2, *officers[1:])) == ("in", None)
    element.blocks = dict(full)  # or one has new credentials
    renewed = await _credentials(element, 2000, b"8888")
    assert await _try(element, officers[13], b"4711", Set(2, renewed, *officers[1:])) == ("in", None)


async def test_a_cut_gives_no_attempt_back_and_takes_none_of_another_officer():
    for after in (False, True):
        element = CountingElement()
        officers = await _twenty(element)
        for officer in officers[1:13]:
            await _try(element, officer, b"0000", Set(1, *officers))
        await _try(element, officers[0], b"4711", Set(1, *officers))  # his block is the free one
        plain, last = element.write_block, officers[13]

        async def write(slot, block, data, _plain=plain, _after=after):
            if _after:
                await _plain(slot, block, data)
            raise PowerCut

        for _ in range(3):
            element.write_block = write
            await araises(PowerCut, _try(element, last, b"4711", Set(1, *officers)))
            element.write_block = plain
        wanted = ("OFC-003", None) if after else ("in", None)
        assert await _try(element, last, b"4711", Set(1, *officers)) == wanted
        for officer in officers[1:13]:
            assert await _try(element, officer, b"0000", Set(1, *officers)) == ("OFC-002", 1)


class _Journal:
    def __init__(self):
        self.view = View()
        self.last_utc = 1000
        self._clock = HandClock()
        self.free = 1 << 20
        self.officer = 0
        self.room = Room(self)

    def free_bytes(self):
        return self.free

    require = Journal.require


def _sale(journal, amount=200000, now=2000, free=1 << 20):
    journal.free, journal._clock.utc = free, now
    risk.check_sale(journal, LIMITS, amount, now)


def test_each_limit_stops_a_sale_with_its_code():
    journal = _Journal()
    _sale(journal)
    assert raises(RiskError, _sale, journal, 500001).code == "RSK-001"
    assert raises(RiskError, _sale, journal, 1, 999).code == "RSK-006"
    assert raises(RiskError, _sale, journal, 1, 2000, 100).code == "RSK-005"
    journal.view.exposure = [(1, 900000, 1990, b"")]
    assert raises(RiskError, _sale, journal, 100001).code == "RSK-002"
    _sale(journal, 100000)
    journal.view.exposure = [(1, 1, 1990, b""), (2, 1, 1990, b""), (3, 1, 1990, b"")]
    assert raises(RiskError, _sale, journal, 1).code == "RSK-003"
    journal.view.exposure = [(1, 1, 1000, b"")]
    assert raises(RiskError, _sale, journal, 1, 87401).code == "RSK-004"


def test_a_case_that_is_paid_or_provisional_takes_no_second_payment():
    journal = _Journal()
    journal.view.case = Case({r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: 1, r.POINTS: 1, r.SEQ: 1})
    _sale(journal)
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
        journal.view.case.outcome = outcome
        assert raises(RiskError, _sale, journal).code == "RSK-007"
    journal.view.case.outcome = r.OUTCOME_INTERRUPTED
    _sale(journal)


def test_one_officer_and_one_card_have_limits_of_their_own():
    journal = _Journal()
    journal.officer = 1007
    journal.view.exposure = [(1, 300000, 1990, b"a", 1007), (2, 200000, 1990, b"b", 2001)]
    limits = {"officer_offline_max": 400000, "card_offline_max": 350000}
    limits.update(LIMITS)
    journal._clock.utc = 2000
    risk.check_sale(journal, limits, 100000, 2000)
    assert raises(RiskError, risk.check_sale, journal, limits, 100001, 2000).code == "RSK-009"
    journal.officer = 2001
    risk.check_sale(journal, limits, 200000, 2000)
    assert risk.check_card(journal.view, limits, b"a", 50000) == ""
    assert risk.check_card(journal.view, limits, b"a", 50001) == "RSK-008"
    assert risk.check_card(journal.view, limits, b"c", 350000) == ""


def test_what_the_issuer_approved_online_is_no_offline_exposure():
    view = View()
    body = {
        r.KIND: r.PAYMENT_OUTCOME,
        r.SEQ: 4,
        r.INTENT: 3,
        r.AMOUNT: 5,
        r.UTC: 9,
        r.OFFICER: 1,
        r.OUTCOME: r.OUTCOME_APPROVED,
    }
    view.apply(body)
    assert view.exposure == [(4, 5, 9, b"", 1)]
    body[r.ONLINE] = r.ONLINE_ANSWERED
    view.apply(body)
    assert len(view.exposure) == 1
