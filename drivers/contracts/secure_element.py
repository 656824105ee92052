"""Contract of the secure element: what an ATECC608B's data sheet offers, nothing more.

Slots are numbers fixed at provisioning (constants below). Private keys and MAC keys never leave it. Monotonic counters only go
up, to 2 097 151. Data slots survive power cuts; a write is all or nothing per 32-byte block.
"""

SLOT_DEVICE_KEY = 0  # P-256 private: signs outcomes, batches, receipts
SLOT_EPHEMERAL = (
    1  # P-256 private, made anew whenever needed: key agreement with its result in clear, never a signature
)
SLOT_PIN_HMAC = 4  # HMAC-SHA-256 key: officers' PIN verifiers
SLOT_TOKEN_HMAC = 5  # HMAC-SHA-256 key: card and licence tokens
SLOT_PV_HMAC = 6  # HMAC-SHA-256 key: derives the key of personal data kept for the authority
SLOT_DUKPT_IK = 7  # AES-128: DUKPT initial key, ECB only
SLOT_ATTEMPTS = 8  # data: 13 blocks of 32 bytes, officers' attempt counts, block 0 in use
SLOT_DUKPT_COUNTER = 9  # data: block 0 holds the DUKPT transaction counter (4 bytes, big endian)
SLOTS_VAULT = (
    9,
    10,
)  # data: block 1 of each holds a key under which sealed card data lie in the storage (16 bytes, zeros = none)
BLOCK_VAULT = 1  # the last whole block of a 72-byte slot

COUNTER_JOURNAL = 0  # one step per journal record
COUNTER_EPOCH = 1  # one step per new epoch: a storage that was exchanged knows of none


class SecureElement:
    """One secure element. All methods raise SecureElementError when it is absent or refuses."""

    async def info(self) -> dict:
        """{"part": str, "serial": bytes(9), "stand_in": bool}: a software stand-in says so."""
        raise NotImplementedError

    async def random(self, length: int) -> bytes:
        """`length` (1..32) random bytes."""
        raise NotImplementedError

    async def public_key(self, slot: int) -> bytes:
        """65 bytes, uncompressed point of the P-256 key in `slot`."""
        raise NotImplementedError

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """ECDSA P-256 over a 32-byte digest: 64 bytes r || s."""
        raise NotImplementedError

    async def verify(self, public_key: bytes, digest: bytes, signature: bytes) -> bool:
        """ECDSA P-256 verification with a public key (65 bytes) from outside: Nonce in pass-through mode (03) with the digest, then
        Verify in external mode (02) with key type 0004."""
        raise NotImplementedError

    async def generate_key(self, slot: int) -> bytes:
        """GenKey in creation mode (04): a fresh P-256 pair in `slot`; 65 bytes of its public key. The one before is gone. Only
        SLOT_EPHEMERAL allows it after provisioning."""
        raise NotImplementedError

    async def ecdh(self, slot: int, public_key: bytes) -> bytes:
        """ECDH of a stored key with its result in clear (mode 0C): 32 bytes, the first coordinate of the private key in `slot` times
        `public_key` (65 bytes, on the curve). Only SLOT_EPHEMERAL allows it."""
        raise NotImplementedError

    async def hmac(self, slot: int, data: bytes) -> bytes:
        """HMAC-SHA-256 with the key in `slot`, 32 bytes."""
        raise NotImplementedError

    async def aes_ecb(self, slot: int, block: bytes) -> bytes:
        """Encrypt one 16-byte block with the AES-128 key in `slot`."""
        raise NotImplementedError

    async def counter(self, index: int) -> int:
        """Value of monotonic counter `index` (0 or 1)."""
        raise NotImplementedError

    async def increment(self, index: int) -> int:
        """Step counter `index` by one, durably; returns the new value."""
        raise NotImplementedError

    async def read_block(self, slot: int, block: int) -> bytes:
        """The 32 bytes of data block `block` of a data slot."""
        raise NotImplementedError

    async def write_block(self, slot: int, block: int, data: bytes) -> None:
        """Write 32 bytes durably, all or nothing."""
        raise NotImplementedError
