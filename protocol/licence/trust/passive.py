"""Passive authentication and the verdict (ICAO Doc 9303-11 section 5.1, 9303-12 section 7; ISO/IEC 18013-3 section 8.1).

Pure judgement over what was read: no I/O. `judge` looks at the SOD and the groups' digests; `verdict` joins that with whether the
chip proved itself. Findings are (code, detail) pairs; the codes are explained in `protocol.licence`.
"""

from typing import TYPE_CHECKING

from protocol import pack, records
from protocol.crypto import KeyFormatError
from protocol.errors import CryptoError, FormatError
from protocol.licence import curves, profile
from protocol.licence.errors import LicenceError, OtherContentError, TrustError, UnsupportedError
from protocol.licence.trust import algorithms, anchors, security_object, x509

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from typing import Any, Protocol

    from protocol.crypto import Crypto
    from protocol.licence.access.mapping import CardSecurity
    from protocol.licence.trust.anchors import TrustSet
    from protocol.licence.trust.security_object import SecurityObject, Signer

    class Hashed(Protocol):
        """A group's file: whether it was read whole, and then its digest by the SOD's algorithm (`files.FileRead`)."""

        @property
        def complete(self) -> bool: ...

        @property
        def digest(self) -> bytes: ...


NO_USAGE = "key usage"  # detail of LIC-233 that refuses nothing
SOD_ITSELF = 0  # in `altered`, beside group numbers
PROVEN, NOT_OFFERED, FAILED, UNTESTED = "proven", "not offered", "failed", "untested"


class Judgement:
    """`findings` [(code, detail)], `altered` group numbers (0 = the SOD itself), `covered` group numbers whose hash holds,
    `issuer_known`, `readable` (a SOD and DG1 were there), `tested` (False: an algorithm is not supported here), `whole` (False: a group
    that the SOD lists is there in part, so that its hash cannot be compared)."""

    def __init__(self) -> None:
        self.findings: "list[tuple[str, object]]" = []
        self.altered: "list[int]" = []
        self.covered: "list[int]" = []
        self.issuer_known = False
        self.readable = True
        self.tested = True
        self.whole = True

    def broken(self, group: int, announced: bool) -> None:
        """Add the finding that a group's file is not whole: nothing was shown to be altered, but where the SOD lists it the data are not
        genuine either."""
        self.note("LIC-239", group)
        self.whole = self.whole and not announced

    def note(self, code: str, detail: object = None) -> None:
        """Add a finding."""
        if (code, detail) not in self.findings:
            self.findings.append((code, detail))

    def unread(self, group: int, fields: dict) -> None:
        """Add a finding for each field of a decoded group that could not be read."""
        for key in fields.get("unread", ()):
            self.note("LIC-215", profile.name_of(group) + " " + key)

    def take(self, other: "Judgement") -> None:
        """Add what was judged apart of one signer."""
        for code, detail in other.findings:
            self.note(code, detail)
        self.altered.extend(other.altered)
        self.issuer_known = other.issuer_known
        self.tested = self.tested and other.tested


def parse_sod(content: "bytes | bytearray", result: Judgement) -> "SecurityObject | None":
    """The parsed SOD, or None with the finding noted."""
    try:
        return security_object.parse(content)
    except OtherContentError as cause:
        result.tested = False
        result.note("LIC-235", cause.detail)
    except (LicenceError, FormatError) as cause:
        _fault(result, cause)
    return None


def _fault(result: Judgement, cause: "LicenceError | FormatError") -> None:
    """Note that the SOD cannot be judged here, or that it is malformed."""
    if isinstance(cause, UnsupportedError):
        result.tested = False
        result.note("LIC-232", cause.detail)
    else:
        result.altered.append(SOD_ITSELF)
        result.note("LIC-231", cause.detail)


def compare(
    sod: "SecurityObject", reads: "Mapping[int, Hashed]", present: "list[int] | None", result: Judgement
) -> None:
    """Compare the digests of the groups read with the SOD; note groups that one side lists and the other does not."""
    if 1 not in sod.hashes:
        result.note("LIC-216")
        result.altered.append(1)
    for group in present or ():
        if group not in sod.hashes:
            result.note("LIC-210", group)
    for group in sorted(sod.hashes):
        if present is not None and group not in present:
            result.note("LIC-211", group)
    for group in sorted(reads):
        state = reads[group]
        if not state.complete:
            continue
        if group not in sod.hashes:
            result.note("LIC-210", group)
        elif listed(sod, group, state):
            result.covered.append(group)
        else:
            result.note("LIC-214", group)
            result.altered.append(group)


def listed(sod: "SecurityObject", group: int, state: "Hashed") -> bool:
    """Whether the SOD lists the group with the digest of what was read."""
    return group in sod.hashes and pack.ct_equal(state.digest, sod.hashes[group])


def judge_signer(
    crypto: "Crypto", sod: "SecurityObject", trust: "TrustSet", country: str, issued: str, today: str, result: Judgement
) -> None:
    """`judge_signer_steps`, with all work done here."""
    curves.alone(judge_signer_steps(crypto, sod, trust, country, issued, today, result))


