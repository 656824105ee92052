"""What the flash holds with a right check value and in another shape: it is not taken, or it is coded; never a bare error of the language."""

import binascii

from protocol import cbor
from protocol import records as r
from protocol.errors import JournalError
from terminal.journal import epoch
from terminal.journal.head import Stand
from terminal.journal.view import View
from tests.support.dual import ON_DEVICE
from tests.support.parts import MemoryStorage

OTHERS = ("x", b"x", 7, None, [], {}, [[1, 2, 3]], [1])
NO_SNAPSHOT = (KeyError, IndexError, TypeError, ValueError, AttributeError)


def _record(kind, seq, **rest):
    record = {r.KIND: kind, r.SEQ: seq, r.UTC: 1, r.OFFICER: 7, r.CASE: 1, r.AMOUNT: 500}
    record.update({getattr(r, name.upper()): rest[name] for name in rest})
    return record


def _records():
    """A shift with a set, a provisional payment that is released, a gap, and a second case whose void is asked for."""
    notice = {"pv": "1-1", "offence": "66", "tariff": 1, "points": 2}
    yield _record(r.SHIFT_OPENED, 1, shift=1, unit="u")
    yield _record(r.PARAMETERS_APPLIED, 2, set_kind="tariff", set_version=3)
    for first, outcome in ((3, r.OUTCOME_PROVISIONAL), (6, r.OUTCOME_APPROVED)):
        yield _record(r.NOTICE, first, **notice)
        yield _record(r.PAYMENT_INTENT, first + 1)
        yield _record(r.PAYMENT_OUTCOME, first + 2, intent=first + 1, outcome=outcome, sealed=b"s", card_token=b"t")
    yield _record(r.AUTHORISATION_RESULT, 9, intent=4, outcome=r.OUTCOME_APPROVED)
    yield _record(r.GAP, 10, first=1, gap_last=1)
    yield _record(r.CASE_CLOSED, 11, closure=r.CLOSURE_PAID)
    yield _record(r.NOTICE, 12, **notice)
    yield _record(r.PAYMENT_INTENT, 13)


def _places(value, path=()):
    """The path of every item of a nest of maps and arrays."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    for key in keys:
        yield path + (key,)
        yield from _places(value[key], path + (key,))


def _with(value, path, other):
    """A copy with another item at `path`."""
    copy = cbor.decode(cbor.encode(value))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return copy


def _goes_on(kept):
    """A view of this snapshot does all that a journal asks of it."""
    view = View()
    try:
        view.restore(kept)
    except NO_SNAPSHOT:
        return False
    view.due()
    view.declared(1, 2)
    view.acknowledged(3)
    for record in _records():
        record[r.SEQ] += 20
        view.apply(record)
    view.snapshot()
    return True


def test_a_snapshot_of_another_shape_is_not_taken():
    view = View()
    for record in _records():
        view.apply(record)
    kept = cbor.decode(cbor.encode(view.snapshot()))
    assert _goes_on(kept)
    refused = tried = 0
    for path in _places(kept):
        for at in range(len(OTHERS)):
            tried += 1
            if not ON_DEVICE or tried % 9 == 0:
                refused += not _goes_on(_with(kept, path, OTHERS[at]))
    assert refused > tried // (20 if ON_DEVICE else 2)


def test_a_beginning_of_an_epoch_of_another_shape_is_coded():
    storage, stand = MemoryStorage(), Stand()
    stand.epoch, stand.seq, stand.former = 3, 40, {1: 9, 2: 40}
    epoch.store(storage, stand, 5)
    items = cbor.decode(storage.read(epoch.FILE))[:-1]
    assert epoch.load(storage)[0].former == {1: 9, 2: 40}
    for path in _places(items):
        for other in OTHERS:
            found = _with(items, path, other)
            if _kinds(found) == _kinds(items):
                continue
            storage.replace(epoch.FILE, cbor.encode(found + [binascii.crc32(cbor.encode(found))]))
            try:
                epoch.load(storage)
                raise AssertionError(found)
            except JournalError as error:
                assert error.code == "JRN-033"


def _kinds(items):
    """Kinds of the items; of an array that of pairs, if it is one."""
    pairs = (
        [isinstance(pair, list) and [type(item) for item in pair] for pair in items[8]]
        if isinstance(items[8], list)
        else 0
    )
    if pairs == [] or (pairs and all(pair == [int, int] for pair in pairs)):
        pairs = "pairs"
    return [type(item) for item in items[:8]] + [pairs]
