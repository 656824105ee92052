"""What a gap record says of the loss that it declares (approved payments, centimes, hash of the last lost record) agrees with the records around it,
or the verifier names it: though who has changed it has closed the chain again with the device's own key.
"""

import asyncio
import hashlib

import cbor2
import pytest

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.chain import MOST_GAPS
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.parts import HandClock, MemoryStorage
from tools.journal.verify import verify

AMOUNT = 5000


class Lossy:
    """A journal of `payments` approved payments (records 2 and 3, 4 and 5, …); `losses`: before each boot these are lost."""

    def __init__(self, folder, payments, *losses, acked=0) -> None:
        self.part = exports.element(folder)
        self.storage = MemoryStorage()
        self.key = asyncio.run(self.part.public_key(0))
        asyncio.run(self._write(payments, losses, acked))

    async def _open(self):
        journal = Journal(self.storage, self.part, HandClock(), NativeCrypto(), exports.DEVICE)
        await journal.open()
        return journal

    async def _write(self, payments, losses, acked):
        journal = await self._open()
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
        for number in range(1, payments + 1):
            intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: AMOUNT}))[r.SEQ]
            body = {r.CASE: number, r.INTENT: intent, r.AMOUNT: AMOUNT, r.OUTCOME: r.OUTCOME_APPROVED}
            await journal.append(r.PAYMENT_OUTCOME, body)
        if acked:
            journal.acknowledge(acked, hashlib.sha256(journal.record_at(acked)[1]).digest())
        for lost in losses:
            for seq in lost:
                self._spoil(journal.record_at(seq)[1])
            journal = await self._open()
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "after"})
        pieces = []
        await export(journal, self.part, NativeCrypto(), {}, pieces.append, [])
        self.data = b"".join(pieces)
        self.items = exports.split(self.data)[:-1]
        self.at = {cbor2.loads(cbor2.loads(item)[0])[r.SEQ]: at for at, item in enumerate(self.items) if at}
        records = [cbor2.loads(cbor2.loads(item)[0]) for item in self.items[1:]]
        self.gaps = {record[r.SEQ]: record for record in records if record[r.KIND] == r.GAP}

    def _spoil(self, data):
        for name, content in self.storage.files.items():
            at = content.find(data)
            if at >= 0:
                self.storage.files[name] = content[: at + 20] + bytes((content[at + 20] ^ 4,)) + content[at + 21 :]

    def changed(self, seq, change, without=()):
        """(verdict, {(kind, seq)}) of the export with fields of record `seq` changed and records left out, chained and closed again."""
        items = list(self.items)
        for key, value in change.items():
            items[self.at[seq]] = exports.change(items[self.at[seq]], key, value)
        gone = {self.at[seq] for seq in without}
        report = verify(exports.chained([item for at, item in enumerate(items) if at not in gone], self.part), self.key)
        return report["verdict"], {
            (each["kind"], each["seq"]) for each in report["findings"] if each["kind"] != "declared"
        }


OTHERWISE = [
    ({r.GAP_COUNT: 0}, "totals"),
    ({r.GAP_TOTAL: 0}, "totals"),
    ({r.GAP_COUNT: 7}, "totals"),
    ({r.GAP_TOTAL: 99_999_999}, "totals"),
    ({r.GAP_TOTAL: -1}, "totals"),
    ({r.GAP_COUNT: "1"}, "totals"),
    ({r.GAP_HASH: bytes(32)}, "edited"),
    ({r.GAP_HASH: 5}, "edited"),
]


