"""A terminal as seen from the wire: builds, chains, signs and sends with cbor2 and `cryptography`, with no code of
the project's codecs.
"""

import hashlib
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol import records as r
from protocol import sync as s
from protocol.batch import KEYS
from sim.acquirer import dukpt

ES256 = ec.ECDSA(hashes.SHA256())
DROPPED = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL)
START = 1_800_000_000


def dumps(value: object) -> bytes:
    """Deterministic CBOR by another hand."""
    return cbor2.dumps(value, canonical=True)


def sign(key: ec.EllipticCurvePrivateKey, protected: bytes, payload: bytes) -> bytes:
    """ES256 over the Sig_structure: r || s."""
    first, second = decode_dss_signature(key.sign(dumps(["Signature1", protected, b"", payload]), ES256))
    return first.to_bytes(32, "big") + second.to_bytes(32, "big")


def open_reply(body: bytes, ack_key: bytes) -> tuple[str, dict[int, Any]]:
    """(content type, payload) of a server's reply whose signature by "ack" holds."""
    protected, unprotected, payload, signature = cbor2.loads(body)
    header = cbor2.loads(protected)
    assert header[1] == -7 and header[4] == b"ack" and unprotected == {}
    pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ack_key)
    public.verify(pair, dumps(["Signature1", protected, b"", payload]), ES256)
    return header[3], cbor2.loads(payload)


