"""What is done to an exported journal that has declared losses in it: the closing item tells each hole, so a record before one and a record
put into one are named. A file of an earlier release, whose closing item does not, is still verified.
"""

import asyncio
import hashlib

import cbor2
import pytest

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.conformance.journal import exports
from tests.support.parts import HandClock, MemoryStorage
from tools.journal.verify import verify

ACKNOWLEDGED = 12
LOST = (5, 6, 12, 13)


class Made:
    """An export with records 5, 6, 12, 13 lost and declared, of which the centre had those up to 12 (so 12 is declared with 13)."""

    def __init__(self, folder) -> None:
        self.part = exports.element(folder)
        pieces: list[bytes] = []
        self.lost: dict[int, bytes] = {}

        async def work() -> bytes:
            storage = MemoryStorage()
            journal = await self._begin(storage)
            for seq in LOST:
                self._spoil(storage, seq, journal.record_at(seq))
            journal = Journal(storage, self.part, HandClock(), NativeCrypto(), exports.DEVICE)
            await journal.open()
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "after"})
            await export(journal, self.part, NativeCrypto(), {}, pieces.append, [])
            return await self.part.public_key(0)

        self.key = asyncio.run(work())
        self.items = exports.split(b"".join(pieces))
        self.at = {cbor2.loads(cbor2.loads(item)[0])[r.SEQ]: at for at, item in enumerate(self.items[1:-1], 1)}

    async def _begin(self, storage) -> Journal:
        journal = Journal(storage, self.part, HandClock(), NativeCrypto(), exports.DEVICE)
        await journal.open()
        await journal.append(r.PROVISIONED, {r.WILAYA: 16, r.FORCE: 1})
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
        for number in range(1, 5):
            intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000}))[r.SEQ]
            body = {r.CASE: number, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
            await journal.append(r.PAYMENT_OUTCOME, body)
        await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 2, r.TOTALS: journal.view.totals})
        for number in range(4):
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: f"b{number}"})
        journal.hear(1790000000)
        journal.acknowledge(ACKNOWLEDGED, hashlib.sha256(journal.record_at(ACKNOWLEDGED)[1]).digest())
        return journal

    def _spoil(self, storage, seq, item) -> None:
        _, data, signature = item
        self.lost[seq] = cbor2.dumps([data, signature], canonical=True)
        for name, content in storage.files.items():
            at = content.find(data)
            if at >= 0:
                storage.files[name] = content[: at + 20] + bytes((content[at + 20] ^ 4,)) + content[at + 21 :]

    def edited(self, seq, key, value):
        """One field of a record changed."""
        at = self.at[seq]
        return [*self.items[:at], exports.change(self.items[at], key, value), *self.items[at + 1 :]]

    def without(self, first, last):
        """Records taken out."""
        return self.items[: self.at[first]] + self.items[self.at[last] + 1 :]

    def forged(self, seq):
        """A record that follows record 4 or 11 and says that it is record `seq`."""
        before = max(at for at in self.at if at < seq)
        plain = cbor2.loads(self.items[self.at[before]])[0]
        fields = dict(cbor2.loads(cbor2.loads(self.items[self.at[15]])[0]))
        fields |= {r.SEQ: seq, r.COUNTER: seq, r.PREV: hashlib.sha256(plain).digest()}
        fields |= {key: cbor2.loads(plain)[key] for key in (r.CUM_COUNT, r.CUM_TOTAL)}
        return cbor2.dumps([cbor2.dumps(fields, canonical=True), None], canonical=True)

    def with_item(self, seq, item):
        """A record put where its number belongs."""
        after = min(at for number, at in self.at.items() if number > seq)
        return [*self.items[:after], item, *self.items[after:]]

    def said(self, items, old=False):
        """(verdict, {(kind, seq)} beside the declared losses, texts); `old`: the closing item tells no holes."""
        items = [*items[:-1], self._old(items[-1])] if old else items
        report = verify(b"".join(items), self.key)
        found = [each for each in report["findings"] if each["kind"] != "declared"]
        return report["verdict"], {(each["kind"], each["seq"]) for each in found}, [each["text"] for each in found]

    def _old(self, closing):
        payload = cbor2.loads(cbor2.loads(closing).value[2])
        del payload[8]
        body = cbor2.dumps(payload, canonical=True)
        header = {1: -7, 3: "tsd/journal", 4: exports.DEVICE.encode()}
        protected, signature = exports.sign(self.part, header, body)
        return cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, signature]), canonical=True)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Made(tmp_path_factory.mktemp("holes"))


