"""`tasdid server`: it serves over TLS, and two officers give a terminal a new epoch."""

import contextlib
import copy
import hashlib
import io
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, update

from protocol import records as r
from protocol import sync as s
from server import certificates, keys
from server.acquirer import iso, outbox, settling
from server.config import load
from server.ingest import forks
from server.ingest.dispatch import Service
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web.app import build
from server.web.serve import Serving
from tests.server.handheld import Handheld, open_reply
from tests.server.served import Line, write_config
from tests.tools.command import tasdid
from tools import cli
from tools.office import centre

ROOT = Path(__file__).resolve().parents[2]


def refused(*words: object) -> str:
    """The code with which these words are refused as bad input, in this process."""
    told = io.StringIO()
    with contextlib.redirect_stderr(told), pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words)])
    assert ended.value.code == cli.BAD_INPUT, told.getvalue()
    return told.getvalue().split()[1]


def says(*words: object) -> str:
    """What these words say in this process, where they do what they should."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), pytest.raises(SystemExit) as ended:
        cli.main([*map(str, words)])
    assert not ended.value.code, told.getvalue()
    return told.getvalue()


@contextlib.contextmanager
def serving(config: Path, *options: object, doors: int = 1) -> Iterator[list[str]]:
    """A server of its own process: the lines with which it announces its doors."""
    command = [sys.executable, "-m", "tools.cli", "server", "run", "--config", str(config), "--port", "0"]
    process = subprocess.Popen([*command, *map(str, options)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [process.stdout.readline() for _ in range(doors)]
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def test_a_backup_is_made_and_says_what_else_belongs_to_one(tmp_path: Path) -> None:
    path = write_config(tmp_path, [Handheld()])
    open_engine(load(path).db).dispose()
    said = says("server", "backup", "--config", path, tmp_path / "backup.db")
    assert all(name in said for name in ("backup.db", "server.toml", "keys", "devices.json", "sets", "ca.pem"))
    assert (tmp_path / "backup.db").stat().st_size
    assert refused("server", "backup", "--config", path, tmp_path / "backup.db") == "CFG-036"


def asked(address: str, path: str, context: ssl.SSLContext | None = None) -> object:
    """What a page says; the status if it is not 200. A front may still start."""
    for _ in range(200):
        try:
            with urllib.request.urlopen(address + path, context=context, timeout=20) as reply:  # noqa: S310
                return json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code
        except (ConnectionError, urllib.error.URLError):
            time.sleep(0.05)
    raise AssertionError("it does not answer")


def test_it_serves_terminals_over_tls_to_who_pins_its_ca_and_nobody_the_console(tmp_path: Path) -> None:
    """Wherever terminals reach it, the console's pages stay on the loopback."""
    config = write_config(tmp_path, [Handheld()])
    assert tasdid("server", "certificates", tmp_path / "tls").returncode == cli.OK
    options = ("--tls", tmp_path / "tls" / "server.pem", "--tls-port", "0", "--host", "0.0.0.0")  # noqa: S104
    with serving(config, *options, doors=2) as lines:
        assert lines[0].startswith("server listening on http://127.0.0.1:"), lines
        secured = "https://127.0.0.1:" + lines[1].rsplit(":", 1)[1].strip()
        assert "//0.0.0.0:" in lines[1]
        pinned = ssl.create_default_context(cadata=(tmp_path / "tls" / "ca.der").read_bytes())
        pinned.check_hostname = False  # it is asked for by its address here
        assert asked(secured, "/health", pinned) == {"ok": True}
        for path in ("/api/ledger", "/api/receipt-keys", "/"):
            assert asked(secured, path, pinned) == 404
        assert asked(secured, "/v1/sync", pinned) == 405
        told = urllib.request.Request(secured + "/v1/sync", b"rubbish", method="POST")  # noqa: S310
        with urllib.request.urlopen(told, context=pinned, timeout=20) as reply:  # noqa: S310
            assert reply.status == 200 and reply.headers["content-type"] == "application/cose"
        plain = lines[0].split()[-1]
        assert isinstance(asked(plain, "/api/ledger"), dict) and isinstance(asked(plain, "/api/receipt-keys"), dict)


@pytest.mark.parametrize("fronts", [0, 1])
@pytest.mark.parametrize("console", [False, True])
def test_a_plain_door_for_others_has_the_console_s_pages_only_if_told(
    tmp_path: Path, fronts: int, console: bool
) -> None:
    everywhere = "0.0.0.0"  # noqa: S104
    config = write_config(tmp_path, [Handheld()], 1)
    options = ["--host", everywhere, "--fronts", fronts, *(["--console-host", everywhere] if console else [])]
    with serving(config, *options, doors=1 if console else 2) as lines:
        assert console or lines[1].startswith("no console")
        address = "http://127.0.0.1:" + lines[0].rsplit(":", 1)[1].strip()
        assert (asked(address, "/health") == {"ok": True}) is not console
        for path in ("/api/ledger", "/api/receipt-keys"):
            assert (asked(address, path) == 404) is not console


