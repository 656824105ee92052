"""A journal as one file for the technician: a CBOR sequence (RFC 8742) that `tasdid journal verify` checks without the
server.

    1st item   map {1: "tasdid-journal", 2: version 1, 3: device, 4: public key (65 bytes), 5: provisioning (map with
    text keys)} then       array [record's bytes, signature of 64 bytes or null] for each record kept, oldest first; a
    gap simply jumps last item  COSE_Sign1 (ES256, content type "tsd/journal", the device key): map {1: device, 2:
    first, 3: last, 4: hash of the last record,
               5: the secure element's counter, 6: number of records, 7: digest over all items before: d = SHA-256(d +
               item), from the empty string}

The last item is what makes a cut-off or shortened file visible: only the device that holds the key and the counter can
say where its journal ends. Sealed card data and personal data are not exported. Sans I/O: the caller writes the pieces
wherever it likes.
"""

from drivers.contracts.secure_element import COUNTER_JOURNAL, SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import records as r

TYPE_JOURNAL = "tsd/journal"
MAGIC = "tasdid-journal"
VERSION = 1


async def export(journal, secure_element, crypto, provisioning: dict, write) -> int:  # noqa: ANN001 - Journal, contracts, callable
    """Hand every piece of the export to `write(bytes)`; returns the number of records. Raises JournalError,
    SecureElementError.

    `provisioning`: what the device knows of its own provisioning, text keys, no secrets.
    """
    digest = b""

    def put(piece: bytes) -> None:
        nonlocal digest
        digest = crypto.sha256(digest + piece)
        write(piece)

    public = await secure_element.public_key(SLOT_DEVICE_KEY)
    put(cbor.encode({1: MAGIC, 2: VERSION, 3: journal.device, 4: public, 5: provisioning}))
    count = 0
    first = last = 0
    last_hash = r.ZERO_HASH
    for record, data, signature in journal.entries(1):
        put(cbor.encode([data, signature]))
        first = first or record[r.SEQ]
        last = record[r.SEQ]
        last_hash = crypto.sha256(data)
        count += 1
    counter = await secure_element.counter(COUNTER_JOURNAL)
    payload = cbor.encode({1: journal.device, 2: first, 3: last, 4: last_hash, 5: counter, 6: count, 7: digest})
    protected, to_sign = cose.sign1_prepare({1: -7, 3: TYPE_JOURNAL, 4: journal.device.encode()}, payload)
    signature = await secure_element.sign(SLOT_DEVICE_KEY, to_sign)
    write(cose.sign1_assemble(protected, {}, payload, signature))
    return count
