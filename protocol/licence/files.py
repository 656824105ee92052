"""Reading one file of the chip: short identifier first, then plain READ BINARY, in chunks; resumes where it was interrupted.

A `FileRead` is the state of one file: it survives a rebuilt channel and, kept by the caller, a card that was pulled out. The
content is hashed as it comes and kept only if asked for. ISO/IEC 7816-4 sections 7.2.2 and 7.2.3. What lies beyond 32 KB is asked
for with the odd instruction B1, whose offset is a data object; a card that does not know it refuses the file. The chunk that works is learnt
once for all files (`Chip.chunk`): extended where the card announces it, else 240, else what fits an answer of 256 bytes.

Quirks survived: 6Cxx (ask for xx), 6700 (smaller chunks), 6282 (end of file), 6985/6986 after SELECT EF or where short
identifiers are not known (the other way of selecting is tried), 6987, 6882, 6988 and any answer in clear (channel rebuilt). Whatever
other word meets a size that this chip never gave yet, a few bytes are asked for once before it counts (`_Reader.smaller`).

A file that the chip refuses all the same is `denied` and costs the reading nothing else, in clear too: the channel that ended there is
rebuilt and the file left alone. EF.SOD and DG1, without which there is nothing to judge, are asked for more often.
"""

from typing import TYPE_CHECKING

from protocol import pack, tlv
from protocol.errors import FormatError
from protocol.licence import profile
from protocol.licence.channel import CHANNEL_LOST, MAX_READS, MAX_REBUILDS, NOT_FOUND
from protocol.licence.errors import MessagingError, ReadError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Protocol

    from protocol.crypto import Crypto
    from protocol.licence.channel import Chip

    class Taker(Protocol):
        """Whoever takes a file's content as it comes; must not raise for what it holds."""

        def feed(self, data: bytes) -> None:
            """The next bytes."""
            ...


SMALLER = (2048, 1024, 512, 240, 231, 223, 192, 128, 64, 16)  # 231 and 223: an answer of 256 bytes with 3DES, with AES
OTHER_WAY = (0x6985, 0x6986, 0x6981, 0x6A86, 0x6D00, 0x6B00)
SHORT_STEPS = (240, 231, 223, 128, 64, 16)  # where each costs a channel
END_REACHED = (0x6B00, 0x6282)
BY_SHORT_ID, BY_SELECT = 0, 1
NEEDED = (profile.SOD, 1)  # without which there is nothing to judge
KEYS = (profile.AA_GROUP, profile.CA_GROUP)  # whose refusal accuses the chip
PROBE = 16  # bytes asked for to learn whether a size is what is refused
MOST_PROBES = 3  # in one reading
FULL_PART = 128  # bytes of an answer that is no crumb
SAYS_NO = NOT_FOUND + (0x6982,)  # words that, said in clear, speak of the file and not of the channel
BAD_START = "tag "  # how the detail of LIC-032 begins where the first bytes are at fault
TOO_LARGE = "size"  # detail of LIC-032: the file may be right, but is larger than this terminal reads


