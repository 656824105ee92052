"""Command and response APDUs (ISO/IEC 7816-3 section 12.1, 7816-4 section 5) and the exchange of one command.

`exchange` is a sans-I/O generator: it yields raw command bytes, is sent raw response bytes, and returns a `Response`. It asks for
the rest after 61xx (GET RESPONSE), repeats with the right Le after 6Cxx and can split long data into a chain (7816-4 section
5.3.3). Its loops are bounded. It does not judge status words: 6982 or 6300 is an answer like any other.

Errors are FormatError: FMT-040 a command that cannot be encoded or parsed, FMT-041 a response that is none, FMT-042 a card that
never stops announcing more.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Generator

    Bytes = bytes | bytearray | memoryview

MAX_RESPONSE = 65536 + 2
_MAX_ROUNDS = 300  # 65,536 bytes in GET RESPONSE pieces of 256, and some more


class ApduError(FormatError):
    """Bytes that are no APDU, or an APDU that cannot be made."""

    code = "FMT-040"


class Command:
    """A parsed command: `cla`, `ins`, `p1`, `p2`, `data`, `le` (None if absent; 256 or 65536 for "all"), `extended`."""

    def __init__(
        self, cla: int, ins: int, p1: int, p2: int, data: bytes = b"", le: "int | None" = None, extended: bool = False
    ) -> None:
        self.cla = cla
        self.ins = ins
        self.p1 = p1
        self.p2 = p2
        self.data = data
        self.le = le
        self.extended = extended

    def encode(self) -> bytes:
        """The bytes again."""
        return command(self.cla, self.ins, self.p1, self.p2, self.data, self.le, self.extended)


class Response:
    """A response: `data` and the status word `sw` as an integer (0x9000)."""

    def __init__(self, data: bytes, sw: int) -> None:
        self.data = data
        self.sw = sw

    @property
    def ok(self) -> bool:
        """Whether the status is 9000."""
        return self.sw == 0x9000

    def encode(self) -> bytes:
        """The bytes again."""
        return self.data + bytes((self.sw >> 8, self.sw & 255))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and self.sw == other.sw and self.data == other.data

    def __hash__(self) -> int:
        return hash((self.data, self.sw))

    def __repr__(self) -> str:
        return "Response(" + str(len(self.data)) + " bytes, " + hex(self.sw) + ")"


def command(
    cla: int, ins: int, p1: int, p2: int, data: "Bytes" = b"", le: "int | None" = None, extended: bool = False
) -> bytes:
    """Encode a command.

    `le`: how many bytes are expected at most: None for none, 1..256 short, 1..65536 extended; 0 is taken as "as many as there
    are". Data over 255 bytes or Le over 256 need `extended`.
    """
    for byte in (cla, ins, p1, p2):
        if not 0 <= byte <= 255:
            raise ApduError("a header byte is out of range")
    if cla == 0xFF:
        raise ApduError("class FF is not a command")
    limit = 65536 if extended else 256
    if le == 0:
        le = limit
    if le is not None and not 1 <= le <= limit:
        raise ApduError("the expected length does not fit this form")
    if len(data) > limit - 1:
        raise ApduError("the data does not fit this form")
    out = bytearray((cla, ins, p1, p2))
    if extended:
        _extended_body(out, data, le)
    else:
        if len(data):
            out.append(len(data))
            out.extend(data)
        if le is not None:
            out.append(le & 255)
    return bytes(out)


def _extended_body(out: bytearray, data: "Bytes", le: "int | None") -> None:
    if len(data):
        out.extend(bytes((0, len(data) >> 8, len(data) & 255)))
        out.extend(data)
    elif le is not None:
        out.append(0)
    if le is not None:
        out.extend(bytes((le >> 8 & 255, le & 255)))


def parse_command(raw: "Bytes") -> Command:
    """Parse a command of any of the seven forms (7816-3 table 12); ApduError if it is none. For card models and traces."""
    if len(raw) < 4 or raw[0] == 0xFF:
        raise ApduError("a command has a header of four bytes")
    head = (raw[0], raw[1], raw[2], raw[3])
    body = bytes(raw[4:])
    if not body:
        return Command(head[0], head[1], head[2], head[3])
    if len(body) == 1:
        return Command(head[0], head[1], head[2], head[3], b"", body[0] or 256)
    if body[0]:
        data, rest = body[1 : 1 + body[0]], body[1 + body[0] :]
        if len(data) != body[0] or len(rest) > 1:
            raise ApduError("the lengths of the command do not agree")
        return Command(head[0], head[1], head[2], head[3], data, (rest[0] or 256) if rest else None)
    if len(body) < 3:
        raise ApduError("the lengths of the command do not agree")
    length = body[1] << 8 | body[2]
    if len(body) == 3:
        return Command(head[0], head[1], head[2], head[3], b"", length or 65536, True)
    data, rest = body[3 : 3 + length], body[3 + length :]
    if length == 0 or len(data) != length or len(rest) not in (0, 2):
        raise ApduError("the lengths of the command do not agree")
    le = (rest[0] << 8 | rest[1]) or 65536 if rest else None
    return Command(head[0], head[1], head[2], head[3], data, le, True)


def parse_response(raw: "Bytes", most: int = MAX_RESPONSE) -> Response:
    """Split data and status word; ApduError FMT-041 unless there are 2 to 65,538 bytes and SW1 is 6x or 9x, FMT-042 over `most` bytes of data."""
    if not 2 <= len(raw) <= MAX_RESPONSE:
        raise ApduError("a response has a status word of two bytes", "FMT-041")
    if len(raw) - 2 > most:
        raise ApduError("the response is longer than allowed", "FMT-042")
    sw = raw[-2] << 8 | raw[-1]
    if sw >> 12 not in (6, 9) or sw >> 8 == 0x60:
        raise ApduError("not a status word", "FMT-041", detail=sw)
    return Response(bytes(raw[:-2]), sw)


def _chained(parsed: Command, size: int) -> "list[bytes]":
    """The commands of a chain: all but the last with bit 5 of the class set and no Le."""
    if parsed.cla & 0x80:
        raise ApduError("this class knows no chaining")
    pieces = []
    for at in range(0, len(parsed.data), size):
        last = at + size >= len(parsed.data)
        cla = parsed.cla if last else parsed.cla | 0x10
        piece = parsed.data[at : at + size]
        le = min(parsed.le, 256) if last and parsed.le is not None else None
        pieces.append(command(cla, parsed.ins, parsed.p1, parsed.p2, piece, le))
    return pieces


def exchange(
    capdu: "Bytes", chain: int = 0, limit: int = MAX_RESPONSE, follow: bool = True
) -> "Generator[bytes, bytes, Response]":
    """Run one command to its end: yields raw commands, is sent raw responses, returns the whole `Response`.

    `chain`: split data longer than this (1..255) into a chain; 0 sends as it is. `limit`: most response data accepted. `follow`
    False hands back 61xx and 6Cxx untouched, as secure messaging wants it. ApduError FMT-042 if the card never ends.
    """
    parsed = parse_command(capdu)
    commands = [bytes(capdu)]
    if chain and len(parsed.data) > chain:
        commands = _chained(parsed, chain)
    for raw in commands[:-1]:
        answer = parse_response((yield raw))
        if answer.sw != 0x9000:
            return answer
    raw = commands[-1]
    collected = bytearray()
    corrected = False
    for _ in range(_MAX_ROUNDS):
        answer = parse_response((yield raw), limit - len(collected))
        if not follow:
            return answer
        sw1, sw2 = answer.sw >> 8, answer.sw & 255
        if sw1 == 0x6C and not corrected:
            corrected = True
            raw = _with_le(raw, sw2)
            continue
        collected.extend(answer.data)
        if sw1 != 0x61:
            return Response(bytes(collected), answer.sw)
        raw = bytes((parsed.cla & 0x03 if parsed.cla & 0x80 == 0 else 0, 0xC0, 0, 0, sw2))
        corrected = False
    raise ApduError("the card never stops announcing more", "FMT-042")


def _with_le(raw: bytes, le: int) -> bytes:
    """The same command with another Le (0 stands for 256)."""
    parsed = parse_command(raw)
    return command(parsed.cla, parsed.ins, parsed.p1, parsed.p2, parsed.data, le or 256, parsed.extended)
