"""AES DUKPT key derivation (ANSI X9.24-3-2017 sections 6.3 to 6.5 and annex B): a fresh key for each transaction.

A key serial number (KSN) is 12 bytes: the 8-byte initial key identifier, whose last 4 are the derivation identifier, and a 32-bit
transaction counter with at most 16 one-bits. The AES primitive is passed in as `aes_ecb(key, block16) -> block16`, so that it may
be the secure element's. BDK and derived keys are AES-128 or AES-256.

Who holds what: the acquirer's host has the base derivation key and uses `derive_initial_key` and `derive_transaction_key`. A
terminal must not keep the initial key; it keeps `Device`, whose registers cannot be run backwards. Does no TDES DUKPT and no
storage: the caller makes the advanced state durable *before* it uses a key.

Errors are DukptError: CRY-020 a KSN or counter that no device produces, CRY-021 the counter is exhausted, CRY-022 a key length.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.errors import CryptoError

if TYPE_CHECKING:
    from collections.abc import Callable

    AesEcb = Callable[[bytes, bytes], bytes]

# key usage indicators (table 3)
KEY_ENCRYPTION = 0x0002
PIN_ENCRYPTION = 0x1000
MAC_GENERATION = 0x2000
MAC_VERIFICATION = 0x2001
MAC_BOTH = 0x2002
DATA_ENCRYPT = 0x3000
DATA_DECRYPT = 0x3001
DATA_BOTH = 0x3002
KEY_DERIVATION = 0x8000
KEY_DERIVATION_INITIAL = 0x8001

_MAX_ONES = 16
_FULL = 0xFFFFFFFF


class DukptError(CryptoError):
    """A key serial number, counter or key length that AES DUKPT does not know."""

    code = "CRY-020"


def _algorithm(length: int) -> int:
    """Algorithm indicator (table 4) of an AES key of `length` bytes."""
    if length == 16:
        return 0x0002
    if length == 32:
        return 0x0004
    raise DukptError("an AES DUKPT key has 16 or 32 bytes", "CRY-022")


def _derive(aes_ecb: "AesEcb", key: bytes, usage: int, length: int, context: bytes) -> bytes:
    """Derive `length` bytes under `key` (section 6.3.2); `context` is the last 8 bytes of the derivation data."""
    out = b""
    for block in range(1, length // 16 + 1):
        data = bytes((1, block)) + pack.u16be(usage) + pack.u16be(_algorithm(length)) + pack.u16be(length * 8) + context
        out += aes_ecb(key, data)
    return out


def ones(counter: int) -> int:
    """How many one-bits a counter has."""
    count = 0
    while counter:
        counter &= counter - 1
        count += 1
    return count


def check_counter(counter: int) -> None:
    """DukptError unless 0 < counter < 2**32 with at most 16 one-bits."""
    if not 0 < counter <= _FULL or ones(counter) > _MAX_ONES:
        raise DukptError("no device produces this transaction counter", "CRY-020")


def split_ksn(ksn: bytes) -> "tuple[bytes, int]":
    """Initial key identifier and counter of a 12-byte key serial number; DukptError if it is none."""
    if len(ksn) != 12:
        raise DukptError("a key serial number has 12 bytes", "CRY-020")
    counter = pack.rd32(ksn, 8)
    check_counter(counter)
    return bytes(ksn[:8]), counter


def make_ksn(initial_key_id: bytes, counter: int) -> bytes:
    """The 12-byte key serial number."""
    if len(initial_key_id) != 8:
        raise DukptError("an initial key identifier has 8 bytes", "CRY-020")
    check_counter(counter)
    return bytes(initial_key_id) + pack.u32be(counter)


def next_counter(counter: int) -> int:
    """The counter after `counter` (0 before the first): one more, numbers with over 16 one-bits left out.

    DukptError CRY-021 after FFFF0000, the last: the device needs a new initial key.
    """
    if not 0 <= counter <= _FULL or ones(counter) > _MAX_ONES:
        raise DukptError("no device produces this transaction counter", "CRY-020")
    counter += 1
    while ones(counter) > _MAX_ONES:
        counter += counter & -counter
    if counter > _FULL:
        raise DukptError("the transaction counter is exhausted", "CRY-021")
    return counter


def derive_initial_key(aes_ecb: "AesEcb", bdk: bytes, initial_key_id: bytes) -> bytes:
    """The initial key of a device from the base derivation key, as long as that (host and key loading only)."""
    if len(initial_key_id) != 8:
        raise DukptError("an initial key identifier has 8 bytes", "CRY-020")
    return _derive(aes_ecb, bdk, KEY_DERIVATION_INITIAL, len(bdk), bytes(initial_key_id))


def _context(initial_key_id: bytes, counter: int) -> bytes:
    return bytes(initial_key_id[4:8]) + pack.u32be(counter)


def _descend(aes_ecb: "AesEcb", initial_key: bytes, initial_key_id: bytes, counter: int) -> bytes:
    """The intermediate derivation key of a counter: one derivation for each one-bit, highest first."""
    key, working, mask = initial_key, 0, 1 << 31
    while mask:
        if counter & mask:
            working |= mask
            key = _derive(aes_ecb, key, KEY_DERIVATION, len(key), _context(initial_key_id, working))
        mask >>= 1
    return key


def derive_transaction_key(aes_ecb: "AesEcb", initial_key: bytes, ksn: bytes) -> bytes:
    """The intermediate derivation key of a KSN's counter, from the initial key (host side, section 6.5)."""
    initial_key_id, counter = split_ksn(ksn)
    return _descend(aes_ecb, initial_key, initial_key_id, counter)


