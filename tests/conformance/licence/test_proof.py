"""Proving: the chip answers challenges that only the genuine one can, and what counts as announced."""

import pytest

from protocol import records
from sim.cards.licence import profile
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets

PROVING = (
    "active-rsa-sha1",
    "active-p256",
    "agreement-3des",
    "agreement-aes128",
    "agreement-dh",
    "pace-cam",
    "both-proofs",
)


@meets("LP-01", "LP-10")
def test_each_challenge_is_fresh() -> None:
    seen = []
    chip = bench.chip_of("active-p256")
    inner = chip.abilities.active.sign
    chip.abilities.active.sign = lambda challenge: (seen.append(challenge), inner(challenge))[1]
    for _ in range(3):
        assert bench.read("active-p256", chip).done.verdict == records.VERDICT_GENUINE
        chip.power_off()
    assert len(set(seen)) == 3


@meets("LP-04")
def test_a_recorded_signature_does_not_prove_a_clone() -> None:
    chip = bench.chip_of("active-rsa-sha1")
    recorded = chip.abilities.active.sign(bytes(8))
    chip.abilities.active.sign = lambda challenge: recorded
    assert bench.read("active-rsa-sha1", chip).done.verdict == records.VERDICT_CLONE


@meets("LP-04")
@pytest.mark.parametrize("answer", [b"", b"\x00", bytes(128), b"\xff" * 128, bytes(127), bytes(64)])
@pytest.mark.parametrize("name", ["active-rsa-sha1", "active-p256"])
def test_no_malformed_signature_proves_a_clone(answer: bytes, name: str) -> None:
    chip = bench.chip_of(name)
    chip.abilities.active.sign = lambda challenge: answer
    assert bench.read(name, chip).done.verdict == records.VERDICT_CLONE


@meets("LP-10")
@pytest.mark.parametrize("name", PROVING)
def test_a_channel_lost_during_the_proof_is_no_clone(name: str) -> None:
    short = {**profile(name), "portrait_bytes": 2500}
    last = sum(command[0] & 0x0C == 0x0C for command in bench.read(short, groups=(1,)).commands)
    for at in range(last - 3, last + 1):
        got = bench.read({**short, "quirks": {"lose_channel_at": at}}, groups=(1,)).done
        assert got.verdict == records.VERDICT_GENUINE, at


@meets("LP-05")
@pytest.mark.parametrize("name", ["active-rsa-sha1", "agreement-aes128", "both-proofs"])
def test_stripping_the_keys_is_noticed_even_if_they_were_not_asked_for(name: str) -> None:
    keys = [group for group in (13, 14) if group in bench.chip_of(name).content.files]
    got = bench.read({**profile(name), "strip": tuple(keys)}, groups=(1,)).done
    assert got.verdict == records.VERDICT_CLONE and "LIC-211" in got.findings


@meets("LP-09")
def test_a_group14_for_other_purposes_is_no_announcement() -> None:
    got = bench.read("pace-gm").done
    assert (got.verdict, got.findings, got.chip) == (records.VERDICT_DATA_GENUINE, [], "not offered")
    got = bench.read("active-brainpool-sha1").done
    assert (got.verdict, got.chip) == (records.VERDICT_GENUINE, "proven")
    taken = bench.read({**profile("pace-gm"), "strip": (14,)}).done
    assert taken.verdict == records.VERDICT_CLONE  # what was in it, nobody can say


@meets("LP-02")
def test_two_keys_are_told_apart_by_their_number() -> None:
    assert bench.read("agreement-aes256").done.verdict == records.VERDICT_GENUINE
    chip = bench.chip_of("agreement-aes256")
    chip.abilities.agreement.key_id = 6
    assert bench.read("agreement-aes256", chip).done.verdict == records.VERDICT_CLONE
