"""Signers' certificates as states have encoded them, malformed ones, and those for other documents: no sound licence is called altered."""

from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms
from cryptography import x509

from protocol import records
from sim.cards.tlv import read, tlv
from sim.pki.states import generate
from tests.conformance.licence import bench, odd_signers
from tests.conformance.licence.odd_signers import NUMBER, chip_signed_by, signer, swapped
from tests.conformance.licence.requirements import meets
from tests.conformance.licence.test_device import compare

DATA, UNKNOWN = records.VERDICT_DATA_GENUINE, records.VERDICT_UNKNOWN_ISSUER
LONG_TIMES = b"\x17\x0d180101000000Z" + b"\x17\x0d410101000000Z"
SHORT_TIMES = b"\x17\x0b1801010000Z" + b"\x17\x0b4101010000Z"
TOLERATED = {
    "negative serial number": lambda body: swapped(body, tlv(2, NUMBER), tlv(2, b"\x8f" + NUMBER[1:])),
    "serial number with a zero in front": lambda body: swapped(body, tlv(2, NUMBER), tlv(2, b"\0" + NUMBER)),
    "TRUE as 01": lambda body: swapped(body, b"\x01\x01\xff", b"\x01\x01\x01"),
    "UTCTime without seconds": lambda body: swapped(body, tlv(0x30, LONG_TIMES), tlv(0x30, SHORT_TIMES)),
    "key identifier not wrapped": lambda body: swapped(body, b"\x04\x16\x04\x14", b"\x04\x16\xab\xab"),
}
MALFORMED = {
    "version 2": lambda body: swapped(body, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"),
    "a month 13": lambda body: swapped(body, b"\x17\x0d180101000000Z", b"\x17\x0d181301000000Z"),
    "TRUE of two bytes": lambda body: swapped(
        body, b"\x55\x1d\x0f\x01\x01\xff\x04\x04", b"\x55\x1d\x0f\x01\x02\xff\x04\x04"
    ),
}


def summary(chip: Any) -> "tuple[int, list[str], list[int]]":
    got = bench.read("amina", chip).done
    return got.verdict, got.findings, got.altered_groups


def named_by_key(made: bytes) -> bytes:
    """The SOD with its signer named by the key identifier "AB AB ...", which the certificate does not wrap."""
    ((_, body),) = read(made)
    info = cms.ContentInfo.load(body)
    data = info["content"]
    own = data["certificates"][0].chosen.dump()
    at = own.index(b"\x04\x16\xab\xab")
    data["signer_infos"][0]["version"] = "v3"
    data["signer_infos"][0]["sid"] = cms.SignerIdentifier({"subject_key_identifier": own[at + 2 : at + 24]})
    return tlv(0x77, cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())


@meets("LB-22")
@pytest.mark.parametrize("name", TOLERATED)
def test_what_states_have_written_into_certificates_is_read(name: str) -> None:
    assert summary(chip_signed_by(signer(TOLERATED[name]))) == (DATA, [], [])


@meets("LB-22")
def test_a_signer_named_by_a_key_identifier_that_is_not_wrapped_is_found() -> None:
    by = signer(TOLERATED["key identifier not wrapped"])
    assert summary(chip_signed_by(by, named_by_key)) == (DATA, [], [])


@meets("LB-22")
@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_certificate_of_the_signer_shows_nothing_to_be_altered(name: str) -> None:
    assert summary(chip_signed_by(signer(MALFORMED[name]))) == (UNKNOWN, ["LIC-237"], [])


@meets("LB-22")
def test_a_key_that_cannot_be_used_shows_nothing_to_be_altered() -> None:
    key = generate("P-256")
    assert summary(chip_signed_by(signer(odd_signers.compressed(key), key=key))) == (UNKNOWN, ["LIC-237"], [])


@meets("LB-22")
def test_a_changed_group_is_altered_whatever_the_certificate() -> None:
    chip = chip_signed_by(signer(MALFORMED["version 2"]))
    first = bytearray(chip.content.files[1])
    first[-1] ^= 1
    chip.content.files[1] = bytes(first)
    assert summary(chip)[::2] == (records.VERDICT_ALTERED, [1])


def types(*names: bytes) -> bytes:
    """ICAO's extension DocumentTypeList."""
    listed = tlv(0x30, tlv(2, b"\0") + tlv(0x31, b"".join(tlv(0x13, name) for name in names)))
    return tlv(0x30, tlv(6, bytes.fromhex("67810801010602")) + tlv(4, listed))


@meets("LB-23")
@pytest.mark.parametrize(
    ("names", "findings"),
    [((b"P",), ["LIC-233"]), ((b"P", b"ID"), ["LIC-233"]), ((b"DL",), []), ((b"P", b"DL"), []), ((), [])],
)
def test_a_signer_for_other_documents_is_told(names: "tuple[bytes, ...]", findings: "list[str]") -> None:
    assert summary(chip_signed_by(signer(lambda body: body, types(*names)))) == (DATA, findings, [])


USAGE = b"\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02"
USES = {"lists": b"\x01\x02", "certificates": b"\x02\x04", "encryption": b"\x05\x20", "commitment": b"\x06\x40"}


def used_for(use: str) -> Any:
    """A signer whose key usage names one use alone, which is no signing of documents."""
    return signer(lambda body: swapped(body, USAGE + b"\x07\x80", USAGE + USES[use]))


@meets("LB-18")
@pytest.mark.parametrize("use", USES)
def test_a_key_that_is_for_other_uses_signs_no_licence(use: str) -> None:
    assert summary(chip_signed_by(used_for(use))) == (UNKNOWN, ["LIC-233"], [])


def without_usage() -> Any:
    """A signer whose certificate does not say what its key is for: another extension, which nobody reads, is in the place of its key usage."""
    return signer(lambda body: swapped(body, USAGE, b"\x55\x1d\x12" + USAGE[3:]))


@meets("LB-24")
def test_a_signer_that_does_not_say_what_its_key_is_for_is_told_and_not_refused() -> None:
    assert summary(chip_signed_by(signer(lambda body: body))) == (DATA, [], [])
    chip = chip_signed_by(without_usage())
    assert summary(chip) == (DATA, ["LIC-233"], [])
    assert bench.read("amina", chip).done.details == [("LIC-233", "key usage")]


@meets("LX-03", "LB-22", "LB-23")
def test_odd_certificates_are_judged_the_same_on_the_device(tmp_path: Path) -> None:
    made = [signer(change) for change in (*TOLERATED.values(), *MALFORMED.values())]
    made += [signer(lambda body: body, types(b"P")), used_for("lists"), without_usage()]
    given = {"person": "amina"}
    compare([(given, (1,), False, 0, chip_signed_by(by)) for by in made], tmp_path)


def of_another_key() -> Any:
    """A chip whose signer says that another key of the authority issued it than the one that did."""
    own = x509.SubjectKeyIdentifier.from_public_key(bench.pki().csca.key.public_key()).digest
    return chip_signed_by(signer(lambda body: swapped(body, own, own[::-1])))


@meets("LB-05")
def test_an_anchor_vouches_only_for_a_signer_that_names_its_key() -> None:
    assert summary(of_another_key()) == (UNKNOWN, ["LIC-228"], [])


@meets("LB-05", "LX-03")
def test_a_signer_that_names_another_key_has_no_issuer_on_the_device_either(tmp_path: Path) -> None:
    compare([({**bench.profile("amina"), "portrait_bytes": 300}, (1, 11), False, 0, of_another_key())], tmp_path)


@meets("LB-03")
def test_a_licence_signed_outside_its_signers_validity_is_told() -> None:
    for late in (b"\x17\x0d230101000000Z", b"\x17\x0d220311000000Z"):
        by = signer(lambda body, late=late: swapped(body, b"\x17\x0d180101000000Z", late))
        assert summary(chip_signed_by(by)) == (DATA, ["LIC-221"], [])
    by = signer(lambda body: swapped(body, b"\x17\x0d180101000000Z", b"\x17\x0d220310000000Z"))
    assert summary(chip_signed_by(by)) == (DATA, [], []), "on its first day"


@meets("LB-14")
@pytest.mark.parametrize("doubled", ["content_type", "message_digest", "signing_time"])
def test_a_signed_attribute_that_is_there_twice_is_malformed_whatever_signs_it(doubled: str) -> None:
    by = signer(lambda body: body)

    def reopen(made: bytes) -> bytes:
        ((_, body),) = read(made)
        data = cms.ContentInfo.load(body)["content"]
        info = data["signer_infos"][0]
        rows = [row for row in info["signed_attrs"] for _ in range(2 if row["type"].native == doubled else 1)]
        attributes = cms.CMSAttributes([cms.CMSAttribute.load(row.dump()) for row in rows])
        info["signed_attrs"], info["signature"] = attributes, by.sign(attributes.dump(), "sha256")
        return tlv(0x77, cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())

    assert summary(chip_signed_by(by, reopen)) == (records.VERDICT_ALTERED, ["LIC-231"], [0])
