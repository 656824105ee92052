"""Paper and power while a signature is taken: no paper, no approval; a cut before the outcome is *interrupted*."""

from protocol import records as r
from tests.terminal.payment.sign_bench import APPROVES, SignBench, contact, tapped3
from tests.terminal.payment.tap_bench import ARQC, Reader

APPROVED, DECLINED, INTERRUPTED = r.OUTCOME_APPROVED, r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED
DEVICE_HEAP = "288k"  # the payment's, and the glyphs, which a device reads in place


def _last(bench):
    return bench.records(r.PAYMENT_OUTCOME)[-1]


async def test_a_printer_out_of_paper_is_told_and_tried_again():
    for half, copy in ((False, r.COPY_OFFICER), (True, r.COPY_DUPLICATE)):
        bench = SignBench(tapped3(), troubles=[("PRN-003", half)], errors=["ok"])
        assert await bench.pay() == APPROVED
        assert [fields["code"] for screen, fields in bench.face.shown if screen == "error"] == ["PRN-003"]
        assert [entry[r.REASON] for entry in bench.records(r.HEALTH_EVENT)] == ["PRN-003"]
        assert [entry[r.COPY] for entry in bench.records(r.RECEIPT_PRINTED)] == [copy] and len(bench.papers) == 1


async def test_without_paper_nothing_is_approved():
    for issuer in (None, APPROVES):
        bench = SignBench(
            tapped3(ARQC if issuer else 0x40), troubles=[("PRN-003", False)] * 2, errors=["ok", "cancel"], issuer=issuer
        )
        assert await bench.pay() == DECLINED
        record = _last(bench)
        assert record[r.REASON] == "EMV-147" and r.SEALED not in record and r.HOLDER not in record
        assert record.get(r.ONLINE) == (r.ONLINE_DOUBTFUL if issuer else None)
        assert bench.papers == [] and "signature" not in bench.face.screens() and bench.outcomes == [DECLINED]
        troubles = [fields for screen, fields in bench.face.shown if screen == "error"]
        assert [fields["cancel"] for fields in troubles] == ["key.decline"] * 2


async def test_the_power_cut_at_every_durable_operation_leaves_interrupted_or_what_was_shown():
    for make in (lambda **how: SignBench(tapped3(), **how), lambda **how: SignBench(slot=[contact()], **how)):
        whole = make()
        assert await whole.pay() == APPROVED
        operations = whole.storage.operations
        assert operations >= 8, operations  # those of any payment, and the slip's record and counter
        for at in range(1, operations + 1):
            bench = make(cut=at, word=("ok", "ok"))
            assert await bench.pay() == "cut", (at, operations)
            shown = list(bench.outcomes)
            await bench.boot()
            ends = bench.ends()
            last = [ends[intent][0] for intent in sorted(ends)]
            assert shown in ([], last) and last in ([], [INTERRUPTED], [APPROVED]), (at, shown, last)
            if last != [APPROVED]:
                bench.contactless_reader = Reader([tapped3()])
                assert await bench.again() == APPROVED, at
            sealed = [file for file in bench.storage.files if file.startswith("sealed/")]
            taken = [record for record in bench.records(r.PAYMENT_OUTCOME) if record[r.OUTCOME] == APPROVED]
            assert (len(sealed), len(taken)) == (1, 1), (at, sealed)
