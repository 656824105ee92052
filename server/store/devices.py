"""The register of devices: who may speak, with which key, for which unit.

Devices come from the provisioning file, a JSON or TOML map {device id: {"public_key": hex of the 65-byte point,
"dukpt_key_id": hex of 8 bytes, "unit": text, "force": 1|2, "wilaya": 1..69}}. Registering again is idempotent. Numbers are written as whole numbers
and texts as texts: nothing is taken for what it may have been meant to be.

What is wrong with one device stops no other, and not the start. Each is an alarm, once, and a line of the log at every start:
    CFG-021 a key that is no point of P-256 is not entered          the key on file, if there is one, stays in force
    CFG-022 a known device is listed with another key                the one in force stays: a changed key takes a new epoch (`server.office.epochs`)
    DEVICE  a known device is not listed any more                    it is heard all the same until two officers block it (`server.office.blocks`)
The key of a device that has never been heard is corrected by the list.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, Engine, Row, and_, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from protocol.errors import ConfigError
from protocol.records import ZERO_HASH
from server import codes
from server.store import audit
from server.store import tables as t
from server.store.engine import WAITING, is_trouble, reading, trouble, unhurried, unusable

_COMING = and_(  # the epoch that brings a device another key, once it begins; there is one at most
    t.epochs.c.device == t.devices.c.device,
    t.epochs.c.state == t.EPOCH_APPROVED,
    t.epochs.c.public_key.is_not(None),
)
_DEVICE = (
    select(t.devices, t.heads.c.key_epoch, t.epochs.c.epoch.label("new_epoch"), t.epochs.c.public_key.label("new_key"))
    .select_from(t.devices.join(t.heads, t.heads.c.device == t.devices.c.device).outerjoin(t.epochs, _COMING))
    .where(t.devices.c.device == bindparam("device"))
)
_HEAD = select(t.heads).where(t.heads.c.device == bindparam("device")).with_for_update()
_HEADS = (
    select(t.heads)
    .where(t.heads.c.device.in_(bindparam("devices", expanding=True)))
    .order_by(t.heads.c.device)
    .with_for_update()
)

POINT = 65
"""Bytes of a public key."""
_FIELDS = {"public_key": str, "dukpt_key_id": str, "unit": str, "force": int, "wilaya": int}
_OPTIONAL = {"dukpt_key_id": ""}
_NO_POINT = "its public_key in the list of devices is no point of P-256"
_OTHER_KEY = "it is listed with another key than the one in force, which stays: a new key takes a new epoch, tasdid server propose --new-key"
UNIT_MOST, KEY_ID_MOST = 32, 16
"""Characters that the tables hold."""
FRESH_S = 60
"""Seconds after which a running server knows that a device has got another unit, or is to get another key."""
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
    key_epoch: int = 0  # the epoch that brought `public_key`, 0: it has had no other
    new_epoch: int = 0  # an epoch that is approved and has not begun, and brings `new_key`
    new_key: bytes = b""

    def renewed(self) -> "Device":
        """As it is once that epoch has begun."""
        return replace(self, public_key=self.new_key, key_epoch=self.new_epoch, new_epoch=0, new_key=b"")


def parse(name: str, entry: Any) -> Device:
    """A device of the provisioning file; ConfigError CFG-021 names the device and the field that is wrong."""
    if "/" in name or not (name.isascii() and name.isprintable()):  # the acquirer is told device/epoch/intent, in ASCII
        raise ConfigError(f"device {name!a}: id has a character that no reference may have", "CFG-021", detail="id")
    said = {field: _said(name, entry, field, kind) for field, kind in _FIELDS.items()}
    try:
        public_key = bytes.fromhex(said["public_key"])
    except ValueError as error:
        raise ConfigError(f"device {name}: 'public_key' is not hexadecimal", "CFG-021", detail="public_key") from error
    device = Device(name, public_key, said["dukpt_key_id"].upper(), said["unit"], said["force"], said["wilaya"])
    if len(public_key) != POINT or public_key[0] != 4:
        raise ConfigError(
            f"device {name}: public_key is not an uncompressed P-256 point", "CFG-021", detail="public_key"
        )
    if not 1 <= device.wilaya <= 69 or device.force not in (1, 2) or not 1 <= len(name) <= 32:
        raise ConfigError(f"device {name}: wilaya, force or id out of range", "CFG-021", detail="range")
    if len(device.unit) > UNIT_MOST or not device.unit.isprintable() or len(device.dukpt_key_id) > KEY_ID_MOST:
        hint = f"a unit is a line of at most {UNIT_MOST} characters, a key id {KEY_ID_MOST} hexadecimal digits"
        raise ConfigError(
            f"device {name}: unit or dukpt_key_id is too long, or no line of text", "CFG-021", hint, "text"
        )
    return device


def _said(name: str, entry: Any, field: str, kind: type) -> Any:
    """What an entry says in a field, of the very kind that it is to be of: neither "3", nor 3.0, nor true is a number. ConfigError CFG-021."""
    if not isinstance(entry, dict):
        raise ConfigError(f"device {name}: its entry is no table", "CFG-021", 'as {"public_key": "04…", …}', "entry")
    value = entry.get(field)
    value = _OPTIONAL.get(field) if value is None else value  # null says no more than nothing does
    if value is None:
        raise ConfigError(f"device {name}: {field!r} is missing", "CFG-021", detail=field)
    if type(value) is not kind:
        what, hint = ("whole number", "without quotes") if kind is int else ("text", "in quotes")
        raise ConfigError(f"device {name}: {field!r} is no {what}", "CFG-021", f"write it {hint}", field)
    return value


def enter(engine: Engine, devices: Iterable[Device], now: int, whole: bool = False) -> None:
    """`register` all of them, or none. ConfigError CFG-028 if the database cannot be written. `whole`: these are all that are to be heard, so that
    any other one on file is named.

    Another server may be entering the same ones: one that stands still over it keeps nobody, and what it has entered first is found, once more.
    """
    wanted = list(devices)
    try:
        try:
            _enter(engine, wanted, now, whole)
        except IntegrityError:
            _enter(engine, wanted, now, whole)
    except SQLAlchemyError as error:
        engine.dispose()
        raise unusable(engine, error) from error


def _enter(engine: Engine, devices: list[Device], now: int, whole: bool) -> None:
    told: list[str] = []
    with engine.begin() as connection:
        unhurried(connection, WAITING)
        for device in devices:
            told += register(connection, device, now)
        if whole:
            told += _struck(connection, {device.device for device in devices}, now)
    for line in told:
        _log.warning(line)


def register(connection: Connection, device: Device, now: int) -> list[str]:
    """Enter a device, or bring its unit up to date; what a person has to see to about it, in lines for the log, and as alarms."""
    known = find(connection, device.device)
    places = {"unit": device.unit, "force": device.force, "wilaya": device.wilaya}
    mine = t.devices.c.device == device.device
    if not is_point(device.public_key):
        if known is None:
            return [_alarm(connection, device.device, "CFG-021", f"{_NO_POINT}: the terminal is not entered", now)]
        connection.execute(update(t.devices).where(mine).values(**places))
        return [_alarm(connection, device.device, "CFG-021", f"{_NO_POINT}: the key on file stays in force", now)]
    key = {"public_key": device.public_key, "dukpt_key_id": device.dukpt_key_id}
    if known is None:
        connection.execute(insert(t.devices).values(device=device.device, registered=now, **key, **places))
        connection.execute(
            insert(t.heads).values(
                device=device.device, seq=0, hash=ZERO_HASH, cum_count=0, cum_total=0, counter=0, utc=0, forks=0
            )
        )
        return []
    same = known.public_key == device.public_key
    if same or _unheard(connection, device.device):
        places |= key
    connection.execute(update(t.devices).where(mine).values(**places))
    if same or known.new_key == device.public_key:
        return []
    if "public_key" in places:
        what = "its key is corrected by the list of devices: it has never been heard"
        audit.write(connection, device.device, t.LEVEL_WARNING, "DEVICE", what, now)
        return [f"{device.device}: {what}"]
    return [_alarm(connection, device.device, "CFG-022", _OTHER_KEY, now)]


def is_point(key: bytes) -> bool:
    """Whether it is an uncompressed point of P-256."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        return False
    return len(key) == POINT


