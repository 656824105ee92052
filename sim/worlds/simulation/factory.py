"""What every simulation shares and only reads: keys, certificates, signed sets, cards, an empty database. Made once a
process, in memory.

Keys of devices and of the server follow from fixed numbers; those of the card schemes are made anew, which no story
depends on.
"""

import copy
import dataclasses
import hashlib
import hmac
import random
import tempfile
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine

from drivers.contracts import secure_element as slots
from protocol import cbor
from server import keys as server_keys
from server.sets import Shelf, SignedSet, check, sign_set
from server.store import devices
from server.store.engine import open_engine
from sim.acquirer.book import card_digest
from sim.acquirer.keys import ISSUER_BINS, HostKeys
from sim.cards import emv, licence
from sim.cards.emv import contactless
from sim.cards.emv.application import State
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki
from sim.worlds.fleet import AUTHORITY, FORCE, LIMITS, OFFICER, SECOND, WILAYA, emv_body, tariff_body
from sim.worlds.simulation import remembered
from sim.worlds.simulation.draws import ahead
from sim.worlds.simulation.schedule import START_UTC

MOST_DEVICES = 6
PIN = "4711"
UNIT = "BSR-16"
YEAR = 366 * 86400
DRIVERS = ("amina", "karim")
PROFILES: dict[str, dict[str, Any]] = {
    "approves-1": {"scheme": "cib", "number": 11, "risk": "approve"},
    "approves-2": {"scheme": "cib", "number": 12, "risk": "approve"},
    "asks-1": {"scheme": "edahabia", "number": 22, "risk": "online"},
    "asks-2": {"scheme": "edahabia", "number": 23, "risk": "online"},
    "asks-poor": {"scheme": "edahabia", "number": 24, "risk": "online"},
    "declines": {"scheme": "cib", "number": 33, "risk": "decline"},
}
CARDS = tuple(PROFILES)
SIGNING: dict[str, dict[str, Any]] = {
    "signs-1": {"scheme": "cib", "number": 14, "risk": "approve", "cvm": "1E00"},
    "signs-2": {"scheme": "edahabia", "number": 25, "risk": "online", "cvm": "1E00"},
}
"""Cards whose holders sign instead, tapped or not; they take another card's place."""
ALONE: dict[str, dict[str, Any]] = {
    "alone-1": {"scheme": "cib", "number": 15, "risk": "online", "after_unable": "approve"}
}
"""A card that asks its issuer, and approves by itself, up to the floor limit, where the issuer is not reached; takes another card's place too."""
KERNELS = {"approves-1": 3, "approves-2": 2, "asks-1": 2, "asks-2": 3, "asks-poor": 3, "declines": 2}
"""Which family each card belongs to over the air; the one that declines wants to be inserted first, asks-1 is a telephone."""
POOR = "asks-poor"


def device_name(index: int) -> str:
    """The device's id."""
    return f"TSD-{index + 1:06d}"


def key_id(index: int) -> bytes:
    """The device's DUKPT initial key id."""
    return bytes.fromhex("5444000001") + (index + 1).to_bytes(3, "big")


def _private(label: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha512(label.encode()).digest(), "big")
    return ec.derive_private_key(number % (2**255) + 1, ec.SECP256R1())


def _server_key(role: str) -> Any:
    return remembered.Signer(_private(f"server {role}"))


