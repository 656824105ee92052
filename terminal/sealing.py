"""Sealing card data for the acquirer under AES-DUKPT (ANSI X9.24-3), bound to the payment's identity and amount.

The transaction counter advances durably in the secure element *before* its key is used, so no key serves twice, power cuts included. The
initial key never leaves the secure element: it encrypts the first derivation block there. Blob: COSE_Encrypt0, AES-CCM-16-64-128:

    D0 83 | protected {1: 10, 4: KSN 12 bytes} | A0 | ciphertext and tag of 8 bytes

    content         CBOR [PAN, PAN sequence number or null, expiry YYMM, chip data (`protocol.emv.chip_data`), PIN block only while the card waits],
                    numbers as their digits in half bytes, an odd one filled up with F
    external data   while the card waits: CBOR [device, epoch, intent, centimes], and the chip data are whole
                    beside an outcome record: CBOR [device, epoch, intent, centimes, 9F26, 9F27, 9F36, 95, 84], the last five byte strings as the
                    record says them (`chip_data.clear`), null where it says none; where they are the chip data's, those leave them out

So the server cannot change what the outcome record says in clear, which it hands to the acquirer in field 55. What was sealed while the card
waited is kept beside a deferred outcome as it is: the acquirer tries both. A key seals one blob, hence the nonce is zero; it is fixed here and
not sent (RFC 9052 sections 3.1 and 5.2: IV and Partial IV are optional, what the context fixes is not carried, as in RFC 8613 section 5).
Release 0.1.0 named algorithm 30 (tag of 16 bytes), with a Partial IV or an IV. Tag 57 (track 2 equivalent) is in none of them. An online PIN
is a block of ISO 9564-1 format 4 under the PIN key of the same transaction counter: one counter, two keys by usage.
"""

from drivers.contracts.secure_element import SLOT_DUKPT_COUNTER, SLOT_DUKPT_IK
from protocol import cbor, cose, dukpt
from protocol.pack import rd32, u32be


async def next_counter(se) -> int:  # noqa: ANN001 - SecureElement
    """Advance the transaction counter durably and return it. Raises SecureElementError, and CryptoError when it is used up."""
    current = rd32(await se.read_block(SLOT_DUKPT_COUNTER, 0))
    following = dukpt.next_counter(current)
    await se.write_block(SLOT_DUKPT_COUNTER, 0, u32be(following) + bytes(28))
    return following


async def seal_card(
    t,  # noqa: ANN001 - Terminal
    intent: int,
    amount: int,
    facts: dict,
    de55: bytes,
    pin: tuple = (0, b""),
    record: "dict | None" = None,
) -> bytes:
    """The sealed blob of one payment. `facts`: the kernel's pan, psn, expiry; `pin`: (counter, block) of `pin_block`: the blob then
    goes under that counter, otherwise under a new one; `record`: body of the outcome record that it will lie beside, None while the card waits.
    """
    from protocol.emv import chip_data

    counter, block = pin
    se = t.ports.se
    if not counter:
        counter = await next_counter(se)
    key = await _key(t, counter, dukpt.DATA_ENCRYPT)
    ksn = t.identity.ksn_id + u32be(counter)
    beside = [] if record is None else chip_data.clear(record)
    context = cbor.encode([t.identity.device, t.journal.epoch, intent, amount] + beside)
    pan = bytes(facts["pan"]).decode()
    content = [
        bytes.fromhex(pan + "F" * (len(pan) % 2)),
        facts["psn"],
        bytes(facts["expiry"])[:2],
        chip_data.shrink(de55, amount, facts["psn"], intent, beside),
    ]
    if block:
        content.append(block)
    return cose.encrypt0(
        t.ports.crypto, key, None, {cose.ALG: cose.AES_CCM_16_64_128, cose.KID: ksn}, cbor.encode(content), context
    )


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
