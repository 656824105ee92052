"""The back office: officers who sign what needs four eyes, each with a key of their own.

The file that the configuration names as `office` is a JSON map {officer's number: hex of the 65-byte public key}. A
decision is a COSE_Sign1 whose key id is the number and whose content type says what is decided, so that a proposal never
passes for an approval. The server keeps public keys only; private ones stay with their officers.
"""

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import cbor
from protocol.errors import ConfigError, FormatError, ParameterError
from server import codes
from server.keys import UNREADABLE, point, write_new
from server.wire import envelope

REASON_MOST = 64
"""Characters of a reason that the tables hold."""
VALID_S = 7 * 86400
"""How long a proposal of any kind waits for another officer's approval."""


class Office:
    """The public keys of the back-office officers, by number."""

    def __init__(self, keys: dict[int, bytes], source: Path | None = None) -> None:
        self._keys = keys
        self._source = source

    @classmethod
    def load(cls, path: Path | None) -> "Office":
        """Read the file; None or absent: nobody. ConfigError CFG-023 if it is malformed."""
        return cls({} if path is None else _listed(path), path)

    def verify(self, message: bytes, content_type: str) -> tuple[int, dict[int, Any]]:
        """(officer's number, payload) of a decision. ParameterError PRM-030 if it does not hold; ConfigError CFG-100 if nobody's could."""
        if not self._keys:
            raise self._nobody()
        try:
            opened = envelope.parse(message)
            payload = cbor.decode(opened.payload)
            number = int(opened.key_id)
        except (FormatError, codes.RefusedError, ValueError) as error:
            raise ParameterError("not an officer's decision", "PRM-030") from error
        key = self._keys.get(number)
        right = opened.content_type == content_type and isinstance(payload, dict) and _storable(payload)
        if key is None or not right or not envelope.holds(key, opened.protected, opened.payload, opened.signature):
            raise ParameterError("the officer's signature does not hold", "PRM-030", "use an officer's own key", number)
        return number, payload

    def _nobody(self) -> ConfigError:
        """There is no list of officers, or nobody is on it."""
        if self._source is None:
            hint = "`tasdid server officer office.json NUMBER KEY` enters one; name the list as `office` in the configuration"
            return ConfigError("the configuration names no list of officers", "CFG-100", hint)
        hint = f"`tasdid server officer {self._source} NUMBER KEY` enters one"
        return ConfigError("the list of officers is absent or empty", "CFG-100", hint)


def _storable(payload: dict[int, Any]) -> bool:
    """Whether the tables can hold its numbers."""
    return all(-(1 << 63) <= value < 1 << 63 for value in payload.values() if isinstance(value, int))


def _listed(path: Path) -> dict[int, bytes]:
    """The file's public keys by officer's number, none if it is absent. ConfigError CFG-023 if it is malformed."""
    try:
        if not path.exists():
            return {}
        found = {int(number): bytes.fromhex(key) for number, key in json.loads(path.read_text()).items()}
        for key in found.values():
            envelope.load_point(key)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{path.name} is no list of officers", "CFG-023", "number: public key, hex") from error
    return found


def other(officer: int, payload: dict[int, Any], proposal: bytes, proposed_by: int) -> None:
    """Judge an approval: the very payload that was proposed, signed by somebody else. ParameterError PRM-032, PRM-033."""
    if cbor.encode(payload) != envelope.parse(proposal).payload:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    if officer == proposed_by:
        raise ParameterError("the officer who proposed cannot approve", "PRM-033", "another officer must approve")


def reason_of(text: str) -> str:
    """Why something is proposed, as lists and the audit log show it. ParameterError PRM-040 unless it is one line of 1 to `REASON_MOST` letters."""
    if not text.strip() or len(text) > REASON_MOST or not text.isprintable():
        hint = f"write one line of 1 to {REASON_MOST} characters"
        raise ParameterError("the reason is missing, too long, or more than a line of text", "PRM-040", hint, len(text))
    return text


def decide(key: ec.EllipticCurvePrivateKey, number: int, content_type: str, payload: dict[int, Any]) -> bytes:
    """An officer's signed decision."""
    return envelope.seal(key, content_type, str(number), payload)


def enrol(path: Path, number: int, key_file: Path) -> bytes:
    """Make an officer's key in `key_file` (mode 600, never replaced) and enter the public one; its bytes.

    ConfigError CFG-024 if the number or the file is taken, CFG-023 if the list is malformed, CFG-013 if one of them cannot be written: no key is
    left behind then.
    """
    known = _listed(path)
    if number in known or key_file.exists() or key_file == path:
        raise ConfigError("officer or key file exists already", "CFG-024", "choose another number or file", number)
    private = ec.generate_private_key(ec.SECP256R1())
    public = point(private.public_key())
    listed = {str(each): key.hex() for each, key in {**known, number: public}.items()}
    try:
        write_new(key_file, private)
        try:
            path.write_text(json.dumps(listed, indent=1))
        except OSError:
            key_file.unlink()
            raise
    except OSError as error:
        raise ConfigError(
            f"{error.filename or path} cannot be written: {error.strerror}",
            "CFG-013",
            "make its folder, or name another",
        ) from error
    return public


def private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """An officer's key. ConfigError CFG-010 if it is missing or unreadable."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except UNREADABLE as error:
        raise ConfigError(f"key {path.name} missing or unreadable", "CFG-010", "tasdid server officer") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigError(f"key {path.name} is not a P-256 key", "CFG-010", detail=path.name)
    return key
