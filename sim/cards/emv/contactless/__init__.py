"""Simulated contactless payment cards: a directory (PPSE) and applications of the two widespread kernel families, with real cryptograms.

    card = build(profile, pki)                    # contactless only
    contact, card = dual(profile, pki, path)      # one card with two interfaces: one number, one transaction counter, one memory

A profile is that of a contact card (`sim.cards.emv.profiles`) with what these add; "kernel" is 2 or 3:

    {"kernel": 3,
     "tap": "approve"  TC where the terminal lets it | "online"  always an ARQC | "decline"  AAC
     "verify": "pin" (wishes an online PIN where the holder must be verified) | "signature" | "device" | "none"
     "phone": bool   a phone that is locked: where the holder must be verified it answers 6986 once, then it is unlocked
     "switch": bool  6984: another interface
     "wish": "switch" | "online"  what the card wants if its signature does not hold or it is expired
     "fault": "bad-signature" | "replayed" (signs over another terminal's number) | "stripped" (no signature) |
              "qualifiers" (somebody on the air says that the device verified the holder) | "tc-anyway" (gives a TC whatever was asked)}

and for kernel 2, whose CVM list says what "verify" says:

     "relay": {"low": 10, "high": 20, "estimate": 24, "takes": 12} | None   units of 100 microseconds; None: no relay resistance
     "recovery": bool (True)     gives the answer to a torn GENERATE AC again
     "aac_signed": bool (False)  signs an AAC too
     "fault": "bad-signature" | "slow" (a relay: 5 ms more) | "fast" | "other-entropy" (what is signed is not what was exchanged) |
              "other-recovery" (another cryptogram under the old signature) | "upgrade" (a TC whatever was asked)

`profiles` has ready-made ones by name. The issuer's host checks their cryptograms like those of contact cards (`sim.cards.emv`): the same data
in the same order, with the terminal's TVR as the PDOL (kernel 3) or CDOL1 (kernel 2) gave it.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.cards.emv.application import Application
from sim.cards.emv.card import EmvCard
from sim.cards.emv.contactless.c2 import Kernel2Application
from sim.cards.emv.contactless.c3 import Kernel3Application
from sim.cards.emv.contactless.card import ContactlessCard
from sim.cards.emv.contactless.profiles import PROFILES, profile
from sim.cards.emv.personalise import SCHEMES, personalise
from sim.pki import Pki

__all__ = ["PROFILES", "ContactlessCard", "Kernel2Application", "Kernel3Application", "build", "dual", "profile"]

Random = Callable[[int], bytes]


def build(
    profile: dict[str, Any], pki: Pki, state_path: Path | str | None = None, rng: Random = secrets.token_bytes
) -> ContactlessCard:
    """The contactless card of a profile."""
    return _over(profile, pki, personalise(profile, pki, state_path), rng)


def dual(
    profile: dict[str, Any], pki: Pki, state_path: Path | str | None = None, rng: Random = secrets.token_bytes
) -> tuple[EmvCard, ContactlessCard]:
    """(contact side, contactless side) of one card: both count in the same memory. Put only one of them on a reader at a time."""
    application = personalise(profile, pki, state_path)
    t0 = profile.get("t0", SCHEMES[profile["scheme"]]["t0"])
    return EmvCard([application], profile.get("pse", False), t0, rng), _over(profile, pki, application, rng)


def _over(profile: dict[str, Any], pki: Pki, application: Application, rng: Random) -> ContactlessCard:
    kernel = Kernel2Application if profile.get("kernel", 3) == 2 else Kernel3Application
    return ContactlessCard([kernel(application, profile, pki, rng)])
