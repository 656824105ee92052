"""Believing: signers of every kind, anchors, revocation, and the order of verdicts."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import crl as asn1crl
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from protocol import records
from protocol.licence import mrz
from protocol.licence.errors import TrustError
from protocol.licence.trust import crl
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import profile
from sim.cards.licence.people import PEOPLE
from sim.pki import revocation
from sim.pki.signers import SIGNERS
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare
from tests.protocol.licence import judge
from tests.support import cross

GENUINE, DATA, ALTERED = records.VERDICT_GENUINE, records.VERDICT_DATA_GENUINE, records.VERDICT_ALTERED
FINDINGS = {
    "retired": ["LIC-221"],
    "expired": ["LIC-220"],
    "late": ["LIC-222", "LIC-223"],
    "odd-purpose": ["LIC-233"],
    "p256-sha1": ["LIC-225"],
    "rsa-sha1": ["LIC-225"],
}
ELSEWHERE = ("unknown", "impostor", "foreign", "foreign-posing", "explicit-generator", "explicit-order", "explicit-b",
             "unknown-critical", "two-algorithms", "of-aged", "of-no-usage", "list-signer", "list-signer-uncritical", "server",
             "authority-itself", "no-usage")  # fmt: skip
FROM, UNTIL = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2025, 12, 31, tzinfo=dt.UTC)


@meets("LB-01", "LB-02", "LB-03", "LB-11")
@pytest.mark.parametrize("signer", sorted(set(SIGNERS) - set(ELSEWHERE)))
def test_licences_of_every_kind_of_signer_are_genuine_with_their_findings(signer: str) -> None:
    got = bench.read({**profile("amina"), "signer": signer}).done
    assert (got.verdict, got.findings) == (DATA, FINDINGS.get(signer, []))
    altered = bench.read({**profile("amina"), "signer": signer, "alter": {1: "category"}}).done
    assert (altered.verdict, altered.altered_groups) == (ALTERED, [1])


@meets("LB-01")
@pytest.mark.parametrize("name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("how", ["hash_name", "group_hash"])
def test_every_hash_of_content_and_groups(name: str, how: str) -> None:
    got = bench.read({**profile("amina"), "sod": {how: name}}).done
    assert got.verdict == DATA and got.findings == (["LIC-225"] if name == "sha1" else [])


@meets("LB-03")
def test_without_a_signing_time_the_date_of_issue_stands_for_it() -> None:
    got = bench.read({**profile("amina"), "signer": "retired", "sod": {"signing_time": False}}).done
    assert got.findings == ["LIC-221"]


@meets("LB-03")
@pytest.mark.parametrize(("name", "findings"), [("aged", []), ("no-usage", ["LIC-233"])])
def test_an_authority_is_judged_by_its_own_rights_when_it_certified(name: str, findings: "list[str]") -> None:
    """One whose private-key period ended since then, one whose certificate does not let it certify anybody."""
    trust = TrustSet(bench.pki().anchors("csca-" + name))
    got = bench.read({**profile("amina"), "portrait_bytes": 300, "signer": "of-" + name}, trust=trust).done
    assert (got.verdict, got.findings) == (DATA, findings)
    assert got.details == [("LIC-233", "authority")] * len(findings)


@meets("LB-11")
@pytest.mark.parametrize("signer", ["explicit-generator", "explicit-order", "explicit-b"])
def test_written_out_parameters_that_differ_in_one_value_prove_nothing(signer: str) -> None:
    got = bench.read({**profile("amina"), "signer": signer}).done
    assert (got.verdict, got.findings) == (records.VERDICT_NOT_VERIFIED, ["LIC-232"])


@meets("LB-04")
@pytest.mark.parametrize(
    ("country", "purpose", "verdict"),
    [
        ("DZ", "idl", DATA),
        ("FR", "idl", records.VERDICT_UNKNOWN_ISSUER),
        ("DZ", "mrtd", records.VERDICT_UNKNOWN_ISSUER),
    ],
)
def test_an_anchor_vouches_for_its_country_and_purpose(country: str, purpose: str, verdict: int) -> None:
    anchors = [{"country": country, "purpose": purpose, "cert": bench.pki().csca.der}]
    got = bench.read("amina", trust=TrustSet(anchors)).done
    assert got.verdict == verdict and got.findings == ([] if verdict == DATA else ["LIC-229"])


@meets("LB-04")
def test_a_licence_of_one_state_signed_under_another_state_is_of_no_known_issuer() -> None:
    everybody = TrustSet(bench.pki().anchors(*bench.TRUSTED))
    for person, signer in (("amina", "foreign"), ("amina", "foreign-posing"), ("claire", "dz")):
        given = {"person": person, "signer": signer, **({"encoding": "eu"} if person == "claire" else {})}
        got = bench.read(given, trust=everybody).done
        assert (got.verdict, got.findings) == (records.VERDICT_UNKNOWN_ISSUER, ["LIC-229"])
    assert bench.read("eu", trust=everybody).done.verdict == DATA


@meets("LB-04")
def test_an_anchor_whose_certificate_names_another_state_than_its_entry_vouches_for_nobody() -> None:
    mislabelled = TrustSet([{"country": "DZ", "purpose": "idl", "cert": bench.pki().authorities["csca-foreign"].der}])
    got = bench.read({"person": "amina", "signer": "foreign"}, trust=mislabelled).done
    assert (got.verdict, got.findings) == (records.VERDICT_UNKNOWN_ISSUER, ["LIC-229"])


@meets("LB-05")
def test_without_anchors_nothing_is_believed() -> None:
    assert bench.read("both-proofs", trust=TrustSet([])).done.verdict == records.VERDICT_UNKNOWN_ISSUER


def lists(*made: bytes) -> TrustSet:
    return TrustSet(bench.pki().anchors(*bench.TRUSTED), crls=made)


@meets("LB-10")
def test_a_revoked_signer_is_found_in_its_authoritys_list() -> None:
    pki = bench.pki()
    good = revocation.crl(pki.csca, [pki.signers["revoked"]], FROM, UNTIL, fill=40)
    assert bench.read("revoked-signer", trust=lists(good)).done.findings == ["LIC-224"]
    assert bench.read("amina", trust=lists(good)).done.findings == []
    late = bench.read("revoked-signer", trust=lists(good), today="20260301").done
    assert sorted(late.findings) == ["LIC-224", "LIC-226"] and late.verdict == DATA
    empty = revocation.crl(pki.csca, [], FROM, UNTIL)
    assert bench.read("revoked-signer", trust=lists(empty)).done.findings == []
    assert bench.read("revoked-signer", trust=lists(empty, good)).done.findings == ["LIC-224"]


@meets("LB-10")
@pytest.mark.parametrize("authority", ["csca-impostor", "csca-unknown", "csca-foreign"])
def test_a_list_that_the_authority_did_not_sign_counts_for_nothing(authority: str) -> None:
    pki = bench.pki()
    forged = revocation.crl(pki.authorities[authority], [pki.signers["dz"]], FROM, UNTIL)
    posing = ["LIC-236"] if authority == "csca-impostor" else []  # in the authority's name, which is told
    assert bench.read("amina", trust=lists(forged)).done.findings == posing


def scoped(**scope: bool) -> bytes:
    """The authority's list of the revoked signer, with a critical issuing distribution point."""
    pki, names = bench.pki(), ("user_certs", "ca_certs", "attribute_certs")
    only: "dict[str, Any]" = {f"only_contains_{name}": scope.get(name, False) for name in names}
    place = [x509.UniformResourceIdentifier("http://example.invalid/list.crl")] if scope.get("place") else None
    point = x509.IssuingDistributionPoint(
        full_name=place,
        relative_name=None,
        only_some_reasons=frozenset((x509.ReasonFlags.key_compromise,)) if scope.get("reasons") else None,
        indirect_crl=scope.get("indirect", False),
        **only,
    )
    entry = x509.RevokedCertificateBuilder().serial_number(pki.signers["revoked"].certificate.serial_number)
    builder = x509.CertificateRevocationListBuilder().issuer_name(pki.csca.certificate.subject).last_update(FROM)
    builder = builder.next_update(UNTIL).add_revoked_certificate(entry.revocation_date(FROM).build())
    made = builder.add_extension(point, critical=True).sign(pki.csca.key, hashes.SHA512())
    return made.public_bytes(serialization.Encoding.DER)


