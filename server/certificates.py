"""The server's own certificate authority: the one that terminals pin (RFC 5280, P-256 throughout).

    python -m server.certificates DIR [--name NAME] [--days N]

makes what is missing in DIR: `ca.pem` (key and certificate, mode 600: to be kept off the server), `ca.der` (the certificate,
for provisioning terminals) and `server.pem` (key and certificate of the server, mode 600). A server certificate that has
less than a third of its time left is made anew; the CA never is. Keys are made here and never leave the folder.
"""

import argparse
import datetime
import os
import re
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from protocol.errors import ConfigError
from server.keys import UNREADABLE

NAME = "centre.tasdid"
CA_FILE = "ca.pem"
CA_DAYS, SERVER_DAYS = 7300, 397
NAME_MOST = 64  # RFC 5280, upper bound of a common name
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", re.ASCII)  # RFC 1123 section 2.1
_DAY = datetime.timedelta(days=1)
Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def make(folder: Path | str, name: str = NAME, days: int = SERVER_DAYS) -> Path:
    """Make what is missing or nearly expired; the path of `server.pem`.

    ConfigError CFG-013 if the folder cannot be written, CFG-014 for a name or a number of days that no certificate takes.
    """
    if len(name) > NAME_MOST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        hint = f"a host's name: letters, digits, hyphens and dots, {NAME_MOST} at most, as in {NAME}"
        raise ConfigError("no certificate takes this name", "CFG-014", hint)
    if not 0 < days <= CA_DAYS:
        raise ConfigError("no certificate takes these days", "CFG-014", f"1 to {CA_DAYS} days")
    folder = Path(folder)
    ca_file, server_file = folder / CA_FILE, folder / "server.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ca_file.exists():
            _write(ca_file, authority())
        ca = _read(ca_file)
        (folder / "ca.der").write_bytes(ca[1].public_bytes(serialization.Encoding.DER))
        if not server_file.exists() or _stale(_read(server_file)[1]):
            _write(server_file, issue(ca, name, -1, days))
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be written: {error.strerror}", "CFG-013", "name a folder that can be"
        ) from error
    return server_file


def authority(label: str = "Tasdid CA") -> Pair:
    """A new certificate authority that may sign servers only."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(label, label, key.public_key(), -1, CA_DAYS)
    usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
    certificate = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate


def issue(ca: Pair, name: str, first_day: int, last_day: int) -> Pair:
    """A server's certificate for the DNS name `name`, valid from and to so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = ca[1].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    certificate = (
        _builder(name, str(issuer), key.public_key(), first_day, last_day)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca[0].public_key()), critical=False)
        .sign(ca[0], hashes.SHA256())
    )
    return key, certificate


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePublicKey, first_day: int, last_day: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + first_day * _DAY)
        .not_valid_after(now + last_day * _DAY)
    )


def _stale(certificate: x509.Certificate) -> bool:
    last, first = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    return last - datetime.datetime.now(datetime.UTC) < (last - first) / 3


def _write(path: Path, pair: Pair) -> None:
    key, certificate = pair
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(pem)


def unreadable(path: Path, error: Exception) -> ConfigError:
    """CFG-012, and what to do about a key and certificate that cannot be had: `make` makes only what is not there, and terminals pin the CA."""
    hint = "run: tasdid server certificates DIR"
    if not isinstance(error, FileNotFoundError):
        hint = "put its backup back" if path.name == CA_FILE else f"delete it, then {hint}"
    return ConfigError(f"{path.name} missing or unreadable", "CFG-012", hint, path.name)


def _read(path: Path) -> Pair:
    """ConfigError CFG-012 if the file is unreadable."""
    try:
        data = path.read_bytes()
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"{path.name} is no P-256 key", "CFG-012", detail=path.name)
    return key, certificate


def main(arguments: list[str]) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m server.certificates")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default=NAME, help="the DNS name that terminals expect")
    parser.add_argument("--days", type=int, default=SERVER_DAYS)
    options = parser.parse_args(arguments)
    try:
        path = make(options.folder, options.name, options.days)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 3
    print(
        f"{path} is valid until {_read(path)[1].not_valid_after_utc:%Y-%m-%d}; terminals pin {path.parent / 'ca.der'}"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
