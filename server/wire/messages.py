"""What a device may say, strictly parsed: HELLO, BATCH, CLOSE, AUTHORISE (numbers: `protocol.sync`).

`open_message` takes bytes and the register of public keys, and returns a message whose signature, key id, role, sizes
and types have been checked, and for a batch its restored records with hash and outcome signature. It needs no database,
so the shell runs it outside the writer's thread. What needs history (nonce, epoch, chain, intents) is
`server.ingest`'s.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from protocol import batch, wire
from protocol import records as r
from protocol import sync as s
from protocol.errors import FormatError
from server import codes
from server.store.devices import Device
from server.wire import envelope, restoring, schema, strict
from server.wire.batches import TELLING, Batch, Beside, RawRow, Span

MAX_RECORDS = 256
MAX_SEALED = 999  # bytes: one LLLVAR field of ISO 8583
MAX_PRIVATE = 4096
MAX_RESTORED = (
    1 << 17
)  # bytes of a batch's records: what is told in a few may be long. A terminal's 200, not 600 each on an average, are fewer
Find = Callable[[str], Device | None]
Vouch = Callable[[str, int, bytes], bytes]
"""The key that an approval of this device\'s epoch names; nothing if it is none, or names none."""
APPROVAL_MOST = 512
"""Bytes of an approval that HELLO shows."""
Blobs = dict[int, bytes]


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


def check(body: bytes, find: Find, vouch: Vouch | None = None) -> Message | Refusal:
    """Parse and verify a message; never raises for anything that a device or a stranger may send."""
    try:
        return open_message(body, find, vouch)
    except codes.RefusedError as error:
        return Refusal(error.code, error.message, *echo_of(body))


def open_message(body: bytes, find: Find, vouch: Vouch | None = None) -> Message:
    """Check and parse a message. RefusedError says what is wrong. `vouch`: what an approval that HELLO shows says about the terminal's key."""
    opened = envelope.parse(body)
    reader = _READERS.get(opened.content_type)
    if reader is None:
        raise codes.RefusedError(codes.WRONG_TYPE, "this is no message of a device")
    try:
        name = opened.key_id.decode()
    except UnicodeDecodeError as error:
        raise codes.RefusedError(codes.UNKNOWN_DEVICE, "device is not registered") from error
    device = find(name) if schema.text(name, 32) else None
    if device is None:
        raise codes.RefusedError(codes.UNKNOWN_DEVICE, "device is not registered")
    device = _speaker(device, opened, vouch)
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


def _speaker(device: Device, opened: envelope.Envelope, vouch: Vouch | None) -> Device:
    """The device, with the key that has signed a message: the one in force, that of an approved epoch which is to begin, or, of a terminal that
    began one unknown to a restored database, the one that its approval names: that is the server's own word. RefusedError BAD_SIGNATURE, and
    for a HELLO of a later epoch without an approval WRONG_EPOCH: the terminal shows it then.
    """

    def holds(key: bytes) -> bool:
        return envelope.holds(key, opened.protected, opened.payload, opened.signature)

    if holds(device.public_key):
        return device
    if device.new_key and holds(device.new_key):
        return device.renewed()
    bad = codes.RefusedError(codes.BAD_SIGNATURE, "signature of the message does not hold")
    if opened.content_type != s.TYPE_HELLO or vouch is None:
        raise bad
    try:
        payload = strict.decode(opened.payload)
        epoch, shown = payload.get(s.EPOCH), payload.get(s.APPROVAL)
    except (FormatError, AttributeError) as error:
        raise bad from error
    if not _is_uint(epoch) or epoch <= max(1, device.key_epoch):
        raise bad
    if shown is None:
        raise codes.RefusedError(codes.WRONG_EPOCH, "signature does not hold: has a new epoch brought a new key?")
    key = vouch(device.device, epoch, shown) if isinstance(shown, bytes) and len(shown) <= APPROVAL_MOST else b""
    if not key or not holds(key):
        raise bad
    return replace(device, new_epoch=epoch, new_key=key).renewed()


def _hello(device: Device, p: dict[int, Any]) -> Hello:
    _need(_is_uint(p.get(s.HEAD_SEQ)), "head sequence")
    _need(isinstance(p.get(s.HEAD_HASH), bytes) and len(p[s.HEAD_HASH]) == 32, "head hash")
    _need(_is_uint(p.get(s.FIRST_RETAINED)), "first retained")
    _need(schema.text(p.get(s.FIRMWARE), 64), "firmware")
    _need(_is_uint(p.get(s.UTC), 1 << 40) and _is_uint(p.get(s.CLOCK), 2), "clock")
    sets, health = _named(p.get(s.SETS, {})), p.get(s.HEALTH, {})
    for value, what in ((sets, "sets"), (health, "health")):
        _need(isinstance(value, dict) and len(value) <= 32, what)
        _need(all(schema.text(k, 32) and _is_uint(v) for k, v in value.items()), what)
    trouble, approval = p.get(s.TROUBLE, ""), p.get(s.APPROVAL, b"")
    _need(schema.text(trouble, 8), "trouble")
    _need(isinstance(approval, bytes) and len(approval) <= APPROVAL_MOST, "approval")
    form = p.get(s.FORM, 1)
    _need(_is_uint(form) and form > 0, "form")
    return Hello(
        device, p[s.NONCE], p[s.EPOCH], p[s.HEAD_SEQ], p[s.HEAD_HASH], p[s.FIRST_RETAINED], p[s.FIRMWARE], sets, p[s.UTC], p[s.CLOCK],
        health, trouble, approval, form,
    )  # fmt: skip


