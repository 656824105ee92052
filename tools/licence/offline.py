"""Judges dumped files without the chip: passive authentication only, so at best "data genuine, chip not proven".

The same judgement as the reader's (`protocol.licence.trust.passive`), over files instead of a conversation. Groups are hashed whole,
whatever their size (`dump.MAX_FILE` bounds it) or layout: altered is what has another hash; a file in which its announced length is not
there, and whose hash is not the listed one, is not whole (LIC-239). DG13 and DG14 are hashed but no chip is here
to prove itself: `chip` stays "untested" where the SOD announces a proof (`announced`). One that neither files nor EF.COM have is told as
the chip's failing (LIC-241, LIC-243), but is no proof of a clone: files may have been left out of a dump. What lies behind a file's outermost
object (many tools dump the whole elementary file, filling and all) belongs to nobody: `trimmed` cuts it off, as a reading does not ask for it.
"""

import hashlib

from protocol import records
from protocol.crypto import Crypto
from protocol.errors import FormatError
from protocol.licence import groups
from protocol.licence.access import chip_authentication
from protocol.licence.errors import GroupError, LicenceError
from protocol.licence.files import file_length, length_told, outer_tag
from protocol.licence.profile import AA_GROUP, CA_GROUP, COM, SOD, SOD_TAG, name_of, tag_of
from protocol.licence.reader import LicenceReading
from protocol.licence.trust import passive, security_object
from protocol.licence.trust.anchors import TrustSet
from protocol.licence.trust.security_object import SecurityObject

ACCESS = "files"
KEYS = (AA_GROUP, CA_GROUP)  # groups of the chip's keys, not of the holder


def judge(crypto: Crypto, files: dict[int, bytes], trust: TrustSet, today: str) -> LicenceReading:
    """The judgement over `files` {short identifier: content} on `today` (YYYYMMDD). Never raises for what the files hold."""
    result, judged = LicenceReading(), passive.Judgement()
    files = trimmed(files)
    result.access = ACCESS
    present = _present(files, judged)
    sod = _security_object(crypto, files, result, judged)
    reads = _hashed(crypto, files, sod, result)
    if sod is not None:
        passive.compare(sod, reads, present, judged)
        proofs = announced(files)
        for group in sorted(sod.hashes):
            if group not in files and (present is None or group in present or group in proofs):
                judged.note("LIC-213", group)
            if group in proofs and group not in files and present is not None and group not in present:
                judged.note("LIC-241" if group == AA_GROUP else "LIC-243", name_of(group))
        if proofs:
            result.chip = passive.UNTESTED
    for group in [group for group in reads if not reads[group].complete]:
        judged.note("LIC-213", group)
        judged.broken(group, sod is not None and group in sod.hashes)
    if 1 not in reads or not reads[1].complete:
        judged.note("LIC-213", 1)
        judged.readable = False
    _decode({file: files[file] for file in files if file not in reads or reads[file].complete}, result, judged)
    if sod is not None:
        _believe(crypto, sod, trust, today, result, judged)
    _dates(result, today, judged)
    _conclude(result, judged)
    return result


def trimmed(files: dict[int, bytes]) -> dict[int, bytes]:
    """The files without what lies behind their outermost objects, and without those in which nothing was read; a group whose hash the SOD
    lists with it stays whole.
    """
    files = {file: content for file, content in files.items() if content or file == SOD}
    kept = {file: content[: _end(file, content)] for file, content in files.items()}
    sod = _parsed(kept)
    for group in set(kept) & set(sod.hashes if sod is not None else ()):
        if sod is not None and hashlib.new(sod.algorithm, files[group]).digest() == sod.hashes[group]:
            kept[group] = files[group]
    return kept


def padding(files: dict[int, bytes]) -> list[str]:
    """A remark for each file that `trimmed` cuts."""
    kept = trimmed(files)
    return [
        f"{name_of(file)}: {len(files[file]) - len(kept[file])} bytes behind its end are not looked at"
        for file in kept
        if len(kept[file]) < len(files[file])
    ]


def _end(file: int, content: bytes) -> int:
    """Where a file's outermost object ends; the file's own end if nobody can say."""
    try:
        return file_length(content[:6], outer_tag(file, content))
    except LicenceError:
        return len(content)


def _whole(file: int, content: bytes) -> bool:
    """Whether a file's outermost object is there from its first to its last byte."""
    try:
        return file_length(content[:6], outer_tag(file, content)) <= len(content)
    except LicenceError:
        return False


