"""Sealed card data, the terminal's side: the form, the counter, what is bound and what is left out. Both runtimes give the same bytes."""

from drivers.contracts.secure_element import SLOT_DUKPT_COUNTER, SLOT_DUKPT_IK
from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.emv import tags
from protocol.pack import rd32, u32be
from protocol.tlv import encode
from terminal import sealing
from tests.support.dual import record as note

AMOUNT, INTENT = 2_000_00, 31
IK, KEY_ID = bytes(range(16)), b"\x54\x44\x00\x00\x01abc"
FACTS = {"pan": b"9999990112345674", "psn": 1, "expiry": b"\x31\x12\x31"}
DE55 = (
    (tags.CRYPTOGRAM, "0102030405060708"), (tags.CID, "40"), (tags.IAD, "06010A03940000"), (tags.UN, "A1B2C3D4"), (tags.ATC, "0102"),
    (tags.TVR, "8000008000"), (tags.DATE, "261128"), (tags.TXN_TYPE, "00"), (tags.AMOUNT, "000000200000"), (tags.CURRENCY, "0012"),
    (tags.AIP, "3900"), (tags.COUNTRY, "0012"), (tags.CVM_RESULTS, "420300"), (0x9F33, "E0F8C8"), (0x9F35, "22"),
    (tags.AMOUNT_OTHER, "000000000000"), (tags.DF_NAME, "A0000000031010"), (0x9F09, "0096"), (tags.COUNTER, "00000031"), (tags.PSN, "01"),
)  # fmt: skip
OUTCOME = {
    r.CRYPTOGRAM: bytes.fromhex("0102030405060708"),
    r.CID: 0x40,
    r.ATC: 0x0102,
    r.TVR: bytes.fromhex("8000008000"),
    r.AID: bytes.fromhex("A0000000031010"),
}


def chip():
    return b"".join([encode(tag, bytes.fromhex(value)) for tag, value in DE55])


class Terminal:
    """What sealing needs of the terminal: an element with an initial key and a counter."""

    def __init__(self):
        self.ports = self.se = self.identity = self.journal = self
        self.crypto = PureCrypto()
        self.device, self.epoch, self.ksn_id = "TSD-000001", 1, KEY_ID
        self.counter = u32be(0)

    async def aes_ecb(self, slot, block):
        assert slot == SLOT_DUKPT_IK
        return self.crypto.aes_ecb_encrypt(IK, block)

    async def read_block(self, slot, block):
        assert (slot, block) == (SLOT_DUKPT_COUNTER, 0)
        return self.counter + bytes(28)

    async def write_block(self, slot, block, data):
        assert (slot, block) == (SLOT_DUKPT_COUNTER, 0)
        self.counter = bytes(data[:4])

    async def random(self, count):
        return bytes(count)


async def test_a_blob_has_the_shortest_strict_form_and_its_own_counter():
    t = Terminal()
    waiting = await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip())
    beside = await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip(), record=OUTCOME)
    for counter, blob in ((1, waiting), (2, beside)):
        message = cose.encrypt0_parse(blob, True)
        assert message.protected == {cose.ALG: 10, cose.KID: KEY_ID + u32be(counter)} and message.unprotected == {}
        assert blob[:2] == b"\xd0\x83"
        note("blob", blob)
    assert rd32(t.counter) == 2
    assert len(beside) == len(waiting) - 24  # 9F26, 9F27, 9F36, 95 and 84 with its length


async def test_what_the_record_says_otherwise_or_not_at_all_is_sealed():
    t = Terminal()
    whole = len(await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip(), record={}))
    for key, value, size in (
        (r.CRYPTOGRAM, bytes(8), 8),
        (r.CID, 0, 1),
        (r.ATC, 0, 2),
        (r.TVR, bytes(5), 5),
        (r.AID, bytes(7), 8),
    ):
        other = dict(OUTCOME)
        lengths = []
        for body in (OUTCOME, other):
            lengths.append(len(await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip(), record=body)))
            other[key] = value
        del other[key]
        lengths.append(len(await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip(), record=other)))
        assert lengths == [lengths[0], lengths[0] + size + 6, lengths[0] + size + 6] and lengths[1] <= whole + 6, key


async def test_a_pin_block_goes_under_its_own_counter():
    t = Terminal()
    counter, block = await sealing.pin_block(t, FACTS["pan"], bytearray(b"1234"))
    blob = await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip(), (counter, block))
    assert rd32(t.counter) == counter == 1
    assert cose.encrypt0_parse(blob).kid == KEY_ID + u32be(1)
    assert len(blob) == len(await sealing.seal_card(t, INTENT, AMOUNT, FACTS, chip())) + 17
    assert cbor.decode(blob, tags=True).value[1] == {}
