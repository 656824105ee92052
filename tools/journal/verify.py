"""Verifies an exported journal without the server and without the terminal's code: chain, signatures, counters,
totals, completeness.

    JRN-051 unreadable   an item is malformed            JRN-057 counter    the secure element's counter does not step
    by one JRN-052 edited       content is not what was chained JRN-058 totals     running or shift totals do not add
    up JRN-053 deleted      a record is missing             JRN-059 signature  an outcome's or the closing signature
    does not hold JRN-054 inserted     a record has no place           JRN-060 foreign    a record or key of another
    device JRN-055 reordered    records are not in their order  JRN-061 declared   a gap record declares a loss (not a
    failure) JRN-056 truncated    beginning or end is missing

A record is edited when its successor (for the last one, the signed closing item) names another hash than it has. The
closing item is signed by the device's secure element and carries its counter: so nobody else can shorten a journal and
close it again. The public key in the file is only the file's word: give the one that was pinned at provisioning.
"""

import hashlib
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tools.journal import reading as j
from tools.journal.reading import Entry, Export

CODES = {
    "unreadable": "JRN-051",
    "edited": "JRN-052",
    "deleted": "JRN-053",
    "inserted": "JRN-054",
    "reordered": "JRN-055",
    "truncated": "JRN-056",
    "counter": "JRN-057",
    "totals": "JRN-058",
    "signature": "JRN-059",
    "foreign": "JRN-060",
    "declared": "JRN-061",
}
OUTCOME_TYPE = "tsd/outcome"
CLOSING_TYPE = "tsd/journal"