def derive_update_key(aes_ecb: "AesEcb", initial_key: bytes, initial_key_id: bytes, length: int = 16) -> bytes:
    """The key under which a new initial key is sent to a device, from the reserved counter FFFFFFFF (host side)."""
    if len(initial_key_id) != 8:
        raise DukptError("an initial key identifier has 8 bytes", "CRY-020")
    if length > len(initial_key):
        raise DukptError("a working key is not longer than the key it comes from", "CRY-022")
    key = _descend(aes_ecb, initial_key, initial_key_id, _FULL)
    return _derive(aes_ecb, key, KEY_ENCRYPTION, length, _context(initial_key_id, _FULL))


def working_key(aes_ecb: "AesEcb", transaction_key: bytes, ksn: bytes, usage: int, length: int = 16) -> bytes:
    """The key of `length` (16 or 32) bytes for one usage in the transaction of `ksn`; never longer than what it comes from."""
    initial_key_id, counter = split_ksn(ksn)
    if length > len(transaction_key):
        raise DukptError("a working key is not longer than the key it comes from", "CRY-022")
    return _derive(aes_ecb, transaction_key, usage, length, _context(initial_key_id, counter))


def derivation_blocks(initial_key_id: bytes, counter: int, usage: int) -> "list[bytes]":
    """The AES-128 blocks that lead from the initial key to a working key, each encrypted under the result of the one before.

    For a part that keeps the initial key to itself and encrypts the first block with it (`terminal.sealing`).
    """
    check_counter(counter)
    blocks = []

    def note(key: bytes, block: bytes) -> bytes:
        blocks.append(block)
        return key

    key = derive_transaction_key(note, bytes(16), make_ksn(initial_key_id, counter))
    working_key(note, key, make_ksn(initial_key_id, counter), usage)
    return blocks


class Device:
    """The terminal's side (section 6.4 and annex B): 32 registers of intermediate keys, from which used ones are erased, so
    that somebody who takes the state learns no earlier key.

    `registers[i]` belongs to bit i of the counter and is None when empty. `advance` fills what the next counters need, erases
    the key it hands out, and moves on; the caller stores the state before it uses that key.
    """

    def __init__(self, initial_key_id: bytes, counter: int, registers: "list[bytes | None]") -> None:
        self.initial_key_id = initial_key_id
        self.counter = counter
        self.registers = registers

    @classmethod
    def load(cls, aes_ecb: "AesEcb", initial_key: bytes, initial_key_id: bytes) -> "Device":
        """A fresh device: the registers of all single bits from the initial key, which is then to be destroyed."""
        device = cls(bytes(initial_key_id), 0, [None] * 32)
        make_ksn(initial_key_id, 1)
        device._fill(aes_ecb, initial_key, 31)
        device.counter = 1
        return device

    def _fill(self, aes_ecb: "AesEcb", key: bytes, top: int) -> None:
        """Derive the registers of bits `top` … 0 from `key`, the key of the current counter."""
        for bit in range(top, -1, -1):
            context = _context(self.initial_key_id, self.counter | 1 << bit)
            self.registers[bit] = _derive(aes_ecb, key, KEY_DERIVATION, len(key), context)

    @property
    def ksn(self) -> bytes:
        """The key serial number of the next transaction; DukptError CRY-021 when there is none left."""
        if self.counter > _FULL:
            raise DukptError("the transaction counter is exhausted", "CRY-021")
        return make_ksn(self.initial_key_id, self.counter)

    def advance(self, aes_ecb: "AesEcb") -> "tuple[bytes, bytes]":
        """Take the next transaction: its KSN and transaction key. The state has moved on when this returns."""
        ksn = self.ksn
        lowest = 0
        while self.counter >> lowest & 1 == 0:
            lowest += 1
        key = self.registers[lowest]
        if key is None:
            raise DukptError("the key of this transaction is gone", "CRY-021")
        if ones(self.counter) < _MAX_ONES:
            self._fill(aes_ecb, key, lowest - 1)
            self.registers[lowest] = None
            self.counter += 1
        else:
            for bit in range(lowest + 1):
                self.registers[bit] = None
            self.counter += 1 << lowest
        return ksn, key
