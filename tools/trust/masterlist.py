"""An ICAO master list (Doc 9303-12 section 9): opened only under an anchor that came another way.

The list is CMS SignedData over CscaMasterList (2.23.136.1.1.2). Its signer's certificate is inside, and so is, often, the
authority above it: neither proves anything. The anchor is a certificate that the importer got out of band; it must have issued
the signer, both must be of one country, and the signer must be allowed to sign master lists (2.23.136.1.1.3).

    TrustError     LIC-060  the file is no master list
    ParameterError PRM-020  the list's signature does not hold
    ParameterError PRM-021  the anchor did not issue the list's signer, is of another country, or cannot be used
    ParameterError PRM-022  the signer may not sign master lists, or did so outside its certificate's validity
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from asn1crypto import cms, core, x509

from protocol.errors import ParameterError
from protocol.licence.errors import TrustError
from tools.trust import certificates, keys

MASTER_LIST = "2.23.136.1.1.2"
MAY_SIGN_LISTS = "2.23.136.1.1.3"
MAX_BYTES = 16 << 20
_MALFORMED = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
)  # what asn1crypto raises; UnicodeDecodeError is a ValueError
_HINT = "get the anchor from its authority by another way than this list"


class _Certificates(core.SetOf):
    _child_spec = x509.Certificate


class _CscaMasterList(core.Sequence):
    _fields = [("version", core.Integer), ("certificates", _Certificates)]


@dataclass(frozen=True)
class MasterList:
    """A verified list: DER `certificates` in the list's order, when and by whom it was signed."""

    version: int
    signed: datetime
    signer: str
    anchor_sha256: str
    certificates: list[bytes]


def load(data: bytes, anchor: bytes) -> MasterList:
    """Verify a master list against `anchor` (DER) and take it apart."""
    if len(data) > MAX_BYTES:
        raise TrustError("the file is too large for a master list", detail="size")
    try:
        signed = _signed_data(data)
        info, attributes, signer = _signer(signed)
        content = bytes(signed["encap_content_info"]["content"].native)
    except _MALFORMED as error:
        raise TrustError("the file is no master list", detail="CMS") from error
    try:  # asn1crypto looks into times and names only when they are asked for
        when = _vouched(signer, attributes, anchor)
        _signature(info, attributes, signer, content)
        listed: Any = _CscaMasterList.load(content, strict=True)
        version, ders = int(listed["version"].native), [item.dump() for item in listed["certificates"]]
        by = signer.subject.human_friendly
    except _MALFORMED as error:
        raise TrustError("the master list is malformed", detail="list") from error
    return MasterList(version, when, by, certificates.fingerprint(anchor), ders)


def _signed_data(data: bytes) -> Any:
    outer: Any = cms.ContentInfo.load(data, strict=True)
    if outer["content_type"].native != "signed_data":
        raise TrustError("the file is no signed data", detail="CMS")
    signed = outer["content"]
    if signed["encap_content_info"]["content_type"].dotted != MASTER_LIST:
        raise TrustError("the file is signed data of another kind than a master list", detail="content type")
    return signed


def _signer(signed: Any) -> "tuple[Any, dict[str, Any], Any]":
    """The one signer, its signed attributes by name, and its certificate out of the list's own."""
    if len(signed["signer_infos"]) != 1:
        raise TrustError("a master list has one signer", detail="signers")
    info = signed["signer_infos"][0]
    attributes: dict[str, Any] = {}
    for attribute in info["signed_attrs"]:
        if attribute["type"].native in attributes or len(attribute["values"]) != 1:
            raise TrustError("a signed attribute is there twice", detail="attributes")
        attributes[attribute["type"].native] = attribute["values"][0]
    wanted = info["sid"]
    for item in signed["certificates"]:
        certificate = item.chosen
        if wanted.name == "subject_key_identifier":
            if certificate.key_identifier == wanted.chosen.native:
                return info, attributes, certificate
        elif (certificate.issuer, certificate.serial_number) == (
            wanted.chosen["issuer"],
            wanted.chosen["serial_number"].native,
        ):
            return info, attributes, certificate
    raise TrustError("the signer's certificate is not inside", detail="certificate")


def _vouched(signer: Any, attributes: dict[str, Any], anchor: bytes) -> datetime:
    """When it was signed; raises unless the anchor issued the signer, who may sign lists and did so in time."""
    authority: Any = x509.Certificate.load(anchor)
    try:
        issued = authority.subject == signer.issuer and certificates.issued(authority, signer)
    except TrustError as error:
        raise ParameterError(f"the anchor cannot be used: {error.message}", "PRM-021", _HINT, error.detail) from error
    if not issued or not authority.ca:
        raise ParameterError("the anchor did not issue the signer of this list", "PRM-021", _HINT)
    own = certificates.country(signer.dump())
    if not own or certificates.country(anchor) != own:
        raise ParameterError("anchor and signer are of different countries", "PRM-021", _HINT)
    usages, uses = signer.extended_key_usage_value, signer.key_usage_value
    signs = not signer.ca and (uses is None or "digital_signature" in uses.native)
    if not signs or usages is None or MAY_SIGN_LISTS not in [usage.dotted for usage in usages]:
        raise ParameterError("the signer may not sign master lists", "PRM-022", "get the list from its publisher again")
    when = attributes["signing_time"].native if "signing_time" in attributes else None
    validity = signer["tbs_certificate"]["validity"]
    if when is None or not validity["not_before"].native <= when <= validity["not_after"].native:
        raise ParameterError("the list was signed outside its signer's validity", "PRM-022", "get a current list")
    return when


def _signature(info: Any, attributes: dict[str, Any], signer: Any, content: bytes) -> None:
    """Raise unless content, signed attributes and signature belong together (RFC 5652 section 5.4)."""
    wrong = ParameterError("the signature of the master list does not hold", "PRM-020", "get the list again")
    digest = info["digest_algorithm"]["algorithm"].native
    if (
        "content_type" not in attributes
        or attributes["content_type"].dotted != MASTER_LIST
        or digest not in keys.HASHES
    ):
        raise wrong
    stated = bytes(attributes["message_digest"].native) if "message_digest" in attributes else b""
    if not hmac.compare_digest(hashlib.new(digest, content).digest(), stated):
        raise wrong
    signed = b"\x31" + info["signed_attrs"].dump()[1:]  # signed as SET OF, sent as [0]
    if not keys.holds(signer.public_key, info["signature_algorithm"], digest, signed, info["signature"].native):
        raise wrong