@meets("LB-21")
@pytest.mark.parametrize("scope", [("place",), ("user_certs",), ("place", "user_certs")])
def test_a_list_with_an_issuing_distribution_point_for_signers_counts(scope: "tuple[str, ...]") -> None:
    trust = lists(scoped(**dict.fromkeys(scope, True)))
    assert bench.read("revoked-signer", trust=trust).done.findings == ["LIC-224"]
    assert bench.read("amina", trust=trust).done.findings == []


@meets("LB-21")
@pytest.mark.parametrize("scope", [("ca_certs",), ("attribute_certs",), ("indirect",), ("place", "reasons")])
def test_a_list_of_the_authority_that_cannot_be_used_is_told(scope: "tuple[str, ...]") -> None:
    got = bench.read("revoked-signer", trust=lists(scoped(**dict.fromkeys(scope, True)))).done
    assert (got.verdict, got.findings) == (DATA, ["LIC-236"])


@meets("LB-21")
def test_a_list_in_the_authoritys_name_whose_signature_fails_or_that_is_cut_is_told() -> None:
    pki = bench.pki()
    good = revocation.crl(pki.csca, [pki.signers["revoked"]], FROM, UNTIL)
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good + b"\0"):
        assert bench.read("revoked-signer", trust=lists(bad)).done.findings == ["LIC-236"]
    assert bench.read({**profile("amina"), "signer": "foreign"}, trust=lists(good + b"\0")).done.findings == ["LIC-229"]


