"""PACE's chip-authentication mapping: its key in DG14 or in EF.CardSecurity, and who is believed about it."""

import datetime as dt
from typing import Any

import pytest

from protocol import records
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import profile
from sim.pki import revocation
from tests.conformance.licence import bench, odd_chips
from tests.conformance.licence.requirements import meets

OWN = {**profile("pace-cam-own"), "portrait_bytes": 300}
SHORT = (1, 11)
SELECT_MASTER = b"\x0c\xa4\x00\x0c"


def read(given: "dict[str, Any]", chip: Any = None, **how: Any) -> bench.Outcome:
    return bench.read(given, chip, groups=SHORT, **how)


def visits(outcome: bench.Outcome) -> int:
    """How often the reader went back to the master file under the channel."""
    return len([command for command in outcome.commands if command[:4] == SELECT_MASTER])


def copied(given: "dict[str, Any]") -> "dict[str, Any]":
    """The copy: every file is the same, no key is."""
    agreement = given.get("agreement")
    more = {} if agreement is None else {"agreement": {**agreement, "held": "other"}}
    return {**given, **more, "mapping": {**given.get("mapping", {}), "held": "other"}}


def asked_for_agreement(outcome: bench.Outcome) -> int:
    """How many commands of chip authentication went out."""
    return len([command for command in outcome.commands if command[0] & 0x0C and command[1] in (0x22, 0x86)])


@meets("LP-03", "LP-14")
@pytest.mark.parametrize("name", ["pace-cam-own", "pace-cam-other-curve", "pace-cam-alone"])
def test_a_key_in_card_security_alone_proves_the_chip_without_chip_authentication(name: str) -> None:
    got = read({**profile(name), "portrait_bytes": 300})
    assert (got.done.verdict, got.done.findings, got.done.chip) == (records.VERDICT_GENUINE, [], "proven")
    assert visits(got) == 1 and asked_for_agreement(got) == 0
    everywhere = {**profile(name), "portrait_bytes": 300, "signer": "p384-sha512"}
    assert read(everywhere).done.verdict == records.VERDICT_GENUINE


@meets("LP-14")
def test_a_key_that_group14_holds_costs_no_command() -> None:
    assert visits(read({**profile("pace-cam"), "portrait_bytes": 300})) == 0


@meets("LP-14")
@pytest.mark.parametrize("name", ["pace-cam-own", "pace-cam-other-curve"])
def test_a_copied_card_security_proves_no_copy(name: str) -> None:
    got = read(copied({**profile(name), "portrait_bytes": 300}))
    assert (got.done.verdict, got.done.findings) == (records.VERDICT_CLONE, ["LIC-242"])


UNBELIEVED: "tuple[dict[str, Any] | None, ...]" = (
    None, {"signer": "unknown"}, {"signer": "impostor"}, {"signer": "foreign"}, {"signer": "foreign-posing"}, {"signer": "no-usage"},
    {"kind": "2.23.136.1.1.1"}, {"damage": "cut"}, {"damage": "tag"}, {"damage": "huge"}, {"damage": "empty"},
    {"damage": "indefinite"},
)  # fmt: skip


@meets("LP-14")
@pytest.mark.parametrize("how", UNBELIEVED)
def test_where_card_security_is_not_believed_chip_authentication_decides(how: "dict[str, Any] | None") -> None:
    """The forger signs his own key: nobody asks whether it fits."""
    given = {**OWN, "card_security": how}
    got = read(given)
    assert (got.done.verdict, got.done.chip) == (records.VERDICT_GENUINE, "proven") and asked_for_agreement(got)
    forged = read({**given, "agreement": {**given["agreement"], "held": "other"}})
    assert (forged.done.verdict, forged.done.findings) == (records.VERDICT_CLONE, ["LIC-242"])
    only = {key: value for key, value in given.items() if key != "agreement"}
    assert read(only).done.verdict == records.VERDICT_CLONE  # announced by the signed DG14, and nothing else proves
    silent = read({**only, "group14_silent": True}).done
    assert (silent.verdict, silent.chip) == (
        records.VERDICT_DATA_GENUINE,
        "not offered",
    )  # announced by nobody who signed


@meets("LP-14")
def test_a_revoked_signer_of_card_security_is_not_believed() -> None:
    given = {**OWN, "card_security": {"signer": "revoked"}, "agreement": {"held": "other"}}
    chip = bench.chip_of(given)
    assert read(given, chip).done.verdict == records.VERDICT_GENUINE
    chip.power_off()
    pki, day = bench.pki(), dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
    made = revocation.crl(pki.csca, [pki.signers["revoked"]], day, day + dt.timedelta(days=365))
    trust = TrustSet(pki.anchors(*bench.TRUSTED), [made])
    assert read(given, chip, trust=trust).done.verdict == records.VERDICT_CLONE


@meets("LP-14")
@pytest.mark.parametrize("of", ["key", "signer", "signature"])
def test_a_card_security_with_one_bit_changed_is_not_believed(of: str) -> None:
    given = {**OWN, "agreement": {"held": "other"}}
    chip: Any = bench.chip_of(given)
    made = bytearray(chip.abilities.card_security)
    key = chip.abilities.mapping.group.multiply(chip.abilities.mapping.scalar)
    signer = bench.pki().signers["dz"].der
    at = {"key": made.index(key) + 20, "signer": made.index(signer) + len(signer) - 4, "signature": len(made) - 3}[of]
    made[at] ^= 1
    chip.abilities.card_security = bytes(made)
    assert read(given, chip).done.verdict == records.VERDICT_CLONE


@meets("LP-14", "LP-10")
def test_a_channel_that_ends_with_the_way_to_the_master_file_is_opened_there_again() -> None:
    given = {**OWN, "keeps_channel": False}
    got = read(given)
    assert (got.done.verdict, got.done.findings, got.done.chip) == (records.VERDICT_GENUINE, [], "proven")
    assert asked_for_agreement(got) == 0
    assert read(copied(given)).done.verdict == records.VERDICT_CLONE


@meets("LP-14", "LP-10")
def test_a_channel_lost_at_any_command_does_not_cost_the_proof() -> None:
    last = sum(command[0] & 0x0C == 0x0C for command in read(OWN).commands)
    for at in range(1, last + 1):
        got = read({**OWN, "quirks": {"lose_channel_at": at}})
        assert (got.done.verdict, got.done.findings) == (records.VERDICT_GENUINE, []), at


@meets("LP-15")
@pytest.mark.parametrize("status", [0x6982, 0x6985])
@pytest.mark.parametrize("name", ["both-proofs", "pace-everything"])
def test_a_chip_that_signs_only_after_chip_authentication_is_asked_again_then(name: str, status: int) -> None:
    given = {**profile(name), "portrait_bytes": 300}

    def late(named: "dict[str, Any]", holds: bool = True) -> Any:
        return odd_chips.signing_late(bench.chip_of(named), status, holds)

    for groups in (SHORT, (1,)):
        got = bench.read(given, late(given), groups=groups).done
        assert (got.verdict, got.findings, got.chip) == (records.VERDICT_GENUINE, [], "proven")
    assert read(given, late(given, False)).done.findings == ["LIC-240"]
    false = {**given, "active": {**given["active"], "held": "other"}}
    assert read(false, late(false)).done.verdict == records.VERDICT_CLONE
    both = {**false, "agreement": {**given["agreement"], "held": "other"}}
    assert read(both, late(both)).done.verdict == records.VERDICT_CLONE
    alone = {key: value for key, value in given.items() if key != "agreement"}
    assert read(alone, late(alone, False)).done.verdict == records.VERDICT_CLONE
