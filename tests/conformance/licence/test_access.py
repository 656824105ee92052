"""Access: BAC, PACE, CAN, and that a failed PACE is the end."""

from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.crypto.pure import PureCrypto
from protocol.licence import mrz
from sim.cards.licence import PROFILES, profile
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets

CHEATING = sorted(
    name for name, given in PROFILES.items() if given.get("pace_fault") or given.get("knows_pace") is False
)
BY_PACE = sorted(name for name in PROFILES if name.startswith("pace-") and bench.read(name).reading is not None)


@meets("LA-01", "LA-11")
@pytest.mark.parametrize("name", ["amina", "karim", "pace-gm", "pace-cam", "eu", "both-proofs"])
def test_after_access_nothing_goes_in_clear(name: str) -> None:
    outcome = bench.read(name)
    secured = [command[0] & 0x0C == 0x0C for command in outcome.commands]
    assert secured.count(True) > 10
    assert all(secured[secured.index(True) :])
    for command, answer in list(zip(outcome.commands, outcome.answers, strict=True))[secured.index(True) :]:
        assert len(answer) >= 16, (command, answer)


@meets("LA-02")
@pytest.mark.parametrize("status", [0x6300, 0x63CF, 0x6982])
def test_a_first_refusal_is_forgiven_once(status: int) -> None:
    outcome = bench.read({**profile("amina"), "quirks": {"bac_first": status}})
    assert outcome.done.access == "BAC" and len(bench.basic_access(outcome)) == 4


@meets("LA-03")
def test_a_wrong_mrz_is_given_up_after_two_attempts() -> None:
    for wrong in (0x6300, 0x6982, 0x63C1, 0x6985):
        outcome = bench.read({**profile("wrong-mrz"), "quirks": {"bac_wrong": wrong}})
        assert outcome.code == "LIC-021" and len(bench.basic_access(outcome)) <= 4


@meets("LA-05", "LA-12")
@pytest.mark.parametrize("name", [name for name in CHEATING if name != "pace-unknown-curve"] + ["pace-wrong-mrz"])
def test_bac_is_never_tried_after_a_pace_that_failed(name: str) -> None:
    chip = bench.chip_of(name)
    for _ in range(2):  # nor the next time
        outcome = bench.read(name, chip)
        assert outcome.code == ("LIC-021" if name == "pace-wrong-mrz" else "LIC-023")
        assert bench.basic_access(outcome) == []
        assert chip._channel is None or outcome.commands[-1][1] == 0x86
        chip.power_off()


@meets("LA-05")
def test_pace_interrupted_at_every_command_never_turns_into_bac() -> None:
    whole = bench.read("pace-gm")
    for at in range(1, len(whole.commands) + 1, 3):
        chip, resume = bench.chip_of("pace-gm"), bench.Resume()
        torn = bench.read("pace-gm", chip, pull_at=at, resume=resume)
        assert torn.code.startswith("CRD") and bench.basic_access(torn) == []
        chip.power_off()
        again = bench.read("pace-gm", chip, resume=resume)
        assert again.done.access == "PACE" and bench.basic_access(again) == []


@meets("LA-05")
@pytest.mark.parametrize("at", [1, 4, 9])
def test_a_channel_lost_under_pace_is_opened_by_pace_again(at: int) -> None:
    outcome = bench.read({**profile("pace-gm"), "quirks": {"lose_channel_at": at}})
    assert outcome.done.access == "PACE" and bench.basic_access(outcome) == []
    assert sum(command[:4] == b"\x00\x22\xc1\xa4" for command in outcome.commands) == 2


@meets("LA-06")
def test_a_can_opens_by_pace_only() -> None:
    can = mrz.from_can("314159")
    assert bench.read("pace-everything", printed=can).done.access == "PACE"
    assert bench.read("pace-can", printed=mrz.from_can("314158")).code == "LIC-021"
    outcome = bench.read("amina", printed=can)
    assert outcome.code == "LIC-024" and bench.basic_access(outcome) == []


@meets("LA-04")
@pytest.mark.parametrize("name", BY_PACE)
@pytest.mark.parametrize("crypto", [NativeCrypto(), PureCrypto()])
def test_both_implementations_of_the_algorithms_agree_with_the_chip(name: str, crypto: Any) -> None:
    assert bench.read(name, crypto=crypto, groups=(1,)).reading is not None


@meets("LA-04")
def test_the_domain_is_named_where_several_are_offered_for_one_protocol() -> None:
    outcome = bench.read("pace-two")
    first = next(command for command in outcome.commands if command[:4] == b"\x00\x22\xc1\xa4")
    assert first.endswith((b"\x84\x01\x0c", b"\x84\x01\x0d"))


@meets("LA-08")
def test_every_pace_of_the_signed_group_must_be_in_the_file_that_nobody_signed() -> None:
    from sim.cards.licence.proof.keys import security_infos
    from sim.cards.licence.proof.pace import Offer

    weaker = security_infos(Offer("GM", "P-256").info())
    outcome = bench.read({**profile("pace-two"), "card_access_is": weaker})
    assert outcome.done.access == "PACE" and outcome.done.findings == ["LIC-246"]


@meets("LA-10")
def test_the_eu_application_is_asked_for_after_the_iso_one() -> None:
    outcome = bench.read("eu")
    selects = [command for command in outcome.commands if command[:3] == b"\x00\xa4\x04"]
    assert [command[5 : 5 + command[4]].hex() for command in selects] == ["a0000002480200", "a00000045645444c2d3031"]
    assert bench.read("eu", printed=bench.print_of("amina")).code == "LIC-021"


@meets("LA-11")
def test_random_numbers_of_two_openings_differ() -> None:
    outcome = bench.read({**profile("amina"), "quirks": {"lose_channel_at": 8}})
    sent = [command for command in bench.basic_access(outcome) if command[1] == 0x82]
    assert len(sent) == 2 and sent[0] != sent[1]
