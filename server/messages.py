"""What a device may say, strictly parsed: HELLO, BATCH, CLOSE, AUTHORISE (numbers: `protocol.sync`).

`open_message` takes bytes and the register of public keys, and returns a message whose signature, key id, role, sizes
and types have been checked, and for a batch its restored records with hash and outcome signature. It needs no database,
so the shell runs it outside the writer's thread. What needs history (nonce, epoch, chain, intents) is
`server.ingest`'s.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol import records as r
from protocol import sync as s
from protocol.errors import FormatError
from server import codes, envelope, restoring, schema, strict
from server.batches import TELLING, Batch, Beside, RawRow, Span
from server.store.devices import Device

MAX_RECORDS = 256
MAX_SEALED = 999  # bytes: one LLLVAR field of ISO 8583
MAX_PRIVATE = 4096
Find = Callable[[str], Device | None]
_NONE: dict[int, bytes] = {}


@dataclass(frozen=True)
class Hello:
    """HELLO."""

    device: Device
    nonce: bytes
    epoch: int
    head_seq: int
    head_hash: bytes
    first_retained: int
    firmware: str
    sets: dict[str, int]
    utc: int
    clock: int
    health: dict[str, int]
    trouble: str = ""  # the code because of which it cannot go on
    approval: bytes = b""  # of its epoch, COSE_Sign1


@dataclass(frozen=True)
class Close:
    """CLOSE: the totals of one shift, records `first_seq`..`last_seq`; keys of `totals` as
    `protocol.records.totals_step`.
    """

    device: Device
    nonce: bytes
    epoch: int
    first_seq: int
    last_seq: int
    totals: dict[int, list[int]]


@dataclass(frozen=True)
class Authorise:
    """AUTHORISE: a payment to be put to its issuer while the card waits. `card_data` is sealed for the acquirer."""

    device: Device
    nonce: bytes
    epoch: int
    intent: int
    amount: int
    utc: int
    card_data: bytes


Message = Hello | Batch | Close | Authorise


@dataclass(frozen=True)
class Refusal:
    """A message that is to be answered with REFUSED."""

    code: str
    message: str
    nonce: bytes
    device: str


def _is_uint(value: Any, high: int = schema.U32) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= high


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise codes.RefusedError(codes.MALFORMED, f"{what} missing, or of a wrong kind or size")


def echo_of(body: bytes) -> tuple[bytes, str]:
    """(nonce, device) that a refusal should echo: whatever the message says they are, empty if unreadable. Checks nothing else."""
    try:
        opened = envelope.parse(body)
        payload = strict.decode(opened.payload)
        device = opened.key_id.decode()
    except (FormatError, codes.RefusedError, UnicodeDecodeError):
        return b"", ""
    nonce = payload.get(s.NONCE) if isinstance(payload, dict) else None
    return nonce if isinstance(nonce, bytes) and len(nonce) <= 16 else b"", device[:32]


def check(body: bytes, find: Find) -> Message | Refusal:
    """Parse and verify a message; never raises for anything that a device or a stranger may send."""
    try:
        return open_message(body, find)
    except codes.RefusedError as error:
        return Refusal(error.code, error.message, *echo_of(body))


def open_message(body: bytes, find: Find) -> Message:
    """Check and parse a message. RefusedError says what is wrong."""
    opened = envelope.parse(body)
    reader = _READERS.get(opened.content_type)
    if reader is None:
        raise codes.RefusedError(codes.WRONG_TYPE, "this is no message of a device")
    try:
        name = opened.key_id.decode()
    except UnicodeDecodeError as error:
        raise codes.RefusedError(codes.UNKNOWN_DEVICE, "device is not registered") from error
    device = find(name)
    if device is None:
        raise codes.RefusedError(codes.UNKNOWN_DEVICE, "device is not registered")
    if not envelope.holds(device.public_key, opened.protected, opened.payload, opened.signature):
        raise codes.RefusedError(codes.BAD_SIGNATURE, "signature of the message does not hold")
    try:
        payload, marks = strict.decode_marked(opened.payload, s.RECORDS, restoring.BODY)
    except FormatError as error:
        raise codes.RefusedError(codes.MALFORMED, f"payload is not strict CBOR ({error.code})") from error
    _need(isinstance(payload, dict), "payload")
    if payload.get(s.DEVICE, name) != name:
        raise codes.RefusedError(codes.WRONG_DEVICE, "payload and signature name different devices")
    nonce = payload.get(s.NONCE)
    _need(isinstance(nonce, bytes) and len(nonce) == 8, "nonce")
    _need(_is_uint(payload.get(s.EPOCH)), "epoch")
    if reader is _batch:
        return _batch(device, payload, opened.payload, marks)
    return reader(device, payload)


def _hello(device: Device, p: dict[int, Any]) -> Hello:
    _need(_is_uint(p.get(s.HEAD_SEQ)), "head sequence")
    _need(isinstance(p.get(s.HEAD_HASH), bytes) and len(p[s.HEAD_HASH]) == 32, "head hash")
    _need(_is_uint(p.get(s.FIRST_RETAINED)), "first retained")
    _need(isinstance(p.get(s.FIRMWARE), str) and len(p[s.FIRMWARE]) <= 64, "firmware")
    _need(_is_uint(p.get(s.UTC), 1 << 40) and _is_uint(p.get(s.CLOCK), 2), "clock")
    sets, health = p.get(s.SETS, {}), p.get(s.HEALTH, {})
    for value, what in ((sets, "sets"), (health, "health")):
        _need(isinstance(value, dict) and len(value) <= 32, what)
        _need(all(isinstance(k, str) and len(k) <= 32 and _is_uint(v) for k, v in value.items()), what)
    trouble, approval = p.get(s.TROUBLE, ""), p.get(s.APPROVAL, b"")
    _need(isinstance(trouble, str) and len(trouble) <= 8, "trouble")
    _need(isinstance(approval, bytes) and len(approval) <= 512, "approval")
    return Hello(
        device,
        p[s.NONCE],
        p[s.EPOCH],
        p[s.HEAD_SEQ],
        p[s.HEAD_HASH],
        p[s.FIRST_RETAINED],
        p[s.FIRMWARE],
        sets,
        p[s.UTC],
        p[s.CLOCK],
        health,
        trouble,
        approval,
    )


def _attachments(p: dict[int, Any], key: int, count: int, high: int, low: int = 1) -> dict[int, bytes]:
    """The blobs under `key` by record, each whole again."""
    found = p.get(key, {})
    _need(isinstance(found, dict), "attachments")
    begin = p.get(s.SHARED, {}).get(key, b"")
    if begin:
        _need(all(isinstance(blob, bytes) for blob in found.values()) and len(begin) <= high, "attachment")
        found = {index: begin + blob for index, blob in found.items()}
    for index, blob in found.items():
        _need(_is_uint(index) and index < count and isinstance(blob, bytes) and low <= len(blob) <= high, "attachment")
    return found


def _batch(device: Device, p: dict[int, Any], payload: bytes = b"", marks: list[strict.Mark] | None = None) -> Batch:
    """`marks` say where the records' bodies stand in `payload`, see `server.restoring`."""
    records = p.get(s.RECORDS)
    _need(isinstance(records, list) and 1 <= len(records) <= MAX_RECORDS, "records")
    assert isinstance(records, list)
    first: Any = p.get(s.FIRST_SEQ)
    _need(_is_uint(first) and first != 0, "first sequence")
    _need(isinstance(p.get(s.PREV_HASH), bytes) and len(p[s.PREV_HASH]) == 32, "previous hash")
    _need(_is_uint(p.get(s.GAP, 0)) and p.get(s.GAP, 0) < first, "gap")
    _need(_is_uint(p.get(s.CUM_COUNT)) and _is_uint(p.get(s.CUM_TOTAL), 10**15), "running totals")
    shared = p.get(s.SHARED, {})
    _need(isinstance(shared, dict) and shared.keys() <= {s.SEALED, s.PRIVATE}, "shared beginnings")
    _need(all(isinstance(value, bytes) for value in shared.values()), "shared beginnings")
    signatures = _attachments(p, s.SIGNATURES, len(records), 64, 64)
    sealed = _attachments(p, s.SEALED, len(records), MAX_SEALED)
    private = _attachments(p, s.PRIVATE, len(records), MAX_PRIVATE)
    head = {
        r.DEVICE: device.device,
        r.EPOCH: p[s.EPOCH],
        r.SEQ: first,
        r.PREV: p[s.PREV_HASH],
        r.CUM_COUNT: p[s.CUM_COUNT],
        r.CUM_TOTAL: p[s.CUM_TOTAL],
    }
    restorer = restoring.Restorer(head, payload, marks)
    reading = _Reading(device, restorer)
    for index, item in enumerate(records):
        reading.take(index, item, signatures.get(index), sealed.get(index), private.get(index))
    first_counter, first_utc = reading.first
    ends = Span(
        first_counter, first_utc, restorer.steady,
        restorer.seq - 1, reading.raw[-1][2], restorer.cum_count, restorer.cum_total, restorer.counter, restorer.utc,
    )  # fmt: skip
    return Batch(
        device, p[s.NONCE], p[s.EPOCH], first, p[s.PREV_HASH], p[s.CUM_COUNT], p[s.CUM_TOTAL],
        reading.raw, reading.beside, ends, p.get(s.GAP, 0), reading.records,
    )  # fmt: skip


