"""EF.SOD, the document security object of a licence, and EF.CardSecurity, built with asn1crypto and `cryptography`.

CMS SignedData (RFC 5652) around an LDSSecurityObject version 0 (ICAO Doc 9303-10 section 4.6.2.3, used by ISO/IEC
18013-3), with signed attributes (content type, message digest, signing time) and the signer's certificate inside;
signed as its signer signs: ECDSA, RSA PKCS#1 v1.5 or RSASSA-PSS.
"""

import datetime as dt
import hashlib
from typing import Any

from asn1crypto import algos, cms, core, x509

from sim.cards.tlv import tlv
from sim.pki.states import ECDSA, PKCS1, Holder

LDS_SECURITY_OBJECT = "2.23.136.1.1.1"
SECURITY_OBJECT = "0.4.0.127.0.7.3.2.1"  # of EF.CardSecurity (BSI TR-03110-3 A.1.2.5)


class DataGroupHash(core.Sequence):
    """DataGroupHash of Doc 9303-10."""

    _fields = [("number", core.Integer), ("value", core.OctetString)]


class DataGroupHashes(core.SequenceOf):
    """SEQUENCE OF DataGroupHash."""

    _child_spec = DataGroupHash


class LdsSecurityObject(core.Sequence):
    """LDSSecurityObject, version 0."""

    _fields = [("version", core.Integer), ("hash_algorithm", algos.DigestAlgorithm), ("hashes", DataGroupHashes)]


def lds_security_object(groups: dict[int, bytes], hash_name: str = "sha256") -> bytes:
    """DER of the security object over the whole files `groups` (number → content)."""
    return LdsSecurityObject(
        {
            "version": 0,
            "hash_algorithm": {"algorithm": hash_name},
            "hashes": [
                {"number": number, "value": hashlib.new(hash_name, groups[number]).digest()}
                for number in sorted(groups)
            ],
        }
    ).dump()


def build(
    groups: dict[int, bytes],
    signer: Holder,
    signed_at: dt.datetime,
    hash_name: str = "",
    group_hash: str = "",
    signing_time: bool = True,
    signed_type: str = "",
    content_type: str = LDS_SECURITY_OBJECT,
) -> bytes:
    """The file EF.SOD (tag 77) over `groups`, signed by `signer`; `signed_at` is the signing-time attribute (if `signing_time`).

    `hash_name` of content and signature (default: the signer's own), `group_hash` of the groups (default: the same).
    `content_type` of what is signed; `signed_type`: the one among the signed attributes, which must be the same (RFC 5652 11.1), as
    it is by default.
    """
    hash_name = hash_name or signer.hash_name
    content = lds_security_object(groups, group_hash or hash_name)
    time = signed_at if signing_time else None
    return tlv(0x77, _signed(content, content_type, signer, hash_name, signed_type or content_type, time))


def card_security(infos: bytes, signer: Holder, signed_at: dt.datetime, kind: str = SECURITY_OBJECT) -> bytes:
    """The file EF.CardSecurity: `infos` (SecurityInfos) signed by `signer` (ICAO Doc 9303-11 section 9.2.11); `kind` of content."""
    return _signed(infos, kind, signer, signer.hash_name, kind, signed_at)


def _signed(
    content: bytes, kind: str, signer: Holder, hash_name: str, signed_type: str, signed_at: "dt.datetime | None"
) -> bytes:
    """The ContentInfo of CMS SignedData over `content`; a signing time unless `signed_at` is None."""
    attributes = cms.CMSAttributes(
        [
            _attribute("content_type", signed_type),
            _attribute("message_digest", hashlib.new(hash_name, content).digest()),
            *([_attribute("signing_time", cms.Time({"utc_time": signed_at}))] if signed_at else []),
        ]
    )
    # What is signed is the attributes' DER with the universal tag SET OF, not with the implicit tag they carry inside
    signature = signer.sign(attributes.dump(), hash_name)
    certificate = x509.Certificate.load(signer.der)
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
                    )
                }
            ),
            "digest_algorithm": {"algorithm": hash_name},
            "signed_attrs": attributes,
            "signature_algorithm": _signature_algorithm(signer.scheme, hash_name),
            "signature": signature,
        }
    )
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [{"algorithm": hash_name}],
            "encap_content_info": {
                "content_type": kind,
                "content": core.ParsableOctetString(content),
            },
            "certificates": [certificate],
            "signer_infos": [info],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


def _attribute(name: str, value: Any) -> cms.CMSAttribute:
    return cms.CMSAttribute({"type": name, "values": [value]})


def _signature_algorithm(scheme: str, hash_name: str) -> algos.SignedDigestAlgorithm:
    if scheme == ECDSA:
        return algos.SignedDigestAlgorithm({"algorithm": f"{hash_name}_ecdsa"})
    if scheme == PKCS1:
        return algos.SignedDigestAlgorithm({"algorithm": f"{hash_name}_rsa"})
    parameters = {
        "hash_algorithm": {"algorithm": hash_name},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": hash_name}},
        "salt_length": hashlib.new(hash_name).digest_size,
    }
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
