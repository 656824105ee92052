"""The files of a licence in a folder: EF.COM, EF.SOD, DG1 … DG14, one file each, byte for byte as on the chip.

Written with mode 0600 into a folder of mode 0700, which must be new or empty: they are personal data, and what another card left would be
taken for this one's. Loaded under the names that common tools give them
(`DG1.bin`, `EF_SOD`, `Datagroup1.bin`, …).

    ConfigError CFG-104  the folder cannot be read or holds no file of a licence
    ConfigError CFG-105  the folder cannot be written
    ConfigError CFG-092  the folder to write to holds something already
    ConfigError CFG-082  two files of the folder claim to be the same one
"""

import os
import re
from pathlib import Path

from protocol.errors import ConfigError
from protocol.licence.profile import COM, LAST_GROUP, SOD, name_of

MAX_FILE = 1 << 20
_NAME = re.compile(
    r"^(?:EF[._ -]?)?(?:(?P<com>COM)|(?P<sod>SOD)|(?:DG|DATA ?GROUP)[._ -]?0?(?P<group>\d{1,2}))(?:\.\w+)?$", re.I
)


def file_of(name: str) -> int:
    """The short identifier that a file's name means, 0 if none."""
    found = _NAME.match(name)
    if found is None:
        return 0
    if found["com"]:
        return COM
    if found["sod"]:
        return SOD
    number = int(found["group"])
    return number if 1 <= number <= LAST_GROUP else 0


def load(folder: Path) -> dict[int, bytes]:
    """{short identifier: content} of the files in `folder`."""
    found: dict[int, bytes] = {}
    try:
        for path in sorted(folder.iterdir()):
            file = file_of(path.name) if path.is_file() else 0
            if not file:
                continue
            if file in found:
                raise ConfigError(
                    f"two files claim to be {name_of(file)}", "CFG-082", "keep the one that was read", name_of(file)
                )
            if path.stat().st_size > MAX_FILE:
                raise ConfigError(f"{path.name} is too large for a licence's file", "CFG-104", "check the folder")
            found[file] = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be read ({error.strerror})",
            "CFG-104",
            "give the folder of a dump",
            error.errno,
        ) from error
    if not found:
        raise ConfigError(
            f"the folder {folder} holds no file of a licence", "CFG-104", "expected names: EF.SOD, EF.COM, DG1 … DG14"
        )
    return found


def must_be_free(folder: Path) -> None:
    """ConfigError CFG-092 unless `folder` is empty or not there; CFG-105 if nobody can say."""
    try:
        used = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise _unwritable(folder, error) from error
    if used:
        raise ConfigError(f"the folder {folder} is not empty", "CFG-092", "choose a new or empty --out")


def write(folder: Path, files: dict[int, bytes]) -> list[Path]:
    """Write the files into a new or empty folder."""
    must_be_free(folder)
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        for file in sorted(files):
            path = folder / name_of(file)
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(files[file])
            written.append(path)
    except OSError as error:
        raise _unwritable(folder, error) from error
    return written


def _unwritable(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(
        f"the folder {folder} cannot be written ({error.strerror})", "CFG-105", "choose another --out", error.errno
    )
