"""The test state's certificates and security objects are what openssl expects of them."""

import datetime as dt
import hashlib
import stat

import pytest

from sim.pki import load_pki, make_pki, sod
from tests.sim.pki import made, strangers

SIGNED_AT = dt.datetime(2022, 3, 10, tzinfo=dt.UTC)
AT = ("-attime", str(int(SIGNED_AT.timestamp())))
GROUPS = {1: b"\x61\x03abc", 11: b"\x6d\x03def"}


def test_keys_are_readable_by_their_owner_only_and_stay_the_same(tmp_path):
    first = make_pki(tmp_path / "pki")
    keys = list((tmp_path / "pki").rglob("*.key.pem")) + list((tmp_path / "pki").rglob("*.master.json"))
    assert len(keys) >= 10
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
    again = load_pki(tmp_path / "pki")
    assert again.csca.der == first.csca.der == make_pki(tmp_path / "pki").csca.der
    assert again.schemes.capk() == first.schemes.capk()
    assert again.schemes.issuers["cib"].master_keys == first.schemes.issuers["cib"].master_keys


def test_authorities_that_were_never_made_cannot_be_loaded(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_pki(tmp_path)


def test_openssl_reads_the_csca_as_a_p384_test_authority_of_dz(tmp_path):
    pem = strangers.pem_of(made.shared().csca.der, tmp_path / "csca.pem")
    text = strangers.run("openssl", "x509", "-in", str(pem), "-noout", "-text")
    for part in (
        "secp384r1",
        "ecdsa-with-SHA512",
        "C = DZ",
        "CN = TEST CSCA",
        "CA:TRUE, pathlen:0",
        "Private Key Usage Period",
    ):
        assert part in text


@pytest.mark.parametrize("name", ["dz", "retired"])
def test_openssl_accepts_a_sod_up_to_the_csca(tmp_path, name):
    pki = made.shared()
    anchor = strangers.pem_of(pki.csca.der, tmp_path / "csca.pem")
    ef_sod = sod.build(GROUPS, pki.signers[name], SIGNED_AT)
    assert ef_sod[0] == 0x77
    cms = tmp_path / "sod.der"
    cms.write_bytes(ef_sod[4:])
    out = tmp_path / "lds.der"
    strangers.run("openssl", "cms", "-verify", "-inform", "DER", "-in", str(cms), "-CAfile", str(anchor),
                  "-purpose", "any", *AT, "-binary", "-out", str(out))  # fmt: skip
    shown = strangers.run("openssl", "asn1parse", "-inform", "DER", "-in", str(out))
    for content in GROUPS.values():
        assert hashlib.sha256(content).hexdigest().upper() in shown
    assert "OBJECT            :sha256" in shown


def test_openssl_refuses_a_sod_of_the_unknown_issuer(tmp_path):
    pki = made.shared()
    anchor = strangers.pem_of(pki.csca.der, tmp_path / "csca.pem")
    cms = tmp_path / "sod.der"
    cms.write_bytes(sod.build(GROUPS, pki.signers["unknown"], SIGNED_AT)[4:])
    with pytest.raises(AssertionError, match="unable to get local issuer certificate"):
        strangers.run("openssl", "cms", "-verify", "-inform", "DER", "-in", str(cms), "-CAfile", str(anchor),
                      "-purpose", "any", *AT, "-binary", "-out", str(tmp_path / "lds.der"))  # fmt: skip


def test_the_sod_names_its_object_type_and_carries_signed_attributes(tmp_path):
    cms = tmp_path / "sod.der"
    cms.write_bytes(sod.build(GROUPS, made.shared().signers["dz"], SIGNED_AT, "sha512")[4:])
    shown = strangers.run("openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", str(cms))
    for part in (
        "eContentType: undefined (2.23.136.1.1.1)",
        "messageDigest",
        "signingTime",
        "ecdsa-with-SHA512",
        "sha512",
    ):
        assert part in shown
