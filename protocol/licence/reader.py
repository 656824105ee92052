"""Read a licence and say what was proved: the machine that a terminal drives.

`read_licence` yields ("apdu", command) → answer bytes (data and status word), ("progress", name, done, total) → None and requests
for elliptic-curve work (`protocol.licence.curves`; None where there is nobody to do it), and returns a LicenceReading. A failure of
the link is thrown into it as CardError: session keys are dropped and the error goes out again. With a `Resume` the next reading goes
on where the last one stopped, after it authenticated again and found the same SOD.

Raised: AccessError, ReadError (see `protocol.licence`) where nothing can be said about the licence; the caller may record such a
licence as "chip unreadable". Everything that could be judged is in the verdict and the findings instead.
"""

from typing import TYPE_CHECKING

from protocol import records
from protocol.errors import FormatError
from protocol.licence import files, groups, profile
from protocol.licence.channel import Chip
from protocol.licence.errors import GroupError, LicenceError, ReadError
from protocol.licence.trust import passive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.files import FileRead, Taker
    from protocol.licence.mrz import Mrz
    from protocol.licence.trust.anchors import TrustSet
    from protocol.licence.trust.security_object import SecurityObject


BAD_LENGTH = "LIC-032"  # the file's own bytes are at fault, not the conversation


class Resume:
    """What an interrupted reading leaves for the next one: files read so far and the digest of the SOD. Wipe it with the case.

    `picture` may hold an object whose `feed(data)` takes the portrait's group as it comes, from its first byte on and each byte once,
    however often the card is torn; it must not raise for what the bytes hold. `clear` drops it: a new one may be put there.
    """

    def __init__(self) -> None:
        self.reads: "dict[int, FileRead]" = {}
        self.sod_sha256 = b""
        self.picture: "Taker | None" = None

    def clear(self) -> None:
        """Forget everything."""
        self.reads = {}
        self.sod_sha256 = b""
        self.picture = None


class LicenceReading:
    """What one reading gave.

    `verdict` records.VERDICT_*; `findings` codes LIC-2xx, each once; `details` [(code, group number, status or text)];
    `dg1`, `dg11` maps or None; `data` {group: map} of all decoded groups; `covered` groups whose hash the SOD holds,
    `altered_groups` (0 = the SOD itself); `files` {first tag: SHA-256}; `sod_sha256`; `portrait` whole DG4 or DG6, or None;
    `access` "BAC" or "PACE"; `chip` how the chip proved itself (passive.PROVEN …). Data of a group not in `covered` are shown as
    unproven or not at all.
    """

    def __init__(self) -> None:
        self.verdict = records.VERDICT_UNREADABLE
        self.findings: "list[str]" = []
        self.details: "list[tuple[str, object]]" = []
        self.dg1: "dict | None" = None
        self.dg11: "dict | None" = None
        self.data: "dict[int, dict]" = {}
        self.covered: "list[int]" = []
        self.altered_groups: "list[int]" = []
        self.files: "dict[int, bytes]" = {}
        self.sod_sha256 = b""
        self.portrait: "bytes | bytearray | None" = None
        self.access = ""
        self.chip = passive.NOT_OFFERED

    def forget(self) -> None:
        """Drop the personal data; verdict, findings and digests stay."""
        self.dg1 = self.dg11 = self.portrait = None
        self.data = {}


def read_licence(
    crypto: "Crypto",
    mrz: "Mrz",
    rnd: "Callable[[int], bytes]",
    trust: "TrustSet",
    today: str,
    groups: "tuple | list" = (1, 11),
    portrait: bool = False,
    resume: "Resume | None" = None,
    archive: "dict[int, bytes] | None" = None,
    atr: bytes = b"",
    room: int = 0,
    hold: int = 0,
) -> "Generator[tuple, Any, LicenceReading]":
    """Read and judge one licence.

    `rnd(n)` → n random bytes, never more than 96 between two requests (24 for each BAC, 80 for each PACE over 256 bits); `today` YYYYMMDD; `groups`
    the group numbers wanted; the portrait's group (DG4; DG6 of an EU licence), if wanted or `portrait`, comes last, is hashed as it
    comes, given to `resume.picture` if there is one, and kept only with `portrait`. `archive`, if given, gets {short identifier:
    content} of every file that was read whole and kept. `atr` of the card and `room` in bytes for one answer's data (0: this link
    carries no extended length) let large files be read in few commands where the card announces that. `hold`: the largest file but the
    portrait that is kept, at most profile.STREAM_LIMIT (0: profile.HOLD_LIMIT).
    """
    if len(today) != 8:
        raise ValueError("today is YYYYMMDD")
    chip = Chip(crypto, mrz, rnd, atr, room, hold)
    try:
        reading = _Reading(crypto, chip, resume or Resume(), portrait, archive)
        return (yield from reading.run(list(groups), mrz, trust, today))
    finally:
        chip.close()