@pytest.mark.parametrize(("change", "kind"), OTHERWISE, ids=range(len(OTHERWISE)))
@pytest.mark.parametrize("lost", [(4, 5, 6, 7), (1, 2, 3)], ids=["between", "beginning"])
def test_what_a_gap_record_says_otherwise_is_named(tmp_path, lost, change, kind):
    made = Lossy(tmp_path, 5, lost)
    assert verify(made.data, made.key)["verdict"] == "holds" and made.changed(0, {}) == ("holds", set())
    ((seq, gap),) = made.gaps.items()
    assert (gap[r.FIRST], gap[r.GAP_LAST], gap[r.GAP_COUNT]) == (lost[0], lost[-1], len(lost) // 2)
    assert made.changed(seq, change) == ("fails", {(kind, seq)})


def test_what_earlier_releases_did_not_say_is_not_compared(tmp_path):
    """A field that is left out says nothing: a gap record need not know the money."""
    made = Lossy(tmp_path, 5, (4, 5))
    ((seq, gap),) = made.gaps.items()
    for key in (r.GAP_COUNT, r.GAP_TOTAL, r.GAP_HASH, r.GAP_ONCE):
        plain = {field: value for field, value in gap.items() if field != key}
        items = list(made.items)
        items[made.at[seq]] = cbor2.dumps([cbor2.dumps(plain, canonical=True), None], canonical=True)
        assert verify(exports.chained(items, made.part), made.key)["verdict"] == "holds", key


def test_a_loss_of_acknowledged_records_that_is_declared_too_is_compared_as_any(tmp_path):
    made = Lossy(tmp_path, 5, (4, 5, 6), acked=5)
    ((seq, gap),) = made.gaps.items()
    assert gap[r.GAP_ONCE] == 5 and gap[r.GAP_COUNT] == 1
    assert made.changed(seq, {}) == ("holds", set())
    assert made.changed(seq, {r.GAP_COUNT: 0}) == ("fails", {("totals", seq)})


def test_beside_records_that_are_missing_too_it_may_be_less_than_the_totals_tell_but_not_more(tmp_path):
    made = Lossy(tmp_path, 5, (4, 5), acked=6)
    ((seq, _),) = made.gaps.items()
    assert made.changed(seq, {}, without=(6,)) == ("ask", {("acknowledged", 6)})
    assert made.changed(seq, {r.GAP_COUNT: 0}, without=(6,)) == ("ask", {("acknowledged", 6)})
    assert made.changed(seq, {r.GAP_COUNT: 2}, without=(6,)) == ("fails", {("acknowledged", 6), ("totals", seq)})
    assert made.changed(seq, {r.GAP_TOTAL: AMOUNT + 1}, without=(3,))[0] == "ask"  # record 3 may be what was approved
    assert made.changed(seq, {r.GAP_TOTAL: 2 * AMOUNT + 1}, without=(3,))[0] == "fails"


def test_a_loss_that_grew_is_declared_twice_and_holds(tmp_path):
    made = Lossy(tmp_path, 8, (6, 7), (5, 8, 9))
    assert [(gap[r.FIRST], gap[r.GAP_LAST], gap[r.GAP_COUNT]) for gap in made.gaps.values()] == [(6, 7, 1), (5, 9, 3)]
    assert made.changed(0, {}) == ("holds", set())
    first, second = made.gaps
    assert made.changed(first, {r.GAP_COUNT: 3})[0] == "holds"  # what lay beside it then is gone
    assert made.changed(first, {r.GAP_COUNT: 4}) == ("fails", {("totals", first)})
    assert made.changed(second, {r.GAP_COUNT: 2}) == ("fails", {("totals", second)})


def test_a_gap_record_that_takes_in_whole_records_is_not_held_to_their_money(tmp_path):
    """After so many gaps the last one takes in what follows."""
    made = Lossy(tmp_path, 100, tuple(range(3, 200, 2)))
    wide = max(made.gaps, key=lambda seq: made.gaps[seq][r.GAP_COUNT])
    gap = made.gaps[wide]
    assert MOST_GAPS <= len(made.gaps) < 99 and gap[r.GAP_LAST] - gap[r.FIRST] + 1 > gap[r.GAP_COUNT] > 2
    assert verify(made.data, made.key)["verdict"] == "holds" and made.changed(0, {}) == ("holds", set())
    assert made.changed(wide, {r.GAP_TOTAL: 99 * AMOUNT}) == ("fails", {("totals", wide)})
    assert made.changed(wide, {r.GAP_HASH: bytes(32)}) == ("fails", {("edited", wide)})


def test_a_record_behind_a_loss_that_is_edited_is_named_and_not_the_gap_record(tmp_path):
    made = Lossy(tmp_path, 5, (4, 5))
    for change in ({r.PREV: bytes(32)}, {r.CUM_COUNT: 1, r.CUM_TOTAL: AMOUNT}):
        items = exports.split(made.data)
        for key, value in change.items():
            items[made.at[6]] = exports.change(items[made.at[6]], key, value)
        found = verify(b"".join(items), made.key)["findings"]
        assert {each["seq"] for each in found if each["kind"] == "edited"} == {6}
        assert not {each["seq"] for each in found if each["kind"] == "totals"} & set(made.gaps)
