"""A licence chip as a conversation: select, open, talk secured, rebuild the channel when the chip drops it.

`Chip` wraps what one reading needs. All methods that talk are machines: they yield ("apdu", command) and are sent the answer.
Quirks survived here: the first BAC refused with 6982, 63CF or 6300 (select again, once); 61xx in clear (GET RESPONSE). Extended
length is used where link and heap have room for it and the card announces it: in its historical bytes (ISO/IEC 7816-4 section
12.1.1.9), with the sizes of EF.ATR/INFO (DO 7F66) if it has one.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.licence import profile
from protocol.licence.access import bac
from protocol.licence.errors import AccessError, MessagingError, ReadError, WrongMrzError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.access.messaging import SecureChannel
    from protocol.licence.access.offers import Offer
    from protocol.licence.mrz import Mrz

NOT_FOUND = (0x6A82, 0x6A83, 0x6A88, 0x6A81)
MAX_REBUILDS = 6
MAX_FORGIVEN = 24  # channels that may end over groups which the chip refuses in clear
CHANNEL_LOST = (0x6882, 0x6987, 0x6988)  # words by which a chip ends a channel that it has lost
CHUNK = 240  # bytes asked for at once without extended length: what works in the field
SMALLEST_PART = 16  # bytes of an answer that goes on after GET RESPONSE; less would make a reading endless
MAX_READS = 1900  # READ BINARY commands of one reading with little in their answers: a portrait of 16 KB in pieces of 16 bytes takes 1,024
_MOST_ACCESS = 4096  # bytes of EF.CardAccess that are read; a longer one is refused
_MOST_CRUMBS = 64  # commands for it that bring less than SMALLEST_PART
ELSEWHERE = "look at this licence on another terminal"
HEAD = 4  # bytes that tell a file's length
_MASTER_FILE = b"\x00\xa4\x00\x0c\x02\x3f\x00"
_SELECT_CARD_ACCESS = b"\x00\xa4\x02\x0c\x02\x01\x1c"
_NOT_THERE = (
    0x6A82,
    0x6A83,
    0x6A88,
    0x6D00,
    0x6E00,
)  # by which EF.CardAccess is known to be absent: no other way is tried
_MOST_SHORT = (
    1024  # bytes of an answer that was not asked for at extended length: 256, and what some chips add in a second piece
)
_MOST_EXTENDED = 65536
SM_OVERHEAD = 48  # most bytes that secure messaging adds to an answer's data


def exchange(command: bytes) -> "Generator[tuple, Any, tuple[bytes, int]]":
    """Send one command as it is; (data, status) of the answer, 61xx followed. ReadError if the answer is no APDU, or too long."""
    answer = yield ("apdu", command)
    data = b""
    most = _MOST_EXTENDED if len(command) > 6 and not command[4] else _MOST_SHORT
    for part in range(64):
        if len(answer) < 2:
            raise ReadError("the chip's answer is cut short", detail="length")
        status = pack.rd16(answer, len(answer) - 2)
        if len(data) + len(answer) - 2 > most:
            break
        data = data + bytes(answer[:-2]) if data else bytes(answer[:-2])
        if status >> 8 != 0x61:
            return data, status
        if part and len(answer) - 2 < SMALLEST_PART:
            break
        answer = yield ("apdu", bytes((0, 0xC0, 0, 0, status & 255)))
    raise ReadError("the chip's answer never ends", detail="61xx")


def _master_file(
    file: int, first: int = CHUNK, short: bool = True
) -> "Generator[tuple, Any, tuple[bytearray, int, bool]]":
    """A small file of the master file, in clear: (what can be read of it, last status, whether it is whole).

    By short identifier, or (`short` False) as the one that is selected; `first` bytes are asked for at first.
    """
    data, want, ask, status, crumbs = bytearray(), first, first, 0, 0
    while crumbs < _MOST_CRUMBS:
        at = len(data)
        p1, p2 = (0x80 | file, at) if short and at < 256 else (at >> 8, at & 255)
        piece, status = yield from exchange(bytes((0, 0xB0, p1, p2, ask)))
        crumbs += len(piece) < SMALLEST_PART
        if status >> 8 == 0x6C and 0 < status & 255 < ask:
            want = ask = status & 255  # first the largest chunk, then what is left
            continue
        if status not in (0x9000, 0x6282) or not piece:
            if not data or ask <= SMALLEST_PART:
                break
            want = ask = max(ask >> 1, SMALLEST_PART)
            continue
        data.extend(piece)
        total = _announced_length(data)
        if len(data) >= total or total > _MOST_ACCESS:
            return data, status, True
        if want == HEAD:
            want = CHUNK
        ask = min(want, total - len(data))
    return data, status, False


def _card_access() -> "Generator[tuple, Any, bytearray]":
    """EF.CardAccess as far as it can be read, empty if it is not there: by short identifier in one command, as most chips give it.

    Where that is refused otherwise than as not found, in the ways that `files` has too: no more than is there, by SELECT EF, and both after
    SELECT MF. A chip that offers PACE must not be taken for one that has none.
    """
    best, status, whole = yield from _master_file(profile.CARD_ACCESS)
    if whole or (not best and status in _NOT_THERE):
        return best
    for master in (False, True):
        if master and (yield from exchange(_MASTER_FILE))[1] != 0x9000:
            break
        for short in (True, False):
            if not short and (yield from exchange(_SELECT_CARD_ACCESS))[1] != 0x9000:
                continue
            data, status, whole = yield from _master_file(profile.CARD_ACCESS, HEAD, short)
            if len(data) > len(best):
                best = data
            if whole or (short and not best and status in _NOT_THERE):
                return best
    return best


def _announced_length(data: "bytes | bytearray") -> int:
    """How long the SET that `data` begins says it is, or at least is if they are too few to tell; 0 if it is something else."""
    if data[:1] != b"\x31":
        return 0
    if len(data) < 2 or data[1] < 0x80:
        return 2 + sum(data[1:2])
    head = 2 + (data[1] & 0x7F)
    return head if len(data) < head else head + pack.int_from(data[2:head])


def extended_announced(atr: bytes) -> bool:
    """Whether the card capabilities (compact DO 73) in an ATR's historical bytes announce extended length."""
    if len(atr) < 2:
        return False
    count, at, level = atr[1] & 15, 2, atr[1] >> 4
    while level:  # interface bytes: TA, TB, TC as the upper bits say; TD says whether another round comes
        at += (level & 1) + (level >> 1 & 1) + (level >> 2 & 1)
        if not level >> 3:
            break
        if at >= len(atr):
            return False
        level = atr[at] >> 4
        at += 1
    end = at + count
    if end > len(atr) or count == 0 or atr[at] not in (0x00, 0x80):
        return False
    at += 1
    while at < end:
        tag, length = atr[at] >> 4, atr[at] & 15
        if tag == 7 and length == 3 and at + 3 < end:
            return atr[at + 3] & 0x40 != 0
        at += 1 + length
    return False


