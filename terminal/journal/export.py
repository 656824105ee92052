"""A journal as one file for the technician: a CBOR sequence (RFC 8742) that `tasdid journal verify` checks without the
server.

    1st item   map {1: "tasdid-journal", 2: version 2, 3: device, 4: public key (65 bytes), 5: provisioning (map with
    text keys),
               6: epoch, 7: first sequence number of the epoch, 8: code with which the journal did not open ("" if it did,
               "ended" of an older epoch), 9: [sequence number, hash] that the centre acknowledged, or null, 10: other
               epochs on the storage, each [epoch, segments, bytes], or null if nobody looked, 11: what cannot be read, each [file, bytes], 12: the
               secure element's counter at the end of an older epoch, or null}
    then       array [record's bytes, signature of 64 bytes or null] for each record kept, oldest first; a gap simply
    jumps. Where the journal did not open, and of older epochs, [segment, 1 for a second copy] is a third element
    last item  COSE_Sign1 (ES256, content type "tsd/journal", the device key): map {1: device, 2: first, 3: last, 4: hash
               of the last record, 5: the secure element's counter, 6: number of records, 7: digest over all items before:
               d = SHA-256(d + item), from the empty string, 8: array of the holes between records,
               each [sequence number before it, after it, hash of the record before it]}

Version 1 (release 0.1.0) ended its first item at 5; earlier releases ended the last one at 7.
The last item is what makes a cut-off or shortened file visible:
only the device that holds the key and the counter can say where its journal ends. What the centre acknowledged is told
as the terminal keeps it: the centre's signature is not kept. Sealed card data and personal data are not exported. Sans
I/O: the caller writes the pieces wherever it likes.
"""

from drivers.contracts.secure_element import COUNTER_JOURNAL, SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import records as r
from terminal.journal import epoch as epochs
from terminal.journal import recovery

TYPE_JOURNAL = "tsd/journal"
MAGIC = "tasdid-journal"
VERSION = 2
ENDED = "ended"


class Statement:
    """What an export says of the journal besides its records."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.begins = 1
        self.trouble = ""
        self.acked: "tuple[int, bytes] | None" = None
        self.others: "list[list] | None" = None
        self.damage: "list[list]" = []
        self.counter: "int | None" = None


class Exporter:
    """Hands an export to `write(bytes)` piece by piece: `begin`, `entry` for each record, `end`."""

    def __init__(self, device: str, secure_element, crypto, write) -> None:  # noqa: ANN001 - contracts, callable
        self._device = device
        self._se = secure_element
        self._crypto = crypto
        self._write = write
        self._digest = b""
        self._first = self._last = 0
        self._hash = r.ZERO_HASH
        self._holes: "list[list]" = []
        self.count = 0

    async def begin(self, provisioning: dict, said: Statement) -> None:
        """The first item."""
        public = await self._se.public_key(SLOT_DEVICE_KEY)
        acked = list(said.acked) if said.acked is not None else None
        opening = {1: MAGIC, 2: VERSION, 3: self._device, 4: public, 5: provisioning, 6: said.epoch, 7: said.begins}
        opening[8], opening[9], opening[10], opening[11] = said.trouble, acked, said.others, said.damage
        opening[12] = said.counter
        self._put(cbor.encode(opening))

    def entry(self, seq: int, data: bytes, signature: "bytes | None", place: "tuple | None" = None) -> None:
        """One record; in ascending order of `seq`."""
        self._put(cbor.encode([data, signature] if place is None else [data, signature, list(place)]))
        if self.count and seq > self._last + 1:
            self._holes.append([self._last, seq, self._hash])
        self._first = self._first or seq
        self._last = seq
        self._hash = self._crypto.sha256(data)
        self.count += 1

    async def end(self) -> None:
        """The closing item, signed."""
        counter = await self._se.counter(COUNTER_JOURNAL)
        payload = {1: self._device, 2: self._first, 3: self._last, 4: self._hash, 5: counter, 6: self.count}
        payload[7], payload[8] = self._digest, self._holes
        body = cbor.encode(payload)
        protected, to_sign = cose.sign1_prepare({1: -7, 3: TYPE_JOURNAL, 4: self._device.encode()}, body)
        signature = await self._se.sign(SLOT_DEVICE_KEY, to_sign)
        self._write(cose.sign1_assemble(protected, {}, body, signature))

    def _put(self, piece: bytes) -> None:
        self._digest = self._crypto.sha256(self._digest + piece)
        self._write(piece)


async def export(journal, secure_element, crypto, provisioning: dict, write, others: "list | None" = None) -> int:  # noqa: ANN001 - Journal, contracts, callable
    """Hand every piece of the export of an open journal to `write(bytes)`; returns the number of records. Raises
    JournalError, SecureElementError.

    `provisioning`: what the device knows of its own provisioning, text keys, no secrets. `others`: what else is stored,
    each [epoch, segments, bytes].
    """
    storage = journal._storage
    said = Statement(journal.epoch)
    said.begins = epochs.load(storage)[0].seq + 1
    seq, named = recovery.read_acknowledged(storage)[5:7]
    if journal._stand.once > seq:  # a later head says more than what is left of the file, and no hash
        seq, named = journal._stand.once, b""
    said.acked = (seq, named) if seq else None
    said.others = others
    exporter = Exporter(journal.device, secure_element, crypto, write)
    await exporter.begin(provisioning, said)
    for record, data, signature in journal.entries(1):
        exporter.entry(record[r.SEQ], data, signature)
    await exporter.end()
    return exporter.count