def test_terminals_and_console_that_share_a_door_share_its_address(tmp_path: Path) -> None:
    config = write_config(tmp_path, [Handheld()])
    assert refused("server", "run", "--config", config, "--port", 0, "--console-host", "127.0.0.2") == "CFG-025"


@pytest.mark.parametrize("options", [[], ["--fronts", "1"], ["tls"]], ids=["plain", "fronts", "tls"])
@pytest.mark.parametrize("gap", [None, 0.0, 0.15])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_0_and_without_a_traceback_however_many_signals(
    tmp_path: Path, number: int, gap: float | None, options: list[str]
) -> None:
    config = write_config(tmp_path, [Handheld()])
    command = [sys.executable, "-m", "tools.cli", "server", "run", "--config", str(config), "--port", "0"]
    if options == ["tls"]:
        options = ["--tls", str(certificates.make(tmp_path / "tls", certificates.NAME, 400)), "--tls-port", "0"]
    process = subprocess.Popen(
        [*command, *options], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[-1]
        for _ in range(200):
            with contextlib.suppress(OSError), urllib.request.urlopen(address + "/health", timeout=5):  # noqa: S310
                break
            time.sleep(0.05)
        for _ in range(1 if gap is None else 3):
            process.send_signal(number)
            time.sleep(gap or 0)
        said = process.stdout.read()
        assert (process.wait(20), "Traceback" in said) == (0, False), said
    finally:
        process.kill()  # of one that does not end
        process.communicate()


def _office(folder: Path, config: Path) -> None:
    """Two officers, entered."""
    config.write_text('office = "office.json"\n' + config.read_text())
    for number in (2001, 2002):
        made = tasdid("server", "officer", folder / "office.json", number, folder / f"{number}.pem")
        assert made.returncode == cli.OK


def _signed(folder: Path, config: Path, number: int) -> tuple[object, ...]:
    """The options of a command that an officer signs."""
    return "--config", config, "--officer", number, "--key", folder / f"{number}.pem"


def test_two_officers_give_a_terminal_a_new_epoch_and_one_alone_does_not(tmp_path: Path) -> None:
    config = write_config(tmp_path, [Handheld()])
    build(load(config)).state.running.engine.dispose()  # enters the devices, as every start does
    _office(tmp_path, config)
    assert (tmp_path / "2001.pem").stat().st_mode & 0o777 == 0o600

    def decide(what: str, number: int, *more: str) -> "subprocess.CompletedProcess[str]":
        key = tmp_path / f"{number}.pem"
        return tasdid("server", what, "--config", config, "--officer", number, "--key", key, "TSD-000001", *more)

    none = decide("approve", 2002, "--proposal", "1")
    assert none.returncode == cli.BAD_INPUT and "PRM-032" in none.stderr
    assert decide("propose", 2001, "--reason", "storage lost").returncode == cli.OK
    alone = decide("approve", 2001, "--proposal", "1")
    assert alone.returncode == cli.BAD_INPUT and "PRM-033" in alone.stderr
    again = decide("propose", 2001, "--reason", "it burned").stdout
    assert "proposal 2: epoch 2" in again and again.endswith("; proposal 1 of officer 2001 is withdrawn by it\n")
    overtaken = decide("approve", 2002, "--proposal", "1")
    assert overtaken.returncode == cli.BAD_INPUT and "PRM-032" in overtaken.stderr
    assert "proposal 2: epoch 2 of TSD-000001 after record 0 is approved (it burned)" in (
        decide("approve", 2002, "--proposal", "2").stdout
    )
    lines = tasdid("server", "epochs", "--config", config).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["proposal 2", "proposal 1"]
    listed = json.loads(tasdid("server", "epochs", "--config", config, "--json").stdout)
    assert [(row["state"], row["proposed_by"], row["approved_by"]) for row in listed] == [
        ("approved", 2001, 2002),
        ("withdrawn", 2001, None),
    ]


def test_without_a_list_of_officers_a_decision_is_told_so_and_not_that_a_signature_does_not_hold(
    tmp_path: Path,
) -> None:
    config = write_config(tmp_path, [Handheld()])
    build(load(config)).state.running.engine.dispose()
    office = tmp_path / "office.json"
    assert tasdid("server", "officer", office, 2001, tmp_path / "2001.pem").returncode == cli.OK
    words = ("server", "propose", *_signed(tmp_path, config, 2001), "TSD-000001", "--reason", "storage lost")
    told = tasdid(*words).stderr
    assert "CFG-100" in told and "`office` in the configuration" in told and "tasdid server officer" in told
    config.write_text('office = "office.json"\n' + config.read_text())
    listed = office.read_text()
    for nobody in ("{}", None):
        office.unlink() if nobody is None else office.write_text(nobody)
        told = tasdid(*words).stderr
        assert "CFG-100" in told and f"tasdid server officer {office}" in told
    office.write_text(listed.replace("2001", "2002"))
    assert refused(*words) == "PRM-030"
    office.write_text(listed)
    assert "proposal 1" in says(*words)


@pytest.mark.parametrize(
    "words", [("epochs",), ("refund", "list"), ("suspense", "list"), ("fork", "list"), ("failed", "list")]
)
def test_a_list_of_nothing_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    config = write_config(tmp_path, [Handheld()])
    build(load(config)).state.running.engine.dispose()
    assert says("server", *words, "--config", config).startswith("no")
    assert json.loads(says("server", *words, "--config", config, "--json")) in (
        [],
        {"refunds": [], "paid_twice": [], "paid_twice_count": 0},
        {"items": [], "decisions": []},
        {"held": [], "verdicts": []},
    )


def test_two_officers_block_a_terminal_while_the_server_runs_and_unblock_it(tmp_path: Path) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    _office(tmp_path, config)
    device = ("server", "device")
    with Serving(build(load(config))) as served:
        line = Line(served.url, keys.load(tmp_path / "keys").public("ack"))
        assert line.say(handheld.hello())[0] == s.TYPE_WELCOME
        for word, kind in (("block", s.TYPE_REFUSED), ("unblock", s.TYPE_WELCOME)):
            number = 1 if word == "block" else 2
            words = (*device, word, "TSD-000001", "--reason", "stolen in Blida")
            said = says(*words, *_signed(tmp_path, config, 2001))
            assert f"proposal {number}: " in said and f"--proposal {number}" in said
            approve = (*device, "approve", "TSD-000001", "--proposal", number)
            assert refused(*approve, *_signed(tmp_path, config, 2001)) == "PRM-033"
            assert "approved (stolen in Blida)" in says(*approve, *_signed(tmp_path, config, 2002))
            assert line.say(handheld.hello())[0] == kind
            assert refused(*words, *_signed(tmp_path, config, 2001)) == "PRM-042"
            listed = says(*device, "list", "--config", config)
            assert ("blocked since" in listed) == (word == "block") and f"proposal {number}: " in listed
            found = json.loads(says(*device, "list", "--config", config, "--json"))
            assert bool(found["devices"][0]["blocked"]) == (word == "block") and len(found["blocks"]) == number


def test_two_officers_give_a_terminal_a_new_key_by_the_list_of_devices(tmp_path: Path) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    build(load(config)).state.running.engine.dispose()
    _office(tmp_path, config)
    engine = open_engine(load(config).db)
    Service(engine, keys.load(tmp_path / "keys")).handle(handheld.hello(), 1_900_000_000)
    words = ("server", "propose", "TSD-000001", "--reason", "secure element exchanged", "--new-key")
    assert refused(*words, *_signed(tmp_path, config, 2001)) == "PRM-043"  # the list has the key in force
    renewed = Handheld()
    (tmp_path / "devices.json").write_text(json.dumps({renewed.name: renewed.entry()}))
    digest = hashlib.sha256(renewed.public()).hexdigest()[:16]
    assert digest in says(*words, *_signed(tmp_path, config, 2001))
    told = says("server", "approve", "TSD-000001", "--proposal", 1, *_signed(tmp_path, config, 2002))
    assert [digest in line for line in told.splitlines()] == [True, True]  # before the decision, and after it
    shown = says("server", "epochs", "--config", config)
    assert f"epoch 2 after record 0 with a new key (SHA-256 {digest}): approved" in shown
    build(load(config)).state.running.engine.dispose()  # a start in between says nothing of the key
    service = Service(engine, keys.load(tmp_path / "keys"))
    renewed.epoch = 2
    renewed.write(r.NEW_EPOCH)
    kind = open_reply(service.handle(renewed.hello(), 1_900_000_001), service.keys.public("ack"))[0]
    build(load(config)).state.running.engine.dispose()
    with reading(engine) as connection:
        said = connection.execute(select(t.audit.c.code).where(t.audit.c.code == "CFG-022")).all()
        key = connection.execute(select(t.devices.c.public_key)).scalar_one()
    engine.dispose()
    assert kind == s.TYPE_WELCOME and bytes(key) == renewed.public() and said == []
    (tmp_path / "devices.json").write_text("{}")
    assert refused(*words, *_signed(tmp_path, config, 2001)) == "PRM-043"


def test_a_key_that_the_list_of_devices_of_the_second_officer_does_not_have_is_not_approved(tmp_path: Path) -> None:
    handheld, foreign = Handheld(), Handheld()
    config = write_config(tmp_path, [handheld])
    db = load(config).db
    build(load(config)).state.running.engine.dispose()
    _office(tmp_path, config)
    (tmp_path / "mine").mkdir()
    mine = write_config(tmp_path / "mine", [foreign])  # another list of devices, on the same database
    mine.write_text('office = "../office.json"\n' + mine.read_text())
    words = ("server", "propose", "TSD-000001", "--reason", "secure element exchanged", "--new-key", "--db", db)
    says(*words, *_signed(tmp_path, mine, 2001))
    digest = hashlib.sha256(foreign.public()).hexdigest()[:16]
    (row,) = json.loads(says("server", "epochs", "--json", "--config", config))
    assert row["new_key_digest"] == digest
    assert f"(SHA-256 {digest}): proposed" in says("server", "epochs", "--config", config)
    approve = ("server", "approve", "TSD-000001", "--proposal", 1, *_signed(tmp_path, config, 2002))
    assert refused(*approve) == "PRM-043"
    (tmp_path / "devices.json").write_text("{}")
    assert refused(*approve) == "PRM-043"
    (row,) = json.loads(says("server", "epochs", "--json", "--config", config))
    assert row["state"] == "proposed" and row["approved_by"] is None
    (tmp_path / "devices.json").write_text(json.dumps({foreign.name: foreign.entry()}))
    assert digest in says(*approve)
    engine = open_engine(db)
    with reading(engine) as connection:
        said = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "EPOCH")).scalars().all()
    engine.dispose()
    assert len(said) == 2 and all(digest in what for what in said)


