"""Records on the wire: what the receiver recomputes is left out, and comes back the same."""

from protocol import cbor, wire
from protocol import records as r
from protocol.errors import FormatError
from tests.support.dual import raises, record

DEVICE = "TSD-000001"


def _record(seq, kind, body, counter=None, utc=1700000000, officer=7):
    out = {
        r.V: 1, r.DEVICE: DEVICE, r.EPOCH: 1, r.SEQ: seq, r.PREV: bytes(32), r.COUNTER: seq if counter is None else counter,
        r.CUM_COUNT: 0, r.CUM_TOTAL: 0, r.UTC: utc, r.CLOCK: 2, r.KIND: kind, r.OFFICER: officer, r.UNIT: "U-16",
    }  # fmt: skip
    out.update(body)
    return out


def _head(seq, count=0, total=0):
    return {r.DEVICE: DEVICE, r.EPOCH: 1, r.SEQ: seq, r.PREV: bytes(32), r.CUM_COUNT: count, r.CUM_TOTAL: total}


def test_restore_undoes_shrink():
    first = _record(1, r.LOGIN, {})
    second = _record(2, r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 5, r.OUTCOME: 1}, utc=1700000031)
    second[r.CUM_COUNT], second[r.CUM_TOTAL] = 1, 5
    third = _record(3, r.LOGIN, {}, counter=9, utc=1699999999, officer=8)
    third[r.CUM_COUNT], third[r.CUM_TOTAL] = 1, 5
    previous = None
    head = _head(1)
    size = 0
    for entry in (first, second, third):
        head[r.SEQ] = entry[r.SEQ]
        sent = cbor.decode(cbor.encode(wire.shrink(entry, previous)))
        size += len(cbor.encode(sent))
        back = wire.restore(sent, previous, head)
        assert back == entry
        assert cbor.encode(back) == cbor.encode(entry)
        head[r.CUM_COUNT], head[r.CUM_TOTAL] = back[r.CUM_COUNT], back[r.CUM_TOTAL]
        previous = entry
    record("bytes", size)


def test_a_second_login_costs_a_few_bytes():
    first = _record(1, r.LOGIN, {})
    assert len(cbor.encode(wire.shrink(_record(2, r.LOGIN, {}), first))) <= 4


def test_a_recomputed_field_on_the_wire_is_refused():
    sent = wire.shrink(_record(1, r.LOGIN, {}), None)
    sent[r.CUM_TOTAL] = 1
    error = raises(FormatError, wire.restore, sent, None, _head(1))
    assert error.code == "FMT-080"


def test_a_missing_field_is_refused():
    sent = wire.shrink(_record(1, r.LOGIN, {}), None)
    del sent[r.KIND]
    error = raises(FormatError, wire.restore, sent, None, _head(1))
    assert error.code == "FMT-080"


def _sent(records, digests):
    """The wire maps of `records`, and the records that come out of them; `digests` {index: {key: digest}} travel beside."""
    carried, said, previous, before, out, back = {}, {}, None, None, [], []
    head = _head(1)
    for index in range(len(records)):
        beside = digests.get(index, {})
        sent = cbor.decode(cbor.encode(wire.shrink(records[index], previous, carried, list(beside))))
        out.append(sent)
        before = wire.restore(wire.expand(sent, said, beside, "TSD-000001"), before, head)
        wire.remember(said, before)
        back.append(before)
        previous = records[index]
        head[r.SEQ] += 1
        head[r.CUM_COUNT], head[r.CUM_TOTAL] = before[r.CUM_COUNT], before[r.CUM_TOTAL]
    return out, back


def test_what_the_batch_said_before_is_left_out_and_put_back():
    notice = {r.CASE: 7, r.PV: "000001-00007", r.AMOUNT: 200000, r.PLACE: "RN 5", r.PRIVATE: bytes(range(32))}
    records = [
        _record(1, r.NOTICE, notice),
        _record(2, r.PAYMENT_INTENT, {r.CASE: 7, r.AMOUNT: 200000}),
        _record(3, r.PAYMENT_OUTCOME, {r.CASE: 7, r.INTENT: 2, r.AMOUNT: 200000, r.OUTCOME: 3, r.PV: "000001-00007"}),
        _record(4, r.NOTICE, {r.CASE: 8, r.PV: "000001-00008", r.AMOUNT: 200000, r.PLACE: "RN 5"}),
    ]
    sent, back = _sent(records, {0: {r.PRIVATE: bytes(range(32))}})
    assert back == records
    assert r.PRIVATE not in sent[0] and r.PV not in sent[0]
    assert sent[2][wire.CARRIED] == bytes((r.CASE, r.PV, r.AMOUNT, r.INTENT)) and r.INTENT not in sent[2]
    assert sent[3][wire.CARRIED] == bytes((r.PV, r.AMOUNT, r.PLACE)) and sent[3][r.CASE] == 8


def test_what_blobs_begin_with():
    shared = wire.shared
    assert shared([b"abcd", b"abx", b"abc"]) == b"ab" and shared([b"ab", b"abc"]) == b"ab"
    assert shared([b"x", b"y"]) == shared([b"abc"]) == shared([]) == shared([b"", b"a"]) == b""


def test_a_report_number_of_another_form_is_sent():
    records = [_record(1, r.NOTICE, {r.CASE: 7, r.PV: "A-7"}), _record(2, r.NOTICE, {r.CASE: 7, r.PV: "A-7"})]
    sent, back = _sent(records, {})
    assert back == records and sent[1][r.PV] == "A-7"


def test_what_was_never_said_cannot_be_left_out():
    for left in (b"\x18", bytes((r.PV,)), b"\x0c", b"\x14\x14"):
        item = {wire.CARRIED: left, r.KIND: r.LOGIN}
        assert (
            raises(FormatError, wire.expand, item, {r.CASE: 1} if left == b"\x14\x14" else {}, {}, "TSD-000001").code
            == "FMT-080"
        )
