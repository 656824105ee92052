"""The server's quick CBOR reader says the same as the strict decoder of `protocol.cbor`, whatever it is fed; and a record put together
from received bytes is the record encoded anew.
"""

import hashlib
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import batch, cbor, wire
from protocol import records as r
from protocol import sync as s
from protocol.errors import FormatError
from server.store.devices import Device
from server.wire import messages, restoring, strict
from tests.server.handheld import Handheld, dumps

INTS = st.one_of(st.integers(-300, 300), st.integers(-(2**64), 2**64 - 1))
LEAVES = st.one_of(INTS, st.binary(max_size=40), st.text(max_size=30), st.booleans(), st.none())
ITEMS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.integers(0, 70_000), inner, max_size=8),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers(-5, 5)), inner, max_size=8),
    ),
    max_leaves=25,
)
HOSTILE = [
    b"", b"\xff", b"\x9f\x01\xff", b"\xbf\xff", b"\xf9\x3c\x00", b"\xfb" + bytes(8), b"\xf7", b"\xf8\x20", b"\x18\x17", b"\x19\x00\xff",
    b"\x1a\x00\x00\xff\xff", b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", b"\x1c", b"\xa2\x01\x01\x01\x01", b"\xa2\x02\x01\x01\x01",
    b"\xa1\x18\x05\x01", b"\xa1\xf5\x01", b"\xa1\x80\x01", b"\x61\xff", b"\x63\xed\xa0\x80", b"\x62\xc0\x80", b"\x5b" + b"\xff" * 8,
    b"\x9b" + b"\xff" * 8, b"\xbb" + b"\xff" * 8, b"\x9a\x00\x01\x00\x00", b"\x81" * 9 + b"\x01", b"\x81" * 8 + b"\x01",
    b"\xa1\x01" * 9 + b"\x01", b"\xa1\x01" * 8 + b"\x01", b"\xc2\x41\x01", b"\xd8\x1c\x81\xd8\x1d\x00", b"\x01\x01", b"\xa1\x01\x45ab",
    b"\xa1\x01\x65ab", b"\xa1\x01", b"\xa2\x01\x01", b"\xa1", b"\x40" * 2, b"\xa1\x17\x18\x18", b"\xa1\x18\x18\x17", b"\xa2\x01\x01\x61a\x01",
    b"\xa1\x20\x01", b"\x00" * 65537, b"\xa1\x18\x2a\x81\xa1\x18\x1e\x45ab", b"\xa1\x18\x2a\x82\xa0\x00", b"\xa1\x18\x2a\x98\x01\xa0",
]  # fmt: skip


def verdict(read: Any, data: bytes) -> tuple[str, Any]:
    """What a decoder makes of bytes: the value with its types, or the code of the refusal."""
    try:
        return "accepted", repr(read(data))
    except FormatError as error:
        return "refused", error.code


def agree(data: bytes) -> str:
    """Both readers and the marking one say the same; what they say."""
    expected = verdict(cbor.decode, data)
    assert verdict(strict.decode, data) == expected
    assert verdict(lambda d: strict.decode_marked(d, s.RECORDS, restoring.BODY)[0], data) == expected
    return expected[0]


@settings(max_examples=150, deadline=None)
@given(ITEMS)
def test_what_is_deterministic_is_read_alike(value: Any) -> None:
    data = dumps(value)
    agree(data)
    assert strict.decode(data) == value
    assert strict.decode(data) == cbor2.loads(data)


@settings(max_examples=300, deadline=None)
@given(ITEMS, st.data())
def test_what_was_changed_is_judged_alike(value: Any, data: st.DataObject) -> None:
    body = bytearray(dumps({1: value, s.RECORDS: [{24: value}, {1: 2}]}))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(["set", "drop", "insert", "cut"]))
        if change == "set":
            body[at] = data.draw(st.integers(0, 255))
        elif change == "drop":
            del body[at]
        elif change == "insert":
            body.insert(at, data.draw(st.integers(0, 255)))
        else:
            del body[at:]
        if not body:
            break
    agree(bytes(body))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_judged_alike(data: bytes) -> None:
    agree(data)