@meets("LB-10")
def test_a_changed_or_malformed_list_counts_for_nothing_and_crashes_nothing() -> None:
    pki = bench.pki()
    good = revocation.crl(pki.csca, [pki.signers["dz"]], FROM, UNTIL)
    assert bench.read("amina", trust=lists(good)).done.findings == ["LIC-224"]
    for at in range(0, len(good), 7):
        bad = good[:at] + bytes([good[at] ^ 0x21]) + good[at + 1 :]
        assert not lists(bad).lists(*_issuer(), "DZ"), at
    for cut in (b"", good[:-1], good + b"\0"):
        with pytest.raises(TrustError):
            crl.parse(cut)


def _issuer():  # noqa: ANN202
    from protocol.crypto.native import NativeCrypto
    from protocol.licence.trust import x509 as certificates

    return NativeCrypto(), certificates.parse(bench.pki().csca.der)


@meets("LB-10")
@pytest.mark.parametrize(
    ("authority", "signer"),
    [("csca-rsa", "rsa-sha256"), ("csca-pss", "pss-sha256"), ("csca-brainpool", "bp384-sha384")],
)
def test_lists_of_every_kind_of_authority(authority: str, signer: str) -> None:
    pki = bench.pki()
    made = revocation.crl(pki.authorities[authority], [pki.signers[signer]], FROM, UNTIL)
    assert bench.read({**profile("amina"), "signer": signer}, trust=lists(made)).done.findings == ["LIC-224"]


@meets("LB-12")
def test_a_chip_that_differs_from_the_print_is_a_finding() -> None:
    printed = dataclasses.replace(PEOPLE["amina"], expiry="20340309")
    outcome = bench.read({"person": printed}, chip=bench.chip_of({"person": "amina", "mrz": printed}))
    assert outcome.done.findings == ["LIC-204"] and outcome.done.verdict == DATA
    future = dataclasses.replace(PEOPLE["amina"], issue="20260101")
    assert bench.read({"person": future}).done.findings == ["LIC-203"]