def judge_signer_steps(
    crypto: "Crypto",
    sod: "SecurityObject | CardSecurity",
    trust: "TrustSet",
    country: str,
    issued: str,
    today: str,
    result: Judgement,
) -> "Generator[tuple, Any, None]":
    """Verify the signature of the SOD, or of EF.CardSecurity, and its signer's chain; yields the requests of `curves`.

    `country`: the state that the licence says it is from, as it says it (three letters, or two; "" = it does not say: no issuer is known
    then, and an anchor's country is no finding); `issued`: date of issue (YYYYMMDD or ""), the signing time where the SOD states none;
    `today`: YYYYMMDD. Of several signers one that is trusted suffices; else the worst that was found counts.
    """
    state = profile.two_letters(country)
    if not state:
        result.note("LIC-217", country or None)
    best = None
    for signer in sod.signed.signers:
        one = Judgement()
        try:
            yield from _signer(crypto, sod, signer, trust, state, issued, today, one)
        except (TrustError, FormatError) as cause:
            _fault(one, cause)
        except CryptoError as cause:
            one.tested = False
            one.note("LIC-232", cause.code)
        if (
            best is None
            or one.issuer_known
            or (bool(one.altered), not one.tested) > (bool(best.altered), not best.tested)
        ):
            best = one
        if one.issuer_known:
            break
    if best is not None:
        result.take(best)


def _signer(
    crypto: "Crypto",
    sod: "SecurityObject | CardSecurity",
    named: "Signer",
    trust: "TrustSet",
    country: str,
    issued: str,
    today: str,
    result: Judgement,
) -> "Generator[tuple, Any, None]":
    try:
        signer = named.certificate(sod.signed)
        if signer is not None and signer.key.kind == algorithms.ECDSA:
            crypto.ec_check(signer.key.curve, signer.key.point)
    except UnsupportedError:
        raise
    except (TrustError, FormatError, KeyFormatError) as cause:
        result.note("LIC-237", cause.detail)  # whoever wrote it so: nothing was shown to be altered
        return
    if signer is None:
        result.note("LIC-234")
        return
    try:
        held = yield from named.holds_steps(crypto, sod.signed, signer)
    except TrustError as cause:
        if cause.detail != algorithms.KEY:
            raise
        result.note("LIC-237", cause.detail)
        return
    if not held:
        result.note("LIC-227")
        result.altered.append(SOD_ITSELF)
        return
    if named.weak() or signer.weak() or sod.signed.weak:
        result.note("LIC-225")
    _dates(signer, named.signing_time or issued, today, result)
    if signer.usage < 0:
        result.note("LIC-233", NO_USAGE)
    fit = signer.signs_documents()
    if not fit:
        result.note("LIC-233", "signer")
    if not signer.names_licences():
        result.note("LIC-233", "document types")
    if fit is False:
        return
    found = yield from trust.issuers_steps(crypto, signer)
    if not found:
        result.note("LIC-228")
        return
    for anchor, certificate in found:
        if anchor.purpose == anchors.LICENCE and country and anchor.country == country == signer.country():
            result.issuer_known = True
            yield from _authority(crypto, trust, certificate, signer, country, today, result)
            return
    if country or not any([anchor.purpose == anchors.LICENCE for anchor, _ in found]):
        result.note("LIC-229", found[0][0].country + "/" + found[0][0].purpose)


def _dates(signer: x509.Certificate, signed: str, today: str, result: Judgement) -> None:
    """Findings about the signer's certificate by itself."""
    if not signer.valid_at(today):
        result.note("LIC-220")
    if signed and not signer.key_usable_at(signed):
        result.note("LIC-221")
    if signed and not signer.valid_at(signed):
        result.note("LIC-221")


def _authority(
    crypto: "Crypto",
    trust: "TrustSet",
    authority: x509.Certificate,
    signer: x509.Certificate,
    country: str,
    today: str,
    result: Judgement,
) -> "Generator[tuple, Any, None]":
    """Findings about the authority that issued the signer."""
    if not authority.valid_at(today):
        result.note("LIC-222")
    if not authority.key_usable_at(signer.not_before):
        result.note("LIC-223")
    if not (authority.is_ca and authority.may(x509.CERT_SIGN)):
        result.note("LIC-233", "authority")
    newest = ""
    lists, unusable = yield from trust.lists_steps(crypto, authority, country)
    for item in lists:
        newest = max(newest, item.next_update or "9")
        try:
            revoked = item.revoked_at(signer.serial)
        except FormatError:  # the list is at fault, not the licence: nothing can be concluded from it
            revoked = ""
            unusable += 1
        if revoked:
            result.note("LIC-224", revoked[:8])
    if newest and newest[:8] < today:
        result.note("LIC-226", newest[:8])
    if unusable:
        result.note("LIC-236")


def verdict(result: Judgement, chip: str) -> int:
    """The verdict (records.VERDICT_*) from passive authentication and the chip's proof (PROVEN, NOT_OFFERED, FAILED, UNTESTED).

    In this order: altered before anything else, then what cannot be tested, then the issuer, then the chip, then what is there in part.
    """
    if result.altered:
        return records.VERDICT_ALTERED
    if not result.readable:
        return records.VERDICT_UNREADABLE
    if not result.tested:
        return records.VERDICT_NOT_VERIFIED
    if not result.issuer_known:
        return records.VERDICT_UNKNOWN_ISSUER
    if chip == FAILED:
        return records.VERDICT_CLONE
    if not result.whole:
        return records.VERDICT_NOT_VERIFIED
    return records.VERDICT_GENUINE if chip == PROVEN else records.VERDICT_DATA_GENUINE


def expected_in(group: int) -> bool:
    """Whether a group announces that the chip can prove itself."""
    return group in (profile.AA_GROUP, profile.CA_GROUP)
