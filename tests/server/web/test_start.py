"""What keeps a server from starting is told in one line: a code and what to do, never where in the program it was found."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import create_engine, text

from protocol.errors import ConfigError
from server import certificates, config
from server.__main__ import main
from server.store import devices
from server.store.engine import open_engine, reading
from server.web.serve import listen
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import ROOT, write_config
from tests.support import strict

PORTS = ["--port", "0", "--tls-port", "0"]
PASSWORD = "not-to-be-told"


@pytest.fixture
def path(tmp_path: Path, handheld: Handheld) -> Path:
    """A configuration whose database is not there yet."""
    return write_config(tmp_path, [handheld])


@pytest.fixture
def made(path: Path) -> Path:
    """The same, and its database is there, of this release and without a device."""
    open_engine(config.load(path).db).dispose()
    return path


def told(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> str:
    """What a server that does not start says."""
    assert main(["--config", str(path), *PORTS, *words]) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert " - " in line, line
    return line


def locked(path: Path, *words: str) -> str:
    """The same for a server that may not write what is marked as not to be written: root may, unless it gives that up."""
    plain = [sys.executable, "-m", "server", "--config", str(path), *PORTS, *words]
    bound = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
    if bound and subprocess.run([*bound, "true"], capture_output=True, check=False).returncode != 0:
        strict.skip_missing("root cannot give up its rights here (setpriv)")
    done = subprocess.run([*bound, *plain], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3, done.stderr
    (line,) = done.stderr.splitlines()
    return line


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[list[Path]]:
    """Files and folders that nobody may write while the test runs, once they are put in here and `close` is called."""
    found: list[Path] = []
    yield found
    for one in found:
        one.chmod(0o755)


def close(closed: list[Path], *paths: Path) -> None:
    for one in paths:
        one.chmod(0o555)
        closed.append(one)


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_cannot_be_written(tmp_path: Path, path: Path, closed: list[Path], there: bool) -> None:
    if there:
        open_engine(config.load(path).db).dispose()
    close(closed, tmp_path)
    assert "CFG-028" in (line := locked(path)) and "must be able to write the database's file and its folder" in line


def test_a_database_that_can_only_be_read(tmp_path: Path, made: Path, closed: list[Path]) -> None:
    """Up to date, so that nothing but the devices is to be written; its folder could be written."""
    close(closed, tmp_path / "server.db")
    line = locked(made)
    assert line.startswith("CFG-028") and "readonly database - the server's user must be able to write" in line


@pytest.mark.parametrize("words", [[], ["--restored"]])
def test_a_file_that_is_no_database(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, words: list[str]
) -> None:
    (tmp_path / "server.db").write_text("this is no database, and long enough to be told from an empty one" * 20)
    line = told(capsys, path, *words)
    assert line.startswith("CFG-028") and line.endswith(
        "not a database - name another one, or put a backup back (docs/restore.md)"
    )


@pytest.mark.parametrize("table", ["devices", "heads"])
def test_a_database_that_lacks_a_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path, table: str
) -> None:
    with sqlite3.connect(tmp_path / "server.db") as connection:
        connection.execute(f"DROP TABLE {table}")
    connection.close()
    line = told(capsys, made)
    assert line.startswith("CFG-028") and f"no such table: {table} - name another one, or put a backup back" in line


def test_what_a_restore_is_marked_in_is_written_by_somebody_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: Path
) -> None:
    monkeypatch.setattr("server.store.engine.BUSY_MS", 50)
    monkeypatch.setattr(devices, "enter", lambda *_: None)
    other = sqlite3.connect(tmp_path / "server.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        line = told(capsys, made, "--restored")
    finally:
        other.close()
    assert line.startswith("CFG-028") and line.endswith("locked - another program writes there: end it, or try again")


def test_a_migration_of_a_newer_release(capsys: pytest.CaptureFixture[str], tmp_path: Path, made: Path) -> None:
    with sqlite3.connect(tmp_path / "server.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert told(capsys, made).startswith("CFG-029")


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[str, str]]:
    """URLs of a database of this release and of an empty one; the role of the first needs a password, and may read only."""
    with Cluster() as cluster:
        url, empty = cluster.url(), cluster.url()
        open_engine(url).dispose()
        engine = create_engine(url.replace("postgresql", "postgresql+psycopg"))
        with engine.begin() as connection:
            connection.execute(text(f"CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}'"))
            connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO poor"))
            folder = Path(connection.execute(text("SHOW data_directory")).scalar() or "")
            rules = folder / "pg_hba.conf"
            rules.write_text("host all poor 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
            connection.execute(text("SELECT pg_reload_conf()"))
        engine.dispose()
        yield url, empty


def _as_poor(url: str, password: str = PASSWORD) -> str:
    return url.replace("tasdid@", f"poor:{password}@")


@pytest.mark.parametrize(
    ("change", "what", "instead"),
    [
        (lambda url: "postgresql://tasdid:not-to-be-told@127.0.0.1:1/x", "refused", "start PostgreSQL there"),
        (lambda url: "postgresql://tasdid:not-to-be-told@nowhere.invalid/x", "resolve", "check host and port"),
        (lambda url: _as_poor(url, "not-to-be-told-either"), "password authentication failed", "check user, password"),
        (lambda url: url.replace("tasdid@", "poor@"), "password", "check user, password"),
        (lambda url: f"{url}-another", "does not exist", "and the database's name"),
        (_as_poor, "permission denied for table", "be granted all on them"),
    ],
)
def test_a_postgresql_that_is_away_or_lets_nobody_in(
    capsys: pytest.CaptureFixture[str],
    path: Path,
    guarded: tuple[str, str],
    change,
    what: str,
    instead: str,  # noqa: ANN001 - url → url
) -> None:
    line = told(capsys, path, "--db", change(guarded[0]))
    assert line.startswith("CFG-028") and what in line and instead in line.partition(" - ")[2]
    assert PASSWORD not in line


def test_a_role_without_rights_makes_no_centre(
    capsys: pytest.CaptureFixture[str], path: Path, guarded: tuple[str, str]
) -> None:
    line = told(capsys, path, "--db", _as_poor(guarded[1]))
    assert line.startswith("CFG-028") and "permission denied" in line and "be granted all on them" in line


def test_two_servers_that_enter_the_same_terminal_at_once_both_start(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster, handheld: Handheld
) -> None:
    """The other one has entered it after this one has looked for it."""
    engine = open_engine(cluster.url())
    device = devices.parse(handheld.name, handheld.entry())
    plain, looks = devices.find, []

    def find(connection, name: str):  # noqa: ANN001, ANN202 - as `devices.find`
        looks.append(name)
        if len(looks) > 1:
            return plain(connection, name)
        with engine.begin() as other:
            monkeypatch.setattr(devices, "find", plain)
            devices.register(other, device, 1)
            monkeypatch.setattr(devices, "find", find)
        return None

    monkeypatch.setattr(devices, "find", find)
    devices.enter(engine, [device], 2)
    with reading(engine) as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM heads").scalar() == 1
    engine.dispose()


@pytest.mark.parametrize(
    "change",
    [
        {"force": float("inf")},
        {"wilaya": float("inf")},
        {"unit": "U" * (devices.UNIT_MOST + 1)},
        {"unit": "two\nlines"},
        {"unit": "nul \0"},
        {"dukpt_key_id": "0" * (devices.KEY_ID_MOST + 1)},
    ],
)
def test_a_terminal_that_no_database_takes(handheld: Handheld, change: dict[str, object]) -> None:
    """SQLite would: a server that moves to PostgreSQL would not start."""
    with pytest.raises(ConfigError, match=f"CFG-021 device {handheld.name}"):
        devices.parse(handheld.name, {**handheld.entry(), **change})


def test_brackets_in_brackets_are_a_malformed_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path
) -> None:
    (tmp_path / "devices.json").write_text("[" * 100_000)
    assert told(capsys, path).startswith("CFG-020 devices.json is malformed")


def _under_password(pem: Path) -> bytes:
    key = serialization.load_pem_private_key(pem.read_bytes(), None)
    lock = serialization.BestAvailableEncryption(PASSWORD.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock)


@pytest.mark.parametrize("how", ["torn", "empty", "under a password", "of another kind", "away"])
def test_a_key_that_cannot_be_used(capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, how: str) -> None:
    file = tmp_path / "keys" / "ack.pem"
    whole = file.read_bytes()
    if how == "away":
        file.unlink()
    else:
        other = ec.generate_private_key(ec.SECP384R1()).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        said = {"torn": whole[:100], "empty": b"", "under a password": _under_password(file), "of another kind": other}
        file.write_bytes(said[how])
    line = told(capsys, path)
    assert line.startswith("CFG-010 key ack.pem")
    assert ("python -m server.keys" in line) == (how == "away")  # which makes what is not there, and nothing else


@pytest.mark.parametrize("how", ["torn", "under a password"])
def test_a_certificates_key_that_cannot_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, how: str
) -> None:
    file = certificates.make(tmp_path / "tls")
    whole = file.read_bytes()
    end = b"-----END PRIVATE KEY-----\n"
    file.write_bytes(whole[:100] if how == "torn" else _under_password(file) + whole.partition(end)[2])
    line = told(capsys, path, "--tls", str(file))
    assert line.startswith("CFG-012 server.pem") and "delete it, then run: tasdid server certificates" in line
    with pytest.raises(ConfigError, match="CFG-012 server.pem"):
        certificates.make(tmp_path / "tls")
    file.unlink()
    assert certificates.make(tmp_path / "tls") == file


def test_the_authority_that_terminals_pin_is_never_to_be_deleted(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    (tmp_path / certificates.CA_FILE).write_text("torn")
    with pytest.raises(ConfigError, match=r"CFG-012 ca\.pem .* - put its backup back"):
        certificates.make(tmp_path)


@pytest.mark.parametrize("payload", [[1], [], b"", 5, {1: "tariff"}])
def test_a_set_that_is_none(capsys: pytest.CaptureFixture[str], tmp_path: Path, path: Path, payload: object) -> None:
    header = cbor2.dumps({1: -7, 3: "tsd/set/tariff", 4: b"set-tariff"}, canonical=True)
    parts = [header, {}, cbor2.dumps(payload, canonical=True), bytes(64)]
    (tmp_path / "sets" / "a.cose").write_bytes(b"\xd2" + cbor2.dumps(parts, canonical=True))
    assert main(["--config", str(path), *PORTS]) == 3
    assert capsys.readouterr().err.startswith("PRM-011")


def test_a_port_that_another_has(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    taken = listen("127.0.0.1", 0)
    try:
        assert main(["--config", str(path), "--port", str(taken.getsockname()[1])]) == 3
    finally:
        taken.close()
    line = capsys.readouterr().err
    assert line.startswith("CFG-030") and "choose another --port" in line
