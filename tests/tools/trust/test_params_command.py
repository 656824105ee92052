"""`tasdid params sign`, `show`, `check`, and trust taken from whatever a person names."""

import datetime as dt
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError, ParameterError
from server import keys as server_keys
from server.wire import envelope
from sim.cards import licence
from sim.pki import Pki, make_pki, revocation
from tests.tools.command import tasdid
from tools import cli
from tools.commands import params as command
from tools.licence import dump, offline
from tools.trust import load, sets


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    server_keys.make(tmp_path / "keys")
    return tmp_path


def params(*words: object) -> "subprocess.CompletedProcess[str]":
    return tasdid("params", *words)


def test_a_set_is_signed_shown_and_checked(folder: Path) -> None:
    (folder / "limits.json").write_text(json.dumps({"tx_max": 1000000, "hot": [{"hex": "00ff"}]}))
    out, key = folder / "limits.cose", folder / "keys" / "set-limits.pem"
    done = params("sign", folder / "limits.json", "--kind", "limits", "--set-version", 4, "--key", key, "--out", out)
    assert done.returncode == cli.OK, done.stderr
    shown = json.loads(params("show", out, "--json").stdout)
    assert (shown["kind"], shown["version"], shown["body"]) == (
        "limits",
        4,
        {"tx_max": 1000000, "hot": [{"hex": "00ff"}]},
    )
    done = params("check", out, "--key", key)
    assert done.returncode == cli.OK and "in force" in done.stdout
    done = params("check", out, "--key", folder / "keys" / "set-emv.pem")
    assert done.returncode == cli.CHECK_FAILED and "does not hold" in done.stdout
    out.write_bytes(out.read_bytes()[:-1] + b"\0")
    assert params("check", out, "--key", key).returncode == cli.CHECK_FAILED
    out.write_bytes(b"nonsense")
    done = params("check", out, "--key", key)
    assert done.returncode == cli.BAD_INPUT and "PRM-011" in done.stderr


