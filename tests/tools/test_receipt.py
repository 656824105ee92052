"""`tasdid receipt verify`: words, JSON and exit codes, from text and from a picture."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import segno
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from protocol import claim
from protocol.claim import claim_assemble, claim_prepare
from protocol.errors import FormatError
from tests.tools import command
from tools import cli
from tools.commands.receipt import examine, load_keys


class Terminal:
    """A terminal's key: it signs claims and publishes its public half."""

    def __init__(self, kid: str = "TSD-000001") -> None:
        self.kid = kid
        self._key = ec.generate_private_key(ec.SECP256R1())

    def code(self, outcome: int) -> str:
        """The receipt's text for an outcome."""
        protected, payload, digest = claim_prepare(outcome, 500000, "20260314", "000001-00042", bytes(8), self.kid)
        r, s = utils.decode_dss_signature(self._key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
        return claim_assemble(protected, payload, r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def entry(self) -> dict[str, str]:
        """Its line of the key list."""
        form = serialization.PublicFormat.UncompressedPoint
        return {self.kid: self._key.public_key().public_bytes(serialization.Encoding.X962, form).hex()}


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def keys(tmp_path: Path, terminal: Terminal) -> str:
    path = tmp_path / "receipt-keys.json"
    path.write_text(json.dumps(terminal.entry()))
    return str(path)


def tasdid(*words: str) -> "subprocess.CompletedProcess[str]":
    return command.tasdid("receipt", "verify", *words)


@pytest.mark.parametrize(
    ("outcome", "word", "settled", "begins"),
    [
        (0, "notice", False, "NOT PAID"),
        (1, "approved", True, "PAID"),
        (2, "provisional", False, "NOT YET PAID"),
        (3, "declined", False, "NOT PAID"),
        (4, "interrupted", False, "NOT PAID"),
    ],
)
def test_a_genuine_code_says_what_its_outcome_means(
    terminal: Terminal, keys: str, outcome: int, word: str, settled: bool, begins: str
) -> None:
    code = terminal.code(outcome)
    done = tasdid(code, "--keys", keys)
    assert done.returncode == cli.OK, done.stderr
    assert done.stdout.startswith(begins) and "5 000,00 DA" in done.stdout and "14/03/2026" in done.stdout
    verdict = json.loads(tasdid(code, "--keys", keys, "--json").stdout)
    assert (verdict["valid"], verdict["outcome"], verdict["settled"]) == (True, word, settled)
    assert (verdict["amount"], verdict["pv"], verdict["terminal"]) == (500000, "000001-00042", "TSD-000001")


def test_another_terminals_signature_is_not_genuine(keys: str) -> None:
    done = tasdid(Terminal().code(1), "--keys", keys, "--json")
    verdict = json.loads(done.stdout)
    assert done.returncode == cli.CHECK_FAILED
    assert (verdict["valid"], verdict["code"], verdict["outcome"], verdict["settled"]) == (
        False,
        "CRY-010",
        None,
        False,
    )


def test_a_terminal_that_is_not_listed_is_not_believed(keys: str) -> None:
    done = tasdid(Terminal("TSD-000002").code(1), "--keys", keys)
    assert done.returncode == cli.CHECK_FAILED
    assert done.stdout.startswith("NOT GENUINE") and "CRY-070" in done.stdout and "\nPAID" not in done.stdout


def test_keys_may_be_a_folder_of_lists(tmp_path: Path, terminal: Terminal) -> None:
    other = Terminal("TSD-000002")
    (tmp_path / "a.json").write_text(json.dumps(terminal.entry()))
    (tmp_path / "b.json").write_text(json.dumps(other.entry()))
    for one in (terminal, other):
        assert tasdid(one.code(1), "--keys", str(tmp_path)).returncode == cli.OK


def test_a_picture_is_read(tmp_path: Path, terminal: Terminal, keys: str) -> None:
    picture = tmp_path / "receipt.png"
    segno.make(terminal.code(2), error="m").save(str(picture), scale=4)
    done = tasdid("--png", str(picture), "--keys", keys)
    assert done.returncode == cli.OK and done.stdout.startswith("NOT YET PAID")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: segno.make("https://example.invalid/").save(str(path), scale=4), "FMT-070"),
        (lambda path: path.write_bytes(b"no picture"), "CFG-062"),
        (lambda path: None, "CFG-062"),
    ],
)
def test_a_picture_without_a_receipts_code_is_bad_input(tmp_path: Path, keys: str, make: object, code: str) -> None:
    picture = tmp_path / "picture.png"
    assert callable(make)
    make(picture)
    done = tasdid("--png", str(picture), "--keys", keys)
    assert done.returncode == cli.BAD_INPUT and code in done.stderr and "Traceback" not in done.stderr


def test_bad_text_and_usage_are_bad_input(terminal: Terminal, keys: str) -> None:
    for words in (["TSD1:ABC"], ["hello"], [], [terminal.code(1), "--png", "x.png"]):
        done = tasdid(*words, "--keys", keys)
        assert done.returncode == cli.BAD_INPUT and "Traceback" not in done.stderr, words


def test_without_text_or_picture_one_is_asked_for_and_of_two_one_is_too_many(terminal: Terminal, keys: str) -> None:
    for words in ([], [""]):
        told = tasdid(*words, "--keys", keys).stderr
        assert "CFG-061" in told and "there is no code" in told and "--png" in told and "both" not in told
    told = tasdid(terminal.code(1), "--png", "x.png", "--keys", keys).stderr
    assert "CFG-061" in told and "not both" in told


def test_a_code_that_was_edited_is_called_damaged_or_altered_wherever_it_was(terminal: Terminal, keys: str) -> None:
    listed, code = load_keys(Path(keys)), terminal.code(1)
    seen = set()
    for at in range(len(claim.PREFIX), len(code)):
        for other in "0A:":
            if other == code[at]:
                continue
            try:
                verdict = examine(code[:at] + other + code[at + 1 :], listed)
                assert not verdict["valid"]
            except FormatError as error:
                assert "damaged or altered (" in error.message and "do not rely" in error.hint
                seen.add(error.code)
    assert {"FMT-050", "FMT-070"} <= seen
    done = tasdid(code[:-1], "--keys", keys)
    assert done.returncode == cli.BAD_INPUT and re.match(
        "tasdid: FMT-0.. the receipt's code is damaged or", done.stderr
    )
    assert "damaged" not in tasdid("hello", "--keys", keys).stderr


def test_a_receipt_of_before_a_terminal_got_a_new_key_is_genuine(tmp_path: Path, terminal: Terminal) -> None:
    (name, key), (_, other) = *terminal.entry().items(), *Terminal().entry().items()
    path = tmp_path / "keys.json"
    for listed, valid in (([other, key], True), ([key, other], True), ([other], False), ([], False)):
        path.write_text(json.dumps({name: listed}))
        assert examine(terminal.code(1), load_keys(path))["valid"] == valid


def test_no_key_list_is_something_missing(tmp_path: Path, terminal: Terminal) -> None:
    done = tasdid(terminal.code(1), "--keys", str(tmp_path / "none.json"))
    assert done.returncode == cli.MISSING and "CFG-063" in done.stderr
    broken = tmp_path / "broken.json"
    broken.write_text('{"TSD-000001": "zz"}')
    done = tasdid(terminal.code(1), "--keys", str(broken))
    assert done.returncode == cli.BAD_INPUT and "CFG-064" in done.stderr
