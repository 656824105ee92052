"""`tasdid bench wire`: bytes of HTTP bodies for each settled payment over a shift of 40 fines (design §10: at most 350).

The whole-system simulation plays the shift with the real terminal and the real server: every record kind of a shift, outcome
signatures, sealed card data, personal data of the reports, receipts of erasure, results, both directions, until nothing
waits and the shift is closed. Three of four cards approve offline, one asks its issuer; cards have different counters, fines different
offences and amounts, two drivers alternate. Measured with the network only while the officer synchronises: after every twentieth fine,
which is as seldom as the sample limits of what may be stored allow with these amounts, on a board of each kind (they differ in how much
a batch may hold), and after every tenth; and with the network all day (then one payment in four asks its issuer while the card waits).
All forty settle there. Last, and not held to the target, a day on which not all do: two cards are refused, one driver pays later, and one payment
is voided, with its own sessions and signatures; what the four cost counts towards the thirty-six that settle.

Beside it the same facts otherwise: each payment as an ISO 8583:1987 advice 0220 with DE55 (with its 0230), which
carries neither reports, nor licences, nor a signature; and the same messages as JSON (RFC 8259), names in words, bytes in
base64.
"""

import base64
import hashlib
import json
from collections import Counter
from typing import Any

import cbor2
import iso8583
from iso8583.specs import default_ascii

from protocol import records as r
from protocol import sync as s
from sim.worlds.simulation.device import BATCH_BYTES
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.factory import DRIVERS, device_name, factory
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.run import Simulation
from tests.support import told

FINES = 40
SYNC_EVERY = 20
OFFENCES = (5, 4, 5, 2)  # lines of the tariff's first page
REFUSED, LATER, VOIDED = (9, 29), 25, 33  # of the fines of a day on which not all settle
TARGET = 350
BOARDS = ("mcu", "linux")
WORK_MS = 40 * 600 * 1000
_NAMES = {value: name for name, value in vars(r).items() if name.isupper() and isinstance(value, int)}


class _Tap:
    """Counts the bodies that pass, by message and by part; keeps the payloads."""

    def __init__(self, air: Any) -> None:
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.parts: Counter[str] = Counter()
        self.payloads: list[tuple[str, dict[int, Any]]] = []
        self._post = air.post
        air.post = self.post

    async def post(self, path: str, body: bytes, timeout_ms: int) -> bytes:
        reply = await self._post(path, body, timeout_ms)
        self._count(body)
        self._count(reply)
        return reply

    def _count(self, body: bytes) -> None:
        protected, _, payload, signature = cbor2.loads(body)
        kind = cbor2.loads(protected)[3].split("/")[1].upper()
        said = cbor2.loads(payload)
        self.messages[kind] += 1
        self.bytes[kind] += len(body)
        self.payloads.append((kind, said))
        self.parts["message signatures and envelopes"] += len(body) - len(payload)
        rest = len(payload)
        if kind == "BATCH":
            for key, name in (
                (s.SIGNATURES, "outcome signatures"),
                (s.SEALED, "sealed card data"),
                (s.PRIVATE, "personal data"),
            ):
                size = len(cbor2.dumps(said[key])) + 2 if key in said else 0
                self.parts[name] += size
                rest -= size
            told_in = told.pieces(said, device_name(0), _sha256)
            for record, size in told_in:
                self.parts["record " + _kind(record)] += size
                rest -= size
            said = {**said, s.RECORDS: [_plain(record) for record, _ in told_in]}
            self.payloads[-1] = (kind, said)
        for key, name in ((s.CLEARED, "receipts of erasure"), (s.RESULTS, "results")):
            if key in said:
                size = len(cbor2.dumps(said[key])) + 2
                self.parts[name] += size
                rest -= size
        self.parts["other fields of " + kind] += rest


_WITH_NETWORK = ("officer: sync", "officer: void")
_ORDER = list(vars(r))
_KINDS = {vars(r)[name]: name for name in _ORDER[_ORDER.index("PROVISIONED") : _ORDER.index("CARD_DATA_ERASED") + 1]}


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _plain(record: dict[int, Any]) -> dict[int, Any]:
    """A record as JSON would have it: without what stands in the batch's head, or beside it."""
    left_out = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL, r.SEALED, r.PRIVATE)
    return {key: value for key, value in record.items() if key not in left_out}


def _kind(record: dict[int, Any]) -> str:
    return _KINDS.get(record[r.KIND], str(record[r.KIND]))


