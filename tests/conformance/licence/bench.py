"""The bench of the licence's conformance tests: a chip of a profile, the reader's machine, and what went between them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from protocol.crypto.native import NativeCrypto
from protocol.errors import CardRemovedError, TasdidError
from protocol.licence import mrz
from protocol.licence.mrz import Mrz
from protocol.licence.reader import LicenceReading, Resume, read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki
from sim.pki.states import AUTHORITIES
from tests.sim.pki import made

TODAY = "20250611"
TRUSTED = ("csca", "csca-foreign", "csca-rsa", "csca-pss", "csca-brainpool", "csca-retired")
GROUPS = (1, 4, 11)


def pki() -> Pki:
    """The session's test authorities."""
    return made.shared()


@cache
def trust() -> TrustSet:
    """All authorities that a terminal knows, each bound to its country; the impostor and the unknown one are not among them."""
    assert set(TRUSTED) < set(AUTHORITIES)
    return TrustSet(pki().anchors(*TRUSTED))


@dataclass
class Outcome:
    """What one reading came to: `reading`, or `error`; `commands` and `answers` as they went over; `progress` as told."""

    reading: LicenceReading | None = None
    error: TasdidError | None = None
    commands: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    progress: list[tuple[str, int, int]] = field(default_factory=list)

    @property
    def code(self) -> str:
        """The error's code, "" if there was none."""
        return self.error.code if self.error is not None else ""

    @property
    def torn(self) -> bool:
        """Whether the last command has no answer."""
        return len(self.commands) > len(self.answers)

    @property
    def done(self) -> LicenceReading:
        """The reading; raises the error if it came to one."""
        if self.error is not None:
            raise self.error
        assert self.reading is not None
        return self.reading

    def summary(self) -> tuple[Any, ...]:
        """(error or verdict, findings, altered, access, chip), for tables."""
        if self.reading is None:
            return (self.code,)
        got = self.reading
        return got.verdict, sorted(got.findings), got.altered_groups, got.access, got.chip


def chip_of(given: "str | dict[str, Any]") -> Any:
    """The chip of a profile, or of a profile's name."""
    return build(profile(given) if isinstance(given, str) else given, pki())


def print_of(given: "str | dict[str, Any]") -> Mrz:
    """What is printed on the card of a profile: its CAN if it has one and no basic access, else its MRZ."""
    named = profile(given) if isinstance(given, str) else given
    if named.get("can") and not named.get("bac", True):
        return mrz.from_can(named["can"])
    person = named["person"]
    return mrz.parse(mrz_lines(PEOPLE[person] if isinstance(person, str) else person))


def read(given: "str | dict[str, Any]", chip: Any = None, **options: Any) -> Outcome:
    """Read the chip of a profile (or another `chip` with that profile's print). `pull_at`: the card is gone at that command."""
    pull_at = options.pop("pull_at", 0)
    card = chip_of(given) if chip is None else chip
    return drive(machine(given, **options), card.respond, pull_at)


def machine(given: "str | dict[str, Any]", **options: Any) -> Any:
    """The reader's machine for the print of a profile."""
    return read_licence(
        options.pop("crypto", None) or NativeCrypto(),
        options.pop("printed", None) or print_of(given),
        options.pop("rnd", secrets.token_bytes),
        options.pop("trust", None) or trust(),
        options.pop("today", TODAY),
        options.pop("groups", GROUPS),
        **options,
    )


def drive(
    steps: Any,
    respond: Callable[[bytes], bytes],
    pull_at: int = 0,
    curves: "Callable[[tuple[Any, ...]], Any] | None" = None,
) -> Outcome:
    """Step a machine to its end; coded errors become the outcome, everything else gets out. `curves` answers its requests for
    elliptic-curve work."""
    outcome, answer = Outcome(), None
    try:
        while True:
            request = steps.send(answer)
            answer = None
            if request[0] == "progress":
                outcome.progress.append(request[1:])
                continue
            if request[0] != "apdu":
                answer = curves(request) if curves is not None else None
                continue
            outcome.commands.append(request[1])
            if len(outcome.commands) == pull_at:
                steps.throw(CardRemovedError("the card left"))
                raise AssertionError("the machine kept the error")
            answer = respond(request[1])
            outcome.answers.append(answer)
    except StopIteration as end:
        outcome.reading = end.value
    except TasdidError as error:
        outcome.error = error
    return outcome


def basic_access(outcome: Outcome) -> list[bytes]:
    """The commands of BAC among those sent: GET CHALLENGE and EXTERNAL AUTHENTICATE in clear."""
    return [command for command in outcome.commands if command[0] == 0 and command[1] in (0x84, 0x82)]


__all__ = [
    "GROUPS",
    "TODAY",
    "Outcome",
    "Resume",
    "basic_access",
    "chip_of",
    "drive",
    "machine",
    "pki",
    "print_of",
    "profile",
    "read",
    "trust",
]
