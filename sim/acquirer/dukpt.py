"""AES DUKPT on the host's side (ANSI X9.24-3-2017, clauses 6.3 and B): from the base derivation key to a transaction's
working key.

AES-128 throughout. A key serial number is 12 bytes: initial key id (8) and transaction counter (4). Computed with
`cryptography`; does no bookkeeping of counters, which is `sim.acquirer.book`'s.
"""

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PIN_ENCRYPT = 0x1000  # key usage "PIN encryption"
DATA_ENCRYPT = 0x3000  # key usage "data encryption, encrypt"
_DERIVE_INITIAL = 0x8001
_DERIVE = 0x8000
_AES_128 = bytes.fromhex("00020080")  # algorithm and length in bits
MAX_ONES = 16  # a counter with more ones is never used


def _step(key: bytes, usage: int, context: bytes) -> bytes:
    """One derived key: the AES encryption of version, block counter, usage, algorithm, length and 8 bytes of
    context.
    """
    block = bytes([1, 1]) + usage.to_bytes(2, "big") + _AES_128 + context
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)  # noqa: S305  one block, as the standard says


def initial_key(bdk: bytes, key_id: bytes) -> bytes:
    """The initial key (16 bytes) of the device whose initial key id is `key_id` (8 bytes)."""
    return _step(bdk, _DERIVE_INITIAL, key_id)


def working_key(bdk: bytes, ksn: bytes, usage: int = DATA_ENCRYPT) -> bytes:
    """The working key of one transaction. ValueError for a key serial number that no device can have used."""
    if len(ksn) != 12:
        raise ValueError("a key serial number has 12 bytes")
    key_id, counter = ksn[:8], int.from_bytes(ksn[8:], "big")
    if counter == 0 or counter.bit_count() > MAX_ONES:
        raise ValueError("transaction counter out of range")
    key, reached = initial_key(bdk, key_id), 0
    for bit in range(31, -1, -1):
        if counter >> bit & 1:
            reached |= 1 << bit
            key = _step(key, _DERIVE, key_id[4:] + reached.to_bytes(4, "big"))
    return _step(key, usage, key_id[4:] + counter.to_bytes(4, "big"))