def answer_size(atr_info: "bytes | bytearray", room: int) -> int:
    """The chunk for extended reads: what `room` holds and, if EF.ATR/INFO says so (DO 7F66: two integers), the card sends."""
    at = bytes(atr_info).find(b"\x7f\x66\x08\x02\x02")
    most = room
    if at >= 0 and len(atr_info) >= at + 11 and atr_info[at + 7 : at + 9] == b"\x02\x02":
        most = min(most, pack.rd16(atr_info, at + 9))
    return max(most - SM_OVERHEAD, CHUNK)


class Chip:
    """One licence chip: `aid` once selected, `channel` once open, `access` "BAC" or "PACE", `offers` of PACE in EF.CardAccess,
    `offers_pace` whether there is any, in whatever form, `pace_proof` (data, key) of the chip-authentication mapping or None, `proven`
    whether an answer came under the keys of chip authentication, `rebuilds` how often the channel was lost, `reads` of files so
    far that brought little, `chunk` how many bytes a READ BINARY asks for (found out once, kept for all files), `given` the most that one
    brought, `probes` how often a few bytes were asked for because more were refused, `sizes_matter` whether they were given, `room`
    for the data of an extended answer (0: none), `hold` the largest file that is kept, `announces_extended` whether card and link
    have extended length."""

    def __init__(
        self,
        crypto: "Crypto",
        mrz: "Mrz",
        rnd: "Callable[[int], bytes]",
        atr: bytes = b"",
        room: int = 0,
        hold: int = 0,
    ) -> None:
        self.crypto = crypto
        self._mrz = mrz
        self._rnd = rnd
        self.aid = b""
        self.access = ""
        self.channel: "SecureChannel | None" = None
        self.offers: "list[Offer]" = []
        self.offers_pace = False
        self.pace_proof: "tuple[bytes, bytes] | None" = None
        self.proven = False
        self.lost_beyond = False  # whether a channel was lost at a command longer than the card announced
        self._agreed: "SecureChannel | None" = None
        self._looked = self._at_master = False
        self._offer: "Offer | None" = None
        self.rebuilds = self.reads = self._forgiven = self.given = self.probes = 0
        self.sizes_matter = False
        self.room = room
        self.hold = hold or profile.HOLD_LIMIT
        self.chunk = CHUNK
        self.announces_extended = room > 2 * CHUNK and extended_announced(atr)

    def close(self) -> None:
        """Forget the session keys."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def random(self, count: int) -> bytes:
        """`count` random bytes from the caller's source."""
        return self._rnd(count)

    def replace(self, channel: "SecureChannel") -> None:
        """Go on under another channel (chip authentication); the first authentic answer in it proves the chip."""
        self.close()
        self.channel = self._agreed = channel
        self.proven = False

    def look(self) -> "Generator[tuple, Any, None]":
        """Read EF.CardAccess once: whether the chip wants PACE (ICAO Doc 9303-11 section 4.2). AccessError LIC-024 if malformed or too large."""
        if self._looked:
            return
        self._looked = True
        if self.announces_extended:
            self.chunk = answer_size((yield from _master_file(profile.ATR_INFO))[0], self.room)
        data = yield from _card_access()
        if not data:
            return
        if _announced_length(data) > _MOST_ACCESS:  # whether it offers PACE cannot be told: BAC is not tried
            raise AccessError("EF.CardAccess is larger than this terminal reads", "LIC-024", ELSEWHERE, "size")
        from protocol.licence.access import offers, pace

        self.offers = offers.offers(data)
        self.offers_pace = offers.named(data)
        self._offer = pace.choose(self.crypto, self.offers)

    def select(self) -> "Generator[tuple, Any, None]":
        """Select the licence application: ISO's first, then the EU's; secured once there is a channel. ReadError LIC-030."""
        status = 0
        for aid in (self.aid,) if self.aid else (profile.ISO_AID, profile.EU_AID):
            command = b"\x00\xa4\x04\x0c" + bytes((len(aid),)) + aid
            _, status = yield from (exchange(command) if self.channel is None else self.send(command))
            if status == 0x9000:
                self.aid = aid
                return
        raise ReadError("no licence application on this card", "LIC-030", "present a driving licence", status)

    def open(self) -> "Generator[tuple, Any, None]":
        """Get access and select: PACE if EF.CardAccess offers what this terminal runs, else BAC. A failed PACE stays failed."""
        self.close()
        yield from self.look()
        while self._offer is not None:
            try:
                yield from self._open_pace(self._offer)
                return
            except MessagingError as cause:  # lost as soon as it was there, while selecting
                self.close()
                self._count_loss(cause)
        if self._mrz.kind == "CAN":
            raise AccessError("this chip cannot be opened with a CAN here", "LIC-024", "use the machine-readable zone")
        yield from self.select()
        try:
            self.channel = yield from bac.establish(self.crypto, self._mrz.bac_key_input, self._rnd)
        except WrongMrzError as refusal:
            if refusal.detail not in (0x6982, 0x63CF, 0x6300):
                raise
            yield from self.select()
            self.channel = yield from bac.establish(self.crypto, self._mrz.bac_key_input, self._rnd)
        self.access = "BAC"

    def _open_pace(self, offer: "Offer") -> "Generator[tuple, Any, None]":
        from protocol.licence.access import pace

        if self.access:  # the application is selected: back to the master file
            yield from exchange(_MASTER_FILE)
        kind = pace.BY_CAN if self._mrz.kind == "CAN" else pace.BY_MRZ
        several = len([item for item in self.offers if item.oid == offer.oid]) > 1
        agreed = yield from pace.establish(self.crypto, offer, self._mrz.bac_key_input, kind, self._rnd, several)
        self.channel = agreed.channel
        if agreed.proof:
            self.pace_proof = (agreed.proof, agreed.chip_map_key)
        self.access = "PACE"
        if not self._at_master:
            yield from self.select()

    def _count_loss(self, cause: MessagingError) -> None:
        self.rebuilds += 1
        if self.rebuilds > MAX_REBUILDS:
            raise ReadError("the chip drops the secure channel again and again", detail=cause.detail)

    @property
    def awaited(self) -> bool:
        """Whether the first answer under the keys of chip authentication is still to come: the end of this channel may be about them."""
        return self.channel is not None and self.channel is self._agreed and not self.proven

    def rebuild(self, cause: MessagingError, forgiven: int = 0) -> "Generator[tuple, Any, None]":
        """Open the channel again after `cause`; ReadError LIC-031 when that happened too often. `forgiven`: how many losses, this one
        included, were over a group that is left alone from now on; they do not count against the others."""
        self._forgiven += forgiven
        self.rebuilds -= forgiven
        if self._forgiven > MAX_FORGIVEN:
            self.rebuilds = MAX_REBUILDS
        self._count_loss(cause)
        yield from self.open()

    def master_file(self) -> "Generator[tuple, Any, None]":
        """Go to the master file under PACE's channel; where the chip does not let us, through a new one, which begins there. Channels that
        are lost until `application` are rebuilt there too."""
        self._at_master = True
        try:
            _, status = yield from self.send(_MASTER_FILE)
            lost = None if status == 0x9000 else MessagingError("the master file cannot be selected", detail=status)
        except MessagingError as cause:
            lost = cause
        if lost is not None:
            yield from self.rebuild(lost)

    def application(self) -> "Generator[tuple, Any, None]":
        """Back to the licence application."""
        self._at_master = False
        try:
            yield from self.select()
            return
        except MessagingError as cause:
            lost = cause
        except ReadError as cause:
            lost = MessagingError("the application cannot be selected again", detail=cause.detail)
        yield from self.rebuild(lost)

    def send(self, command: bytes) -> "Generator[tuple, Any, tuple[bytes, int]]":
        """Send one plain command through the channel; (data, status). MessagingError if the channel is gone afterwards."""
        channel = self.channel
        if channel is None:
            raise MessagingError("there is no secure channel", detail="closed")
        data, status = yield from exchange(channel.wrap(command))
        answer = channel.unwrap(data + pack.u16be(status))
        if channel is self._agreed:
            self.proven = True
        return answer
