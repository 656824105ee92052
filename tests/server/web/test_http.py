"""The server as it runs: uvicorn on a free port, the writer's thread, the worker, a host beside it; and its
command line.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from protocol import records as r
from protocol import sync as s
from protocol.errors import ConfigError
from server import certificates, config, keys
from server.__main__ import main
from server.store.engine import open_engine
from server.web.app import build
from server.web.serve import Serving, listen
from sim.acquirer.host import Host
from tests.server.cards import ARQC, KEYS, content
from tests.server.handheld import Handheld
from tests.server.served import ROOT, Line, wait_for, write_config

A = 200_000
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def served(tmp_path: Path, handheld: Handheld, host: Host) -> Iterator[Line]:
    path = write_config(tmp_path, [handheld], host.port)
    with Serving(build(config.load(path))) as server:
        line = Line(server.url, keys.load(tmp_path / "keys").public("ack"))
        yield line
        line.client.close()


def test_a_provisional_payment_is_settled_and_its_result_delivered(
    served: Line, handheld: Handheld, host: Host
) -> None:
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    handheld.finish(intent, r.OUTCOME_PROVISIONAL, A, handheld.seal(KEYS.bdk, intent, A, content(A, ARQC)))
    assert served.say(handheld.hello())[0] == s.TYPE_WELCOME
    kind, ack = served.say(handheld.batch(1))
    assert (kind, ack[s.ACKED_SEQ]) == (s.TYPE_ACK, 3)
    (result,) = wait_for(lambda: served.say(handheld.hello())[1].get(s.RESULTS))
    assert (result[s.RESULT_INTENT], result[s.RESULT_OUTCOME]) == (intent, 1)
    seq = handheld.write(
        r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code=result[s.RESULT_AUTH_CODE]
    )
    assert s.RESULTS not in served.say(handheld.batch(seq))[1]
    wait_for(host.book.captures)
    wait_for(lambda: served.client.get("/health").json()["acquirer_waiting"] == 0)
    ledger = served.client.get("/api/ledger").json()
    assert ledger["balanced"] is True and ledger["differences"] == []
    assert ledger["accounts"] == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}
    assert ledger["totals"]["provisional"] == {"count": 1, "amount": A} and ledger["now"]["paid"]["count"] == 1
    assert [posting["part"] for posting in ledger["postings"]] == ["final", "outcome"]
    assert ledger["cases"][0]["state"] == "paid"
    device = ledger["devices"][0]
    assert (device["device"], device["acked_seq"], device["epoch"]) == (handheld.name, 4, 1) and device["last_contact"]


def test_health_and_receipt_keys(served: Line, handheld: Handheld) -> None:
    health = served.client.get("/health").json()
    assert health["ok"] is True and health["database"] == "sqlite" and abs(health["utc"] - time.time()) < 60
    assert served.client.get("/api/receipt-keys").json() == {handheld.name: handheld.public().hex()}


def test_a_body_over_the_limit_is_cut_off(served: Line) -> None:
    reply = served.client.post(s.PATH, content=bytes(70_000))
    assert (reply.status_code, reply.text) == (413, "SRV-010")


def test_rubbish_gets_a_signed_refusal(served: Line) -> None:
    for body in (b"", b"hello", b"\xff" * 100):
        kind, payload = served.say(body)
        assert kind == s.TYPE_REFUSED and payload[s.CODE] == "SRV-011" and payload[s.NONCE] == b""


def test_a_database_that_cannot_be_written_says_later_and_acknowledges_nothing(
    tmp_path: Path, handheld: Handheld
) -> None:
    application = build(config.load(write_config(tmp_path, [handheld])))
    handheld.pay(r.OUTCOME_APPROVED)
    with Serving(application) as server:
        line = Line(server.url, keys.load(tmp_path / "keys").public("ack"))
        line.say(handheld.hello())
        with application.state.running.engine.begin() as connection:
            connection.execute(text("ALTER TABLE legs RENAME TO legs_away"))
        reply = line.client.post(s.PATH, content=handheld.batch(1))
        assert (reply.status_code, reply.text) == (503, "SRV-041") and reply.headers["retry-after"]
        with application.state.running.engine.begin() as connection:
            connection.execute(text("ALTER TABLE legs_away RENAME TO legs"))
        ack = line.say(handheld.batch(1))[1]
        assert (ack[s.ACKED_SEQ], ack[s.NEW], ack[s.DUPLICATES]) == (3, 3, 0)
        line.client.close()


def test_what_nobody_expected_is_a_code_and_an_alarm_and_the_writer_goes_on(
    served: Line, handheld: Handheld, tmp_path: Path
) -> None:
    """A head that no code can read stands for whatever a record may yet bring about."""
    handheld.pay(r.OUTCOME_APPROVED)
    served.say(handheld.hello())
    engine = open_engine(f"sqlite:///{tmp_path / 'server.db'}", migrate=False)
    with engine.begin() as connection:
        connection.execute(text("UPDATE heads SET hash = 'x'"))
    for _ in range(2):
        reply = served.client.post(s.PATH, content=handheld.batch(1))
        assert (reply.status_code, reply.text) == (503, "SRV-047") and reply.headers["retry-after"]
    with engine.begin() as connection:
        connection.execute(text("UPDATE heads SET hash = :zero"), {"zero": bytes(32)})
    assert served.say(handheld.batch(1))[1][s.NEW] == 3
    with engine.connect() as connection:
        said = connection.execute(text("SELECT device, what FROM audit WHERE code = 'SRV-047'")).all()
    engine.dispose()
    assert [tuple(line) for line in said] == [(handheld.name, "a message cannot be judged: TypeError")]


def test_many_devices_at_once_share_commits_and_lose_nothing(tmp_path: Path) -> None:
    fleet = [Handheld(f"TSD-{number:06d}") for number in range(1, 25)]
    for device in fleet:
        device.pay(r.OUTCOME_APPROVED)
        device.pay(r.OUTCOME_DECLINED)
    application = build(config.load(write_config(tmp_path, fleet)))
    ack_key = keys.load(tmp_path / "keys").public("ack")
    with Serving(application) as server:

        def shift(device: Handheld) -> int:
            line = Line(server.url, ack_key)
            try:
                line.say(device.hello())
                for seq in range(1, 7):
                    acked = line.say(device.batch(seq, seq))[1][s.ACKED_SEQ]
                return acked
            finally:
                line.client.close()

        with ThreadPoolExecutor(12) as pool:
            assert list(pool.map(shift, fleet)) == [6] * len(fleet)
        ledger = httpx.get(server.url + "/api/ledger", trust_env=False).json()
    assert ledger["balanced"] is True
    assert ledger["totals"]["approved"] == {"count": 24, "amount": 24 * A}
    writer = application.state.running.writer
    assert writer.operations == 24 * 7 and writer.commits <= writer.operations


def test_a_restarted_server_goes_on_where_it_stopped(tmp_path: Path, handheld: Handheld) -> None:
    path = write_config(tmp_path, [handheld])
    ack_key = keys.load(tmp_path / "keys").public("ack")
    handheld.pay(r.OUTCOME_APPROVED)
    for _ in range(2):
        with Serving(build(config.load(path))) as server:
            line = Line(server.url, ack_key)
            line.say(handheld.hello())
            acked = line.say(handheld.batch(1))[1]
            line.client.close()
    assert (acked[s.ACKED_SEQ], acked[s.NEW], acked[s.DUPLICATES]) == (3, 0, 3)


def test_the_command_prints_its_address_and_survives_a_kill(tmp_path: Path, handheld: Handheld) -> None:
    path = write_config(tmp_path, [handheld])
    ack_key = keys.load(tmp_path / "keys").public("ack")
    command = [sys.executable, "-m", "server", "--config", str(path), "--port", "0"]
    handheld.pay(r.OUTCOME_APPROVED)
    for round_ in range(2):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("server listening on http://127.0.0.1:")
            line = Line(first.split()[-1], ack_key)
            line.say(handheld.hello())
            ack = line.say(handheld.batch(1))[1]
            assert (ack[s.NEW], ack[s.DUPLICATES]) == ((3, 0), (0, 3))[round_]
            line.client.close()
        finally:
            process.kill()
            process.wait(10)
            assert process.stdout is not None
            process.stdout.close()


def test_the_host_can_be_started_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sim.acquirer", "--keys", str(tmp_path / "host"), "--port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("acquirer listening on 127.0.0.1:")
        assert (tmp_path / "host" / "bdk.json").stat().st_mode & 0o777 == 0o600
    finally:
        process.terminate()
        assert process.wait(10) == 0
        assert process.stdout is not None
        process.stdout.close()


def test_configuration_errors_name_the_file_and_what_to_do(tmp_path: Path, handheld: Handheld) -> None:
    with pytest.raises(ConfigError, match="CFG-020 absent.toml"):
        config.load(tmp_path / "absent.toml")
    (tmp_path / "bad.toml").write_text("keys = [")
    with pytest.raises(ConfigError, match="CFG-020 bad.toml is malformed"):
        config.load(tmp_path / "bad.toml")
    (tmp_path / "patient.toml").write_text('keys = "keys"\n[acquirer]\nport = 1\nhost = "127.0.0.1"\ntimeout = 60\n')
    with pytest.raises(ConfigError, match="CFG-020 patient.toml: 'acquirer.timeout' is not between"):
        config.load(tmp_path / "patient.toml")
    path = write_config(tmp_path, [handheld], port=1)
    path.write_text(path.read_text() + "holds = 77\n")
    assert build(config.load(path)).state.running.worker._holds == 77
    path.write_text(path.read_text().replace("77", "-1"))
    with pytest.raises(ConfigError, match="CFG-020 server.toml: 'acquirer.holds' is negative"):
        config.load(path)
    path = write_config(tmp_path, [handheld])
    (tmp_path / "keys" / "ack.pem").unlink()
    with pytest.raises(ConfigError, match="CFG-010 key ack.pem"):
        build(config.load(path))
    (tmp_path / "devices.json").write_text(json.dumps({"TSD-1": {**handheld.entry(), "public_key": "00"}}))
    with pytest.raises(ConfigError, match="CFG-021 device TSD-1"):
        config.load(path)
    for name in ("TSD/01", "TSD-\u0661", "TSD\n1", "TSD\x001"):  # the acquirer is told device/epoch/intent
        (tmp_path / "devices.json").write_text(json.dumps({name: handheld.entry()}))
        with pytest.raises(ConfigError, match=r"CFG-021 device .*: id has a character"):
            config.load(path)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ('[aquirer]\nhost = "127.0.0.1"\nport = 1', "there is no 'aquirer' - did you mean 'acquirer'"),
        ('[acquirer]\nhots = "127.0.0.1"\nport = 1', "there is no 'acquirer.hots' - did you mean 'acquirer.host'"),
        ('devcies = "devices.json"', "did you mean 'devices'"),
        ("zzz = 1", "there is no 'zzz' - one of: keys, devices, sets, office, tls, db, fronts, acquirer"),
        ('acquirer = "host:1"', "'acquirer' is no table"),
        ("db = 5", "'db' is no text"),
        ("office = []", "'office' is no text"),
        ("fronts = -1", "'fronts' is negative -"),
        ("[acquirer]\nport = 1", ": no 'acquirer.host' for the port -"),
        ("[acquirer]\nholds = inf", ": 'acquirer.holds' is no whole number -"),
        ("[acquirer]\nwaits = []", ": 'acquirer.waits' is no whole number -"),
        ("[acquirer]\nholds = 100000000000000000000", ": 'acquirer.holds' is over 31622400 -"),
        ("[acquirer]\nwaits = 31622401", ": 'acquirer.waits' is over 31622400 -"),
        ("[acquirer]\nonline_waiting = 10001", ": 'acquirer.online_waiting' is over 10000 -"),
        ("[acquirer]\nonline_waiting = true", ": 'acquirer.online_waiting' is no whole number -"),
        ("fronts = 100000000000000000000", ": 'fronts' is over 64 -"),
        ("fronts = true", ": 'fronts' is no whole number -"),
        ("fronts = 1.9", ": 'fronts' is no whole number -"),
        ('fronts = "2"', ": 'fronts' is no whole number - a whole number from 0 to 64, without quotes"),
        ('[acquirer]\nhost = "h"\nport = "8583"', ": 'acquirer.port' is no whole number -"),
        ('[acquirer]\nhost = "h"\nport = 8583.7', ": 'acquirer.port' is no whole number -"),
        ("[acquirer]\nhost = 5\nport = 1", ": 'acquirer.host' is no text -"),
        ("[acquirer]\ntimeout = true", ": 'acquirer.timeout' is no number -"),
        ('[acquirer]\ntimeout = "5"', ": 'acquirer.timeout' is no number -"),
        ('devices = "nothere.json"', ": 'devices' names "),
        ('[acquirer]\ntimeout = "soon"', ": 'acquirer.timeout' is no number -"),
        ("[acquirer]\ntimeout = nan", ": 'acquirer.timeout' is not between 0 and 60 s"),
        ('[acquirer]\nhost = "h"\nport = 99999', ": 'acquirer.port' is over 65535 -"),
        ("[acquirer]\nonline_timeout = 0", ": 'acquirer.online_timeout' is not between 0 and 60 s"),
        ("[acquirer]\nonline_waiting = -1", ": 'acquirer.online_waiting' is negative -"),
    ],
)
def test_what_a_configuration_does_not_know_is_refused_by_name(tmp_path: Path, written: str, told: str) -> None:
    (tmp_path / "server.toml").write_text(f'keys = "keys"\n{written}\n')
    with pytest.raises(ConfigError, match="CFG-020 server.toml: ") as caught:
        config.load(tmp_path / "server.toml")
    assert told in str(caught.value)


def test_the_command_says_when_nobody_is_asked(tmp_path: Path, handheld: Handheld) -> None:
    for port, told in ((0, "no acquirer: requests wait\n"), (1, "")):
        path = write_config(tmp_path, [handheld], port)
        command = [sys.executable, "-m", "server", "--config", str(path), "--port", "0"]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]

        def answers(url: str = url) -> bool:
            try:
                return httpx.get(f"{url}/health", timeout=20, trust_env=False).is_success
            except httpx.TransportError:
                return False

        try:
            assert wait_for(answers)
        finally:
            process.terminate()
            process.wait(20)
        assert process.stdout.read() == told
        process.stdout.close()


def test_a_device_cannot_change_its_key_silently_and_stops_no_other(tmp_path: Path, handheld: Handheld) -> None:
    second = Handheld("TSD-000002")
    path = write_config(tmp_path, [handheld, second])
    with Serving(build(config.load(path))) as served:
        Line(served.url, keys.load(tmp_path / "keys").public("ack")).say(handheld.hello())
    write_config(tmp_path, [Handheld(handheld.name), second])
    with Serving(build(config.load(path))) as served:
        line = Line(served.url, keys.load(tmp_path / "keys").public("ack"))
        for one in (handheld, second):
            assert line.say(one.hello())[0] == s.TYPE_WELCOME
        (alarm,) = line.client.get("/api/ledger").json()["alarms"]
    assert (alarm["device"], alarm["code"]) == (handheld.name, "CFG-022")


def test_fronts_and_tls_exclude_each_other(
    tmp_path: Path, handheld: Handheld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [handheld])
    certificates.make(tmp_path / "tls")
    path.write_text('tls = "tls/server.pem"\nfronts = 1\n' + path.read_text())
    assert main(["--config", str(path), "--port", "0"]) == 3
    assert "CFG-026" in capsys.readouterr().err


def test_a_certificate_that_cannot_be_used_is_named(
    tmp_path: Path, handheld: Handheld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [handheld])
    path.write_text('tls = "tls/server.pem"\n' + path.read_text())
    for written in (None, "no certificate"):
        if written is not None:
            (tmp_path / "tls").mkdir()
            (tmp_path / "tls" / "server.pem").write_text(written)
        assert main(["--config", str(path), "--port", "0"]) == 3
        assert "CFG-012 server.pem" in capsys.readouterr().err


def test_a_port_in_use_is_named() -> None:
    taken = listen("127.0.0.1", 0)
    try:
        with pytest.raises(ConfigError, match="CFG-030"):
            listen("127.0.0.1", taken.getsockname()[1])
    finally:
        taken.close()


def test_more_than_can_be_answered_in_time_is_told_later_and_nothing_is_lost(tmp_path: Path) -> None:
    """A slow writer and many terminals at once: those over the bound get 503 at once, and get through when they come again."""
    handhelds = [Handheld(f"TSD-{number:06d}") for number in range(1, 31)]
    for handheld in handhelds:
        handheld.pay(r.OUTCOME_DECLINED)
    application = build(config.load(write_config(tmp_path, handhelds)))
    running = application.state.running
    plain = running.service.apply_all

    def slow(connection: Any, group: list[Any], now: int, also: set[str]) -> Any:
        time.sleep(0.02 * len(group))
        return plain(connection, group, now, also)

    running.service.apply_all = slow
    with pytest.MonkeyPatch.context() as patch, Serving(application) as server:
        patch.setattr("server.web.sync.MAX_IN_HAND", 4)

        def insist(handheld: Handheld) -> int:
            later = 0
            for body in (handheld.hello(), handheld.batch(1)):
                while httpx.post(f"{server.url}{s.PATH}", content=body, timeout=20).status_code == 503:
                    later += 1
                    time.sleep(0.05)
            return later

        with ThreadPoolExecutor(30) as pool:
            later = sum(pool.map(insist, handhelds))
    assert later > 0
    engine = running.engine
    with engine.connect() as connection:
        held = connection.execute(text("SELECT COUNT(*) FROM heads WHERE seq = 3")).scalar()
    assert held == 30
