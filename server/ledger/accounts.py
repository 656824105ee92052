"""Accounts of the ledger and the legs of each kind of posting.

Debit is positive, credit negative; the legs of a posting add up to zero. Accounts are texts, `kind:part:part…`:

    receivable:<scheme>                     what the acquirer owes for approved payments
    treasury:<wilaya>:<force>:<unit>        fines collected for the Treasury (credit)
    provisional:<scheme>                    payments whose authorisation is awaited (suspense)
    awaited:<wilaya>:<force>:<unit>         their other side (suspense, credit)
    missing:<device>                        approved payments whose records are lost for good
    suspense:<wilaya>:<force>:<unit>        their other side, until a person has found out (credit)

Pure functions: nothing here knows the database.
"""

from functools import lru_cache
from typing import NamedTuple

from protocol import records as r

Leg = tuple[str, int]


class Place(NamedTuple):
    """Whom a payment belongs to."""

    scheme: str
    wilaya: int
    force: int
    unit: str


@lru_cache(maxsize=4096)
def receivable(place: Place) -> str:
    """The acquirer's debt, by card scheme."""
    return f"receivable:{place.scheme or '?'}"


@lru_cache(maxsize=4096)
def treasury(place: Place) -> str:
    """The Treasury's income, by wilaya, force and unit."""
    return f"treasury:{place.wilaya}:{place.force}:{place.unit}"


@lru_cache(maxsize=4096)
def provisional(place: Place) -> str:
    """Awaited authorisations, by card scheme."""
    return f"provisional:{place.scheme or '?'}"


@lru_cache(maxsize=4096)
def awaited(place: Place) -> str:
    """The other side of awaited authorisations, by wilaya, force and unit."""
    return f"awaited:{place.wilaya}:{place.force}:{place.unit}"


def gap_legs(device: str, place: Place, amount: int) -> list[Leg]:
    """What lost records post, by the running totals on both sides of them: all of it in suspense."""
    owner = f"{place.wilaya}:{place.force}:{place.unit}"
    return [(f"missing:{device}", amount), (f"suspense:{owner}", -amount)] if amount else []


def decided_legs(device: str, place: Place, collected: int, untaken: int) -> list[Leg]:
    """What a decision about suspense posts: `collected` centimes of it are income, `untaken` were never owed."""
    return opposite(gap_legs(device, place, collected + untaken)) + (
        outcome_legs(place, r.OUTCOME_APPROVED, collected) if collected else []
    )


def outcome_legs(place: Place, outcome: int, amount: int) -> list[Leg]:
    """What a payment outcome posts: money, suspense, or nothing."""
    if outcome == r.OUTCOME_APPROVED:
        return [(receivable(place), amount), (treasury(place), -amount)]
    if outcome == r.OUTCOME_PROVISIONAL:
        return [(provisional(place), amount), (awaited(place), -amount)]
    return []


def final_legs(place: Place, outcome: int, amount: int) -> list[Leg]:
    """What the final result of a provisional payment posts: out of suspense, and into income if approved."""
    legs = [(provisional(place), -amount), (awaited(place), amount)]
    if outcome == r.OUTCOME_APPROVED:
        legs += [(receivable(place), amount), (treasury(place), -amount)]
    return legs


def opposite(legs: list[Leg]) -> list[Leg]:
    """The entries that undo `legs`."""
    return [(account, -amount) for account, amount in legs]
