"""PIN blocks against the published vectors, good and bad."""

from protocol import pinblock, pinblock_host
from protocol.crypto.pure import PureCrypto
from protocol.pinblock import PinBlockError
from tests.support.dual import raises, vectors

h = bytes.fromhex
RANDOM = bytes(range(10))


def _refused(reason, function, *arguments):
    error = raises(PinBlockError, function, *arguments)
    assert error.detail == reason, (error.detail, reason)
    for argument in arguments:
        if isinstance(argument, str):
            assert argument not in str(error)


def test_format_0():
    suite = vectors("pinblock.json")["iso0"]
    for case in suite["encode"]:
        assert pinblock_host.encode_iso0(case["pin"], case["pan"]) == h(case["pin_block"])
    for case in suite["decode"]:
        assert pinblock_host.decode_iso0(h(case["pin_block"]), case["pan"]) == case["pin"].encode()
    for case in suite["decode_invalid"]:
        _refused(case["reason"], pinblock_host.decode_iso0, h(case["pin_block"]), case["pan"])
    for case in suite["encode_invalid"]:
        _refused(case["reason"], pinblock_host.encode_iso0, case["pin"], case["pan"])


def test_format_2():
    suite = vectors("pinblock.json")["iso2"]
    for case in suite["encode"]:
        assert pinblock_host.encode_iso2(case["pin"]) == h(case["pin_block"])
        assert pinblock_host.encode_iso2(bytearray(case["pin"].encode())) == h(case["pin_block"])
        assert pinblock_host.decode_iso2(h(case["pin_block"])) == case["pin"].encode()
    for case in suite["decode_invalid"]:
        _refused(case["reason"], pinblock_host.decode_iso2, h(case["pin_block"]))
    for case in suite["encode_invalid"]:
        _refused(case["reason"], pinblock_host.encode_iso2, case["pin"])


def test_format_3():
    suite = vectors("pinblock.json")["iso3"]
    for case in suite["encode_prefix"]:
        block = pinblock_host.encode_iso3(case["pin"], case["pan"], RANDOM)
        assert block.hex().upper()[: len(case["pin_block_prefix"])] == case["pin_block_prefix"]
        assert pinblock_host.decode_iso3(block, case["pan"]) == case["pin"].encode()
    for case in suite["decode"]:
        assert pinblock_host.decode_iso3(h(case["pin_block"]), case["pan"]) == case["pin"].encode()
    for case in suite["decode_invalid"]:
        _refused(case["reason"], pinblock_host.decode_iso3, h(case["pin_block"]), case["pan"])
    for case in suite["encode_invalid"]:
        _refused(case["reason"], pinblock_host.encode_iso3, case["pin"], case["pan"], RANDOM)
    _refused("filler", pinblock_host.encode_iso3, "1234", "5555555551234567", bytes(9))


def test_format_4_fields():
    suite = vectors("pinblock.json")["iso4"]
    for case in suite["pin_field"]:
        if "pin_field" in case:
            field = h(case["pin_field"])
            assert pinblock.iso4_pin_field(case["pin"], field[8:]) == field
            assert pinblock_host.decode_iso4_pin_field(field) == case["pin"].encode()
        else:
            prefix = case["pin_field_prefix"]
            assert pinblock.iso4_pin_field(case["pin"], bytes(8)).hex().upper()[:16] == prefix
    for case in suite["pan_field"]:
        assert pinblock.iso4_pan_field(case["pan"]) == h(case["pan_field"])
    for case in suite["pin_field_invalid"]:
        _refused(case["reason"], pinblock_host.decode_iso4_pin_field, h(case["pin_field"]))


def test_format_4_enciphered():
    suite = vectors("pinblock.json")["iso4"]
    crypto = PureCrypto()
    for case in suite["encipher"]:
        block = pinblock.encipher_iso4(crypto, h(case["key"]), case["pin"], case["pan"], h(case["random_fill"]))
        assert block == h(case["pin_block"])
        assert pinblock_host.decipher_iso4(crypto, h(case["key"]), block, case["pan"]) == case["pin"].encode()
    for case in suite["decipher"]:
        pin = pinblock_host.decipher_iso4(crypto, h(case["key"]), h(case["pin_block"]), case["pan"])
        assert pin == case["pin"].encode()
    for case in suite["decipher_invalid"]:
        _refused(case["reason"], pinblock_host.decipher_iso4, crypto, h(case["key"]), h(case["pin_block"]), case["pan"])
    for case in suite["dukpt_aes128"]:
        field = h(case["pin_field"])
        assert pinblock.iso4_pin_field(case["pin"], field[8:]) == field
        assert pinblock_host.decode_iso4_pin_field(field) == case["pin"].encode()
        assert pinblock.iso4_pan_field(case["pan"]) == h(case["pan_field"])
        block = pinblock.encipher_iso4(crypto, h(case["key"]), case["pin"], case["pan"], field[8:])
        assert block == h(case["pin_block"])
    _refused("filler", pinblock.iso4_pin_field, "1234", bytes(7))
