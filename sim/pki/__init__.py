"""Test authorities: the state that signs licences (CSCA, document signers) and the scheme that certifies payment cards.

Every name says TEST, every key is made at set-up and kept in a given folder with mode 0600. `make_pki(folder)` makes
what is missing, `load_pki(folder)` only reads. Nothing here is or resembles a real authority's key.
"""

from sim.pki.authority import Pki, load_pki, make_pki

__all__ = ["Pki", "load_pki", "make_pki"]
