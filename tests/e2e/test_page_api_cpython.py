"""The page's JSON API and `tasdid up` from the outside: every action is a call, what cannot be is refused with a code."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import needs
from tests.tools.test_server import refused
from tools import browser
from tools.house import held
from tools.house.paths import ROOT

pytestmark = pytest.mark.timeout(240)


class Api:
    """Calls of the API; an error's body is returned with its status."""

    def __init__(self, address: str) -> None:
        self.address = address

    def call(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def state(self) -> dict[str, Any]:
        return self.call("api/state")[1]

    def see(self, name: str) -> dict[str, Any]:
        """Wait for a screen."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = self.state()["screen"]
            if found.get("screen") == name:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{name} did not come; the terminal shows {self.state()}")

    def keys(self, *keys: str) -> None:
        assert self.call("api/key", {"keys": list(keys)})[0] == 200


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Up]:
    with browser.up(tmp_path_factory.mktemp("api"), "--port", "0", "--link", "tcp", "--lang", "en") as found:
        yield found


@pytest.fixture
def api(running: browser.Up) -> Api:
    return Api(running.about["address"])


def log_in(api: Api, about: dict[str, Any]) -> None:
    api.see("login_number")
    api.keys(str(about["officer"]["number"]), "ok", about["officer"]["pin"], "ok")
    api.see("home")


def abandon(api: Api) -> None:
    """Give a driver's case up, with a reason, after its verdict was seen."""
    api.keys("cancel")
    api.see("abandon_reason")
    api.keys("1")
    api.see("confirm_abandon")
    api.keys("ok")
    api.see("licence_hand")
    api.keys("ok")
    api.see("home")


def test_a_whole_word_of_keys_is_typed_at_the_terminal_s_pace(api: Api, running: browser.Up):
    log_in(api, running.about)
    api.keys("1")
    assert api.see("mrz_entry")["field"] == "number"
    api.keys("102030479", "ok", "8706146", "ok", "3203097", "ok")
    api.see("licence_present")


def test_a_torn_licence_is_told_and_a_scan_with_a_wrong_check_digit_is_refused(api: Api):
    assert api.call("api/card", {"card": "amina", "tear_at": 6})[1]["slots"]["licence"] == "amina"
    assert api.see("error")["code"].startswith("CRD-")
    assert api.state()["slots"]["licence"] is None, "the card left by itself"
    api.keys("ok")
    api.see("licence_present")
    api.call("api/card", {"card": "amina"})
    assert api.see("licence_verdict")["verdict"] == 2
    api.call("api/card", {"card": None, "slot": "licence"})
    abandon(api)
    api.keys("1")
    api.see("mrz_entry")
    lines = next(one["mrz"] for one in api.call("api/wallet")[1]["licences"] if one["key"] == "amina")
    api.call("api/scan", {"text": "\n".join([lines[0].replace("A10203047", "A10203048"), *lines[1:]])})
    found = api.see("error")
    assert (found["code"], found["message_key"]) == ("LIC-010", "err.LIC-010")
    api.keys("cancel")
    api.see("home")


def test_an_altered_licence_is_called_altered(api: Api):
    api.keys("1")
    api.see("mrz_entry")
    api.call("api/scan", {"card": "altered"})
    api.see("licence_present")
    api.call("api/card", {"card": "altered"})
    assert api.see("licence_verdict")["verdict"] == 3
    api.call("api/card", {"card": None, "slot": "licence"})
    abandon(api)


def test_the_language_key_holds_up_no_key_behind_it(api: Api):
    began = time.monotonic()
    api.keys(*["lang"] * 9, "1")
    api.see("mrz_entry")
    assert time.monotonic() - began < 8, "each of nine language keys waits for its screen, no longer"
    assert api.state()["screen"]["lang"] == "en"
    api.keys("lang")
    end = time.monotonic() + 20
    while api.state()["screen"]["lang"] != "ar" and time.monotonic() < end:
        time.sleep(0.05)
    assert api.state()["screen"]["lang"] == "ar" and api.state()["screen"]["screen"] == "mrz_entry"
    api.keys("lang", "lang")
    api.keys("cancel")
    api.see("home")


def test_network_off_is_told_and_network_on_sends_everything(api: Api):
    assert not api.call("api/network", {"up": False})[1]["network"]
    api.keys("2")
    assert api.see("error")["code"].startswith("NET-")
    api.keys("ok")
    api.see("home")
    api.call("api/network", {"up": True})
    api.keys("2")
    assert api.see("sync_done")["pending"] == 0
    assert api.state()["bytes"]["up"] > 0
    api.keys("ok")
    api.see("home")


def test_a_bank_card_is_tapped_and_two_at_once_are_told(api: Api):
    api.keys("1")
    api.see("mrz_entry")
    api.call("api/scan", {"card": "amina"})
    api.see("licence_present")
    api.call("api/card", {"card": "amina"})
    api.see("licence_verdict")
    api.keys("ok")
    api.call("api/card", {"card": None, "slot": "licence"})
    api.see("plate_entry")
    api.keys("0012311916", "ok", "1")
    api.see("acknowledge")
    api.keys("ok")
    api.see("pay_choice")
    api.keys("1")
    assert api.see("card_present")["tap"] is True
    assert api.state()["reader"]["lights"] == ["on", "off", "off", "off"]
    api.call("api/card", {"card": "decline", "slot": "tap"})
    assert api.call("api/card", {"card": "approve", "slot": "tap"})[1]["slots"]["tap"] == "approve"
    end = time.monotonic() + 30
    found = api.state()["screen"]
    while found.get("outcome") is None and time.monotonic() < end:
        if found.get("ui") == 0x19:  # one card only: both are taken away, one comes back
            assert api.state()["reader"]["tones"] == [[750, 200], [0, 200], [750, 200]]
            api.call("api/card", {"card": None, "slot": "tap"})
            api.see("card_present")
            api.call("api/card", {"card": "approve", "slot": "tap"})
        time.sleep(0.05)
        found = api.state()["screen"]
    assert found.get("outcome") in (1, 3), found  # the first card may have been read before the second came
    api.call("api/card", {"card": None, "slot": "tap"})
    assert api.state()["slots"]["tap"] is None
    assert "contactless payment environment" in json.dumps(api.call("api/apdus?after=0")[1])


def test_printer_faults_are_set_and_lifted(api: Api):
    state = api.call("api/printer", {"paper": False, "cover_open": True, "silent": True})[1]["printer"]
    assert (state["paper"], state["cover_open"], state["silent"]) == (False, True, True)
    state = api.call("api/printer", {"paper": True, "cover_open": False, "silent": False})[1]["printer"]
    assert (state["paper"], state["cover_open"], state["silent"]) == (True, False, False)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("api/key", {"key": "enter"}, 400, "SIM-001"),
        ("api/key", {"key": 5}, 400, "SIM-001"),
        ("api/key", {"keys": ["1", None]}, 400, "SIM-001"),
        ("api/key", {}, 400, "SIM-001"),
        ("api/key", {"keys": ["1" * 65]}, 409, "SIM-005"),
        ("api/key", b"not json", 400, "SIM-001"),
        ("api/key", b"\xff\xfe", 400, "SIM-001"),
        ("api/key", b"[1]", 400, "SIM-001"),
        ("api/key", b'{"key": "' + b"1" * 5000 + b'"}', 400, "SIM-001"),
        ("api/card", {"card": "nobody"}, 404, "SIM-002"),
        ("api/card", {"card": None, "slot": "pocket"}, 400, "SIM-001"),
        ("api/card", {"card": "amina", "tear_at": True}, 400, "SIM-001"),
        ("api/card", {"card": "amina", "tear_at": -1}, 400, "SIM-001"),
        ("api/card", {"card": "amina", "tear_at": 0}, 400, "SIM-001"),
        ("api/scan", {"card": "approve"}, 404, "SIM-002"),
        ("api/unblock", {"card": "amina"}, 404, "SIM-002"),
        ("api/network", {"up": "yes"}, 400, "SIM-001"),
        ("api/printer", {"on_fire": True}, 400, "SIM-001"),
        ("api/apdus?after=x", None, 400, "SIM-001"),
        ("api/paper/999999.png", None, 404, "SIM-004"),
        ("api/nothing", None, 404, "SIM-009"),
        ("api/paper/first.png", None, 404, "SIM-009"),
        ("api/key", None, 405, "SIM-010"),
        ("api/state", {}, 405, "SIM-010"),
    ],
)
def test_what_is_not_as_documented_is_refused_with_a_code(api: Api, path: str, body: Any, status: int, code: str):
    found = api.call(path, body)
    assert (found[0], found[1]["code"]) == (status, code)


