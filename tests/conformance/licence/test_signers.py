"""Odd but sound security objects, signers that are not for documents, states of all the world, authorities with a new key."""

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from asn1crypto import cms
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records
from protocol.licence.profile import SOD
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import profile
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import read, tlv
from sim.pki import revocation, sod
from sim.pki.states import Authority, Holder, base, day, generate, named, signed, usage
from tests.conformance.licence import bench
from tests.conformance.licence.requirements import meets

DATA, UNKNOWN, ALTERED = records.VERDICT_DATA_GENUINE, records.VERDICT_UNKNOWN_ISSUER, records.VERDICT_ALTERED
ISSUED = dt.datetime(2022, 3, 10, tzinfo=dt.UTC)


def files_without_sod() -> "dict[int, bytes]":
    return {number: data for number, data in bench.chip_of("amina").content.files.items() if number <= 14}


def signed_data(signer: str) -> Any:
    """The SignedData over Amina's groups by a signer, open to be changed. One content for all signers."""
    made = sod.build(files_without_sod(), bench.pki().signers[signer], ISSUED, group_hash="sha256")
    ((_, body),) = read(made)
    return cms.ContentInfo.load(body)["content"]


def verdict_on(data: Any, **options: Any) -> "tuple[int, list[str], list[int]]":
    """What a reading says of Amina's licence with this SignedData as its SOD."""
    chip = bench.chip_of("amina")
    chip.content.files[SOD] = tlv(0x77, cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())
    got = bench.read("amina", chip=chip, **options).done
    return got.verdict, got.findings, got.altered_groups


def several(*signers: str, certificates: "list[Any] | None" = None) -> Any:
    """One SignedData with several signers."""
    parts = [signed_data(name) for name in signers]
    assert len({part["encap_content_info"].dump() for part in parts}) == 1
    return cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [part["digest_algorithms"][0] for part in parts],
            "encap_content_info": parts[0]["encap_content_info"],
            "certificates": [part["certificates"][0].chosen for part in parts]
            if certificates is None
            else certificates,
            "signer_infos": [part["signer_infos"][0] for part in parts],
        }
    )


@meets("LB-17")
def test_of_several_signers_one_that_is_trusted_suffices() -> None:
    assert verdict_on(several("dz", "p384-sha384")) == (DATA, [], [])
    assert verdict_on(several("unknown", "dz")) == (DATA, [], [])
    assert verdict_on(several("dz", "unknown")) == (DATA, [], [])
    assert verdict_on(several("list-signer", "unknown")) == (UNKNOWN, ["LIC-233"], [])
    assert verdict_on(several("unknown", "unknown-critical"))[:2] == (records.VERDICT_NOT_VERIFIED, ["LIC-232"])


@meets("LB-17")
def test_where_no_signer_is_trusted_one_that_fails_says_altered() -> None:
    both = several("unknown", "dz")
    both["signer_infos"][1]["signature"] = bytes(reversed(both["signer_infos"][1]["signature"].native))
    assert verdict_on(both) == (ALTERED, ["LIC-227"], [0])


@meets("LB-20")
def test_older_content_types_of_a_security_object_count_and_unknown_ones_are_not_verified() -> None:
    for content_type in ("1.3.27.1.1.1", "1.2.528.1.1006.1.20.1"):
        got = bench.read({**profile("amina"), "sod": {"content_type": content_type}}).done
        assert (got.verdict, got.findings, got.altered_groups) == (DATA, [], [])
        altered = {**profile("amina"), "sod": {"content_type": content_type}, "alter": {1: "category"}}
        assert bench.read(altered).done.altered_groups == [1]
    got = bench.read({**profile("amina"), "sod": {"content_type": "1.2.3.4"}}).done
    assert (got.verdict, got.details) == (records.VERDICT_NOT_VERIFIED, [("LIC-235", "1.2.3.4")])
    assert got.altered_groups == []


@meets("LB-17")
def test_a_sod_without_its_signers_certificate_is_of_an_unknown_issuer() -> None:
    assert verdict_on(several("dz", certificates=[])) == (UNKNOWN, ["LIC-234"], [])
    other = signed_data("p384-sha384")["certificates"][0].chosen
    assert verdict_on(several("dz", certificates=[other])) == (UNKNOWN, ["LIC-234"], [])


def stranger(change: "Callable[[Any], Any]") -> Any:
    """A certificate that has nothing to do with the licence, on a curve that no terminal verifies, changed further."""
    key, name = ec.generate_private_key(ec.SECP256K1()), named("DZ", "TEST stranger")
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(5).not_valid_before(day(2018)).not_valid_after(day(2040))
    made = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return change(asn1.Certificate.load(made))


def first_version(certificate: Any) -> Any:
    certificate["tbs_certificate"]["version"] = "v1"
    return asn1.Certificate.load(certificate.dump(force=True))


@meets("LB-17")
@pytest.mark.parametrize("change", [lambda certificate: certificate, first_version])
def test_other_certificates_inside_are_nobodys_business(change: "Callable[[Any], Any]") -> None:
    own = signed_data("dz")["certificates"][0].chosen
    assert verdict_on(several("dz", certificates=[stranger(change), own])) == (DATA, [], [])
    assert verdict_on(several("dz", certificates=[own, stranger(change)])) == (DATA, [], [])


@meets("LB-17")
def test_a_signer_named_by_its_key_is_found_behind_others() -> None:
    data = several("dz")
    own = data["certificates"][0].chosen
    info = data["signer_infos"][0]
    info["version"] = "v3"
    info["sid"] = cms.SignerIdentifier({"subject_key_identifier": own.key_identifier})
    data["certificates"] = [stranger(lambda certificate: certificate), own]
    assert verdict_on(data) == (DATA, [], [])