@pytest.mark.parametrize("data", HOSTILE, ids=lambda data: data[:12].hex() or "empty")
def test_hostile_bytes_are_judged_alike(data: bytes) -> None:
    agree(data)


def test_every_cut_and_every_changed_bit_of_a_batch_is_judged_alike() -> None:
    handheld = Handheld()
    handheld.pay(r.OUTCOME_APPROVED)
    body = cbor2.loads(handheld.batch(1))[2]
    assert agree(body) == "accepted"
    assert {agree(body[:end]) for end in range(len(body))} == {"refused"}
    accepted = 0
    for at in range(len(body)):
        for bit in range(8):
            changed = body[:at] + bytes((body[at] ^ 1 << bit,)) + body[at + 1 :]
            accepted += agree(changed) == "accepted"
    assert accepted  # a changed string is still CBOR: the comparison has seen both verdicts


COMMON = {
    r.V: INTS, r.COUNTER: st.integers(0, 2**40), r.UTC: st.integers(0, 2**40), r.CLOCK: INTS, r.OFFICER: INTS, r.UNIT: st.text(max_size=40)
}  # fmt: skip
BODY = st.dictionaries(st.integers(14, 300), LEAVES, max_size=12)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.fixed_dictionaries(COMMON), BODY), min_size=1, max_size=4), st.integers(0, 2**33))
def test_a_record_put_together_is_the_record_encoded_anew(items: list[Any], seq: int) -> None:
    maps = [{**common, r.KIND: r.HEALTH_EVENT, **body} for common, body in items]
    payload = dumps({s.FIRST_SEQ: seq, s.RECORDS: maps})
    decoded, marks = strict.decode_marked(payload, s.RECORDS, restoring.BODY)
    head = {
        r.DEVICE: "TSD-000001", r.EPOCH: 1, r.SEQ: seq, r.PREV: bytes(range(32)), r.CUM_COUNT: 300, r.CUM_TOTAL: 1 << 33
    }  # fmt: skip
    for index, item in enumerate(decoded[s.RECORDS]):
        record = wire.restore(item, None, head)
        assert restoring.encode(record, restoring.sliced(payload, marks[index]) if marks else None) == cbor.encode(
            record
        )


FIRST = {
    r.V: st.sampled_from([1, 2]), r.COUNTER: st.integers(0, 2**33), r.UTC: st.integers(0, 2**40), r.CLOCK: st.sampled_from([0, 2]),
    r.OFFICER: st.one_of(st.integers(0, 5), st.none()), r.UNIT: st.sampled_from(["U1", "U" * 40]),
}  # fmt: skip
LATER = st.fixed_dictionaries(
    {r.KIND: st.sampled_from([r.HEALTH_EVENT, r.PAYMENT_OUTCOME])},
    optional={
        r.UTC: st.integers(-(2**41), 2**39), r.COUNTER: st.integers(0, 9), r.UNIT: st.just("U2"), r.CLOCK: st.just(0), 14: st.just(1)
    },
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries(FIRST), st.lists(st.tuples(LATER, BODY), max_size=6), st.integers(0, 2**33))
def test_a_batch_restored_in_a_row_is_each_record_restored_alone(first: Any, later: list[Any], seq: int) -> None:
    given_ = [{**first, r.KIND: r.LOGIN}]
    for common, body in later:
        given_.append({**common, **{key: value for key, value in body.items() if key > 20}, r.OUTCOME: 1, r.AMOUNT: 5})
    payload = dumps({s.FIRST_SEQ: seq, s.RECORDS: given_})
    decoded, marks = strict.decode_marked(payload, s.RECORDS, restoring.BODY)
    head = {r.DEVICE: "TSD-000001", r.EPOCH: 1, r.SEQ: seq, r.PREV: bytes(32), r.CUM_COUNT: 3, r.CUM_TOTAL: 1 << 33}
    plain, restorer, previous = dict(head), restoring.Restorer(dict(head), payload, marks), None
    for index, item in enumerate(decoded[s.RECORDS]):
        record = wire.restore(item, previous, plain)
        try:
            expected = cbor.encode(record)
        except FormatError:  # a record that no strict encoder writes: not for this comparison
            return
        digest = hashlib.sha256(expected).digest()
        restorer.listed(index)
        assert restorer.restore(item) == (record, expected)
        restorer.advance(digest)
        plain[r.SEQ], plain[r.PREV] = record[r.SEQ] + 1, digest
        plain[r.CUM_COUNT], plain[r.CUM_TOTAL] = record[r.CUM_COUNT], record[r.CUM_TOTAL]
        previous = record