def test_a_page_of_another_site_is_refused(api: Api):
    refused = {"code": "SIM-008", "message": "the request comes from another site", "hint": "see docs/page.md"}
    assert api.call("api/network", {"up": True}, Origin="http://elsewhere.example") == (403, refused)
    assert api.call("api/state", None, Host="elsewhere.example")[0] == 403
    assert api.call("api/state", None, Origin=api.address.rstrip("/"))[0] == 200


def test_a_blocked_bank_card_is_unblocked_by_its_bank_alone(api: Api, running: browser.Up):
    state = Path(running.about["data"]) / "cards" / "cib-11.json"
    assert api.state()["pin_tries"]["approve"] == 3
    api.call("api/unblock", {"card": "approve"})
    assert json.loads(state.read_text())["pin_tries"] == 3


def test_a_terminal_without_power_takes_no_keys(api: Api, running: browser.Up):
    assert api.call("api/power", {"on": False})[1]["power"] == "off"
    assert api.call("api/key", {"key": "1"}) == (
        409,
        {"code": "SIM-003", "message": "the terminal is off", "hint": "switch it on"},
    )
    assert api.call("api/scan", {"card": "amina"})[0] == 409
    assert api.call("api/power", {"on": True})[1]["power"] == "on"
    api.see("login_number")