@meets("LB-10")
def test_a_list_that_names_another_key_than_signed_it_is_not_consulted() -> None:
    pki = bench.pki()
    other = pki.authorities["csca-impostor"].key.public_key()
    made = revocation.crl(pki.csca, [pki.signers["revoked"]], FROM, UNTIL, named=other)
    assert bench.read("revoked-signer", trust=lists(made)).done.findings == ["LIC-236"]
    rows = [(pki.csca.der, made, []), (pki.csca.der, revocation.crl(pki.csca, [], FROM, UNTIL), [])]
    found = cross.on_host(judge.revoked, rows)
    assert [row[0] for row in found] == [False, True]
    assert cross.run_on_device("tests.protocol.licence.judge", "revoked", rows) == found


OTHERS_NUMBER = dataclasses.replace(PEOPLE["claire"], number="99ZZ99999", surname="AUTRE")


@meets("LB-12", "LA-10")
def test_a_chip_of_another_number_than_the_line_or_number_that_opens_it_is_a_finding() -> None:
    line = bench.print_of(profile("eu"))
    given = {**profile("eu"), "person": OTHERS_NUMBER, "mrz": "claire"}
    got = bench.read(given, printed=line).done
    assert got.details == [("LIC-204", "number")] and got.verdict == DATA
    paced = {**profile("eu-pace"), "person": OTHERS_NUMBER}
    got = bench.read(paced, printed=mrz.from_can("99XX00042")).done
    assert got.details == [("LIC-204", "number")] and got.access == "PACE"
    got = bench.read({**paced, "can": "123456"}, printed=mrz.from_can("123456")).done
    assert got.findings == [], "six digits are no licence's number"


@meets("LB-12", "LX-03")
def test_a_chip_of_another_number_is_told_on_the_device_too(tmp_path: Path) -> None:
    given = {**profile("eu"), "portrait_bytes": 300}
    other = bench.chip_of({**given, "person": OTHERS_NUMBER, "mrz": "claire"})
    compare([(given, (1,), False, 0, other), (given, (1,), False, 0, None)], tmp_path)


@meets("LB-12")
@pytest.mark.parametrize("number", ["99XX00042", "99 xx-00042", "99XX/0004", "99XX00042 "])
def test_a_number_with_signs_of_its_own_or_more_behind_it_is_the_same(number: str) -> None:
    person = dataclasses.replace(PEOPLE["claire"], number=number)
    given = {**profile("eu"), "person": person, "mrz": "claire"}
    assert bench.read(given, printed=bench.print_of(profile("eu"))).done.findings == []


@meets("LB-13")
def test_altered_goes_before_unknown_issuer_and_that_before_clone() -> None:
    clone = {**profile("clone-active-other"), "signer": "unknown"}
    got = bench.read(clone).done
    assert got.verdict == records.VERDICT_UNKNOWN_ISSUER and "LIC-240" in got.findings
    got = bench.read({**clone, "alter": {1: "category"}}).done
    assert (got.verdict, got.altered_groups) == (ALTERED, [1])
    assert bench.read({**profile("both-proofs"), "signer": "unknown"}).done.verdict == records.VERDICT_UNKNOWN_ISSUER
    assert bench.read({**profile("both-proofs"), "alter": {11: "bit"}}).done.verdict == ALTERED


@meets("LB-10")
def test_a_signed_list_that_is_malformed_accuses_no_licence() -> None:
    pki = bench.pki()
    good = revocation.crl(pki.csca, [pki.signers["revoked"]], FROM, UNTIL)
    serial = pki.signers["revoked"].certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    parsed = asn1crl.CertificateList.load(good)
    body = parsed["tbs_cert_list"].dump()
    at = body.index(serial) - 2
    body = body[:at] + b"\x05" + body[at + 1 :]  # NULL where the serial number is
    made = asn1crl.CertificateList(
        {
            "tbs_cert_list": asn1crl.TbsCertList.load(body),
            "signature_algorithm": parsed["signature_algorithm"],
            "signature": pki.csca.sign(body),
        }
    )
    got = bench.read("amina", trust=lists(made.dump())).done
    assert (got.verdict, got.altered_groups) == (DATA, [])
