"""Sealing card data for the acquirer under AES-DUKPT (ANSI X9.24-3), bound to the payment's identity and amount.

The transaction counter advances durably in the secure element *before* its key is used, so no key serves twice, power cuts included. The
initial key never leaves the secure element: it encrypts the first derivation block there. Blob: COSE_Encrypt0 (AES-CCM-16-128-128), protected
{1: 30, 4: KSN}, external data CBOR [device, epoch, intent, centimes]; content CBOR [PAN, PAN sequence number or null, expiry YYMM, chip data
(`protocol.emv.chip_data`), PIN block only while the card waits], numbers as their digits in half bytes, an odd one filled up with F. A key seals
one blob, hence the nonce is zero and crosses as a Partial IV. Tag 57 (track 2 equivalent) is in none of them. An online PIN is a block of ISO
9564-1 format 4 under the PIN key of the same transaction counter: one counter, two keys by usage.
"""

from drivers.contracts.secure_element import SLOT_DUKPT_COUNTER, SLOT_DUKPT_IK
from protocol import cbor, cose, dukpt
from protocol.pack import rd32, u32be

_ALGORITHM = 30


async def next_counter(se) -> int:  # noqa: ANN001 - SecureElement
    """Advance the transaction counter durably and return it. Raises SecureElementError, and CryptoError when it is used up."""
    current = rd32(await se.read_block(SLOT_DUKPT_COUNTER, 0))
    following = dukpt.next_counter(current)
    await se.write_block(SLOT_DUKPT_COUNTER, 0, u32be(following) + bytes(28))
    return following


async def seal_card(t, intent: int, amount: int, facts: dict, de55: bytes, pin: tuple = (0, b"")) -> bytes:  # noqa: ANN001 - Terminal
    """The sealed blob of one payment. `facts`: the kernel's pan, psn, expiry; `pin`: (counter, block) of `pin_block`: the blob then
    goes under that counter, otherwise under a new one.
    """
    from protocol.emv import chip_data

    counter, block = pin
    se = t.ports.se
    if not counter:
        counter = await next_counter(se)
    key = await _key(t, counter, dukpt.DATA_ENCRYPT)
    ksn = t.identity.ksn_id + u32be(counter)
    context = cbor.encode([t.identity.device, t.journal.epoch, intent, amount])
    pan = bytes(facts["pan"]).decode()
    content = [
        bytes.fromhex(pan + "F" * (len(pan) % 2)),
        facts["psn"],
        bytes(facts["expiry"])[:2],
        chip_data.shrink(de55, amount, facts["psn"]),
    ]
    if block:
        content.append(block)
    return cose.encrypt0(t.ports.crypto, key, bytes(13), {1: _ALGORITHM, 4: ksn}, cbor.encode(content), context)


async def pin_block(t, pan: bytes, digits: bytearray) -> "tuple[int, bytes]":  # noqa: ANN001 - Terminal
    """(transaction counter, enciphered PIN block) of an online PIN; the caller wipes `digits`."""
    from protocol import pinblock

    counter = await next_counter(t.ports.se)
    key = await _key(t, counter, dukpt.PIN_ENCRYPTION)
    return counter, pinblock.encipher_iso4(t.ports.crypto, key, digits, pan, await t.ports.se.random(8))


async def _key(t, counter: int, usage: int) -> bytes:  # noqa: ANN001
    """The key of `counter` for one usage: the first step in the secure element, the rest here."""
    steps = dukpt.derivation_blocks(t.identity.ksn_id, counter, usage)
    key = None
    for block in steps:
        if key is None:
            key = await t.ports.se.aes_ecb(SLOT_DUKPT_IK, block)
        else:
            key = t.ports.crypto.aes_ecb_encrypt(key, block)
    return key  # type: ignore[return-value] - there is always at least one step
