"""The CA that terminals pin is made once; a renewal is for the same names; an end that comes near is told."""

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from sqlalchemy import select

from protocol.errors import ConfigError
from server import certificates, codes, config
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web import certified, fronts
from server.web.app import build
from tests.server.handheld import Handheld
from tests.server.served import ROOT, write_config


def old(folder: Path, first: int, last: int, name: str = "centre.dz") -> Path:
    """A server's certificate from and to so many days from now."""
    server = certificates.make(folder, name)
    ca = certificates._read(folder / "ca.pem")
    certificates._write(server, certificates.issue(ca, name, first, last))
    return server


def names(server: Path) -> list[str]:
    found = x509.load_pem_x509_certificate(server.read_bytes())
    return found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("gone", [[], ["server.pem"], ["ca.der"]])
def test_no_other_authority_is_made_while_the_one_that_terminals_pin_is_kept_elsewhere(
    tmp_path: Path, gone: list[str]
) -> None:
    old(tmp_path, -400, -1)
    kept = (tmp_path / "ca.pem").read_bytes()
    for name in ["ca.pem", *gone]:
        (tmp_path / name).unlink()
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConfigError, match=r"CFG-015 ca\.pem is not there, but .* - put ca\.pem back"):
        certificates.make(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    (tmp_path / "ca.pem").write_bytes(kept)
    pinned = x509.load_der_x509_certificate
    server = x509.load_pem_x509_certificate(certificates.make(tmp_path).read_bytes())
    server.verify_directly_issued_by(pinned((tmp_path / "ca.der").read_bytes()))


def test_another_authority_is_not_put_in_the_place_of_the_one_that_terminals_pin(tmp_path: Path) -> None:
    certificates.make(tmp_path)
    pinned = (tmp_path / "ca.der").read_bytes()
    certificates._write(tmp_path / "ca.pem", certificates.authority())
    with pytest.raises(ConfigError, match="CFG-015"):
        certificates.make(tmp_path)
    assert (tmp_path / "ca.der").read_bytes() == pinned


def test_a_renewal_is_for_the_names_of_before_unless_another_one_is_said(tmp_path: Path) -> None:
    server = old(tmp_path, -300, 20)
    assert certificates.make(tmp_path) == server and names(server) == ["centre.dz"]
    assert certificates.ending(server) is None
    both = x509.SubjectAlternativeName([x509.DNSName("centre.dz"), x509.DNSName("reserve.dz")])
    ca = certificates._read(tmp_path / "ca.pem")
    certificates._write(server, certificates.issue(ca, "centre.dz", -300, 20, both))
    assert names(certificates.make(tmp_path)) == ["centre.dz", "reserve.dz"]
    before = server.read_bytes()
    certificates.make(tmp_path, "reserve.dz")
    assert server.read_bytes() == before
    assert names(certificates.make(tmp_path, "other.dz")) == ["other.dz"]


@pytest.mark.parametrize(("last", "told"), [(29, "ends 20"), (-1, "has ended: no terminal speaks"), (31, None)])
def test_an_end_that_comes_near_is_told(tmp_path: Path, last: int, told: str | None) -> None:
    found = certificates.ending(old(tmp_path, -300, last))
    assert found is None if told is None else told in (found or "")


def test_a_server_says_so_at_each_start_and_to_the_audit_log_once(tmp_path: Path, handheld: Handheld) -> None:
    path = write_config(tmp_path, [handheld])
    server = old(tmp_path / "tls", -400, -1)
    command = [sys.executable, "-m", "server", "--config", str(path), "--tls", str(server), "--port", "0"]
    for _ in range(2):
        process = subprocess.Popen(
            [*command, "--tls-port", "0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and "listening" in process.stdout.readline()
        process.terminate()
        assert "server.pem for terminals has ended" in process.communicate(timeout=30)[1]
    engine = open_engine(config.load(path).db)
    with reading(engine) as connection:
        alarms = connection.execute(select(t.audit.c.level).where(t.audit.c.code == certificates.ENDING)).scalars()
        assert list(alarms) == [t.LEVEL_ALARM]
    engine.dispose()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("as_fronts", [False, True])
def test_a_server_that_runs_on_says_it_too_once_it_comes_near(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    handheld: Handheld,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    as_fronts: bool,
) -> None:
    """30 days before, and when it has ended; the start of long before has said nothing. A renewed file is not what is served."""
    monkeypatch.setattr(certified, "EVERY_S", 0.02)
    url = request.getfixturevalue("cluster").url() if kind == "postgresql" else None
    server = old(tmp_path / "tls", -300, 40)
    loaded = replace(config.load(write_config(tmp_path, [handheld]), url), certificate=server)
    now = [time.time()]
    app = build(loaded, lambda: int(now[0]))
    engine = open_engine(loaded.db)

    def alarms() -> list[str]:
        with reading(engine) as connection:
            wanted = select(t.audit.c.what).where(t.audit.c.code == certificates.ENDING).order_by(t.audit.c.number)
            return list(connection.execute(wanted).scalars())

    async def told(what: str) -> None:
        async with asyncio.timeout(60):
            while what not in "".join(alarms()[-1:]):
                await asyncio.sleep(0.02)

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.sleep(0.3)
            assert alarms() == []
            now[0] += 12 * 86400
            await told("ends 20")
            assert len(alarms()) == 1 and "renew it" in alarms()[0]
            certificates._write(
                server, certificates.issue(certificates._read(tmp_path / "tls" / "ca.pem"), "a", -1, 90)
            )
            now[0] += 40 * 86400
            await told("has ended")
            assert "it is renewed: start the server again" in alarms()[-1]
            many = len(alarms())
            await asyncio.sleep(0.3)
            assert len(alarms()) == many <= 3

    if as_fronts:
        fronts.run(live())  # on the loop that is the fronts'
    else:
        asyncio.run(live())
    engine.dispose()


def test_what_could_not_be_written_down_is_said_later(tmp_path: Path) -> None:
    server, written = old(tmp_path, -300, 40), []

    async def write(_operation: object) -> None:
        if not written:
            written.append("refused")
            raise codes.RefusedError(codes.BUSY, "too much waits")
        written.append("done")

    at = [int(time.time())]
    watch = certified.Certified(server, lambda: at[0], write)
    at[0] += 20 * 86400
    assert [asyncio.run(watch.look()) for _ in range(3)] == [False, True, True]
    assert written == ["refused", "done"]
