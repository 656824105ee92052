"""From a profile to a licence card: files encoded, SOD signed, alterations made afterwards."""

import dataclasses
import datetime as dt
import secrets
from collections.abc import Callable
from typing import Any

from sim.cards.licence import content, mrz
from sim.cards.licence.card import Content, LicenceCard, Quirks
from sim.cards.licence.people import PEOPLE, Person
from sim.pki import Pki, sod

_PORTRAIT_BYTES = 16000


def person_of(profile: dict[str, Any], key: str = "person") -> Person:
    """The holder a profile names."""
    named = profile[key]
    return named if isinstance(named, Person) else PEOPLE[named]


def build(profile: dict[str, Any], pki: Pki, rng: Callable[[int], bytes] = secrets.token_bytes) -> LicenceCard:
    """The card of a profile (see `profiles`). Raises KeyError for names that do not exist, TypeError for unknown quirks."""
    person = person_of(profile)
    groups = content.groups(person, profile.get("portrait_bytes", _PORTRAIT_BYTES))
    signed = {number: data for number, data in groups.items() if number not in profile.get("unlisted", ())}
    if "sod_of" in profile:
        signed = content.groups(person_of(profile, "sod_of"), profile.get("portrait_bytes", _PORTRAIT_BYTES))
    issued = dt.datetime.strptime(person.issue, "%Y%m%d").replace(tzinfo=dt.UTC)
    security_object = sod.build(signed, pki.signers[profile.get("signer", "dz")], issued)
    for number, how in profile.get("alter", {}).items():
        groups[number] = _altered(person, number, groups[number], how)
    files = {**groups, content.COM: content.com(sorted(groups)), content.SOD: security_object}
    opens = person_of(profile, "mrz") if "mrz" in profile else person
    return LicenceCard(Content(files, mrz.information(opens)), Quirks(**profile.get("quirks", {})), rng)


def _altered(person: Person, number: int, data: bytes, how: str) -> bytes:
    """A group as a forger leaves it."""
    if how == "category" and number == 1:
        more = (*person.categories, ("D", person.issue, person.expiry))
        return content.dg1(dataclasses.replace(person, categories=more))
    if how == "bit":
        return data[:-1] + bytes([data[-1] ^ 1])
    raise KeyError(f"cannot alter group {number} by {how}")
