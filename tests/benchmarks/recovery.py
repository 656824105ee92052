"""`tasdid bench recovery`: a journal of 10,000 records read back at boot, on CPython and on 32-bit MicroPython.

The journal is the terminal's own, on a storage in memory (what flash adds is its own affair), with a patrol's kinds of records. Three
boots: the usual one, which reads the newest segment and looks at the frames of those that nobody has acknowledged, here all of them;
one after damage in the first segment, which reads every record again and puts the chain to the test; and one after hundreds of records
were damaged in all segments. CPython's usual boot must take at most 1 s (issue's target); MicroPython's are stated, and must fit the
heap. Times are this machine's.
"""

import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from protocol import records as r
from protocol.crypto.native import NativeCrypto
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage
from tools.image import build_image, device_command

ROOT = Path(__file__).resolve().parents[2]
RECORDS = 10_000
TARGET_S = 1.0
DEVICE_HEAP = 192  # KiB
_CASE = (
    (r.LICENCE_READ, {r.VERDICT: r.VERDICT_GENUINE, r.LICENCE_TOKEN: bytes(8)}),
    (r.NOTICE, {r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 500000, r.POINTS: 6, r.PLACE: "RN 5, Rouiba"}),
    (r.ACKNOWLEDGED, {}),
    (r.PAYMENT_INTENT, {r.AMOUNT: 500000}),
    (r.PAYMENT_OUTCOME, {r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_DECLINED, r.REASON: "card"}),
    (r.RECEIPT_PRINTED, {r.COPY: r.COPY_DRIVER}),
    (r.LICENCE_DISPOSITION, {r.DISPOSITION: r.DISPOSITION_RETAINED}),
    (r.CASE_CLOSED, {r.CLOSURE: r.CLOSURE_DECLINED}),
)


def _journal(storage: MemoryStorage, element: CountingElement) -> Journal:
    return Journal(storage, element, HandClock(), NativeCrypto(), "TSD-000001")


async def fill(storage: MemoryStorage, element: CountingElement) -> None:
    """A journal of RECORDS records, none acknowledged."""
    storage.free_bytes = lambda: 1 << 30
    journal = _journal(storage, element)
    await journal.open()
    intent = 0
    for number in range(RECORDS):
        kind, body = _CASE[number % len(_CASE)]
        case = 1 + number // len(_CASE)
        whole = {**body, r.CASE: case} if kind != r.LICENCE_READ else body
        if kind == r.NOTICE:
            whole[r.PV] = f"000001-{case:05d}"
        if kind == r.PAYMENT_OUTCOME:
            whole[r.INTENT] = intent
        record = await journal.append(kind, whole)
        intent = record[r.SEQ] if kind == r.PAYMENT_INTENT else intent


def boot(storage: MemoryStorage, element: CountingElement) -> tuple[float, Journal]:
    """(seconds, the journal) of one boot."""
    journal = _journal(storage, element)
    began = time.perf_counter()
    asyncio.run(journal.open())
    return time.perf_counter() - began, journal


def _spoil(storage: MemoryStorage) -> None:
    """One bit of a record in the first segment, which has no second copy."""
    name = "journal/000001.seg"
    data = bytearray(storage.files[name])
    data[len(data) // 2] ^= 4
    storage.files[name] = bytes(data)


def _spoil_many(storage: MemoryStorage) -> int:
    """One bit in every 2,500 bytes of every segment but the last; returns how many."""
    count = 0
    for name in sorted(name for name in storage.files if name.startswith("journal/"))[:-1]:
        data = bytearray(storage.files[name])
        for position in range(2000, len(data), 2500):
            data[position] ^= 4
            count += 1
        storage.files[name] = bytes(data)
    return count


def on_device(folder: Path, storage: MemoryStorage, counter: int) -> tuple[int, int] | None:
    """(milliseconds, records) of a boot on MicroPython, from files in `folder`; None if it does not fit."""
    for name, data in storage.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    image = folder / "recovery.img"
    build_image(image, ("protocol", "drivers", "terminal"), [ROOT / "tests" / "benchmarks"], optimise=0, strict=False)
    words = [str(folder), str(counter)]
    command = device_command(image, "tests.benchmarks.recovery_device", f"{DEVICE_HEAP}k", words)
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        return None
    took, head = done.stdout.split()
    return int(took), int(head)


def main(arguments: "list[str] | None" = None) -> int:
    """Print a line of JSON; 1 if a boot does not find all records, or CPython's takes longer than the target."""
    words = arguments or []
    storage, element = MemoryStorage(), CountingElement()
    asyncio.run(fill(storage, element))
    usual, journal = boot(storage, element)
    found: dict[str, Any] = {
        "bench": "recovery", "records": journal.head_seq, "segments": sum(n.startswith("journal/") for n in storage.files),
        "bytes": sum(map(len, storage.files.values())), "cpython_s": round(usual, 3), "target_s": TARGET_S,
    }  # fmt: skip
    held = journal.head_seq == RECORDS and usual <= TARGET_S
    if "--no-device" not in words:
        with tempfile.TemporaryDirectory() as folder:
            device = on_device(Path(folder), storage, element.counters[0])
        found["micropython_s"] = None if device is None else round(device[0] / 1000, 3)
        found["micropython_heap_kib"] = DEVICE_HEAP
        held = held and device is not None and device[1] == RECORDS
    _spoil(storage)
    found["cpython_after_damage_s"], journal = (
        round(value, 3) if isinstance(value, float) else value for value in boot(storage, element)
    )
    held = held and journal.head_seq == RECORDS + len(journal.losses.gaps) and bool(journal.losses.gaps)
    if "--no-device" not in words:
        found["damaged_records"] = _spoil_many(storage)
        with tempfile.TemporaryDirectory() as folder:
            device = on_device(Path(folder), storage, element.counters[0])
        found["micropython_after_damage_s"] = None if device is None else round(device[0] / 1000, 3)
        held = held and device is not None and device[1] > RECORDS
    print(json.dumps(found))
    return 0 if held else 1
