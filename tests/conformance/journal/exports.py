"""An exported journal for tests: the terminal's journal in memory, signed by the simulated secure element's own
computing.
"""

import asyncio
from pathlib import Path

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from sim.parts.secure_element import SecureElementState
from terminal.journal.export import export
from terminal.journal.journal import Journal
from tests.support.parts import HandClock, MemoryStorage
from tools.journal.exporting import StateElement

DEVICE = "TSD-000001"


def make(folder: Path) -> tuple[bytes, bytes]:
    """(export, pinned public key) of a shift with three payments, one of them approved later, one voided."""
    state = folder / "element.json"
    SecureElementState.create(state, {0: ec.generate_private_key(ec.SECP256R1())}, {})
    part = StateElement(state)
    pieces: list[bytes] = []

    async def work() -> bytes:
        crypto = NativeCrypto()
        journal = Journal(MemoryStorage(), part, HandClock(), crypto, DEVICE)
        await journal.open()
        await journal.append(r.PROVISIONED, {r.WILAYA: 16, r.FORCE: 1})
        await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16, r.FORCE: 1})
        for number, outcome in ((1, 1), (2, 2), (3, 3)):
            intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000})
            body = {r.CASE: number, r.INTENT: intent[r.SEQ], r.AMOUNT: 500000, r.OUTCOME: outcome}
            await journal.append(r.PAYMENT_OUTCOME, body)
        body = {r.CASE: 2, r.INTENT: 5, r.AMOUNT: 500000, r.OUTCOME: 1}
        await journal.append(r.AUTHORISATION_RESULT, body)
        body = {r.CASE: 1, r.INTENT: 3, r.AMOUNT: 500000}
        asked = {r.VOID_STATE: r.VOID_ASKED, r.SECOND_OFFICER: 1012, r.CARD_TOKEN: bytes(8)}
        await journal.append(r.VOID, {**body, **asked})
        await journal.append(r.VOID, {**body, r.VOID_STATE: r.VOID_DONE, r.REASON: "00"})
        await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 2, r.TOTALS: journal.view.totals})
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        await export(journal, part, crypto, {"wilaya": 16}, pieces.append)
        return await part.public_key(0)

    key = asyncio.run(work())
    return b"".join(pieces), key


def split(data: bytes) -> list[bytes]:
    """The items of an export: opening, records, closing."""
    items = []
    at = 0
    while at < len(data):
        size = next(n for n in range(1, len(data) - at + 1) if _whole(data[at : at + n]))
        items.append(data[at : at + size])
        at += size
    return items


def _whole(piece: bytes) -> bool:
    try:
        return len(cbor2.dumps(cbor2.loads(piece), canonical=True)) == len(piece)
    except (cbor2.CBORError, ValueError):
        return False


def change(item: bytes, key: int, value: object) -> bytes:
    """A record's item with one field changed."""
    record, signature = cbor2.loads(item)
    fields = dict(cbor2.loads(record))
    fields[key] = value
    return cbor2.dumps([cbor2.dumps(fields, canonical=True), signature], canonical=True)
