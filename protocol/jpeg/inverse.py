"""The inverse transform of one block, reduced to n x n pixels (n = 1, 2, 4, 8) from its n x n lowest frequencies (ITU-T T.81 A.3.3).

With n = 8 it is the standard's; with fewer the n-point transform of the same frequencies gives the block at n/8 of its size. The basis
in whole numbers has 12 bits, so that both runtimes compute the same and no product leaves 31 bits.
"""

from array import array

from protocol.machine_code import micropython, ptr8, ptr32

_COSINE = (2048, 2009, 1892, 1703, 1448, 1138, 784, 400, 0)  # 2048 cos(k pi / 16): half of 2^12, the factor of A.3.3
COEFFICIENT_LIMIT = 2047  # a dequantised coefficient of 8-bit samples is no larger
WORDS = 3
"""Words at the head of a transform's work: n, at, stride."""

ZIGZAG = (
    b"\x00\x01\x08\x10\x09\x02\x03\x0a\x11\x18\x20\x19\x12\x0b\x04\x05\x0c\x13\x1a\x21\x28\x30\x29\x22\x1b\x14\x0d\x06\x07\x0e\x15\x1c"
    b"\x23\x2a\x31\x38\x39\x32\x2b\x24\x1d\x16\x0f\x17\x1e\x25\x2c\x33\x3a\x3b\x34\x2d\x26\x1f\x27\x2e\x35\x3c\x3d\x36\x2f\x37\x3e\x3f"
)  # figure A.6: place (row * 8 + column) of each coefficient in the order of the file
DROPPED = 255


def places(n: int) -> bytearray:
    """For each coefficient in the order of the file: its place in an n x n block, DROPPED if that has none."""
    found = bytearray(64)
    for at in range(64):
        row, column = ZIGZAG[at] >> 3, ZIGZAG[at] & 7
        found[at] = row * n + column if row < n and column < n else DROPPED
    return found


def basis(n: int) -> "array[int]":
    """The n-point basis: at u * n + x what frequency u gives pixel x."""
    found = array("i", bytes(4 * n * n))
    for u in range(n):
        for x in range(n):
            angle = (2 * x + 1) * u * (8 // n) & 31 if u else 4
            if angle > 16:
                angle = 32 - angle
            found[u * n + x] = _COSINE[angle] if angle <= 8 else -_COSINE[16 - angle]
    return found


def block(
    coefficients: "array[int]", n: int, table: "array[int]", work: "array[int]", out: bytearray, at: int, stride: int
) -> None:
    """Write the n x n pixels of `coefficients` (rows of frequencies) into `out` from `at`, rows `stride` apart. `work` has n x n + WORDS words."""
    work[0], work[1], work[2] = n, at, stride
    _transform(coefficients, table, work, out)


@micropython.viper
def _transform(coefficients: ptr32, table: ptr32, work: ptr32, out: ptr8):  # noqa: ANN202 - the device's compiler knows what it returns
    n = work[0]
    row = 0
    for _ in range(n):
        for x in range(n):
            total = 512  # half of 1 << 10
            for u in range(n):
                total += coefficients[row + u] * table[u * n + x]
            work[3 + row + x] = total >> 10
        row += n
    at = work[1]
    for y in range(n):
        for x in range(n):
            total = 8192 + (128 << 14)  # half of 1 << 14, and the centre of eight bits
            for v in range(n):
                total += work[3 + v * n + x] * table[v * n + y]
            total >>= 14
            if total < 0:
                total = 0
            elif total > 255:
                total = 255
            out[at + x] = total
        at += work[2]