@pytest.mark.parametrize(
    ("text", "code"),
    [("[1]", "CFG-085"), ("{", "CFG-085"), ('{"a": {"hex": "0"}}', "CFG-085"), ('{"a": {"file": "none"}}', "CFG-085")],
)
def test_bodies_that_cannot_be_read_are_bad_input(text: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        sets.body_from(tmp_path / "body.json")
    assert caught.value.code == code


def test_anchors_come_from_certificates_sets_and_folders(folder: Path, pki: Pki) -> None:
    kept = folder / "trust"
    kept.mkdir()
    (kept / "csca.der").write_bytes(pki.csca.der)
    trust, remarks = load.anchors(kept / "csca.der")
    assert [(anchor.country, anchor.purpose) for anchor in trust.anchors] == [("DZ", "idl")] and remarks == []
    key = folder / "keys" / "set-trust.pem"
    message = signed(key, {"anchors": pki.anchors()})
    (kept / "trust.cose").write_bytes(message)
    trust, remarks = load.anchors(kept)
    assert len(trust.anchors) == 2 and "not checked" in remarks[0]
    assert load.anchors(kept, key)[1] == []
    with pytest.raises(ParameterError) as caught:
        load.anchors(kept, folder / "keys" / "set-emv.pem")
    assert caught.value.code == "PRM-011"
    assert load.anchors(None)[0].anchors == []


def signed(key: Path, body: "dict[str, Any]", after: int = 0) -> bytes:
    """A trust set for thirty days that began, or begins, `after` days from now."""
    now = int(time.time())
    return sets.sign(sets.private_key(key), "trust", 1, now + after * sets.DAY, 30, now, body)


@pytest.mark.parametrize(("after", "code"), [(-31, "PRM-005"), (1, "PRM-007"), (-29, "")])
@pytest.mark.parametrize("checked", [True, False])
def test_a_set_that_is_not_in_force_is_not_believed(
    after: int, code: str, checked: bool, folder: Path, pki: Pki
) -> None:
    key, path = folder / "keys" / "set-trust.pem", folder / "trust.cose"
    path.write_bytes(signed(key, {"anchors": pki.anchors()}, after))
    try:
        found = load.anchors(path, key if checked else None)[0]
    except ParameterError as error:
        assert error.code == code
    else:
        assert not code and len(found.anchors) == len(pki.anchors())


def test_the_commands_refuse_an_expired_set_and_check_calls_it_so(folder: Path, pki: Pki) -> None:
    key, path = folder / "keys" / "set-trust.pem", folder / "trust.cose"
    path.write_bytes(signed(key, {"anchors": pki.anchors()}, -400))
    files = licence.build(licence.profile("amina"), pki).content.files
    dump.write(folder / "dump", {file: data for file, data in files.items() if file != 0x1C})
    words = ["verify", folder / "dump", "--trust", path, "--trust-key", key, "--today", "20250611"]
    done = tasdid("licence", *words)
    assert done.returncode == cli.BAD_INPUT and "PRM-005" in done.stderr and done.stdout == ""
    done = params("check", path, "--key", key)
    assert done.returncode == cli.CHECK_FAILED and "expired" in done.stdout


ANCHOR = {"country": "DZ", "purpose": "idl", "cert": b"\x30\x03"}
MALFORMED: "list[dict[str, Any]]" = [
    {}, {"anchors": 5}, {"anchors": {"country": 1}}, {"anchors": [5]}, {"anchors": [{"x": 1}]},
    {"anchors": [{**ANCHOR, "cert": "text"}]}, {"anchors": [{**ANCHOR, "cert": 10**9}]}, {"anchors": [{**ANCHOR, "country": 5}]},
    {"anchors": [{**ANCHOR, "purpose": None}]}, {"anchors": [ANCHOR], "crls": 5}, {"anchors": [ANCHOR], "crls": [-1]},
    {"anchors": [ANCHOR], "crls": [10**9]}, {"anchors": [ANCHOR], "crls": ["x"]}, {"anchors": [ANCHOR], "crls": {"a": 1}},
]  # fmt: skip


@pytest.mark.parametrize("body", MALFORMED)
def test_a_malformed_set_of_anchors_is_a_coded_error_everywhere(body: "dict[str, Any]", folder: Path) -> None:
    key, path = folder / "keys" / "set-trust.pem", folder / "trust.cose"
    path.write_bytes(signed(key, body))
    (folder / "body.json").write_text(json.dumps(sets.printable(body)))
    for use in (
        lambda: load.anchors(path, key),
        lambda: command.show(path),
        lambda: command.sign(folder / "body.json", "trust", folder / "out.cose", key),
    ):
        with pytest.raises(ParameterError) as caught:
            use()
        assert caught.value.code == "PRM-011"
    command.show(path, True)  # as JSON a set is shown as it is


def test_a_certificate_that_nobody_can_read_is_shown_as_such(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "trust.cose"
    path.write_bytes(signed(folder / "keys" / "set-trust.pem", {"anchors": [ANCHOR]}))
    command.show(path)
    assert "DZ/idl" in capsys.readouterr().out


@pytest.mark.parametrize("place", range(2, 6))
@pytest.mark.parametrize("value", ["soon", -1, 1 << 60, None])
def test_a_set_whose_times_are_none_is_no_set(place: int, value: Any, folder: Path) -> None:
    if place == 2 and isinstance(value, int):
        return  # any number is a version
    payload = {1: "trust", 2: 1, 3: 0, 4: 1, 5: 0, 6: {"anchors": []}, place: value}
    key = sets.private_key(folder / "keys" / "set-trust.pem")
    with pytest.raises(ParameterError) as caught:
        sets.open_set(envelope.seal(key, "tsd/set/trust", "set-trust", payload))
    assert caught.value.code == "PRM-011"


def test_a_purpose_that_no_terminal_asks_for_is_refused(tmp_path: Path) -> None:
    done = params("import-masterlist", tmp_path / "x.ml", "--anchor", tmp_path / "x.der", "--purpose", "nonsense")
    assert done.returncode == cli.BAD_INPUT and "CFG-088" in done.stderr


def test_things_that_are_no_anchor_are_refused(tmp_path: Path) -> None:
    (tmp_path / "csca.der").write_bytes(b"no certificate")
    for source, code in ((tmp_path / "csca.der", "CFG-083"), (tmp_path / "none.der", "CFG-085")):
        with pytest.raises(ConfigError) as caught:
            load.anchors(source)
        assert caught.value.code == code
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError) as caught:
        load.anchors(tmp_path / "empty")
    assert caught.value.code == "CFG-086"


def test_revocation_lists_beside_the_anchors_count_if_their_authority_signed_them(folder: Path, pki: Pki) -> None:
    signed = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    made = revocation.crl(pki.csca, [pki.signers["revoked"]], signed, signed + dt.timedelta(days=365))
    kept = folder / "trust"
    kept.mkdir()
    (kept / "csca.der").write_bytes(pki.csca.der)
    files = dict(licence.build(licence.profile("revoked-signer"), pki).content.files)
    found = offline.judge(NativeCrypto(), files, load.anchors(kept)[0], "20250611")
    assert "LIC-224" not in found.findings
    (kept / "list.crl").write_bytes(made)
    found = offline.judge(NativeCrypto(), files, load.anchors(kept)[0], "20250611")
    assert "LIC-224" in found.findings
    (kept / "list.crl").write_bytes(b"no list")
    with pytest.raises(ConfigError):
        load.anchors(kept)


def test_a_set_takes_only_lists_that_its_anchors_signed(tmp_path: Path, pki: Pki) -> None:
    signed = dt.datetime(2025, 6, 1, tzinfo=dt.UTC)
    path = tmp_path / "list.crl"
    path.write_bytes(revocation.crl(pki.csca, [], signed, signed + dt.timedelta(days=30)))
    row = [(pki.csca.der, {"unusable": ""})]
    assert list(command._trust_body(row, "DZ", "idl", [path])) == ["anchors", "crls"]
    stranger = make_pki(tmp_path / "other").csca
    with pytest.raises(ParameterError) as caught:
        command._trust_body([(stranger.der, {"unusable": ""})], "DZ", "idl", [path])
    assert caught.value.code == "PRM-024"
    with pytest.raises(ParameterError) as caught:
        command._trust_body([(stranger.der, {"unusable": "because"})], "DZ", "idl", [])
    assert caught.value.code == "PRM-023"
