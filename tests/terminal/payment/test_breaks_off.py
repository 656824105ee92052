"""Whatever breaks off between the durable intent and the durable outcome: the payment ends by name, once, and is never offered beside an open one."""

from drivers.contracts.secure_element import SLOT_DUKPT_COUNTER
from protocol import records as r
from protocol.errors import (
    CardError,
    ConfigError,
    CryptoError,
    FormatError,
    JournalError,
    NetworkError,
    ParameterError,
    RiskError,
    SecureElementError,
)
from terminal import online
from terminal.flows import payment
from terminal.flows.fine import Fine
from tests.support.dual import araises
from tests.terminal.payment.sign_bench import APPROVES, SignBench, contact, tapped2, tapped3
from tests.terminal.payment.tap_bench import ARQC, TC, Bench, ContactCard, body, card3

DEVICE_HEAP = "288k"


def _slot():
    bench = Bench(parameters=body(contactless=[]), slot=[ContactCard(kinds=(TC,)), ContactCard(kinds=(TC,))])
    bench.contactless_reader = None
    return bench


async def _paying(bench):
    """The fine's step, with the bench's issuer."""
    kept, online.authorise = online.authorise, bench._authorise
    try:
        return await Fine(bench)._paying()
    finally:
        online.authorise = kept


async def test_a_set_that_expires_while_the_card_waits_interrupts_the_payment_and_leaves_no_intent_open():
    bench = _slot()
    await bench.noticed()
    asked = []
    limits = bench.limits

    def expiring():
        asked.append(1)
        if len(asked) == 2:
            raise ParameterError("the set has expired", "PRM-005")
        return limits()

    bench.limits = expiring
    bench.face.keys = {"interrupted": ["ok"], "error": ["ok"]}
    assert await Fine(bench)._paying() == "choose"
    assert bench.ends() == {2: [r.OUTCOME_INTERRUPTED]}
    assert bench.records(r.PAYMENT_OUTCOME)[0][r.REASON] == "PRM-005"


async def test_whatever_breaks_off_between_intent_and_outcome_interrupts_and_is_named():
    errors = (
        CryptoError("the counter is used up", "CRY-021"),
        FormatError("no", "FMT-001"),
        RiskError("no", "RSK-001"),
        NetworkError("no", "NET-001"),
    )
    for error in errors:
        bench = _slot()
        await bench.noticed()

        async def broken(*_arguments, _error=error):
            raise _error

        kept, payment._Session._record = payment._Session._record, broken
        bench.face.keys = {"interrupted": ["ok"]}
        try:
            assert await Fine(bench)._paying() == "choose"
        finally:
            payment._Session._record = kept
        assert bench.ends() == {2: [r.OUTCOME_INTERRUPTED]}
        assert bench.records(r.PAYMENT_OUTCOME)[0][r.REASON] == error.code


async def test_an_unreliable_journal_or_element_ends_more_than_the_payment():
    for error in (JournalError("the chain is broken", "JRN-020"), SecureElementError("no answer", "SEC-001")):
        for place in ("_run", "_record"):
            bench = _slot()
            await bench.noticed()

            async def broken(*_arguments, _error=error):
                raise _error

            kept = getattr(payment._Session, place)
            setattr(payment._Session, place, broken)
            try:
                await Fine(bench)._paying()
                raise AssertionError("the fine goes on")
            except (JournalError, SecureElementError) as caught:
                assert caught is error
            finally:
                setattr(payment._Session, place, kept)
            assert bench.ends() == {2: []}


async def test_a_storage_that_can_no_longer_be_counted_takes_no_payment_and_stops_nothing():
    bench = _slot()
    await bench.noticed()

    def uncounted():
        raise JournalError("storage cannot be read", "JRN-014")

    bench.journal._storage.free_bytes = uncounted
    error = await araises(RiskError, payment.pay(bench, bench.journal.view.case))
    assert error.code == "RSK-015" and not bench.records(r.PAYMENT_INTENT)


