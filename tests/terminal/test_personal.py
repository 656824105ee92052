"""Personal data of a report: sealed for the authority, opened again after a power cut, in today's form and in release 0.1.0's."""

import hashlib

from drivers.contracts.secure_element import SLOT_PV_HMAC
from protocol import cbor, cose
from protocol.crypto.pure import PureCrypto
from protocol.errors import CryptoError
from terminal import personal

DRIVER = {
    "plate": "00123-115-16",
    "number": "109876543",
    "surname": "BENALI",
    "given_names": "AMINA",
    "birth": "19880704",
}


class Terminal:
    """What sealing needs of the terminal: an element with the authority's key, a device, an epoch."""

    def __init__(self):
        self.ports = self.se = self.identity = self.journal = self
        self.crypto = PureCrypto()
        self.device = "TSD-000001"
        self.epoch = 1
        self.drawn = 0

    async def hmac(self, slot, data):
        assert slot == SLOT_PV_HMAC
        return hashlib.sha256(b"the authority's key" + data).digest()

    async def random(self, count):
        self.drawn += 1
        return bytes((self.drawn,)) * count


async def test_what_was_sealed_is_opened_for_its_case_only():
    t = Terminal()
    content = dict(DRIVER)
    content["remark"] = "typed"  # a name that has no number
    blob = await personal.seal(t, 7, content)
    assert await personal.unseal(t, 7, blob) == content
    for text in ("BENALI", "00123", "surname"):
        assert text.encode() not in blob
    try:
        await personal.unseal(t, 8, blob)
        raise AssertionError("opened for another case")
    except CryptoError:
        pass


async def test_no_two_seals_share_a_nonce():
    t = Terminal()
    first, second = await personal.seal(t, 7, DRIVER), await personal.seal(t, 7, {"plate": "1"})
    nonces = [cose.encrypt0_parse(blob).unprotected[cose.PARTIAL_IV] for blob in (first, second)]
    assert nonces[0] != nonces[1] and len(nonces[0]) == 6


async def test_a_report_sealed_by_release_0_1_0_is_opened():
    t = Terminal()
    context = cbor.encode([t.device, t.epoch, 7])
    key = (await t.hmac(SLOT_PV_HMAC, context))[:16]
    old = cose.encrypt0(t.crypto, key, b"thirteen byte", {1: 30}, cbor.encode(DRIVER), context)
    assert await personal.unseal(t, 7, old) == DRIVER
