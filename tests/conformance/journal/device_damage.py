"""Runs on MicroPython: the journal on MicroPython's own VfsLfs2 over the NOR model, each sector of a small volume damaged in
turn: zeroed, erased, one bit flipped.

    micropython device_damage.py TRANSACTIONS FIRST STEP     prints {"outcome": how many, ...} as JSON in the last line, and a line
    before for each image of which the oracle does not hold

Oracle: every record is intact, recovered from its second copy, or named by a gap record, or the terminal knows that the server has had it
(counted apart, "acknowledged": nothing names it); a code stops the terminal where the
volume cannot be mounted (JRN-013), a folder cannot be listed (JRN-014),
nothing can be written (JRN-012), or the last record lies nowhere (JRN-030). Whatever has no code, or changes in silence, is a
failure. It is the oracle of `tools.journal.soak.damage`, in short.
"""

import asyncio
import gc
import json
import sys

import vfs

from drivers.storage_vfs import VfsStorage
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from sim.parts.nor.flash import BLOCK, NorFlash
from terminal.journal import room as room_module
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock

DEVICE = "TSD-000001"
BLOCKS = 48
READS = (
    40_000_000  # what needs more is not judged: it counts as an image that does not end, of which there must be none
)
FOLDERS = ("journal", "copies", "sealed", "private", "state")
KINDS = ("zeroed", "erased", "flipped")


def opened(flash, counter):
    """(storage, journal, element) on a flash that is not mounted yet."""
    element = CountingElement()
    storage = VfsStorage(
        "/flash", lambda: vfs.mount(vfs.VfsLfs2(flash, progsize=64, readsize=64, lookahead=32), "/flash")
    )
    element.counters[0] = counter
    storage.mount()
    return storage, Journal(storage, element, HandClock(), PureCrypto(), DEVICE), element


def unmount():
    """Whatever is mounted."""
    try:
        vfs.umount("/flash")
    except OSError:
        pass


async def filled(transactions):
    """(sectors, counter, {seq: digest}, blobs, acknowledged) of a volume with several segments, the first part acknowledged."""
    flash = NorFlash(BLOCKS)
    vfs.VfsLfs2.mkfs(flash, progsize=64, readsize=64, lookahead=32)
    storage, journal, element = opened(flash, 0)
    await journal.open()
    journal._shelf.segment_bytes = 4096
    shown, blobs, acked = {}, {}, 0

    async def append(kind, body, **given):
        record = await journal.append(kind, body, **given)
        shown[record[r.SEQ]] = journal.head_hash
        for folder in given:
            blobs[(folder, record[r.SEQ])] = given[folder]
        return record[r.SEQ]

    for number in range(1, transactions + 1):
        notice = {r.CASE: number, r.PV: str(number), r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 500, r.POINTS: 6}
        await append(r.NOTICE, notice, private=bytes((number,)) * 180)
        intent = await append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500})
        body = {r.CASE: number, r.INTENT: intent, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        await append(r.PAYMENT_OUTCOME, body, sealed=bytes((number,)) * 250)
        await append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_PAID})
        if number == 3:
            acked = journal.head_seq
            journal.acknowledge(acked, journal.head_hash)
    unmount()
    return flash.blocks, element.counters[0], shown, blobs, acked


