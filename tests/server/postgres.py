"""A private PostgreSQL cluster for a test session: Debian's binaries, a free loopback port, a folder of its own."""

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.support import strict

_DEBIAN = Path("/usr/lib/postgresql")


def binaries() -> Path:
    """The newest installed version's programs; skips (fails in CI) if there is none."""
    found = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        strict.skip_missing("PostgreSQL is not here (Debian package postgresql; `make setup` as root)")
    return found[-1].parent


class Cluster:
    """`with Cluster() as cluster: cluster.url("name")` gives a fresh database. Runs as user postgres when the tests run as root."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._bin = binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="tasdid-pg-"))
        self._owner = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.port = 0

    def _run(self, *command: str) -> None:
        def become() -> None:
            if self._owner is not None:
                os.setgid(self._owner.pw_gid)
                os.setuid(self._owner.pw_uid)

        done = subprocess.run(
            command, preexec_fn=become, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
        )  # fmt: skip
        assert done.returncode == 0, done.stdout.decode(errors="replace")

    def __enter__(self) -> "Cluster":
        if self._owner is not None:
            os.chown(self._folder, self._owner.pw_uid, self._owner.pw_gid)
        data = str(self._folder / "data")
        self._run(
            str(self._bin / "initdb"),
            "-D",
            data,
            "-U",
            "tasdid",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        options = f"-p {self.port} -h 127.0.0.1 -k {self._folder}"
        log = str(self._folder / "log")
        self._run(str(self._bin / "pg_ctl"), "-D", data, "-l", log, "-o", options, "-w", "start")
        return self

    def __exit__(self, *_: object) -> None:
        self._run(str(self._bin / "pg_ctl"), "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def url(self, name: str = "") -> str:
        """A new, empty database's URL; without a name, it gets one of its own."""
        name = name or f"t{next(self._numbers)}"
        self._run(str(self._bin / "createdb"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "tasdid", name)
        return f"postgresql://tasdid@127.0.0.1:{self.port}/{name}"

    def dump(self, url: str) -> Path:
        """A backup of a database, made by PostgreSQL's own program."""
        target = self._folder / "backup.dump"
        self._run(str(self._bin / "pg_dump"), "--format=custom", f"--file={target}", f"--dbname={url}")
        return target

    def restore(self, dumped: Path) -> str:
        """The URL of a new database that is made of a backup."""
        url = self.url()
        words = ("--no-owner", "--single-transaction", "--exit-on-error")
        self._run(str(self._bin / "pg_restore"), *words, f"--dbname={url}", str(dumped))
        return url
