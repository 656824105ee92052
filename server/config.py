"""The server's configuration: one TOML or JSON file; paths in it are relative to the file itself.

    db = "sqlite:////var/server.db"  SQLAlchemy URL; absent: server.db beside this file
    keys = "keys"                    folder of the server's own keys (python -m server.keys DIR)
    devices = "devices.json"         provisioning file (server.store.devices), read at every start
    sets = "sets"                    folder of signed parameter sets; without it none are handed out
    fronts = 1                       processes that speak HTTP and check messages, at most 64; 0 or absent: the one that writes does
    office = "office.json"           back-office officers (server.office.signing); without it nobody
    tls = "tls/server.pem"           key and certificate for terminals (server.certificates); absent: plain HTTP only
    [acquirer]
    host = "127.0.0.1"
    port = 0                         0 or no [acquirer] at all: nothing is sent, requests wait in the outbox
    timeout = 10.0                   seconds that the outbox waits for an answer, less than its lease of 60
    holds = 3600                     seconds that the host may hold a message before it acts on it: so long a reversal is repeated
                                     of which it knows nothing; at most a year
    waits = 86400                    seconds after which a deferred authorisation or a reversal without a final answer is an alarm, and the former may
                                     be given up; at most a year
    online_timeout = 5.0             the same while a card waits; the terminal gives up after 8
    online_waiting = 200             cards that may wait for the host at once, one of a terminal, at most 10000; for others nobody is asked

Every error is a ConfigError that names the file and what to do. A name that is none of these is refused: a misspelt [acquirer] would
start a server that never asks anybody.
"""

import difflib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol.errors import ConfigError
from server.acquirer.online import WAITING
from server.acquirer.outbox import HOLDS, LEASE
from server.acquirer.waiting import WAITS
from server.office.signing import Office
from server.store import devices

_TEXTS = ("keys", "devices", "sets", "office", "tls", "db")
_NAMES = (*_TEXTS, "fronts", "acquirer")
_ACQUIRER = ("host", "port", "timeout", "holds", "waits", "online_timeout", "online_waiting")
_PORTS = 65535
YEAR = 366 * 86400
"""Seconds that `holds` and `waits` are at most: what is longer is no longer looked after by anybody."""
FRONTS = 64
"""Processes that `fronts` asks for at most."""
_CARDS = 10_000


@dataclass(frozen=True)
class Config:
    """What `server.web.app.build` needs."""

    db: str
    keys: Path
    devices: tuple[devices.Device, ...]
    listed: bool = False  # whether there is a list of devices at all: who is on file and not on it is named
    sets: Path | None = None
    acquirer: tuple[str, int] | None = None
    acquirer_timeout: float = 10.0
    online_timeout: float = 5.0
    online_waiting: int = WAITING
    acquirer_holds: int = HOLDS
    acquirer_waits: int = WAITS
    fronts: int = 0
    office: Path | None = None
    certificate: Path | None = None
    console: bool = True  # whether the plain door has the console's pages; the command line says so


def load(path: Path | str, db: str | None = None) -> Config:
    """Read a configuration file; `db` (a SQLAlchemy URL) wins over the file's own."""
    path = Path(path)
    base, data = path.resolve().parent, _read(path)
    acquirer = _checked(path, data)
    provisioning = _provisioned(path, base / data["devices"]) if "devices" in data else {}
    address = None
    if _whole(path, acquirer, "acquirer.port", 0, _PORTS):
        if "host" not in acquirer:
            raise ConfigError(f"{path.name}: no 'acquirer.host' for the port", "CFG-020", 'host = "127.0.0.1"', "host")
        if not isinstance(acquirer["host"], str):
            raise ConfigError(f"{path.name}: 'acquirer.host' is no text", "CFG-020", "write it in quotes", "host")
        address = (acquirer["host"], _whole(path, acquirer, "acquirer.port", 0, _PORTS))
    return Config(
        db=db or data.get("db") or f"sqlite:///{base / 'server.db'}",
        keys=base / data["keys"],
        devices=tuple(devices.parse(name, entry) for name, entry in provisioning.items()),
        listed="devices" in data,
        sets=base / data["sets"] if "sets" in data else None,
        acquirer=address,
        acquirer_timeout=_seconds(path, acquirer, "acquirer.timeout", 10.0),
        online_timeout=_seconds(path, acquirer, "acquirer.online_timeout", 5.0),
        online_waiting=_whole(path, acquirer, "acquirer.online_waiting", WAITING, _CARDS),
        acquirer_holds=_whole(path, acquirer, "acquirer.holds", HOLDS, YEAR),
        acquirer_waits=_whole(path, acquirer, "acquirer.waits", WAITS, YEAR),
        fronts=_whole(path, data, "fronts", 0, FRONTS),
        office=base / data["office"] if "office" in data else None,
        certificate=base / data["tls"] if "tls" in data else None,
    )