def shift(
    online: bool, board: str = "linux", every: int = SYNC_EVERY, trouble: bool = False
) -> "tuple[_Tap, Simulation]":
    """One shift until nothing waits and it is closed; the officer synchronises after so many fines. With `trouble` not all of them settle."""
    tasks, made = [], factory()
    for n in range(FINES):
        scheme, risk = ("edahabia", "online") if n % 4 == 3 else ("cib", "approve")
        made.issue(f"bench-{n}", {"scheme": scheme, "number": 100 + n, "risk": risk}, 3)
        made.used(f"bench-{n}", 29 + 17 * n)
        card = "declines" if trouble and n in REFUSED else f"bench-{n}"
        tasks.append(Task("fine", DRIVERS[n % 2], card, trouble and n == LATER, OFFENCES[n % len(OFFENCES)]))
        if trouble and n == VOIDED:
            tasks.append(Task("void", card=card, later=True))
        if n % every == every - 1:
            tasks.append(Task("sync"))
    simulation = Simulation(Plan(1, [tasks], []))
    device = simulation.devices[0]
    device.batch_bytes = BATCH_BYTES[BOARDS.index(board)]
    tap = _Tap(device.air)
    device.air.up = online
    device.officer.tell = lambda line: setattr(device.air, "up", online or line.startswith(_WITH_NETWORK))
    device.start()
    simulation.centre.begin()
    simulation.schedule.run(lambda: device.officer.done, WORK_MS)
    device.heal()
    device.officer.settled = lambda: not any(device.terminal.journal.view.due())  # what is left goes with the closing
    simulation.schedule.run(simulation._finished, 3 * WORK_MS, 20_000)
    simulation.oracle.quiescent(simulation.devices)
    assert not simulation.oracle.broken, simulation.oracle.broken
    assert device.terminal.journal.acked_seq == device.terminal.journal.head_seq
    return tap, simulation


def _in_json(payloads: "list[tuple[str, dict[int, Any]]]") -> int:
    """The same messages in JSON, each with a signature of 64 bytes in base64."""

    def plain(value: Any) -> Any:
        if isinstance(value, bytes):
            return base64.b64encode(value).decode()
        if isinstance(value, dict):
            return {(_NAMES.get(k, str(k)).lower() if isinstance(k, int) else k): plain(v) for k, v in value.items()}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return sum(
        len(json.dumps(plain(payload), separators=(",", ":"))) + len(kind) + 88 + 30 for kind, payload in payloads
    )


def _in_iso8583(payments: int) -> int:
    """One 0220 and one 0230 for each payment, with the fields that an acquirer asks for."""
    spec = {key: dict(value) for key, value in default_ascii.items()}
    spec["55"].update(data_enc="b", len_enc="ascii")
    advice = {
        "t": "0220", "2": "9" * 16, "3": "000000", "4": "000000200000", "7": "0101120000", "11": "000001", "12": "120000",
        "13": "0101", "14": "3012", "18": "9311", "22": "051", "23": "001", "25": "00", "32": "00000000001",
        "37": "0" * 12, "38": "123456", "39": "Y1", "41": "TSD00001", "42": "0" * 15, "43": "X" * 40, "49": "012",
        "55": "00" * 140,
    }  # fmt: skip
    reply = {key: advice[key] for key in ("3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49")} | {
        "t": "0230",
        "39": "00",
    }
    return payments * sum(len(iso8583.encode(dict(message), spec)[0]) for message in (advice, reply))


def measure(online: bool, board: str, every: int = SYNC_EVERY, trouble: bool = False) -> dict[str, Any]:
    """The figures of one shift."""
    tap, simulation = shift(online, board, every, trouble)
    settled = len(simulation.centre.book.captures())
    total = sum(tap.bytes.values())
    return {
        "bench": "wire", "board": board, "network": "all day" if online else f"after every {every} fines", "fines": FINES, "settled": settled,
        "day": "two refused, one pays later, one voided" if trouble else "all settle",
        "device": device_name(0), "bytes": total, "bytes_per_settled_payment": round(total / settled, 1), "target": TARGET,
        "messages": {kind: [tap.messages[kind], tap.bytes[kind]] for kind in sorted(tap.messages)},
        "parts_per_payment": {name: round(size / settled, 1) for name, size in tap.parts.most_common()},
        "iso8583_per_payment": round(_in_iso8583(settled) / settled, 1),
        "json_per_payment": round(_in_json(tap.payloads) / settled, 1),
    }  # fmt: skip


def main(arguments: "list[str] | None" = None) -> int:
    """Print the figures; 1 if a shift with the network twice takes more than the target."""
    as_json = "--json" in (arguments or [])
    found = [measure(False, "linux"), measure(False, "mcu"), measure(False, "linux", 10), measure(True, "linux")]
    found.append(measure(False, "linux", trouble=True))
    for figures in found:
        if as_json:
            print(json.dumps(figures))
            continue
        print(
            f"{figures['board']}, network {figures['network']}, {figures['day']}: "
            f"{figures['bytes_per_settled_payment']} bytes for each of {figures['settled']} payments"
        )
        for name, (count, size) in figures["messages"].items():
            print(f"  {count:4} {name:10} {size:7} bytes")
        for name, size in figures["parts_per_payment"].items():
            print(f"  {size:7} {name}")
        print(
            f"  the same in JSON {figures['json_per_payment']}, payments alone in ISO 8583 {figures['iso8583_per_payment']}"
        )
    return 0 if max(figures["bytes_per_settled_payment"] for figures in found[:2]) <= TARGET else 1
