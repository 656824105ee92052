"""The fonts that receipts and screens are drawn with on the host, at build time.

Vazirmatn (OFL) has Arabic and Latin and looks best at 1 bit; it comes from its npm package, fetched with the npm that the
Python environment brings, and is checked against a pinned digest. DejaVu Sans (a Debian package) has Tifinagh too, and
serves for Arabic where Vazirmatn could not be fetched. Nothing of this reaches the device: only drawn glyphs do.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tools.house.errors import HouseError, MissingPart, UntrustedDownload
from tools.house.paths import VENV, cache_dir

PACKAGE = "vazirmatn@33.0.3"
FILES = {
    "Vazirmatn-Regular.ttf": (
        "package/fonts/ttf/Vazirmatn-Regular.ttf",
        "b69fd4c680b8f3f225feabcc655a2c585d97627b8f5f5c0f9985e894069f3a56",
    ),
    "Vazirmatn-Bold.ttf": (
        "package/fonts/ttf/Vazirmatn-Bold.ttf",
        "f635fdbea28f265de395ba83b4b1570dcf2f58d13c65469e61903b1c2d2ae723",
    ),
    "OFL.txt": ("package/OFL.txt", "17e355067c8284f47743a1ee3b1ef7ff684ff0601eda357f9353b10b3016ab31"),
}
DEJAVU = Path("/usr/share/fonts/truetype/dejavu")


def folder() -> Path:
    """Where Vazirmatn is kept."""
    return cache_dir() / "fonts" / PACKAGE


def font_paths() -> "dict[str, Path]":
    """The font files to draw with: keys `arabic`, `arabic_bold`, `latin`, `latin_bold`, `tifinagh` (the last only if present).

    Latin is the Latin of the same Vazirmatn, so that both scripts match. Raises MissingPart if there is neither font.
    """
    regular, bold = folder() / "Vazirmatn-Regular.ttf", folder() / "Vazirmatn-Bold.ttf"
    dejavu, dejavu_bold = DEJAVU / "DejaVuSans.ttf", DEJAVU / "DejaVuSans-Bold.ttf"
    if not (regular.is_file() and bold.is_file()):
        regular, bold = dejavu, dejavu_bold
    if not (regular.is_file() and bold.is_file()):
        raise MissingPart(
            "H-FONT", "neither Vazirmatn nor DejaVu Sans is here", "run `make setup`, or install fonts-dejavu-core"
        )
    found = {"arabic": regular, "arabic_bold": bold, "latin": regular, "latin_bold": bold}
    if dejavu.is_file():
        found["tifinagh"] = dejavu
    return found


def is_present() -> bool:
    """True if every file of Vazirmatn is in the cache with its pinned digest."""
    return all(_digest(folder() / name) == sha256 for name, (_, sha256) in FILES.items())


def ensure(log=print) -> "list[str]":
    """Fetch Vazirmatn if it is not in the cache; returns a sentence if that was not possible."""
    if is_present():
        return []
    log("the font Vazirmatn is fetched")
    try:
        _fetch()
    except (HouseError, OSError, subprocess.TimeoutExpired) as error:
        return [f"Vazirmatn could not be fetched ({error}); receipts are drawn with DejaVu Sans"]
    return []


def _fetch() -> None:
    npm = VENV / "bin" / "npm"
    program = str(npm) if npm.is_file() else shutil.which("npm")
    if program is None:
        raise MissingPart("H-FONT-NPM", "there is no npm", "run `make setup`")
    with tempfile.TemporaryDirectory() as temporary:
        command = [program, "pack", "--silent", PACKAGE]
        done = subprocess.run(command, cwd=temporary, capture_output=True, text=True, timeout=300, check=False)
        archives = list(Path(temporary).glob("*.tgz"))
        if done.returncode != 0 or not archives:
            raise HouseError("H-FONT-NPM", f"npm said: {done.stderr.strip()[-200:]}", "check npm's configuration")
        folder().mkdir(parents=True, exist_ok=True)
        with tarfile.open(archives[0]) as archive:
            for name, (member, sha256) in FILES.items():
                _extract(archive, member, folder() / name, sha256)


def _extract(archive: tarfile.TarFile, member: str, target: Path, sha256: str) -> None:
    stream = archive.extractfile(member)
    data = stream.read() if stream else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise UntrustedDownload(
            "H-FONT-DIGEST", f"{member} differs from its pin", "do not use this registry; report it"
        )
    target.write_bytes(data)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