def test_a_reason_that_no_list_could_show_is_refused_by_code(tmp_path: Path) -> None:
    config = write_config(tmp_path, [Handheld()])
    build(load(config)).state.running.engine.dispose()
    _office(tmp_path, config)
    words = ("server", "propose", *_signed(tmp_path, config, 2001), "TSD-000001", "--reason")
    for reason in ("", "x" * 65, "no\nline", os.fsdecode(b"\xff")):
        assert refused(*words, reason) == "PRM-040"
    name = os.fsdecode(b"\xff/1/2")  # neither is a name
    words = ("server", "refund", "propose", *_signed(tmp_path, config, 2001), name, "--reason", "paid twice")
    assert refused(*words) == "PRM-035"
    assert tasdid("server", "epochs", "--config", config).stdout == "no new epoch has been proposed\n"


def test_two_officers_give_a_payment_back_and_one_alone_does_not(tmp_path: Path) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    loaded = load(config)
    build(loaded).state.running.engine.dispose()
    intent = handheld.pay(r.OUTCOME_APPROVED, 250_000)
    engine = open_engine(loaded.db)
    service = Service(engine, keys.load(loaded.keys))
    for message in (handheld.hello(), handheld.batch(1)):
        service.handle(message, 1_900_000_000)
    engine.dispose()
    _office(tmp_path, config)

    def decide(what: str, number: int, payment: str, *more: str) -> "subprocess.CompletedProcess[str]":
        words = ("--config", config, "--officer", number, "--key", tmp_path / f"{number}.pem", payment, *more)
        return tasdid("server", "refund", what, *words)

    name = f"TSD-000001/1/{intent}"
    wrong = decide("propose", 2001, "TSD-000001", "--reason", "paid twice")
    assert wrong.returncode == cli.BAD_INPUT and "PRM-035" in wrong.stderr
    nothing = decide("propose", 2001, "TSD-000001/1/999", "--reason", "paid twice")
    assert nothing.returncode == cli.BAD_INPUT and "PRM-034" in nothing.stderr
    told = decide("propose", 2001, name, "--reason", "paid twice")
    assert told.returncode == cli.OK and "proposal 1: refund of 2\u00a0500,00\u00a0DA" in told.stdout
    alone = decide("approve", 2001, name, "--proposal", "1")
    assert alone.returncode == cli.BAD_INPUT and "PRM-033" in alone.stderr
    assert decide("propose", 2001, name, "--reason", "not his report").returncode == cli.OK
    assert refused("server", "refund", "approve", *_signed(tmp_path, config, 2002), name, "--proposal", 1) == "PRM-032"
    assert "proposal 2: refund of 2\u00a0500,00\u00a0DA" in decide("approve", 2002, name, "--proposal", "2").stdout
    assert decide("approve", 2002, name, "--proposal", "2").returncode == cli.BAD_INPUT
    lines = tasdid("server", "refund", "list", "--config", config).stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == ["proposal 2", "proposal 1"]
    listed = json.loads(tasdid("server", "refund", "list", "--config", config, "--json").stdout)
    assert [(row["state"], row["proposed_by"], row["approved_by"]) for row in listed["refunds"]] == [
        ("approved", 2001, 2002),
        ("withdrawn", 2001, None),
    ]
    assert listed["paid_twice"] == []


