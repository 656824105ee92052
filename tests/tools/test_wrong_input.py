"""Ordinary wrong input of `tasdid server`, `journal` and `simulate`: a code, what to do, the exit code of bad input; nothing is left half made."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from protocol.errors import ConfigError, ParameterError
from server import config, keys
from server.__main__ import main
from server.office import failures, signing
from server.sets import Shelf
from server.store import audit
from server.store import tables as t
from server.store.engine import open_engine
from server.web.serve import listen
from tests.conformance.journal import exports
from tests.server.handheld import Handheld
from tests.server.served import write_config
from tests.tools.test_server import refused, tasdid
from tools import cli
from tools.house import toolchain
from tools.journal import reading

NO_DIR = "/proc/none"  # not even root makes a folder there


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("hello")
    return path


def test_certificates_that_cannot_be_written_are_told_by_code(file: Path) -> None:
    for folder in (NO_DIR, file, file / "below"):
        assert refused("server", "certificates", folder) == "CFG-013"


@pytest.mark.parametrize("name", ["\u00fc", "a" * 65, "a b/..", "a..b", "-a.tasdid", "centre.tasdid\n", "*"])
def test_a_name_that_no_certificate_takes_makes_none(tmp_path: Path, name: str) -> None:
    assert refused("server", "certificates", tmp_path / "tls", "--name", name) == "CFG-014"
    assert not (tmp_path / "tls").exists()


def test_the_servers_keys_are_told_of_where_they_cannot_be_written(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keys.main([str(file)]) == 3
    assert "CFG-013" in capsys.readouterr().err


@pytest.mark.parametrize("listed", ["[]", "{", "5", '{"2001": 5}', '{"a": ""}'])
def test_an_officer_is_not_entered_in_what_is_no_list_and_gets_no_key(tmp_path: Path, listed: str) -> None:
    office, key = tmp_path / "office.json", tmp_path / "2001.pem"
    office.write_text(listed)
    assert refused("server", "officer", office, 2001, key) == "CFG-023"
    assert not key.exists() and office.read_text() == listed


def test_an_officer_whose_files_cannot_be_written_gets_no_key(tmp_path: Path, file: Path) -> None:
    office, key = tmp_path / "office.json", tmp_path / "2001.pem"
    for words in ((tmp_path / "none" / "office.json", 2001, key), (office, 2001, tmp_path / "none" / "2001.pem")):
        assert refused("server", "officer", *words) == "CFG-013"
    assert refused("server", "officer", tmp_path, 2001, key) == "CFG-023"
    assert refused("server", "officer", file / "office.json", 2001, key) in ("CFG-013", "CFG-023")
    assert refused("server", "officer", key, 2001, key) == "CFG-024"
    assert not key.exists() and not office.exists()
    signing.enrol(office, 2001, key)
    signing.enrol(office, 2002, tmp_path / "2002.pem")
    assert list(json.loads(office.read_text())) == ["2001", "2002"]


def test_a_flash_image_that_cannot_be_opened_is_told_by_code(tmp_path: Path) -> None:
    image = "/proc/sys/kernel/ostype"  # a file that not even root opens for writing
    assert refused("journal", "export", tmp_path / "out", "--flash", image, "--element", "tcp:127.0.0.1:1") == "CFG-074"


def test_what_an_export_lacks_and_a_folder_that_is_none_have_codes_that_say_nothing_else(
    tmp_path: Path, file: Path
) -> None:
    out, store = tmp_path / "out", tmp_path / "store"
    assert refused("journal", "export", out) == "CFG-101"
    assert refused("journal", "export", out, "--store", store, "--flash", file) == "CFG-101"
    assert refused("journal", "export", out, "--store", store) == "CFG-102"
    assert refused("journal", "export", out, "--store", store, "--element", file) == "CFG-074"
    assert refused("demo", "--out", file) == refused("up", "--data", file, "--port", 0) == "CFG-070"


def test_a_pinned_key_that_is_none_is_to_be_checked(tmp_path: Path) -> None:
    """An empty one is none either: the file's own key must not pass for pinned. One of too many digits is no file's name."""
    (tmp_path / "export").write_bytes(exports.make(tmp_path)[0])
    (tmp_path / "devices.json").write_text(json.dumps({exports.DEVICE: {"public_key": ""}}))
    (tmp_path / "receipt-keys.json").write_text(json.dumps({exports.DEVICE: ""}))
    for key in ("nonsense", "00", "", " ", "ab" * 200, tmp_path / "devices.json", tmp_path / "receipt-keys.json"):
        assert refused("journal", "verify", tmp_path / "export", "--key", key) == "CFG-103", key
    done = tasdid("journal", "verify", tmp_path / "export", "--key", "04" + "ab" * 64)
    assert done.returncode == cli.BAD_INPUT and "JRN-060" in done.stderr and "check --key" in done.stderr


def test_of_a_terminal_that_has_had_several_keys_the_exports_own_is_the_one_that_is_pinned(tmp_path: Path) -> None:
    data = exports.make(tmp_path)[0]
    (tmp_path / "export").write_bytes(data)
    words = ("journal", "verify", tmp_path / "export", "--key", tmp_path / "keys.json")
    key, other = reading.read(data).key.hex(), "04" + "ab" * 64
    for listed, code in (([other, key], 0), ([other], cli.BAD_INPUT)):
        (tmp_path / "keys.json").write_text(json.dumps({exports.DEVICE: listed}))
        assert tasdid(*words).returncode == code
    (tmp_path / "keys.json").write_text(json.dumps({exports.DEVICE: []}))
    assert refused(*words) == "CFG-103"


def test_more_seeds_than_are_ever_played_are_bad_usage() -> None:
    assert tasdid("simulate", "--seeds", 10**12).returncode == cli.BAD_INPUT


def test_a_first_seed_below_zero_is_bad_usage() -> None:
    assert tasdid("simulate", "--first", -5, "--seeds", 1).returncode == cli.BAD_INPUT


def test_a_port_or_a_number_of_fronts_that_there_is_not_is_bad_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [Handheld()])
    for option, value in (("--port", 99999), ("--tls-port", 99999), ("--fronts", -1), ("--fronts", 65)):
        assert tasdid("server", "run", "--config", path, option, value).returncode == cli.BAD_INPUT
    assert main(["--config", str(path), "--port", "0", "--fronts", "-1"]) == 3
    assert "CFG-020" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("host", "port", "todo"),
    [
        ("127.0.0.1", 99999, "a port is"),
        ("no.such.host.invalid", 0, "choose another --host"),
        ("a" * 70, 0, "choose another --host"),
        ("..", 0, "choose another --host"),
        ("192.0.2.1", 0, "this machine has no such address: choose another --host"),
        ("2001:db8::1", 8080, "choose another --host"),
    ],
)
def test_an_address_that_there_is_not_is_told_by_code_and_what_to_choose(host: str, port: int, todo: str) -> None:
    with pytest.raises(ConfigError, match="CFG-030") as refusal:
        listen(host, port)
    assert todo in (refusal.value.hint or "") and "--port" not in (refusal.value.hint or "")
    assert ":0" not in refusal.value.message


def test_a_port_that_another_has_is_told_as_that() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(ConfigError, match=r"CFG-030.*choose another --port"):
        listen("127.0.0.1", taken.getsockname()[1])


def test_a_server_does_not_start_without_the_sets_and_the_officers_that_it_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [Handheld()])
    whole = path.read_text()
    for changed, name in (
        (whole.replace('sets = "sets"', 'sets = "nosets"'), "nosets"),
        (f'office = "no.json"\n{whole}', "no.json"),
    ):
        path.write_text(changed)
        assert main(["--config", str(path), "--port", "0"]) == 3
        told = capsys.readouterr().err
        assert "CFG-020" in told and name in told, told
        assert not (tmp_path / "server.db").exists()
    path.write_text(f'office = "devices.json"\n{whole}')
    assert main(["--config", str(path), "--port", "0"]) == 3
    assert "CFG-023 devices.json is no list of officers" in capsys.readouterr().err


def test_a_server_whose_configuration_is_not_there_is_told_as_by_every_other_command(tmp_path: Path) -> None:
    for words in (("run",), ("epochs",), ("failed", "list")):
        done = tasdid("server", *words, "--config", tmp_path / "none.toml")
        assert done.returncode == cli.BAD_INPUT and done.stderr.startswith("tasdid: CFG-020"), words


def test_a_set_that_cannot_be_read_is_told_by_code(tmp_path: Path) -> None:
    loaded = config.load(write_config(tmp_path, [Handheld()]))
    (tmp_path / "sets" / "tariff.cose").mkdir(parents=True)
    with pytest.raises(ParameterError, match="PRM-011 tariff.cose cannot be read"):
        Shelf.load(keys.load(loaded.keys), loaded.sets)


@pytest.mark.parametrize(
    ("db", "code"),
    [("nonsense", "CFG-027"), ("postgresql://me:secret@127.0.0.1:1/x", "CFG-028")],
)
def test_a_database_that_cannot_be_had_is_bad_input(
    tmp_path: Path, db: str, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [Handheld()])
    assert refused("server", "failed", "list", "--config", path, "--db", db) == code
    assert main(["--config", str(path), "--port", "0", "--db", db]) == 3
    told = capsys.readouterr().err
    assert code in told and "secret" not in told


def test_a_database_that_is_lost_in_the_middle_of_a_decision_is_told_by_code_and_nothing_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(tmp_path, [Handheld()])
    engine = open_engine(config.load(path).db)

    def lose(connection: Connection, *_: object) -> None:
        audit.write(connection, "", t.LEVEL_WARNING, "X", "half a decision", 1)
        connection.exec_driver_sql("SELECT * FROM nowhere")

    monkeypatch.setattr(failures, "again", lose)
    signed = ("--officer", "1", "--key", "k.pem", "--reason", "r")
    assert refused("server", "failed", "again", "TSD-000001/1/1", "--config", path, *signed) == "CFG-028"
    with engine.begin() as connection:
        assert connection.execute(select(t.audit)).all() == []
    engine.dispose()


@pytest.mark.parametrize("command", ["up", "demo"])
@pytest.mark.parametrize(
    ("heap", "told"),
    [
        *((size, "is no size") for size in ("abc", "", "-1", "0x400k", "216 k", "216kb", "\u0664m", "99999999999")),
        *((size, "whole terminal is played in 216k") for size in ("0", "215k", "128k", "221183")),
        ("513m", "512m or less"),
    ],
)
def test_a_heap_that_no_terminal_can_run_in_is_refused_before_anything_starts(
    command: str, heap: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "made"
    option = "--data" if command == "up" else "--out"
    with pytest.raises(SystemExit) as ended:
        cli.main([command, "--runtime", "micropython", "--heap", heap, option, str(folder)])
    assert ended.value.code == cli.BAD_INPUT
    said = capsys.readouterr().err
    assert "H-HEAP" in said and told in said
    assert not folder.exists()


@pytest.mark.parametrize("heap", [toolchain.APPLICATION_HEAP, "216K", "221184", "4m", "4M", "512m"])
def test_a_heap_of_what_the_terminal_is_played_in_or_more_is_taken(heap: str) -> None:
    assert toolchain.application_heap(heap) == heap
