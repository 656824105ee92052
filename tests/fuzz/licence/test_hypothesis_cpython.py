"""Structured fuzzing with hypothesis: genuine bytes with pieces changed, cut, doubled and exchanged; authentic chips with hostile
files. TASDID_SOAK=1 multiplies the examples by 200 (TASDID_FUZZ_EXAMPLES says how many).
"""

import os
import tracemalloc
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import records
from protocol.errors import TasdidError
from sim.cards.licence import PROFILES
from sim.cards.tlv import length
from tests.conformance.licence import bench
from tests.fuzz.licence import seeds, targets
from tests.sim.pki import made

EXAMPLES = int(os.environ.get("TASDID_FUZZ_EXAMPLES") or (30000 if os.environ.get("TASDID_SOAK") == "1" else 150))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LONG = pytest.mark.timeout(4 * 3600 if EXAMPLES > 1000 else 240)
CHEAP = ("amina", "standard", "strict", "pace-can", "both-proofs", "eu", "clone-active-none", "altered")
HONEST = 2 << 20
"""Bytes that a parser may take for itself, whatever it is told: the largest input here is 8 KB."""


@cache
def corpus(target: str) -> "tuple[bytes, ...]":
    targets.configure(made.shared().anchors(), seeds.lists(made.shared()))
    return tuple(seeds.seeds(target, made.shared()))


@st.composite
def mutated(draw: Any, target: str) -> bytes:
    """A seed after one to five changes."""
    data = draw(st.sampled_from(corpus(target)))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        size = draw(st.integers(0, 12))
        how = draw(st.sampled_from(("set", "cut", "insert", "double", "length", "splice")))
        if how == "set":
            data = data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at + size :]
        elif how == "cut":
            data = data[:at] + data[at + size :]
        elif how == "insert":
            data = data[:at] + draw(st.binary(max_size=12)) + data[at:]
        elif how == "double":
            data = data[:at] + data[at : at + 40] * 2 + data[at + 40 :]
        elif how == "length":
            data = data[:at] + length(draw(st.integers(0, 0xFFFF))) + data[at + 1 :]
        else:
            other = draw(st.sampled_from(corpus(target)))
            data = data[:at] + other[at : at + 64] + data[at + 64 :]
    return data[:8192]


@LONG
@pytest.mark.parametrize("name", sorted(targets.TARGETS))
def test_changed_genuine_bytes_raise_coded_errors_only(name: str) -> None:
    @SETTINGS
    @given(mutated(name))
    def check(data: bytes) -> None:
        targets.TARGETS[name](data)

    check()


@LONG
@pytest.mark.parametrize("name", ["tlv", "groups", "certificates", "sod", "infos", "files", "picture"])
def test_memory_is_bounded_whatever_lengths_are_announced(name: str) -> None:
    @settings(max_examples=min(EXAMPLES, 400), deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(name))
    def check(data: bytes) -> None:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        targets.TARGETS[name](data)
        assert tracemalloc.get_traced_memory()[1] - before < HONEST

    targets.TARGETS[name](corpus(name)[0])  # what is imported late is no input's doing
    tracemalloc.start()
    try:
        check()
    finally:
        tracemalloc.stop()


@LONG
@SETTINGS
@given(
    name=st.sampled_from(CHEAP), at=st.integers(1, 60), place=st.integers(0, 400), value=st.integers(1, 255),
    how=st.sampled_from(("flip", "cut", "extend", "replace", "status", "empty")),
)  # fmt: skip
def test_one_hostile_answer_in_an_authentic_reading(name: str, at: int, place: int, value: int, how: str) -> None:
    """A relay or a broken chip changes one answer: nothing but coded errors, and no better verdict than the genuine one."""
    chip = _chip(name)
    chip.power_off()
    count = [0]

    def respond(command: bytes) -> bytes:
        answer = chip.respond(command)
        count[0] += 1
        if count[0] != at:
            return answer
        spot = place % len(answer)
        return {
            "flip": answer[:spot] + bytes([answer[spot] ^ value]) + answer[spot + 1 :],
            "cut": answer[:spot],
            "extend": answer[:spot] + bytes([value]) * 5 + answer[spot:],
            "replace": bytes([value]) * len(answer),
            "status": answer[:-2] + bytes([0x60 | value & 0x0F, place & 0xFF]),
            "empty": b"",
        }[how]

    outcome = bench.drive(bench.machine(name, groups=(1, 11)), respond)
    assert outcome.error is None or outcome.error.code.startswith("LIC-")
    if outcome.reading is not None:
        usual = _usual(name)
        assert outcome.reading.verdict == usual or outcome.reading.verdict != records.VERDICT_GENUINE
        if outcome.reading.verdict in (records.VERDICT_GENUINE, records.VERDICT_DATA_GENUINE):
            assert outcome.reading.covered and outcome.reading.verdict == usual


@cache
def _chip(name: str) -> Any:
    assert name in PROFILES
    return bench.chip_of({**PROFILES[name], "portrait_bytes": 64})


@cache
def _usual(name: str) -> int:
    chip = _chip(name)
    chip.power_off()
    return bench.read(name, chip, groups=(1, 11)).done.verdict


@LONG
@SETTINGS
@given(
    st.lists(
        st.tuples(
            st.sampled_from((1, 11, 13, 14, 0x1D, 0x1E)), st.integers(0, 4095), st.binary(max_size=6), st.integers(0, 6)
        ),
        min_size=1,
        max_size=2,
    )
)
def test_hostile_files_behind_an_authentic_channel_are_never_genuine(drawn: "list[Any]") -> None:
    """Whoever may write the chip but has no signer's key: any change of a covered file costs the verdict."""
    chip = bench.chip_of({**PROFILES["both-proofs"], "portrait_bytes": 64})
    original = dict(chip.content.files)
    for file, place, piece, removed in drawn:
        before = chip.content.files[file]
        at = place % max(len(before), 1)
        chip.content.files[file] = before[:at] + piece + before[at + removed :] or b"\x00"
    changed = {file for file, data in original.items() if chip.content.files[file][: len(data)] != data}
    try:
        got = bench.read("both-proofs", chip, groups=(1, 11)).done
    except TasdidError as error:
        assert error.code.startswith("LIC-")
        return
    for file in changed & {1, 11, 13, 14}:
        assert file not in got.covered
    if changed & {1, 13, 14}:
        assert got.verdict != records.VERDICT_GENUINE