def test_two_officers_decide_about_money_in_suspense(tmp_path: Path) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    loaded = load(config)
    build(loaded).state.running.engine.dispose()
    handheld.write(r.LOGIN)
    for amount in (200_000, 300_000):
        handheld.pay(r.OUTCOME_APPROVED, amount)
    end = handheld.write(r.LOGIN)
    engine = open_engine(loaded.db)
    service = Service(engine, keys.load(loaded.keys))
    for message in (handheld.hello(), handheld.batch(1, 1), handheld.batch(end, gap=2)):
        service.handle(message, 1_900_000_000)
    engine.dispose()
    _office(tmp_path, config)
    name = "TSD-000001/1/2"

    def listed(*more: str) -> str:
        return tasdid("server", "suspense", "list", "--config", config, *more).stdout

    def decide(what: str, number: int, *more: object, kind: str = "gap") -> "subprocess.CompletedProcess[str]":
        words = ("--config", config, "--officer", number, "--key", tmp_path / f"{number}.pem", kind, name, *more)
        return tasdid("server", "suspense", what, *words)

    def wrong(code: str, *words: Any, kind: str = "gap") -> None:
        done = decide(*words, kind=kind)
        assert done.returncode == cli.BAD_INPUT and code in done.stderr

    told = f"gap {name} 5\u00a0000,00\u00a0DA of 5\u00a0000,00\u00a0DA: records 2 to 7 are lost, 2 payments left, since 2030-03-17"
    assert listed() == told + "\n"
    why = ("--reason", "the file of 17 March")
    wrong("PRM-038", "propose", 2001, "--nothing", "200000", *why)
    wrong("PRM-037", "propose", 2001, "--nothing", "2000.00", *why, kind="result")
    wrong("PRM-037", "propose", 2001, "--nothing", "5,000.01", *why)
    wrong("PRM-037", "propose", 2001, "--collected", "2000.00", *why)
    wrong("PRM-037", "propose", 2001, "--undo", 1, "--nothing", "2000.00", *why)
    wrong("PRM-041", "propose", 2001, "--collected", "2,000.00", "--scheme", "CIB TEST", *why)
    first = ("--collected", "2,000.00", "--scheme", "CIB TEST", "--new-scheme")
    said = decide("propose", 2001, *first, *why)
    assert (
        said.returncode == cli.OK
        and f"gap {name}, 2\u00a0000,00\u00a0DA collected (CIB TEST), 1 payment;" in said.stdout
    )
    wrong("PRM-033", "approve", 2001, "--proposal", 1)
    assert "withdrawn" not in said.stdout
    assert (
        "; proposal 1 of officer 2001 is withdrawn by it"
        in decide("propose", 2001, "--nothing", "2\u00a0000,00\u00a0DA", *why).stdout
    )
    wrong("PRM-032", "approve", 2002, "--proposal", 1)  # it is overtaken by what the second officer has not read
    assert decide("propose", 2001, *first, *why).returncode == cli.OK
    done = decide("approve", 2002, "--proposal", 3)
    assert done.stdout.startswith(
        f"proposal 3: gap {name}, 2\u00a0000,00\u00a0DA collected (CIB TEST), 1 payment: approved"
    )
    wrong("PRM-032", "approve", 2002, "--proposal", 3)
    assert f"gap {name} 3\u00a0000,00\u00a0DA of 5\u00a0000,00\u00a0DA" in listed()
    found = json.loads(listed("--json"))
    assert [(item["kind"], item["seq"], item["left"]) for item in found["items"]] == [("gap", 2, 300_000)]
    assert [(row["state"], row["proposed_by"], row["approved_by"]) for row in found["decisions"]] == [
        ("approved", 2001, 2002),
        ("withdrawn", 2001, None),
        ("withdrawn", 2001, None),
    ]
    wrong("PRM-041", "propose", 2001, "--collected", "3,000.00", "--scheme", "CIB TSET", *why)
    assert decide("propose", 2001, "--collected", "3,000.00", "--scheme", "CIB TEST", *why).returncode == cli.OK
    assert decide("propose", 2002, "--nothing", "3 000,00", *why).returncode == cli.OK
    assert decide("approve", 2001, "--proposal", 5).returncode == cli.OK
    assert listed().startswith("nothing is in suspense\nproposal 5: gap")
    assert "decision 5 undone: 3\u00a0000,00\u00a0DA nothing" in decide("propose", 2001, "--undo", 5, *why).stdout
    assert (
        decide("approve", 2002, "--proposal", 6).returncode == cli.OK
        and f"gap {name} 3\u00a0000,00\u00a0DA of" in listed()
    )


