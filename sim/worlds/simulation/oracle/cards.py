"""Whose card is charged: what the host captures, held against what the person was shown who had held out that very card.

A payment is (device, epoch, intent), and of a terminal and its copy two persons may each pay under one such identity with a card of their own; so
the sums of `sums`, which go by identity, say nothing of who pays. Here a card is what was in the reader, by its name in the stories: no record, and
none of what the server says, is asked. What was shown with it stays known where a terminal's records are destroyed later.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from protocol import records as r
from sim.acquirer.book import APPROVED, Book
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.verdicts.notebook import Identity

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

_VOIDED = 0
_PAYS = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)
_WORDS = {
    _VOIDED: "voided",
    r.OUTCOME_APPROVED: "approved",
    r.OUTCOME_PROVISIONAL: "deferred",
    r.OUTCOME_DECLINED: "declined",
    r.OUTCOME_INTERRUPTED: "interrupted",
}


class Told(NamedTuple):
    """What a person was shown, on which terminal or copy, of a payment with his card."""

    label: str
    payment: Identity
    card: str
    outcome: int
    amount: int


class Cards:
    """What one simulation's persons were shown, by card."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, int, int], str] = {}  # card by (label, epoch, intent)
        self._told: dict[tuple[str, int, int], Told] = {}  # by (label, epoch, seq) of the outcome

    def shown(self, device: "Device") -> None:
        """Any screen: which card was held out for the payment that is going on. A copy that finds a payment begun ends it without a card: its driver
        stands at the other terminal, and what the copy shows is no word to him.
        """
        journal = getattr(device.terminal, "journal", None)
        case = None if journal is None else journal.view.case
        if journal is not None and case is not None and case.intent:
            self._held.setdefault((device.label, journal.epoch, case.intent), device.presented)

    def told(self, device: "Device", record: dict[int, Any]) -> None:
        """A person is shown this outcome record's payment."""
        intent, epoch = record[r.INTENT], record[r.EPOCH]
        # one that began in an epoch that is over has that one's identity
        begun = next((one for one in range(epoch, 0, -1) if (device.label, one, intent) in self._held), epoch)
        card = self._held.setdefault((device.label, begun, intent), device.presented)
        payment = (device_name(device.index), begun, intent)
        said = Told(device.label, payment, card, record[r.OUTCOME], record[r.AMOUNT])
        self._told.setdefault((device.label, epoch, record[r.SEQ]), said)

    def voided(self, device: "Device", intent: int) -> None:
        """A person is shown that his payment is voided: of a payment from before the copying, whichever of the two terminals took it."""
        name = device_name(device.index)
        found = {key: one for key, one in self._told.items() if (one.payment[0], one.payment[2]) == (name, intent)}
        own = {key: one for key, one in found.items() if one.label == device.label}
        for key, one in (own or found).items():
            self._told[key] = one._replace(outcome=_VOIDED)

    def problems(self, book: Book) -> Iterator[str]:
        """No card is captured for more than what the person who held it out was shown as paid or deferred of that payment: so nothing of one who was
        shown *declined* or *interrupted* and nothing else, nor of one who was not there.
        """
        charged: dict[tuple[Identity, str], int] = {}
        for capture in book.captures():
            key = (capture.identity, factory().labels.get(capture.card, "unknown"))
            charged[key] = charged.get(key, 0) + capture.amount
        for (payment, card), amount in sorted(charged.items()):
            mine = [one for one in self._told.values() if (one.payment, one.card) == (payment, card)]
            if amount > sum(one.amount for one in mine if one.outcome in _PAYS):
                yield f"payment {payment}: card {card} is charged {amount} centimes, and its driver was shown {self._words(mine)}"

    @staticmethod
    def mixed(book: Book) -> Iterator[str]:
        """What an issuer has approved and the host has cleared is of one card: nobody pays by the approval that another card was given. Where the
        money is given back, both cards are free.
        """
        labels = factory().labels
        for entry in book.entries.values():
            approved = entry.authorised in APPROVED and entry.captured == "00" and not entry.reversed
            if approved and entry.captured_for != entry.authorised_for:
                asked, pays = (labels.get(card, "unknown") for card in (entry.authorised_for, entry.captured_for))
                yield f"payment {entry.identity}: the issuer of card {asked} approved it, and card {pays} is captured for it"

    @staticmethod
    def _words(mine: list[Told]) -> str:
        """What was shown, and where."""
        said = [f"{one.amount} {_WORDS[one.outcome]} by {one.label}" for one in mine]
        return ", ".join(said) or "nothing"
