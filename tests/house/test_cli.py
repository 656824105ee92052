"""The command `tasdid`: quick help, documented exit codes, coded errors in one line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from protocol.errors import FormatError
from tools import cli
from tools.house.errors import HouseError, MissingPart


def _tasdid(*words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_help_lists_the_commands_and_imports_none_of_them():
    done = _tasdid("--help")
    assert done.returncode == cli.OK
    assert all(name in done.stdout for name in cli.available())
    assert "5 only the centre can say" in " ".join(done.stdout.replace("│", " ").split())
    code = "import sys\nfrom tools import cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "print([m for m in sys.modules if m.startswith(('tools.commands.', 'sqlalchemy', 'terminal'))], file=sys.stderr)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert seen.stderr.strip() == "[]"


def test_an_unknown_command_is_bad_usage_and_names_the_known_ones():
    done = _tasdid("nonsense")
    assert done.returncode == cli.BAD_INPUT
    assert "GEN-002" in done.stderr and "doctor" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_bad_usage():
    assert _tasdid("doctor", "--nonsense").returncode == cli.BAD_INPUT


def test_the_version_is_printed():
    done = _tasdid("--version")
    assert (done.returncode, done.stdout.count(".")) == (cli.OK, 2)


def test_every_module_in_the_commands_folder_is_in_the_table():
    folder = Path(cli.__file__).parent / "commands"
    names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names <= set(cli.COMMANDS)


def test_doctor_speaks_json():
    done = _tasdid("doctor", "--json")
    findings = json.loads(done.stdout)
    assert {"part", "ok", "state", "without"} == set(findings[0])
    assert done.returncode == (cli.OK if all(finding["ok"] for finding in findings) else cli.CHECK_FAILED)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            FormatError("bytes are missing", hint="send them again"),
            cli.BAD_INPUT,
            "FMT-001 bytes are missing — send them again",
        ),
        (MissingPart("H-X", "no pcscd", "make setup"), cli.MISSING, "H-X no pcscd — make setup"),
        (HouseError("H-Y", "broken", "mend it"), cli.BAD_INPUT, "H-Y broken — mend it"),
        (ValueError("secret 1234"), cli.INTERNAL, "GEN-001 internal error (ValueError)"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def fail(_: list[str]) -> int:
        raise error

    monkeypatch.setattr(cli, "_run", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main(["anything"])
    said = capsys.readouterr().err
    assert ended.value.code == code
    assert words in said
    assert "1234" not in said