def _named(sets: Any) -> Any:
    """Versions by the kinds' names."""
    if not isinstance(sets, dict):
        return sets
    kinds = s.SET_KINDS
    return {kinds[key] if _is_uint(key) and key < len(kinds) else key: version for key, version in sets.items()}


def _attachments(p: dict[int, Any], key: int, high: int) -> Blobs:
    """The blobs under `key` by record, each whole again."""
    found = p.get(key, {})
    _need(isinstance(found, dict) and len(found) <= MAX_RECORDS, "attachments")
    _need(all(isinstance(blob, bytes) for blob in found.values()), "attachments")
    shared = p.get(s.SHARED, {}).get(key)
    if shared is not None:
        kinds = [type(part) for part in shared] if isinstance(shared, list) else []
        _need(kinds == [bytes, int, bytes] and 0 <= shared[1] <= high, "what attachments share")
        _need(len(shared[0]) + len(shared[2]) <= high, "what attachments share")
        found = {index: wire.unframe(shared, blob) for index, blob in found.items()}
    for index, blob in found.items():
        _need(_is_uint(index) and index < MAX_RECORDS and blob != b"", "attachment")
    return found


def _batch(device: Device, p: dict[int, Any], payload: bytes = b"", marks: list[strict.Mark] | None = None) -> Batch:
    """`marks` say where the bodies of listed records stand in `payload`, see `server.wire.restoring`."""
    first: Any = p.get(s.FIRST_SEQ)
    _need(_is_uint(first) and first != 0, "first sequence")
    _need(isinstance(p.get(s.PREV_HASH), bytes) and len(p[s.PREV_HASH]) == 32, "previous hash")
    _need(_is_uint(p.get(s.GAP, 0)) and p.get(s.GAP, 0) < first, "gap")
    branch = p.get(s.BRANCH, 0)
    _need(_is_uint(branch) and branch <= s.ASKED, "branch")
    _need(_is_uint(p.get(s.CUM_COUNT)) and _is_uint(p.get(s.CUM_TOTAL), 10**15), "running totals")
    shared = p.get(s.SHARED, {})
    _need(isinstance(shared, dict) and shared.keys() <= {s.SEALED, s.PRIVATE}, "what attachments share")
    head = {
        r.DEVICE: device.device,
        r.EPOCH: p[s.EPOCH],
        r.SEQ: first,
        r.PREV: p[s.PREV_HASH],
        r.CUM_COUNT: p[s.CUM_COUNT],
        r.CUM_TOTAL: p[s.CUM_TOTAL],
    }
    restorer = restoring.Restorer(head, payload, marks)
    reading = _Reading(device, restorer, _attachments(p, s.SEALED, MAX_SEALED), _attachments(p, s.PRIVATE, MAX_PRIVATE))
    records, form = p.get(s.RECORDS), 1
    if isinstance(records, bytes):
        form = s.SHORT_FORM
        reading.hear(records, p.get(s.SIGNATURES, {}))
    else:
        reading.listed(records, p.get(s.SIGNATURES, {}))
    reading.end()
    first_counter, first_utc = reading.first
    ends = Span(
        first_counter, first_utc, restorer.steady,
        restorer.seq - 1, reading.raw[-1][2], restorer.cum_count, restorer.cum_total, restorer.counter, restorer.utc,
    )  # fmt: skip
    return Batch(
        device, p[s.NONCE], p[s.EPOCH], first, p[s.PREV_HASH], p[s.CUM_COUNT], p[s.CUM_TOTAL],
        reading.raw, reading.beside, ends, p.get(s.GAP, 0), reading.records, form=form,
        branch=branch,
    )  # fmt: skip


def _signatures(found: Any) -> Blobs:
    """Signatures by record."""
    _need(isinstance(found, dict), "signatures")
    for index, value in found.items():
        _need(_is_uint(index) and isinstance(value, bytes) and len(value) == 64, "signatures")
    return found