def _parsed(files: dict[int, bytes]) -> "SecurityObject | None":
    """The security object, if it can be parsed."""
    try:
        return security_object.parse(files.get(SOD, b""))
    except (LicenceError, FormatError):
        return None


def announced(files: dict[int, bytes]) -> list[int]:
    """The groups (13, 14) by which the SOD announces that the chip can prove itself; a DG14 that holds no key for that does not count."""
    files = trimmed(files)
    sod = _parsed(files)
    listed = {} if sod is None else sod.hashes
    return [group for group in KEYS if group in listed and (group != CA_GROUP or _holds_key(files.get(group)))]


def _holds_key(group14: "bytes | None") -> bool:
    """Whether DG14 holds a key for chip authentication, or nobody can say."""
    try:
        return group14 is None or chip_authentication.announced(group14)
    except (LicenceError, FormatError):
        return True


def _present(files: dict[int, bytes], judged: passive.Judgement) -> "list[int] | None":
    try:
        if COM in files:
            return groups.common_data(files[COM])[1]
    except GroupError:
        pass  # noted below, like an absent one
    judged.note("LIC-212")
    return None


def _security_object(
    crypto: Crypto, files: dict[int, bytes], result: LicenceReading, judged: passive.Judgement
) -> "SecurityObject | None":
    content = files.get(SOD, b"")
    if not length_told(
        content, SOD_TAG
    ):  # not dumped, empty, or no more than the first bytes: nothing can be concluded
        judged.note("LIC-230", "empty" if SOD in files else None)
        judged.readable = False
        return None
    if _end(SOD, content) > len(content):
        judged.note("LIC-239", name_of(SOD))
        judged.readable = False
        return None
    result.sod_sha256 = result.files[SOD_TAG] = crypto.sha256(content)
    return passive.parse_sod(content, judged)


class Whole:
    """A group's file as `passive.compare` sees it: whether it is whole or has the listed hash, and its digest by the SOD's algorithm."""

    def __init__(self, crypto: Crypto, content: bytes, whole: bool, sod: "SecurityObject | None", group: int) -> None:
        state = crypto.sha_new("sha256" if sod is None else sod.algorithm)
        state.update(content)
        self.digest = state.digest()
        self.complete = whole or (sod is not None and sod.hashes.get(group) == self.digest)


def _hashed(
    crypto: Crypto, files: dict[int, bytes], sod: "SecurityObject | None", result: LicenceReading
) -> dict[int, Whole]:
    """Each group hashed whole: what is signed are a file's bytes, whatever they hold."""
    reads: dict[int, Whole] = {}
    for group in sorted(files):
        if group not in (COM, SOD):
            result.files[tag_of(group)] = crypto.sha256(files[group])
            reads[group] = Whole(crypto, files[group], _whole(group, files[group]), sod, group)
    return reads


def _decode(files: dict[int, bytes], result: LicenceReading, judged: passive.Judgement) -> None:
    for group in sorted(files):
        if group not in (COM, SOD, *KEYS):
            try:
                fields = result.data[group] = groups.decode(group, files[group])
                judged.unread(group, fields)
            except (LicenceError, FormatError):
                judged.note("LIC-215", group)
    result.dg1, result.dg11 = result.data.get(1), result.data.get(11)


def _believe(
    crypto: Crypto,
    sod: SecurityObject,
    trust: TrustSet,
    today: str,
    result: LicenceReading,
    judged: passive.Judgement,
) -> None:
    dg1 = result.dg1
    country, issued = (dg1["country"], dg1["issue"]) if dg1 else ("", "")
    passive.judge_signer(crypto, sod, trust, country, issued, today, judged)


def _dates(result: LicenceReading, today: str, judged: passive.Judgement) -> None:
    dg1 = result.dg1
    if dg1 and dg1["expiry"] and dg1["expiry"] < today:
        judged.note("LIC-201")
    if dg1 and dg1["issue"] and dg1["issue"] > today:
        judged.note("LIC-203")


def _conclude(result: LicenceReading, judged: passive.Judgement) -> None:
    result.verdict = passive.verdict(judged, result.chip)
    if result.verdict == records.VERDICT_GENUINE:
        raise AssertionError("no chip was here to prove itself")
    result.details = judged.findings
    result.findings = list(dict.fromkeys(code for code, _ in judged.findings))
    result.covered = judged.covered
    result.altered_groups = sorted(set(judged.altered))
