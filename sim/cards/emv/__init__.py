"""Simulated contact EMV cards, CIB-like and Edahabia-like, with real cryptograms: `build(profile, pki)`; ready-made
ones in `profiles`.

For the issuer's host (the acquirer's simulator checks with pyemv, which these cards do not use):

  Card keys: Option A from the issuer's master keys `pki.schemes.issuer_of(pan).master_keys` (`.ac`, `.smi`, `.smc`),
  PAN and sequence number (5F34, "01" unless the profile says otherwise). PANs have 16 digits, for which Options A and
  B are the same, so `pyemv.cvn.VisaCVN18(ac, smi, smc, pan, psn)` does it all; or `pyemv.kd.derive_icc_mk_a`,
  `pyemv.kd.derive_common_sk(icc_mk, atc + bytes(6))`, `pyemv.ac.generate_ac(sk, data, PaddingType.EMV, 8)`.
  Cryptogram (TC, ARQC, AAC) over the values, in this order: 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 82 9F36 9F10 (the whole
  9F10); `arqc_input` joins them. CDOL1 asks for 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37 9F35 9F34; CDOL2 for 8A [91] 9F02
  9F03 9F1A 95 5F2A 9A 9C 9F37. 9F10: 06 01 12 03 and three bytes of card verification results, laid out in
  `generate`. Answer (tag 91), 8 bytes: ARPC of method 2 (4 bytes), `VisaCVN18.generate_arpc(arqc, atc, csu)`, then
  the card status update, 4 bytes: 00 80 00 00 = the issuer approves; without that bit the card gives an AAC. 8A is
  the authorisation response code ("00").
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sim.cards.emv.card import EmvCard
from sim.cards.emv.generate import arqc_input
from sim.cards.emv.personalise import SCHEMES, personalise
from sim.cards.emv.profiles import PROFILES, profile
from sim.pki import Pki

__all__ = ["PROFILES", "EmvCard", "arqc_input", "build", "profile"]


def build(
    profile: dict[str, Any],
    pki: Pki,
    state_path: Path | str | None = None,
    rng: Callable[[int], bytes] = secrets.token_bytes,
) -> EmvCard:
    """The card of a profile (see `profiles`). With `state_path`, counters and PIN tries live in that JSON file over
    restarts.
    """
    applications = [personalise(profile, pki, state_path)]
    for at, other in enumerate(profile.get("also", ())):
        path = None if state_path is None else f"{state_path}.{at + 1}"
        applications.append(personalise(other, pki, path))
    t0 = profile.get("t0", SCHEMES[profile["scheme"]]["t0"])
    return EmvCard(applications, profile.get("pse", False), t0, rng)
