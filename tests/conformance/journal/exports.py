"""An exported journal for tests: the terminal's journal in memory, signed by the simulated secure element's own
computing.
"""

import asyncio
import hashlib
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


def element(folder: Path) -> StateElement:
    """A device's secure element with a key of its own."""
    state = folder / "element.json"
    SecureElementState.create(state, {0: ec.generate_private_key(ec.SECP256R1())}, {})
    return StateElement(state)


def make(folder: Path) -> tuple[bytes, bytes]:
    """(export, pinned public key) of a shift with three payments, one of them approved later, one voided."""
    part = element(folder)
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


def chained(items: list[bytes], part: StateElement, content_type: str = "tsd/journal", **said: object) -> bytes:
    """An export of the opening and records in `items` with a chain and a closing item that hold, as only who has the
    device's key can make it: what is wrong in it must be seen by its content. `said` changes what the closing item
    says: device, first, last, counter, hash.
    """
    records = [dict(cbor2.loads(cbor2.loads(item)[0])) for item in items[1:]]
    out, previous, last = [items[0]], records[0][r.PREV], 0
    header = {1: -7, 3: "tsd/outcome", 4: DEVICE.encode()}
    for record in records:
        if record[r.SEQ] == last + 1:
            record[r.PREV] = previous
        last = record[r.SEQ]
        data = cbor2.dumps(record, canonical=True)
        previous = hashlib.sha256(data).digest()
        signed = record[r.KIND] in (r.PAYMENT_OUTCOME, r.VOID)
        out.append(cbor2.dumps([data, sign(part, header, data)[1] if signed else None], canonical=True))
    digest = b""
    for item in out:
        digest = hashlib.sha256(digest + item).digest()
    payload = {
        1: said.get("device", DEVICE),
        2: said.get("first", records[0][r.SEQ]),
        3: said.get("last", records[-1][r.SEQ]),
        4: previous,
    }
    payload |= {5: said.get("counter", records[-1][r.COUNTER]), 6: len(records), 7: digest}
    if "hash" in said:
        payload[4] = said["hash"]
    body = cbor2.dumps(payload, canonical=True)
    protected, signature = sign(part, {1: -7, 3: content_type, 4: DEVICE.encode()}, body)
    return b"".join([*out, cbor2.dumps(cbor2.CBORTag(18, [protected, {}, body, signature]), canonical=True)])


def sign(part: StateElement, header: dict, payload: bytes) -> tuple[bytes, bytes]:
    """(protected header, signature)"""
    protected = cbor2.dumps(header, canonical=True)
    structure = cbor2.dumps(["Signature1", protected, b"", payload])
    return protected, asyncio.run(part.sign(0, hashlib.sha256(structure).digest()))
