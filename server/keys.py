"""The server's signing keys: one per role, so that a signature made for one purpose never serves another (design §4).

`python -m server.keys DIR [--new-keys] [--db URL]` makes what is missing and prints the public keys; a key that exists is never replaced. Files
are PKCS#8 PEM, mode 600, named after the role: `ack.pem` (acknowledgements, refusals), `cmd.pem` (commands),
`epoch.pem` (approvals of new epochs), `set-tariff.pem` … (parameter sets).

Terminals pin the public keys, so that one which is lost belongs back from the backup. None is made in its place where a database says that it has
been in use: --db, or that of a configuration beside DIR that names it. With --new-keys it is (docs/restore.md, "A key that is lost").
"""

import argparse
import json
import os
import sys
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol.errors import ConfigError

ROLES = ("ack", "cmd", "epoch", "set-tariff", "set-emv", "set-trust", "set-officers", "set-limits")

MAKE = "run: python -m server.keys DIR"
BACKUP = "put its backup back; it must bear no password"
UNREADABLE = (OSError, ValueError, TypeError, UnsupportedAlgorithm)
"""What is wrong with a key's file: it is not there, torn, under a password, of a kind that is not known."""


class Keys:
    """The private keys by role."""

    def __init__(self, private: dict[str, ec.EllipticCurvePrivateKey]) -> None:
        self._private = private

    def private(self, role: str) -> ec.EllipticCurvePrivateKey:
        """The key of `role`; ConfigError CFG-011 if there is none."""
        key = self._private.get(role)
        if key is None:
            raise ConfigError(f"no key for the role {role}", "CFG-011", MAKE, role)
        return key

    def public(self, role: str) -> bytes:
        """65 bytes: the uncompressed point of `role`'s public key."""
        return point(self.private(role).public_key())

    def publics(self) -> dict[str, bytes]:
        """All public keys by role, for provisioning a device."""
        return {role: point(key.public_key()) for role, key in self._private.items()}


def point(key: ec.EllipticCurvePublicKey) -> bytes:
    """The uncompressed point, 65 bytes."""
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def make(folder: Path | str) -> Keys:
    """Make the keys that are missing in `folder`, leave the others alone, and load all. ConfigError CFG-013 if it cannot be written."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for role in ROLES:
            path = folder / f"{role}.pem"
            if not path.exists():
                write_new(path, ec.generate_private_key(ec.SECP256R1()))
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be written: {error.strerror}", "CFG-013", "name a folder that can be"
        ) from error
    return load(folder)


def write_new(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """Write a key into a file that is not there, mode 600. OSError."""
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)


def missing(folder: Path | str) -> list[str]:
    """The roles whose keys are not in `folder`."""
    return [role for role in ROLES if not (Path(folder) / f"{role}.pem").exists()]


def load(folder: Path | str, make: str = MAKE) -> Keys:
    """Load the keys of `folder`; ConfigError CFG-010 if one is missing or unreadable. `make`: what to do about one that is not there; one that is
    there is never made anew.
    """
    private = {}
    for role in ROLES:
        path = Path(folder) / f"{role}.pem"
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except UNREADABLE as error:
            hint = make if isinstance(error, FileNotFoundError) else BACKUP
            raise ConfigError(f"key {role}.pem missing or unreadable", "CFG-010", hint, role) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ConfigError(f"key {role}.pem is not a P-256 key", "CFG-010", BACKUP, role)
        private[role] = key
    return Keys(private)


def main(arguments: list[str]) -> int:
    """Command line; see the module's docstring. Prints {role: public key, hex} as JSON."""
    parser = argparse.ArgumentParser(prog="python -m server.keys", description="The server's signing keys.")
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--new-keys", action="store_true", help="also in place of keys that terminals pin, and are lost"
    )
    parser.add_argument("--db", help="SQLAlchemy URL of the centre's database, if no configuration beside DIR names it")
    options = parser.parse_args(arguments)
    try:
        if not options.new_keys:
            from server.store import signers  # which needs this module

            signers.must_be_new(options.folder, options.db)
        made = make(options.folder)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 3
    print(json.dumps({role: key.hex() for role, key in made.publics().items()}, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
