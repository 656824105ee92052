"""A signature on paper: signed and compared before there is an outcome, on every interface; what is refused is not taken."""

from protocol import records as r
from tests.terminal.payment.sign_bench import APPROVES, SignBench, contact, tapped2, tapped3
from tests.terminal.payment.tap_bench import ARQC, card3

APPROVED, PROVISIONAL, DECLINED = r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED
DEVICE_HEAP = "288k"  # the payment's, and the glyphs, which a device reads in place


def _last(bench):
    return bench.records(r.PAYMENT_OUTCOME)[-1]


def _cards():
    """(what to call it, the bench's cards)."""
    return (
        ("slot", lambda **how: SignBench(slot=[contact()], **how)),
        ("kernel 3", lambda **how: SignBench(tapped3(), **how)),
        ("kernel 2", lambda **how: SignBench(tapped2(), **how)),
    )


async def test_the_slip_is_printed_then_the_officer_compares_then_there_is_an_outcome():
    for name, make in _cards():
        bench = make()
        assert await bench.pay() == APPROVED, name
        record = _last(bench)
        assert (record[r.HOLDER], record[r.REASON]) == (r.HOLDER_SIGNATURE, "Y1"), (name, record)
        assert bench.journal.blob("sealed", record[r.SEQ]) is not None, name
        screens = bench.face.screens()
        assert screens[screens.index("printing") :][:3] == ["printing", "signature", "outcome"], (name, screens)
        printed = bench.records(r.RECEIPT_PRINTED)
        assert [entry[r.COPY] for entry in printed] == [r.COPY_OFFICER], name
        assert record[r.INTENT] < printed[0][r.SEQ] < record[r.SEQ], name
        asked = [fields for screen, fields in bench.face.shown if screen == "signature"]
        assert asked == [{"amount": bench.amount, "scheme": "CIB TEST", "last4": "0018"}], asked
        said = "\n".join(bench.papers[0])
        for wanted in ("Signature du titulaire de la carte", "توقيع صاحب البطاقة", "900", "0018", "n’est pas un reçu"):
            assert wanted in said, (name, wanted)
        assert "99999900" not in said, name
    assert len(bench.papers) == 1


async def test_a_signature_that_differs_declines_and_nothing_is_kept():
    for name, make in _cards():
        bench = make(word=("cancel",))
        assert await bench.pay() == DECLINED, name
        record = _last(bench)
        assert record[r.REASON] == "EMV-146" and r.SEALED not in record and r.HOLDER not in record, (name, record)
        assert not [file for file in bench.storage.files if file.startswith("sealed/")], name
        assert bench.outcomes == [DECLINED], name  # nobody has seen anything else
        told = [fields for screen, fields in bench.face.shown if screen == "outcome"]
        assert [(fields["reason"], fields["why"]) for fields in told] == [("EMV-146", "")], (name, told)


async def test_nobody_at_the_terminal_approves_nothing():
    bench = SignBench(tapped3(), word=())
    assert await bench.pay() == DECLINED and _last(bench)[r.REASON] == "EMV-146"
    bench = SignBench(tapped3(), word=("1", "menu", None, "clear", "ok"))
    assert await bench.pay() == APPROVED and bench.face.keys["signature"] == []


async def test_a_key_typed_ahead_confirms_nothing():
    bench = SignBench(tapped3(), word=("ok", "cancel"))
    forgotten = []

    def forget():
        forgotten.append(bench.face.screen)
        if bench.face.screen == "printing":
            bench.face.keys["signature"].pop(0)

    bench.face.forget = forget
    assert await bench.pay() == DECLINED and _last(bench)[r.REASON] == "EMV-146"
    assert forgotten == ["printing", "signature"]  # after the slip, before the question; before the outcome too


async def test_what_the_issuer_approved_is_marked_for_reversal_when_the_signature_is_refused():
    for name, make in (
        ("slot", lambda **how: SignBench(slot=[contact(ARQC)], issuer=dict(APPROVES), **how)),
        ("kernel 3", lambda **how: SignBench(tapped3(ARQC), issuer=dict(APPROVES), **how)),
        ("kernel 2", lambda **how: SignBench(tapped2(ARQC), issuer=dict(APPROVES), **how)),
    ):
        bench = make()
        assert await bench.pay() == APPROVED, name
        assert (_last(bench)[r.ONLINE], _last(bench)[r.HOLDER]) == (r.ONLINE_ANSWERED, r.HOLDER_SIGNATURE), name
        bench = make(word=("cancel",))
        assert await bench.pay() == DECLINED, name
        record = _last(bench)
        assert (record[r.ONLINE], record[r.REASON]) == (r.ONLINE_DOUBTFUL, "EMV-146"), (name, record)


async def test_a_provisional_payment_is_signed_too():
    for make in (tapped3, tapped2):
        bench = SignBench(make(ARQC))
        assert await bench.pay() == PROVISIONAL and len(bench.papers) == 1
        assert _last(bench)[r.HOLDER] == r.HOLDER_SIGNATURE and r.SEALED in _last(bench)
        bench = SignBench(make(ARQC), word=("cancel",))
        assert await bench.pay() == DECLINED and r.SEALED not in _last(bench)


async def test_what_needs_no_signature_or_was_declined_prints_nothing():
    for bench in (
        SignBench(card3()),
        SignBench(tapped3(0x00)),
        SignBench(tapped3(ARQC), issuer={"arc": "51", "data": b""}),
    ):
        await bench.pay()
        assert bench.papers == [] and "signature" not in bench.face.screens()