class Verifier:
    """One verification; `findings` grows as it goes."""

    def __init__(self, export: Export, key: bytes | None) -> None:
        self.export = export
        self.pinned = key is not None
        self.point = key or export.key
        self.findings: list[dict[str, Any]] = []
        self.signatures = 0
        self.closing: dict[int, Any] = {}
        try:
            self.key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.point)
        except ValueError:
            raise j.Unreadable("JRN-060", "the public key is no point of P-256") from None

    def find(self, kind: str, seq: int | None, text: str) -> None:
        """Note a finding."""
        self.findings.append({"kind": kind, "code": CODES[kind], "seq": seq, "text": text})

    def run(self) -> dict[str, Any]:
        """Verify; returns the report."""
        for position, text in self.export.faults:
            self.find("unreadable", None, f"item {position}: {text}")
        if self.pinned and self.point != self.export.key:
            self.find("foreign", None, "the file names another public key than the one pinned")
        self._close()
        chain = self._order()
        self._links(chain)
        self._completeness(chain)
        self._figures(chain)
        self._outcomes(chain)
        entries = self.export.entries
        return {
            "ok": not any(finding["kind"] != "declared" for finding in self.findings),
            "device": self.export.device,
            "key": "pinned" if self.pinned else "as the file says",
            "records": len(entries),
            "first": min((e.seq for e in entries), default=0),
            "last": max((e.seq for e in entries), default=0),
            "signatures": self.signatures,
            "totals": self._totals(chain),
            "findings": self.findings,
        }

    def _close(self) -> None:
        """The closing item: signature, device, digest."""
        closing = self.export.closing
        if closing is None:
            self.find("truncated", None, "the signed closing item is missing: nobody vouches for the end")
            return
        protected, _, payload, signature = closing if len(closing) == 4 else (b"", {}, b"", b"")
        if not self._holds(protected, payload, signature) or not self._headed(protected, CLOSING_TYPE):
            self.find("signature", None, "the closing item's signature does not hold")
            return
        self.closing = cbor2.loads(payload)
        if self.closing.get(1) != self.export.device:
            self.find("foreign", None, "the closing item is another device's")

    def _order(self) -> list[Entry]:
        """The entries by sequence number; reordered, doubled and foreign ones are noted."""
        follows = {entry.record[j.PREV] for entry in self.export.entries} | {self.closing.get(4)}
        chosen: dict[int, Entry] = {}
        highest = 0
        for entry in self.export.entries:
            if entry.record[j.DEVICE] != self.export.device:
                self.find("foreign", entry.seq, f"item {entry.position} is a record of another device")
                continue
            other = chosen.get(entry.seq)
            if other is not None:
                stays, goes = (entry, other) if entry.hash in follows and other.hash not in follows else (other, entry)
                chosen[entry.seq] = stays
                self.find("inserted", goes.seq, f"item {goes.position} has the number of another record")
                continue
            if entry.seq < highest:
                self.find("reordered", entry.seq, f"item {entry.position} comes after record {highest}")
            highest = max(highest, entry.seq)
            chosen[entry.seq] = entry
        return [chosen[seq] for seq in sorted(chosen)]

    def _links(self, chain: list[Entry]) -> None:
        """Each record's hash as its successor names it."""
        named: dict[int, bytes] = {}
        for before, entry in zip(chain, chain[1:], strict=False):
            if entry.seq == before.seq + 1:
                named[before.seq] = entry.record[j.PREV]
        if chain and self.closing.get(3) == chain[-1].seq:
            named[chain[-1].seq] = self.closing[4]
        edited = {entry.seq for entry in chain if entry.seq in named and named[entry.seq] != entry.hash}
        for entry in chain:
            if entry.seq not in edited:
                continue
            if entry.seq + 1 in edited and self._only_link_broken(chain, entry):
                continue  # the successor was edited where it names this one
            self.find("edited", entry.seq, "its content is not what its successor or the closing item names")

    def _only_link_broken(self, chain: list[Entry], entry: Entry) -> bool:
        """Whether the successor's previous-hash, not this record, is what changed: this one's own outcome signature
        holds or nothing else tells.
        """
        return entry.signature is None or self._outcome_holds(entry)

    def _completeness(self, chain: list[Entry]) -> None:
        """Missing numbers, declared or not; beginning and end."""
        declared: dict[int, Entry] = {}
        for entry in chain:
            if entry.record[j.KIND] == j.GAP:
                last = entry.record.get(j.GAP_LAST, 0)
                self.find(
                    "declared",
                    entry.record.get(j.FIRST),
                    f"records up to {last} are declared lost by record {entry.seq}",
                )
                for seq in range(entry.record.get(j.FIRST, 1), min(last, entry.seq) + 1):
                    declared[seq] = entry
        for before, entry in zip(chain, chain[1:], strict=False):
            missing = [seq for seq in range(before.seq + 1, entry.seq) if seq not in declared]
            if missing:
                self.find("deleted", missing[0], f"records {missing[0]} to {missing[-1]} are missing")
        if not self.closing:
            return
        last = chain[-1].seq if chain else 0
        if chain and chain[0].seq > self.closing[2] > 0:
            self.find(
                "truncated",
                self.closing[2],
                f"the beginning is missing: records {self.closing[2]} to {chain[0].seq - 1}",
            )
        if last < self.closing[3]:
            self.find("truncated", last + 1, f"the end is missing: records {last + 1} to {self.closing[3]}")
        if last > self.closing[3]:
            self.find("inserted", last, "records follow the last one that the device vouches for")
        clean = not any(f["kind"] != "declared" for f in self.findings)
        if clean and (self.export.digest != self.closing[7] or self.closing[6] != len(self.export.entries)):
            self.find("edited", None, "the file is not the one that was closed: an item outside the chain was changed")

    def _figures(self, chain: list[Entry]) -> None:
        """Counters and running totals from one record to the next, shift totals, the closing counter."""
        shift: dict[int, list[int]] = {}
        opened = False
        for index, entry in enumerate(chain):
            record = entry.record
            before = chain[index - 1] if index else None
            if before is not None and entry.seq == before.seq + 1 and record[j.KIND] != j.NEW_EPOCH:
                self._step(before.record, record)
            if record[j.KIND] == j.SHIFT_OPENED:
                shift, opened = {}, True
            elif record[j.KIND] == j.SHIFT_CLOSED and opened:
                if {key: list(value) for key, value in record.get(j.TOTALS, {}).items()} != shift:
                    self.find("totals", entry.seq, "the shift's totals are not those of its records")
                opened = False
            elif before is not None and entry.seq != before.seq + 1:
                opened = False
            _count(shift, record)
        if (
            self.closing
            and chain
            and chain[-1].seq == self.closing[3]
            and chain[-1].record[j.COUNTER] != self.closing[5]
        ):
            self.find(
                "counter",
                chain[-1].seq,
                "the secure element has counted further than this journal: it was rolled back or copied",
            )

    def _step(self, before: dict[int, Any], record: dict[int, Any]) -> None:
        seq = record[j.SEQ]
        if record[j.COUNTER] != before[j.COUNTER] + 1:
            self.find("counter", seq, "the secure element's counter does not step by one")
        if record[j.EPOCH] != before[j.EPOCH]:
            self.find("counter", seq, "the epoch changes without a record that begins it")
        approved = record[j.KIND] in (j.PAYMENT_OUTCOME, j.AUTHORISATION_RESULT) and record.get(j.OUTCOME) == j.APPROVED
        amount = record[j.AMOUNT] if approved else 0
        if record[j.CUM_COUNT] != before[j.CUM_COUNT] + approved or record[j.CUM_TOTAL] != before[j.CUM_TOTAL] + amount:
            self.find("totals", seq, "the running totals do not add up")

    def _outcomes(self, chain: list[Entry]) -> None:
        """Every payment outcome's and every void's own signature."""
        for entry in chain:
            if entry.record[j.KIND] not in (j.PAYMENT_OUTCOME, j.VOID):
                continue
            if self._outcome_holds(entry):
                self.signatures += 1
            else:
                self.find("signature", entry.seq, "the outcome's or void's signature does not hold")

    def _outcome_holds(self, entry: Entry) -> bool:
        protected = j.canonical({1: -7, 3: OUTCOME_TYPE, 4: self.export.device.encode()})
        return self._holds(protected, entry.data, entry.signature)

    def _headed(self, protected: bytes, content_type: str) -> bool:
        found = j.take(protected, 0)
        return found is not None and found[0] == {1: -7, 3: content_type, 4: self.export.device.encode()}

    def _holds(self, protected: Any, payload: Any, signature: Any) -> bool:
        """ES256 over the Sig_structure of RFC 9052, section 4.4."""
        if (
            not isinstance(protected, bytes)
            or not isinstance(payload, bytes)
            or not isinstance(signature, bytes)
            or len(signature) != 64
        ):
            return False
        structure = cbor2.dumps(["Signature1", protected, b"", payload])
        der = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        try:
            self.key.verify(der, structure, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    def _totals(self, chain: list[Entry]) -> dict[str, Any]:
        """Totals of what is in the file, by outcome, recomputed."""
        totals: dict[int, list[int]] = {}
        for entry in chain:
            _count(totals, entry.record)
        return {str(key): totals[key] for key in sorted(totals)}


def _count(totals: dict[int, list[int]], record: dict[int, Any]) -> None:
    """Count a record's money: outcomes by outcome, later results by 10 + outcome, voids that were done by 20."""
    if record[j.KIND] == j.PAYMENT_OUTCOME:
        key = record[j.OUTCOME]
    elif record[j.KIND] == j.AUTHORISATION_RESULT:
        key = j.LATE + record[j.OUTCOME]
    elif record[j.KIND] == j.VOID and record[j.VOID_STATE] == j.VOID_DONE:
        key = j.VOIDED
    else:
        return
    entry = totals.setdefault(key, [0, 0])
    entry[0] += 1
    entry[1] += record[j.AMOUNT]


def verify(data: bytes, key: bytes | None = None) -> dict[str, Any]:
    """The report on an export's bytes; `key` is the device's pinned public key (65 bytes). Raises
    `reading.Unreadable`.
    """
    return Verifier(j.read(data), key).run()


def fingerprint(key: bytes) -> str:
    """First 16 hex digits of a key's SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]