class _Reading:
    """The records of a batch, restored and judged one after the other."""

    def __init__(self, device: Device, restorer: restoring.Restorer) -> None:
        self._device, self._restorer = device, restorer
        self.raw: list[RawRow] = []
        self.beside: dict[int, Beside] = {}
        self.records: dict[int, dict[int, Any]] = {}
        self.first = (0, 0)  # counter and time of the first record

    def take(self, index: int, item: Any, signature: bytes | None, sealed: bytes | None, private: bytes | None) -> None:
        """One record, with what travels beside it. RefusedError MALFORMED."""
        restorer = self._restorer
        _need(type(item) is dict, "record")
        digests = _NONE if sealed is None and private is None else _digests(sealed, private)
        record = None
        try:
            item = restorer.whole_body(index, item, digests)
            data = restorer.follow(item)
            if data is None:
                _need(schema.restorable(item), "record")
                record, data = restorer.restore(item)
        except FormatError as error:
            what = f"record {index + 1} of the batch cannot be restored ({error.code})"
            raise codes.RefusedError(codes.MALFORMED, what) from error
        kind, seq = item[r.KIND], restorer.seq
        if record is None and (kind in TELLING or not restorer.sound):
            record = restorer.record()
        rejected = _judge(self._device, item if restorer.sound else None, record or item, data, signature)
        digest = hashlib.sha256(data).digest()
        self.raw.append((seq, kind, digest, data, signature, rejected))
        if record is not None:
            self.records[seq] = record
        if digests:
            self._attach(seq, item, digests, sealed, private)
        if not index:
            self.first = (restorer.counter, restorer.utc)
        restorer.advance(digest)

    def _attach(
        self, seq: int, item: dict[int, Any], digests: dict[int, bytes], sealed: bytes | None, private: bytes | None
    ) -> None:
        """The blobs beside a record, if they are what it says."""
        notice = None
        if sealed is not None and digests[r.SEALED] != item.get(r.SEALED):
            sealed, notice = None, codes.SEALED_DIFFERS
        if private is not None and digests[r.PRIVATE] != item.get(r.PRIVATE):
            private, notice = None, codes.SEALED_DIFFERS
        self.beside[seq] = (notice, sealed, private)


