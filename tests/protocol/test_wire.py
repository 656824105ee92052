"""What the receiver recomputes is put back; what blobs share is said once."""

from protocol import batch, cbor, wire
from protocol import records as r
from protocol.errors import FormatError
from tests.support.dual import raises

DEVICE = "TSD-000001"
FIRST = {r.V: 1, r.COUNTER: 1, r.UTC: 1700000000, r.CLOCK: 2, r.KIND: r.LOGIN, r.OFFICER: 7, r.UNIT: "U-16"}


def _head(seq, count=0, total=0):
    return {r.DEVICE: DEVICE, r.EPOCH: 1, r.SEQ: seq, r.PREV: bytes(32), r.CUM_COUNT: count, r.CUM_TOTAL: total}


def test_common_keys_follow_from_the_record_before():
    first = wire.restore(FIRST, None, _head(1))
    expected = dict(FIRST)
    expected.update(_head(1))
    assert first == expected
    paid = {r.KIND: r.PAYMENT_OUTCOME, r.UTC: 31, r.CASE: 1, r.INTENT: 1, r.AMOUNT: 5, r.OUTCOME: 1}
    second = wire.restore(paid, first, _head(2))
    assert (second[r.COUNTER], second[r.UTC], second[r.OFFICER], second[r.V]) == (2, 1700000031, 7, 1)
    assert (second[r.CUM_COUNT], second[r.CUM_TOTAL]) == (1, 5)
    third = wire.restore({r.KIND: r.LOGIN, r.UTC: -40, r.COUNTER: 9, r.OFFICER: 8}, second, _head(3, 1, 5))
    assert (third[r.COUNTER], third[r.UTC], third[r.OFFICER], third[r.UNIT]) == (9, 1699999991, 8, "U-16")
    assert (third[r.SEQ], third[r.CUM_COUNT], third[r.CUM_TOTAL]) == (3, 1, 5)
    assert cbor.decode(cbor.encode(third)) == third


def test_a_recomputed_field_on_the_wire_is_refused():
    for key in (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL):
        sent = dict(FIRST)
        sent[key] = 1
        assert raises(FormatError, wire.restore, sent, None, _head(1)).code == "FMT-083"


def test_a_missing_field_is_refused():
    for key in FIRST:
        sent = dict(FIRST)
        del sent[key]
        assert raises(FormatError, wire.restore, sent, None, _head(1)).code == "FMT-083"


def test_what_blobs_share_is_said_once():
    blobs = [b"begin\x01middle one", b"begin\x02middle three", b"begin\x03middle two"]
    frame = batch.frame(blobs)
    assert frame == [b"begin", 1, b"middle "]
    assert [batch.strip(frame, blob) for blob in blobs] == [b"\x01one", b"\x02three", b"\x03two"]
    assert [wire.unframe(frame, batch.strip(frame, blob)) for blob in blobs] == blobs


def test_blobs_that_share_little():
    for blobs in (
        [b"abcd", b"abx", b"abc"],
        [b"x", b"y"],
        [b"", b"a"],
        [b"same", b"same"],
        [b"ab", b"abc"],
        [b"a1b", b"a2"],
        [b"0123456789tail", b"9876543210tail"],
    ):
        frame = batch.frame(blobs)
        for blob in blobs:
            assert wire.unframe(frame, batch.strip(frame, blob)) == blob
    assert batch.frame([]) == batch.frame([b"alone"]) == []
    assert batch.frame([b"abcd", b"abx", b"abc"])[0] == b"ab"
