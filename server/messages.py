"""What a device may say, strictly parsed: HELLO, BATCH, CLOSE, AUTHORISE (numbers: `protocol.sync`).

`open_message` takes bytes and the register of public keys, and returns a message whose signature, key id, role, sizes
and types have been checked, and for a batch its restored records with hash and outcome signature. It needs no database,
so the shell runs it outside the writer's thread. What needs history (nonce, epoch, chain, intents) is
`server.ingest`'s.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from protocol import batch, wire
from protocol import records as r
from protocol import sync as s
from protocol.errors import FormatError
from server import codes, envelope, restoring, schema, strict
from server.store.devices import Device

MAX_RECORDS = 256
MAX_SEALED = 999  # bytes: one LLLVAR field of ISO 8583
MAX_PRIVATE = 4096
MAX_RESTORED = 1 << 19  # bytes of a batch's records: what is told in a few may be long
SIGNED = (r.PAYMENT_OUTCOME, r.VOID)  # money: signed one by one
Find = Callable[[str], Device | None]


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
    form: int = 1  # in which it takes the reply


class Entry(NamedTuple):
    """One restored record of a batch."""

    seq: int
    record: dict[int, Any]
    data: bytes  # its deterministic CBOR
    hash: bytes
    signature: bytes | None
    rejected: str | None  # code of what is wrong with the record by itself: it is kept, not posted
    notice: str | None  # code of what is wrong beside it: it is posted
    sealed: bytes | None
    private: bytes | None


@dataclass(frozen=True)
class Batch:
    """BATCH; `cum_count` and `cum_total` are the running totals *before* its first record."""

    device: Device
    nonce: bytes
    epoch: int
    first_seq: int
    prev_hash: bytes
    cum_count: int
    cum_total: int
    entries: tuple[Entry, ...]
    gap: int = 0  # records from this one to `first_seq` - 1 are lost; 0: none
    form: int = 1  # in which its terminal takes the reply


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
    sets, health = _named(p.get(s.SETS, {})), p.get(s.HEALTH, {})
    for value, what in ((sets, "sets"), (health, "health")):
        _need(isinstance(value, dict) and len(value) <= 32, what)
        _need(all(isinstance(k, str) and len(k) <= 32 and _is_uint(v) for k, v in value.items()), what)
    trouble, approval = p.get(s.TROUBLE, ""), p.get(s.APPROVAL, b"")
    _need(isinstance(trouble, str) and len(trouble) <= 8, "trouble")
    _need(isinstance(approval, bytes) and len(approval) <= 512, "approval")
    form = p.get(s.FORM, 1)
    _need(_is_uint(form) and form > 0, "form")
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
        form,
    )


def _named(sets: Any) -> Any:
    """Versions by the kinds' names."""
    if not isinstance(sets, dict):
        return sets
    kinds = s.SET_KINDS
    return {kinds[key] if _is_uint(key) and key < len(kinds) else key: version for key, version in sets.items()}


Blobs = dict[int, bytes]


def _attachments(p: dict[int, Any], key: int, high: int) -> Blobs:
    """The blobs under `key` by record, each whole again."""
    found = p.get(key, {})
    _need(isinstance(found, dict) and all(isinstance(blob, bytes) for blob in found.values()), "attachments")
    frame = p.get(s.SHARED, {}).get(key)
    if frame is not None:
        kinds = [type(part) for part in frame] if isinstance(frame, list) else []
        _need(kinds == [bytes, int, bytes] and 0 <= frame[1] <= high, "what attachments share")
        _need(len(frame[0]) + len(frame[2]) <= high, "what attachments share")
        found = {index: wire.unframe(frame, blob) for index, blob in found.items()}
    for index, blob in found.items():
        _need(_is_uint(index) and index < MAX_RECORDS and 1 <= len(blob) <= high, "attachment")
    return found


