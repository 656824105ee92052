"""Whether the chip is no copy: active and chip authentication, as the SOD announces them (ICAO Doc 9303-11 sections 6.1 and 6.2).

DG13 listed in the SOD announces active authentication, DG14 chip authentication if it holds a key for it. Where one of them
succeeds the chip is proven, where an announced one fails or is missing it is a suspected clone, whatever the other one says. A
mechanism that this terminal cannot run is never counted as held or as failed: the chip then stays unproven.
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
    from protocol.licence.trust.passive import Judgement


def prove(
    chip: "Chip", announced: "list[int]", reads: "dict[int, FileRead]", judged: "Judgement"
) -> "Generator[tuple, Any, str]":
    """Run what is announced (group numbers 13, 14); returns passive.PROVEN, FAILED or UNTESTED and notes findings."""
    outcomes = []
    for group in announced:
        state = reads.get(group)
        failed, missing = ("LIC-240", "LIC-241") if group == profile.AA_GROUP else ("LIC-242", "LIC-243")
        if state is None or not state.complete:
            judged.note(missing)
            outcomes.append(passive.FAILED)
            continue
        if group not in judged.covered:
            outcomes.append(passive.FAILED)  # the key itself was altered; LIC-214 stands already
            continue
        if group == profile.CA_GROUP and not _announces(chip, state.content, judged):
            continue
        try:
            held = yield from _twice(chip, group, reads)
        except UnsupportedError as cause:
            judged.note("LIC-244", cause.detail)
            outcomes.append(passive.UNTESTED)
            continue
        except (LicenceError, FormatError, CryptoError) as cause:
            judged.note(failed, cause.detail if isinstance(cause, MessagingError) else cause.code)
            outcomes.append(passive.FAILED)
            continue
        if not held:
            judged.note(failed)
        outcomes.append(passive.PROVEN if held else passive.FAILED)
    for outcome in (passive.FAILED, passive.PROVEN, passive.UNTESTED):
        if outcome in outcomes:
            return outcome
    return passive.NOT_OFFERED


def _announces(chip: "Chip", group14: "bytes | bytearray", judged: "Judgement") -> bool:
    """Whether an unaltered DG14 holds a key for chip authentication: it may be there for PACE or active authentication alone.

    Notes LIC-246 if it offers PACE that EF.CardAccess, which nobody signed, did not.
    """
    from protocol.licence.access import chip_authentication

    try:
        if chip_authentication.hides_pace(group14, chip.offers):
            judged.note("LIC-246")
        return chip_authentication.announced(group14)
    except (LicenceError, FormatError):
        return True  # what is malformed is for the mechanism to refuse


def _twice(chip: "Chip", group: int, reads: "dict[int, FileRead]") -> "Generator[tuple, Any, bool]":
    """Run one mechanism; a channel that the chip dropped is rebuilt and the mechanism repeated, once."""
    try:
        return (yield from _run(chip, group, reads))
    except MessagingError as cause:
        yield from chip.rebuild(cause)
    return (yield from _run(chip, group, reads))


def _run(chip: "Chip", group: int, reads: "dict[int, FileRead]") -> "Generator[tuple, Any, bool]":
    if group == profile.AA_GROUP:
        from protocol.licence.access import active

        security_infos = reads.get(profile.CA_GROUP)
        extra = security_infos.content if security_infos is not None and security_infos.complete else None
        return (yield from active.run(chip, reads[group].content, extra))
    from protocol.licence.access import chip_authentication

    content = reads[group].content
    if chip.pace_proof is not None:
        return chip_authentication.mapping_holds(chip.crypto, content, chip.pace_proof)
    return (yield from chip_authentication.run(chip, content))
