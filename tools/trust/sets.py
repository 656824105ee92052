"""Signed parameter sets on a desk: sign a body with one key, open a file, check its signature. Form: `server.sets`.

ConfigError    CFG-084  a key file is no P-256 key
ConfigError    CFG-085  a body cannot be read
ParameterError PRM-010  unknown kind; PRM-011 no signed set, its signature does not hold, or its anchors are malformed; PRM-012 too large
ParameterError PRM-005  expired; PRM-007 not valid yet (a terminal's words)
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import cbor
from protocol.errors import ConfigError, FormatError, ParameterError
from protocol.sync import TYPE_SET
from server import codes
from server.keys import Keys, point
from server.sets import KINDS, sign_set
from server.wire import envelope

DAY = 86400
LAST_TIME = 253402300799  # the end of the year 9999
NOT_YET, EXPIRED, IN_FORCE = "not valid yet", "expired", "in force"


@dataclass(frozen=True)
class OpenedSet:
    """A set taken apart; nothing about its signature is said here."""

    kind: str
    version: int
    valid_from: int
    valid_to: int
    issued: int
    body: dict[str, Any]
    envelope: envelope.Envelope


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The P-256 private key in a PEM file. ConfigError CFG-084."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"{path.name} is no private key (PEM, not encrypted)", "CFG-084", "python -m server.keys DIR makes keys"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path.name} is not a P-256 key", "CFG-084", "python -m server.keys DIR makes keys")
    return key


def public_point(path: Path) -> bytes:
    """The P-256 public key (65 bytes) in a PEM file: a public key, a private key or a certificate. ConfigError CFG-084."""
    try:
        data = path.read_bytes()
        if b"PRIVATE KEY" in data:
            return point(private_key(path).public_key())
        key = (
            x509.load_pem_x509_certificate(data).public_key()
            if b"CERTIFICATE" in data
            else serialization.load_pem_public_key(data)
        )
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path.name} is no public key (PEM)", "CFG-084", "openssl pkey -pubout makes one") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{path.name} is not a P-256 key", "CFG-084")
    return point(key)


def sign(
    key: ec.EllipticCurvePrivateKey,
    kind: str,
    version: int,
    valid_from: int,
    days: int,
    issued: int,
    body: dict[str, Any],
) -> bytes:
    """A signed set; times in seconds UTC."""
    try:
        message = sign_set(Keys({f"set-{kind}": key}), kind, version, valid_from, valid_from + days * DAY, issued, body)
        envelope.parse(message)
    except (FormatError, codes.RefusedError) as error:
        raise ParameterError(
            "the set is too large for a terminal", "PRM-012", "keep fewer entries, e.g. one country"
        ) from error
    return message


def open_set(message: bytes) -> OpenedSet:
    """Take a set apart. ParameterError PRM-011 if it is none."""
    try:
        opened = envelope.parse(message)
        payload = cbor.decode(opened.payload)
        kind, version, start, end, issued, body = (payload[number] for number in range(1, 7))
        right = kind in KINDS and opened.content_type == f"{TYPE_SET}/{kind}" and isinstance(body, dict)
        right = right and type(version) is int and all(_is_time(item) for item in (start, end, issued))
    except (FormatError, codes.RefusedError, KeyError, TypeError) as error:
        raise ParameterError("not a signed parameter set", "PRM-011", "give a .cose file") from error
    if not right or opened.key_id != f"set-{kind}".encode():
        raise ParameterError("not a signed parameter set", "PRM-011", "its header and its content name different kinds")
    return OpenedSet(kind, version, start, end, issued, body, opened)


def _is_time(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LAST_TIME


def state(found: OpenedSet, now: int) -> str:
    """NOT_YET, EXPIRED or IN_FORCE at `now` (seconds UTC), as a terminal reckons."""
    return NOT_YET if now < found.valid_from else EXPIRED if now > found.valid_to else IN_FORCE


def must_be_in_force(found: OpenedSet, now: int) -> None:
    """ParameterError PRM-005 or PRM-007, as on a terminal, unless the set is in force."""
    told = state(found, now)
    if told != IN_FORCE:
        code = "PRM-005" if told == EXPIRED else "PRM-007"
        raise ParameterError(f"the parameter set is {told}", code, "get the set that is in force", found.kind)


def trust_body(body: dict[str, Any]) -> "tuple[list[dict[str, Any]], list[bytes]]":
    """(anchors, revocation lists) of a set "trust". ParameterError PRM-011 if its body is laid out otherwise."""
    anchors, lists = body.get("anchors"), body.get("crls", [])
    if (
        not isinstance(anchors, list)
        or not isinstance(lists, list)
        or not all(isinstance(der, bytes) for der in lists)
        or not all(isinstance(entry, dict) and _is_anchor(entry) for entry in anchors)
    ):
        raise ParameterError("the set of trust anchors is malformed", "PRM-011", "get the set again", "trust")
    return anchors, lists


def _is_anchor(entry: dict[str, Any]) -> bool:
    texts = isinstance(entry.get("country"), str) and isinstance(entry.get("purpose"), str)
    return texts and isinstance(entry.get("cert"), bytes)


def holds(found: OpenedSet, public: bytes) -> bool:
    """Whether the signature is that of the key with this point."""
    return envelope.holds(public, found.envelope.protected, found.envelope.payload, found.envelope.signature)


def read(path: Path) -> bytes:
    """A file's bytes. ConfigError CFG-085."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path.name} cannot be read ({error.strerror})", "CFG-085", "check the path", error.errno
        ) from error


def body_from(path: Path) -> dict[str, Any]:
    """A set's body written as JSON or YAML; {"hex": "…"} stands for bytes, {"file": "cert.der"} for a file's bytes beside it."""
    text = read(path)
    try:
        body = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path.name} is neither JSON nor YAML", "CFG-085", "name it .json or .yaml") from error
    if not isinstance(body, dict):
        raise ConfigError(f"{path.name} holds no map", "CFG-085", "a body is a map with text keys")
    return _bytes_in(body, path.parent)


def _bytes_in(value: Any, folder: Path) -> Any:
    if isinstance(value, dict):
        if set(value) == {"hex"} and isinstance(value["hex"], str):
            try:
                return bytes.fromhex(value["hex"])
            except ValueError as error:
                raise ConfigError(
                    "a hex value holds something else", "CFG-085", "digits 0-9 and a-f, an even number"
                ) from error
        if set(value) == {"file"} and isinstance(value["file"], str):
            return read(folder / value["file"])
        return {key: _bytes_in(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_bytes_in(item, folder) for item in value]
    return value


def printable(value: Any) -> Any:
    """A body as JSON can hold it, in the form that `body_from` takes back."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {str(key): printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [printable(item) for item in value]
    return value
