"""Whether the chip is no copy: active and chip authentication, as the SOD announces them (ICAO Doc 9303-11 sections 6.1 and 6.2).

DG13 listed in the SOD announces active authentication, DG14 chip authentication if it holds a key for it. Where one of them
succeeds the chip is proven, where an announced one fails or is missing it is a suspected clone, whatever the other one says. A
mechanism that this terminal cannot run is never counted as held or as failed: the chip then stays unproven. It excuses no other one.
"""

from typing import TYPE_CHECKING

from protocol.errors import CryptoError, FormatError
from protocol.licence import profile
from protocol.licence.errors import LicenceError, MessagingError, UnsupportedError
from protocol.licence.trust import passive

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.licence.channel import Chip
    from protocol.licence.files import FileRead
    from protocol.licence.trust.anchors import TrustSet
    from protocol.licence.trust.passive import Judgement
    from protocol.licence.trust.security_object import SecurityObject


class Proofs:
    """The proofs of one reading: `begin` once the groups with the keys were read, `end` after everything else was.

    Chip authentication changes the channel; the first answer in it is its proof. Where files remain to be read, one of them is that
    answer and no command is spent on it. A mapping that proves the chip stands for chip authentication; where it does not, chip
    authentication decides, and the mapping is held against the chip only if signed data announced it and nothing else can be asked.
    """

    def __init__(
        self,
        chip: "Chip",
        sod: "SecurityObject",
        reads: "dict[int, FileRead]",
        judged: "Judgement",
        trust: "TrustSet",
        today: str,
    ) -> None:
        self._chip = chip
        self._sod = sod
        self._reads = reads
        self._judged = judged
        self._trust = trust
        self._today = today
        self._outcomes: "list[str]" = []
        self._pending = False
        self._early = False  # active authentication was refused, maybe because chip authentication must come first

    def begin(self, announced: "list[int]", going_on: bool) -> "Generator[tuple, Any, None]":
        """Run what is announced (group numbers 13, 14 in this order); `going_on`: a file is read next."""
        for group in announced:
            state = self._reads.get(group)
            if state is None or not state.complete:
                self._judged.note("LIC-241" if group == profile.AA_GROUP else "LIC-243")
                self._outcomes.append(passive.FAILED)
            elif not passive.listed(self._sod, group, state):
                self._outcomes.append(passive.FAILED)  # the key itself was altered; LIC-214 says so
            elif not state.keep:
                self._judged.note("LIC-238", group)
                self._outcomes.append(passive.UNTESTED)
            elif group == profile.AA_GROUP:
                yield from self._run(group, not going_on, profile.CA_GROUP in announced)
            else:
                agrees = _announces(self._chip, state.content, self._judged)
                if not (yield from self._mapped(state.content, agrees)) and agrees:
                    yield from self._run(group, not going_on)
        if profile.CA_GROUP not in announced:
            yield from self._mapped(None, False)

    def end(self) -> "Generator[tuple, Any, str]":
        """passive.PROVEN, FAILED, UNTESTED or NOT_OFFERED; a channel lost before its proof is tried once more."""
        if self._pending:
            if self._chip.proven:
                self._outcomes.append(passive.PROVEN)
            else:
                yield from self._run(profile.CA_GROUP, True)
        if self._early:
            if passive.PROVEN in self._outcomes:
                yield from self._run(profile.AA_GROUP, True)
            else:  # refused is absent, also where this terminal cannot run what may have to come first
                self._judged.note("LIC-240")
                self._outcomes.append(passive.FAILED)
        for outcome in (passive.FAILED, passive.PROVEN, passive.UNTESTED):
            if outcome in self._outcomes:
                return outcome
        return passive.NOT_OFFERED

    def _mapped(self, group14: "bytes | bytearray | None", agrees: bool) -> "Generator[tuple, Any, bool]":
        """Whether the mapping proved the chip, or failed with nothing after it; `agrees`: chip authentication can still be asked for."""
        if self._chip.pace_proof is None:
            return False
        from protocol.licence.access import mapping

        try:
            held = yield from mapping.proves(self._chip, group14, self._sod, self._trust, self._today)
            failed = not held and not agrees and group14 is not None and mapping.announced(group14)
        except (LicenceError, FormatError, CryptoError) as cause:
            self._judged.note("LIC-242", cause.code)
            self._outcomes.append(passive.FAILED)
            return True
        if held:
            self._outcomes.append(passive.PROVEN)
        elif failed:
            self._judged.note("LIC-242")
            self._outcomes.append(passive.FAILED)
        return held or failed

    def _run(self, group: int, confirm: bool, again: bool = False) -> "Generator[tuple, Any, None]":
        """One mechanism and its outcome, unless that is left to the next answer, or (`again`) to another try after chip authentication."""
        failed = "LIC-240" if group == profile.AA_GROUP else "LIC-242"
        judged = self._judged
        try:
            held = yield from self._twice(group, confirm)
        except UnsupportedError as cause:
            judged.note("LIC-244", cause.detail)
            self._outcomes.append(passive.UNTESTED)
            return
        except (LicenceError, FormatError, CryptoError) as cause:
            judged.note(failed, cause.detail if isinstance(cause, MessagingError) else cause.code)
            self._outcomes.append(passive.FAILED)
            return
        if group == profile.AA_GROUP:
            self._early = held is None and again
        self._pending = bool(held) and group == profile.CA_GROUP and not self._chip.proven
        if self._pending or (held is None and again):
            return
        if not held:
            judged.note(failed)
        self._outcomes.append(passive.PROVEN if held else passive.FAILED)

    def _twice(self, group: int, confirm: bool) -> "Generator[tuple, Any, bool | None]":
        """Run one mechanism; a channel that the chip dropped is rebuilt and the mechanism repeated, once."""
        if not self._pending:
            try:
                return (yield from self._ask(group, confirm))
            except MessagingError as cause:
                yield from self._chip.rebuild(cause)
        elif self._chip.channel is None:
            yield from self._chip.open()
        return (yield from self._ask(group, True))

    def _ask(self, group: int, confirm: bool) -> "Generator[tuple, Any, bool | None]":
        """Run one mechanism. Nothing that the SOD does not list counts: an unsigned DG14, left by a reading before, could name any hash."""
        content = self._reads[group].content
        if group == profile.AA_GROUP:
            from protocol.licence.access import active

            infos = self._reads.get(profile.CA_GROUP)
            if infos is not None and not (
                infos.complete and infos.keep and passive.listed(self._sod, infos.file, infos)
            ):
                infos = None
            return (yield from active.run(self._chip, content, None if infos is None else infos.content))
        from protocol.licence.access import chip_authentication

        return (yield from chip_authentication.run(self._chip, content, confirm))


def _announces(chip: "Chip", group14: "bytes | bytearray", judged: "Judgement") -> bool:
    """Whether an unaltered DG14 holds a key for chip authentication: it may be there for PACE or active authentication alone.

    Notes LIC-246 if it offers PACE that EF.CardAccess, which nobody signed, did not.
    """
    from protocol.licence.access import chip_authentication

    try:
        announced = chip_authentication.announced(group14)
    except (LicenceError, FormatError):
        return True  # what is malformed is for the mechanism to refuse
    try:
        if chip_authentication.hides_pace(group14, chip.offers):
            judged.note("LIC-246")
    except (LicenceError, FormatError):
        pass  # an offer of PACE that nobody can read was hidden from nobody
    return announced
