"""Runs on MicroPython: the journal on MicroPython's own VfsLfs2 over the NOR model, its power cut at sampled
operations with every tail.

    micropython device_cut.py TRANSACTIONS FIRST STEP      prints one line "operations images failures", and a line for
    each failure
"""

import asyncio
import gc
import sys

import vfs

from drivers.storage_vfs import VfsStorage
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError, RiskError
from sim.parts.nor import tails
from sim.parts.nor.flash import NorFlash
from terminal.journal import room as room_module
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock

DEVICE = "TSD-000001"
BLOCKS = 48


def mount(flash, fresh):
    """The volume on `flash` at /flash."""
    if fresh:
        vfs.VfsLfs2.mkfs(flash, progsize=64, readsize=64, lookahead=32)
    vfs.mount(vfs.VfsLfs2(flash, progsize=64, readsize=64, lookahead=32), "/flash")
    return VfsStorage("/flash")


class Run:
    """The workload on one flash; `shown` holds the hash of every record that a person may have been shown."""

    def __init__(self, flash, element, fresh):
        room_module.RESERVE = 0  # the flash of this test is smaller than what a terminal keeps free
        self.journal = Journal(mount(flash, fresh), element, HandClock(), PureCrypto(), DEVICE)
        self.shown = {}

    async def append(self, kind, body, **blobs):
        """One record."""
        record = await self.journal.append(kind, body, **blobs)
        self.shown[record[r.SEQ]] = self.journal.head_hash
        return record[r.SEQ]

    async def work(self, transactions):
        """Transactions as the terminal writes them, an acknowledgement after each."""
        await self.journal.open()
        for number in range(1, transactions + 1):
            notice = {
                r.CASE: number,
                r.PV: str(number),
                r.OFFENCE: "66/D-24",
                r.TARIFF: 1,
                r.AMOUNT: 500000,
                r.POINTS: 6,
            }
            await self.append(r.NOTICE, notice, private=b"p" * 180)
            intent = await self.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000})
            body = {r.CASE: number, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_APPROVED}
            await self.append(r.PAYMENT_OUTCOME, body, sealed=b"s" * 250)
            await self.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_PAID})
            self.journal.acknowledge(self.journal.head_seq, self.journal.head_hash)


async def cut(transactions, at, tail):
    """Cut at operation `at`, recover, append, boot again. Returns (operations, "" or what did not hold)."""
    flash, element = NorFlash(BLOCKS), CountingElement()
    run = Run(flash, element, True)
    formatted = flash.operations
    flash.cut_at = formatted + at
    flash.tail = tail
    try:
        await run.work(transactions)
    except (JournalError, RiskError):  # RSK-015: after a cut in an acknowledgement nothing can be counted
        pass
    vfs.umount("/flash")
    if not flash.dead:
        return flash.operations - formatted, "end"
    flash.power_on()
    shown = len(run.shown)
    later = Run(flash, element, False)
    try:
        await later.journal.open()
        head = later.journal.head_seq
        if head not in (shown, shown + 1) or (head == shown and head and later.journal.head_hash != run.shown[head]):
            return at, "head " + str(head) + " after " + str(shown)
        for record, data, _ in later.journal.entries(1):
            if record[r.SEQ] in run.shown and PureCrypto().sha256(data) != run.shown[record[r.SEQ]]:
                return at, "record " + str(record[r.SEQ]) + " differs"
        await later.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    finally:
        vfs.umount("/flash")
    last = Run(flash, element, False)
    try:
        await last.journal.open()
        if last.journal.head_seq != head + 1:
            return at, "lost after recovery"
    finally:
        vfs.umount("/flash")
    return at, ""


async def main(transactions, first, step):
    """Sample and report."""
    images = failures = operations = 0
    at = first
    while True:
        ended = False
        for tail in (tails.SHORT, tails.BLANK, tails.GARBAGE, tails.DONE):
            try:
                operations, word = await cut(transactions, at, tail)
            except JournalError as error:
                word = "error " + str(error)
            if word == "end":
                ended = True
                break
            images += 1
            if word:
                failures += 1
                print("operation", at, tail, word)
            gc.collect()
        if ended:
            break
        at += step
    print(operations, images, failures)


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
