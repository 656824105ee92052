"""One of the two sets of dukpt_aes.json reproduced: initial key, every transaction's keys, PIN blocks, the update keys. Both runtimes."""

from protocol import dukpt, pinblock
from protocol.dukpt import DukptError
from tests.support.dual import raises

h = bytes.fromhex

USAGES = (
    ("pin_key_", dukpt.PIN_ENCRYPTION),
    ("mac_generation_key_", dukpt.MAC_GENERATION),
    ("data_encryption_key_", dukpt.DATA_ENCRYPT),
)
SIZES = (("aes128", 16), ("aes256", 32))


def check(suite, crypto, seen=None):
    """(working keys, PIN blocks) that were compared; AssertionError if anything is otherwise. `seen(name, value)`: what was made."""
    aes = crypto.aes_ecb_encrypt
    key = dukpt.derive_initial_key(aes, h(suite["bdk"]), h(suite["initial_key_id"]))
    assert key == h(suite["initial_key"])
    data = suite["transaction_data"]
    fill = h(data["pin_field"])[8:]
    assert pinblock.iso4_pin_field(data["pin"], fill) == h(data["pin_field"])
    assert pinblock.iso4_pan_field(data["pan"]) == h(data["pan_field"])
    working = blocks = 0
    for case in suite["transactions"] + suite["rollover"] + suite["last"]:
        ksn = h(case["ksn"])
        assert ksn[:8] == h(suite["initial_key_id"])
        transaction = dukpt.derive_transaction_key(aes, key, ksn)
        assert transaction == h(case["transaction_key"]), case["ksn"]
        for prefix, usage in USAGES:
            for suffix, size in SIZES:
                if prefix + suffix in case:
                    derived = dukpt.working_key(aes, transaction, ksn, usage, size)
                    assert derived == h(case[prefix + suffix]), (case["ksn"], prefix + suffix)
                    working += 1
        if "encrypted_pin_block" in case:
            pin_key = dukpt.working_key(aes, transaction, ksn, dukpt.PIN_ENCRYPTION, 16)
            block = pinblock.encipher_iso4(crypto, pin_key, data["pin"], data["pan"], fill)
            assert block == h(case["encrypted_pin_block"]), case["ksn"]
            blocks += 1
    for ksn in suite["invalid_ksn"]:
        assert h(ksn)[:8] == h(suite["initial_key_id"])
        assert raises(DukptError, dukpt.derive_transaction_key, aes, key, h(ksn)).code == "CRY-020"
    for suffix, size in SIZES:
        if suffix in suite["update_keys"]:
            update = dukpt.derive_update_key(aes, key, h(suite["initial_key_id"]), size)
            assert update == h(suite["update_keys"][suffix])
            if seen:
                seen(suffix, update)
    return working, blocks
