"""The register of devices: who may speak, with which key, for which unit.

Devices come from the provisioning file, a JSON or TOML map {device id: {"public_key": hex of the 65-byte point,
"dukpt_key_id": hex of 8 bytes, "unit": text, "force": 1|2, "wilaya": 1..69}}. Registering again is idempotent; a
different key for a known device is refused.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from protocol.errors import ConfigError
from protocol.records import ZERO_HASH
from server import codes
from server.store import tables as t
from server.store.engine import WAITING, is_trouble, reading, trouble, unhurried, unusable

_DEVICE = select(t.devices).where(t.devices.c.device == bindparam("device"))
_HEAD = select(t.heads).where(t.heads.c.device == bindparam("device")).with_for_update()
_HEADS = (
    select(t.heads)
    .where(t.heads.c.device.in_(bindparam("devices", expanding=True)))
    .order_by(t.heads.c.device)
    .with_for_update()
)

UNIT_MOST, KEY_ID_MOST = 32, 16
"""Characters that the tables hold."""
FRESH_S = 60
"""Seconds after which a running server knows that a device has got another unit."""
AGAIN_S = 3
"""Seconds after which a database that could not be read is asked again."""
_log = logging.getLogger("tasdid.server")


@dataclass(frozen=True)
class Device:
    """One registered device."""

    device: str
    public_key: bytes
    dukpt_key_id: str
    unit: str
    force: int
    wilaya: int


def parse(name: str, entry: dict[str, Any]) -> Device:
    """A device of the provisioning file; ConfigError CFG-021 names the field that is wrong."""
    try:
        public_key = bytes.fromhex(entry["public_key"])
        device = Device(
            name,
            public_key,
            str(entry.get("dukpt_key_id", "")).upper(),
            str(entry["unit"]),
            int(entry["force"]),
            int(entry["wilaya"]),
        )
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"device {name}: field missing or malformed", "CFG-021", detail=str(error)) from error
    if len(public_key) != 65 or public_key[0] != 4:
        raise ConfigError(
            f"device {name}: public_key is not an uncompressed P-256 point", "CFG-021", detail="public_key"
        )
    if not 1 <= device.wilaya <= 69 or device.force not in (1, 2) or not 1 <= len(name) <= 32:
        raise ConfigError(f"device {name}: wilaya, force or id out of range", "CFG-021", detail="range")
    if "/" in name or not (name.isascii() and name.isprintable()):  # the acquirer is told device/epoch/intent, in ASCII
        raise ConfigError(f"device {name!a}: id has a character that no reference may have", "CFG-021", detail="id")
    if len(device.unit) > UNIT_MOST or not device.unit.isprintable() or len(device.dukpt_key_id) > KEY_ID_MOST:
        hint = f"a unit is a line of at most {UNIT_MOST} characters, a key id {KEY_ID_MOST} hexadecimal digits"
        raise ConfigError(
            f"device {name}: unit or dukpt_key_id is too long, or no line of text", "CFG-021", hint, "text"
        )
    return device


def enter(engine: Engine, devices: Iterable[Device], now: int) -> None:
    """`register` all of them, or none. ConfigError CFG-022, and CFG-028 if the database cannot be written.

    Another server may be entering the same ones: one that stands still over it keeps nobody, and what it has entered first is found, once more.
    """
    wanted = list(devices)
    try:
        try:
            _enter(engine, wanted, now)
        except IntegrityError:
            _enter(engine, wanted, now)
    except SQLAlchemyError as error:
        engine.dispose()
        raise unusable(engine, error) from error
    except ConfigError:
        engine.dispose()
        raise


def _enter(engine: Engine, devices: list[Device], now: int) -> None:
    with engine.begin() as connection:
        unhurried(connection, WAITING)
        for device in devices:
            register(connection, device, now)


def register(connection: Connection, device: Device, now: int) -> None:
    """Enter a device, or bring its unit up to date; ConfigError CFG-022 if it is known with another key."""
    known = find(connection, device.device)
    places = {"unit": device.unit, "force": device.force, "wilaya": device.wilaya, "dukpt_key_id": device.dukpt_key_id}
    if known is not None:
        if known.public_key != device.public_key:
            raise ConfigError(
                f"device {device.device} is registered with another key", "CFG-022", "a changed key needs a new epoch"
            )
        connection.execute(update(t.devices).where(t.devices.c.device == device.device).values(**places))
        return
    connection.execute(
        insert(t.devices).values(device=device.device, public_key=device.public_key, registered=now, **places)
    )
    connection.execute(
        insert(t.heads).values(
            device=device.device, seq=0, hash=ZERO_HASH, cum_count=0, cum_total=0, counter=0, utc=0, forks=0
        )
    )


def find(connection: Connection, name: str) -> Device | None:
    """The registered device, or None."""
    row = connection.execute(_DEVICE, {"device": name}).first()
    if row is None:
        return None
    return Device(row.device, bytes(row.public_key), row.dukpt_key_id, row.unit, row.force, row.wilaya)


class Register:
    """The devices of a database, each kept in memory for `FRESH_S` seconds once it was found: its key never changes, but it may get another unit."""

    def __init__(self, engine: Engine, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: dict[str, tuple[Device, float]] = {}
        self._trouble: tuple[SQLAlchemyError, float] | None = None  # why none can be looked up, and until when none is

    def find(self, name: str) -> Device | None:
        """The registered device, or None. SQLAlchemyError: the database is locked or lost; then it is not tried again for `AGAIN_S` seconds, since
        a front looks up one after the other.
        """
        device, until = self._known.get(name, (None, 0.0))
        if device is None or self._clock() >= until:
            if self._trouble is not None and self._clock() < self._trouble[1]:
                raise self._trouble[0].with_traceback(None)
            device = self._look_up(name)
            if device is not None:
                self._known[name] = device, self._clock() + FRESH_S
        return device

    def _look_up(self, name: str) -> Device | None:
        try:
            with reading(self._engine) as connection:
                device = find(connection, name)
        except SQLAlchemyError as error:
            if is_trouble(error):
                if self._trouble is None:  # the log says so once
                    _log.error(
                        "%s devices cannot be looked up now: %s", codes.NOT_WRITTEN, trouble(self._engine, error)
                    )
                self._trouble = error, self._clock() + AGAIN_S
            raise
        if self._trouble is not None:
            _log.warning("devices can be looked up again")
            self._trouble = None
        return device


def head(connection: Connection, name: str) -> Row[Any]:
    """The device's row of `heads`, locked until the transaction ends (PostgreSQL; on SQLite the writer is alone
    anyway).
    """
    return connection.execute(_HEAD, {"device": name}).one()


def heads(connection: Connection, names: Iterable[str]) -> dict[str, Row[Any]]:
    """As `head`, for several devices: locked in the order of their names, so that two processes never wait for each other."""
    wanted = sorted(names)
    if len(wanted) == 1:
        found = connection.execute(_HEAD, {"device": wanted[0]})
    else:
        found = connection.execute(_HEADS, {"devices": wanted})
    return {row.device: row for row in found}
