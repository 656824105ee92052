"""Proving: the chip answers challenges that only the genuine one can, and what counts as announced."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import utils

from protocol import records
from sim.cards.licence import profile
from sim.cards.licence.proof.keys import AgreementKey, generate
from sim.cards.licence.proof.suite import Suite
from sim.cards.tlv import tlv
from tests.conformance.licence import bench, odd_chips
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


LARGE = {**profile("active-rsa-2048"), "portrait_bytes": 2500}
QUIET = {key: value for key, value in LARGE.items() if key not in ("announces_extended", "quirks")}
ROOM = 0x7000


EXTENDED = {"room": ROOM, "atr": bench.chip_of(LARGE).atr}
"""A link and a card that have extended length."""


@meets("LP-11")
@pytest.mark.parametrize("status", [0x6700, 0x6C00, 0x6C80, 0x6D00, 0x6982])
@pytest.mark.parametrize("given", [LARGE, QUIET])
def test_a_clone_that_finds_fault_with_the_length_is_a_clone_where_the_link_has_room(
    given: dict[str, Any], status: int
) -> None:
    how = EXTENDED if given is LARGE else {"room": ROOM}
    told = bench.read(given, odd_chips.answering(given, lambda _: (b"", status)), **how)
    protected = told.done
    if given is LARGE:
        asked = [command for command in told.commands if command[:2] == b"\x0c\x88"]
        assert asked and all(command[4] == 0 for command in asked)
    assert (protected.verdict, protected.chip) == (records.VERDICT_CLONE, "failed")
    assert "LIC-240" in protected.findings and "LIC-244" not in protected.findings
    clear = bench.read(given, odd_chips.clear(bench.chip_of(given), lambda _: True, status), **how).done
    assert clear.verdict == records.VERDICT_CLONE


@meets("LP-11")
@pytest.mark.parametrize("room", [0, 1024, ROOM])
def test_a_large_signature_of_a_chip_that_announces_nothing_proves_it_without_an_extended_command(room: int) -> None:
    got = bench.read(QUIET, room=room)
    assert got.done.verdict == records.VERDICT_GENUINE
    assert not [command for command in got.commands if len(command) > 5 and command[4] == 0]


@meets("LP-11")
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("status", [0x6700, 0x6C00])
def test_a_chip_that_finds_the_short_command_too_short_is_asked_again_with_an_extended_one(
    clear: bool, status: int
) -> None:
    given = {**QUIET, "quirks": {"extended": True}}
    if clear:
        chip = odd_chips.clear(bench.chip_of(given), lambda command: command[4] != 0, status)
    else:
        chip = odd_chips.answering(given, lambda apdu: None if apdu.extended or (apdu.le or 0) > 256 else (b"", status))
    assert bench.read(given, chip, room=ROOM).done.verdict == records.VERDICT_GENUINE


@meets("LP-11")
@pytest.mark.parametrize(
    "answer", [(b"", 0x6F00), (b"", 0x6A80), (b"", 0x6985), (bytes(200), 0x9000), (bytes(200), 0x6282)]
)
def test_whatever_the_short_command_brought_the_extended_one_decides(answer: tuple[bytes, int]) -> None:
    given = {**QUIET, "quirks": {"extended": True}}
    chip = odd_chips.answering(given, lambda apdu: None if apdu.extended or (apdu.le or 0) > 256 else answer)
    assert bench.read(given, chip, room=ROOM).done.verdict == records.VERDICT_GENUINE
    if not answer[0]:
        clear = odd_chips.clear(bench.chip_of(given), lambda command: command[4] != 0, answer[1])
        assert bench.read(given, clear, room=ROOM).done.verdict == records.VERDICT_GENUINE


@meets("LP-11")
def test_a_signature_that_a_short_answer_holds_under_3des_is_no_large_one() -> None:
    given = {**QUIET, "active": {"key": "RSA-1792", "hash": "sha256"}}
    assert bench.read(given, room=0).done.verdict == records.VERDICT_GENUINE
    clone = odd_chips.answering(given, lambda _: (b"", 0x6700))
    assert bench.read(given, clone, room=0).done.verdict == records.VERDICT_CLONE


@meets("LP-11")
def test_without_room_for_the_signature_the_proof_is_not_supported_on_this_terminal() -> None:
    for chip in (
        odd_chips.answering(LARGE, lambda _: (b"", 0x6700)),
        odd_chips.clear(bench.chip_of(LARGE), lambda _: True, 0x6700),
    ):
        got = bench.read(LARGE, chip, room=0).done
        assert (got.verdict, got.chip) == (records.VERDICT_DATA_GENUINE, "untested")
        assert "LIC-244" in got.findings
    small = profile("active-rsa-sha256")
    assert (
        bench.read(small, odd_chips.answering(small, lambda _: (b"", 0x6700)), room=0).done.verdict
        == records.VERDICT_CLONE
    )


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


SEVERAL = (
    (("P-256", "AES-256", 1), ("P-256", "AES-128", 2)),
    (("P-256", "AES-256", 1), ("P-384", "AES-128", 2)),
    (("P-256", "AES-128", 1), ("P-256", "AES-256", 2)),
    (("P-256", "3DES", 1), ("P-384", "AES-256", 2)),
    (("P-384", "AES-256", 2), ("P-256", "3DES", 1)),
)


@meets("LP-09")
def test_an_odd_offer_of_pace_in_group14_announces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {**profile("pace-gm"), "portrait_bytes": 2500}
    odd = tlv(0x30, tlv(0x06, bytes.fromhex("04007F00070202040202")) + tlv(0x02, b"\x02") + tlv(0x02, b"\x01\x0d"))
    got = bench.read(given, odd_chips.with_infos(given, (odd,), monkeypatch)).done
    assert (got.verdict, got.chip) == (records.VERDICT_DATA_GENUINE, "not offered")


LONG = {"person": "amina", "portrait_bytes": 300, "agreement": {"domain": "RFC3526-2048", "suite": "AES-128"}}
LONG_3DES = {**LONG, "agreement": {"domain": "RFC3526-2048", "suite": "3DES"}}


@meets("LP-02", "LP-16")
@pytest.mark.parametrize("given", [LONG, LONG_3DES])
def test_a_key_of_2048_bits_proves_a_chip_that_has_extended_length(given: dict[str, Any]) -> None:
    extended = {**given, "quirks": {"extended": True}}
    assert (
        bench.read(extended, room=ROOM).done.verdict == records.VERDICT_GENUINE
    )  # though the card does not announce it
    announced = {**extended, "announces_extended": True}
    assert bench.read(announced, **EXTENDED).done.verdict == records.VERDICT_GENUINE
    copy = bench.chip_of(announced)
    copy.abilities.agreement.held = copy.abilities.agreement.group.random()
    assert bench.read(announced, copy, **EXTENDED).done.verdict == records.VERDICT_CLONE


@meets("LP-16")
@pytest.mark.parametrize("room", [0, ROOM])
@pytest.mark.parametrize("given", [LONG, LONG_3DES])
def test_a_key_of_2048_bits_on_a_chip_without_extended_length_leaves_it_unproven(
    given: dict[str, Any], room: int
) -> None:
    got = bench.read(given, room=room)
    assert (got.done.verdict, got.done.findings, got.done.chip) == (
        records.VERDICT_DATA_GENUINE,
        ["LIC-244"],
        "untested",
    )
    if not room:
        assert max(len(command) for command in got.commands) <= 261


@meets("LP-16")
@pytest.mark.parametrize("status", [0x6700, 0x6C00, 0x6A80, 0x6D00, 0x6E00, 0x6F00, 0x6883, 0x6987, 0x6988, 0x6982])
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("given", [LONG, LONG_3DES])
def test_no_word_by_which_a_card_refuses_a_length_that_it_did_not_announce_accuses_it(
    given: dict[str, Any], clear: bool, status: int
) -> None:
    chip = odd_chips.refusing_long(bench.chip_of(given), status, clear)
    got = bench.read(given, chip, room=ROOM).done
    assert (got.verdict, got.findings) == (records.VERDICT_DATA_GENUINE, ["LIC-244"])
    announced = {**given, "announces_extended": True, "quirks": {"extended": True}}
    chip = odd_chips.refusing_long(bench.chip_of(announced), status, clear)
    got = bench.read(announced, chip, **EXTENDED).done
    assert (got.verdict, got.chip) == (records.VERDICT_CLONE, "failed")


@meets("LP-16")
@pytest.mark.parametrize("clear", [False, True])
def test_a_short_command_that_is_refused_before_the_long_one_is_no_excuse(clear: bool) -> None:
    chip = odd_chips.refusing_long(bench.chip_of(LONG), 0x6A80, clear, ins=0x22)
    assert bench.read(LONG, chip, room=ROOM).done.verdict == records.VERDICT_CLONE


@meets("LP-16", "LP-10")
def test_a_channel_lost_once_at_the_long_command_is_no_refusal() -> None:
    given = {**LONG, "quirks": {"extended": True}}
    chip = odd_chips.refusing_long(bench.chip_of(given), 0x6988, True, times=1)
    assert bench.read(given, chip, room=ROOM).done.verdict == records.VERDICT_GENUINE


@meets("LP-16")
@pytest.mark.parametrize("given", [LONG, LONG_3DES])
def test_a_card_that_announces_extended_length_and_refuses_it_in_a_proof_is_a_clone(given: dict[str, Any]) -> None:
    announced = {**given, "announces_extended": True, "quirks": {"extended": True}}
    chip = bench.chip_of(announced)
    chip._chip_authentication = lambda apdu: (b"", 0x6700)
    assert bench.read(announced, chip, **EXTENDED).done.verdict == records.VERDICT_CLONE


@meets("LP-12")
@pytest.mark.parametrize("pair", SEVERAL)
def test_each_of_two_keys_goes_with_its_own_protocol(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = tuple(AgreementKey(domain, Suite(suite), number) for domain, suite, number in pair)
    given = profile("agreement-aes128")
    assert bench.read(given, odd_chips.two_keys(given, keys, monkeypatch)).done.verdict == records.VERDICT_GENUINE  # type: ignore[arg-type]


@meets("LP-12")
@pytest.mark.parametrize("first", ["P-256", "P-384"])
def test_the_mapping_is_proved_by_the_key_on_its_curve(first: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = profile("pace-cam")
    mapped = bench.chip_of(given).abilities.agreement
    other = AgreementKey(first, Suite("AES-128"), 7)
    keys = (other, AgreementKey(mapped.domain, Suite("AES-128"), 8))
    chip = odd_chips.two_keys(given, keys, monkeypatch)
    chip.abilities.agreement = keys[1]
    assert bench.read(given, chip).done.verdict == records.VERDICT_GENUINE
    unfit = AgreementKey(mapped.domain, Suite("AES-128"), 8)
    fallback = odd_chips.two_keys(given, (other, unfit), monkeypatch)
    assert (
        bench.read(given, fallback).done.verdict == records.VERDICT_GENUINE
    )  # by chip authentication, with the other key
    for key in (other, unfit):
        key.held = key.group.random()
    copied = odd_chips.two_keys(given, (other, unfit), monkeypatch)
    assert bench.read(given, copied).done.verdict == records.VERDICT_CLONE  # it maps with a key that DG14 does not hold


UNNAMED = [("P-256", "sha1"), ("P-256", "sha224"), ("P-256", "sha384"), ("P-256", "sha512"), ("brainpoolP256r1", "sha1"),
           ("P-384", "sha256"), ("P-384", "sha512"), ("P-521", "sha1"), ("P-521", "sha256")]  # fmt: skip


def unnamed(key: str, hash_name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """(profile, chip) with an ECDSA key and no DG14 to name the hash."""
    given = {"person": "amina", "portrait_bytes": 300, "active": {"key": key, "hash": hash_name}}
    return given, odd_chips.without_group14(given, monkeypatch)


def der_of(signature: bytes) -> bytes:
    """SEQUENCE of two INTEGERs, of plain r | s."""
    half = len(signature) // 2
    return utils.encode_dss_signature(int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big"))


@meets("LP-17")
@pytest.mark.parametrize(("key", "hash_name"), UNNAMED)
def test_a_chip_whose_hash_nobody_names_is_proven_and_its_copy_is_not(
    key: str, hash_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, chip = unnamed(key, hash_name, monkeypatch)
    got = bench.read(given, chip).done
    assert (got.verdict, got.findings, got.chip) == (records.VERDICT_GENUINE, [], "proven")
    chip.abilities.active.private = generate(key)
    chip.power_off()
    assert bench.read(given, chip).done.verdict == records.VERDICT_CLONE


@meets("LP-17")
@pytest.mark.parametrize("key", ["P-256", "P-521"])
def test_a_signature_in_der_counts_as_well_and_proves_no_copy(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given, chip = unnamed(key, "sha256", monkeypatch)
    inner = chip.abilities.active.sign
    chip.abilities.active.sign = lambda challenge: der_of(inner(challenge))
    assert bench.read(given, chip).done.verdict == records.VERDICT_GENUINE
    for spoiled in (lambda made: made + b"\0", lambda made: made[:-1], lambda made: made[:-1] + bytes([made[-1] ^ 1])):
        chip.power_off()
        chip.abilities.active.sign = lambda challenge, spoiled=spoiled: spoiled(der_of(inner(challenge)))
        assert bench.read(given, chip).done.verdict == records.VERDICT_CLONE


@meets("LP-17")
def test_a_hash_that_the_signed_group_names_is_the_only_one() -> None:
    chip = bench.chip_of("active-brainpool-sha1")
    chip.abilities.active.hash_name = "sha256"
    assert bench.read("active-brainpool-sha1", chip).done.verdict == records.VERDICT_CLONE


@meets("LP-01")
@pytest.mark.parametrize(
    "name", ["04007F00070101040106", "2A8648CE3D040302"]
)  # ecdsa-plain-RIPEMD160, ecdsa-with-SHA256
def test_a_signature_algorithm_that_nobody_here_knows_leaves_the_chip_unproven(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {**profile("active-p256"), "portrait_bytes": 2500}
    info = tlv(0x30, tlv(0x06, bytes.fromhex("678108010105")), tlv(0x02, b"\x01"), tlv(0x06, bytes.fromhex(name)))
    got = bench.read(given, odd_chips.with_infos(given, (info,), monkeypatch)).done
    assert (got.verdict, got.findings, got.chip) == (records.VERDICT_DATA_GENUINE, ["LIC-244"], "untested")
