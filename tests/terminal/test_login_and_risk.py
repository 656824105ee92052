"""Log-in attempts counted in the secure element, and the limits that stop a sale."""

from drivers.contracts.secure_element import SLOT_PIN_HMAC
from protocol import records as r
from protocol.errors import OfficerError, RiskError
from protocol.pack import u32be
from terminal import risk
from terminal.flows import login
from terminal.journal.case import Case
from terminal.journal.journal import Journal
from terminal.journal.room import Room
from terminal.journal.view import View
from tests.support.dual import raises
from tests.support.parts import CountingElement, HandClock

LIMITS = {
    "tx_max": 500000,
    "offline_total_max": 1000000,
    "offline_count_max": 3,
    "offline_age_max": 86400,
    "pin_attempts": 3,
}


async def _officer(element):
    return {"number": 1007, "verifier": await element.hmac(SLOT_PIN_HMAC, u32be(1007) + b"4711")}


async def _try(element, officer, pin):
    try:
        await login.verify_pin(element, officer, bytearray(pin), LIMITS["pin_attempts"])
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
            await login.verify_pin(element, officer, bytearray(b"4711"), 3)
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
