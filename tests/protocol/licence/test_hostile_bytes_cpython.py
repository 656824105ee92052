"""Bytes nobody meant well: every parser of the licence code raises coded errors only, and the same ones on both runtimes."""

import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.crypto.native import NativeCrypto
from protocol.errors import TasdidError
from protocol.licence.access import keys
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.errors import MessagingError
from sim.cards.licence import content
from sim.cards.licence.people import PEOPLE
from sim.pki import make_pki, sod
from tests.protocol.licence import judge
from tests.support import cross

FIRST = st.sampled_from([b"\x30", b"\x61", b"\x6d", b"\x60", b"\x77", b"\x31", b"D", b""])
HOSTILE = st.tuples(FIRST, st.binary(max_size=120)).map(lambda pair: pair[0] + pair[1])


@settings(max_examples=400, deadline=None)
@given(HOSTILE)
def test_random_bytes_raise_coded_errors_only(data: bytes) -> None:
    judge.verdict_on_bytes(data)


def test_random_bytes_are_judged_alike_on_the_device() -> None:
    inputs = cross.examples(HOSTILE, 150)
    assert cross.run_on_device("tests.protocol.licence.judge", "verdict_on_bytes", inputs) == cross.on_host(
        judge.verdict_on_bytes, inputs
    )


@pytest.fixture(scope="module")
def genuine(tmp_path_factory: pytest.TempPathFactory) -> "list[bytes]":
    folder: Path = tmp_path_factory.mktemp("pki")
    pki = make_pki(folder)
    groups = content.groups(PEOPLE["amina"], 2000)
    security_object = sod.build(groups, pki.signers["dz"], dt.datetime(2022, 3, 10, tzinfo=dt.UTC))
    return [groups[1], groups[11], content.com([1, 11]), security_object, pki.csca.der]


@settings(max_examples=400, deadline=None)
@given(which=st.integers(0, 4), at=st.integers(0, 3000), value=st.integers(0, 255))
def test_one_wrong_byte_raises_coded_errors_only(genuine: "list[bytes]", which: int, at: int, value: int) -> None:
    judge.mutate(genuine[which], at, value)


def test_one_wrong_byte_is_judged_alike_on_the_device(genuine: "list[bytes]") -> None:
    drawn = cross.examples(st.tuples(st.integers(0, 4), st.integers(0, 3000), st.integers(0, 255)), 120)
    inputs = [(genuine[which], at, value) for which, at, value in drawn]
    assert cross.run_on_device("tests.protocol.licence.judge", "mutate", inputs) == cross.on_host(judge.mutate, inputs)


@settings(max_examples=300, deadline=None)
@given(answer=st.binary(max_size=80), cipher=st.sampled_from([keys.DES3, keys.AES128]))
def test_secure_messaging_accepts_no_random_answer(answer: bytes, cipher: str) -> None:
    channel = SecureChannel(NativeCrypto(), bytes(range(16)), bytes(range(1, 17)), 7, cipher)
    channel.wrap(b"\x00\xb0\x00\x00\x10")
    with pytest.raises(MessagingError):
        channel.unwrap(answer)
    assert not channel.alive


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=40))
def test_a_chip_that_answers_anything_ends_in_a_coded_error(answers: "list[bytes]") -> None:
    from protocol.licence import mrz
    from protocol.licence.reader import read_licence
    from protocol.licence.trust.anchors import TrustSet
    from sim.cards.licence import mrz_lines

    parsed = mrz.parse(mrz_lines(PEOPLE["amina"]))
    machine = read_licence(NativeCrypto(), parsed, bytes, TrustSet([]), "20250611")
    answer = None
    steps = 0
    try:
        while True:
            request = machine.send(answer)
            steps += 1
            assert steps < 3000
            answer = answers[steps % len(answers)] if request[0] == "apdu" else None
    except TasdidError as error:
        assert error.code.startswith("LIC-")
