"""`tasdid server`: it serves over TLS, and two officers give a terminal a new epoch."""

import json
import signal
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

from server.config import load
from server.web.app import build
from tests.server.handheld import Handheld
from tests.server.test_http import write_config
from tools import cli

ROOT = Path(__file__).resolve().parents[2]


def tasdid(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tools.cli", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_it_serves_over_tls_to_who_pins_its_ca(tmp_path: Path) -> None:
    config = write_config(tmp_path, [Handheld()])
    assert tasdid("server", "certificates", tmp_path / "tls").returncode == cli.OK
    command = [sys.executable, "-m", "tools.cli", "server", "run", "--config", str(config), "--port", "0"]
    command += ["--tls", str(tmp_path / "tls" / "server.pem"), "--tls-port", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        port = int(lines[1].rsplit(":", 1)[1])
        pinned = ssl.create_default_context(cadata=(tmp_path / "tls" / "ca.der").read_bytes())
        pinned.check_hostname = False  # it is asked for by its address here
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/health", context=pinned, timeout=20) as reply:  # noqa: S310
            assert json.load(reply)["ok"] is True
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
        process.stdout.close()  # type: ignore[union-attr]


def test_two_officers_give_a_terminal_a_new_epoch_and_one_alone_does_not(tmp_path: Path) -> None:
    config = write_config(tmp_path, [Handheld()])
    build(load(config)).state.running.engine.dispose()  # enters the devices, as every start does
    config.write_text('office = "office.json"\n' + config.read_text())
    for number in (2001, 2002):
        assert (
            tasdid("server", "officer", tmp_path / "office.json", number, tmp_path / f"{number}.pem").returncode
            == cli.OK
        )
    assert (tmp_path / "2001.pem").stat().st_mode & 0o777 == 0o600

    def decide(what: str, number: int, *more: str) -> "subprocess.CompletedProcess[str]":
        key = tmp_path / f"{number}.pem"
        return tasdid("server", what, "--config", config, "--officer", number, "--key", key, "TSD-000001", *more)

    none = decide("approve", 2002)
    assert none.returncode == cli.BAD_INPUT and "PRM-032" in none.stderr
    assert decide("propose", 2001, "--reason", "storage lost").returncode == cli.OK
    alone = decide("approve", 2001)
    assert alone.returncode == cli.BAD_INPUT and "PRM-033" in alone.stderr
    assert decide("approve", 2002).returncode == cli.OK
    listed = json.loads(tasdid("server", "epochs", "--config", config, "--json").stdout)
    assert [(row["state"], row["proposed_by"], row["approved_by"]) for row in listed] == [("approved", 2001, 2002)]