def _unheard(connection: Connection, name: str) -> bool:
    """Whether nothing that a device has signed was ever taken; its head is locked."""
    known = head(connection, name)
    return known.epoch is None and known.seq == 0


def _struck(connection: Connection, listed: set[str], now: int) -> list[str]:
    """Name the devices that are heard though the list has them no more."""
    names = connection.execute(select(t.heads.c.device).where(t.heads.c.blocked == 0).order_by(t.heads.c.device))
    gone = [name for name in names.scalars() if name not in listed]
    what = "it is not on the list of devices any more, and heard all the same: to refuse it, tasdid server device block"
    return [_alarm(connection, name, "DEVICE", what, now) for name in gone]


def _alarm(connection: Connection, name: str, code: str, what: str, now: int) -> str:
    """Tell an alarm once; the same as a line for the log."""
    audit.alarm_once(connection, name, code, what, now)
    return f"{code} {name}: {what}"


def find(connection: Connection, name: str) -> Device | None:
    """The registered device, or None."""
    row = connection.execute(_DEVICE, {"device": name}).first()
    if row is None:
        return None
    coming = (row.new_epoch or 0, bytes(row.new_key or b""))
    key = bytes(row.public_key)
    return Device(row.device, key, row.dukpt_key_id, row.unit, row.force, row.wilaya, row.key_epoch, *coming)


def receipt_keys(connection: Connection) -> dict[str, str | list[str]]:
    """The public keys that receipts verify by, in hex: of a device that has had several all of them, the one in force first."""
    f = t.former_keys.c
    former: dict[str, list[str]] = {}
    for row in connection.execute(select(t.former_keys).order_by(f.device, f.epoch.desc())):
        former.setdefault(row.device, []).append(bytes(row.public_key).hex())
    rows = connection.execute(select(t.devices.c.device, t.devices.c.public_key).order_by(t.devices.c.device))
    keys = {row.device: bytes(row.public_key).hex() for row in rows}
    return {name: [key, *former[name]] if name in former else key for name, key in keys.items()}


class Register:
    """The devices of a database, each kept in memory for `FRESH_S` seconds once it was found."""

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
