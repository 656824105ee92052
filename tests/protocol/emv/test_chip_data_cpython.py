"""Chip data in short: what a terminal leaves out, the simulated acquirer's own reader puts back; on both runtimes."""

import random

from protocol.emv import chip_data
from protocol.errors import FormatError
from sim.acquirer import chip
from tests.support import cross

AMOUNT = 2_000_00
USUAL = {
    "9F26": "0102030405060708", "9F27": "40", "9F10": "06010A03A00000", "9F37": "A1B2C3D4", "9F36": "0102", "95": "8000008000",
    "9A": "261128", "9C": "00", "9F02": "000000200000", "5F2A": "0012", "82": "3900", "9F1A": "0012", "9F34": "420300",
    "9F33": "E0F8C8", "9F35": "22", "9F03": "000000000000", "84": "A0000000031010", "9F09": "0096", "9F41": "00000007", "5F34": "01",
}  # fmt: skip


def _ber(objects: "list[tuple[str, bytes]]") -> bytes:
    out = b""
    for tag, value in objects:
        size = bytes((len(value),)) if len(value) < 128 else bytes((0x81, len(value)))
        out += bytes.fromhex(tag) + size + value
    return out


def _drawn(rng: random.Random) -> "tuple[bytes, int, int | None]":
    objects = []
    for tag, value in USUAL.items():
        if rng.random() < 0.2:
            continue
        data = bytes.fromhex(value)
        if rng.random() < 0.3:
            data = rng.randbytes(rng.choice((len(data), len(data), len(data) + 1, 0, 140)))
        objects += [(tag, data)] * (2 if rng.random() < 0.05 else 1)
    objects += [("9F7C", rng.randbytes(20))] * (rng.random() < 0.3)
    rng.shuffle(objects)
    return _ber(objects), rng.choice((AMOUNT, 0, 10**12 - 1)), rng.choice((None, 0, 1, 99))


def test_the_usual_chip_data_take_half_the_bytes() -> None:
    whole = _ber([(tag, bytes.fromhex(value)) for tag, value in USUAL.items()])
    short = chip_data.shrink(whole, AMOUNT, 1)
    assert len(short) <= len(whole) // 2
    assert chip.expand(short, AMOUNT, 1) == whole


def test_nothing_is_lost_whatever_the_parameters_list() -> None:
    rng = random.Random("chip data")
    inputs = [_drawn(rng) for _ in range(200)]
    found = cross.run_on_device("protocol.emv.chip_data", "shrink", inputs)
    for (whole, amount, psn), short in zip(inputs, found, strict=True):
        assert short == chip_data.shrink(whole, amount, psn)
        again = chip.expand(short, amount, psn)
        assert sorted(_pairs(again)) == sorted(_pairs(whole))


def _pairs(data: bytes) -> "list[tuple[bytes, bytes]]":
    """Tag and value of each object, read by hand: one or two bytes of tag, one or two of length."""
    out, at = [], 0
    while at < len(data):
        end = at + (2 if data[at] & 0x1F == 0x1F else 1)
        size, begin = (data[end + 1], end + 2) if data[end] == 0x81 else (data[end], end + 1)
        out.append((data[at:end], data[begin : begin + size]))
        at = begin + size
    return out


def test_what_is_no_chip_data_is_refused_on_both_sides() -> None:
    whole = _ber([("9F26", bytes(8)), ("9F10", bytes(7))])
    short = chip_data.shrink(whole, AMOUNT, None)
    for bad in (
        b"",
        short[:6],
        b"\x02" + short[1:],
        short[:-1],
        b"\x01\x80" + short[2:],
        short[:4] + b"\0\0\1" + short[7:],
    ):
        try:
            chip.expand(bad, AMOUNT, None)
        except (ValueError, IndexError):
            continue
        raise AssertionError(bad.hex())
    try:
        chip_data.shrink(whole[:-1], AMOUNT, None)
    except FormatError:
        return
    raise AssertionError("cut short, and taken")
