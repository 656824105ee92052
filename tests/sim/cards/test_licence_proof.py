"""The chip's side of PACE and its proofs against ICAO's worked examples and openssl: none of it uses the terminal's code."""

import datetime as dt
from typing import Any

import pytest

from sim.cards.licence.proof import pace
from sim.cards.licence.proof.domains import BadPoint, CurveGroup, FieldGroup, group
from sim.cards.licence.proof.keys import ActiveKey, AgreementKey, generate
from sim.cards.licence.proof.suite import Suite, aes_cbc_open
from sim.cards.tlv import tlv
from sim.pki import revocation
from tests.sim.pki import made, strangers
from tests.support import device, dual, strict


@pytest.fixture(scope="module")
def icao() -> "dict[str, Any]":
    dual.configure(device.vectors_dir(), "")
    try:
        return dual.vectors("icao9303.json")
    except dual.Skip as reason:
        strict.skip_missing(str(reason))


def h(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize(
    ("name", "domain"),
    [("pace_gm_ecdh", "brainpoolP256r1"), ("pace_gm_dh", "RFC5114"), ("pace_cam_ecdh", "brainpoolP256r1")],
)
def test_generic_mapping_as_published(icao: "dict[str, Any]", name: str, domain: str) -> None:
    case, worker = icao[name], group(domain)
    suite, mapped, agreed = Suite("AES-128"), case["map"], case["key_agreement"]
    key = suite.derive(pace.mrz_password(case["mrz_information"]), 3)
    assert key == h(case["k_pi"]) and suite.seal_nonce(key, h(case["nonce_s"])) == h(case["nonce_z"])
    private = int(mapped["chip_private"], 16)
    assert worker.multiply(private)[-32:] == h(mapped["chip_public"])[-32:]
    shared = worker.multiply(private, point(worker, mapped["terminal_public"]))
    base = worker.add(worker.multiply(int(case["nonce_s"], 16)), shared)
    assert base == point(worker, mapped["mapped_generator"])
    secret = worker.secret(worker.multiply(int(agreed["chip_private"], 16), point(worker, agreed["terminal_public"])))
    assert secret == h(agreed["shared_secret"])
    assert suite.derive(secret, 1) == h(case["ks_enc"]) and suite.derive(secret, 2) == h(case["ks_mac"])
    data = tlv(0x7F49, tlv(0x06, h(case["oid_bytes"])), tlv(worker.token_tag, point(worker, agreed["terminal_public"])))
    assert suite.token(suite.derive(secret, 2), data) == h(case["t_ic"])


def point(worker: Any, text: str) -> bytes:
    """A public key of the examples, which leave out the 04 of points."""
    data = h(text)
    return b"\x04" + data if isinstance(worker, CurveGroup) and len(data) == 64 else data


@pytest.mark.parametrize(("name", "domain"), [("pace_im_ecdh", "brainpoolP256r1"), ("pace_im_dh", "RFC5114")])
def test_integrated_mapping_as_published(icao: "dict[str, Any]", name: str, domain: str) -> None:
    case, worker = icao[name], group(domain)
    value = pace.spread(Suite("AES-128"), h(case["nonce_s"]), h(case["nonce_t"]), worker.field_bits)
    assert value[: len(h(case["pseudo_random_r"]))] == h(case["pseudo_random_r"])
    base = worker.encode_field(int.from_bytes(value, "big"))
    assert base == point(worker, case["mapped_generator"])
    assert worker.multiply(int(case["chip_private"], 16), base) == point(worker, case["chip_public"])


def test_chip_authentication_mapping_as_published(icao: "dict[str, Any]") -> None:
    case = icao["pace_cam_ecdh"]
    proof = case["chip_authentication"]
    key = h(case["ks_enc"])
    plain = aes_cbc_open(key, h(proof["iv"]), h(proof["encrypted_chip_authentication_data"]))
    scalar = plain[: plain.rindex(b"\x80")]
    assert scalar == h(proof["decrypted_chip_authentication_data"])
    worker = group("brainpoolP256r1")
    made_point = worker.multiply(int.from_bytes(scalar, "big"), point(worker, proof["chip_ca_public_key"]))
    assert made_point == point(worker, case["map"]["chip_public"])


def test_groups_refuse_what_is_not_in_them() -> None:
    curve = group("P-256")
    good = curve.multiply(5)
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[1:], b"", b"\x02" + good[1:33], b"\x04" + bytes(64)):
        with pytest.raises(BadPoint):
            curve.multiply(3, bad)
    with pytest.raises(BadPoint):
        curve.multiply(curve.order)
    for value in (0, 1, FieldGroup.prime - 1, FieldGroup.prime, 2):
        with pytest.raises(BadPoint):
            group("RFC5114").multiply(3, value.to_bytes(129, "big")[-128:])


def test_openssl_reads_the_keys_that_chips_tell(tmp_path: Any) -> None:
    for domain, words in (("P-384", "secp384r1"), ("brainpoolP256r1", "brainpoolP256r1"), ("RFC5114", "X9.42")):
        path = tmp_path / f"{domain}.der"
        path.write_bytes(AgreementKey(domain).public_key_info())
        text = strangers.run("openssl", "pkey", "-pubin", "-inform", "DER", "-in", str(path), "-noout", "-text")
        assert words in text or "DH Public-Key" in text, text
    key = generate("RSA-1024")
    assert ActiveKey(key.public_key(), key).group13()[0] == 0x6F


def test_openssl_accepts_the_revocation_list_of_its_authority(tmp_path: Any) -> None:
    pki = made.shared()
    begins, ends = dt.datetime(2025, 1, 1, tzinfo=dt.UTC), dt.datetime(2035, 1, 1, tzinfo=dt.UTC)
    path = tmp_path / "list.der"
    path.write_bytes(revocation.crl(pki.csca, [pki.signers["revoked"]], begins, ends, fill=3))
    anchor = strangers.pem_of(pki.csca.der, tmp_path / "csca.pem")
    text = strangers.run(
        "openssl", "crl", "-inform", "DER", "-in", str(path), "-CAfile", str(anchor), "-noout", "-text"
    )
    assert f"{pki.signers['revoked'].certificate.serial_number:X}" in text.replace(":", "")
    assert text.count("Serial Number") == 4