class FileRead:
    """One file: `file` (short identifier), `total` bytes once known, `done` so far, `absent`, `denied` (the status word that refused it, or 0).

    `sha256` and `digest` (by `algorithm`, the SOD's) are there when complete; `content` if the file is kept.
    """

    def __init__(
        self,
        crypto: "Crypto",
        file: int,
        algorithm: str = "sha256",
        keep: bool = True,
        most: int = profile.HOLD_LIMIT,
        picture: "Taker | None" = None,
    ) -> None:
        """`keep` the content, if it has no more than `most` bytes: a larger group is hashed, not kept; `picture` is fed
        with the content as it comes."""
        self.file = file
        self.tag = profile.tag_of(file)
        self.total = 0
        self.done = 0
        self.absent = False
        self.denied = 0
        self.keep = keep
        self._most = most
        self._picture = picture
        self.head = b""
        self._early = b""  # what came of a file whose length cannot be told yet
        self.sha256 = b""
        self.digest = b""
        self.algorithm = algorithm
        self._parts: "bytearray | None" = None
        self._hash = crypto.sha_new("sha256")
        self._second = None if algorithm == "sha256" else crypto.sha_new(algorithm)

    @property
    def complete(self) -> bool:
        """Whether the whole file was read."""
        return self.total > 0 and self.done == self.total

    @property
    def content(self) -> "bytes | bytearray":
        """The whole file; ReadError if it was not kept or is not complete."""
        if self._parts is None or not self.complete:
            raise ReadError("the file was not kept", detail=profile.name_of(self.file))
        return self._parts

    def forget(self) -> None:
        """Drop the content; the digests stay."""
        self._parts = None

    def take(self, data: bytes) -> None:
        """The next bytes of the file; those before its tag and length are whole wait for the rest."""
        if not self.total:
            data = self._early + data
            self.done = 0
            if not length_told(data, outer_tag(self.file, data)):
                self._early, self.done = data, len(data)
                return
            self._begin(data)
        if self.done + len(data) > self.total:
            data = data[: self.total - self.done]
        self._hash.update(data)
        if self._second is not None:
            self._second.update(data)
        if self._picture is not None:
            self._picture.feed(data)
        if self._parts is not None:
            self._parts[self.done : self.done + len(data)] = data
        self.done += len(data)
        if self.complete:
            self.sha256 = self._hash.digest()
            self.digest = self.sha256 if self._second is None else self._second.digest()

    def _begin(self, data: bytes) -> None:
        total = file_length(data, outer_tag(self.file, data))
        hold = total <= self._most
        if total > profile.STREAM_LIMIT or (not hold and self.file > profile.LAST_GROUP):
            raise ReadError("the file is larger than this terminal reads", "LIC-032", detail=TOO_LARGE)
        self.total = total
        self.keep = self.keep and hold
        self.head = data[: 4 if data[1] < 0x83 else 6]
        if self.keep:
            self._parts = bytearray(self.total)


def outer_tag(file: int, head: "bytes | bytearray") -> int:
    """The tag with which a file has to begin: a data group's may be another than its own, since what was signed are its bytes; one that is
    no tag of a single byte (00 and FF: nothing is written there) is not taken."""
    first = head[0] if len(head) else 0
    if 1 <= file <= profile.LAST_GROUP and first not in (0x00, 0xFF) and first & 0x1F != 0x1F:
        return first
    return profile.tag_of(file)


def length_told(head: bytes, tag: int) -> bool:
    """Whether the first bytes of a file are enough for `file_length` to find its length, or its fault."""
    if len(head) < 2:
        return head[:1] not in (b"", bytes((tag,)))
    count = head[1] & 0x7F if head[1] >= 0x80 else 0
    return head[0] != tag or count > 4 or len(head) >= 2 + count


def file_length(head: bytes, tag: int) -> int:
    """The whole length of a file from its first bytes (tag and BER length); ReadError LIC-032 if that makes no sense."""
    wrong = ReadError("the file does not begin as it must", "LIC-032", detail=BAD_START + str(tag))
    if len(head) < 2 or head[0] != tag:
        raise wrong
    length, at = head[1], 2
    if length >= 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or len(head) < 2 + count:
            raise wrong
        length, at = int.from_bytes(head[2 : 2 + count], "big"), 2 + count
    return at + length


def read(chip: "Chip", state: FileRead) -> "Generator[tuple, bytes, None]":
    """Bring `state` to complete, absent or denied; yields ("progress", name, done, total) after each chunk.

    ReadError LIC-031 if the chip does not let it end, LIC-032 if the length is impossible; errors of the link pass through.
    """
    reader = _Reader(chip, state)
    while not (state.complete or state.absent or state.denied):
        try:
            yield from reader.step()
        except MessagingError as cause:
            reader.lost(cause.detail)
            yield from chip.rebuild(cause, reader.losses if state.denied and state.file <= profile.LAST_GROUP else 0)
        else:
            if state.total:
                yield ("progress", profile.name_of(state.file), state.done, state.total)


def _around(count: int) -> int:
    """Bytes of tag and length around `count` bytes in the answer to B1."""
    return 2 if count < 0x80 else 3 if count < 0x100 else 4


def _inside(data: bytes) -> bytes:
    """What is in the data object 53 of an answer to B1; empty if it is none."""
    try:
        tag, start, end = tlv.read(data, 0, False)
    except FormatError:
        return b""
    return data[start:end] if tag == 0x53 else b""


