"""`tasdid demo` as a new user runs it: every check holds, on both runtimes, and wrong options are told."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sim.worlds.papers import qr_text
from tests.support import needs

ROOT = Path(__file__).resolve().parents[2]


def _tasdid(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", *words], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )


def _held(done: subprocess.CompletedProcess[str]) -> dict:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["ok"] and all(check["ok"] for check in report["checks"])
    return report


def test_the_patrol_holds_over_pcsc_in_french(tmp_path: Path):
    needs.pcsc()
    report = _held(_tasdid("demo", "--json", "--out", str(tmp_path)))
    assert report["cards"] == "pcsc" and report["failure"] == ""
    assert {path.name for path in tmp_path.glob("receipt-*.png")} == set(report["receipts"])
    assert list((tmp_path / "journal").glob("*.seg"))
    assert (tmp_path / "apdu.txt").read_text().startswith("licence > ")


def test_the_patrol_holds_on_micropython_in_arabic(tmp_path: Path):
    needs.micropython()
    report = _held(_tasdid("demo", "--json", "--runtime", "micropython", "--lang", "ar", "--out", str(tmp_path)))
    assert report["runtime"] == "micropython" and 0 < report["heap"]["live"] < 224 * 1024
    assert any("أسجل الدخول" in step["text"] for step in report["steps"])


def test_an_arabic_count_stands_behind_what_is_counted_since_the_noun_would_change_with_it():
    words = yaml.safe_load((ROOT / "sim/worlds/data/patrol.yaml").read_text(encoding="utf-8"))
    said = "\n".join(each["ar"] for each in words.values())
    for name in ("left", "points", "sent", "count"):
        assert re.findall(rf": \{{{name}\}}(.)", said), name
        assert all(behind in ".،؛" for behind in re.findall(rf"\{{{name}\}}(.)", said)), name


@pytest.mark.parametrize("option", [("--lang", "de"), ("--runtime", "jython"), ("--link", "usb")])
def test_a_wrong_option_is_told(option: tuple[str, str]):
    done = _tasdid("demo", *option)
    assert done.returncode == 2
    assert option[0] in done.stderr


def test_a_receipt_of_the_patrol_verifies_and_an_altered_one_does_not(tmp_path: Path):
    done = _tasdid("demo", "--link", "tcp", "--lang", "en", "--out", str(tmp_path))
    assert done.returncode == 0 and "5\u00a0000,00 DA" in done.stdout
    words = shlex.split(done.stdout.splitlines()[-1].partition("To verify one: ")[2])
    assert words[0] == "tasdid" and _tasdid(*words[1:]).stdout.startswith("PAID")
    keys = str(tmp_path / "world" / "receipt-keys.json")
    picture = str(tmp_path / "receipt-1-approved.png")
    assert _tasdid("receipt", "verify", "--png", picture, "--keys", keys, "--json").returncode == 0
    text = qr_text(Path(picture))
    genuine = _tasdid("receipt", "verify", text, "--keys", keys, "--json")
    assert genuine.returncode == 0 and "paid" in genuine.stdout
    forged = text[:-3] + ("000" if not text.endswith("000") else "111")
    assert _tasdid("receipt", "verify", forged, "--keys", keys).returncode in (1, 2)