def test_two_officers_decide_about_a_payment_that_a_fork_holds(tmp_path: Path) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    loaded = load(config)
    build(loaded).state.running.engine.dispose()
    intents = [handheld.pay(outcome, 200_000) for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)]
    engine = open_engine(loaded.db)
    service = Service(engine, keys.load(loaded.keys))
    for message in (handheld.hello(), handheld.batch(1)):
        service.handle(message, 1_900_000_000)
    for number, intent in enumerate(intents):
        other = copy.deepcopy(handheld)
        del other.records[intent:]
        if number:
            other.finish(intent, r.OUTCOME_INTERRUPTED, 200_000)
        else:
            other.write(r.LOGIN)
        service.handle(other.batch(intent + 1), 1_900_000_001)
    engine.dispose()
    _office(tmp_path, config)
    first, second = (f"TSD-000001/1/{intent}" for intent in intents)

    def decide(what: str, number: int, *more: object) -> "subprocess.CompletedProcess[str]":
        words = ("--config", config, "--officer", number, "--key", tmp_path / f"{number}.pem", *more)
        return tasdid("server", "fork", what, *words)

    def listed(*more: str) -> str:
        return tasdid("server", "fork", "list", "--config", config, *more).stdout

    lines = listed().splitlines()
    assert (
        lines[0].startswith(f"{first} 2\u00a0000,00\u00a0DA of ")
        and "record 3 says approved, another says something else" in lines[0]
    )
    assert (
        "says deferred, another says payment 5 of 2\u00a0000,00\u00a0DA interrupted; the acquirer was asked nothing"
        in lines[1]
    )
    assert decide("propose", 2001, first, "--reason", "r").returncode == cli.BAD_INPUT  # neither one nor the other
    nothing = decide("propose", 2001, "TSD-000001/1/99", "--stands", "--reason", "r")
    assert nothing.returncode == cli.BAD_INPUT and "PRM-039" in nothing.stderr
    for name, word, told in ((first, "--stands", "stands"), (second, "--given-back", "is given back")):
        said = decide("propose", 2001, name, word, "--reason", "they have looked")
        assert f"payment {name} of 2\u00a0000,00\u00a0DA {told}, against 1 other record;" in said.stdout, said.stderr
        alone = decide("approve", 2001, name, "--proposal", 1)
        assert alone.returncode == cli.BAD_INPUT and "PRM-033" in alone.stderr
        again = decide("propose", 2001, name, word, "--reason", "and again").stdout
        assert again.count("withdrawn") == 1 and "; proposal 1 of officer 2001 is withdrawn by it" in again
        overtaken = decide("approve", 2002, name, "--proposal", 1)
        assert overtaken.returncode == cli.BAD_INPUT and "PRM-032" in overtaken.stderr
        approved = decide("approve", 2002, name, "--proposal", 2).stdout
        assert approved.startswith(f"proposal 2: payment {name} ") and "record: approved (and again)" in approved
    assert listed().startswith("no payment is held for a fork\nproposal 2: payment ")
    found = json.loads(listed("--json"))
    assert found["held"] == [] and sorted(row["stands"] for row in found["verdicts"]) == [0, 0, 1, 1]


