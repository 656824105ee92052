"""From a profile to a licence card: files encoded, SOD signed, alterations made afterwards."""

import datetime as dt
import functools
import operator
import secrets
from collections.abc import Callable
from typing import Any

from sim.cards.licence import attacks, content, mrz
from sim.cards.licence.card import CARD_ACCESS, Content, LicenceCard, Quirks
from sim.cards.licence.chip import Abilities, Chip
from sim.cards.licence.encoding import biometric, eu
from sim.cards.licence.people import PEOPLE, Person
from sim.cards.licence.pictures import portrait
from sim.cards.licence.proof.keys import ActiveKey, AgreementKey, generate, security_infos
from sim.cards.licence.proof.pace import Offer
from sim.cards.licence.proof.suite import Suite
from sim.cards.tlv import tlv
from sim.pki import Pki, sod

_PORTRAIT_BYTES = 16000
_ATR = bytes.fromhex("8A8001 8073C00040 5454455354")  # capabilities 73: extended length; then "TEST"
_EXTENDED_ATR = b"\x3b" + _ATR + bytes([functools.reduce(operator.xor, _ATR)])


def person_of(profile: dict[str, Any], key: str = "person") -> Person:
    """The holder a profile names."""
    named = profile[key]
    return named if isinstance(named, Person) else PEOPLE[named]


def build(profile: dict[str, Any], pki: Pki, rng: Callable[[int], bytes] = secrets.token_bytes) -> LicenceCard:
    """The card of a profile (see `profiles`). Raises KeyError for names that do not exist, TypeError for unknown quirks."""
    person = person_of(profile)
    abilities = _abilities(profile, pki)
    groups = _groups(profile, person)
    offers = [offer.info() for offer in abilities.pace]
    if abilities.mapping is not None:
        abilities.card_security = _card_security(profile, pki, abilities.mapping, offers)
    groups.update(_key_groups(profile, abilities, offers))
    signed = {number: data for number, data in groups.items() if number not in profile.get("unlisted", ())}
    if "sod_of" in profile:
        signed = _groups(profile, person_of(profile, "sod_of"))
    issued = dt.datetime.strptime(person.issue, "%Y%m%d").replace(tzinfo=dt.UTC)
    signer = pki.signers[profile.get("signer", "dz")]
    security_object = sod.build(signed, signer, issued, **profile.get("sod", {}))
    for number, how in profile.get("alter", {}).items():
        groups[number] = attacks.altered(person, number, groups[number], how)
    for number in profile.get("strip", ()):
        del groups[number]
    files = {**groups, content.COM: content.com(sorted(groups)), content.SOD: security_object}
    files[content.COM] = attacks.unlisted(files[content.COM], profile.get("hide", ()))
    if offers and profile.get("card_access", True):
        files[CARD_ACCESS] = profile.get("card_access_is") or security_infos(*offers)
    for file, how in profile.get("damage", {}).items():
        left = attacks.damaged(files.pop(file), how)
        if left is not None:
            files[file] = left
    return _card(profile, person, files, abilities, rng)


def _card(
    profile: dict[str, Any], person: Person, files: dict[int, bytes], abilities: Abilities, rng: Callable[[int], bytes]
) -> LicenceCard:
    opens = person_of(profile, "mrz") if "mrz" in profile else person
    european = profile.get("encoding") == "eu"
    information = mrz.one_line_information(opens) if european else mrz.information(opens)
    held = Content(files, information, eu.AID) if european else Content(files, information)
    quirks = Quirks(**profile.get("quirks", {}))
    if abilities == Abilities():
        card = LicenceCard(held, quirks, rng)
    else:
        card = Chip(held, quirks, abilities, rng)
    if profile.get("announces_extended"):
        card.atr = _EXTENDED_ATR
    return card


def _groups(profile: dict[str, Any], person: Person) -> dict[int, bytes]:
    size, kind = profile.get("portrait_bytes", _PORTRAIT_BYTES), profile.get("portrait_kind", "jpeg")
    if profile.get("encoding") == "eu":
        return eu.groups(person, size, kind)
    groups = content.groups(person, size, kind)
    if profile.get("rare_groups"):
        groups.update(biometric.rare_groups(portrait(person, 6000)))
    return groups


def _abilities(profile: dict[str, Any], pki: Pki) -> Abilities:
    """Keys and protocols as the profile's "pace", "can", "pace_fault", "active", "agreement" and "bac" say."""
    abilities = Abilities(
        pace=[_offer(text) for text in profile.get("pace", ())],
        can=profile.get("can", ""),
        fault=profile.get("pace_fault", ""),
        knows_pace=profile.get("knows_pace", True),
        bac=profile.get("bac", True),
        atr_info=profile.get("atr_info", b""),
    )
    if "active" in profile:
        abilities.active = _active(pki, **profile["active"])
    if "agreement" in profile:
        abilities.agreement = _agreement(**profile["agreement"])
    if "mapping" in profile:
        abilities.mapping = _agreement(**profile["mapping"])
        abilities.keeps_channel = profile.get("keeps_channel", True)
    return abilities


def _card_security(profile: dict[str, Any], pki: Pki, key: AgreementKey, offers: list[bytes]) -> bytes:
    """EF.CardSecurity with the mapping's key, as "card_security" says: {signer, kind, damage}, or None for none."""
    how = profile.get("card_security", {})
    if how is None:
        return b""
    issued = dt.datetime.strptime(person_of(profile).issue, "%Y%m%d").replace(tzinfo=dt.UTC)
    signer = pki.signers[how.get("signer", profile.get("signer", "dz"))]
    made = sod.card_security(
        security_infos(*offers, *key.infos()), signer, issued, how.get("kind", sod.SECURITY_OBJECT)
    )
    return attacks.damaged(made, how["damage"]) or b"" if "damage" in how else made


def _offer(text: str) -> Offer:
    """ "GM brainpoolP256r1 AES-128" """
    mapping, domain, suite = text.split()
    return Offer(mapping, domain, Suite(suite))


def _active(pki: Pki, key: str, hash: str = "sha256", held: str = "own") -> ActiveKey:  # noqa: A002  a profile's word
    own = pki.chip_key(f"active-{key}", lambda: generate(key))
    chips = {"own": own, "other": pki.chip_key(f"active-{key}-clone", lambda: generate(key)), "none": None}
    return ActiveKey(own.public_key(), chips[held], hash)


def _agreement(
    domain: str = "brainpoolP256r1",
    suite: str = "AES-128",
    key_id: int | None = None,
    standardised: bool = False,
    held: str = "own",
) -> AgreementKey:
    key = AgreementKey(domain, Suite(suite), key_id, standardised)
    key.held = {"own": key.scalar, "other": key.group.random(), "none": 0}[held]
    return key


def _key_groups(profile: dict[str, Any], abilities: Abilities, offers: list[bytes]) -> dict[int, bytes]:
    """DG13 and DG14."""
    made = {}
    infos = [] if profile.get("group14_silent") else list(offers)
    if abilities.active is not None:
        made[13] = abilities.active.group13()
        info = abilities.active.info()
        if info and profile["active"].get("hash", "sha256") != "sha256":
            infos.append(info)
    if abilities.agreement is not None:
        infos.extend(abilities.agreement.infos())
    if infos:
        made[14] = tlv(0x6E, security_infos(*infos))
    return made
