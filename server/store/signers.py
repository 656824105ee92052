"""Which keys a centre has signed with so far. Terminals pin them when they are provisioned: to replies under another one each of them is deaf.

The database keeps a mark of each role's public key (`meta`, "key ROLE": the first 63 bits of its SHA-256, which is what a row of that table holds)
from the first start on; a database of before gets them at its first start with this release. A key is replaced on purpose only
(`python -m server.keys --new-keys`, and once `python -m server --new-keys`).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from protocol.errors import ConfigError
from server import config, keys
from server.store import audit, whole
from server.store import tables as t
from server.store.engine import open_engine, reading, unusable

_KEY = "key "
PUT_BACK = "put it back from the backup: terminals pin it. One that is lost for good: docs/restore.md"


def _mark(public: bytes) -> int:
    return int.from_bytes(hashlib.sha256(public).digest()[:8]) >> 1


def known(connection: Connection) -> dict[str, int]:
    """The marks by role; none if no server has started on this database yet."""
    rows = connection.execute(select(t.meta).where(t.meta.c.name.startswith(_KEY, autoescape=True)))
    return {row.name.removeprefix(_KEY): row.value for row in rows}


def enter(engine: Engine, publics: dict[str, bytes], now: int, other: bool = False) -> None:
    """Note the keys that the server signs with from now on. ConfigError CFG-016 if they are others than so far, unless `other` says that they may
    be: that is an alarm. CFG-028 if the database cannot be used.
    """
    try:
        try:
            _enter(engine, publics, now, other)
        except IntegrityError:  # another server has noted them meanwhile
            _enter(engine, publics, now, other)
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error


def _enter(engine: Engine, publics: dict[str, bytes], now: int, other: bool) -> None:
    marks = {role: _mark(public) for role, public in publics.items()}
    with reading(engine) as connection:
        before = known(connection)
    changed = [role for role, mark in marks.items() if before.get(role, mark) != mark]
    if changed and not other:
        which = ", ".join(f"{role}.pem" for role in changed)
        hint = "put the former keys back from the backup; only if they are lost for good: --new-keys (docs/restore.md)"
        raise ConfigError(f"the centre has signed with other keys than these so far: {which}", "CFG-016", hint)
    added = [role for role in marks if role not in before]
    if not changed and not added:
        return
    with engine.begin() as connection:
        for role in changed:
            connection.execute(update(t.meta).where(t.meta.c.name == _KEY + role).values(value=marks[role]))
            what = (
                f"key {role} is another one from now on: terminals that pin the former one take nothing that it signs"
            )
            audit.alarm(connection, "", "KEYS", what, now)
        if added:
            connection.execute(insert(t.meta), [{"name": _KEY + role, "value": marks[role]} for role in added])


def load(loaded: config.Config) -> keys.Keys:
    """The keys of a configuration. ConfigError CFG-010, which says how to make one that is not there only where none has been in use."""
    lost = keys.missing(loaded.keys)
    return keys.load(loaded.keys, PUT_BACK if lost and set(lost) & in_use(loaded.db) else keys.MAKE)


def must_be_new(folder: Path, url: str | None = None) -> None:
    """ConfigError CFG-017 if a key that is not in `folder` has been in use, as far as a database can tell: that of `url`, else those of the
    configurations beside the folder that name it.
    """
    lost = keys.missing(folder)
    for each in [url] if url is not None else _databases(folder) if lost else ():
        used = [role for role in lost if role in in_use(each)]
        if used:
            which = ", ".join(f"{role}.pem" for role in used)
            raise ConfigError(f"not there, and in use so far: {which}", "CFG-017", PUT_BACK)


def in_use(url: str) -> set[str]:
    """The roles whose keys a database knows; all of them if it knows none, and terminals have spoken to its centre. None if it cannot be asked.
    ConfigError CFG-034, CFG-035: it lies beside what belongs to another one, or is damaged.
    """
    try:
        whole.may_be_opened(url)
        engine = open_engine(url, migrate=False, new=False)
    except ConfigError as error:
        if error.code in whole.NOT_WHOLE:
            raise
        return set()
    try:
        with reading(engine) as connection:
            spoken = select(func.count()).select_from(t.heads).where(t.heads.c.seq > 0)
            found = set(known(connection))
            return found or (set(keys.ROLES) if connection.execute(spoken).scalar() else set())
    except SQLAlchemyError:
        return set()
    finally:
        engine.dispose()


def _databases(folder: Path) -> Iterator[str]:
    """URLs of the configurations beside a folder of keys that name it."""
    for path in sorted(folder.absolute().parent.glob("*.*")):
        if path.suffix not in (".toml", ".json"):
            continue
        try:
            loaded = config.load(path)
        except (ConfigError, OSError):  # another kind of file
            continue
        if loaded.keys.resolve() == folder.resolve():
            yield loaded.db