class _Reading:
    """The records of a batch, restored and judged one after the other; `sealed` and `private` travel beside them."""

    def __init__(self, device: Device, restorer: restoring.Restorer, sealed: Blobs, private: Blobs) -> None:
        self._device, self._restorer = device, restorer
        self._sealed, self._private, self._signed = sealed, private, {}
        self.raw: list[RawRow] = []
        self.beside: dict[int, Beside] = {}
        self.records: dict[int, dict[int, Any]] = {}
        self.first = (0, 0)  # counter and time of the first record

    def listed(self, records: Any, signatures: Any) -> None:
        """All records of a batch of release 0.1.0, a list of wire maps. RefusedError MALFORMED, as all of these."""
        _need(isinstance(records, list) and 1 <= len(records) <= MAX_RECORDS, "records")
        self._signed = _signatures(signatures)
        for index, item in enumerate(records):
            _need(type(item) is dict, "record")
            self._restorer.listed(index)
            self._take(item, self._signed.get(index), self._digests(index))

    def hear(self, data: bytes, signatures: Any) -> None:
        """All records of a batch, as `protocol.batch` tells them; signatures in a row are those of the records that need one."""
        row = signatures if isinstance(signatures, bytes) else None
        self._signed = {} if row is not None else _signatures(signatures)
        course, restorer = batch.Course(self._device.device), self._restorer
        at = size = used = index = 0
        while at < len(data):
            digests = self._digests(index)
            try:
                told = wire.hear(course, data, at, digests, strict.decode_prefix)
            except FormatError as error:
                raise _beyond(index, error) from error
            signature, seq = self._signed.get(index), restorer.seq
            if row is not None and told.item[r.KIND] in r.SIGNED:
                signature, used = row[used : used + 64], used + 64
            restorer.told(told.item)
            self._take(told.item, signature, digests)
            course.go_on(told.item, seq, told.at, told.beside)
            at, index, size = told.end, index + 1, size + len(self.raw[-1][3])
            _need(index <= MAX_RECORDS and size <= MAX_RESTORED, "records")
        _need(row is None or used == len(row), "signatures")

    def end(self) -> None:
        """There are records, and nothing lies beside one that is not there."""
        _need(bool(self.raw), "records")
        _need(max([*self._signed, *self._sealed, *self._private], default=0) < len(self.raw), "attachments")

    def _digests(self, index: int) -> dict[int, bytes]:
        """Digests of the blobs beside record `index`."""
        found = {}
        for key, blobs in ((r.SEALED, self._sealed), (r.PRIVATE, self._private)):
            if index in blobs:
                found[key] = hashlib.sha256(blobs[index]).digest()
        return found

    def _take(self, item: dict[int, Any], signature: bytes | None, digests: dict[int, bytes]) -> None:
        """The record in hand, with what travels beside it."""
        restorer, index = self._restorer, len(self.raw)
        record = None
        try:
            data = restorer.follow(item)
            if data is None:
                _need(schema.restorable(item), "record")
                record, data = restorer.restore(item)
        except FormatError as error:
            raise _beyond(index, error) from error
        kind, seq = item[r.KIND], restorer.seq
        if record is None and (kind in TELLING or not restorer.sound):
            record = restorer.record()
        rejected = _judge(self._device, item if restorer.sound else None, record or item, data, signature)
        if rejected is None and kind == r.SHIFT_CLOSED and item.get(r.FIRST, 0) > seq:
            rejected = codes.BAD_RECORD  # it begins after its own end
        digest = hashlib.sha256(data).digest()
        self.raw.append((seq, kind, digest, data, signature, rejected))
        if record is not None:
            self.records[seq] = record
        if digests or r.PRIVATE in item:
            self._attach(seq, item, digests, self._sealed.get(index), self._private.get(index))
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
        if (
            r.PRIVATE in item
            and digests.get(r.PRIVATE) != item[r.PRIVATE]
            or private is not None
            and r.PRIVATE not in item
        ):
            private, notice = None, codes.PERSONAL_LOST
        if sealed is not None and len(sealed) > MAX_SEALED:
            sealed, notice = None, codes.SEALED_TOO_LARGE
        if private is not None and len(private) > MAX_PRIVATE:
            private, notice = None, codes.SEALED_TOO_LARGE
        self.beside[seq] = (notice, sealed, private)


def _beyond(index: int, error: FormatError) -> codes.RefusedError:
    return codes.RefusedError(codes.MALFORMED, f"record {index + 1} of the batch cannot be restored ({error.code})")


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
    if kind in r.SIGNED:
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
    _need(schema.FIELDS[r.UTC](p.get(s.UTC)), "time")
    data = p.get(s.CARD_DATA)
    _need(isinstance(data, bytes) and 1 <= len(data) <= MAX_SEALED, "card data")
    return Authorise(device, p[s.NONCE], p[s.EPOCH], p[s.INTENT], p[s.AMOUNT], p[s.UTC], p[s.CARD_DATA])


_READERS: dict[str, Callable[[Device, dict[int, Any]], Message]] = {
    s.TYPE_HELLO: _hello,
    s.TYPE_BATCH: _batch,
    s.TYPE_CLOSE: _close,
    s.TYPE_AUTHORISE: _authorise,
}
