"""What a boot mends that a cut left undone, and what an append leaves that no cut can take."""

import binascii
import gc

from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal import epoch as epochs
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage, PowerCut

DEVICE_HEAP = "224k"  # twenty records in memory, eight times over: 192k is its edge
COPIES = "copies/000001.seg"
MONEY = (
    (r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}),
    (r.AUTHORISATION_RESULT, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}),
    (r.VOID, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.VOID_STATE: r.VOID_ASKED}),
)


class _Approving(PureCrypto):
    def ecdsa_verify(self, *arguments):
        return True


class Cutting(MemoryStorage):
    """`cut` is asked before each write: ("append", "replace" or "remove", name) -> whether the power goes."""

    def __init__(self):
        super().__init__()
        self.cut = None

    def _ask(self, what, name):
        if self.cut is not None and self.cut(what, name):
            raise PowerCut

    def append(self, name, data):
        self._ask("append", name)
        super().append(name, data)

    def replace(self, name, data):
        self._ask("replace", name)
        super().replace(name, data)

    def remove(self, name):
        self._ask("remove", name)
        super().remove(name)


def _journal(storage, element):
    return Journal(storage, element, HandClock(), _Approving(), "TSD-000001")


async def _opened(storage=None, element=None):
    storage, element = storage or Cutting(), element or CountingElement()
    journal = _journal(storage, element)
    await journal.open()
    return storage, element, journal


async def _cut(storage, cut, doing):
    storage.cut = cut
    try:
        await doing
    except PowerCut:
        storage.cut = None
        return
    raise AssertionError("nothing was cut")


async def test_each_kind_that_is_money_has_a_second_copy_and_comes_back_from_it():
    for kind, body in MONEY:
        storage, element, journal = await _opened()
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        begin = storage.size("journal/000001.seg")
        await journal.append(kind, body)
        end = storage.size("journal/000001.seg")
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer"})
        data = bytearray(storage.files["journal/000001.seg"])
        data[(begin + end) // 2] ^= 1
        storage.files["journal/000001.seg"] = bytes(data)
        _, _, again = await _opened(storage, element)
        assert again.losses.recovered == [2] and not again.losses.gaps, kind
        assert [item[0][r.KIND] for item in again.entries(2)][0] == kind


async def test_a_cut_between_an_outcome_and_its_second_copy_is_mended_by_the_boot():
    storage, element, journal = await _opened()
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    await _cut(storage, lambda what, name: name == COPIES, journal.append(*MONEY[0]))
    assert storage.size(COPIES) == -1
    _, _, again = await _opened(storage, element)
    assert again.head_seq == 2 and storage.size(COPIES) > 0
    size = storage.size(COPIES)
    await _opened(storage, element)
    assert storage.size(COPIES) == size
    whole = storage.files["journal/000001.seg"]
    at = whole.index(again.record_at(2)[1])
    storage.files["journal/000001.seg"] = whole[: at + 20] + bytes((whole[at + 20] ^ 1,)) + whole[at + 21 :]
    _, _, last = await _opened(storage, element)
    assert last.head_seq == 2 and last.losses.recovered == [2]


def _after(writes):
    """A power cut after so many writes."""
    left = [writes]

    def cut(what, name):
        left[0] -= 1
        return left[0] < 0

    return cut


async def test_no_record_is_there_without_the_blobs_that_it_names():
    for at in range(6):
        storage, element, journal = await _opened()
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        storage.cut = _after(at)
        try:
            await journal.append(MONEY[0][0], MONEY[0][1], sealed=b"card", private=b"person")
        except PowerCut:
            pass
        storage.cut = None
        _, _, again = await _opened(storage, element)
        if again.head_seq == 2:
            assert (again.blob("sealed", 2), again.blob("private", 2)) == (b"card", b"person"), at
        else:
            assert storage.names("sealed") == storage.names("private") == [], at
    assert again.head_seq == 2 and at > 3


async def test_an_erasure_that_was_cut_is_finished_by_the_boot():
    storage, element, journal = await _opened()
    outcome = await journal.append(MONEY[0][0], MONEY[0][1], sealed=b"card")
    await journal.append(r.CARD_DATA_ERASED, {r.INTENTS: [outcome[r.INTENT]], r.RECEIPT: bytes(32)})
    assert storage.size("sealed/1") > 0  # the power went before the caller could erase it
    await _opened(storage, element)
    assert storage.size("sealed/1") == -1


def _approval(epoch, seq):
    payload = cbor.encode({1: "TSD-000001", 2: epoch, 3: seq, 4: bytes(32), 5: 0, 6: 0})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    return cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)


async def test_what_the_old_epoch_had_acknowledged_counts_for_nothing_in_the_new_one():
    """The server was restored and holds five records of twenty; a cut at any write of the beginning makes no difference."""
    for at in range(8):
        storage = element = journal = again = None
        gc.collect()  # or the pieces that a segment in memory grows by find no room
        storage, element, journal = await _opened()
        for _ in range(20):
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n"})
        journal.acknowledge(20, journal.head_hash)
        element.counters[0] += 1
        journal = _journal(storage, element)
        storage.cut = _after(at)
        try:
            await journal.begin_epoch(_approval(2, 5), bytes(65))
        except PowerCut:
            pass
        storage.cut = None
        journal = _journal(storage, element)
        try:
            await journal.open()
        except JournalError as error:
            assert error.code == "JRN-030"  # still in the old epoch
            await journal.begin_epoch(_approval(2, 5), bytes(65))
        assert (journal.epoch, journal.head_seq, journal.acked_seq) == (2, 6, 5), at
        assert journal.approval() == _approval(2, 5), at  # a server that does not know the epoch is shown it
        for _ in range(20):
            await journal.append(MONEY[0][0], MONEY[0][1])
        _, _, again = await _opened(storage, element)
        assert again.acked_seq == 5 and len(again.view.exposure) == 20, at


async def test_a_beginning_of_an_epoch_that_is_too_long_is_damaged():
    storage, element, _ = await _opened()
    items = [2, 1, 0, bytes(32), 0, 0, 0, 0]
    for content in (bytes(600), cbor.encode(items + [binascii.crc32(cbor.encode(items)) ^ 1])):
        storage.files["state/epoch"] = content
        try:
            await _journal(storage, element).open()
            raise AssertionError("opened")
        except JournalError as error:
            assert error.code == "JRN-033" and error.code in epochs.HEALED


async def test_names_that_are_no_numbers_are_passed_over():
    storage, element, journal = await _opened()
    await journal.append(MONEY[0][0], MONEY[0][1], sealed=b"card")
    for name in (
        "journal/\xb2\xb3.seg",
        "journal/x.seg",
        "journal/99999999999.seg",
        "copies/.seg",
        "sealed/\xb2",
        "sealed/x",
    ):
        storage.files[name] = b"?"
    _, _, again = await _opened(storage, element)
    assert (again.head_seq, again.blob("sealed", 1)) == (1, b"card")
    await again.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    assert [name for name in storage.names("journal") if name[0] == "0"] == ["000001.seg"]
