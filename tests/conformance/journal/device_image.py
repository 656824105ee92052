"""Runs on MicroPython: a shift with a real journal on MicroPython's own littlefs over the NOR model, the power cut in the middle of
one payment.

    micropython device_image.py IMAGE PORT CUT     IMAGE holds a volume with the device's identity and is written back; the secure
    element listens at PORT; the power goes at so many flash operations after an intent. Prints {"head": last record,
    "shown": {seq: hash}, "blobs": {name: digest}} as JSON.
"""

import asyncio
import json
import sys

import vfs

from drivers.secure_element_link import LinkSecureElement
from drivers.storage_vfs import VfsStorage
from drivers.uart_link import LinkUart
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from sim.parts.nor import tails
from sim.parts.nor.flash import BLOCK, NorFlash
from terminal import identity
from terminal.journal.journal import Journal
from tests.support.parts import HandClock

ROOT = "/image"
OUTCOMES = (r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED, r.OUTCOME_DECLINED)


class Handheld:
    """One flash and one secure element. `shown` holds the hash of every record that a person may have been shown, `blobs` of
    what lies beside them."""

    def __init__(self, flash, port):
        self.flash = flash
        self.element = LinkSecureElement(LinkUart("127.0.0.1", port))
        self.clock = HandClock()
        self.shown = {}
        self.blobs = {}

    async def boot(self):
        """As `terminal.boards.mcu` mounts it and the terminal opens it."""
        storage = VfsStorage(ROOT, self._mount)
        storage.mount()
        self.journal = Journal(storage, self.element, self.clock, PureCrypto(), identity.load(storage).device)
        await self.journal.open()

    def _mount(self):
        vfs.mount(vfs.VfsLfs2(self.flash, progsize=64, readsize=64, lookahead=32), ROOT)

    async def append(self, kind, body, **blobs):
        """One record; its number."""
        record = await self.journal.append(kind, body, **blobs)
        seq = record[r.SEQ]
        self.shown[str(seq)] = self.journal.head_hash.hex()
        for folder in blobs:
            self.blobs[folder + "/" + str(seq)] = PureCrypto().sha256(blobs[folder]).hex()
        return seq

    async def fine(self, number, operations=0):
        """One fine; with `operations` the power goes at so many of them after the intent."""
        self.clock.utc += 600
        notice = {r.CASE: number, r.PV: str(number), r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 500000, r.POINTS: 6}
        await self.append(r.NOTICE, notice, private=bytes((number,)) * 180)
        intent = await self.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000})
        if operations:
            self.flash.cut_at = self.flash.operations + operations
            self.flash.tail = tails.GARBAGE
        outcome = OUTCOMES[number % 3]
        body = {r.CASE: number, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: outcome}
        await self.append(r.PAYMENT_OUTCOME, body, sealed=bytes((number,)) * 250)
        await self.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_PAID})


async def main(image, port, cut):
    """The shift, and what was shown of it."""
    blocks = []
    with open(image, "rb") as file:
        while block := file.read(BLOCK):
            blocks.append(block)
    held = Handheld(NorFlash(len(blocks), blocks), port)
    await held.boot()
    await held.append(r.PROVISIONED, {r.WILAYA: 16, r.FORCE: 1})
    await held.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16, r.FORCE: 1})
    for number in (1, 2):
        await held.fine(number)
    held.journal.acknowledge(held.journal.head_seq, held.journal.head_hash)
    for number in (3, 4, 5):
        await held.fine(number)
    try:
        await held.fine(6, cut)
    except JournalError:
        pass
    vfs.umount(ROOT)
    assert held.flash.dead, "the power did not go"
    held.flash.power_on()
    await held.boot()
    await held.journal.end_what_was_cut()
    await held.append(r.CASE_CLOSED, {r.CASE: 6, r.CLOSURE: r.CLOSURE_ABANDONED})
    await held.fine(7)
    await held.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    vfs.umount(ROOT)
    with open(image, "wb") as file:
        for block in held.flash.blocks:
            file.write(block)
    print(json.dumps({"head": held.journal.head_seq, "shown": held.shown, "blobs": held.blobs}))


asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
