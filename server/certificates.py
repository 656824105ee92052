"""The server's own certificate authority: the one that terminals pin (RFC 5280, P-256 throughout).

    python -m server.certificates DIR [--name NAME] [--days N]

makes what is missing in DIR: `ca.pem` (key and certificate, mode 600: to be kept off the server), `ca.der` (the certificate,
for provisioning terminals) and `server.pem` (key and certificate of the server, mode 600). A server certificate that has
less than a third of its time left is made anew, for the names that it has; so is one that lacks NAME. Keys are made here and never leave the folder.

The CA is made once, in a folder that has nothing yet: terminals pin it. Where `ca.der` or `server.pem` lies without the `ca.pem` that it
comes from, nothing is made: `ca.pem` is to be fetched from where it is kept, for as long as the renewal takes.
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
SOON = 30 * _DAY
ENDING = "TLS"
"""The code of the alarm that a certificate ends."""
Pair = tuple[ec.EllipticCurvePrivateKey, x509.Certificate]


def make(folder: Path | str, name: str | None = None, days: int = SERVER_DAYS) -> Path:
    """Make what is missing or nearly expired; the path of `server.pem`. `name`: the server's, if not the one that it has, or NAME.

    ConfigError CFG-013 if the folder cannot be written, CFG-014 for a name or a number of days that no certificate takes, CFG-015 if the CA
    is not there, or another one than terminals pin.
    """
    if name is not None and (len(name) > NAME_MOST or not all(_LABEL.fullmatch(label) for label in name.split("."))):
        hint = f"a host's name: letters, digits, hyphens and dots, {NAME_MOST} at most, as in {NAME}"
        raise ConfigError("no certificate takes this name", "CFG-014", hint)
    if not 0 < days <= CA_DAYS:
        raise ConfigError("no certificate takes these days", "CFG-014", f"1 to {CA_DAYS} days")
    folder = Path(folder)
    server_file = folder / "server.pem"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ca = _authority_of(folder)
        former = _read(server_file)[1] if server_file.exists() else None
        if former is None:
            _write(server_file, issue(ca, name or NAME, -1, days))
        elif name is not None and name not in _names(former):
            _write(server_file, issue(ca, name, -1, days))
        elif _stale(former):
            common = former.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            _write(server_file, issue(ca, str(common[0].value) if common else NAME, -1, days, _alternatives(former)))
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be written: {error.strerror}", "CFG-013", "name a folder that can be"
        ) from error
    return server_file


def _authority_of(folder: Path) -> Pair:
    """The CA of a folder, made if there is nothing in it that is another's. OSError, ConfigError CFG-012, CFG-015."""
    ca_file, pinned = folder / CA_FILE, folder / "ca.der"
    left = [path.name for path in (pinned, folder / "server.pem") if path.exists()]
    if not ca_file.exists():
        if left:
            hint = (
                f"put {CA_FILE} back from where it is kept, and run this again: terminals pin it, one made anew would lock all of them out; "
                "where no terminal was provisioned yet, delete " + " and ".join(left)
            )
            raise ConfigError(f"{CA_FILE} is not there, but {' and '.join(left)}", "CFG-015", hint, CA_FILE)
        _write(ca_file, authority())
    ca = _read(ca_file)
    data = ca[1].public_bytes(serialization.Encoding.DER)
    if not pinned.exists():
        pinned.write_bytes(data)
    elif pinned.read_bytes() != data:
        hint = f"put the {CA_FILE} back that belongs to it: terminals pin that one"
        raise ConfigError(f"{CA_FILE} is another CA's than ca.der", "CFG-015", hint, CA_FILE)
    return ca


def ending(path: Path, now: datetime.datetime | None = None) -> str | None:
    """What to say of a server's certificate that has ended or ends within SOON, None of another. ConfigError CFG-012."""
    return near(path, last_of(path), now or datetime.datetime.now(datetime.UTC))


def last_of(path: Path) -> datetime.datetime:
    """When a server's certificate ends. ConfigError CFG-012."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc  # of a chain the first
    except UNREADABLE as error:
        raise unreadable(path, error) from error


def near(path: Path, last: datetime.datetime, now: datetime.datetime, renewed: bool = False) -> str | None:
    """What to say of a server's certificate of that file that ends at `last`, None if that is far; `renewed`: the file has a later one by now."""
    if last - now >= SOON:
        return None
    what = "ends" if last > now else "has ended: no terminal speaks to this server since"
    renew = (
        "it is renewed: start the server again"
        if renewed
        else f"renew it: `tasdid server certificates`, with {CA_FILE}"
    )
    return f"the certificate {path.name} for terminals {what} {last:%Y-%m-%d}; {renew}"


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


def issue(ca: Pair, name: str, first_day: int, last_day: int, names: x509.SubjectAlternativeName | None = None) -> Pair:
    """A server's certificate for the DNS name `name`, or for `names`, valid from and to so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = ca[1].subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    certificate = (
        _builder(name, str(issuer), key.public_key(), first_day, last_day)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(names or x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
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


def _alternatives(certificate: x509.Certificate) -> x509.SubjectAlternativeName | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _names(certificate: x509.Certificate) -> list[str]:
    """The hosts' names that a certificate is for."""
    found = _alternatives(certificate)
    return [] if found is None else found.get_values_for_type(x509.DNSName)


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
    hint = f"run: tasdid server certificates DIR --name NAME, with {CA_FILE} in DIR"
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
    parser.add_argument("--name", help=f"the DNS name that terminals expect; as before, at first {NAME}")
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
