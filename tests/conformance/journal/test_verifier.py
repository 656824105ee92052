"""The independent verifier names what was done to an exported journal: edit, deletion, insertion, reorder, truncation
of any record.
"""

import asyncio
import hashlib
import tracemalloc

import cbor2
import pytest

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.parts import HandClock, MemoryStorage
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


def test_many_items_that_are_no_records_are_one_finding_and_take_no_memory(made):
    items, key = made
    zeros = bytes(300_000)  # as many items, the number zero each
    tracemalloc.start()
    report = verify(b"".join([*items[:4], zeros, *items[4:-1]]), key)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    told = [finding["text"] for finding in report["findings"] if finding["kind"] == "unreadable"]
    assert told == ["items 4 to 300003: no record"] and not report["ok"]
    assert peak < 4_000_000, peak


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
    assert (verify(other)["verdict"], verify(other)["key"], verify(other)["ok"]) == ("unpinned", "unpinned", True)
    assert "foreign" in {kind for kind, _ in _kinds(verify(other, key))}


def test_an_empty_key_is_not_the_files_own(made):
    items, _ = made
    with pytest.raises(reading.Unreadable, match="no point"):
        verify(b"".join(items), b"")


@pytest.mark.parametrize("further", [0, 1, 2])
def test_a_record_put_behind_the_last_one_is_inserted_whatever_number_it_has(made, further):
    """Its previous hash is right: but the file was closed before it, so that there is no record whose number it could have lost."""
    items, key = made
    record = cbor2.loads(cbor2.loads(items[13])[0])
    record[r.PREV], record[r.SEQ] = hashlib.sha256(cbor2.loads(items[13])[0]).digest(), record[r.SEQ] + further
    forged = cbor2.dumps([cbor2.dumps(record, canonical=True), None])
    report = verify(b"".join([*items[:-1], forged, items[-1]]), key)
    assert _kinds(report) == {("inserted", 13 + further)} and not report["ok"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The items of a small export, and its secure element."""
    part = exports.element(tmp_path_factory.mktemp("small"))
    pieces = []

    async def work():
        crypto = NativeCrypto()
        journal = Journal(MemoryStorage(), part, HandClock(), crypto, exports.DEVICE)
        await journal.open()
        intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 5})
        await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: intent[r.SEQ], r.AMOUNT: 5, r.OUTCOME: 1})
        journal.acknowledge(2, journal.head_hash)
        await export(journal, part, crypto, {}, pieces.append, [])

    asyncio.run(work())
    return exports.split(b"".join(pieces)), part


def _key(part):
    return asyncio.run(part.public_key(0))


def test_every_flipped_bit_of_an_export_is_found(small):
    """Of opening, records and closing alike; and whatever the bit makes of the file, there is a verdict or a refusal."""
    items, part = small
    data, key = b"".join(items), _key(part)
    assert verify(data, key)["ok"]
    refused = 0
    for bit in range(len(data) * 8):
        spoilt = bytearray(data)
        spoilt[bit // 8] ^= 1 << bit % 8
        try:
            assert verify(bytes(spoilt), key)["verdict"] == "fails", bit
        except reading.Unreadable as error:
            assert error.code == "JRN-050" and bit < len(items[0]) * 8
            refused += 1
    assert 0 < refused < len(items[0]) * 8


def test_the_unprotected_header_of_the_closing_item_counts_too(made):
    items, key = made
    closing = cbor2.loads(items[-1])
    for header in ({1: 2}, {1: -7}, [], b""):
        changed = cbor2.CBORTag(18, [closing.value[0], header, *closing.value[2:]])
        report = verify(b"".join(items[:-1]) + cbor2.dumps(changed, canonical=True), key)
        assert not report["ok"] and _kinds(report) == {("signature", None)}, header


@pytest.mark.parametrize("key", [2, 3, 4, 6, 7, 8, 9, 10, 11])
@pytest.mark.parametrize("value", [None, -1, b"x", [1], {}, 1.5])
def test_an_opening_item_that_says_something_else_is_refused_or_named(made, key, value):
    items, pinned = made
    opening = cbor2.loads(items[0]) | {key: value}
    for changed in (opening, {k: v for k, v in opening.items() if k != key}):
        data = cbor2.dumps(changed, canonical=True) + b"".join(items[1:])
        if changed == cbor2.loads(items[0]):
            continue
        try:
            assert not verify(data, pinned)["ok"]
        except reading.Unreadable as error:
            assert error.code in ("JRN-050", "JRN-060")


@pytest.mark.parametrize("number", [0, -1, -(2**40), 2**26, 2**32, 2**40, 2**64, -(2**70)])
def test_a_record_under_another_number_is_named_whatever_the_number(made, number):
    items, key = made
    for seq in (1, 5, 13):
        changed = [*items]
        changed[seq] = exports.change(items[seq], r.SEQ, number)
        report = _bounded(b"".join(changed), key)
        assert report["verdict"] == "fails"
        assert ("edited", seq) in _kinds(report) or report["findings"][0]["code"] == "JRN-051", seq
        assert len(report["findings"]) < 4


@pytest.mark.parametrize("first,last", [(-(2**40), 4), (1, 2**40), (5, 2), (0, 3), (-(2**40), 2**40), (5, 5), (3, 5)])
def test_a_gap_record_with_bounds_that_cannot_be_is_named(made, first, last):
    items, key = made
    record = dict(cbor2.loads(cbor2.loads(items[5])[0])) | {r.KIND: r.GAP, r.FIRST: first, r.GAP_LAST: last}
    gap = cbor2.dumps([cbor2.dumps(record, canonical=True), None], canonical=True)
    report = _bounded(b"".join([*items[:5], gap, *items[6:]]), key)
    assert {finding["text"][:18] for finding in report["findings"]} >= {"it declares a loss"}


def test_records_that_nobody_can_have_written_are_no_records(made):
    items, key = made
    for field, value in ((r.COUNTER, -1), (r.CUM_TOTAL, -5), (r.EPOCH, -1), (r.KIND, []), (r.UTC, 1.5), (r.PREV, b"x")):
        changed = [*items]
        changed[5] = exports.change(items[5], field, value)
        kinds = {finding["kind"] for finding in verify(b"".join(changed), key)["findings"]}
        assert kinds == {"unreadable", "deleted"}, field


def _bounded(data, key):
    """The report; more memory than a hundred times the file must not be taken."""
    tracemalloc.start()
    try:
        report = verify(data, key)
        assert tracemalloc.get_traced_memory()[1] < 100 * len(data) + 100_000
        return report
    finally:
        tracemalloc.stop()


def _forged(small, change):
    """The small export's items with the records' fields changed by `change(seq, record)`, unchained; nothing is said
    of an acknowledgement.
    """
    items, part = small
    out = [cbor2.dumps(cbor2.loads(items[0]) | {9: None}, canonical=True)]
    for item in items[1:-1]:
        record = dict(cbor2.loads(cbor2.loads(item)[0]))
        change(record[r.SEQ], record)
        out.append(cbor2.dumps([cbor2.dumps(record, canonical=True), None], canonical=True))
    return out, part


def _same(seq, record):
    pass


def test_what_the_device_itself_closed_again_holds(small):
    out, part = _forged(small, _same)
    assert verify(exports.chained(out, part), _key(part))["findings"] == []


def test_a_secure_element_that_has_counted_further_is_named(small):
    out, part = _forged(small, _same)
    for counter in (1, 3, 99):
        report = verify(exports.chained(out, part, counter=counter), _key(part))
        assert _kinds(report) == {("counter", 2)}, counter


def test_a_record_after_the_last_one_vouched_for_is_named(small):
    out, part = _forged(small, _same)
    head = hashlib.sha256(cbor2.loads(out[1])[0]).digest()
    report = verify(exports.chained(out, part, last=1, hash=head, counter=1), _key(part))
    assert _kinds(report) >= {("inserted", 2)} and report["verdict"] == "fails"


def test_an_epoch_that_changes_within_a_journal_is_named(small):
    for epoch in (2, 7):
        out, part = _forged(small, lambda seq, record, epoch=epoch: record.update({r.EPOCH: epoch} if seq == 2 else {}))
        assert _kinds(verify(exports.chained(out, part), _key(part))) == {("counter", 2)}
    out, part = _forged(small, lambda seq, record: record.update({r.EPOCH: 3}))
    assert _kinds(verify(exports.chained(out, part), _key(part))) == {("counter", 1)}


def test_a_new_epoch_in_the_middle_hides_nothing(small):
    def begin(seq, record):
        if seq == 2:
            record.update({r.KIND: r.NEW_EPOCH, r.COUNTER: 9, r.CUM_TOTAL: 7})

    out, part = _forged(small, begin)
    assert _kinds(verify(exports.chained(out, part), _key(part))) == {("counter", 2), ("inserted", 2), ("totals", 2)}


def test_running_totals_that_a_hole_cannot_explain_are_named(made, tmp_path):
    items, _ = made
    part = exports.element(tmp_path)
    for change, kind in (({r.CUM_TOTAL: 0, r.CUM_COUNT: 0}, "totals"), ({r.COUNTER: 9}, "counter")):
        kept = [*items[:7], *items[8:-1]]
        for key, value in change.items():
            kept[7] = exports.change(kept[7], key, value)
        report = verify(exports.chained(kept, part), None)
        assert (kind, 8) in _kinds(report), kind


def test_a_closing_item_of_another_content_type_does_not_close(small):
    out, part = _forged(small, _same)
    report = verify(exports.chained(out, part, "tsd/outcome"), _key(part))
    assert _kinds(report) == {("signature", None)}


def test_a_closing_item_for_another_device_does_not_close(small):
    out, part = _forged(small, _same)
    report = verify(exports.chained(out, part, device="TSD-000002"), _key(part))
    assert _kinds(report) == {("foreign", None)}


@pytest.mark.parametrize("value", [1.5, 2**70, cbor2.CBORTag(1000, "x"), cbor2.undefined])
def test_a_record_of_what_no_record_holds_is_none_even_if_the_device_signed_it(small, value):
    out, part = _forged(small, lambda seq, record: record.update({99: value} if seq == 1 else {}))
    report = verify(exports.chained(out, part), _key(part))
    assert report["verdict"] == "fails" and {kind for kind, _ in _kinds(report)} == {"unreadable", "truncated"}


def test_a_beginning_that_is_not_the_journals_is_named_unless_something_says_why(small, made, tmp_path):
    items, _ = made
    part = exports.element(tmp_path)
    late = [items[0], *items[4:-1]]
    report = verify(exports.chained(late, part))
    assert ("truncated", 1) in _kinds(report) and report["verdict"] == "fails"
    opening = cbor2.loads(items[0])
    opening[4] = _key(part)
    late[0] = cbor2.dumps(opening | {9: [3, b""]}, canonical=True)
    report = verify(exports.chained(late, part), _key(part))
    assert (report["verdict"], _kinds(report)) == ("ask", {("acknowledged", 1)})
    late[0] = cbor2.dumps(opening | {9: [2, b""]}, canonical=True)
    report = verify(exports.chained(late, part), _key(part))
    assert (report["verdict"], _kinds(report)) == ("fails", {("acknowledged", 1), ("truncated", 3)})
    late[0] = cbor2.dumps({key: opening[key] for key in range(1, 6)} | {2: 1}, canonical=True)
    report = verify(exports.chained(late, part), _key(part))
    assert (report["verdict"], _kinds(report)) == ("ask", {("acknowledged", 1)})  # an export of release 0.1.0


def test_a_file_that_is_no_export_is_refused():
    with pytest.raises(reading.Unreadable) as caught:
        verify(b"\xa1\x01\x02")
    assert caught.value.code == "JRN-050"


@pytest.mark.parametrize(
    ("first", "totals", "holds"), [(6, {11: [1, 500]}, True), (7, {}, True), (6, {}, False), (7, {11: [1, 500]}, False)]
)
def test_what_comes_between_two_shifts_counts_where_the_second_says_that_it_begins(tmp_path, first, totals, holds):
    part = exports.element(tmp_path)
    pieces = []

    async def work():
        journal = Journal(MemoryStorage(), part, HandClock(), NativeCrypto(), exports.DEVICE)
        await journal.open()
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
        await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500})
        body = {r.CASE: 1, r.INTENT: 2, r.AMOUNT: 500}
        await journal.append(r.PAYMENT_OUTCOME, {**body, r.OUTCOME: r.OUTCOME_PROVISIONAL})
        await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: {2: [1, 500]}})
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        await journal.append(r.AUTHORISATION_RESULT, {**body, r.OUTCOME: r.OUTCOME_APPROVED})
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 2})
        await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 2, r.FIRST: first, r.TOTALS: totals})
        await export(journal, part, NativeCrypto(), {}, pieces.append)

    asyncio.run(work())
    report = verify(b"".join(pieces), _key(part))
    assert _kinds(report) == (set() if holds else {("totals", 8)})
