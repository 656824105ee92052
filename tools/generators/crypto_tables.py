"""Writes the byte constants of the pure-Python primitives, so that nothing is computed on the device.

    python tools/generators/crypto_tables.py          writes protocol/crypto/des_tables.py and ec_table.py
    python tools/generators/crypto_tables.py --check  exits 1 if one of them is not what would be written

Inputs are the tables of FIPS 46-3 (S-boxes, E, P) and the base point of P-256 (FIPS 186-4 D.1.2.3).
"""

import sys
from pathlib import Path

CRYPTO = Path(__file__).resolve().parents[2] / "protocol" / "crypto"

# FIPS 46-3, appendix 1: S-boxes 1 to 8, four rows of sixteen each, one hex digit an entry.
S_BOXES = (
    "e4d12fb83a6c5907 0f74e2d1a6cb9538 41e8d62bfc973a50 fc8249175b3ea06d",
    "f18e6b34972dc05a 3d47f28ec01a69b5 0e7ba4d158c6932f d8a13f42b67c05e9",
    "a09e63f51dc7b428 d709346a285ecbf1 d6498f30b12c5ae7 1ad069874fe3b52c",
    "7de3069a1285bc4f d8b56f03472c1ae9 a690cb7df13e5284 3f06a1d8945bc72e",
    "2c417ab6853fd0e9 eb2c47d150fa3986 421bad78f9c5630e b8c71e2d6f09a453",
    "c1af92680d34e75b af427c9561de0b38 9ef528c3704a1db6 432c95fabe17608d",
    "4b2ef08d3c975a61 d0b7491ae35c2f86 14bdc37eaf680592 6bd814a7950fe23c",
    "d2846fb1a93e50c7 1fd8a374c56b0e92 7b419ce206adf358 21e74a8dfc90356b",
)
P = bytes.fromhex("1007 1415 1d0c 1c11 010f 171a 0512 1f0a 0208 180e 201b 0309 130d 1e06 160b 0419")

P256 = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
G256 = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
ODD_MULTIPLES = 16


def expanded(word: int) -> int:
    """E of FIPS 46-3: the 32-bit half as eight overlapping groups of six bits."""
    out = 0
    for group in range(8):
        for k in range(-1, 5):
            position = (4 * group + k) % 32
            out = out << 1 | word >> (31 - position) & 1
    return out


def s_box_tables() -> "tuple[bytes, bytes]":
    """For each S-box and six-bit input, E(P(output)): the upper 24 bits, and the lower, as little-endian words."""
    upper, lower = bytearray(), bytearray()
    for box, rows in enumerate(S_BOXES):
        table = rows.split()
        for value in range(64):
            nibble = int(table[(value >> 4 & 2) | value & 1][value >> 1 & 15], 16)
            before = nibble << (28 - 4 * box)
            after = 0
            for source in P:
                after = after << 1 | before >> (32 - source) & 1
            wide = expanded(after)
            upper += (wide >> 24).to_bytes(4, "little")
            lower += (wide & 0xFFFFFF).to_bytes(4, "little")
    return bytes(upper), bytes(lower)


def gather_table() -> bytes:
    """For each byte, its bits 6, 4, 2, 0 moved to bits 12, 8, 4, 0, as little-endian 16-bit words (initial permutation)."""
    return b"".join(
        sum((value >> (2 * i) & 1) << (4 * i) for i in range(4)).to_bytes(2, "little") for value in range(256)
    )


def spread_table() -> bytes:
    """For each nibble, its bits 3, 2, 1, 0 moved to bits 21, 14, 7, 0, as little-endian words (final permutation)."""
    return b"".join(sum((value >> i & 1) << (7 * i) for i in range(4)).to_bytes(4, "little") for value in range(16))


def odd_multiples() -> bytes:
    """x | y of G, 3G, 5G … on P-256."""

    def add(a: "tuple[int, int]", b: "tuple[int, int]") -> "tuple[int, int]":
        if a == b:
            slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P256)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P256)
        x = (slope * slope - a[0] - b[0]) % P256
        return x, (slope * (a[0] - x) - a[1]) % P256

    point, twice, out = G256, add(G256, G256), b""
    for _ in range(ODD_MULTIPLES):
        out += point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")
        point = add(point, twice)
    return out


def literal(name: str, data: bytes) -> str:
    """A bytes constant as source text."""
    lines = [name + " = ("]
    for at in range(0, len(data), 28):
        lines.append('    b"' + "".join(f"\\x{byte:02x}" for byte in data[at : at + 28]) + '"')
    return "\n".join([*lines, ")", ""])


def sources() -> "dict[str, str]":
    """File name -> what it has to hold."""
    upper, lower = s_box_tables()
    note = "Made by tools/generators/crypto_tables.py; do not edit.\n"
    des = (
        '"""DES tables as byte constants, which stay in ROM (FIPS 46-3). ' + note + "\n"
        "UPPER, LOWER: 8 S-boxes x 64 entries, little-endian words: bits 47..24 and 23..0 of E(P(S(x))).\n"
        "GATHER: a byte's bits 6, 4, 2, 0 at 12, 8, 4, 0 (16-bit). SPREAD: a nibble's bits at 21, 14, 7, 0 (32-bit).\n"
        '"""\n\n'
    )
    des += literal("UPPER", upper) + "\n" + literal("LOWER", lower) + "\n"
    des += literal("GATHER", gather_table()) + "\n" + literal("SPREAD", spread_table())
    ec = '"""Odd multiples G, 3G … 31G of the base point of P-256, x | y each.\n\n' + note + '"""\n\n'
    ec += literal("P256_ODD_MULTIPLES", odd_multiples())
    return {"des_tables.py": des, "ec_table.py": ec}


def main(arguments: "list[str]") -> int:
    """Write the files, or compare them with --check."""
    stale = 0
    for name, text in sources().items():
        path = CRYPTO / name
        if "--check" in arguments:
            if not path.exists() or path.read_text() != text:
                print(name + " is not current: run tools/generators/crypto_tables.py")
                stale = 1
        else:
            path.write_text(text)
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
