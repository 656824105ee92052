"""The law of imports holds in every file, and each of its rules bites."""

import json
import tomllib

import pytest

from tools.house.laws import imports
from tools.house.laws.runtimes import LIST, exceptions
from tools.house.paths import HOUSE, ROOT


def test_every_file_obeys_the_law_of_imports():
    broken = []
    for package in imports.OURS[:-1]:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            broken += [str(breach) for breach in imports.breaches(name, path.read_text())]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("protocol/tlv.py", "from drivers import contracts"),
        ("protocol/tlv.py", "import time"),
        ("protocol/tlv.py", "def late():\n    import asyncio"),
        ("protocol/tlv.py", "import dataclasses"),
        ("protocol/crypto/pure.py", "import cryptography"),
        ("drivers/escpos.py", "import terminal.app"),
        ("drivers/escpos.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from terminal import app"),
        ("drivers/escpos.py", "import serial"),
        ("terminal/app.py", "import random"),
        ("terminal/app.py", "import sim"),
        ("terminal/app.py", "from tools import cli"),
        ("terminal/flows/a.py", "from ...sim import cards"),
        ("server/app.py", "from terminal import app"),
        ("server/app.py", "from sim import acquirer"),
        ("sim/parts/pn532.py", "from drivers import pn532"),
        ("sim/cards/licence/chip.py", "from protocol.crypto import pure"),
        ("sim/cards/licence/chip.py", "from protocol import cose"),
        ("sim/links/vpcd.py", "import server"),
        ("sim/worlds/one.py", "import tests.support"),
        ("server/codes.py", "__import__('sim')"),
        ("server/codes.py", "import importlib\nimportlib.import_module('terminal.app')"),
    ],
)
def test_a_forbidden_import_is_found(path: str, source: str):
    assert imports.breaches(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("protocol/tlv.py", "from protocol import pack\nfrom . import errors\nimport hashlib"),
        (
            "protocol/tlv.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from collections.abc import Iterator",
        ),
        ("protocol/crypto/native.py", "from cryptography.hazmat.primitives import hashes"),
        ("drivers/card_pcsc.py", "import smartcard"),
        ("terminal/flows/a.py", "from ..face import screens\nfrom drivers.contracts import printer\nimport asyncio"),
        ("server/app.py", "from protocol import cbor\nimport sqlalchemy"),
        ("sim/cards/licence/chip.py", "from protocol import tlv\nimport cryptography"),
        ("sim/worlds/one.py", "import terminal.app, server, sim.parts"),
        ("tools/commands/up.py", "from sim import worlds\nimport terminal"),
    ],
)
def test_a_lawful_import_passes(path: str, source: str):
    assert imports.breaches(path, source) == []


def test_every_listed_exception_says_why():
    for line in LIST.read_text().splitlines():
        if line and not line.startswith("#"):
            assert len(line.split(None, 2)) == 3, line
    assert all(what in ("cpython", "micropython", "host") or what.startswith("+") for _, what in exceptions())


def test_the_type_checkers_leave_out_what_the_list_leaves_out():
    on_host = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["basedpyright"]["exclude"]
    on_device = json.loads((HOUSE / "pyright-device.json").read_text())["exclude"]
    for pattern, what in exceptions():
        if what == "cpython":
            assert f"../../{pattern}" in on_device, pattern
        elif what == "micropython":
            assert pattern in on_host, pattern
