"""What is missing from an export is told apart: acknowledged by the terminal's word ("ask the centre"), declared by a gap
record, or missing without a word; and who deletes records gains nothing by claiming that they were acknowledged.
"""

import asyncio
import binascii

import cbor2
import pytest

from protocol import cbor
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.hearing import daily
from tests.support.parts import HandClock, MemoryStorage
from tools.journal.verify import verify

FIRST = "journal/000001.seg"


class Bench:
    """One terminal's store with 60 records in several segments."""

    def __init__(self, folder):
        self.part = exports.element(folder)
        self.storage = MemoryStorage()
        self.clock = HandClock()

    async def begin(self, acknowledged):
        """Write; the centre acknowledges records up to `acknowledged`."""
        journal = await self.opened()
        journal.hear(self.clock.utc)
        for number in range(60):
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60})
            if number + 1 == acknowledged:
                journal.acknowledge(journal.head_seq, journal.head_hash)
        return journal

    async def opened(self):
        """The journal, opened."""
        journal = Journal(self.storage, self.part, self.clock, NativeCrypto(), exports.DEVICE)
        journal._shelf.segment_bytes = 4096
        await journal.open()
        return journal

    def flip(self, name, at):
        """One bit of a file."""
        spoilt = bytearray(self.storage.files[name])
        spoilt[at] ^= 1
        self.storage.files[name] = bytes(spoilt)

    async def report(self, journal):
        """What the verifier says of the export."""
        pieces = []
        await export(journal, self.part, NativeCrypto(), {}, pieces.append, [])
        return verify(b"".join(pieces), await self.part.public_key(0))


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def _run(work):
    return asyncio.run(work)


def test_a_flipped_bit_in_an_acknowledged_segment_accuses_nobody(bench):
    async def work():
        await bench.begin(60)
        bench.flip(FIRST, 2000)
        return await bench.report(await bench.opened())

    report = _run(work())
    assert report["verdict"] == "ask" and not report["ok"]
    assert [(found["kind"], found["code"]) for found in report["findings"]] == [("acknowledged", "JRN-062")]
    assert report["acknowledged"] == 60 and "acknowledged up to 60" in report["findings"][0]["text"]


def test_an_acknowledged_beginning_that_is_gone_is_asked_for_at_the_centre(bench):
    async def work():
        await bench.begin(60)
        bench.storage.files[FIRST] = bytes(1500) + bench.storage.files[FIRST][1500:]
        return await bench.report(await bench.opened())

    report = _run(work())
    assert report["verdict"] == "ask"
    assert [(found["kind"], found["seq"]) for found in report["findings"]] == [("acknowledged", 1)]


def test_what_retention_took_is_asked_for_at_the_centre(bench):
    async def work():
        journal = await bench.begin(60)
        bench.clock.utc += 100 * 86400
        daily(journal, bench.clock.utc)
        before = len(journal._shelf.segments)
        for _ in range(60):
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60})
        assert journal.first_retained > 1 and before > 1
        return await bench.report(journal), journal

    report, journal = _run(work())
    (found,) = report["findings"]
    assert (report["verdict"], found["kind"], found["seq"]) == ("ask", "acknowledged", 1)
    assert journal.record_at(journal.first_retained)[0][r.PREV].hex() in found["text"]  # binds what the centre shows


def test_a_loss_that_was_not_acknowledged_is_declared_and_told(bench):
    async def work():
        await bench.begin(5)
        bench.flip(FIRST, 2000)
        return await bench.report(await bench.opened())

    report = _run(work())
    assert report["verdict"] == "holds" and {found["kind"] for found in report["findings"]} == {"declared"}


def test_an_unacknowledged_beginning_that_vanished_is_not_said_to_be_acknowledged(bench):
    async def work():
        journal = await bench.begin(0)
        first = journal._shelf.segments[1][1]
        pieces = []
        del bench.storage.files[FIRST]
        await export(await bench.opened(), bench.part, NativeCrypto(), {}, pieces.append, [])
        return verify(b"".join(pieces)), first

    report, first = _run(work())
    told = {(found["kind"], found["seq"]) for found in report["findings"]}
    assert ("truncated", 1) in told or ("declared", 1) in told, (told, first)
    assert "acknowledged" not in {kind for kind, _ in told}


