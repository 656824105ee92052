"""What a power cut leaves of the operation in progress.

    SHORT    the operation had not begun: nothing of it is there
    BLANK    a program stopped: its first bytes are there, the rest of the page is as it was; an erase stopped: the
    sector's first part is erased GARBAGE  a program stopped: first bytes there, the rest holds bits cleared at random;
    an erase stopped: bits set at random all over the sector DONE     the operation ended, but nobody was told

Random bits come from a 32-bit linear congruential generator seeded by the operation's number, so that every image can
be made again.
"""

SHORT = "short"
BLANK = "blank"
GARBAGE = "garbage"
DONE = "done"
KINDS = (SHORT, BLANK, GARBAGE)


def noise(length: int, seed: int) -> bytes:
    """`length` bytes of reproducible noise."""
    state = (seed * 2654435761 + 12345) & 0xFFFFFFFF
    out = bytearray(length)
    for index in range(length):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        out[index] = state >> 24
    return bytes(out)


_NOISE = {}


def _sector_noise(seed: int) -> bytes:
    """A sector's noise out of sixteen kept ones, turned by the seed: a campaign asks for it at every erase."""
    kept = seed % 16
    if kept not in _NOISE:
        _NOISE[kept] = noise(4096, kept + 1)
    turn = seed * 37 % 4096
    return _NOISE[kept][turn:] + _NOISE[kept][:turn]


def cut(kind: str, sector: bytes, offset: int, data: bytes, tail: str, reached: int, seed: int) -> bytes:
    """The sector after a cut `kind` ("program" or "erase") of `data` at `offset`; `reached` bytes were done (-1 =
    half).
    """
    if tail == SHORT:
        return sector
    if kind == "erase":
        if tail == DONE:
            return b"\xff" * len(sector)
        if reached < 0:
            reached = len(sector) // 2
        if tail == BLANK:
            return b"\xff" * reached + sector[reached:]
        return _either(sector, _sector_noise(seed), True)
    if tail == DONE:
        reached = len(data)
    if reached < 0:
        reached = len(data) // 2
    end = offset + len(data)
    before = sector[offset:end]
    done = _either(before[:reached], data[:reached], False)
    rest = before[reached:]
    if tail == GARBAGE:
        rest = _either(rest, noise(len(rest), seed), False)
    return sector[:offset] + done + rest + sector[end:]


def _either(a: bytes, b: bytes, joined: bool) -> bytes:
    """Bitwise or (`joined`) or and of two byte strings of one length."""
    left = int.from_bytes(a, "big")
    right = int.from_bytes(b, "big")
    return (left | right if joined else left & right).to_bytes(len(a), "big")