def test_lists_say_of_a_proposal_that_nobody_approved_in_time_that_it_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handheld = Handheld()
    config = write_config(tmp_path, [handheld])
    loaded = load(config)
    build(loaded).state.running.engine.dispose()
    paid, forked = (handheld.pay(r.OUTCOME_APPROVED, 200_000) for _ in range(2))
    lost = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    end = handheld.write(r.LOGIN)
    engine = open_engine(loaded.db)
    service = Service(engine, keys.load(loaded.keys))
    for message in (handheld.hello(), handheld.batch(1, lost - 1), handheld.batch(end, gap=lost)):
        service.handle(message, 1_900_000_000)
    other = copy.deepcopy(handheld)
    del other.records[forked:]
    other.write(r.LOGIN)
    service.handle(other.batch(forked + 1), 1_900_000_001)
    engine.dispose()
    _office(tmp_path, config)
    epochs = ("propose", "TSD-000001"), ("approve", "TSD-000001"), ("epochs",)
    refund = [("refund", what, f"TSD-000001/1/{paid}") for what in ("propose", "approve")]
    fork = [("fork", what, f"TSD-000001/1/{forked}") for what in ("propose", "approve")]
    suspense = [("suspense", what, "gap", f"TSD-000001/1/{lost}") for what in ("propose", "approve")]
    more = {"fork": ("--stands",), "suspense": ("--nothing", "3000.00")}
    now = 1_900_000_100
    monkeypatch.setattr(centre, "now", lambda: now)
    kinds = [epochs, (*refund, ("refund", "list")), (*fork, ("fork", "list")), (*suspense, ("suspense", "list"))]
    for propose, approve, listed in kinds:
        now = 1_900_000_100
        says("server", *propose, *_signed(tmp_path, config, 2001), *more.get(propose[0], ()), "--reason", "r")
        now += 7 * 86400
        for later, word in ((0, "proposed"), (1, "expired")):
            now += later
            line = says("server", *listed, "--config", config).splitlines()[-1]
            assert line.startswith("proposal 1: ") and f": {word}, proposed by 2001" in line
            assert f'"state": "{word}"' in says("server", *listed, "--config", config, "--json")
        assert refused("server", *approve, *_signed(tmp_path, config, 2002), "--proposal", 1) == "PRM-032"


def _sent(folder: Path, outcome: int, now: int) -> tuple[Path, Engine, int]:
    """A payment of 250,000 centimes at a centre: its configuration, its database, the payment."""
    handheld = Handheld()
    config = write_config(folder, [handheld])
    loaded = load(config)
    build(loaded).state.running.engine.dispose()
    intent = handheld.pay(outcome, 250_000, b"sealed")
    engine = open_engine(loaded.db)
    service = Service(engine, keys.load(loaded.keys))
    for message in (handheld.hello(), handheld.batch(1)):
        service.handle(message, now)
    return config, engine, intent


def _decides(folder: Path, config: Path, what: str, *words: object) -> "subprocess.CompletedProcess[str]":
    """An officer's decision about what failed."""
    return tasdid(
        "server", "failed", what, *_signed(folder, config, 2001), "--reason", "the acquirer was asked", *words
    )


@pytest.mark.parametrize("words", [("again",), ("again", "--clear"), ("give-up",), ("reversed",)])
def test_nobody_decides_about_what_failed_without_a_number_a_key_and_a_reason(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_PROVISIONAL, 1_700_000_000)
    _office(tmp_path, config)
    signed = (*_signed(tmp_path, config, 2001), "--reason", "r", f"TSD-000001/1/{intent}")
    for missing in ("--officer", "--key", "--reason"):
        at = signed.index(missing)
        said = tasdid("server", "failed", *words, *signed[:at], *signed[at + 2 :])
        assert said.returncode == cli.BAD_INPUT and missing in said.stderr
    half = tasdid("server", "failed", *words, *signed, "--second", 2002)
    assert half.returncode == cli.BAD_INPUT and "go together" in half.stderr
    with engine.begin() as connection:
        assert connection.execute(select(t.outbox.c.state)).scalars().all() == [t.STATE_NEW]
    engine.dispose()