def _digests(sealed: bytes | None, private: bytes | None) -> dict[int, bytes]:
    """Digests of the blobs beside a record."""
    found = {}
    if sealed is not None:
        found[r.SEALED] = hashlib.sha256(sealed).digest()
    if private is not None:
        found[r.PRIVATE] = hashlib.sha256(private).digest()
    return found


def _judge(
    device: Device, item: dict[int, Any] | None, record: dict[int, Any], data: bytes, signature: bytes | None
) -> str | None:
    """What is wrong with a record by itself. `item` is its wire map if its common keys are sound."""
    kind = record[r.KIND]
    if item is not None:
        if kind not in schema.REQUIRED:
            return codes.UNKNOWN_KIND
        if schema.body_problem(item) is not None:
            return codes.BAD_RECORD
    elif not schema.known(record):
        return codes.UNKNOWN_KIND
    elif schema.problem(record) is not None:
        return codes.BAD_RECORD
    if kind == r.PAYMENT_OUTCOME or kind == r.VOID:  # money: signed one by one
        header = envelope.protected_header(s.TYPE_OUTCOME, device.device.encode())
        if signature is None or not envelope.holds(device.public_key, header, data, signature):
            return codes.BAD_OUTCOME_SIGNATURE
    return None


def _close(device: Device, p: dict[int, Any]) -> Close:
    first, last, totals = p.get(s.FIRST_SEQ), p.get(s.LAST_SEQ), p.get(s.TOTALS)
    _need(_is_uint(first) and _is_uint(last), "range of the shift")
    _need(0 < p[s.FIRST_SEQ] <= p[s.LAST_SEQ], "range of the shift")
    _need(schema.FIELDS[r.TOTALS](totals), "totals")
    return Close(device, p[s.NONCE], p[s.EPOCH], p[s.FIRST_SEQ], p[s.LAST_SEQ], p[s.TOTALS])


def _authorise(device: Device, p: dict[int, Any]) -> Authorise:
    _need(_is_uint(p.get(s.INTENT)) and p[s.INTENT] != 0, "intent")
    _need(schema.FIELDS[r.AMOUNT](p.get(s.AMOUNT)), "amount")
    _need(_is_uint(p.get(s.UTC), 1 << 40), "time")
    data = p.get(s.CARD_DATA)
    _need(isinstance(data, bytes) and 1 <= len(data) <= MAX_SEALED, "card data")
    return Authorise(device, p[s.NONCE], p[s.EPOCH], p[s.INTENT], p[s.AMOUNT], p[s.UTC], p[s.CARD_DATA])


_READERS: dict[str, Callable[[Device, dict[int, Any]], Message]] = {
    s.TYPE_HELLO: _hello,
    s.TYPE_BATCH: _batch,
    s.TYPE_CLOSE: _close,
    s.TYPE_AUTHORISE: _authorise,
}
