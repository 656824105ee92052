"""Set-up of one simulated terminal and its world: keys, secure element, signed parameter sets, people and cards, all made once in one folder.

Everything here is a secret of a demonstration: generated on this machine, mode 0600, git-ignored, never shipped. Real provisioning is the
technician's command; this is the same result in one step.
"""

import hashlib
import hmac
import json
import secrets
import time
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from drivers.contracts import secure_element as slots
from protocol import cbor
from server import certificates
from server import keys as server_keys
from server.sets import sign_set
from sim.acquirer import keys as acquirer_keys
from sim.cards.emv.personalise import number as card_number
from sim.parts.secure_element import SecureElementState
from sim.pki import Pki, make_pki

DEVICE = "TSD-000001"
UNIT = "BSR-16"
WILAYA = 16
FORCE = 1
OFFICER = 1007
SECOND = 1012  # the officer who confirms a void
YEAR = 366 * 86400
FLASH_BYTES = 8 << 20  # a QSPI NOR of 64 Mbit: 60 days of 40 fines (docs/journal.md)
_DATA = Path(__file__).parent / "data"
AUTHORITY = {"ar": "الجمهورية الجزائرية الديمقراطية الشعبية", "fr": "République algérienne démocratique et populaire"}


class Fleet:
    """The folder of one world. `Fleet.make(folder)` sets it up on first use and loads it afterwards."""

    def __init__(self, folder: Path, pki: Pki, people: dict[str, Any]) -> None:
        self.folder = folder
        self.pki = pki
        self.people = people
        self.acquirer_keys = folder / "acquirer"
        self.acquirer_profiles = self.acquirer_keys / "profiles.json"
        self.element_state = folder / "secure-element.json"
        self.server_keys = folder / "server-keys"
        self.tls = folder / "tls"
        self.sets = folder / "sets"

    @classmethod
    def make(cls, folder: Path, now: int | None = None) -> "Fleet":
        """Load the world in `folder`, or make it."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        pki = make_pki(folder / "pki")
        people_file = folder / "people.json"
        if people_file.exists():
            return cls(folder, pki, json.loads(people_file.read_text()))
        people = _people()
        fleet = cls(folder, pki, people)
        fleet._provision(int(time.time()) if now is None else now)
        _write_private(people_file, json.dumps(people, indent=1, ensure_ascii=False))
        return fleet

    # what the processes are told

    def write_server_config(self, acquirer_port: int) -> Path:
        """The server's configuration file for this run, and its certificate, if it is missing or nearly expired."""
        path = self.folder / "server.json"
        certificates.make(self.tls)
        server_keys.make(self.server_keys)  # roles that a world of an earlier release lacks
        office = self.folder / "office.json"
        if not office.exists():
            _write_private(office, "{}")
        config = {
            "keys": self.server_keys.name,
            "sets": self.sets.name,
            "devices": "devices.json",
            "office": office.name,  # nobody, until `tasdid server officer` enters somebody
            "tls": f"{self.tls.name}/server.pem",
            "acquirer": {"host": "127.0.0.1", "port": acquirer_port},
        }
        _write_private(path, json.dumps(config, indent=1))
        return path

    def store(self, runtime: str) -> Path:
        """The terminal's storage for a runtime: a folder, or a flash image with a littlefs volume."""
        return self.folder / ("store" if runtime == "cpython" else "flash.img")

    # making it

    def _provision(self, now: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        secret = {
            slot: secrets.token_bytes(32) for slot in (slots.SLOT_PIN_HMAC, slots.SLOT_TOKEN_HMAC, slots.SLOT_PV_HMAC)
        }
        key_id = bytes.fromhex("5444000001") + secrets.token_bytes(3)
        acquirer_keys.make(self.acquirer_keys)
        _write_private(self.acquirer_profiles, json.dumps(self._issuers_pins()))
        secret[slots.SLOT_DUKPT_IK] = acquirer_keys.load(self.acquirer_keys).initial_key(key_id)
        SecureElementState.create(self.element_state, {slots.SLOT_DEVICE_KEY: key}, secret)
        server = server_keys.make(self.server_keys)
        public = server_keys.point(key.public_key())
        self._write_sets(server, secret[slots.SLOT_PIN_HMAC], now)
        device = {
            "public_key": public.hex(),
            "dukpt_key_id": key_id.hex(),
            "unit": UNIT,
            "force": FORCE,
            "wilaya": WILAYA,
        }
        _write_private(self.folder / "devices.json", json.dumps({DEVICE: device}, indent=1))
        (self.folder / "receipt-keys.json").write_text(json.dumps({DEVICE: public.hex()}))
        identity = {
            "device": DEVICE, "keys": server.publics(), "authority": AUTHORITY, "wilaya": WILAYA, "force": FORCE,
            "place": "RN 5, Rouiba", "ksn_id": key_id,
        }  # fmt: skip
        files = {"device/identity": cbor.encode(identity)}
        for path in sorted(self.sets.glob("*.cose")):
            files[f"params/{path.stem}"] = path.read_bytes()
        self._fill_folder(files)
        self._fill_flash(files)

    def _write_sets(self, server: server_keys.Keys, pin_key: bytes, now: int) -> None:
        bodies = {
            "tariff": tariff_body(),
            "emv": patient(emv_body(self.pki)),
            "trust": {"anchors": self.pki.anchors()},
            "officers": {
                "officers": [self._officer(pin_key, key) for key in ("officer", "second") if key in self.people]
            },
            "limits": LIMITS,
        }
        self.sets.mkdir(exist_ok=True)
        for kind, body in bodies.items():
            signed = sign_set(server, kind, 1, now - 86400, now + YEAR, now, body)
            (self.sets / f"{kind}.cose").write_bytes(signed)

    def _issuers_pins(self) -> dict[str, dict[str, str]]:
        """What the issuers know of their cards, by number."""
        return {
            card_number(self.pki.schemes.issuers[card["scheme"]].bin, card["number"]): {"pin": card["pin"]}
            for card in self.people["cards"]
        }

    def _officer(self, pin_key: bytes, key: str) -> dict[str, Any]:
        number, pin = self.people[key]["number"], self.people[key]["pin"]
        verifier = hmac.digest(pin_key, number.to_bytes(4, "big") + pin.encode(), hashlib.sha256)
        return {"number": number, "role": "officer", "unit": UNIT, "force": FORCE, "verifier": verifier}

    def _fill_folder(self, files: dict[str, bytes]) -> None:
        for name, data in files.items():
            path = self.store("cpython") / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.write_bytes(data)

    def _fill_flash(self, files: dict[str, bytes]) -> None:
        """A littlefs 2.1 volume with the same files, as the factory would program it."""
        from littlefs import LittleFS

        volume = LittleFS(block_size=4096, block_count=FLASH_BYTES // 4096, disk_version=0x00020001)
        for name, data in files.items():
            folder = name.rsplit("/", 1)[0]
            volume.makedirs(folder, exist_ok=True)
            with volume.open(name, "wb") as file:
                file.write(data)
        self.store("micropython").write_bytes(bytes(volume.context.buffer))


LIMITS = {
    "tx_max": 1_000_000,
    "offline_total_max": 10_000_000,
    "offline_count_max": 100,
    "offline_age_max": 3 * 86400,
    "card_offline_max": 1_000_000,
    "officer_offline_max": 5_000_000,
    "pin_attempts": 3,
}


def tariff_body() -> dict[str, Any]:
    """The sample tariff as the body of the signed set "tariff"; amounts in centimes."""
    source = yaml.safe_load((_DATA / "tariff.yaml").read_text())
    lines = []
    for line in source["lines"]:
        degree = source["degrees"].get(line["degree"], {"fine": 0, "points": 10})
        lines.append(
            {
                "code": line["code"], "degree": line["degree"], "amount": degree["fine"] * 100, "points": degree["points"],
                "fr": line["fr"], "ar": line["ar"], "en": line["en"],
                "confirmed": line["confirmed"], "payable": line.get("payable", True),
            }
        )  # fmt: skip
    return {"lines": lines}


def emv_body(pki: Pki) -> dict[str, Any]:
    """The sample set "emv": two test applications, one test CA key, deferral allowed. No real AID, RID or TAC (domain §4).

    With two applications, asking for each is cheaper than reading a directory: no PSE.
    """
    aids = [
        {
            "aid": bytes.fromhex(aid), "label": label, "partial": True, "version": bytes.fromhex("0001"), "floor": floor,
            "tac_denial": bytes.fromhex("1010000000"), "tac_online": bytes.fromhex("FC50A8F800"),
            "tac_default": bytes.fromhex("FC50A8A000"), "capabilities": bytes.fromhex(capabilities),
        }
        for aid, label, floor, capabilities in (
            ("F00000544401", "CIB TEST", 600_000, "20B8C8"),
            ("F00000544402", "EDAHABIA TEST", 200_000, "20F8C8"),  # announces online PIN too
        )
    ]  # fmt: skip
    return {
        "aids": aids,
        "contactless": [contactless_entry(aid, kernel) for aid in aids for kernel in (3, 2)],
        "ca_keys": [pki.schemes.capk()],
        "exceptions": [],
        "deferral": True,
        "deferral_oda": ["cda"],
        "pse": False,
    }


def patient(body: dict[str, Any]) -> dict[str, Any]:
    """The set for a world in real time: relay resistance grants a second, since its exchanges take as long as this machine's processes
    let them; a card behind a real antenna gets five milliseconds.
    """
    second = {"rrp": {"max_grace": 10_000}}
    return {**body, "contactless": [{**entry, **second} for entry in body["contactless"]]}


def contactless_entry(aid: dict[str, Any], kernel: int) -> dict[str, Any]:
    """A sample combination, taken below 10,000 DA: offline up to the contact floor limit; the holder verified from 6,000 DA (CIB-like) or 3,000 DA
    (Edahabia-like). No scheme's figures (domain §4).
    """
    verified = 600_000 if aid["label"].startswith("CIB") else 300_000
    entry = {**aid, "kernel": kernel, "limit": 1_000_000, "cvm_limit": verified, "offline": True}
    if (
        kernel == 2
    ):  # byte 5: a card that is too slow three times is refused, one out of proportion is not approved offline
        entry["tac_denial"] = aid["tac_denial"][:4] + b"\x04"
        for name in ("tac_online", "tac_default"):
            entry[name] = aid[name][:4] + b"\x0c"
    return entry


def _people() -> dict[str, Any]:
    """Two officers, four drivers, three bank cards. Invented people; PINs drawn anew for each world."""
    source = yaml.safe_load((_DATA / "people.yaml").read_text())
    people: dict[str, Any] = {
        "officer": {"number": OFFICER, "pin": _digits(4)},
        "second": {"number": SECOND, "pin": _digits(4)},  # whose badge a void needs
        "drivers": source["drivers"],
        "cards": source["cards"],
    }
    for card in people["cards"]:
        card["pin"] = _digits(4)
    return people


def _digits(count: int) -> str:
    return "".join(str(secrets.randbelow(10)) for _ in range(count))


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
