"""Personal data of a report: sealed for the authority, opened again after a power cut, in today's form and in earlier ones."""

import hashlib

from drivers.contracts.secure_element import SLOT_PV_HMAC
from protocol import cbor, cose
from protocol.crypto.pure import PureCrypto
from protocol.errors import CryptoError
from terminal import personal
from tests.support.dual import record

DRIVER = {
    "plate": "00123-115-16",
    "number": "A10203047",
    "surname": "BENALI",
    "given_names": "AMINA",
    "birth": "19880704",
    "authority": "ALGER CENTRE",
}
ODD = (
    "", "a", "É", "18991231", "19881301", "19880732", "20580101", "99991231", "1988070", "198807041", "٠٠١٢", "١٩٨٨٠٧٠٤", "1988²704",
    "1_880704", "AB,C", " ", "  7", "7  ", "-", "O'NEIL", "0", "000", "PAPER", "\x00", "Ａ",
)  # fmt: skip


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
    blob = await personal.seal(t, 7, DRIVER)
    record("blob", blob)
    assert await personal.unseal(t, 7, blob) == DRIVER
    assert len(blob) == 2 + 4 + 9 + 2 + 37 + 8  # the earlier form took 99 bytes
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


async def test_whatever_is_typed_or_read_comes_back_exactly():
    for content in (
        {},
        {"plate": ""},
        {"document": "paper", "number": "123456"},
        {"plate": "12345 أ 16", "document": "foreign"},
        {"birth": "19880000", "surname": "أمينة", "given_names": "Amina-Lyes"},
        {"plate": "00123-115-16", "remark": "typed"},  # a name that has no number
        {"plate": 5, "number": b"\x10", "birth": None},  # what is no text stays what it is
    ):
        t = Terminal()
        assert await personal.unseal(t, 7, await personal.seal(t, 7, content)) == content, content


def test_a_value_takes_the_shortest_form_that_gives_it_back():
    for text, value in (
        ("paper", -1),
        ("foreign", -2),
        ("19880704", ((88 * 13) + 7) * 32 + 4),
        ("19000000", 0),
        ("00123-115-16", bytes.fromhex("11234b226b27")),
        ("A1", bytes.fromhex("c2")),
        ("7", bytes.fromhex("80")),
        ("AB", bytes.fromhex("0088")),
        ("Z/", bytes.fromhex("0d7c")),
    ):
        assert personal.short(text) == value and personal.long(value) == text, text
    for text in ODD:
        value = personal.short(text)
        assert personal.long(value) == text, text
        record("value", value if isinstance(value, bytes) else str(value))


async def test_reports_in_the_forms_of_earlier_releases_are_opened():
    t = Terminal()
    context = cbor.encode([t.device, t.epoch, 7])
    key = (await t.hmac(SLOT_PV_HMAC, context))[:16]
    release_0_1_0 = cose.encrypt0(t.crypto, key, b"thirteen byte", {1: 30}, cbor.encode(DRIVER), context)
    numbered = {personal.FIELDS.index(name): DRIVER[name] for name in DRIVER}
    since = cose.encrypt0(t.crypto, key, bytes(7) + b"random", {1: 30}, cbor.encode(numbered), context)
    for old in (release_0_1_0, since):
        assert await personal.unseal(t, 7, old) == DRIVER