class _Reading:
    """The steps of one reading and what they share."""

    def __init__(
        self, crypto: "Crypto", chip: Chip, resume: Resume, portrait: bool, archive: "dict[int, bytes] | None" = None
    ) -> None:
        self.archive = archive
        self.crypto = crypto
        self.chip = chip
        self.resume = resume
        self.portrait = portrait
        self.picture = profile.PORTRAIT_GROUP
        self.judged = passive.Judgement()
        self.result = LicenceReading()
        self.sod: "SecurityObject | None" = None

    def run(
        self, wanted: "list[int]", mrz: "Mrz", trust: "TrustSet", today: str
    ) -> "Generator[tuple, Any, LicenceReading]":
        """The whole course."""
        yield from self.chip.open()
        self.result.access = self.chip.access
        if self.chip.offers_pace and self.chip.access == "BAC":
            self.judged.note("LIC-245")
        wanted = self.order(wanted)
        present = yield from self.common()
        yield from self.security_object()
        sod, reads = self.sod, self.resume.reads
        keyed = [] if sod is None else [group for group in sorted(sod.hashes) if passive.expected_in(group)]
        proofs = None
        mapped = self.chip.pace_proof is not None
        if sod is not None and (
            keyed or mapped
        ):  # the proofs first: what is read after chip authentication is read under its keys
            from protocol.licence.access import proof

            yield from self.read_groups(keyed, present)
            proofs = proof.Proofs(self.chip, sod, reads, self.judged, trust, today)
            yield from proofs.begin(keyed, any([self.due(group, present) for group in wanted]))
        yield from self.read_groups(wanted, present)
        self.need_first()
        if sod is not None:
            passive.compare(sod, reads, present, self.judged)
        self.decode(reads)
        if proofs is not None:
            self.result.chip = yield from proofs.end()
        yield from self.believe(mrz, trust, today)
        self.conclude()
        return self.result

    def keep(self, state: "FileRead") -> None:
        """Put a file that was read whole into the archive, if there is one."""
        if self.archive is not None and state.keep:
            self.archive[state.file] = bytes(state.content)

    def order(self, wanted: "list[int]") -> "list[int]":
        """The groups with the portrait's own last; which one that is, the application tells."""
        if self.chip.aid == profile.EU_AID:
            self.picture = profile.EU_PORTRAIT_GROUP
            wanted = [self.picture if group == profile.PORTRAIT_GROUP else group for group in wanted]
        others = [group for group in wanted if group != self.picture]
        return others + [self.picture] if self.portrait or len(others) != len(wanted) else others

    def same_chip(self, sha256: bytes) -> None:
        """After an interruption: what was read before is gone on with only beside the same whole SOD (ReadError LIC-033 if there was
        another). Where none could be read before nor now, nothing says whose the files are: they are read anew."""
        resume = self.resume
        if sha256 and sha256 == resume.sod_sha256:
            return
        if resume.sod_sha256 or (sha256 and resume.reads):
            resume.clear()
            raise ReadError("another chip answers than before the interruption", "LIC-033", "read this licence afresh")
        if resume.reads:
            if self.picture in resume.reads:
                resume.picture = None  # it may have been fed
            resume.reads.clear()
            if self.archive is not None:
                for file in [file for file in self.archive if file != profile.COM]:
                    del self.archive[file]

    def common(self) -> "Generator[tuple, Any, list[int] | None]":
        """EF.COM's list of groups; None (and a finding) if it is absent or malformed."""
        try:
            state = files.FileRead(self.crypto, profile.COM)
            yield from files.read(self.chip, state)
            if state.complete:
                self.keep(state)
                return groups.common_data(state.content)[1]
        except GroupError:
            pass
        except ReadError as cause:
            if cause.code != BAD_LENGTH:
                raise
        self.judged.note("LIC-212")
        return None

    def security_object(self) -> "Generator[tuple, Any, None]":
        """Read and parse EF.SOD; after an interruption it must be the same as before. One that is too large to be kept here leaves
        everything unverified."""
        state = files.FileRead(self.crypto, profile.SOD, most=self.chip.hold)
        try:
            yield from files.read(self.chip, state)
        except ReadError as cause:
            if cause.code != BAD_LENGTH:
                raise
            self.same_chip(b"")
            if cause.detail == files.TOO_LARGE:
                self.judged.note("LIC-238", profile.name_of(profile.SOD))
                self.judged.tested = False
                return
            if str(cause.detail).startswith(files.BAD_START):
                self.judged.note("LIC-231", cause.detail)
                self.judged.altered.append(passive.SOD_ITSELF)
            else:  # the rest of it is missing, and nothing says what that was
                self.judged.note("LIC-239", profile.name_of(profile.SOD))
                self.judged.readable = False
            return
        if state.denied and self.resume.sod_sha256:
            raise ReadError("the chip does not give the file", detail=state.denied)  # it did before: gone on with later
        self.same_chip(state.sha256)
        if not state.complete:
            self.judged.note("LIC-230", state.denied or None)
            self.judged.readable = False
            return
        self.resume.sod_sha256 = self.result.sod_sha256 = state.sha256
        self.result.files[profile.SOD_TAG] = state.sha256
        self.keep(state)
        self.sod = passive.parse_sod(state.content, self.judged)

    def announced(self, group: int) -> bool:
        """Whether the SOD lists the group."""
        return self.sod is not None and group in self.sod.hashes

    def due(self, group: int, present: "list[int] | None") -> bool:
        """Whether the chip may have the group and has not given or refused it yet."""
        if present is not None and group not in present and not self.announced(group):
            return False
        state = self.resume.reads.get(group)
        return state is None or not (state.complete or state.absent or state.denied)

    def read_groups(self, wanted: "list[int]", present: "list[int] | None") -> "Generator[tuple, Any, None]":
        """Read the wanted groups that the chip may have; faults of content are findings."""
        reads = self.resume.reads
        for group in wanted:
            announced = self.announced(group)
            if present is not None and group not in present and not announced:
                continue
            state = reads.get(group)
            if state is None:
                algorithm = "sha256" if self.sod is None else self.sod.algorithm
                large = group == self.picture
                taker = self.resume.picture if large else None
                most = profile.STREAM_LIMIT if large else self.chip.hold
                state = files.FileRead(self.crypto, group, algorithm, self.portrait or not large, most, taker)
                reads[group] = state
            try:
                yield from files.read(self.chip, state)
            except ReadError as cause:
                if cause.code != BAD_LENGTH:
                    raise
                self.judged.note("LIC-213", group)
                if cause.detail != files.TOO_LARGE:
                    self.judged.broken(group, announced)
            if state.complete:
                self.result.files[state.tag] = state.sha256
                self.keep(state)
            elif announced or (state.denied and (present is not None or self.sod is None or state.denied == 0x6982)):
                self.not_had(state)

    def not_had(self, state: "FileRead") -> None:
        """Note a group that the chip does not have or does not give, with the status."""
        name = profile.name_of(state.file)
        self.judged.note("LIC-213", name + f" {state.denied:04X}" if state.denied else state.file)

    def need_first(self) -> None:
        """Without DG1 there is nothing to judge."""
        first = self.resume.reads.get(1)
        if first is None or not first.complete:
            if first is None or not first.denied:
                self.judged.note("LIC-213", 1)
            self.judged.readable = False

    def decode(self, reads: "dict[int, FileRead]") -> None:
        """Open the groups that were kept; what cannot be opened is a finding."""
        for group in sorted(reads):
            state = reads[group]
            if not state.complete or passive.expected_in(group):
                continue
            if group == self.picture:
                self.result.portrait = state.content if self.portrait else None
            elif not state.keep:
                self.judged.note("LIC-238", group)
            else:
                try:
                    fields = self.result.data[group] = groups.decode(group, state.content)
                    self.judged.unread(group, fields)
                except (LicenceError, FormatError):
                    self.judged.note("LIC-215", group)
        self.result.dg1 = self.result.data.get(1)
        self.result.dg11 = self.result.data.get(11)

    def believe(self, mrz: "Mrz", trust: "TrustSet", today: str) -> "Generator[tuple, Any, None]":
        """Judge signer and dates."""
        dg1 = self.result.dg1
        country = dg1["country"] if dg1 else ""
        if self.sod is not None:
            issued = dg1["issue"] if dg1 else ""
            yield from passive.judge_signer_steps(self.crypto, self.sod, trust, country, issued, today, self.judged)
        if dg1 is None:
            return
        if dg1["expiry"] and dg1["expiry"] < today:
            self.judged.note("LIC-201")
        if dg1["issue"] and dg1["issue"] > today:
            self.judged.note("LIC-203")
        for key, printed in (("number", mrz.number), ("birth", mrz.birth), ("expiry", mrz.expiry)):
            known = mrz.birth or (key == "number" and mrz.tells_number)
            if known and not _agrees(key, printed, dg1[key], mrz):
                self.judged.note("LIC-204", key)

    def conclude(self) -> None:
        """Put the judgement into the result."""
        judged, result = self.judged, self.result
        result.verdict = passive.verdict(judged, result.chip)
        result.details = judged.findings
        for code, _ in judged.findings:
            if code not in result.findings:
                result.findings.append(code)
        result.covered = judged.covered
        for group in judged.altered:
            if group not in result.altered_groups:
                result.altered_groups.append(group)


def _agrees(key: str, printed: str, chip: str, mrz: "Mrz") -> bool:
    """Whether a printed field equals the chip's: numbers in their letters and digits, dates in what both of them say. In a state's one line
    the number may be anywhere."""
    if key == "number":
        own = "".join([char for char in chip.upper() if "0" <= char <= "9" or "A" <= char <= "Z"])
        if mrz.kind == "EU":
            return own != "" and own in mrz.bac_key_input.decode().replace("<", "")
        return printed == own
    if not chip:
        return True
    return all([printed[i] in ("<", chip[2 + i]) for i in range(6)])
