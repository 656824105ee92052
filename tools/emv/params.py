"""Kernel parameters for the bench: from a signed set, a JSON file, or a recording.

JSON is the body of the set "emv" (`protocol.emv.params`) with byte strings in hexadecimal. A signed set's signature is not checked here: this
is no terminal and takes nobody's money.
"""

import json
from pathlib import Path
from typing import Any

from protocol import cbor, cose
from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.params import AidParams
from protocol.errors import ConfigError, FormatError, ParameterError
from tools.emv import record
from tools.house.paths import ROOT

SAMPLE = ROOT / "var" / "cpython" / "sets" / "emv.cose"
_HEX = {
    "aid", "tac_denial", "tac_online", "tac_default", "version", "ddol", "tdol", "capabilities", "additional",
    "rid", "modulus", "exponent", "sha1", "ttq", "cvm_capability", "no_cvm_capability", "configuration",
}  # fmt: skip


def load(path: Path | None) -> ContactlessParams:
    """The parameters in `path`; without one those of the simulator's world. They serve both interfaces. ConfigError CFG-093."""
    source = path if path is not None else SAMPLE
    if not source.is_file():
        raise ConfigError(
            "no EMV parameters",
            "CFG-093",
            "run `tasdid up` once to have the samples, or name a file with --params: `tasdid up --data DIR` puts them in DIR/cpython/sets/emv.cose",
            record.called(source),
        )
    return checked(read(source), record.called(source))


def read(source: Path) -> dict[str, Any]:
    """The body of the set in a file. ConfigError CFG-093."""
    try:
        return body(source.read_bytes(), record.called(source))
    except OSError as error:
        raise ConfigError(
            f"{record.called(source)} cannot be read", "CFG-093", "check the path given with --params"
        ) from error


def checked(found: dict[str, Any], name: str) -> ContactlessParams:
    """The parameters of a body, every CA key's check sum recomputed. ConfigError CFG-093 names the field; its cause has the code PRM-12x."""
    try:
        params = ContactlessParams(found)
        params.check(NativeCrypto())
    except ParameterError as error:
        raise ConfigError(
            f"{name} is no usable set: {error.code} {error.message}", "CFG-093", f"correct its field {error.detail}"
        ) from error
    return params


def narrowed(params: ContactlessParams, aid: bytes) -> ContactlessParams:
    """`params` with this application of the card alone, under the entries that cover it. ConfigError CFG-095: none does."""
    params.aids = [entry for entry in params.aids if _covers(entry, aid)]
    params.combinations = [entry for entry in params.combinations if _covers(entry, aid)]
    for entry in (*params.aids, *params.combinations):
        entry.label = entry.label or entry.aid.hex().upper()
        entry.aid = aid
    if not params.aids:
        raise ConfigError("--application is no application of the parameters", "CFG-095", "an AID that --params covers")
    return params


def _covers(entry: AidParams, aid: bytes) -> bool:
    return aid == entry.aid or (entry.partial and aid.startswith(entry.aid))


def sample_body() -> dict[str, Any] | None:
    """The body of the simulator's set, None if there is none yet."""
    return body(SAMPLE.read_bytes(), SAMPLE.name) if SAMPLE.is_file() else None


def body(data: bytes, name: str) -> dict[str, Any]:
    """The body of a set. ConfigError CFG-093."""
    try:
        if data.lstrip()[:1] == b"{":
            return _bytes(json.loads(data, object_pairs_hook=record.once))
        found = cbor.decode(cose.sign1_parse(data).payload or b"")[6]
        if isinstance(found, dict):
            return found
        raise ValueError("no map")
    except record.TwiceError as error:
        raise ConfigError(
            f"{name} says something twice", "CFG-093", "each field may stand once in an object"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError, FormatError) as error:
        raise ConfigError(
            f"{name} holds no EMV parameters", "CFG-093", "a signed set, or its body as JSON with hex strings"
        ) from error


def _bytes(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _bytes(entry, key) for key, entry in value.items()}
    if isinstance(value, list):
        return [bytes.fromhex(e) if name in ("exceptions", "revoked") else _bytes(e) for e in value]
    return bytes.fromhex(value) if name in _HEX and isinstance(value, str) else value


def recorded(terminal: dict[int, bytes], aids: list[bytes], known: dict[str, Any] | None) -> ContactlessParams:
    """Parameters for a recording: what its terminal's data say, for the applications that it selected; keys from `known`."""
    extra = dict(known or {})
    entries = {bytes(entry["aid"]): dict(entry) for entry in extra.pop("aids", [])}
    made = []
    for aid in aids:
        entry = entries.get(max((prefix for prefix in entries if aid.startswith(prefix)), key=len, default=b""), {})
        default = {
            "tac_denial": bytes(5),
            "tac_online": b"\xff" * 5,
            "tac_default": b"\xff" * 5,
            "floor": 0,
            "version": b"\0\x01",
        }
        entry = {**default, **entry, "aid": aid}
        _terminal_is(entry, terminal)
        made.append(entry)
    taps = extra.pop("contactless", [])
    tapped = [dict(entry) for entry in taps if any(aid.startswith(bytes(entry["aid"])) for aid in aids)]
    if not tapped:
        unlimited = {"limit": 0xFFFFFFFF, "cvm_limit": 0xFFFFFFFF, "offline": True}
        tapped = [{**entry, **unlimited, "kernel": kernel} for entry in made for kernel in (3, 2)]
    for entry in tapped:
        _terminal_is(entry, terminal)
        if 0x9F66 in terminal:
            entry["ttq"] = terminal[0x9F66]
    return ContactlessParams({"ca_keys": [], "deferral": True, **extra, "aids": made, "contactless": tapped})


def _terminal_is(entry: dict[str, Any], terminal: dict[int, bytes]) -> None:
    """An application's entry as the data of a recording's terminal say that it was."""
    for tag, field in ((0x9F33, "capabilities"), (0x9F40, "additional"), (0x9F09, "version")):
        if tag in terminal:
            entry[field] = terminal[tag]
    if 0x9F1B in terminal:
        entry["floor"] = int.from_bytes(terminal[0x9F1B], "big")
    if 0x9F35 in terminal:
        entry["terminal_type"] = terminal[0x9F35][0]
