"""Every verdict ends in a closed case (domain §4): whatever breaks off before the notice leads to abandoning it, with a reason."""

from protocol import records as r
from protocol.errors import LicenceError, ParameterError, RiskError, SecureElementError
from terminal.flows.fine import Fine
from tests.support.dual import araises
from tests.terminal.payment.tap_bench import Bench

DEVICE_HEAP = "288k"


async def _judged(keys):
    bench = Bench(keys=keys)
    bench.release = lambda: None
    await bench.boot()
    await bench.journal.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16, r.FORCE: 1})
    verdict = {r.VERDICT: 1, r.FINDINGS: [], r.LICENCE_TOKEN: bytes(8)}
    await bench.journal.append(r.LICENCE_READ, verdict)
    return bench


def _refuse(bench, error):
    def parameter(kind):
        raise error

    bench.parameter = parameter


async def test_a_tariff_that_expired_leads_to_abandoning():
    bench = await _judged({"error": ["ok"], "abandon_reason": ["1"], "confirm_abandon": ["ok"], "licence_hand": ["ok"]})
    _refuse(bench, ParameterError("the set has expired", "PRM-005", "synchronise", "tariff"))
    fine = Fine(bench)
    fine.state = "offence"
    await fine.run()
    closed = bench.records(r.CASE_CLOSED)
    assert [record[r.CLOSURE] for record in closed] == [r.CLOSURE_ABANDONED] and closed[0][r.REASON]
    assert not bench.journal.view.verdict and "PRM-005" in bench.codes


async def test_a_notice_that_the_storage_has_no_room_for_leads_to_abandoning():
    bench = await _judged({"error": ["ok"], "abandon_reason": ["1"], "confirm_abandon": ["ok"], "licence_hand": ["ok"]})
    fine = Fine(bench)
    fine.state = "acknowledge"

    async def full():
        raise RiskError("nearly full", "RSK-005", "synchronise", "flash")

    fine._acknowledge = full
    await fine.run()
    assert [record[r.CLOSURE] for record in bench.records(r.CASE_CLOSED)] == [r.CLOSURE_ABANDONED]


async def test_what_is_no_verdict_yet_or_ends_more_is_passed_on():
    for error, judged in ((SecureElementError("no answer", "SEC-002"), True), (LicenceError("no", "LIC-001"), False)):
        bench = await _judged({}) if judged else Bench()
        if not judged:
            await bench.boot()
        bench.release = lambda: None
        fine = Fine(bench)
        fine.state = "plate"

        async def broken(_error=error):
            raise _error

        fine._plate = broken
        await araises(type(error), fine.run())
        assert bench.records(r.CASE_CLOSED) == []