def test_deleting_records_and_claiming_that_they_were_acknowledged_never_holds(bench):
    """Who can write the flash can write `state/acked` too: the verdict is "ask", and the centre knows no such records."""

    async def work():
        journal = await bench.begin(5)
        journal.acknowledge(60, journal.head_hash)
        bench.flip(FIRST, 2000)
        return await bench.report(await bench.opened())

    report = _run(work())
    assert report["verdict"] == "ask" and not report["ok"]


def test_an_acknowledgement_of_another_chain_is_named(bench):
    async def work():
        journal = await bench.begin(5)
        journal.acknowledge(40, bytes(32))
        return await bench.report(journal)

    report = _run(work())
    assert [(found["kind"], found["seq"]) for found in report["findings"]] == [("edited", 40)]
    assert report["verdict"] == "fails"


@pytest.mark.parametrize("beyond", [1, 39])
def test_an_acknowledgement_beyond_the_end_is_named(bench, beyond):
    async def work():
        journal = await bench.begin(5)
        seq = journal.head_seq + beyond
        data = cbor.encode([seq, bytes(32), binascii.crc32(cbor.encode([seq, bytes(32)]))])
        bench.storage.replace("state/acked", data)
        return seq, await bench.report(journal)

    seq, report = _run(work())
    assert [(found["kind"], found["seq"]) for found in report["findings"]] == [("truncated", seq)]
    assert report["last"] == seq - beyond


def _exported(bench, acknowledged, lost=0):
    """The items of an export with 60 records and one more, its key; `lost`: a bit of the first segment was flipped."""

    async def work():
        await bench.begin(acknowledged)
        if lost:
            bench.flip(FIRST, lost)
        journal = await bench.opened()
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        pieces = []
        await export(journal, bench.part, NativeCrypto(), {}, pieces.append, [])
        return exports.split(b"".join(pieces)), await bench.part.public_key(0)

    return _run(work())


def _said(report):
    return [(found["kind"], found["seq"]) for found in report["findings"]]


def test_the_deletion_of_an_acknowledged_record_from_the_file_is_named(bench):
    """The count in the closing item proves that it was there; that the centre has it is told besides."""
    items, key = _exported(bench, 40)
    assert verify(b"".join(items), key)["verdict"] == "holds"
    for at in range(2, 61):
        report = verify(b"".join(items[:at] + items[at + 1 :]), key)
        assert report["verdict"] == "fails" and ("deleted", at) in _said(report), at
        assert (("acknowledged", at) in _said(report)) == (at <= 40)
        assert "edited" not in {kind for kind, _ in _said(report)}
    report = verify(b"".join(items[:10] + items[15:30] + items[31:50] + items[51:]), key)
    assert [said for said in _said(report) if said[0] == "deleted"] == [
        ("deleted", 50),
        ("deleted", 10),
        ("deleted", 30),
    ]


def test_a_deletion_beside_what_was_lost_before_is_named_by_its_number(bench):
    items, key = _exported(bench, 40, lost=2000)
    honest = verify(b"".join(items), key)
    assert honest["verdict"] == "ask" and len(items) == 62
    report = verify(b"".join(items[:25] + items[27:]), key)
    assert report["verdict"] == "fails" and _said(report)[-1] == ("deleted", 26)
    assert (
        "closed the file with 60 records, 58 of them are here: records 26 to 27 are taken out"
        in report["findings"][-1]["text"]
    )


def test_a_record_that_was_made_unreadable_is_not_said_to_be_taken_out(bench):
    items, key = _exported(bench, 40)
    report = verify(b"".join(items[:20] + [cbor.encode([b"?", None])] + items[21:]), key)
    assert {kind for kind, _ in _said(report)} == {"unreadable", "acknowledged"}, _said(report)


SHAPES = [1, -1, "x", b"", [], {}, None, True, [1], {1: 2}, 2**63, [[]]]


def test_a_closing_item_of_any_shape_gets_a_verdict(bench):
    items, key = _exported(bench, 40)
    closing = cbor2.loads(items[-1]).value
    shapes = list(SHAPES)
    for place in range(4):
        for value in SHAPES:
            parts = list(closing)
            parts[place] = value
            shapes.append(parts)
    for shape in shapes:
        data = b"".join(items[:-1]) + cbor2.dumps(cbor2.CBORTag(18, shape), canonical=True)
        if data == b"".join(items):
            continue
        assert verify(data, key)["verdict"] == "fails", shape
