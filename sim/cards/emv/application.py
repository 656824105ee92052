"""One payment application on a card: what is fixed (records, keys, data object lists) and what stays between
transactions (state).

Built by `personalise`; used by `card` and `generate`.
"""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.cards.tlv import tlv
from sim.pki.ecc import EccKey
from sim.pki.rsa import RsaKey
from sim.pki.schemes import MasterKeys

AUTHENTICATED_FORMAT = "9F02 9F03 9F1A 95 5F2A 9A 9C 9F37"
"""What of the terminal goes into the cryptogram, in this order; then 82, 9F36 and 9F10."""

PIN_TRIES = 3


class State:
    """The card's non-volatile memory: a dict, optionally kept in a JSON file (written whole after each change)."""

    def __init__(self, path: Path | str | None = None, **start: Any) -> None:
        self._path = None if path is None else Path(path)
        self.values: dict[str, Any] = {
            "atc": 0,
            "last_online_atc": 0,
            "pin_tries": PIN_TRIES,
            "offline_count": 0,
            "offline_total": 0,
            "application_blocked": False,
            "card_blocked": False,
            "script_count": 0,
            "script_failed": False,
            "online_unfinished": False,
            **start,
        }
        if self._path is not None and self._path.exists():
            self.values.update(json.loads(self._path.read_text()))

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def update(self, **changes: Any) -> None:
        """Change values and keep them. KeyError for a name that is not a state."""
        for name, value in changes.items():
            if name not in self.values:
                raise KeyError(name)
            self.values[name] = value
        if self._path is not None:
            temporary = self._path.with_name(self._path.name + ".part")
            temporary.write_text(json.dumps(self.values))
            os.replace(temporary, self._path)

    @property
    def atc(self) -> bytes:
        """The application transaction counter, 2 bytes."""
        return self.values["atc"].to_bytes(2, "big")


@dataclass
class Application:
    """Everything that personalisation puts on the card. `records` by (SFI, number), each with its 70 template."""

    aid: bytes
    label: str
    priority: int
    pan: str
    psn: str
    pin: str
    aip: bytes
    afl: bytes
    pdol: bytes
    cdol1: bytes
    cdol2: bytes
    records: dict[tuple[int, int], bytes]
    card_key: RsaKey
    master_keys: MasterKeys  # this card's, derived from the issuer's
    state: State
    risk: str = "approve"
    after_unable: str = "decline"
    offline_max: int = 5
    offline_amount: int = 1_000_000
    gpo_format: int = 1
    issuer_authentication: str = "external"
    fault: str = ""
    ecc_key: EccKey | None = None  # of XDA
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def cda(self) -> bool:
        """Whether the AIP announces CDA."""
        return bool(self.aip[0] & 0x01)

    @property
    def xda(self) -> bool:
        """Whether the AIP announces XDA."""
        return bool(self.aip[0] & 0x80)

    def fci(self) -> bytes:
        """The answer to SELECT (Book 1, 11.3.4)."""
        body = tlv(0x50, self.label.encode("ascii")) + tlv(0x87, bytes([self.priority]))
        if self.pdol:
            body += tlv(0x9F38, self.pdol)
        return tlv(0x6F, tlv(0x84, self.aid), tlv(0xA5, body + tlv(0x5F2D, b"arfr")))
