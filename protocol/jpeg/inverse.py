"""The inverse transform of one block, reduced to n x n pixels (n = 1, 2, 4, 8) from its n x n lowest frequencies (ITU-T T.81 A.3.3).

With n = 8 it is the standard's; with fewer the n-point transform of the same frequencies gives the block at n/8 of its size. The basis
in whole numbers has 12 bits, so that both runtimes compute the same and no product leaves 31 bits.
"""

from array import array

_COSINE = (2048, 2009, 1892, 1703, 1448, 1138, 784, 400, 0)  # 2048 cos(k pi / 16): half of 2^12, the factor of A.3.3
COEFFICIENT_LIMIT = 2047  # a dequantised coefficient of 8-bit samples is no larger
_ROUND_ROWS, _SHIFT_ROWS = 512, 10
_ROUND, _SHIFT = 8192, 14
_CENTRE = _ROUND + (128 << _SHIFT)

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
    found = array("h", bytes(2 * n * n))
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
    """Write the n x n pixels of `coefficients` (rows of frequencies) into `out` from `at`, rows `stride` apart."""
    if n == 4:
        _four(coefficients, work, out, at, stride)
        return
    for row in range(0, n * n, n):
        for x in range(row, row + n):
            work[x] = _ROUND_ROWS
        for u in range(n):
            value = coefficients[row + u]
            if value:
                k = u * n
                for x in range(row, row + n):
                    work[x] += value * table[k]
                    k += 1
        for x in range(row, row + n):
            work[x] >>= _SHIFT_ROWS
    for y in range(n):
        for x in range(n):
            total = _ROUND
            k = y
            for v in range(x, n * n, n):
                total += work[v] * table[k]
                k += n
            total = (total >> _SHIFT) + 128
            out[at + x] = 0 if total < 0 else 255 if total > 255 else total
        at += stride


def _four(coefficients: "array[int]", work: "array[int]", out: bytearray, at: int, stride: int) -> None:
    """The same for n = 4, which portraits need: sums and differences of the same products, in half the time."""
    for row in range(0, 16, 4):
        c0, c1, c2, c3 = coefficients[row], coefficients[row + 1], coefficients[row + 2], coefficients[row + 3]
        if c0 or c1 or c2 or c3:
            even, odd = 1448 * (c0 + c2) + _ROUND_ROWS, 1892 * c1 + 784 * c3
            work[row], work[row + 3] = (even + odd) >> _SHIFT_ROWS, (even - odd) >> _SHIFT_ROWS
            even, odd = 1448 * (c0 - c2) + _ROUND_ROWS, 784 * c1 - 1892 * c3
            work[row + 1], work[row + 2] = (even + odd) >> _SHIFT_ROWS, (even - odd) >> _SHIFT_ROWS
        else:
            work[row] = work[row + 1] = work[row + 2] = work[row + 3] = 0
    for x in range(4):
        c0, c1, c2, c3 = work[x], work[x + 4], work[x + 8], work[x + 12]
        even, odd = 1448 * (c0 + c2) + _CENTRE, 1892 * c1 + 784 * c3
        first, last = (even + odd) >> _SHIFT, (even - odd) >> _SHIFT
        even, odd = 1448 * (c0 - c2) + _CENTRE, 784 * c1 - 1892 * c3
        second, third = (even + odd) >> _SHIFT, (even - odd) >> _SHIFT
        out[at] = 0 if first < 0 else 255 if first > 255 else first
        out[at + stride] = 0 if second < 0 else 255 if second > 255 else second
        out[at + 2 * stride] = 0 if third < 0 else 255 if third > 255 else third
        out[at + 3 * stride] = 0 if last < 0 else 255 if last > 255 else last
        at += 1
