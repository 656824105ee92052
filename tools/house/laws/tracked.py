"""What no tracked file may hold: a package registry's host, an absolute path of somebody's machine, a private key, a stray name.

Published example keys and generated test keys live outside the repository; so any PEM private key in a tracked text is an error.
"""

import re
import subprocess
from typing import NamedTuple

from tools.house.paths import ROOT

# Written in pieces, so that this file does not match itself.
_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "deb.deb" + "ian.org",
          "security.debian" + ".org", "snapshot.debian" + ".org", "nodesource" + ".com")  # fmt: skip
_HOMES = ("ro" + "ot", "ho" + "me", "wo" + "rk", "opt/py" + "pi", "opt/wh" + "eels", "Us" + "ers")

RULES = {
    "registry host": re.compile("|".join(re.escape(host) for host in _HOSTS)),
    "machine path": re.compile(
        r"(?<![\w.~$}/-])/(?:ro" + r"ot|ho" + r"me|wo" + r"rk|opt/py" + r"pi|opt/wh" + r"eels|Us" + r"ers)/\w"
    ),
    "temporary path": re.compile(r"(?<![\w.~$}/-])/tm" + r"p/\w"),
    "private key": re.compile("BEGIN (?:EC |RSA |ENCRYPTED )?PRIVATE" + " KEY-----\\s*[A-Za-z0-9+/]"),
}


class Finding(NamedTuple):
    """A line that breaks a rule."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} holds a {self.rule}"


def findings(path: str, text: str) -> list[Finding]:
    """Every breach in one text."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [Finding(path, number, rule) for rule, pattern in RULES.items() if pattern.search(line)]
    return found


def tracked_texts() -> "list[tuple[str, str]]":
    """(path, text) of every tracked file that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    texts = []
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            if b"\0" not in data:
                texts.append((name, data.decode(errors="replace")))
    return texts