def test_what_two_officers_have_given_back_is_cleared_after_all_by_two(tmp_path: Path) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_APPROVED, 1_700_000_000)
    _office(tmp_path, config)
    name = f"TSD-000001/1/{intent}"

    def fail(now: int) -> None:
        with engine.begin() as connection:
            [request] = outbox.claim(connection, now)
            answer = iso.Answer(request.identity, request.step, "30", "", iso.reference(request.identity))
            settling.settle(connection, request, answer, now)

    fail(1_700_000_001)
    for number, what in ((2001, ("propose", "--reason", "paid twice")), (2002, ("approve", "--proposal", 1))):
        assert tasdid("server", "refund", *what, *_signed(tmp_path, config, number), name).returncode == cli.OK
    fail(4_000_000_000)
    alone = _decides(tmp_path, config, "again", "--clear", name)
    assert alone.returncode == cli.BAD_INPUT and "PRM-033" in alone.stderr and "--second" in alone.stderr
    for second, code in ((2001, "PRM-033"), (2002, "")):
        both = ("--clear", name, "--second", second, "--second-key", tmp_path / f"{second}.pem")
        said = _decides(tmp_path, config, "again", *both)
        assert said.returncode == (cli.BAD_INPUT if code else cli.OK) and code in said.stderr, said.stderr
    assert said.stdout == f"{name}: clearing goes to the acquirer again\n"
    told = says("server", "failed", "rulings", "--config", config)
    assert told.startswith(f"{name} 2\u00a0500,00\u00a0DA on 20") and told.endswith(
        ": again --clear (clearing) by officers 2001 and 2002: the acquirer was asked\n"
    )
    (row,) = json.loads(says("server", "failed", "rulings", "--config", config, "--json"))
    assert (row["amount"], row["ruled_by"], row["second_by"], row["ruling"]) == (250_000, 2001, 2002, "again --clear")
    with engine.begin() as connection:
        (what,) = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "FAILED")).scalars()
    engine.dispose()
    assert (
        what
        == f"payment {intent} of epoch 1: again --clear (clearing) by officers 2001 and 2002: the acquirer was asked"
    )


def test_what_the_acquirer_did_not_judge_is_listed_asked_again_and_given_up(tmp_path: Path) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_PROVISIONAL, 1_900_000_000)
    with engine.begin() as connection:
        [request] = outbox.claim(connection, 1_900_000_001)
    with engine.begin() as connection:
        answer = iso.Answer(request.identity, request.step, "30", "", iso.reference(request.identity))
        settling.settle(connection, request, answer, 1_900_000_002)
    engine.dispose()

    def decide(what: str, *words: object) -> "subprocess.CompletedProcess[str]":
        return _decides(tmp_path, config, what, *words)

    def listed(*words: object) -> str:
        return tasdid("server", "failed", "list", "--config", config, *words).stdout

    name = f"TSD-000001/1/{intent}"
    assert f"{name} 2\u00a0500,00\u00a0DA: authorisation answered 30" in listed()
    assert [row["intent"] for row in json.loads(listed("--json"))] == [intent]
    _office(tmp_path, config)
    wrong = decide("again", "TSD-000001")
    assert wrong.returncode == cli.BAD_INPUT and "PRM-035" in wrong.stderr
    nothing = decide("again", "TSD-000001/1/999")
    assert nothing.returncode == cli.BAD_INPUT and "PRM-036" in nothing.stderr
    assert "declined" in decide("give-up", name).stdout
    assert listed() == "nothing has failed\n" and json.loads(listed("--json")) == []
    assert decide("give-up", name).returncode == cli.BAD_INPUT


@pytest.mark.parametrize("decision", ["reversed", "give-up"])
def test_a_repeated_reversal_that_is_refused_ends_as_the_acquirer_says_on_the_telephone(
    tmp_path: Path, decision: str
) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_APPROVED, 1_700_000_000)
    identity = ("TSD-000001", 1, intent)
    with engine.begin() as connection:
        outbox.request_reversal(connection, identity, "officers 2001 and 2002", 1_700_000_000)
    for now in (1_700_000_001, 1_700_000_100):
        with engine.begin() as connection:
            [request] = outbox.claim(connection, now)
    with engine.begin() as connection:
        answer = iso.Answer(request.identity, request.step, "30", "", iso.reference(request.identity))
        settling.settle(connection, request, answer, now)
    _office(tmp_path, config)
    name = f"TSD-000001/1/{intent}"
    listed = tasdid("server", "failed", "list", "--config", config)
    assert f"{name} 2\u00a0500,00\u00a0DA: reversal answered 30" in listed.stdout
    said = _decides(tmp_path, config, decision, name)
    assert {"reversed": "opposite entries", "give-up": "stands and is cleared"}[decision] in said.stdout, said.stderr
    with engine.begin() as connection:
        found = {step: state for step, state in connection.execute(select(t.outbox.c.step, t.outbox.c.state))}
    engine.dispose()
    done = decision == "reversed"
    assert found == {
        t.STEP_CLEAR: t.STATE_HELD if done else t.STATE_NEW,
        t.STEP_REVERSE: t.STATE_DONE if done else t.STATE_FAILED,
    }
    if done:
        nothing = _decides(tmp_path, config, "reversed", name)
        assert nothing.returncode == cli.BAD_INPUT and "PRM-036" in nothing.stderr