async def test_what_breaks_off_when_the_card_wants_a_signature_prints_no_slip():
    for make in (lambda word: SignBench(slot=[contact()], word=word),
                 lambda word: SignBench(tapped3(), word=word),
                 lambda word: SignBench(tapped2(), word=word)):  # fmt: skip
        for word in (("ok",), ("cancel",)):
            bench = make(word)
            await bench.noticed()
            bench.se.blocks[(SLOT_DUKPT_COUNTER, 0)] = b"\xff\xff\x00\x00" + bytes(28)  # used up: CRY-021
            assert await _paying(bench) == "choose"
            assert bench.papers == [] and "signature" not in bench.face.screens()
            assert bench.ends() == {2: [r.OUTCOME_INTERRUPTED]}
            assert bench.records(r.PAYMENT_OUTCOME)[0][r.REASON] == "CRY-021"


async def test_no_memory_for_what_is_sealed_prints_no_slip():
    bench = SignBench(slot=[contact()], word=("ok",))
    await bench.noticed()

    async def full(*_arguments):
        raise MemoryError

    kept, payment._Session._seal = payment._Session._seal, full
    try:
        assert await _paying(bench) == "choose"
    finally:
        payment._Session._seal = kept
    assert bench.papers == [] and bench.ends() == {2: [r.OUTCOME_INTERRUPTED]}
    assert bench.records(r.PAYMENT_OUTCOME)[0][r.REASON] == "CRD-019"


async def test_what_breaks_down_at_the_slip_declines_and_what_the_issuer_approved_is_reversed():
    for error, code in (
        (ConfigError("x", "CFG-053"), "CFG-053"),
        (CardError("x", "CRD-010"), "CRD-010"),
        (FormatError("x", "FMT-001"), "FMT-001"),
        (MemoryError(), "EMV-147"),
    ):
        for at in ("printing", "signature"):
            for make, asked in (
                (lambda: SignBench(slot=[contact(ARQC)], issuer=dict(APPROVES)), r.ONLINE_DOUBTFUL),
                (lambda: SignBench(tapped3(ARQC), issuer=dict(APPROVES)), r.ONLINE_DOUBTFUL),
                (lambda: SignBench(slot=[contact()]), None),
            ):
                bench = make()
                await bench.noticed()
                bench.fail(at, error)
                assert await _paying(bench) == "receipt"
                assert bench.ends() == {2: [r.OUTCOME_DECLINED]}
                record = bench.records(r.PAYMENT_OUTCOME)[0]
                assert (record[r.REASON], record.get(r.ONLINE)) == (code, asked), (at, record)
                assert r.SEALED not in record and r.HOLDER not in record


async def test_an_unreliable_element_at_the_slip_ends_more_than_the_payment():
    for at in ("printing", "signature"):
        bench = SignBench(slot=[contact()])
        await bench.noticed()
        bench.fail(at, SecureElementError("no answer", "SEC-002"))
        await araises(SecureElementError, _paying(bench))
        assert bench.ends() == {2: []}


async def test_a_part_that_breaks_its_contract_while_the_outcome_is_written_stops_the_terminal():
    """Nothing is paid, printed or offered beside it; the next boot says how it ended."""
    for make in (_slot, lambda: Bench(card3(ARQC), card3(ARQC), issuer=dict(APPROVES))):
        for method, nth, durable in (("sign", 1, False), ("increment", 2, True)):
            bench = make()
            await bench.noticed()
            bench.garble(method, nth)
            assert (await araises(JournalError, _paying(bench))).code == "JRN-026"
            stopped = await araises(JournalError, _paying(bench))
            assert stopped.code == ("JRN-022" if durable else "JRN-026")
            asked = list(bench.asked)
            await bench.boot()
            ends = r.OUTCOME_APPROVED if durable else r.OUTCOME_INTERRUPTED
            assert bench.ends() == {2: [ends]} and bench.asked == asked and len(asked) <= 1
            assert not bench.journal.view.case.intent


async def test_the_journal_takes_no_second_intent_beside_an_open_one():
    bench = _slot()
    await bench.noticed()
    for number in (1, 2):
        intent = {r.CASE: 1, r.AMOUNT: bench.amount}
        if number == 1:
            await bench.journal.append(r.PAYMENT_INTENT, intent)
        else:
            assert (await araises(JournalError, bench.journal.append(r.PAYMENT_INTENT, intent))).code == "JRN-026"
    assert len(bench.records(r.PAYMENT_INTENT)) == 1
