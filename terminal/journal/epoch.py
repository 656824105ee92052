"""A new epoch: how a device whose journal is lost or cannot be trusted goes on counting (design §4).

The server's approval (COSE_Sign1 under the role key "epoch", given under four eyes there) says where the chain goes
on: payload CBOR map {1: device, 2: epoch, 3: seq, 4: hash, 5: count, 6: total, 7: last case number}, the last record that
the server holds. File `state/epoch` keeps it with the number of the first segment of the epoch and the secure element's
counter: CBOR [epoch, first segment, seq, hash, counter, count, total, cases, [[former epoch, the last of its records that the server has], …],
CRC-32]; before without the former epochs, before 0.2 without `cases`. File
`state/approval` keeps the approval itself, for a server that was restored from a backup. What the old epoch left on the storage:
`terminal.journal.former`. JRN-032 the approval is not acceptable, JRN-033 `state/epoch` is damaged.
"""

import binascii

from protocol import cbor, cose
from protocol.errors import CryptoError, FormatError, JournalError
from protocol.sync import TYPE_EPOCH
from terminal.journal.head import Stand

HEALED = ("JRN-014", "JRN-020", "JRN-025", "JRN-030", "JRN-031", "JRN-033")
"""Troubles that a new epoch ends; a storage that does not write, or whose folder of segments cannot be listed, must be replaced first."""
FILE = "state/epoch"
APPROVAL = "state/approval"
_KINDS = (int, int, int, bytes, int, int, int, int, list)  # of what `state/epoch` holds
_MOST = 16  # former epochs that are remembered


def _refused(why: str) -> JournalError:
    return JournalError(
        "the approval of a new epoch is not acceptable: " + why, "JRN-032", "ask the centre for a new one"
    )


def check_approval(crypto, blob: bytes, key: bytes, device: str, epoch: int) -> Stand:  # noqa: ANN001 - crypto seam
    """The stand that an approval gives, for an epoch after `epoch`. Raises JournalError JRN-032."""
    try:
        sign1 = cose.sign1_parse(blob)
        cose.sign1_verify(crypto, sign1, key, expected_content_type=TYPE_EPOCH)
        payload = cbor.decode(sign1.payload or b"")
        stand = Stand()
        stand.epoch, stand.seq, stand.hash, stand.cum_count, stand.cum_total = [payload[key] for key in (2, 3, 4, 5, 6)]
        stand.cases = payload.get(7, 0)
        named = payload[1]
        items = [stand.epoch, 0, stand.seq, stand.hash, 0, stand.cum_count, stand.cum_total, stand.cases]
        for at in range(8):
            if not isinstance(items[at], _KINDS[at]):
                raise TypeError
    except CryptoError:
        raise _refused("signature") from None
    except (FormatError, KeyError, TypeError, ValueError):
        raise _refused("content") from None
    if named != device:
        raise _refused("another device")
    if stand.epoch <= epoch:
        raise _refused("not a later epoch")
    return stand


def store(storage, stand: Stand, first_segment: int) -> None:  # noqa: ANN001 - any Storage
    """Make a new epoch's beginning durable."""
    items = [
        stand.epoch,
        first_segment,
        stand.seq,
        stand.hash,
        stand.counter,
        stand.cum_count,
        stand.cum_total,
        stand.cases,
        [[epoch, stand.former[epoch]] for epoch in sorted(stand.former)[-_MOST:]],
    ]
    storage.replace(FILE, cbor.encode(items + [binascii.crc32(cbor.encode(items))]))


def load(storage) -> "tuple[Stand, int]":  # noqa: ANN001 - any Storage
    """(stand at the epoch's beginning, lowest segment number) by `state/epoch`; the device's first epoch if there is none.
    Raises JRN-033.
    """
    stand = Stand()
    size = storage.size(FILE)
    if size <= 0:  # littlefs makes a file's name durable before its content
        return stand, 1
    try:
        if size > 512:
            raise ValueError
        items = cbor.decode(storage.read(FILE, 512))
        if len(items) not in (8, 9, 10) or items[-1] != binascii.crc32(cbor.encode(items[:-1])):
            raise ValueError
        for at in range(len(items) - 1):
            if not isinstance(items[at], _KINDS[at]):
                raise TypeError
        stand.cases = items[7] if len(items) > 8 else 0
        stand.epoch, first, stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total = items[:7]
        if len(items) == 10:
            for former, last in items[8]:
                if not isinstance(former, int) or not isinstance(last, int):
                    raise TypeError
                stand.former[former] = last
        elif stand.epoch == 2:
            stand.former = {1: stand.seq}
        return stand, max(first, 1)
    except (FormatError, ValueError, TypeError):
        raise _unknown() from None


def _unknown() -> JournalError:
    return JournalError("the beginning of the epoch cannot be read", "JRN-033", "stop selling; call a technician")


def begun(storage, shelf) -> "tuple[Stand, bool]":  # noqa: ANN001 - any Storage, Shelf
    """(stand at the present epoch's beginning, whether only its segments tell); sets `shelf.lowest`, and `shelf.epoch` whatever is raised.
    `state/epoch` may be gone, damaged, or a former epoch's: littlefs goes back to an earlier state of a folder of which a sector is
    damaged. Then the epoch begins at its first head, if what lies before that was once acknowledged. Raises JRN-033 if not.
    """
    damage = None
    had = 0
    stand, shelf.lowest = Stand(), 1
    try:
        stand, shelf.lowest = load(storage)
    except JournalError as error:
        damage = error
    first = stand
    shelf.epoch = stand.epoch
    for number in reversed(shelf.numbers()):
        known = shelf.head(number)
        if known is None:
            continue
        if known[0].epoch <= stand.epoch or (first is not stand and known[0].epoch != first.epoch):
            break
        first, shelf.lowest = known[0], number
        shelf.epoch = first.epoch
        had = max(had, first.acked)
    if first is stand and damage is not None:
        raise damage
    if first is not stand and had < first.seq:
        raise _unknown()
    return first, first is not stand
