"""The simulated driving licence: `build(profile, pki)` makes the card, `profiles` has ready-made ones, `people`
their fictional holders.
"""

from sim.cards.licence.build import build
from sim.cards.licence.card import LicenceCard, Quirks
from sim.cards.licence.mrz import mrz_lines
from sim.cards.licence.profiles import PROFILES, profile

__all__ = ["PROFILES", "LicenceCard", "Quirks", "build", "mrz_lines", "profile"]
