"""Proofs and PACE with chips that find fault with the expected length: asked again before anything is concluded."""

from typing import Any

import pytest

from protocol import records
from protocol.licence.access import lengths
from sim.cards.licence import profile
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets

STATUSES = (0x6C00, 0x6700)  # the first names the right length
STRICT = profile("strict")["quirks"]
ROOM = 0x7000


def short(**more: Any) -> "dict[str, Any]":
    return {"person": "amina", "portrait_bytes": 2500, **more}


ACTIVE = [{"key": "RSA-1024", "hash": "sha1"}, {"key": "P-256"}, {"key": "P-384", "hash": "sha384"}]


@meets("LP-13")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("key", ACTIVE)
def test_a_genuine_chip_that_signs_for_its_own_length_alone_is_proven(
    key: "dict[str, Any]", status: int, clear: bool
) -> None:
    given = short(active=key)
    chip = odd_chips.by_length(bench.chip_of(given), 0x88, odd_chips.exactly, status, clear)
    got = bench.read(given, chip).done
    assert (got.verdict, got.findings, got.chip) == (records.VERDICT_GENUINE, [], "proven")


@meets("LP-13")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("status", [0x6700, 0x6C00, 0x6C10, 0x6C80])
@pytest.mark.parametrize("name", ["active-rsa-sha1", "active-p256", "agreement-aes128"])
def test_a_clone_that_refuses_every_length_is_a_clone(name: str, status: int, clear: bool) -> None:
    given = {**profile(name), "portrait_bytes": 2500}
    ins = 0x86 if name.startswith("agreement") else 0x88
    chip = odd_chips.by_length(bench.chip_of(given), ins, lambda *_: False, status, clear)
    outcome = bench.read(given, chip)
    assert (outcome.done.verdict, outcome.done.chip) == (records.VERDICT_CLONE, "failed")
    challenges = [command for command in outcome.commands if command[1] == ins]
    assert 2 <= len(challenges) <= 4


@meets("LP-13")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("takes", [odd_chips.exactly, odd_chips.without])
def test_chip_authentication_is_asked_for_its_own_length_and_for_none(takes: Any, status: int, clear: bool) -> None:
    for suite in ("AES-128", "AES-256"):
        given = short(agreement={"suite": suite})
        chip = odd_chips.by_length(bench.chip_of(given), 0x86, takes, status, clear)
        assert bench.read(given, chip).done.verdict == records.VERDICT_GENUINE


@meets("LP-13")
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("name", ["pace-gm", "pace-gm-aes256", "pace-im", "pace-cam", "pace-gm-dh", "pace-gm-3des"])
def test_the_steps_of_pace_are_asked_for_their_own_lengths(name: str, status: int) -> None:
    given = {**profile(name), "portrait_bytes": 2500}
    plain = bench.read(given).done
    chip = odd_chips.by_length(bench.chip_of(given), 0x86, odd_chips.exactly, status)
    got = bench.read(given, chip).done
    assert (got.verdict, got.access, got.chip) == (plain.verdict, "PACE", plain.chip)


@meets("LP-13")
@pytest.mark.parametrize(
    "ability",
    [
        *({"active": key} for key in ACTIVE),
        *({"agreement": {"suite": suite}} for suite in ("3DES", "AES-128", "AES-256")),
    ],
)
def test_a_strict_chip_which_counts_a_le_of_zeros_proves_itself(ability: "dict[str, Any]") -> None:
    given = short(quirks=STRICT, **ability)
    got = bench.read(given).done
    assert (got.verdict, got.findings, got.chip) == (records.VERDICT_GENUINE, [], "proven")


@meets("LP-11", "LP-13")
@pytest.mark.parametrize("ability", [{"active": {"key": "RSA-2048"}}, {"active": {"key": "RSA-1024", "hash": "sha1"}}])
def test_a_chip_is_not_asked_for_more_than_its_announced_size(ability: "dict[str, Any]") -> None:
    """EF.ATR/INFO says 1,024 bytes, and this chip refuses more."""
    given = {**profile("extended-small"), **ability, "portrait_bytes": 2500}
    chip = bench.chip_of(given)
    assert bench.read(given, chip, atr=chip.atr, room=ROOM).done.verdict == records.VERDICT_GENUINE


@meets("LP-11", "LP-13")
def test_a_chip_that_takes_only_a_le_of_zeros_in_extended_form_is_asked_so() -> None:
    given = {**profile("active-rsa-2048"), "portrait_bytes": 2500}
    chip = odd_chips.by_length(bench.chip_of(given), 0x88, lambda le, _: le == 65536, 0x6700)
    got = bench.read(given, chip, atr=chip.atr, room=ROOM)
    assert got.done.verdict == records.VERDICT_GENUINE
    assert len([command for command in got.commands if command[:2] == b"\x0c\x88"]) == 2


def test_each_length_is_tried_once() -> None:
    any_, exact = lengths.ANY, b"\x80"
    assert lengths.following(0x6C40, [any_], (any_, exact)) == b"\x40"
    assert lengths.following(0x6C40, [any_, b"\x40"], (any_, exact)) == exact
    assert lengths.following(0x6C80, [any_, exact], (any_, exact)) is None
    assert lengths.following(0x6C00, [any_], (any_, exact)) == exact
    assert lengths.following(0x6C40, [b"\x01\x00"], (b"\x01\x00", lengths.WIDE)) == b"\x00\x40"
