"""A private PostgreSQL cluster for a test session: Debian's binaries, a free loopback port, a folder of its own.

It ends with who started it, however that ends: a shell stands between the two, which reads a pipe that nobody ever writes to. The pipe ends
with the starter, killed or not; then the shell ends PostgreSQL and removes the folder.
"""

import itertools
import os
import pwd
import socket
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from server.store.engine import open_engine
from tests.support import strict

_DEBIAN = Path("/usr/lib/postgresql")
_KEEPER = """
folder=$1; shift
"$@" -D "$folder/data" > "$folder/log" 2>&1 < /dev/null &
read -r nothing
kill -QUIT $! 2> /dev/null
wait
rm -rf "$folder"
"""
"""QUIT is PostgreSQL's immediate end: what is in there is of no use to anybody any more."""
_HASTY = ("fsync=off", "full_page_writes=off", "max_wal_size=128MB")
"""Of tests nothing needs to outlive the machine: what is committed outlives PostgreSQL's own end all the same."""
_CENTRE = "centre"
"""The database that a new centre's are copied from."""


def binaries() -> Path:
    """The newest installed version's programs; skips (fails in CI) if there is none."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        strict.skip_missing("PostgreSQL is not here (Debian package postgresql; `make setup` as root)")
    return found[-1].parent


class Cluster:
    """`with Cluster() as cluster: cluster.url("name")` gives a fresh database. Runs as user postgres when the tests run as root.
    `durable`: with PostgreSQL's own settings (fsync on), as what is measured needs.
    """

    def __init__(self, durable: bool = False) -> None:
        self._settings = () if durable else _HASTY
        self._numbers = itertools.count(1)
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="tasdid-pg-"))
        self._owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self._made: list[str] = []
        self.port = 0

    @property
    def _who(self) -> dict[str, int]:
        """Whom its programs run as."""
        return {"user": self._owner.pw_uid, "group": self._owner.pw_gid} if self._owner else {}

    def _run(self, *command: str) -> None:
        done = subprocess.run(
            command, **self._who, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")

    def __enter__(self) -> "Cluster":
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        data = str(self._folder / "data")
        words = ("-D", data, "-U", "tasdid", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        self._run(str(self._bin / "initdb"), *words)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        words = [str(self._bin / "postgres"), "-p", str(self.port), "-h", "127.0.0.1", "-k", str(self._folder)]
        for setting in self._settings:
            words += ["-c", setting]
        self._keeper = subprocess.Popen(
            ["/bin/sh", "-c", _KEEPER, "sh", str(self._folder), *words],
            **self._who, cwd="/", stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip  # a session of its own: what ends the starter's group leaves it to read the pipe's end
        self._wait()
        return self

    def _wait(self) -> None:
        """Until PostgreSQL says in its file that it is ready, as pg_ctl does."""
        said, deadline = self._folder / "data" / "postmaster.pid", time.monotonic() + 60
        while not (said.exists() and said.read_text().rstrip().endswith("ready")):
            if time.monotonic() > deadline:
                log = (self._folder / "log").read_text(errors="replace")
                self.__exit__()
                raise AssertionError(f"PostgreSQL does not start:\n{log}")
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        if "_desk" in self.__dict__:
            self._desk.close()
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.wait(60)

    def _address(self, name: str) -> str:
        return f"postgresql://tasdid@127.0.0.1:{self.port}/{name}"

    @cached_property
    def _desk(self) -> "psycopg.Connection[Any]":
        """A connection on which databases are made and removed."""
        return psycopg.connect(self._address("postgres"), autocommit=True)

    def _make(self, name: str = "", template: str = "template1") -> str:
        name = name or f"t{next(self._numbers)}"
        self._desk.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        self._made.append(name)
        return self._address(name)

    def url(self, name: str = "") -> str:
        """A new, empty database's URL; without a name, it gets one of its own."""
        return self._make(name)

    @cached_property
    def _centre(self) -> str:
        """The name of a database as the migrations leave it, which no one is connected to."""
        open_engine(self._make(_CENTRE)).dispose()
        self._made.remove(_CENTRE)
        return _CENTRE

    def centre(self) -> str:
        """The URL of a new centre's database: empty, and brought up to the newest migration."""
        return self._make(template=self._centre)

    def clear(self) -> None:
        """Remove every database that was asked for, whoever is still connected to it."""
        while self._made:
            self._desk.execute(f'DROP DATABASE IF EXISTS "{self._made.pop()}" WITH (FORCE)'.encode())

    def dump(self, url: str) -> Path:
        """A backup of a database, made by PostgreSQL's own program; another cluster reads it too."""
        target = self._folder / "backup.dump"
        self._run(str(self._bin / "pg_dump"), "--format=custom", f"--file={target}", f"--dbname={url}")
        return target

    def restore(self, dumped: Path, name: str = "") -> str:
        """The URL of a new database that is made of a backup."""
        url = self.url(name)
        words = ("--no-owner", "--single-transaction", "--exit-on-error")
        self._run(str(self._bin / "pg_restore"), *words, f"--dbname={url}", str(dumped))
        return url