def test_a_reversal_that_is_given_up_while_a_fork_holds_its_payment_is_no_word_that_it_stands(tmp_path: Path) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_APPROVED, 1_700_000_000)
    with engine.begin() as connection:
        forks.hold_payment(connection, ("TSD-000001", 1, intent), 1_700_000_000)
        outbox.put_reversal(connection, ("TSD-000001", 1, intent), 250_000, 1_700_000_000, 1_700_000_000)
    with engine.begin() as connection:
        [request] = outbox.claim(connection, 1_700_000_001)
        answer = iso.Answer(request.identity, request.step, "30", "", iso.reference(request.identity))
        settling.settle(connection, request, answer, 1_700_000_002)
    engine.dispose()
    _office(tmp_path, config)
    said = _decides(tmp_path, config, "give-up", f"TSD-000001/1/{intent}").stdout
    assert "held for a fork" in said and "stands" not in said


def test_what_the_acquirer_never_answers_is_listed_and_given_up(tmp_path: Path) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_PROVISIONAL, 1_700_000_000)  # long ago
    engine.dispose()
    _office(tmp_path, config)
    name = f"TSD-000001/1/{intent}"
    listed = tasdid("server", "failed", "list", "--config", config)
    assert f"{name} 2\u00a0500,00\u00a0DA: authorisation without a final answer for " in listed.stdout
    assert "declined" in _decides(tmp_path, config, "give-up", name).stdout
    assert tasdid("server", "failed", "list", "--config", config).stdout == "nothing has failed\n"


def test_a_clearing_that_is_never_answered_is_given_up_and_then_captured(tmp_path: Path) -> None:
    config, engine, intent = _sent(tmp_path, r.OUTCOME_APPROVED, 1_700_000_000)
    _office(tmp_path, config)
    name, of = f"TSD-000001/1/{intent}", ("--config", config)
    assert f"{name} 2\u00a0500,00\u00a0DA: clearing without a final" in tasdid("server", "failed", "list", *of).stdout
    assert "its clearing is no longer sent" in _decides(tmp_path, config, "give-up", name).stdout
    assert f"{name} 2\u00a0500,00\u00a0DA: clearing without an answer" in tasdid("server", "failed", "list", *of).stdout
    assert "to clear it for 60 minutes more" in _decides(tmp_path, config, "give-up", name).stderr
    with engine.begin() as connection:
        connection.execute(update(t.outbox).values(answered=1_700_000_000))
    engine.dispose()
    assert "captured, says the acquirer" in _decides(tmp_path, config, "give-up", name).stdout
    assert tasdid("server", "failed", "list", *of).stdout == "nothing has failed\n"


@pytest.mark.parametrize(
    "words",
    [
        ("failed", "list"),
        ("failed", "rulings"),
        ("failed", "again", "TSD-000001/1/2", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("failed", "give-up", "TSD-000001/1/2", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("failed", "reversed", "TSD-000001/1/2", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("refund", "list"),
        ("refund", "propose", "TSD-000001/1/2", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("refund", "approve", "TSD-000001/1/2", "--proposal", "1", "--officer", "1", "--key", "k.pem"),
        ("suspense", "list"),
        ("suspense", "propose", "gap", "TSD-000001/1/2", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("suspense", "approve", "gap", "TSD-000001/1/2", "--proposal", "1", "--officer", "1", "--key", "k.pem"),
        ("fork", "list"),
        ("fork", "propose", "TSD-000001/1/2", "--stands", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("fork", "approve", "TSD-000001/1/2", "--proposal", "1", "--officer", "1", "--key", "k.pem"),
        ("propose", "TSD-000001", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("approve", "TSD-000001", "--proposal", "1", "--officer", "1", "--key", "k.pem"),
        ("epochs",),
        ("device", "list"),
        ("device", "block", "TSD-000001", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("device", "unblock", "TSD-000001", "--officer", "1", "--key", "k.pem", "--reason", "r"),
        ("device", "approve", "TSD-000001", "--proposal", "1", "--officer", "1", "--key", "k.pem"),
    ],
)
def test_no_command_of_the_office_takes_a_mistyped_database_for_an_empty_one(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    config = write_config(tmp_path, [Handheld()])
    db = f"sqlite:///{tmp_path / 'typo' / 'no.db'}"
    assert refused("server", *words, "--config", config, "--db", db) == "CFG-029"
    assert not (tmp_path / "typo").exists()
