"""The host's secrets: the DUKPT base derivation key, and the issuers' master keys that let it check cryptograms.

`python -m sim.acquirer.keys DIR` makes `DIR/bdk.json` once (mode 600) and prints nothing secret. Issuers are read from
a folder of `issuer-<name>.master.json` files ({"ac": hex, …}) as `sim.pki` makes them; which issuer a card belongs to
is told by its number's first eight digits, given in `ISSUER_BINS`.
"""

import json
import os
import secrets
import sys
from dataclasses import dataclass, field
from pathlib import Path

from sim.acquirer import dukpt

ISSUER_BINS = {"99999901": "cib", "99999902": "edahabia"}  # test numbers that no scheme assigns


@dataclass(frozen=True)
class HostKeys:
    """What only the host holds."""

    bdk: bytes
    issuers: dict[str, bytes] = field(default_factory=dict)  # BIN → 16-byte master key for application cryptograms
    script_keys: dict[str, bytes] = field(default_factory=dict)  # BIN → 16-byte master key for script integrity

    def initial_key(self, key_id: bytes) -> bytes:
        """The DUKPT initial key to be injected into the device of initial key id `key_id` (8 bytes)."""
        return dukpt.initial_key(self.bdk, key_id)

    def issuer_key(self, pan: str) -> bytes | None:
        """The issuer's master key for this number, None for a number of no known issuer."""
        return self.issuers.get(pan[:8])


def make(folder: Path | str) -> None:
    """Make the base derivation key if it is not there yet."""
    path = Path(folder) / "bdk.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            json.dump({"bdk": secrets.token_bytes(16).hex()}, stream)


def load(folder: Path | str, issuers: Path | str | None = None) -> HostKeys:
    """Read the keys: `folder` as `make` made it, `issuers` the folder of master key files.

    FileNotFoundError if `folder` has none.
    """
    bdk = bytes.fromhex(json.loads((Path(folder) / "bdk.json").read_text())["bdk"])
    masters, scripts = {}, {}
    for bin_, name in ISSUER_BINS.items():
        path = None if issuers is None else Path(issuers) / f"issuer-{name}.master.json"
        if path is not None and path.exists():
            stored = json.loads(path.read_text())
            masters[bin_] = bytes.fromhex(stored["ac"])
            scripts[bin_] = bytes.fromhex(stored["smi"])
    return HostKeys(bdk, masters, scripts)


def main(arguments: list[str]) -> int:
    """Command line: DIR."""
    if len(arguments) != 1:
        print("usage: python -m sim.acquirer.keys DIR", file=sys.stderr)
        return 2
    make(arguments[0])
    print(f"base derivation key is in {arguments[0]}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
