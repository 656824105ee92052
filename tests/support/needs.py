"""Parts of the machine that some tests need: each function returns if the part is here, else skips (fails in CI).

@pytest.fixture
def reader(): needs.pcsc(); ...
"""

import importlib.util
import shutil
from pathlib import Path

from tests.support import device, strict


def program(name: str, package: str) -> str:
    """The path of a program; `package` is the Debian package that has it."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if found is None:
        strict.skip_missing(f"the program {name} is not here (Debian package {package}; `make setup` as root)")
    return found


def pcsc() -> None:
    """pcscd, the virtual reader and pyscard: simulated cards behind real PC/SC."""
    program("pcscd", "pcscd")
    if not list(Path("/usr/lib").glob("pcsc/drivers/serial/*vpcd*")):
        strict.skip_missing("the virtual reader is not here (Debian package vsmartcard-vpcd; `make setup` as root)")
    module("smartcard", "pyscard")


def opensc_tool() -> str:
    """opensc-tool, a stranger at our cards; its path."""
    return program("opensc-tool", "opensc")


def nfc_list() -> str:
    """nfc-list, a stranger at our PN532; its path."""
    return program("nfc-list", "libnfc-bin")


def chromium() -> str:
    """Debian's browser for playwright; its path."""
    return program("chromium", "chromium")


def micropython(bits: int = 32) -> None:
    """MicroPython of that width."""
    from tools.house.toolchain import why_unavailable

    reason = why_unavailable(bits)
    if reason:
        strict.skip_missing(reason)


def vectors() -> Path:
    """The folder of the shared vectors."""
    folder = device.vectors_dir()
    if not folder:
        strict.skip_missing("the shared vectors are not here (TASDID_VECTORS)")
    return Path(folder)


def module(name: str, package: str) -> None:
    """An importable Python module; `package` is its name on the package index."""
    if importlib.util.find_spec(name) is None:
        strict.skip_missing(f"the Python package {package} is not here (`make setup` says why)")
