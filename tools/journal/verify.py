"""Verifies an exported journal without the server and without the terminal's code: chain, signatures, completeness; counters and totals are
`tools.journal.figures`', what gap records say of a loss `tools.journal.gaps`'. `tools.journal.findings` lists what it may find and what that proves.

A record is edited when its successor (for the last one and those before holes, the signed closing item) names another hash than it has. The
closing item is signed by the device's secure element and carries its counter: so nobody else can shorten a journal and
close it again. The public key in the file is only the file's word: who forges a journal whole closes it with a key of his own. Give the one that
was pinned at provisioning; without it the best verdict is "unpinned".
"""

import hashlib
from bisect import bisect_left
from typing import Any

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tools.journal import figures, gaps, holes
from tools.journal import findings as f
from tools.journal import reading as j
from tools.journal.findings import Span
from tools.journal.reading import Entry, Export

OUTCOME_TYPE = "tsd/outcome"
CLOSING_TYPE = "tsd/journal"
MOST = 2**32 - 1  # the journal numbers its records in 32 bits


class Verifier:
    """One verification; `findings` grows as it goes."""

    def __init__(self, export: Export, key: bytes | None) -> None:
        self.export = export
        self.pinned = key is not None
        self.point = export.key if key is None else key
        self.findings: list[dict[str, Any]] = []
        self.kinds: set[str] = set()
        self.signatures = 0
        self.closing: dict[int, Any] = {}
        self.put_in = 0  # records that lie where the file had none
        self.renumbered: list[Span] = []  # records that are here under another number
        self.named: list[Span] = []  # missing, and said to be
        try:
            self.key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), self.point)
        except ValueError:
            raise j.Unreadable("JRN-060", "the public key is no point of P-256") from None

    def find(self, kind: str, seq: int | None, text: str) -> None:
        """Note a finding."""
        self.kinds.add(kind)
        self.findings.append({"kind": kind, "code": f.CODES[kind], "seq": seq, "text": text})

    def run(self) -> dict[str, Any]:
        """Verify; returns the report."""
        export, said = self.export, self.export.statement
        for first, last, text in export.faults:
            items = f"item {first}" if first == last else f"items {first} to {last}"
            self.find("unreadable", None, f"{items}: {text}")
        for name, count in said.damage:
            self.find("unreadable", None, f"{count} bytes of {name} are no whole record")
        if self.pinned and self.point != export.key:
            self.find("foreign", None, "the file names another public key than the one pinned")
        self._close()
        self._opened()
        chain = self._genuine(self._order())
        self._links(chain)
        self._completeness(chain)
        for finding in figures.judge(chain, export.statement, self.closing):
            self.find(*finding)
        for finding in gaps.judge(chain, {each["seq"] for each in self.findings if each["kind"] == "edited"}):
            self.find(*finding)
        self._outcomes(chain)
        self._counted(chain)
        self._whole(chain)
        verdict = f.verdict(self.kinds, self.pinned)
        return {
            "ok": verdict in (f.HOLDS, f.UNPINNED),
            "verdict": verdict,
            "device": export.device,
            "epoch": said.epoch,
            "trouble": said.trouble,
            "key": "pinned" if self.pinned else "unpinned",
            "records": len(export.entries),
            "first": min((e.seq for e in export.entries), default=0),
            "last": max((e.seq for e in export.entries), default=0),
            "acknowledged": said.acked[0] if said.acked else None,
            "other_epochs": [epoch for epoch, _, _ in said.epochs or ()],
            "signatures": self.signatures,
            "totals": figures.totals(chain),
            "findings": self.findings,
        }

    def _close(self) -> None:
        """The closing item: signature, device, content."""
        closing = self.export.closing
        if closing is None:
            self.find("truncated", None, "the signed closing item is missing: nobody vouches for the end")
            return
        protected, unprotected, payload, signature = closing if len(closing) == 4 else (b"", {}, b"", b"")
        held = unprotected == {} and self._headed(protected, CLOSING_TYPE)
        if not held or not self._holds(protected, payload, signature):
            self.find("signature", None, "the closing item's signature does not hold")
            return
        told = j.closing_of(payload)
        if told is None:
            self.find("unreadable", None, "the closing item does not say what it has to")
            return
        self.closing = told
        if told[1] != self.export.device:
            self.find("foreign", None, "the closing item is another device's")

    def _opened(self) -> None:
        """Whether the journal opened when it was exported; other epochs."""
        said = self.export.statement
        if said.trouble == j.ENDED:
            self.find("unopened", None, f"epoch {said.epoch} is over: a new one was begun because it could not go on")
        elif said.trouble == j.NO_IDENTITY:
            why = f"the device's identity could not be read ({said.trouble}): its records name it, nothing vouches for that"
            self.find("unopened", None, why)
        elif said.trouble:
            why = f"the journal did not open ({said.trouble}): here is what can be read, nothing vouches for the rest"
            self.find("unopened", None, why)
        others = said.epochs or []
        for epoch, segments, size in others:
            where = f"{segments} segments, {size} bytes of it are on the storage: export it with --epoch {epoch}"
            self.find("epochs", None, f"epoch {epoch} is not in this file; {where}")
        if said.epochs is None:
            if said.epoch > 1:
                self.find(
                    "epochs", None, f"this is epoch {said.epoch}; the file does not say what is left of earlier ones"
                )
        elif said.epoch > sum(epoch < said.epoch for epoch, _, _ in others) + 1:
            known = ", ".join(str(epoch) for epoch, _, _ in others) or "none"
            self.find("epochs", None, f"this is epoch {said.epoch}; others on the storage: {known}")

    def _order(self) -> list[Entry]:
        """The entries by sequence number; reordered, doubled, renumbered and foreign ones are noted."""
        entries = self.export.entries
        follows = {entry.record[j.PREV] for entry in entries} | {self.closing.get(4)}
        present = {entry.seq for entry in entries}
        absent = holes.absent(entries, self.closing) if self.closing else []
        chosen: dict[int, Entry] = {}
        highest = 0
        last: Entry | None = None
        for index, entry in enumerate(entries):
            if entry.record[j.DEVICE] != self.export.device:
                self.find("foreign", entry.seq, f"item {entry.position} is a record of another device")
                continue
            expected = self._place(index, last)
            if expected is not None and not f.without((expected, expected), absent):
                expected = None  # a hole follows on `last`
            if expected is not None and expected > self.closing.get(3, MOST):
                expected = None  # `last` is the last one that was closed: there is no record whose number this could be
            if expected is not None and expected not in present and (last is None or last.hash == entry.record[j.PREV]):
                self.find("edited", expected, f"its number was changed to {entry.seq}")
                self.renumbered.append((expected, expected))
                continue
            if not 1 <= entry.seq <= self.closing.get(3, MOST):
                self.find("inserted", entry.seq, f"item {entry.position} has a number for which the device vouches not")
                continue
            last = entry
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

    def _place(self, index: int, last: Entry | None) -> int | None:
        """The number that the item after `last` has if they are neighbours, None if that cannot be said. The very
        first's is the closing item's word, asked only where its own number cannot be.
        """
        if last is not None:
            return last.seq + 1
        entries = self.export.entries
        if index or not self.closing or entries[0].seq == self.closing[2]:
            return None
        after = entries[1].seq if len(entries) > 1 else self.closing[3] + 1
        return self.closing[2] if not 1 <= entries[0].seq < after else None

    def _genuine(self, chain: list[Entry]) -> list[Entry]:
        """The entries without those that were put where the file had none."""
        if not self.closing or self._as_closed():
            return chain
        strangers = holes.put_in(chain, self.closing, -self._gone())
        for entry in strangers:
            self.find("inserted", entry.seq, f"item {entry.position} lies where the device closed no record")
        self.put_in = len(strangers)
        numbers = {entry.seq for entry in strangers}
        return [entry for entry in chain if entry.seq not in numbers]

    def _links(self, chain: list[Entry]) -> None:
        """Each record's hash as its successor or the closing item names it."""
        named: dict[int, bytes] = {}
        for before, entry in zip(chain, chain[1:], strict=False):
            if entry.seq == before.seq + 1:
                named[before.seq] = entry.record[j.PREV]
        if chain and self.closing.get(3) == chain[-1].seq:
            named[chain[-1].seq] = self.closing[4]
        named.update(holes.ends(self.closing))
        numbers = {entry.seq for entry in chain}
        edited = {entry.seq for entry in chain if entry.seq in named and named[entry.seq] != entry.hash}
        for entry in chain:
            if entry.seq not in edited:
                continue
            if entry.seq + 1 in edited and self._only_link_broken(chain, entry):
                continue  # the successor was edited where it names this one
            why = "its content is not what its successor or the closing item names"
            if entry.seq + 1 in numbers and entry.seq + 1 not in named:
                why += f"; or record {entry.seq + 1} was edited, whose hash nothing names"
            self.find("edited", entry.seq, why)

    def _only_link_broken(self, chain: list[Entry], entry: Entry) -> bool:
        """Whether the successor's previous-hash, not this record, is what changed: this one's own outcome signature
        holds or nothing else tells.
        """
        return entry.signature is None or self._outcome_holds(entry)

    def _completeness(self, chain: list[Entry]) -> None:
        """Missing numbers, declared or not; beginning and end."""
        covers = f.merged(self._declared(chain) + self.renumbered)
        for before, entry in zip(chain, chain[1:], strict=False):
            if entry.seq > before.seq + 1:
                for span in f.without((before.seq + 1, entry.seq - 1), covers):
                    self._missing(span, "deleted", entry)
        if chain:
            self._beginning(chain[0], covers)
        said = self.export.statement.acked
        if said is not None and chain:
            self._acknowledged(said, chain)
        if not self.closing:
            return
        last = chain[-1].seq if chain else self.closing[2] - 1
        for span in f.without((last + 1, self.closing[3]), covers) if self.closing[3] else ():
            self.named.append(span)
            self.find("truncated", span[0], f"the end is missing: {f.text(span)} not here")

    def _declared(self, chain: list[Entry]) -> list[Span]:
        """What gap records declare lost; one whose bounds cannot be is noted."""
        spans = []
        for entry in chain:
            if entry.record[j.KIND] != j.GAP:
                continue
            span = holes.loss(entry)
            if span:
                spans.append(span)
                self.find("declared", span[0], f"{f.text(span)} declared lost by record {entry.seq}")
            else:
                self.find(
                    "edited", entry.seq, "it declares a loss that cannot be: of no record, or of one not before it"
                )
        return spans

    def _beginning(self, first: Entry, covers: list[Span]) -> None:
        """Whether the first record here is the journal's first, and if not, what says why."""
        exported = self.closing.get(2, 0)
        if first.seq > exported > 0:
            for span in f.without((exported, first.seq - 1), covers):
                self.named.append(span)
                self.find("truncated", span[0], f"the beginning is missing: {f.text(span)} not here")
        begins = self.export.statement.begins
        last = min(first.seq, exported or first.seq) - 1
        if first.record[j.KIND] == j.NEW_EPOCH or last < begins:
            return
        if self.export.version == j.OLD_VERSION:
            why = f"{f.text((begins, last))} not here: this older form of export does not say why, ask the centre for them"
            self.find(f.ASK, begins, why)
            return
        for span in f.without((begins, last), covers):
            self._missing(span, "truncated", first)

    def _missing(self, span: Span, kind: str, follower: Entry) -> None:
        """Note missing records: those that the terminal says were acknowledged apart from the others. `follower` is
        the next record here.
        """
        first, last = span
        said = self.export.statement.acked
        known = min(last, said[0]) if said else 0
        if said and known >= first:
            why = f"missing; the terminal says that the centre acknowledged up to {said[0]}: ask the centre for what is missing"
            bound = f", whose last record has the hash {follower.record[j.PREV].hex()}"
            self.find(f.ASK, first, f"{f.text((first, known))} {why}{bound if known == follower.seq - 1 else ''}")
            first = known + 1
        if first <= last:
            self.named.append((first, last))
            self.find(kind, first, f"{f.text((first, last))} missing, and nothing says why")

    def _acknowledged(self, said: tuple[int, bytes], chain: list[Entry]) -> None:
        """Whether the acknowledgement that the terminal tells of is one of this chain."""
        seq, named = said
        if seq > chain[-1].seq and seq > self.closing.get(3, 0):
            self.find("truncated", seq, f"the centre acknowledged up to {seq}, further than this journal goes")
            return
        at = bisect_left(chain, seq, key=lambda entry: entry.seq)
        here = None
        if at < len(chain) and chain[at].seq in (seq, seq + 1):
            here = chain[at].hash if chain[at].seq == seq else chain[at].record[j.PREV]
        if named and seq and here not in (None, named):
            self.find("edited", seq, "the centre acknowledged another record of this number")

    def _counted(self, chain: list[Entry]) -> None:
        """Whether as many records are here as the device's secure element closed. Which ones were taken out is certain where
        as many are missing beside the holes of then; else it was some of those that are missing, acknowledged or not.
        """
        gone = self._gone() + self.put_in if self.closing else 0
        if gone <= 0:
            return
        why = f"the device closed the file with {self.closing[6]} records, {self.closing[6] - gone} of them are here"
        missing = f.holes([entry.seq for entry in chain], self.closing[2], self.closing[3])
        absent = holes.absent(chain, self.closing)
        missing = [part for hole in missing for part in f.without(hole, absent)]
        named = f.merged(self.named)
        if sum(last - first + 1 for first, last in missing) == gone:
            for span in [part for hole in missing for part in f.without(hole, named)]:
                self.find("deleted", span[0], f"{why}: {f.text(span)} taken out of it")
        elif gone > sum(last - first + 1 for first, last in named):
            self.find("deleted", None, f"{why}: {gone} of those that are missing were taken out of it")

    def _whole(self, chain: list[Entry]) -> None:
        """Whether the file is bit for bit the one that was closed; told where nothing else tells what was changed in it."""
        if not self.closing or self._as_closed() or self.kinds & f.CHANGED or self._gone() > 0 or self.export.faults:
            return
        what = "an item outside the chain was changed"
        before = "" if holes.told(self.closing) else holes.standing_before(chain)
        if before:
            what = f"a record before a hole ({before}) or an item outside the chain was changed, or a record put into a hole"
        self.find("edited", None, f"the file is not the one that was closed: {what}")

    def _as_closed(self) -> bool:
        return self.export.digest == self.closing[7] and self.closing[6] == len(self.export.entries)

    def _gone(self) -> int:
        """How many records fewer are here than the device closed."""
        return self.closing[6] - len(self.export.entries) - self.export.unread

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
        found = j.take(protected, 0) if isinstance(protected, bytes) else None
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


def verify(data: bytes, key: bytes | None = None) -> dict[str, Any]:
    """The report on an export's bytes; `key` is the device's pinned public key (65 bytes). Raises
    `reading.Unreadable`.
    """
    return Verifier(j.read(data), key).run()


def fingerprint(key: bytes) -> str:
    """First 16 hex digits of a key's SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]
