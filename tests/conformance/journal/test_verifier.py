"""The independent verifier names what was done to an exported journal: edit, deletion, insertion, reorder, truncation
of any record.
"""

import cbor2
import pytest

from protocol import records as r
from tests.conformance.journal import exports
from tools.journal import reading
from tools.journal.verify import verify


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    data, key = exports.make(tmp_path_factory.mktemp("export"))
    return exports.split(data), key


def _kinds(report):
    return {(finding["kind"], finding["seq"]) for finding in report["findings"]}


def test_an_honest_export_holds(made):
    items, key = made
    report = verify(b"".join(items), key)
    assert report["ok"] and report["findings"] == []
    assert (report["records"], report["signatures"], report["key"]) == (13, 5, "pinned")
    assert report["totals"] == {
        "1": [1, 500000],
        "2": [1, 500000],
        "3": [1, 500000],
        "11": [1, 500000],
        "20": [1, 500000],
    }


def test_an_edit_of_any_record_is_named(made):
    items, key = made
    for seq in range(1, 14):
        changed = [*items]
        changed[seq] = exports.change(items[seq], r.UTC, 1_600_000_000)
        report = verify(b"".join(changed), key)
        assert not report["ok"] and ("edited", seq) in _kinds(report), seq
        assert {s for kind, s in _kinds(report) if kind == "edited"} == {seq}


def test_a_void_without_its_own_signature_is_named(made):
    items, key = made
    changed = [*items]
    record = cbor2.loads(items[10])[0]
    assert cbor2.loads(record)[r.KIND] == r.VOID
    changed[10] = cbor2.dumps([record, cbor2.loads(items[11])[1]], canonical=True)
    assert ("signature", 10) in _kinds(verify(b"".join(changed), key))


def test_an_edited_link_is_named_at_the_record_that_carries_it(made):
    items, key = made
    for seq in range(2, 13):
        changed = [*items]
        changed[seq] = exports.change(items[seq], r.PREV, bytes(32))
        assert ("edited", seq) in _kinds(verify(b"".join(changed), key))


def test_the_deletion_of_any_record_is_named(made):
    items, key = made
    for seq in range(1, 14):
        report = verify(b"".join(items[:seq] + items[seq + 1 :]), key)
        kind = "truncated" if seq in (1, 13) else "deleted"
        assert not report["ok"] and (kind, seq) in _kinds(report), seq


def test_the_insertion_of_a_record_is_named(made):
    items, key = made
    for seq in range(1, 14):
        extra = exports.change(items[seq], r.UTC, 1)
        for place in (seq, seq + 1):
            report = verify(b"".join([*items[:place], extra, *items[place:]]), key)
            assert not report["ok"] and ("inserted", seq) in _kinds(report), (seq, place)


def test_records_in_another_order_are_named(made):
    items, key = made
    for seq in range(1, 13):
        swapped = [*items[:seq], items[seq + 1], items[seq], *items[seq + 2 :]]
        report = verify(b"".join(swapped), key)
        assert not report["ok"] and _kinds(report) == {("reordered", seq)}, seq


def test_truncation_at_any_byte_is_named(made):
    items, key = made
    data = b"".join(items)
    for length in range(len(items[0]), len(data), 7):
        report = verify(data[:length], key)
        assert not report["ok"]
        assert {"truncated", "unreadable"} & {kind for kind, _ in _kinds(report)}


def test_a_shorter_journal_cannot_be_closed_by_anybody_else(made, tmp_path):
    items, key = made
    (tmp_path / "other").mkdir()
    other, _ = exports.make(tmp_path / "other")
    report = verify(b"".join(items[:8]) + exports.split(other)[-1], key)
    assert not report["ok"] and "signature" in {kind for kind, _ in _kinds(report)}


def test_another_key_in_the_file_does_not_pass_for_the_pinned_one(made, tmp_path):
    _, key = made
    (tmp_path / "other").mkdir()
    other, _ = exports.make(tmp_path / "other")
    assert verify(other)["ok"] and verify(other)["key"] == "as the file says"
    assert "foreign" in {kind for kind, _ in _kinds(verify(other, key))}


def test_every_flipped_bit_of_the_file_is_found(made):
    items, key = made
    data = b"".join(items)
    for bit in range(len(items[0]) * 8, len(data) * 8, 29):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        assert not verify(bytes(spoilt), key)["ok"], bit


def test_a_file_that_is_no_export_is_refused():
    with pytest.raises(reading.Unreadable) as caught:
        verify(b"\xa1\x01\x02")
    assert caught.value.code == "JRN-050"
