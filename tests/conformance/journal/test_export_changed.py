"""An export that does not hold because of what lies in the storage: what is changed in the file beside it is named all the same."""

import asyncio

import cbor2
import pytest

from tests.conformance.journal import exports
from tests.conformance.journal.test_export_raw import Bench
from tools.journal.exporting import exported
from tools.journal.verify import verify

OTHER = "the file is not the one that was closed"


@pytest.fixture
def made(tmp_path):
    """(items of the export of a journal that was rolled back, the device's key)."""
    bench = Bench(tmp_path / "journal")
    for _ in range(3):
        asyncio.run(bench.part.increment(0))
    pieces, _ = asyncio.run(exported(bench.storage, bench.part, exports.DEVICE, {"wilaya": 16}))
    return pieces, asyncio.run(bench.part.public_key(0))


def _findings(pieces, key):
    report = verify(b"".join(pieces), key)
    assert report["verdict"] == "fails"
    return {(finding["kind"], finding["seq"]) for finding in report["findings"]}, [
        finding["text"] for finding in report["findings"] if OTHER in finding["text"]
    ]


def _opening(pieces, number, value):
    said = dict(cbor2.loads(pieces[0]))
    said[number] = value
    return [cbor2.dumps(said, canonical=True), *pieces[1:]]


def test_nothing_is_named_in_the_file_as_it_was_closed(made):
    kinds, other = _findings(*made)
    assert ("unopened", None) in kinds and other == []


@pytest.mark.parametrize(("number", "value"), [(5, {"wilaya": 31}), (9, [20, b""]), (8, "JRN-014")])
def test_another_opening_item_is_named(made, number, value):
    pieces, key = made
    assert len(_findings(_opening(pieces, number, value), key)[1]) == 1


def test_another_signature_or_segment_of_a_record_is_named(made):
    pieces, key = made
    for place, value in ((1, bytes(64)), (2, [9, 1])):
        item = cbor2.loads(pieces[1])
        item[place] = value
        assert len(_findings([pieces[0], cbor2.dumps(item, canonical=True), *pieces[2:]], key)[1]) == 1


def test_where_a_record_is_taken_out_or_edited_that_is_named_and_nothing_else(made):
    pieces, key = made
    kinds, other = _findings([*pieces[:4], *pieces[5:]], key)
    assert ("deleted", 4) in kinds and other == []