class Factory:
    """Use `factory()`."""

    def __init__(self) -> None:
        with tempfile.TemporaryDirectory(prefix="tasdid-simulation-") as folder:
            self.pki: Pki = make_pki(Path(folder))
            self._cards: dict[str, emv.EmvCard] = {}
            self._air: dict[str, Any] = {}
            for name, profile in PROFILES.items():
                self.issue(name, profile, KERNELS[name], "device" if name == "asks-1" else "pin")
            for kernel, (name, profile) in enumerate(SIGNING.items(), 2):
                self.issue(name, profile, kernel, "signature")
            for name, profile in ALONE.items():
                self.issue(name, profile, 3)
            self._licences = {name: licence.build({"person": name, "portrait_bytes": 64}, self.pki) for name in DRIVERS}
        self.server = server_keys.Keys({role: _server_key(role) for role in server_keys.ROLES})
        self.devices = [_private(f"device {index}") for index in range(MOST_DEVICES)]
        self._secret = {slot: hashlib.sha256(b"slot%d" % slot).digest() for slot in (4, 5, 6)}
        masters = {bin_: self.pki.schemes.issuers[name].master_keys.ac for bin_, name in ISSUER_BINS.items()}
        self.host = HostKeys(hashlib.sha256(b"base derivation key").digest()[:16], masters)
        self.sets = {kind: self.signed(kind, 1, body) for kind, body in self.bodies().items()}

    def bodies(self) -> dict[str, dict[str, Any]]:
        """The bodies of the five sets."""
        return {
            "tariff": tariff_body(),
            "emv": emv_body(self.pki),
            "trust": {"anchors": self.pki.anchors()},
            "officers": {"officers": [self._officer(number) for number in (OFFICER, SECOND)]},
            "limits": LIMITS,
        }

    def _officer(self, number: int, version: int = 1) -> dict[str, Any]:
        key = self._secret[slots.SLOT_PIN_HMAC]
        verifier = hmac.digest(key, number.to_bytes(4, "big") + PIN.encode(), hashlib.sha256)
        unit = ahead.unit(version, UNIT)
        return {"number": number, "role": "officer", "unit": unit, "force": FORCE, "verifier": verifier}

    def signed(self, kind: str, version: int, body: dict[str, Any]) -> bytes:
        """A signed set, valid for years around the simulation's time."""
        return sign_set(self.server, kind, version, START_UTC - 20 * YEAR, START_UTC + 60 * YEAR, START_UTC, body)

    @lru_cache(maxsize=8)  # noqa: B019  there is one factory, and it lives as long as the process
    def newer(self, version: int) -> SignedSet:
        """A later version of the set "limits"."""
        return check(self.server, self.signed("limits", version, dict(LIMITS)))

    @lru_cache(maxsize=32)  # noqa: B019
    def dated(self, kind: str, version: int, start: int) -> SignedSet:
        """A later version of the tariff, or of the list of officers, in force from `start` (seconds UTC) on."""
        if kind == "tariff":
            dearer = ahead.STEP * (version - 1)
            body: dict[str, Any] = {
                "lines": [{**one, "amount": one["amount"] + dearer} if one["payable"] else one for one in self._lines]
            }
        else:
            body = {"officers": [self._officer(number, version) for number in (OFFICER, SECOND)]}
        return check(self.server, sign_set(self.server, kind, version, start, START_UTC + 60 * YEAR, START_UTC, body))

    @cached_property
    def _lines(self) -> list[dict[str, Any]]:
        return tariff_body()["lines"]

    def shelf(self, versions: list[int], dated: list[SignedSet]) -> Shelf:
        """What the server hands out."""
        return Shelf([*(self.newer(version) for version in versions), *dated])

    def secrets(self, index: int) -> dict[int, bytes]:
        """What is in a device's secure element beside its private key."""
        return {**self._secret, slots.SLOT_DUKPT_IK: self.host.initial_key(key_id(index))}

    def files(self, index: int) -> dict[str, bytes]:
        """What provisioning left in a device's storage."""
        identity = {
            "device": device_name(index), "keys": self.publics, "authority": AUTHORITY, "wilaya": WILAYA,
            "force": FORCE, "place": "RN 5, Rouiba", "ksn_id": key_id(index),
        }  # fmt: skip
        return {
            "device/identity": cbor.encode(identity),
            **{f"params/{kind}": blob for kind, blob in self.sets.items()},
        }

    @cached_property
    def publics(self) -> dict[str, bytes]:
        """The server's public keys by role."""
        return self.server.publics()

    def card(self, name: str, rng: random.Random) -> emv.EmvCard:
        """A payment card as it left the personalisation."""
        made = self._cards[name]
        applications = [dataclasses.replace(app, state=State(), extra={}) for app in made.applications]
        return emv.EmvCard(applications, made.pse, made.t0, rng.randbytes)

    def issue(self, name: str, profile: dict[str, Any], kernel: int, verify: str = "pin") -> None:
        """Personalise one more payment card, with contacts and an antenna of this kernel."""
        self._cards[name] = emv.build(profile, self.pki)
        tapped = {**profile, "kernel": kernel, "tap": profile["risk"], "verify": verify}
        self._air[name] = contactless.build(tapped, self.pki).application

    def used(self, name: str, times: int) -> None:
        """A card that has been used so often, the last time with its issuer."""
        self._cards[name].application.state.update(atc=times, last_online_atc=times)

    def on_air(self, name: str, contact: emv.EmvCard, rng: random.Random) -> contactless.ContactlessCard:
        """The antenna of a card: it counts in the same memory as its contacts."""
        made, memory = copy.copy(self._air[name]), contact.application
        made.app = dataclasses.replace(made.app, state=memory.state, extra=memory.extra)
        made.state, made.issued, made._rng = memory.state, [], rng.randbytes
        return contactless.ContactlessCard([made])

    def licence(self, name: str, rng: random.Random) -> Any:
        """A driver's licence."""
        card = copy.copy(self._licences[name])
        card.rng = rng.randbytes
        return card

    def scan(self, name: str) -> str:
        """What the scanner reads on the licence's back."""
        return licence.mrz_lines(PEOPLE[name])

    def pan(self, name: str) -> str:
        """A card's number, for the host's profile of it."""
        return self._cards[name].application.pan

    def face(self, name: str) -> tuple[str, str]:
        """What stands on a card: its scheme's label, and the last four digits of its number."""
        application = self._cards[name].application
        return application.label, application.pan[-4:]

    @property
    def labels(self) -> dict[str, str]:
        """A card's name in the stories, by what the host knows of its number (`card_digest`)."""
        return {card_digest(card.application.pan): name for name, card in self._cards.items()}

    @cached_property
    def pins(self) -> dict[str, str]:
        """What the issuers know: PIN by number."""
        return {card.application.pan: card.application.pin for card in self._cards.values()}

    @cached_property
    def engine(self) -> Engine:
        """The one SQLite database in memory; `blank` is what it holds at the beginning of each simulation."""
        return open_engine("sqlite://")

    @cached_property
    def blank(self) -> bytes:
        """An empty, migrated database with the devices entered."""
        with self.engine.begin() as connection:
            for index, key in enumerate(self.devices):
                entry = {
                    "public_key": server_keys.point(key.public_key()).hex(), "dukpt_key_id": key_id(index).hex(),
                    "unit": UNIT, "force": FORCE, "wilaya": WILAYA,
                }  # fmt: skip
                devices.register(connection, devices.parse(device_name(index), entry), START_UTC - YEAR)
        return self.dump()

    @cached_property
    def _driver(self) -> Any:
        """The database's one connection."""
        return self.engine.raw_connection().driver_connection

    def look(self, question: str, *values: Any) -> Any:
        """One value by plain SQL, past the server's code."""
        row = self._driver.execute(question, values).fetchone()
        return None if row is None else row[0]

    def records(self, kind: int) -> list[dict[int, Any]]:
        """The records of a kind that the server holds."""
        rows = self._driver.execute("SELECT record FROM raw WHERE kind = ?", (kind,)).fetchall()
        return [cbor.decode(row[0]) for row in rows]

    def dump(self) -> bytes:
        """A backup of the database as it is now."""
        return self._driver.serialize()

    def load(self, image: bytes) -> None:
        """Put a backup in the database's place."""
        self._driver.deserialize(image)


@lru_cache(maxsize=1)
def factory() -> Factory:
    """The process's factory."""
    return Factory()