def devices_file(path: Path | str) -> Path | None:
    """The provisioning file that a configuration names. ConfigError CFG-020."""
    path = Path(path)
    named = _read(path).get("devices")
    return path.resolve().parent / named if isinstance(named, str) else None


def must_be_there(path: Path | str, loaded: Config) -> None:
    """ConfigError CFG-020 if the folder of sets or the list of officers that the file names is not there, CFG-023 if that is no such list: a server
    that serves is to have both.
    """
    name = Path(path).name
    if loaded.sets is not None and not loaded.sets.is_dir():
        hint = "make it, put the signed sets (*.cose) into it, or leave 'sets' out"
        raise ConfigError(f"{name}: 'sets' names {loaded.sets}, which is no folder", "CFG-020", hint, "sets")
    if loaded.office is not None and not loaded.office.is_file():
        hint = f"`tasdid server officer {loaded.office} NUMBER KEY` makes it; or leave 'office' out"
        raise ConfigError(f"{name}: 'office' names {loaded.office}, which is no file", "CFG-020", hint, "office")
    Office.load(loaded.office)


def _provisioned(path: Path, devices_file: Path) -> dict[str, Any]:
    """The list of devices that a configuration names. ConfigError CFG-020."""
    if not devices_file.is_file():
        hint = "make it: a map {device: its entry} in JSON or TOML (server/store/devices.py); or leave 'devices' out"
        raise ConfigError(f"{path.name}: 'devices' names {devices_file}, which is no file", "CFG-020", hint, "devices")
    return _read(devices_file)


def _whole(path: Path, table: dict[str, Any], name: str, default: int, most: int) -> int:
    """A whole number from 0 to `most`, written as one: neither a text, nor a fraction, nor true; `name` as the file has it. ConfigError CFG-020."""
    value = table.get(name.rpartition(".")[2], default)
    if type(value) is not int:
        hint = f"a whole number from 0 to {most}, without quotes"
        raise ConfigError(f"{path.name}: {name!r} is no whole number", "CFG-020", hint, name)
    if value < 0:
        raise ConfigError(f"{path.name}: {name!r} is negative", "CFG-020", f"0 to {most}", name)
    if value > most:
        raise ConfigError(f"{path.name}: {name!r} is over {most}", "CFG-020", f"0 to {most}", name)
    return value


def _seconds(path: Path, table: dict[str, Any], name: str, default: float) -> float:
    """Seconds of waiting, more than none and less than the outbox's lease. ConfigError CFG-020."""
    value = table.get(name.rpartition(".")[2], default)
    if type(value) not in (int, float):
        raise ConfigError(f"{path.name}: {name!r} is no number", "CFG-020", "seconds, without quotes", name)
    if not 0 < value < LEASE:  # no number at all, NaN, is refused too
        raise ConfigError(f"{path.name}: {name!r} is not between 0 and {LEASE} s", "CFG-020", detail=name)
    return float(value)


def _checked(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    """The table [acquirer], once all names are known and what is text is text. ConfigError CFG-020."""
    _known(path, data, _NAMES, "")
    acquirer = data.get("acquirer")
    if acquirer is None:
        acquirer = {}
    if not isinstance(acquirer, dict):
        raise ConfigError(
            f"{path.name}: 'acquirer' is no table", "CFG-020", "write [acquirer], and host and port below it"
        )
    _known(path, acquirer, _ACQUIRER, "acquirer.")
    for name in _TEXTS:
        if not isinstance(data.get(name, ""), str):
            raise ConfigError(f"{path.name}: {name!r} is no text", "CFG-020", "write it in quotes", name)
    if "keys" not in data:
        raise ConfigError(
            f"{path.name}: no 'keys' folder named", "CFG-020", "make one: python -m server.keys DIR", "keys"
        )
    return acquirer


def _known(path: Path, table: dict[str, Any], names: tuple[str, ...], within: str) -> None:
    """ConfigError CFG-020 for a name that is none of `names`."""
    for name in table:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            hint = f"did you mean {within + near[0]!r}?" if near else "one of: " + ", ".join(names)
            raise ConfigError(f"{path.name}: there is no {within + name!r}", "CFG-020", hint, name)


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        hint = "check --config, and that the server's user may read it"
        raise ConfigError(f"{path.name} cannot be read", "CFG-020", hint, str(error.errno)) from error
    except (
        ValueError,
        RecursionError,
    ) as error:  # JSONDecodeError and TOMLDecodeError are the former; brackets in brackets the latter
        raise ConfigError(f"{path.name} is malformed", "CFG-020", str(error)) from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path.name} is not a table of names", "CFG-020")
    return data