def refuses_files(storage):
    """Empty if the volume takes no new file."""
    try:
        for number in range(8):
            storage.append("journal/%d.seg" % (900_000 + number), bytes(BLOCK // 2))
    except JournalError as error:
        return "" if error.code == "JRN-012" else "writing gives " + error.code
    return "files are taken"


def why_stopped(code, flash, copies):
    """Empty if a terminal may stop with this code; the volume is mounted. `copies`: the files of the last record, nothing of which must
    be whole.
    """
    storage = VfsStorage("/flash")
    if code == "JRN-014":
        for folder in FOLDERS:
            try:
                storage.names(folder)
            except JournalError as error:
                return "" if error.code == code else "listing gives " + error.code
    elif code == "JRN-012":
        return refuses_files(storage)
    elif code == "JRN-030":
        for name, frame in copies:
            try:
                if frame in storage.read(name):
                    return "JRN-030, and the last record lies in " + name
            except JournalError:
                pass  # then the reader looked at what can be read of it
        return ""
    return "stopped by " + code


def last_frames(sectors, counter, seq):
    """[(file, frame)] of a record in an undamaged volume."""
    storage, journal, _ = opened(NorFlash(BLOCKS, list(sectors)), counter)
    found = []
    for folder in ("journal", "copies"):
        for name in storage.names(folder):
            path = folder + "/" + name
            for number, offset, length in journal._reader.index(path):
                if number == seq:
                    frame = bytearray(length + 11)
                    storage.read_into(path, offset - 7, frame)
                    found.append((path, bytes(frame)))
    unmount()
    return found


async def judge(flash, made, copies):
    """One word for what was found; "NOT HELD ..." if the oracle does not hold."""
    _, counter, shown, blobs, acked = made
    try:
        _, journal, _ = opened(flash, counter)
    except JournalError as error:
        return "stopped " + error.code if error.code == "JRN-013" else "NOT HELD mount: " + error.code
    try:
        await journal.open()
    except JournalError as error:
        why = why_stopped(error.code, flash, copies)
        return "NOT HELD " + why if why else "stopped " + error.code
    kept, declared = {}, []
    for gap in journal.losses.gaps if journal.room.uncounted() else ():  # the next batches name them
        declared += range(gap[r.FIRST], gap[r.GAP_LAST] + 1)
    for record, data, _ in journal.entries(1):
        kept[record[r.SEQ]] = PureCrypto().sha256(data)
        if record[r.KIND] == r.GAP:
            declared += range(record[r.FIRST], record[r.GAP_LAST] + 1)
    lost = unnamed = 0
    for seq in shown:
        if seq in kept:
            if kept[seq] != shown[seq]:
                return "NOT HELD record %d differs" % seq
        elif seq in declared:
            lost += 1
        elif seq <= min(acked, journal.view.once):
            unnamed += 1
        else:
            return "NOT HELD record %d is missing and not named" % seq
    if journal.acked_seq > acked:
        return "NOT HELD more is acknowledged than the server acknowledged"
    named = 0
    for folder, seq in blobs:
        found = journal.blob(folder, seq)
        if found is None and (folder, seq) not in journal.losses.blobs and seq in kept:
            return "NOT HELD %s/%d is missing and not named" % (folder, seq)
        if found is not None and found != blobs[(folder, seq)]:
            return "NOT HELD %s/%d differs" % (folder, seq)
        named += found is None
    if lost or unnamed or named:
        return "acknowledged" if unnamed else "named gap" if lost else "named blob"
    losses = journal.losses
    return "recovered" if losses.recovered or losses.damaged or journal.acked_seq != acked else "intact"


def damaged(sectors, at, kind):
    """The volume with one sector other."""
    flash = NorFlash(BLOCKS, list(sectors))
    if kind == "flipped":
        flash.flip(at, at * 397 % BLOCK, at % 8)
    else:
        flash.blocks[at] = bytes(BLOCK) if kind == "zeroed" else b"\xff" * BLOCK
    flash.reads_left = READS
    return flash


async def main(transactions, first, step):
    """Each sector, each kind."""
    room_module.RESERVE = room_module.SPARE = 0  # the flash of this test is smaller than what a terminal keeps free
    made = await filled(transactions)
    copies = last_frames(made[0], made[1], max(made[2]))
    words = {}
    for number in range(first, 3 * BLOCKS, step):
        at, kind = number // 3, KINDS[number % 3]
        flash = damaged(made[0], at, kind)
        try:
            word = await judge(flash, made, copies)
        except Exception as error:  # noqa: BLE001 - whatever has no code is a failure
            word = "NOT HELD %s %s" % (type(error).__name__, error)
        unmount()
        if not flash.reads_left:
            word = "does not end"
        if word.startswith("NOT HELD"):
            print("sector", at, kind, word)
            word = "NOT HELD"
        words[word] = words.get(word, 0) + 1
        gc.collect()
    print(json.dumps(words))


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