@pytest.mark.parametrize("old", [False, True])
def test_an_honest_file_holds(made, old):
    assert made.said(made.items, old) == ("holds", set(), [])
    closing = cbor2.loads(cbor2.loads(made.items[-1]).value[2])
    assert [hole[:2] for hole in closing[8]] == [[4, 7], [11, 14]]


def test_an_edit_of_any_record_is_named_before_a_hole_too(made):
    for seq in made.at:
        for key, value in ((r.UTC, 1_600_000_000), (r.PREV, bytes([7]) * 32)):
            verdict, found, _ = made.said(made.edited(seq, key, value))
            assert verdict == "fails" and {each for kind, each in found if kind == "edited"} == {seq}, (seq, key)


def test_in_an_older_file_the_record_before_a_hole_may_be_what_was_edited(made):
    verdict, found, texts = made.said(made.edited(11, r.SHIFT, 9), True)
    assert verdict == "fails" and found == {("edited", None)}
    assert (
        "a record before a hole (4, 11) or an item outside the chain was changed, or a record put into a hole"
        in texts[0]
    )
    verdict, found, texts = made.said(made.edited(11, r.PREV, bytes(32)), True)
    assert verdict == "fails" and found == {("edited", 10)} and "or record 11 was edited" in texts[0]


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("seq", LOST)
def test_a_record_put_into_a_hole_is_named(made, seq, old):
    verdict, found, _ = made.said(made.with_item(seq, made.forged(seq)), old)
    assert verdict == "fails" and found == {("inserted", seq)}


def test_the_lost_record_itself_is_not_called_put_in(made):
    verdict, found, _ = made.said(made.with_item(6, made.lost[6]))
    assert verdict == "fails" and found == {("edited", None)}  # the file is another than was closed


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("span", [(4, 4), (7, 7), (3, 4), (10, 11), (8, 9)], ids=str)
def test_acknowledged_records_that_were_taken_out_are_named_beside_a_declared_hole(made, span, old):
    verdict, found, texts = made.said(made.without(*span), old)
    assert verdict == "fails" and found == {("acknowledged", span[0]), ("deleted", span[0])}
    assert f"{len(made.at) - (span[1] - span[0] + 1)} of them are here" in texts[-1]
    assert "taken out of it" in texts[-1] and (span[0] == span[1] or f"{span[0]} to {span[1]}" in texts[-1])


def test_who_takes_one_out_and_puts_one_in_is_told_of_both(made):
    items = made.with_item(5, made.forged(5))
    del items[made.at[2]]
    verdict, found, _ = made.said(items)
    assert verdict == "fails" and found == {("inserted", 5), ("acknowledged", 2), ("deleted", 2)}


def test_a_closing_item_whose_holes_have_another_shape_vouches_for_nothing(made):
    for holes in (1, {}, [[4, 7]], [[4, 7, 1]], [[-1, 7, b""]], None):
        payload = cbor2.loads(cbor2.loads(made.items[-1]).value[2])
        payload[8] = holes
        body = cbor2.dumps(payload, canonical=True)
        protected, signature = exports.sign(made.part, {1: -7, 3: "tsd/journal", 4: exports.DEVICE.encode()}, body)
        closing = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, signature]), canonical=True)
        assert made.said([*made.items[:-1], closing])[:2] == ("fails", {("unreadable", None)}), holes