VALUES = st.one_of(
    st.integers(0, 3),
    st.sampled_from(["", "a", "66/B-4"]),
    st.binary(max_size=2),
    st.lists(st.integers(0, 2), max_size=2),
)
KINDS = st.sampled_from([r.HEALTH_EVENT, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.NOTICE])
BLOB = st.one_of(st.none(), st.binary(min_size=1, max_size=8))


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(KINDS, st.dictionaries(st.integers(20, 60), VALUES, max_size=9), BLOB), min_size=1, max_size=8)
)
def test_what_a_terminal_does_not_tell_is_put_back(bodies: list[Any]) -> None:
    """`protocol.batch.tell` and the server's own reader are inverse, blobs included."""
    handheld = Handheld()
    handheld.nonce = bytes(8)
    course, told, blobs = batch.Course("TSD-000001"), b"", {}
    for at, (kind, body, blob) in enumerate(bodies):
        seq = handheld.write(kind, outcome=1 + at % 2, amount=5, **({"pv": f"000001-{at // 3:05}"} if at % 2 else {}))
        record = {**body, **handheld.records[-1], r.CASE: at // 3}
        record.pop(r.SEALED, None)
        if blob is not None:
            record[r.SEALED] = hashlib.sha256(blob).digest()
            blobs[seq - 1] = blob
        handheld.records[-1] = record
        told += batch.tell(course, record, [r.SEALED] if blob is not None else [])
    device = Device("TSD-000001", handheld.public(), "00" * 8, "U", 1, 16)
    found = messages.open_message(handheld.batch(1, records=told, sealed=blobs), {device.device: device}.get)
    assert isinstance(found, messages.Batch)
    assert [(e.record, e.data, e.hash) for e in found.entries] == [
        (record, dumps(record), hashlib.sha256(dumps(record)).digest()) for record in handheld.records
    ]


def test_replies_are_encoded_as_the_strict_encoder_does() -> None:
    value = {
        1: b"\x00" * 8, 2: 1, 3: "TSD-\u062a", 20: 2**32, 22: [[1, 2], [2**16, 2**40]], 25: [b"x" * 300], 30: [[255, "SRV-020"]], 62: True,
        63: [], 82: None, 300: {3: [1, -1], 1: [0, -(2**33)]},
    }  # fmt: skip
    assert strict.encode(value) == cbor.encode(value) == dumps(value)
    for keys in ((-1, 1), (0, -1, 30, -300), ("a", -1, 5), (-1, "b", 300)):
        odd = dict.fromkeys(keys, 0)
        assert strict.encode(odd) == cbor.encode(odd)  # by their bytes; cbor2 has the shorter ones first
    with pytest.raises(TypeError):
        strict.encode({1: 1.5})


def test_the_usual_records_take_the_quick_way() -> None:
    """Otherwise the comparison above would compare nothing."""
    handheld = Handheld()
    handheld.pay(r.OUTCOME_APPROVED)
    payload = cbor2.loads(handheld.batch(1))[2]
    decoded, marks = strict.decode_marked(payload, s.RECORDS, restoring.BODY)
    assert marks is not None and len(marks) == len(decoded[s.RECORDS]) == 3
    for index, mark in enumerate(marks):
        record = handheld.records[index]
        assert restoring._usual(record) and len(record) == restoring._COMMON + mark[2]
        assert restoring.encode(record, restoring.sliced(payload, mark)) == dumps(record)
