"""The cards at hand: drivers' licences (with the plates of their cars) and bank cards, and what a person may know of each.

Licences are built anew each time they are presented; bank cards live as long as the world, their counters and PIN tries in
files, so that a card blocked today is blocked tomorrow.
"""

from pathlib import Path
from typing import Any

from sim.cards import licence
from sim.cards.base import Card
from sim.cards.emv import contactless
from sim.cards.emv.application import PIN_TRIES
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki
from sim.web.errors import ActionError

LICENCE, PAYMENT, TAP = "licence", "payment", "tap"
ODD = (
    ("expired", "0140510923"),
    ("altered", "0453412016"),
    ("unknown-issuer", "0277810915"),
    ("wrong-mrz", "0012311916"),
)
"""Licences with something wrong (names of sim.cards.licence.PROFILES), and a plate to go with each."""


class Wallet:
    """`people` is the world's list of drivers and bank cards; `folder` keeps the bank cards' memories."""

    def __init__(self, people: dict[str, Any], pki: Pki, folder: Path) -> None:
        folder.mkdir(exist_ok=True, mode=0o700)
        self.pki = pki
        self.officer = people["officer"]
        self.plates = {driver["key"]: driver["plate"] for driver in people["drivers"]} | dict(ODD)
        self.bank = {card["key"]: card for card in people["cards"]}
        both = {
            key: contactless.dual(card, pki, folder / f"{card['scheme']}-{card['number']}.json")
            for key, card in self.bank.items()
        }
        self._built = {key: sides[0] for key, sides in both.items()}
        self._air = {key: sides[1] for key, sides in both.items()}

    def kind(self, key: str) -> str:
        """LICENCE or PAYMENT. ActionError SIM-002."""
        if key in self.plates:
            return LICENCE
        if key in self.bank:
            return PAYMENT
        raise ActionError("there is no such card", "SIM-002", detail=key)

    def card(self, key: str, slot: str = "") -> Card:
        """The card to put on a reader: bank cards have two sides, their antenna's for TAP. ActionError SIM-002."""
        if self.kind(key) == PAYMENT:
            return self._air[key] if slot == TAP else self._built[key]
        return licence.build(licence.profile(key), self.pki)

    def mrz(self, key: str) -> str:
        """The three printed lines of a licence, joined by line feeds. ActionError SIM-002."""
        if self.kind(key) != LICENCE:
            raise ActionError("a bank card has no machine-readable zone", "SIM-002", detail=key)
        return licence.mrz_lines(PEOPLE[licence.profile(key)["person"]])

    def pin_tries(self) -> dict[str, int]:
        """How many PIN tries each bank card has left."""
        return {key: card.application.state["pin_tries"] for key, card in self._built.items()}

    def unblock(self, key: str) -> None:
        """What the holder's bank does at its counter: all PIN tries again. ActionError SIM-002."""
        if self.kind(key) != PAYMENT:
            raise ActionError("only a bank card has PIN tries", "SIM-002", detail=key)
        self._built[key].application.state.update(pin_tries=PIN_TRIES)

    def describe(self) -> dict[str, Any]:
        """Everything a person sees on the table: the officer's note, licences, plates, bank cards with their PINs."""
        return {
            "officer": {"number": self.officer["number"], "pin": self.officer["pin"]},
            "licences": [self._licence(key) for key in self.plates],
            "cards": [
                {
                    "key": key,
                    "scheme": card["scheme"],
                    "risk": card["risk"],
                    "pin": card["pin"],
                    "label": self._built[key].application.label,
                }
                for key, card in self.bank.items()
            ],
        }

    def _licence(self, key: str) -> dict[str, Any]:
        person = PEOPLE[licence.profile(key)["person"]]
        lines = self.mrz(key).split("\n")
        return {
            "key": key,
            "odd": key in dict(ODD),
            "name": f"{person.surname} {person.given_names}",
            "name_ar": f"{person.surname_ar} {person.given_names_ar}",
            "sex": person.sex,
            "number": person.number,
            "categories": [category[0] for category in person.categories],
            "expiry": person.expiry,
            "mrz": lines,
            "typed": {"number": lines[0][6:14] + lines[0][14], "birth": lines[1][:7], "expiry": lines[1][8:15]},
            "plate": self.plates[key],
        }
