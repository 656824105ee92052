"""Property tests of the codecs by hypothesis, on CPython and, with the same inputs, on the device; cbor2 as a second opinion."""

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import apdu, base45, cbor, tlv
from protocol.errors import FormatError
from tests.support import cross

MANY = settings(max_examples=400, deadline=None)

leaves = (
    st.integers(min_value=-(2**64), max_value=2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=20)
    | st.booleans()
    | st.none()
)
keys = st.integers(min_value=-(2**64), max_value=2**64 - 1) | st.text(max_size=6)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5), max_leaves=20
)
# bytes that look like CBOR more often than random ones do
mutated = st.builds(
    lambda value, at, byte, cut: _mutate(cbor.encode(value, max_depth=40), at, byte, cut),
    values,
    st.integers(0, 200),
    st.integers(0, 255),
    st.integers(0, 3),
)
tlv_values = st.lists(
    st.tuples(st.sampled_from([0x84, 0x9F02, 0x5F2D, 0xDF8129, 0x50, 0x5A]), st.binary(max_size=300)), max_size=6
)


def _mutate(data: bytes, at: int, byte: int, cut: int) -> bytes:
    changed = bytearray(data)
    changed[at % len(changed)] = byte
    return bytes(changed[: len(changed) - cut])


@MANY
@given(values)
def test_cbor_round_trip_and_cbor2_agrees(value):
    data = cbor.encode(value, max_depth=40)
    assert cbor.decode(data, max_depth=40) == value
    assert cbor2.loads(data) == value
    assert cbor2.dumps(value, canonical=False) == data or _sorted_differs(value)


def _sorted_differs(value) -> bool:
    """Whether `value` holds a map, whose order cbor2 takes from insertion."""
    if isinstance(value, list):
        return any(_sorted_differs(item) for item in value)
    return isinstance(value, dict)


@MANY
@given(st.binary(max_size=60) | mutated)
def test_cbor_accepts_only_what_encodes_back(data):
    try:
        value = cbor.decode(data)
    except FormatError:
        return
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value


@MANY
@given(tlv_values)
def test_tlv_round_trip(pairs):
    data = b"".join(tlv.encode(tag, value) for tag, value in pairs)
    assert tlv.parse(data) == pairs
    assert [(tag, value) for _, tag, value in tlv.walk(data)] == pairs


@MANY
@given(st.binary(max_size=80), st.booleans())
def test_tlv_raises_only_format_errors_and_encodes_back(data, strict):
    try:
        pairs = tlv.parse(data, strict)
    except FormatError:
        return
    if strict:
        assert b"".join(tlv.encode(tag, value) for tag, value in pairs) == data
    for reader in (tlv.walk, tlv.parse_map, tlv.parse_dol):
        try:
            list(reader(data))
        except FormatError:
            continue


@MANY
@given(
    st.integers(0, 254),
    st.integers(0, 255),
    st.binary(max_size=400),
    st.none() | st.integers(1, 65536),
    st.booleans(),
)
def test_apdu_round_trip(cla, ins, data, le, extended):
    short = len(data) <= 255 and (le is None or le <= 256)
    if not extended and not short:
        with pytest.raises(FormatError):
            apdu.command(cla, ins, 1, 2, data, le, extended)
        return
    raw = apdu.command(cla, ins, 1, 2, data, le, extended)
    parsed = apdu.parse_command(raw)
    assert (parsed.cla, parsed.ins, parsed.p1, parsed.p2, parsed.data, parsed.le) == (cla, ins, 1, 2, data, le)
    assert parsed.encode() == raw


@MANY
@given(st.binary(max_size=40))
def test_apdu_accepts_only_what_encodes_back(raw):
    for parse in (apdu.parse_command, apdu.parse_response):
        try:
            parsed = parse(raw)
        except FormatError:
            continue
        assert parsed.encode() == raw


@MANY
@given(st.lists(st.binary(max_size=12), max_size=12))
def test_an_exchange_ends_whatever_the_card_says(answers):
    exchange = apdu.exchange(b"\x00\xa4\x04\x00\x00")
    next(exchange)
    for answer in answers:
        try:
            apdu.parse_command(exchange.send(answer))
        except (StopIteration, FormatError):
            return


@MANY
@given(st.binary(max_size=60))
def test_base45_round_trip(data):
    assert base45.decode(base45.encode(data)) == data


@MANY
@given(st.text(alphabet="0123456789ABCXYZ $%*+-./:aé", max_size=20))
def test_base45_accepts_only_what_encodes_back(text):
    try:
        data = base45.decode(text)
    except FormatError:
        return
    assert base45.encode(data) == text


@pytest.mark.parametrize(
    ("module", "function", "strategy"),
    [
        ("cbor", "encode", values),
        ("cbor", "decode", st.binary(max_size=60) | mutated),
        ("tlv", "parse", st.binary(max_size=60) | tlv_values.map(lambda p: b"".join(tlv.encode(t, v) for t, v in p))),
        ("apdu", "command", st.tuples(*[st.integers(-1, 256)] * 4, st.binary(max_size=300), st.integers(1, 70000))),
        ("base45", "encode", st.binary(max_size=60)),
        ("base45", "decode", st.text(alphabet="0123456789ABCXYZ $%*+-./:aé", max_size=20)),
        ("pinblock_host", "decode_iso2", st.binary(min_size=7, max_size=8)),
    ],
)
def test_both_runtimes_give_the_same_answers_and_errors(module, function, strategy):
    import importlib

    inputs = cross.examples(strategy, 150)
    here = cross.on_host(getattr(importlib.import_module(f"protocol.{module}"), function), inputs)
    there = cross.run_on_device(f"protocol.{module}", function, inputs)
    assert here == there