class Handheld:
    """One device: its key, its chain in memory, its messages."""

    def __init__(self, name: str = "TSD-000001", epoch: int = 1) -> None:
        self.name, self.epoch = name, epoch
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.nonce = b""
        self.records: list[dict[int, Any]] = []
        self.attached: dict[int, dict[int, bytes]] = {s.SEALED: {}, s.PRIVATE: {}}
        self.unsigned: set[int] = set()  # sequences whose outcome signature is left out or spoilt
        self.cases = 0
        self.utc = START
        self.key_id = hashlib.sha256(name.encode()).digest()[:8]
        self.counter = 0
        self.tells = (
            False  # whether its batches are told as `protocol.batch` says, instead of listed as release 0.1.0 does
        )

    def public(self) -> bytes:
        """65 bytes."""
        fmt = serialization.PublicFormat.UncompressedPoint
        return self.key.public_key().public_bytes(serialization.Encoding.X962, fmt)

    def entry(self) -> dict[str, Any]:
        """Its entry of the provisioning file."""
        return {
            "public_key": self.public().hex(),
            "dukpt_key_id": self.key_id.hex(),
            "unit": "BMP-16-01",
            "force": 1,
            "wilaya": 16,
        }

    def hash(self, seq: int) -> bytes:
        """Hash of record `seq`; zeros for 0."""
        return bytes(32) if seq == 0 else hashlib.sha256(dumps(self.records[seq - 1])).digest()

    def write(self, kind: int, **extra: Any) -> int:
        """Append a record; keys by name in lower case. Its sequence."""
        seq = len(self.records) + 1
        before = self.records[-1] if self.records else {r.CUM_COUNT: 0, r.CUM_TOTAL: 0}
        self.utc += 7
        record = {
            r.V: 1,
            r.DEVICE: self.name,
            r.EPOCH: self.epoch,
            r.SEQ: seq,
            r.PREV: self.hash(seq - 1),
            r.COUNTER: seq,
            r.UTC: self.utc,
            r.CLOCK: 1,
            r.KIND: kind,
            r.OFFICER: 1207,
            r.UNIT: "BMP-16-01",
        }
        record.update({getattr(r, name.upper()): value for name, value in extra.items()})
        approved = kind in (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT) and record.get(r.OUTCOME) == 1
        record[r.CUM_COUNT] = before[r.CUM_COUNT] + (1 if approved else 0)
        record[r.CUM_TOTAL] = before[r.CUM_TOTAL] + (record[r.AMOUNT] if approved else 0)
        self.records.append(record)
        return seq

    def notice(self, amount: int = 200_000) -> int:
        """A new case with its notice; the case number."""
        self.cases += 1
        self.write(
            r.NOTICE, case=self.cases, pv=f"16/2027/{self.cases:06d}", offence="66/D-24", amount=amount, points=4
        )
        return self.cases

    def pay(self, outcome: int, amount: int = 200_000, blob: bytes | None = b"opaque", scheme: str = "CIB TEST") -> int:
        """Notice, intent and outcome; the intent's sequence. The blob is whatever the caller says was sealed."""
        case = self.notice(amount)
        intent = self.write(r.PAYMENT_INTENT, case=case, amount=amount)
        self.finish(intent, outcome, amount, blob, scheme)
        return intent

    def finish(
        self, intent: int, outcome: int, amount: int, blob: bytes | None = b"opaque", scheme: str = "CIB TEST"
    ) -> int:
        """The outcome of an intent; its sequence."""
        extra: dict[str, Any] = {
            "intent": intent,
            "outcome": outcome,
            "amount": amount,
            "scheme": scheme,
            "last4": "0017",
        }
        if outcome in (1, 2) and blob is not None:
            extra["sealed"] = hashlib.sha256(blob).digest()
        seq = self.write(r.PAYMENT_OUTCOME, **extra)
        if "sealed" in extra and blob is not None:
            self.attached[s.SEALED][seq] = blob
        return seq

    def seal(self, bdk: bytes, intent: int, amount: int, content: dict[int, Any]) -> bytes:
        """Card data sealed for the host, with the next key serial number."""
        self.counter += 1
        ksn = self.key_id + self.counter.to_bytes(4, "big")
        protected, nonce = dumps({1: 30, 4: ksn}), secrets.token_bytes(13)
        aad = dumps(["Encrypt0", protected, dumps([self.name, self.epoch, intent, amount])])
        key = dukpt.working_key(bdk, ksn)
        ciphertext = AESCCM(key, tag_length=16).encrypt(nonce, dumps(content), aad)
        return dumps(cbor2.CBORTag(16, [protected, {5: nonce}, ciphertext]))

    def seal_short(
        self, bdk: bytes, intent: int, amount: int, content: list[Any], clear: list[bytes | None] | None, algorithm: int
    ) -> bytes:
        """The form of terminals since: algorithm 10 (`clear` bound beside an outcome record, None while the card waits), or 30 before that."""
        self.counter += 1
        ksn = self.key_id + self.counter.to_bytes(4, "big")
        protected, outer = dumps({1: algorithm, 4: ksn}), {} if algorithm == 10 else {6: b"\0"}
        bound = [self.name, self.epoch, intent, amount, *(clear or [])]
        cipher = AESCCM(dukpt.working_key(bdk, ksn), tag_length=8 if algorithm == 10 else 16)
        ciphertext = cipher.encrypt(bytes(13), dumps(content), dumps(["Encrypt0", protected, dumps(bound)]))
        return dumps(cbor2.CBORTag(16, [protected, outer, ciphertext]))

    def message(self, content_type: str, payload: dict[int, Any]) -> bytes:
        """A signed message."""
        protected, body = dumps({1: -7, 3: content_type, 4: self.name.encode()}), dumps(payload)
        return dumps([protected, {}, body, sign(self.key, protected, body)])

    def hello(self, **change: Any) -> bytes:
        """HELLO with a fresh nonce."""
        self.nonce = secrets.token_bytes(8)
        head = len(self.records)
        payload = {
            s.NONCE: self.nonce,
            s.EPOCH: self.epoch,
            s.DEVICE: self.name,
            s.HEAD_SEQ: head,
            s.HEAD_HASH: self.hash(head),
            s.FIRST_RETAINED: 1,
            s.FIRMWARE: "0.1.0",
            s.SETS: {},
            s.UTC: self.utc,
            s.CLOCK: 1,
            s.HEALTH: {"battery": 88},
        }
        payload.update({getattr(s, name.upper()): value for name, value in change.items()})
        return self.message(s.TYPE_HELLO, payload)

    def wire(self, first: int, last: int) -> tuple[list[dict[int, Any]], dict[int, bytes]]:
        """(wire maps, outcome signatures by index) of records `first`..`last`."""
        maps, signatures = [], {}
        protected = dumps({1: -7, 3: s.TYPE_OUTCOME, 4: self.name.encode()})
        for index, record in enumerate(self.records[first - 1 : last]):
            item = {key: value for key, value in record.items() if key not in DROPPED}
            if index:
                item[r.UTC] = record[r.UTC] - self.records[first + index - 2][r.UTC]
                del item[r.COUNTER], item[r.V], item[r.CLOCK], item[r.OFFICER], item[r.UNIT]
            maps.append(item)
            if record[r.KIND] in (r.PAYMENT_OUTCOME, r.VOID) and record[r.SEQ] not in self.unsigned:
                signatures[index] = sign(self.key, protected, dumps(record))
        return maps, signatures

    def told(self, first: int, last: int) -> bytes:
        """Records `first`..`last` told without skill: every value that the last record of the same kind has a key for, and all others."""
        out, before, bases = b"", {}, {kind: list(keys) for kind, keys in KEYS.items()}
        for record in self.records[first - 1 : last]:
            left_out = {*DROPPED, r.KIND, *((r.UTC,) if before else ())}
            if before:
                left_out |= {k for k in (r.V, r.CLOCK, r.OFFICER, r.UNIT) if before[k] == record[k]} | {r.COUNTER}
            beside = {r.SEALED: s.SEALED, r.PRIVATE: s.PRIVATE}
            left_out |= {k for k, blobs in beside.items() if record[r.SEQ] in self.attached[blobs]}
            base = bases.get(record[r.KIND], [])
            told = [key for key in base if key in record]
            own: dict[int, Any] = {k: v for k, v in record.items() if k not in left_out and k not in told}
            if len(told) < len(base):
                own[0] = bytes(key for key in base if key not in record)
            step = record[r.UTC] - before[r.UTC] if before else 0
            bits = sum(8 << at for at, key in enumerate(base) if key in record)
            out += bytes((record[r.KIND] | (0x20 if step else 0) | (0x40 if bits else 0) | (0x80 if own else 0),))
            out += (dumps(step) if step else b"") + (dumps(bits) if bits else b"")
            out += b"".join(dumps(record[key]) for key in told) + (dumps(own) if own else b"")
            bases[record[r.KIND]] = sorted(k for k in record if k >= 20 and k not in beside)
            before = record
        return out

    def batch(self, first: int, last: int | None = None, **change: Any) -> bytes:
        """BATCH of records `first`..`last` (default: the head)."""
        last = last or len(self.records)
        maps, signatures = self.wire(first, last)
        before = self.records[first - 2] if first > 1 else {r.CUM_COUNT: 0, r.CUM_TOTAL: 0}
        payload = {
            s.NONCE: self.nonce,
            s.EPOCH: self.epoch,
            s.DEVICE: self.name,
            s.FIRST_SEQ: first,
            s.PREV_HASH: self.hash(first - 1),
            s.RECORDS: maps,
            s.SIGNATURES: signatures,
            s.CUM_COUNT: before[r.CUM_COUNT],
            s.CUM_TOTAL: before[r.CUM_TOTAL],
        }
        for key, blobs in self.attached.items():
            inside = {seq - first: blob for seq, blob in blobs.items() if first <= seq <= last}
            if inside:
                payload[key] = inside
        if self.tells:
            payload[s.RECORDS], payload[s.SIGNATURES] = self.told(first, last), b"".join(signatures.values())
        payload.update({getattr(s, name.upper()): value for name, value in change.items()})
        return self.message(s.TYPE_BATCH, payload)

    def close(self, first: int, last: int, totals: dict[int, list[int]]) -> bytes:
        """CLOSE."""
        payload = {
            s.NONCE: self.nonce,
            s.EPOCH: self.epoch,
            s.DEVICE: self.name,
            s.FIRST_SEQ: first,
            s.LAST_SEQ: last,
            s.TOTALS: totals,
        }
        return self.message(s.TYPE_CLOSE, payload)
