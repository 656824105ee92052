"""The licence's chip: application selection, basic access control, secure reading, and the quirks met in the field.

ISO/IEC 18013-2/-3 on ISO/IEC 7816-4, access as in ICAO Doc 9303-11. Files are reached by short identifier, or by
SELECT EF where the quirks allow. PACE and the chip's proofs are in `chip`; no writing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from sim.cards import base
from sim.cards.base import Apdu, Card, sw
from sim.cards.licence import cipher
from sim.cards.licence.messaging import MISSING_OBJECTS, Channel, MessagingFault
from sim.cards.tlv import read, tlv

AID = bytes.fromhex("A0000002480200")
CARD_ACCESS = 0x1C
END_OF_FILE = 0x6282


@dataclass
class Quirks:
    """How this chip departs from the standard. The defaults are those that were met on Algerian licences in the field.

    `select_then_read_fails`: SELECT EF then READ BINARY gives 6985. `odd_read_kills`: READ BINARY B1 gives 6987 and
    ends the channel. `over_read`: a Le beyond the end gives "6C" (6Cxx), "6282" (what is there and 6282) or "short"
    (what is there and 9000). `chunk`: a Le beyond it gives 6Cxx with the chunk's size (0: no such limit).
    `bac_first`: status of the first good BAC attempt after power-on, which fails (0: it does not). `bac_wrong`:
    status of a BAC attempt with wrong keys. `lose_channel_at`: the n-th protected command since power-on gives
    `lose_with` in clear and ends the channel, once (0: never). `extended`: extended length is understood. `strict`: a
    protected answer that does not fit 256 bytes is refused with 6700 unless the command is extended; a Le of zeros counts as 256
    there, although ISO/IEC 7816-4 5.4 lets it ask for what there is. `most`: an extended
    Le beyond it gives 6700 (0: no such limit).
    """

    select_then_read_fails: bool = True
    odd_read_kills: bool = True
    over_read: str = "6C"
    chunk: int = 240
    bac_first: int = 0
    bac_wrong: int = 0x6300
    lose_channel_at: int = 0
    lose_with: int = 0x6988
    extended: bool = False
    strict: bool = False
    most: int = 0


@dataclass
class Content:
    """What is on the chip: files by short identifier, and the MRZ information that opens them (None: read without
    access control).
    """

    files: dict[int, bytes] = field(default_factory=dict)
    mrz_information: str | None = None
    aid: bytes = AID


class LicenceCard(Card):
    """One licence. `rng(n)` gives n random bytes."""

    name = "licence"
    atr = bytes.fromhex("3B888001544553542D49444C4D")  # the PC/SC form of an ATS with the historical bytes "TEST-IDL"

    def __init__(self, content: Content, quirks: Quirks, rng: Callable[[int], bytes] = secrets.token_bytes) -> None:
        super().__init__()
        self.content = content
        self.quirks = quirks
        self.extended_length = quirks.extended
        self.rng = rng
        self._keys = cipher.bac_keys(content.mrz_information) if content.mrz_information else None
        self.power_off()

    def power_on(self) -> None:
        """Reset: nothing selected, no channel, the first-BAC quirk armed."""
        super().power_on()
        self._forget()
        self._bac_refusal = self.quirks.bac_first
        self._lose_at = self.quirks.lose_channel_at

    def power_off(self) -> None:
        """No power: session keys are gone."""
        super().power_off()
        self._forget()

    def _forget(self) -> None:
        self._selected = False
        self._challenge = b""
        self._channel: Channel | None = None
        self._current: int | None = None
        self._by_select = False

    def process(self, apdu: Apdu) -> bytes:
        """One command, protected or plain."""
        if apdu.cla & 0x0C == 0x0C:
            return self._protected(apdu)
        if apdu.cla & 0xFC:
            return sw(base.BAD_CLA)
        if self._channel is not None and apdu.ins != 0xA4:
            self._channel = None  # a command in clear ends secure messaging
            return sw(MISSING_OBJECTS)
        data, status = self._plain(apdu)
        return data + sw(status)

    def _protected(self, apdu: Apdu) -> bytes:
        channel = self._channel
        if channel is None:
            return sw(MISSING_OBJECTS)
        if self._lose_at and channel.commands + 1 == self._lose_at:
            self._lose_at = 0
            self._channel = None
            return sw(self.quirks.lose_with)
        if apdu.ins == 0xB1 and self.quirks.odd_read_kills:
            self._channel = None
            return sw(MISSING_OBJECTS)
        try:
            inner = channel.unwrap(apdu)
        except MessagingFault as fault:
            self._channel = None
            return sw(fault.status)
        wanted = inner.le or 0
        if self.quirks.strict and not apdu.extended and wanted > channel.room:
            return channel.wrap(b"", base.WRONG_LENGTH)
        if self.quirks.most and wanted > self.quirks.most:
            return channel.wrap(b"", base.WRONG_LENGTH)
        return channel.wrap(*self._plain(inner))

    def _plain(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.ins == 0xA4:
            return self._select(apdu)
        if not self._selected:
            return b"", base.BAD_INS
        if apdu.ins == 0x84:
            return self._get_challenge(apdu)
        if apdu.ins == 0x82:
            return self._external_authenticate(apdu)
        if apdu.ins == 0xB0:
            return self._read_binary(apdu)
        if apdu.ins == 0xB1:
            return self._read_far(apdu)
        return b"", base.BAD_INS

    def _select(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.p1 == 0x04:
            if apdu.data != self.content.aid:
                return b"", base.NOT_FOUND
            self._forget()
            self._selected = True
            return b"", base.OK
        if apdu.p1 not in (0x00, 0x02) or len(apdu.data) != 2 or not self._selected:
            return b"", base.WRONG_P1P2
        file = apdu.data[1]
        if file not in self.content.files or apdu.data[0] > 1:  # 00xx as ISO/IEC 18013-2 has it, 01xx as ICAO does
            return b"", base.NOT_FOUND
        self._current, self._by_select = file, True
        return b"", base.OK

    def _get_challenge(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.le != 8:
            return b"", base.WRONG_LENGTH
        self._challenge = self.rng(8)
        return self._challenge, base.OK

    def _external_authenticate(self, apdu: Apdu) -> tuple[bytes, int]:
        """BAC's EXTERNAL AUTHENTICATE, which is mutual (Doc 9303-11 section 4.3)."""
        challenge, self._challenge = self._challenge, b""
        if self._keys is None or len(challenge) != 8:
            return b"", base.CONDITIONS
        if len(apdu.data) != 40:
            return b"", base.WRONG_LENGTH
        k_enc, k_mac = self._keys
        sealed, tag = apdu.data[:32], apdu.data[32:]
        opened = cipher.decrypt(k_enc, sealed)
        if cipher.mac(k_mac, sealed) != tag or opened[8:16] != challenge:
            return b"", self.quirks.bac_wrong
        if self._bac_refusal:
            status, self._bac_refusal = self._bac_refusal, 0
            self._forget()
            return b"", status
        other, k_ifd = opened[:8], opened[16:]
        k_ic = self.rng(16)
        answer = cipher.encrypt(k_enc, challenge + other + k_ic)
        session = cipher.key_pair(bytes(a ^ b for a, b in zip(k_ifd, k_ic, strict=True)))
        self._channel = Channel(*session, challenge[4:] + other[4:])
        return answer + cipher.mac(k_mac, answer), base.OK

    def _read_binary(self, apdu: Apdu) -> tuple[bytes, int]:
        quirks = self.quirks
        if apdu.p1 & 0x80:
            file, offset = apdu.p1 & 0x1F, apdu.p2
            if apdu.p1 & 0x60:
                return b"", base.WRONG_P1P2
            if file not in self.content.files:
                return b"", base.NOT_FOUND
        else:
            file, offset = self._current, apdu.p1 << 8 | apdu.p2
            if file is None:
                return b"", base.NO_EF
            if self._by_select and quirks.select_then_read_fails:
                return b"", base.CONDITIONS
        if self._keys is not None and self._channel is None and file != CARD_ACCESS:
            return b"", base.SECURITY
        self._current, self._by_select = file, self._by_select and not apdu.p1 & 0x80
        return self._piece(self.content.files[file], offset, apdu.le or 0)

    def _read_far(self, apdu: Apdu) -> tuple[bytes, int]:
        """READ BINARY B1 of the current file: the offset comes in data object 54, the data go in 53 (ISO/IEC 7816-4 section 7.2.2)."""
        if apdu.p1 or apdu.p2 or self._current is None:
            return b"", base.WRONG_P1P2 if apdu.p1 or apdu.p2 else base.NO_EF
        try:
            offset = int.from_bytes(dict(read(apdu.data))[0x54], "big")
        except (ValueError, IndexError, KeyError):
            return b"", base.WRONG_DATA
        content, wanted = self.content.files[self._current], apdu.le or 0
        if offset >= len(content):
            return b"", base.OUTSIDE_EF
        if self.quirks.chunk and wanted > self.quirks.chunk:
            return b"", 0x6C00 | self.quirks.chunk
        piece = content[offset : offset + wanted]
        while piece and len(tlv(0x53, piece)) > wanted:
            piece = piece[:-1]
        return tlv(0x53, piece), base.OK

    def _piece(self, content: bytes, offset: int, wanted: int) -> tuple[bytes, int]:
        quirks = self.quirks
        if offset >= len(content):
            return b"", base.OUTSIDE_EF
        if quirks.chunk and wanted > quirks.chunk:
            return b"", 0x6C00 | quirks.chunk
        there = len(content) - offset
        if wanted <= there:
            return content[offset : offset + wanted], base.OK
        if quirks.over_read == "6C" and there < 256:
            return b"", 0x6C00 | there
        return content[offset:], base.OK if quirks.over_read == "short" else END_OF_FILE
