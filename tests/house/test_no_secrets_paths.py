"""No tracked file names a package registry's host, a path of somebody's machine, or holds a private key."""

import pytest

from tools.house.laws import tracked


def test_tracked_files_hold_no_host_no_machine_path_and_no_key():
    found = [str(finding) for path, text in tracked.tracked_texts() for finding in tracked.findings(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("registry host", "index-url = https://" + "py" + "pi.org/simple"),
        ("registry host", "resolved: registry." + "npm" + "js.org"),
        ("registry host", "deb http://deb." + "debian.org/debian trixie main"),
        ("machine path", 'open("/ho' + 'me/someone/file")'),
        ("machine path", "cd /wo" + "rk/project"),
        ("temporary path", "> /tm" + "p/out"),
        ("private key", "-----BEGIN EC PRIVATE" + " KEY----- MHcC"),
    ],
)
def test_each_rule_bites(rule: str, text: str):
    assert rule in {finding.rule for finding in tracked.findings("x", text)}


@pytest.mark.parametrize(
    "text", ["var/worker/file", "~/.cache/tasdid", "$XDG_CACHE_HOME/home/x", "https://host.example/home/page"]
)
def test_lawful_text_passes(text: str):
    assert tracked.findings("x", text) == []
