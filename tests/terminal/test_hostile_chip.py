"""A licence chip that drops its channel for ever: a coded error and the officer's choice, never the terminal's end; fresh randomness throughout."""

from protocol.crypto.pure import PureCrypto
from protocol.licence.access import keys
from protocol.licence.channel import MAX_REBUILDS
from protocol.licence.errors import ReadError
from terminal.flows.drive import drive
from terminal.flows.fine import Fine
from terminal.flows.licence import _LEAST, _RANDOM, _Stock
from tests.support.dual import raises
from tests.support.parts import CountingElement
from tests.terminal.test_licence_flows import Terminal


class Set:
    body = {"anchors": []}


class AtAChip(Terminal):
    """A terminal whose reader holds a chip."""

    def __init__(self, reader, *pressed):
        super().__init__(*pressed)
        ports = self.ports
        ports.licence_reader, ports.answer_room, ports.file_room, ports.curves_in_element = reader, 0, 0, False

    def parameter(self, kind):
        return Set() if kind == "trust" else super().parameter(kind)


class Dropping:
    """Reader and chip in one: opens by basic access control, refusing each first try if it is `shy`, and loses every channel at once."""

    extended_length = False

    def __init__(self, printed, shy, status):
        self.crypto = PureCrypto()
        seed = keys.document_seed(self.crypto, printed.bac_key_input)
        self.enc = keys.derive(self.crypto, seed, keys.ENC, keys.DES3)
        self.mac = keys.derive(self.crypto, seed, keys.MAC, keys.DES3)
        self.shy = shy
        self.status = status
        self.tried = []  # what came with EXTERNAL AUTHENTICATE

    async def wait_for_card(self, timeout_ms):
        pass

    async def connect(self):
        return b""

    async def disconnect(self):
        pass

    async def transceive(self, command):
        if command[0] == 0x0C:
            return self.status
        if command[1] == 0xA4:
            return b"\x90\x00"
        if command[1] == 0x84:
            return bytes(8) + b"\x90\x00"
        if command[1] != 0x82:
            return b"\x6a\x82"
        sealed = command[5:37]
        plain = self.crypto.des3_cbc_decrypt(self.enc, bytes(8), sealed)
        self.tried.append(plain[:8] + plain[16:])
        if self.shy and len(self.tried) & 1:
            return b"\x63\x00"
        answer = self.crypto.des3_cbc_encrypt(self.enc, bytes(8), bytes(8) + plain[:8] + bytes(16))
        return answer + self.crypto.retail_mac(self.mac, keys.pad(answer, 8)) + b"\x90\x00"


async def test_a_chip_that_drops_every_channel_ends_in_a_coded_error_and_a_record():
    printed = Fine._mrz({"number": "123456784", "birth": "8503116", "expiry": "2804110"})
    for shy in (False, True):
        for status in (b"\x69\x88", b"\x69\x87", b"\x68\x82", b"\x67\x00", b"\x6f\x00"):
            chip = Dropping(printed, shy, status)
            terminal = AtAChip(chip, "cancel", "ok", "ok")
            fine = Fine(terminal)
            fine.mrz = printed
            assert await fine._read() == "plate"
            screens = terminal.face.screens()
            assert screens[-3:] == ["error", "licence_unreadable", "licence_verdict"], screens
            assert dict(terminal.face.shown[-2][1])["code"] == "LIC-031"
            assert len(terminal.journal.records) == 1
            opened = (MAX_REBUILDS + 1) * (2 if shy else 1)
            assert len(chip.tried) == opened == len(set(chip.tried))  # no random number twice


async def test_random_bytes_are_drawn_whenever_the_machine_goes_on():
    element = CountingElement()
    stock = _Stock(element)
    await stock.fill(_RANDOM)
    before = element.drawn
    seen = []

    def machine():
        for _ in range(40):
            seen.append(stock.take(74))  # a scalar of P-521
            yield ("apdu", b"")
        return "done"

    class Reader:
        async def transceive(self, command):
            return b"\x90\x00"

    assert await drive(Reader(), machine(), {}, stock.top_up) == "done"
    assert len(set(seen)) == 40 and element.drawn > before + 40
    assert all([len(part) == 74 for part in seen])


async def test_the_stock_gives_no_byte_twice_and_never_fewer():
    stock = _Stock(CountingElement())
    await stock.top_up()
    whole = stock.take(_LEAST)
    assert len(whole) == _LEAST and bytes(_LEAST) != whole
    raises(ReadError, stock.take, 1)
    await stock.fill(_RANDOM)
    pieces = [stock.take(32) for _ in range(_RANDOM // 32)]
    assert len(set(pieces)) == len(pieces) and not [piece for piece in pieces if piece in whole]
    assert not any(stock._held)
    await stock.fill(1)
    assert raises(ReadError, stock.take, 33).code == "LIC-031"
