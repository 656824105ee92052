"""The keys that terminals pin: one that is lost is put back, and none is taken in its place by a side effect."""

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select, text

from protocol import records as r
from server import config, keys
from server.__main__ import main
from server.store import signers
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web.app import build
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import write_config

NEW = "python -m server.keys"


@pytest.fixture(params=["sqlite", "postgresql"])
def path(request: pytest.FixtureRequest, tmp_path: Path, handheld: Handheld) -> Path:
    """The configuration of a centre that has been started once; it is on either database."""
    path = write_config(tmp_path, [handheld])
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("cluster")
        path.write_text(f'db = "{cluster.url()}"\n' + path.read_text())
    start(path)
    return path


def start(path: Path, other_keys: bool = False) -> None:
    build(config.load(path), other_keys=other_keys).state.running.engine.dispose()


def told(capsys: pytest.CaptureFixture[str], path: Path) -> str:
    """What a server says that does not start."""
    assert main(["--config", str(path), "--port", "0"]) == 3
    return capsys.readouterr().err


def alarms(path: Path) -> list[str]:
    engine = open_engine(config.load(path).db)
    with reading(engine) as connection:
        found = list(connection.execute(select(t.audit.c.what).where(t.audit.c.code == "KEYS")).scalars())
    engine.dispose()
    return found


def test_a_centre_that_has_served_is_told_to_put_a_lost_key_back(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    (path.parent / "keys" / "ack.pem").unlink()
    line = told(capsys, path)
    assert line.startswith("CFG-010 key ack.pem missing") and "put it back from the backup" in line and NEW not in line
    assert keys.main([str(path.parent / "keys")]) == 3
    line = capsys.readouterr().err
    assert line.startswith("CFG-017") and "ack.pem" in line and "put it back from the backup" in line
    assert not (path.parent / "keys" / "ack.pem").exists()


def test_keys_that_are_others_than_so_far_are_refused_until_somebody_says_that_they_are_wanted(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    folder = path.parent / "keys"
    former = (folder / "ack.pem").read_bytes()
    (folder / "ack.pem").unlink()
    assert keys.main([str(folder), "--new-keys"]) == 0
    capsys.readouterr()
    for _ in range(2):
        line = told(capsys, path)
        assert line.startswith("CFG-016") and "ack.pem" in line and "cmd.pem" not in line and "--new-keys" in line
    made = (folder / "ack.pem").read_bytes()
    (folder / "ack.pem").write_bytes(former)
    start(path)
    assert alarms(path) == []
    (folder / "ack.pem").write_bytes(made)
    start(path, other_keys=True)
    start(path)
    (alarm,) = alarms(path)
    assert alarm.startswith("key ack is another one from now on")


def test_a_database_of_an_earlier_release_notes_the_keys_of_its_next_start(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, handheld: Handheld
) -> None:
    path = write_config(tmp_path, [handheld])
    centre = Centre(tmp_path, handheld)  # which notes none
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    centre.engine.dispose()
    aside = shutil.move(tmp_path / "keys" / "cmd.pem", tmp_path / "cmd.pem")
    assert NEW not in told(capsys, path)
    assert keys.main([str(tmp_path / "keys")]) == 3
    shutil.move(aside, tmp_path / "keys" / "cmd.pem")
    start(path)
    assert signers.in_use(config.load(path).db) == set(keys.ROLES)


def test_a_new_centre_is_told_how_its_keys_are_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, handheld: Handheld
) -> None:
    path = write_config(tmp_path, [handheld])
    shutil.rmtree(tmp_path / "keys")
    assert NEW in told(capsys, path)
    assert not (tmp_path / "server.db").exists()
    assert keys.main([str(tmp_path / "keys")]) == 0
    start(path)


def test_a_role_of_a_later_release_gets_its_key(path: Path) -> None:
    engine = open_engine(config.load(path).db)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM meta WHERE name = 'key set-limits'"))
    engine.dispose()
    (path.parent / "keys" / "set-limits.pem").unlink()
    assert keys.main([str(path.parent / "keys")]) == 0
    start(path)
    assert "set-limits" in signers.in_use(config.load(path).db)


def test_a_database_that_no_configuration_names_can_be_named(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    url = config.load(path).db
    path.rename(path.with_name("elsewhere"))
    (path.parent / "keys" / "ack.pem").unlink()
    assert keys.main([str(path.parent / "keys"), "--db", url]) == 3
    assert capsys.readouterr().err.startswith("CFG-017")
