"""Chip data in short: what a terminal leaves out, the simulated acquirer's own reader puts back; on both runtimes."""

import random

from protocol import records as r
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

INTENT = 7
CLEAR = ("9F26", "9F27", "9F36", "95", "84")


def _ber(objects: "list[tuple[str, bytes]]") -> bytes:
    out = b""
    for tag, value in objects:
        size = bytes((len(value),)) if len(value) < 128 else bytes((0x81, len(value)))
        out += bytes.fromhex(tag) + size + value
    return out


def _beside(rng: random.Random) -> "list[bytes | None]":
    """What an outcome record may say: mostly what the card said."""
    drawn = [rng.choice((USUAL[tag], USUAL[tag], USUAL[tag], "00" * (len(USUAL[tag]) // 2), None)) for tag in CLEAR]
    return [None if value is None else bytes.fromhex(value) for value in drawn]


def _drawn(rng: random.Random) -> "tuple[bytes, int, int | None, int, list[bytes | None]]":
    objects, spoilt = [], rng.choice((0, 0.05, 0.3))
    for tag, value in USUAL.items():
        if rng.random() < spoilt:
            continue
        data = bytes.fromhex(value)
        if rng.random() < spoilt:
            data = rng.randbytes(rng.choice((len(data), len(data), len(data) + 1, 0, 140)))
        objects += [(tag, data)] * (2 if rng.random() < spoilt / 6 else 1)
    objects += [("9F7C", rng.randbytes(20))] * (rng.random() < 0.3)
    rng.shuffle(objects)
    beside = rng.choice(([None] * 5, _beside(rng), [bytes.fromhex(USUAL[tag]) for tag in CLEAR]))
    return (
        _ber(objects),
        rng.choice((AMOUNT, 0, 10**12 - 1)),
        rng.choice((None, 0, 1, 99)),
        rng.choice((INTENT, 10**8 + 7, 8)),
        beside,
    )


def test_the_usual_chip_data_take_half_the_bytes() -> None:
    whole = _ber([(tag, bytes.fromhex(value)) for tag, value in USUAL.items()])
    short = chip_data.shrink(whole, AMOUNT, 1, INTENT)
    assert len(short) <= len(whole) // 2 and short[0] == 3
    assert chip.expand(short, AMOUNT, 1, INTENT) == whole


def test_beside_an_outcome_record_they_take_a_quarter() -> None:
    whole = _ber([(tag, bytes.fromhex(value)) for tag, value in USUAL.items()])
    record = {
        r.CRYPTOGRAM: bytes.fromhex("0102030405060708"), r.CID: 0x40, r.ATC: 0x0102, r.TVR: bytes.fromhex("8000008000"),
        r.AID: bytes.fromhex("A0000000031010"),
    }  # fmt: skip
    beside = chip_data.clear(record)
    assert beside == [bytes.fromhex(USUAL[tag]) for tag in CLEAR]
    short = chip_data.shrink(whole, AMOUNT, 1, INTENT, beside)
    assert len(short) <= len(whole) // 4 and short[0] == 2
    assert chip.expand(short, AMOUNT, 1, INTENT, tuple(beside)) == whole
    assert chip_data.clear({}) == [None] * 5


def test_form_1_as_it_was_before_there_were_values_in_clear_is_read() -> None:
    whole = _ber([(tag, bytes.fromhex(value)) for tag, value in USUAL.items()])
    said = (1 << 20) - 1 - 0x88B80  # as terminals wrote it that knew of no clear values: their counter 9F41 was said
    values = b"".join(
        bytes.fromhex(("%02x" % (len(value) // 2) if tag in ("9F10", "84") else "") + value)
        for place, (tag, value) in enumerate(USUAL.items())
        if said >> place & 1
    )
    old = b"\x01" + said.to_bytes(3, "big") + (0x88B80).to_bytes(3, "big") + values
    assert chip.expand(old, AMOUNT, 1, INTENT) == whole


def test_nothing_is_lost_whatever_the_parameters_list() -> None:
    rng = random.Random("chip data")
    inputs = [_drawn(rng) for _ in range(200)]
    found = cross.run_on_device("protocol.emv.chip_data", "shrink", inputs)
    forms = set()
    for (whole, amount, psn, intent, beside), short in zip(inputs, found, strict=True):
        assert short == chip_data.shrink(whole, amount, psn, intent, beside)
        again = chip.expand(short, amount, psn, intent, tuple(beside))
        assert sorted(_pairs(again)) == sorted(_pairs(whole))
        forms.add(short[0])
    assert forms == {1, 2, 3}


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
    short = chip_data.shrink(whole, AMOUNT, None, INTENT)
    for bad in (
        b"\x04" + short[1:],
        b"\x02" + bytes(60),
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
        chip_data.shrink(whole[:-1], AMOUNT, None, INTENT)
    except FormatError:
        return
    raise AssertionError("cut short, and taken")
