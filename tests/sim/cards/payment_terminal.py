"""A terminal's end written out by hand for the tests of the payment cards: no kernel, no `protocol`, just the commands."""

import hashlib

from sim.cards.emv import EmvCard
from sim.cards.tlv import read, read_dol

VALUES = {
    0x9F02: bytes.fromhex("000000500000"), 0x9F03: bytes(6), 0x9F1A: b"\x00\x12", 0x95: bytes(5), 0x5F2A: b"\x00\x12",
    0x9A: bytes.fromhex("261122"), 0x9C: b"\x00", 0x9F37: bytes.fromhex("DEADBEEF"), 0x9F35: b"\x22",
    0x9F34: bytes.fromhex("010302"), 0x9F33: bytes.fromhex("20B8C8"), 0x8A: b"Z3", 0x91: bytes(8),
}  # fmt: skip


class Terminal:
    """One card session; `data` collects every data object by tag."""

    def __init__(self, card: EmvCard) -> None:
        self.card = card
        self.data: dict[int, bytes] = {}
        self.pdol_data = self.cdol1_data = b""

    def send(self, hex_header: str, data: bytes = b"", le: bool = True) -> tuple[bytes, int]:
        """Header (4 bytes hex) and data; 61xx and 6Cxx are followed as on T=0."""
        command = bytes.fromhex(hex_header) + (bytes([len(data)]) + data if data else b"") + (b"\0" if le else b"")
        answer = self.card.respond(command)
        if answer[-2] == 0x6C:
            answer = self.card.respond(command[:-1] + answer[-1:])
        if answer[-2] == 0x61:
            answer = self.card.respond(b"\x00\xc0\x00\x00" + answer[-1:])
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def keep(self, data: bytes) -> None:
        """Collect the primitive objects inside templates."""
        for tag, value in read(data):
            first = tag >> (8 * ((tag.bit_length() - 1) // 8))
            if first & 0x20:
                self.keep(value)
            else:
                self.data[tag] = value

    def select(self, aid: bytes) -> int:
        data, status = self.send("00A40400", aid)
        self.keep(data)
        return status

    def dol(self, tag: int, **changes: bytes) -> bytes:
        """The data that a DOL of the card asks for; `changes` by "t95" style names."""
        values = {**VALUES, **{int(name[1:], 16): value for name, value in changes.items()}}
        return b"".join(values[entry] for entry, _ in read_dol(self.data.get(tag, b"")))

    def open(self, aid: bytes) -> "Terminal":
        """SELECT, GET PROCESSING OPTIONS, all records."""
        assert self.select(aid) == 0x9000
        self.pdol_data = self.dol(0x9F38)
        data, status = self.send("80A80000", b"\x83" + bytes([len(self.pdol_data)]) + self.pdol_data)
        assert status == 0x9000
        if data[0] == 0x80:
            self.data[0x82], self.data[0x94] = data[2:4], data[4:]
        else:
            self.keep(data)
        afl = self.data[0x94]
        self.static = b""
        for at in range(0, len(afl), 4):
            sfi, low, high, signed = afl[at] >> 3, *afl[at + 1 : at + 4]
            for record in range(low, high + 1):
                body, status = self.send(f"00B2{record:02X}{sfi << 3 | 4:02X}")
                assert status == 0x9000
                self.keep(body)
                if record < low + signed:
                    self.static += next(read(body))[1]
        return self

    def generate(self, kind: int, dol: int = 0x8C, cda: bool = True, **changes: bytes) -> dict[int, bytes]:
        """GENERATE AC; format 1 answers are taken apart too. Fails on any status but 9000."""
        sent = self.dol(dol, **changes)
        if dol == 0x8C:
            self.cdol1_data = sent
        data, status = self.send(f"80AE{kind | (0x10 if cda else 0):02X}00", sent)
        assert status == 0x9000, f"{status:04X}"
        if data[0] == 0x80:
            body = next(read(data))[1]
            return {0x9F27: body[:1], 0x9F36: body[1:3], 0x9F26: body[3:11], 0x9F10: body[11:]}
        self.last_response = next(read(data))[1]
        return dict(read(self.last_response))

    def dynamic_key(self) -> tuple[int, int]:
        """(modulus, exponent) of the card's key, recovered from its certificate without checking it."""
        issuer_block = self.recover(self.data[0x90], *self.ca)
        issuer = int.from_bytes(issuer_block[15:-21] + self.data.get(0x92, b""), "big")
        block = self.recover(self.data[0x9F46], issuer, int.from_bytes(self.data[0x9F32], "big"))
        remainder = self.data.get(0x9F48, b"")
        assert (
            block[-21:-1]
            == hashlib.sha1(block[1:-21] + remainder + self.data[0x9F47] + self.static + self.data[0x82]).digest()
        )
        modulus = block[21:-21] + remainder
        return int.from_bytes(modulus, "big"), int.from_bytes(self.data[0x9F47], "big")

    @staticmethod
    def recover(signed: bytes, modulus: int, exponent: int) -> bytes:
        return pow(int.from_bytes(signed, "big"), exponent, modulus).to_bytes(len(signed), "big")