@meets("LB-18")
@pytest.mark.parametrize("signer", ["list-signer", "list-signer-uncritical", "server", "authority-itself", "no-usage"])
def test_signers_that_are_not_for_documents_do_not_count(signer: str) -> None:
    got = bench.read({**profile("amina"), "signer": signer}).done
    assert (got.verdict, got.findings, got.altered_groups) == (UNKNOWN, ["LIC-233"], [])


@meets("LB-18")
def test_a_purpose_that_fits_or_that_nobody_knows_refuses_no_signer() -> None:
    for signer, findings in (("mobile", []), ("odd-purpose", ["LIC-233"])):
        got = bench.read({**profile("amina"), "signer": signer}).done
        assert (got.verdict, got.findings) == (DATA, findings)


def renewed(csca: Holder) -> "tuple[Holder, Holder]":
    """(the authority under its new key, the link certificate of the new key by the old one)."""
    key, name = generate("P-384"), csca.certificate.subject

    def certified(by: Holder, signs: Any) -> Holder:
        builder = base(key.public_key(), signs, day(2024)).subject_name(name).issuer_name(name)
        builder = builder.not_valid_after(day(2042)).add_extension(usage(certificates=True), critical=True)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        return Holder(signed(builder, by.key, "ecdsa", "sha512"), key, "ecdsa", "sha512")

    own = Holder(csca.certificate, key, "ecdsa", "sha512")
    return certified(own, key.public_key()), certified(csca, csca.key.public_key())


@meets("LB-16")
def test_a_list_signed_by_the_authoritys_new_key_revokes_what_the_old_one_issued() -> None:
    pki = bench.pki()
    new, link = renewed(pki.csca)
    revoked = [pki.signers["revoked"]]
    current = revocation.crl(new, revoked, day(2025, 1), day(2025, 12))
    for others in ((new,), (link,), (new, link)):
        trust = TrustSet(anchors(pki.csca, *others), [current])
        assert bench.read("revoked-signer", trust=trust).done.findings == ["LIC-224"]
        assert bench.read("amina", trust=trust).done.findings == []
        late = bench.read("revoked-signer", trust=trust, today="20260301").done
        assert sorted(late.findings) == ["LIC-224", "LIC-226"]
    old = revocation.crl(pki.csca, [], day(2023, 1), day(2024, 1))
    trust = TrustSet(anchors(pki.csca, new), [old, current])
    assert bench.read("revoked-signer", trust=trust).done.findings == ["LIC-224"]


@meets("LB-16")
def test_a_list_of_that_name_by_a_key_of_no_trust_or_of_another_binding_counts_for_nothing() -> None:
    pki = bench.pki()
    new, _ = renewed(pki.csca)
    forged = revocation.crl(new, [pki.signers["dz"]], day(2025, 1), day(2025, 12))
    own = anchors(pki.csca)
    for extra in ([], anchors(new, country="FR"), anchors(new, purpose="mrtd")):
        assert bench.read("amina", trust=TrustSet(own + extra, [forged])).done.findings == ["LIC-236"]


@meets("LB-16")
def test_a_list_signed_by_a_key_that_another_state_certified_counts_for_nothing() -> None:
    pki = bench.pki()
    key, foreign = generate("P-384"), pki.authorities["csca-foreign"]
    builder = base(key.public_key(), foreign.key.public_key(), day(2024)).subject_name(pki.csca.certificate.subject)
    builder = builder.issuer_name(foreign.certificate.subject).not_valid_after(day(2042))
    builder = builder.add_extension(usage(certificates=True), critical=True)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    crossed = Holder(signed(builder, foreign.key, foreign.scheme, foreign.hash_name), key, "ecdsa", "sha512")
    forged = revocation.crl(crossed, [pki.signers["dz"]], day(2025, 1), day(2025, 12))
    trust = TrustSet(anchors(pki.csca, crossed), [forged])
    assert bench.read("amina", trust=trust).done.findings == ["LIC-236"]


def anchors(*holders: Holder, country: str = "DZ", purpose: str = "idl") -> "list[dict[str, Any]]":
    return [{"country": country, "purpose": purpose, "cert": holder.der} for holder in holders]


def of_country(country: str, state: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A European licence that says `country`, signed under an authority of `state`, and read with that authority trusted."""
    from sim.pki.states import _csca

    key, own = generate("P-256"), generate("P-256")
    above = Holder(_csca(key, Authority(country=state, common="TEST", key="P-256", hash_name="sha256")), key)
    builder = base(own.public_key(), key.public_key(), day(2018)).subject_name(named(state, "TEST signer"))
    builder = builder.issuer_name(above.certificate.subject).not_valid_after(day(2041))
    builder = builder.add_extension(usage(digital_signature=True), critical=True)
    signer = Holder(signed(builder, key, "ecdsa", "sha256"), own)
    build = sod.build
    monkeypatch.setattr(
        sod, "build", lambda groups, _signer, issued, **options: build(groups, signer, issued, **options)
    )
    given = {"person": dataclasses.replace(PEOPLE["claire"], country=country), "encoding": "eu"}
    trust = TrustSet(anchors(above, country=state))
    return bench.read(given, trust=trust).done


@meets("LB-19")
@pytest.mark.parametrize(("country", "state"), [("SRB", "RS"), ("UKR", "UA"), ("RS", "RS"), ("D", "DE"), ("RKS", "KS")])
def test_licences_of_states_all_over_the_world_have_their_issuer(
    country: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    got = of_country(country, state, monkeypatch)
    assert (got.verdict, got.findings) == (DATA, [])


@meets("LB-19")
def test_a_country_that_nobody_knows_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    got = of_country("XQZ", "RS", monkeypatch)
    assert (got.verdict, got.details) == (UNKNOWN, [("LIC-217", "XQZ")])