def _batch(device: Device, p: dict[int, Any], payload: bytes = b"", marks: list[strict.Mark] | None = None) -> Batch:
    """`marks` say where the records' bodies stand in `payload`, see `server.restoring`."""
    first = p.get(s.FIRST_SEQ)
    _need(_is_uint(first) and first != 0, "first sequence")
    _need(isinstance(p.get(s.PREV_HASH), bytes) and len(p[s.PREV_HASH]) == 32, "previous hash")
    _need(_is_uint(p.get(s.GAP, 0)) and p.get(s.GAP, 0) < first, "gap")
    _need(_is_uint(p.get(s.CUM_COUNT)) and _is_uint(p.get(s.CUM_TOTAL), 10**15), "running totals")
    shared = p.get(s.SHARED, {})
    _need(isinstance(shared, dict) and shared.keys() <= {s.SEALED, s.PRIVATE}, "what attachments share")
    sealed = _attachments(p, s.SEALED, MAX_SEALED)
    private = _attachments(p, s.PRIVATE, MAX_PRIVATE)
    head = {
        r.DEVICE: device.device,
        r.EPOCH: p[s.EPOCH],
        r.SEQ: first,
        r.PREV: p[s.PREV_HASH],
        r.CUM_COUNT: p[s.CUM_COUNT],
        r.CUM_TOTAL: p[s.CUM_TOTAL],
    }
    records = p.get(s.RECORDS)
    if isinstance(records, bytes):
        restored = _told(restoring.Restorer(head, payload, None), records, sealed, private)
    else:
        restored = _mapped(restoring.Restorer(head, payload, marks), records)
    signatures = _signatures(p.get(s.SIGNATURES, {}), [record for record, _, _ in restored])
    _need(max([*signatures, *sealed, *private], default=0) < len(restored), "attachments")
    entries = [
        _entry(device, *found, signatures.get(index), sealed.get(index), private.get(index))
        for index, found in enumerate(restored)
    ]
    return Batch(
        device, p[s.NONCE], p[s.EPOCH], p[s.FIRST_SEQ], p[s.PREV_HASH], p[s.CUM_COUNT], p[s.CUM_TOTAL],
        tuple(entries), p.get(s.GAP, 0), s.SHORT_FORM if isinstance(records, bytes) else 1,
    )  # fmt: skip


Restored = tuple[dict[int, Any], bytes, bytes]
"""A record, its CBOR, its hash."""


def _mapped(restorer: restoring.Restorer, records: Any) -> list[Restored]:
    """The records of a batch of release 0.1.0: a list of wire maps."""
    _need(isinstance(records, list) and 1 <= len(records) <= MAX_RECORDS, "records")
    found = []
    for index, item in enumerate(records):
        _need(isinstance(item, dict) and schema.restorable(item), "record")
        try:
            found.append(restorer.next(item, restorer.sliced(index)))
        except FormatError as error:
            raise _beyond(index, error) from error
    return found


def _told(restorer: restoring.Restorer, data: bytes, sealed: Blobs, private: Blobs) -> list[Restored]:
    """The records of a batch as `protocol.batch` tells them."""
    course = batch.Course(restorer.device)
    found: list[Restored] = []
    at = size = 0
    while at < len(data):
        index = len(found)
        digests = _digests(sealed.get(index), private.get(index))
        try:
            told = wire.hear(course, data, at, digests, strict.decode_prefix)
            _need(schema.restorable(told.item), "record")
            found.append(restorer.next(told.item, restoring.gathered(told.item)))
        except FormatError as error:
            raise _beyond(index, error) from error
        course.go_on(found[-1][0], told.at, told.beside)
        at, size = told.end, size + len(found[-1][1])
        _need(len(found) <= MAX_RECORDS and size <= MAX_RESTORED, "records")
    _need(bool(found), "records")
    return found


def _beyond(index: int, error: FormatError) -> codes.RefusedError:
    return codes.RefusedError(codes.MALFORMED, f"record {index + 1} of the batch cannot be restored ({error.code})")


def _digests(sealed: bytes | None, private: bytes | None) -> dict[int, bytes]:
    """The digests that are not told because their blobs travel beside the record."""
    blobs = ((r.SEALED, sealed), (r.PRIVATE, private))
    return {key: hashlib.sha256(blob).digest() for key, blob in blobs if blob is not None}


def _signatures(found: Any, records: list[dict[int, Any]]) -> Blobs:
    """Signatures by record; in a row they are those of the records that need one."""
    if isinstance(found, bytes):
        money = [index for index, record in enumerate(records) if record[r.KIND] in SIGNED]
        _need(len(found) == 64 * len(money), "signatures")
        return {index: found[64 * n : 64 * n + 64] for n, index in enumerate(money)}
    _need(isinstance(found, dict), "signatures")
    for index, value in found.items():
        _need(_is_uint(index) and isinstance(value, bytes) and len(value) == 64, "signatures")
    return found


def _entry(
    device: Device,
    record: dict[int, Any],
    data: bytes,
    digest: bytes,
    signature: bytes | None,
    sealed: bytes | None,
    private: bytes | None,
) -> Entry:
    rejected = _judge(device, record, data, signature)
    notice = None
    if sealed is not None and hashlib.sha256(sealed).digest() != record.get(r.SEALED):
        sealed, notice = None, codes.SEALED_DIFFERS
    if private is not None and hashlib.sha256(private).digest() != record.get(r.PRIVATE):
        private, notice = None, codes.SEALED_DIFFERS
    return Entry(record[r.SEQ], record, data, digest, signature, rejected, notice, sealed, private)


def _judge(device: Device, record: dict[int, Any], data: bytes, signature: bytes | None) -> str | None:
    """What is wrong with a record by itself."""
    if not schema.known(record):
        return codes.UNKNOWN_KIND
    if schema.problem(record) is not None:
        return codes.BAD_RECORD
    if record[r.KIND] in SIGNED:
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