def up_fails(*options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", "up", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def taken(_: Path) -> list[str]:
    holder = socket.create_server(("127.0.0.1", 0))
    taken.holder = holder  # type: ignore[attr-defined]  # kept open until the test has ended
    return ["--port", str(holder.getsockname()[1])]


def a_file(folder: Path) -> list[str]:
    (folder / "file").write_text("in the way")
    return ["--data", str(folder / "file"), "--port", "0"]


def damaged(folder: Path) -> list[str]:
    (folder / "cpython").mkdir()
    (folder / "cpython" / "people.json").write_text("{")
    return ["--data", str(folder), "--port", "0"]


@pytest.mark.parametrize(("what", "code"), [(taken, "CFG-030"), (a_file, "CFG-070"), (damaged, "CFG-072")])
def test_what_stands_in_the_way_is_said_with_a_code(what: Callable[[Path], list[str]], code: str, tmp_path: Path):
    done = up_fails("--data", str(tmp_path), *what(tmp_path))
    assert done.returncode == 2
    assert code in done.stderr and "Traceback" not in done.stderr


def test_a_second_simulator_on_the_same_data_is_refused(running: browser.Up):
    done = up_fails("--data", str(Path(running.about["data"]).parent), "--port", "0")
    assert done.returncode == 2 and "CFG-071" in done.stderr


def test_a_reset_of_a_running_world_is_refused_and_deletes_nothing(running: browser.Up):
    folder = Path(running.about["data"])
    before = (folder / "up.lock").stat().st_ino, sorted(path.name for path in folder.iterdir())
    done = subprocess.run(
        [sys.executable, "-m", "tools.house.reset", str(folder.parent)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2 and "CFG-071" in done.stderr and "Ctrl-C" in done.stderr and not done.stdout
    assert ((folder / "up.lock").stat().st_ino, sorted(path.name for path in folder.iterdir())) == before


def test_the_journal_of_a_running_terminal_is_not_exported(
    running: browser.Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder, out = Path(running.about["data"]), tmp_path / "journal"
    state = (folder / "secure-element.json").read_bytes()
    words = ("journal", "export", out, "--store", folder / "store", "--element", folder / "secure-element.json")
    assert refused(*words) == "CFG-071"
    monkeypatch.setattr(held, "LOCK", "another")  # a terminal in no world: its process tells
    assert refused(*words) == "CFG-108"
    assert not out.exists() and (folder / "secure-element.json").read_bytes() == state


@pytest.mark.parametrize("option", ["--lang=xx", "--runtime=java", "--link=usb", "--port=70000"])
def test_an_unknown_choice_is_bad_usage(option: str):
    assert up_fails(option).returncode == 2


def test_the_greeting_tells_a_person_what_to_do(tmp_path: Path):
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.cli", "up", "--data", str(tmp_path), "--port", "0", "--link", "tcp", "--lang", "en"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    said = ""
    assert process.stdout is not None
    while "Ctrl-C" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    process.send_signal(2)
    said += process.stdout.read()
    assert process.wait(20) == 0
    for word in (
        "http://127.0.0.1:",
        "Officer",
        "1007, PIN",
        "CIB TEST",
        "approves offline",
        "EDAHABIA TEST",
        str(tmp_path),
        "nothing is lost",
    ):
        assert word in said
    assert "Traceback" not in said


@pytest.mark.parametrize("gap", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_while_it_ends_leave_no_traceback(tmp_path: Path, gap: float, number: int):
    running = browser.Up(tmp_path, "--port", "0", "--link", "tcp")
    Api(running.about["address"]).see("login_number")
    for _ in range(3):
        running.process.send_signal(number)
        time.sleep(gap)
    assert running.process.wait(20) == 0
    assert running.log.read_text() == ""


def test_the_same_page_over_a_terminal_on_micropython(tmp_path: Path):
    needs.micropython()
    with browser.up(tmp_path, "--port", "0", "--runtime", "micropython") as found:
        api = Api(found.about["address"])
        log_in(api, found.about)
        assert api.state()["runtime"] == "micropython"