class _Reader:
    """The ways and sizes tried for one file."""

    def __init__(self, chip: "Chip", state: FileRead) -> None:
        self.chip = chip
        self.state = state
        self.exact = 0  # what 6Cxx asked for
        self.way = BY_SHORT_ID
        self.tried_both = False
        self.selected = False
        self.want = 0  # bytes that the last READ BINARY asked for
        self.chunk = chip.chunk  # what worked for the files before
        self.first = 0  # the status that made the other way be tried
        self.losses = 0  # channels that ended during this file
        self.asked, self.stood = 0, 0  # how often in vain, at which place
        self.again = False  # whether a needed file is asked for again
        self.shrunk = -1  # where a smaller size was tried because of a channel that ended
        self.empty_at = -1  # where the chip said 9000 and gave nothing
        self.probed = 0  # the size in whose place a few bytes were asked for
        self.most = 0  # what was asked for before the file was selected

    def lost(self, why: object) -> None:
        """The channel ended: no file is selected any more. `why` is the status that ended it, if the chip, or the reader between, said one.

        What was asked for may have been the reason: an extended length on any word (on one of a lost channel the second time), a short one on 6700
        and 6Cxx, and on another word where the chip gave nothing of that size yet (`smaller`). Each try costs a channel, so that the steps are
        wide. What is said again and again is a refusal.
        """
        self.selected = False
        self.losses += 1
        if self.stood != self.state.done:
            self.stood, self.asked = self.state.done, 0
        if not isinstance(why, int):
            return
        if self.want >= 256 and (why not in CHANNEL_LOST or self.asked):
            self.chip.chunk = SHORT_STEPS[0]
        elif (why == 0x6700 or why >> 8 == 0x6C) and SHORT_STEPS[-1] < self.want < 256:
            self.chip.chunk = [size for size in SHORT_STEPS if size < self.want][0]
            self.shrunk = self.state.done
        else:
            self.asked += 1
            if self.in_doubt(why) and self.smaller(self.want):
                self.way, self.tried_both = BY_SHORT_ID, False
            elif self.asked >= self.patience(why):
                self.give_up(why)

    def in_doubt(self, why: int) -> bool:
        """Whether a channel that ended with `why` may have done so over the size asked for; one that was merely lost only the second time."""
        return why not in SAYS_NO and (why not in CHANNEL_LOST or self.asked > 1 or self.chip.sizes_matter)

    def patience(self, why: int) -> int:
        """How often a channel may end with `why` at one place of the file before that counts as the file's refusal."""
        state = self.state
        if why in CHANNEL_LOST:  # no word about the file, but a clone must not go free by it either
            return MAX_REBUILDS + 2 if state.file in NEEDED or (state.done and state.file in KEYS) else 3
        if (
            self.want
            and (why == 0x6700 or why >> 8 == 0x6C)
            and (state.file not in NEEDED or self.shrunk == state.done)
        ):
            return 1 if self.shrunk == state.done else 2  # all sizes were tried, or there was no smaller one to try
        if state.file in NEEDED:
            return 3
        return 1 if why in SAYS_NO and not (state.done or state.file in KEYS or self.chip.awaited) else 2

    def smaller(self, want: int) -> bool:
        """Whether a READ BINARY for `want` bytes that was refused, with a word that does not speak of lengths, is to be tried with fewer.

        Only where the chip gave no such piece yet. A few bytes are asked for first, once for a file: a chip that refuses them too refuses the
        file. Where it gives them, the sizes are gone down from the refused one, each once, for all files (`Chip.sizes_matter`).
        """
        chip = self.chip
        if not want > PROBE or want <= chip.given:
            return False
        if chip.sizes_matter:
            chip.chunk = [size for size in SHORT_STEPS if size < want][0]
        elif self.probed or chip.probes == MOST_PROBES:
            return False
        else:
            chip.probes += 1
            self.probed, chip.chunk = want, PROBE
        return True

    def give_up(self, status: int) -> None:
        """The chip refuses the file; one that is needed is asked for once more."""
        self.chip.sizes_matter = False
        if self.state.file in NEEDED and self.losses == 0 and not self.again:
            self.again, self.tried_both, self.way, self.selected = True, False, BY_SHORT_ID, False
            self.chip.chunk = self.chunk
            return
        self.chip.chunk = self.chunk
        self.state.denied = status or 0xFFFF

    def step(self) -> "Generator[tuple, bytes, None]":
        """One READ BINARY, or what must go before it."""
        state = self.state
        far = state.done >= profile.PLAIN_REACH
        short = self.way == BY_SHORT_ID and state.done < 256
        if not short and not self.selected:
            yield from self.make_current()
            return
        chunk = self.chip.chunk
        exact = self.exact
        left = state.total - state.done
        want = exact or (min(chunk, left + _around(left) if far else left) if state.total else chunk)
        self.chip.reads += 1
        if self.chip.reads > MAX_READS:
            raise ReadError("the chip gives its files in crumbs", detail=profile.name_of(state.file))
        self.want = self.most = want
        data, status = yield from self.chip.send(self.command(short, want))
        self.exact = 0
        if status in (0x9000, 0x6282) and data:
            if len(data) > want:
                raise ReadError("the chip sent more than was asked for", "LIC-032", detail=profile.name_of(state.file))
            self.selected = True
            piece = _inside(data) if far else data
            if not piece:
                self.give_up(0)
                return
            self.chip.given = max(self.chip.given, len(data))
            state.take(piece)
            if self.probed and self.chip.chunk == PROBE and not self.chip.sizes_matter:
                self.chip.sizes_matter = True
                self.chip.chunk = [size for size in SHORT_STEPS if size < self.probed][0]
            if exact and not state.complete and len(data) == exact:
                self.chip.chunk = exact  # 6Cxx named the largest chunk, not the file's end
            if len(data) >= FULL_PART:
                self.chip.reads -= 1
        else:
            self.refused(status, want)

    def command(self, short: bool, want: int) -> bytes:
        """READ BINARY for `want` bytes of answer: by `short` identifier, of the current file, or beyond what that reaches."""
        at, file = self.state.done, self.state.file
        size = bytes((want,)) if want < 256 else b"\0" + pack.u16be(want)
        if at < profile.PLAIN_REACH:
            return bytes((0, 0xB0, 0x80 | file if short else at >> 8, at & 255)) + size
        place = pack.be(at, 2 if at < 0x10000 else 3)
        count = bytes((2 + len(place),)) if want < 256 else b"\0" + pack.u16be(2 + len(place))
        return b"\x00\xb1\x00\x00" + count + bytes((0x54, len(place))) + place + size[-2:]

    def make_current(self) -> "Generator[tuple, bytes, None]":
        """Select the file again before a plain READ BINARY, and see that it still begins as it did."""
        state = self.state
        self.want = 0
        if self.way == BY_SHORT_ID:
            data, status = yield from self.chip.send(bytes((0, 0xB0, 0x80 | state.file, 0, len(state.head))))
            if status not in (0x9000, 0x6282):
                self.refused(status, 0)
                return
            if data != state.head:
                raise ReadError("another chip answers", "LIC-033", detail=profile.name_of(state.file))
        else:
            master = state.file in (profile.CARD_ACCESS, profile.CARD_SECURITY)
            _, status = yield from self.chip.send(bytes((0, 0xA4, 2, 0x0C, 2, 1 if master else 0, state.file & 0x1F)))
            if status != 0x9000:
                self.refused(status, 0)
                return
        self.selected = True

    def refused(self, status: int, want: int) -> None:
        """Draw the consequence of a status word that brought no data."""
        state = self.state
        exact = status & 255
        if status >> 8 == 0x6C and 0 < exact < want:
            self.exact = exact
        elif status in (0x6700, 0x6C00) and want > SMALLER[-1]:
            self.chip.chunk = [size for size in SMALLER if size < want][0]
        elif want and state.done >= profile.PLAIN_REACH:
            self.give_up(status)  # a card that knows no B1 cannot be read any further: that accuses nobody
        elif status in NOT_FOUND and not state.done:
            if want or not self.first or not self.fewer(self.most):  # else short identifiers are known, SELECT is not
                state.absent = True
        elif status == 0x6982 and not state.done:
            state.denied = status
        elif self.chip.sizes_matter and self.fewer(want):
            pass
        elif state.total and status in END_REACHED:
            raise ReadError("the file ends before its announced length", "LIC-032", detail=profile.name_of(state.file))
        elif want and state.done and status == 0x9000 and self.empty_at != state.done:
            self.empty_at = state.done  # a fault of the reading: asked for once more, then it is a refusal
        elif status in OTHER_WAY and not self.tried_both:
            self.tried_both, self.first = True, status
            self.way = BY_SELECT if self.way == BY_SHORT_ID else BY_SHORT_ID
            self.selected = False
        elif not self.fewer(self.most):
            self.give_up(self.first or status)

    def fewer(self, want: int) -> bool:
        """`smaller`, in both ways of selecting."""
        if not self.smaller(want):
            return False
        self.tried_both, self.way, self.selected = False, BY_SHORT_ID, False
        return True
