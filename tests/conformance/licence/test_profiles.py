"""Every ready-made licence with its verdict, findings, altered groups, access and proof: what the terminal must say."""

from typing import Any

import pytest

from protocol import records
from protocol.licence.trust.passive import FAILED, NOT_OFFERED, PROVEN
from sim.cards.licence import PROFILES
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets

GENUINE, DATA, ALTERED = records.VERDICT_GENUINE, records.VERDICT_DATA_GENUINE, records.VERDICT_ALTERED
UNKNOWN, CLONE = records.VERDICT_UNKNOWN_ISSUER, records.VERDICT_CLONE


def plain(*findings: str, verdict: int = DATA, altered: "tuple[int, ...]" = ()) -> "tuple[Any, ...]":
    return verdict, sorted(findings), list(altered), "BAC", NOT_OFFERED


def proven(access: str = "BAC", *findings: str) -> "tuple[Any, ...]":
    return GENUINE, sorted(findings), [], access, PROVEN


def cloned(*findings: str, access: str = "BAC") -> "tuple[Any, ...]":
    return CLONE, sorted(findings), [], access, FAILED


PACE = (DATA, [], [], "PACE", NOT_OFFERED)

EXPECTED: "dict[str, tuple[Any, ...]]" = {
    **dict.fromkeys(
        ("amina", "karim", "yacine", "nadia", "saliha", "standard", "strict", "extended", "extended-small", "rich"), plain()
    ),
    "expired": plain("LIC-201"),
    **dict.fromkeys(
        ("active-rsa-sha1", "active-rsa-sha256", "active-rsa-2048", "active-p256", "active-brainpool-sha1", "active-p384"),
        proven(),
    ),
    **dict.fromkeys(
        ("agreement-3des", "agreement-aes128", "agreement-aes256", "agreement-standardised", "agreement-dh",
         "agreement-dh-aes", "both-proofs"),
        proven(),
    ),
    **dict.fromkeys(
        ("pace-gm", "pace-gm-p256", "pace-gm-aes256", "pace-gm-3des", "pace-gm-dh", "pace-im", "pace-im-p256", "pace-im-dh",
         "pace-two", "pace-only", "pace-can"),
        PACE,
    ),
    **dict.fromkeys(("pace-cam", "pace-cam-own", "pace-cam-other-curve", "pace-cam-alone"), proven("PACE")),
    "pace-everything": proven("PACE"),
    "pace-unknown-curve": plain("LIC-245"),
    "eu": plain(),
    "eu-active": proven(),
    "eu-pace": PACE,
    "altered": plain("LIC-214", verdict=ALTERED, altered=(1,)),
    "altered-name": plain("LIC-214", verdict=ALTERED, altered=(1,)),
    "altered-names": plain("LIC-214", verdict=ALTERED, altered=(11,)),
    "altered-portrait": plain("LIC-214", verdict=ALTERED, altered=(4,)),
    "unknown-issuer": plain("LIC-228", verdict=UNKNOWN),
    "impostor-issuer": plain("LIC-228", verdict=UNKNOWN),
    "foreign-issuer": plain("LIC-229", verdict=UNKNOWN),
    "foreign-issuer-posing": plain("LIC-229", verdict=UNKNOWN),
    "retired-signer": plain("LIC-221"),
    "revoked-signer": plain(),
    "wrong-mrz": ("LIC-021",),
    "swapped-sod": plain("LIC-214", verdict=ALTERED, altered=(1, 4, 11)),
    "unlisted-group": plain("LIC-210"),
    "hidden-group": plain("LIC-211"),
    "clone-active-other": cloned("LIC-240"),
    "clone-active-none": cloned("LIC-240"),
    "clone-active-p256": cloned("LIC-240"),
    "clone-active-swapped": (ALTERED, ["LIC-214"], [13], "BAC", FAILED),
    "clone-active-stripped": cloned("LIC-211", "LIC-213", "LIC-241"),
    "clone-active-hidden": cloned("LIC-211", "LIC-240"),
    "clone-agreement-other": cloned("LIC-242"),
    "clone-agreement-none": cloned("LIC-242"),
    "clone-agreement-3des": cloned("LIC-242"),
    "clone-agreement-dh": cloned("LIC-242"),
    "clone-agreement-stripped": cloned("LIC-211", "LIC-213", "LIC-243"),
    "clone-both-stripped": cloned("LIC-211", "LIC-213", "LIC-241", "LIC-243"),
    "clone-half": cloned("LIC-242"),
    **dict.fromkeys(("clone-cam", "clone-cam-own"), cloned("LIC-242", access="PACE")),
    **dict.fromkeys(
        ("clone-cam-silent", "pace-refused", "pace-unknown-commands", "pace-false-token", "pace-reflected", "pace-off-curve",
         "pace-short-nonce", "pace-missing-object", "pace-broken-off"),
        ("LIC-023",),
    ),
    "pace-wrong-mrz": ("LIC-021",),
    "pace-hidden": proven("BAC", "LIC-246"),
    "pace-garbled-access": ("LIC-024",),
}  # fmt: skip


def test_the_table_has_every_profile() -> None:
    assert set(EXPECTED) == set(PROFILES)


@meets(
    "LA-01", "LA-02", "LA-03", "LA-04", "LA-06", "LA-07", "LA-08", "LA-09", "LA-10", "LA-12", "LB-05", "LB-06", "LB-07",
    "LB-08", "LB-09", "LB-12", "LP-01", "LP-02", "LP-03", "LP-04", "LP-05", "LP-06", "LP-07", "LP-08", "LP-09",
)  # fmt: skip
@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_gets_its_verdict(name: str) -> None:
    assert bench.read(name).summary() == EXPECTED[name]


@meets("LP-08")
def test_what_is_genuine_has_all_its_groups_covered() -> None:
    for name in ("amina", "both-proofs", "pace-cam", "pace-can"):
        got = bench.read(name).done
        assert got.covered[:3] == [1, 4, 11] and got.dg1 is not None and got.dg11 is not None, name
