"""Small JPEG files put together by hand, and a consumer that keeps what comes; importable on both runtimes."""

from protocol.jpeg.decoder import Decoder

DC_CODES = {0: "00", 1: "01", 2: "10", 3: "110"}
AC_CODES = {0x00: "00", 0x01: "01", 0xF0: "10", 0x11: "110"}


class Kept:
    """Keeps all rows at `n` eighths."""

    def __init__(self, n):
        self.n = n
        self.size = None
        self.rows = []

    def start(self, width, height):
        self.size = (width, height)
        return self.n

    def row(self, pixels):
        self.rows.append(bytes(pixels))


def decode(data, n, step):
    """All grey values of `data` fed in pieces of `step`, with the width and number of rows; PictureError passes."""
    kept = Kept(n)
    decoder = Decoder(kept)
    for at in range(0, len(data), step):
        decoder.feed(data[at : at + step])
    decoder.finish()
    return [len(kept.rows[0]), len(kept.rows), b"".join(kept.rows)]


def segment(marker, body):
    """A marker segment."""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def table(kind, codes):
    """A DHT segment of codes of two bits and one of three."""
    ordered = sorted(
        codes, key=lambda symbol: (len(codes[symbol]), codes[symbol])
    )  # law: unstable-sort keys are all different
    counts = [0] * 16
    for symbol in ordered:
        counts[len(codes[symbol]) - 1] += 1
    return segment(0xC4, bytes([kind << 4]) + bytes(counts) + bytes(ordered))


def quantisation(value=8):
    """A DQT segment with one value: with 8, a DC of 1 is one grey."""
    return segment(0xDB, b"\0" + bytes([value] * 64))


def frame(width, height, parts=((1, 0x11),), marker=0xC0, precision=8):
    """A SOF segment; `parts` are (number, sampling)."""
    body = bytes([precision]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(parts)])
    for number, sampling in parts:
        body += bytes((number, sampling, 0))
    return segment(marker, body)


def scan(numbers=(1,)):
    """A SOS segment."""
    body = bytes([len(numbers)])
    for number in numbers:
        body += bytes((number, 0))
    return segment(0xDA, body + b"\0\x3f\0")


def number(value):
    """(size, bits) of a value as F.1.2.1 writes it."""
    size, left = 0, abs(value)
    while left:
        size, left = size + 1, left >> 1
    bits = ""
    for at in range(size - 1, -1, -1):
        bits += "1" if ((value if value > 0 else value + (1 << size) - 1) >> at) & 1 else "0"
    return size, bits


def blocks(*differences):
    """The entropy-coded data of blocks that have a DC only."""
    bits = ""
    for value in differences:
        size, digits = number(value)
        bits += DC_CODES[size] + digits + AC_CODES[0]
    return packed(bits)


def packed(bits):
    """Bits as bytes, filled with ones, FF stuffed (F.1.2.3)."""
    while len(bits) % 8:
        bits += "1"
    out = b""
    for at in range(0, len(bits), 8):
        value = int(bits[at : at + 8], 2)
        out += b"\xff\0" if value == 255 else bytes([value])
    return out


TABLES = table(0, DC_CODES) + table(1, AC_CODES)


def picture(width, height, data, middle=b"", parts=((1, 0x11),), numbers=None, step=8):
    """A whole file."""
    return (
        b"\xff\xd8" + quantisation(step) + frame(width, height, parts) + TABLES + middle
        + scan([part[0] for part in parts] if numbers is None else numbers) + data + b"\xff\xd9"
    )  # fmt: skip
