"""AES DUKPT against the numbers of X9.24-3's supplement."""

from protocol import dukpt
from protocol.crypto.pure import PureCrypto
from protocol.dukpt import DukptError
from tests.protocol.keys import dukpt_suite
from tests.support.dual import raises, record, vectors

h = bytes.fromhex


def _aes(key, block):
    return PureCrypto().aes_ecb_encrypt(key, block)


def _check_set(name):
    return dukpt_suite.check(vectors("dukpt_aes.json")[name], PureCrypto(), lambda size, key: record(name + size, key))


def test_every_vector_with_128_bit_keys():
    assert _check_set("aes128") == (24, 8)


def test_every_vector_with_256_bit_keys():
    assert _check_set("aes256") == (48, 0)


def test_the_next_counter_leaves_out_numbers_with_over_16_ones():
    assert dukpt.next_counter(0) == 1
    assert dukpt.next_counter(1) == 2
    assert dukpt.next_counter(0x0000FFFF) == 0x00010000
    assert dukpt.next_counter(0x0001FFFE) == 0x00020000
    assert dukpt.next_counter(0xFFFE8000) == 0xFFFF0000
    assert raises(DukptError, dukpt.next_counter, 0xFFFF0000).code == "CRY-021"
    raises(DukptError, dukpt.next_counter, 0x0001FFFF)
    raises(DukptError, dukpt.next_counter, -1)


def test_a_device_makes_the_keys_the_host_derives():
    suite = vectors("dukpt_aes.json")["aes128"]
    ident = h(suite["initial_key_id"])
    initial = h(suite["initial_key"])
    device = dukpt.Device.load(_aes, initial, ident)
    counter = 0
    for _ in range(40):
        counter = dukpt.next_counter(counter)
        ksn, key = device.advance(_aes)
        assert ksn == dukpt.make_ksn(ident, counter)
        assert key == dukpt.derive_transaction_key(_aes, initial, ksn)
        assert key not in device.registers  # what was handed out is erased


def test_a_device_skips_over_16_ones_and_stops_at_the_end():
    suite = vectors("dukpt_aes.json")["aes128"]
    ident = h(suite["initial_key_id"])
    initial = h(suite["initial_key"])
    keys = {}
    for case in suite["rollover"] + suite["last"]:
        keys[case["ksn"][16:]] = h(case["transaction_key"])
    for start, then in (("0001FFFE", "00020000"), ("FFFE8000", "FFFF0000"), ("FFFF0000", None)):
        registers = [None] * 32
        counter = int(start, 16)
        for bit in range(32):  # what a device that came this far holds
            if counter >> bit & 1:
                registers[bit] = keys[start]
                break
        for higher in range(bit + 1, 32):
            if counter >> higher & 1 == 0:
                above = (counter >> higher | 1) << higher
                registers[higher] = dukpt.derive_transaction_key(_aes, initial, dukpt.make_ksn(ident, above))
        device = dukpt.Device(ident, counter, registers)
        assert device.advance(_aes)[1] == keys[start]
        if then is None:
            assert raises(DukptError, device.advance, _aes).code == "CRY-021"
        else:
            assert device.advance(_aes) == (ident + h(then), keys[then])


def test_what_does_not_fit_is_refused():
    raises(DukptError, dukpt.derive_initial_key, _aes, bytes(24), bytes(8))
    raises(DukptError, dukpt.derive_initial_key, _aes, bytes(16), bytes(7))
    raises(DukptError, dukpt.derive_update_key, _aes, bytes(16), bytes(7))
    raises(DukptError, dukpt.derive_update_key, _aes, bytes(16), bytes(8), 32)
    raises(DukptError, dukpt.split_ksn, bytes(11))
    raises(DukptError, dukpt.make_ksn, bytes(8), 0)
    ksn = dukpt.make_ksn(bytes(8), 1)
    raises(DukptError, dukpt.working_key, _aes, bytes(16), ksn, dukpt.PIN_ENCRYPTION, 32)
