"""A backup that was put back, until its server was told: nobody opens it beside what is another database's, nobody decides in it, and who starts it
is told which terminals may have been blocked since.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from server import config, keys
from server.store import tables as t
from server.store import whole
from server.store.engine import open_engine, reading
from server.web.app import build
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.office.test_blocks import _draft, _propose, both
from tests.server.officers import Officers
from tests.server.postgres import Cluster
from tests.server.served import ROOT, write_config
from tests.server.store.test_whole import put_back as put_back
from tests.tools.test_server import refused, says

SIGNED = ("--officer", 2001, "--key", "2001.pem")
DECISIONS = [
    ("propose", "TSD-000001", "--reason", "storage lost", *SIGNED),
    ("device", "block", "TSD-000001", "--reason", "stolen", *SIGNED),
    ("refund", "propose", "TSD-000001/1/3", "--reason", "paid twice", *SIGNED),
    ("failed", "again", "TSD-000001/1/3", "--reason", "the host was away", *SIGNED),
]
LOOKS = [("device", "list"), ("epochs",), ("recompute",), ("failed", "list"), ("failed", "rulings"), ("refund", "list")]


@pytest.fixture
def handheld() -> Handheld:
    return Handheld()


@pytest.fixture
def centre(tmp_path: Path, handheld: Handheld) -> Centre:
    return Centre(tmp_path, handheld)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        yield cluster


@pytest.mark.parametrize(
    "words", [*DECISIONS, *LOOKS, ("backup", "again.db")], ids=lambda words: " ".join(map(str, words[:2]))
)
def test_no_command_opens_it_beside_what_another_database_has_left(put_back: Path, words: tuple[object, ...]) -> None:
    files = [put_back.parent / name for name in ("server.db", "server.db-wal")]
    before = [file.read_bytes() for file in files]
    assert refused("server", *words, "--config", put_back) == "CFG-034"
    assert [file.read_bytes() for file in files] == before


@pytest.mark.parametrize("words", [[], ["--sums"]])
def test_nor_does_the_recomputation_nor_who_makes_keys(
    put_back: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    before, url = (put_back.parent / "server.db-wal").read_bytes(), config.load(put_back).db
    command = [sys.executable, "-m", "server.ledger", *words]
    done = subprocess.run(command, cwd=ROOT, input=url, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 3 and done.stderr.startswith("CFG-034")
    (put_back.parent / "keys" / "ack.pem").unlink()
    assert keys.main([str(put_back.parent / "keys")]) == 3 and capsys.readouterr().err.startswith("CFG-034")
    assert (put_back.parent / "server.db-wal").read_bytes() == before


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_nobody_decides_before_a_server_was_told_and_whoever_looks_may(
    request: pytest.FixtureRequest, tmp_path: Path, handheld: Handheld, kind: str
) -> None:
    path, url = _configured(tmp_path, handheld), None
    if kind == "postgresql":
        url = request.getfixturevalue("cluster").url()
    build(config.load(path, url)).state.running.engine.dispose()
    words = ("server", "device", "block", "TSD-000001", "--reason", "stolen", "--config", path)
    signed = ("--officer", 2001, "--key", tmp_path / "2001.pem")
    url = _restored(request, tmp_path, url)
    assert refused(*words, *signed, "--db", url) == "CFG-037"
    assert "TSD-000001 of " in says("server", "device", "list", "--config", path, "--db", url)
    _start(path, url)
    assert "proposal 1" in says(*words, *signed, "--db", url)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_who_starts_it_is_told_which_terminals_may_have_been_blocked_since(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    """One was blocked by the time of the backup, for another one officer had proposed it."""
    blocked, proposed, other = (Handheld(f"TSD-00000{n}") for n in (1, 2, 3))
    path = write_config(tmp_path, [blocked, proposed, other])
    url = request.getfixturevalue("cluster").url() if kind == "postgresql" else None
    build(config.load(path, url)).state.running.engine.dispose()
    centre, officers = Centre(tmp_path, blocked, proposed, other, url=url), Officers(tmp_path)
    both(centre, officers, True)
    _propose(centre, officers, _draft(centre, True, proposed.name))
    centre.engine.dispose()
    url = _restored(request, tmp_path, url)
    told = _start(path, url)
    assert "blocked by the backup, of 20" in told and ": TSD-000001; who was since is forgotten" in told
    assert "TSD-000002: officer 2001 had proposed to block it" in told and "TSD-000003" not in told
    listed = says("server", "device", "list", "--config", path, "--db", url)
    assert "restored on 20" in listed and "who was blocked or unblocked in between is forgotten" in listed
    assert len(json.loads(says("server", "device", "list", "--config", path, "--db", url, "--json"))["restored"]) == 2
    engine = open_engine(url)
    with reading(engine) as connection:
        alarms = connection.execute(select(t.audit.c.device, t.audit.c.what).where(t.audit.c.code == "RESTORED")).all()
    engine.dispose()
    assert {row.device for row in alarms if "block" in row.what} == {"", proposed.name}
    assert all(len(row.what) < 200 for row in alarms)
    assert "restored: " not in _start(path, url, restored=False)


def _configured(folder: Path, handheld: Handheld) -> Path:
    path = write_config(folder, [handheld])
    Officers(folder)
    path.write_text('office = "office.json"\n' + path.read_text())
    return path


def _restored(request: pytest.FixtureRequest, folder: Path, url: str | None) -> str:
    """The URL of a database that is a backup of that one."""
    if url is not None:
        cluster: Cluster = request.getfixturevalue("cluster")
        return cluster.restore(cluster.dump(url))
    whole.back_up(f"sqlite:///{folder / 'server.db'}", folder / "backup.db")
    return f"sqlite:///{folder / 'backup.db'}"


def _start(path: Path, url: str, restored: bool = True) -> str:
    """A start, until the server listens; what it has said on stderr."""
    command = [sys.executable, "-m", "server", "--config", str(path), "--db", url, "--port", "0"]
    command += ["--restored"] if restored else []
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    process.terminate()
    _, told = process.communicate(timeout=20)
    assert line.startswith("server listening on"), told
    return told
