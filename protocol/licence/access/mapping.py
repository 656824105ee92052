"""What PACE's chip-authentication mapping proves (ICAO Doc 9303-11 sections 4.4.3.5.2 and 9.2.11).

The static key of the mapping is in EF.CardSecurity, a CMS SignedData over SecurityInfos in the master file; a chip may show the same key in
DG14. DG14 was read and costs nothing, so it comes first. EF.CardSecurity counts if its signer is one that may sign licences of the state
whose signer signed the SOD, and is not revoked: everything that `trust.passive` asks of a SOD.
"""

from typing import TYPE_CHECKING

from protocol.der import SET
from protocol.errors import CryptoError, FormatError
from protocol.licence import files, groups, profile
from protocol.licence.access import chip_authentication, offers
from protocol.licence.errors import LicenceError, TrustError
from protocol.licence.trust import passive, security_object

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.licence.channel import Chip
    from protocol.licence.trust.anchors import TrustSet
    from protocol.licence.trust.security_object import SecurityObject

    Bytes = bytes | bytearray | memoryview

_SECURITY_OBJECT = b"\x04\x00\x7f\x00\x07\x03\x02\x01"  # 0.4.0.127.0.7.3.2.1
_REFUSED = (
    "LIC-224",
    "LIC-233",
)  # revoked, or not for signing: findings beside a verdict, but no ground to believe a key


class CardSecurity:
    """A whole EF.CardSecurity: `signed` SignedData over SecurityInfos. TrustError or FormatError if it is something else."""

    def __init__(self, data: "Bytes") -> None:
        self.signed = security_object.SignedData(data, 0, len(data))
        if self.signed.content_type != _SECURITY_OBJECT:
            raise TrustError("EF.CardSecurity signs something else", detail="content type")


def proves(
    chip: "Chip", group14: "Bytes | None", sod: "SecurityObject", trust: "TrustSet", today: str
) -> "Generator[tuple, Any, bool]":
    """Whether the mapping belongs to a key of DG14, or else of a believed EF.CardSecurity, which is read then.

    Errors of DG14's content pass through; an EF.CardSecurity at fault proves nothing.
    """
    proof = chip.pace_proof
    if proof is None:
        return False
    if group14 is not None and chip_authentication.mapping_holds(
        chip.crypto, chip_authentication.infos_of(group14), proof
    ):
        return True
    content = yield from _read(chip)
    if content is None or chip.pace_proof is None:
        return False
    try:
        found = CardSecurity(content)
        if not (yield from _believed(chip, found, sod, trust, today)):
            return False
        outer = found.signed.content.reader()
        infos = outer.enter(SET)
        outer.finish()
        return chip_authentication.mapping_holds(chip.crypto, infos, chip.pace_proof)  # a channel rebuilt mapped anew
    except (LicenceError, FormatError, CryptoError):
        return False


def announced(group14: "Bytes") -> bool:
    """Whether DG14, which is signed, offers PACE with this mapping; an offer that nobody can read announces nothing."""
    try:
        found = offers.offers(groups.body(group14, profile.tag_of(profile.CA_GROUP)))
    except LicenceError:
        return False
    return any([item.mapping == offers.CHIP_AUTHENTICATION for item in found])


def _read(chip: "Chip") -> "Generator[tuple, Any, bytes | bytearray | None]":
    """EF.CardSecurity, None if the chip does not give it whole; the application is selected again afterwards."""
    yield from chip.master_file()
    state = files.FileRead(chip.crypto, profile.CARD_SECURITY, most=chip.hold)
    try:
        yield from files.read(chip, state)
        content = state.content if state.complete else None
    except LicenceError:
        content = None
    yield from chip.application()
    return content


def _believed(
    chip: "Chip", found: CardSecurity, sod: "SecurityObject", trust: "TrustSet", today: str
) -> "Generator[tuple, Any, bool]":
    """Whether signature, signer and chain hold, for the state of the SOD's signer."""
    judged = passive.Judgement()
    countries = [
        certificate.country()
        for certificate in [named.certificate(sod.signed) for named in sod.signed.signers]
        if certificate
    ]
    if not countries:
        return False
    yield from passive.judge_signer_steps(chip.crypto, found, trust, countries[0], "", today, judged)
    refused = [code for code, detail in judged.findings if code in _REFUSED and detail != passive.NO_USAGE]
    return judged.issuer_known and judged.tested and not judged.altered and not refused
