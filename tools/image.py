"""The device image: a ROMFS of bytecode that MicroPython runs in place, and of machine code where a function asks for it.

Every module of the shared packages is compiled by mpy-cross (of the release that the device runs) and laid, with the data
files beside it, into a ROMFS as `mpremote romfs build` would. The same sources give the same bytes: entries are sorted, and
sources are named by their path in the project. Modules listed as CPython-only are left out. The image does not sign itself:
the manifest does that.
"""

import ast
import fnmatch
import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tools.house.errors import HouseError
from tools.house.hints import without_hints
from tools.house.inline import inline
from tools.house.laws.runtimes import SHARED, for_host, only_runtime
from tools.house.paths import HOUSE, ROOT, cache_dir
from tools.house.prune import prune
from tools.house.shorten import shorten, usage_of
from tools.house.toolchain import DEFAULT_HEAP, micropython_command, mpy_cross

DATA_SUFFIXES = (".bin", ".cbor", ".der")
"""Files that travel beside the bytecode; sources of generated data (.json, .txt, fonts) stay on the host."""

DEVICE_FILES = HOUSE / "device"
TYPING = DEVICE_FILES / "typing.py"
BOOT = DEVICE_FILES / "boot.py"
KEEP_ASSERTS, STRIP_ASSERTS = 0, 2
SIMULATED = "x86"
"""The machine that the 32-bit MicroPython of the simulator and the tests runs on."""
BYTECODE = "none"
ARCHITECTURES = (
    SIMULATED,
    "armv6m",
    "armv7m",
    "armv7em",
    "armv7emsp",
    "armv7emdp",
    "xtensa",
    "xtensawin",
    "rv32imc",
    BYTECODE,
)
"""What `@micropython.viper` functions may be compiled for (mpy-cross -march); "none": they stay bytecode and run on any."""
_VIPER = re.compile(r"^ *@micropython\.viper *$", re.MULTILINE)
_WORKERS = 2


class ImageError(HouseError):
    """An image that cannot be built; the message quotes the compiler."""


@dataclass(frozen=True)
class ImageReport:
    """What was built: size in bytes, how many files, SHA-256 in hex, and the compiler's complaints by file."""

    path: Path
    size: int
    files: int
    sha256: str
    errors: dict[str, str] = field(default_factory=dict)


def build_image(
    out: Path,
    packages: Sequence[str] = SHARED,
    extra_dirs: Iterable[Path] = (),
    *,
    root: Path = ROOT,
    optimise: int = STRIP_ASSERTS,
    exclude: Sequence[str] = (),
    strict: bool = True,
    arch: str = SIMULATED,
) -> ImageReport:
    """Build a ROMFS image of `packages` and `extra_dirs` (folders under `root`, kept at their relative path) into `out`.

    `optimise` is mpy-cross's level: 2 strips asserts and keeps line numbers, private names are shortened (`tools.house.shorten`), and what only
    a host uses stays out (`tools.house.prune`, `tools.house.hints`); 0 keeps all that (tests). `exclude`: globs of relative
    paths. With `strict`, a file that does not compile raises ImageError; otherwise it is left out and reported. `arch`: one of ARCHITECTURES.
    """
    if arch not in ARCHITECTURES:
        raise ImageError("H-IMG-ARCH", f"there is no architecture {arch!r}", "name one of " + ", ".join(ARCHITECTURES))
    sources = _sources(root, [root / package for package in packages] + list(extra_dirs), exclude)
    if optimise:
        sources = {name: path for name, path in sources.items() if not for_host(name)}
    contents, errors = _compile_all(root, sources, optimise, arch)
    if errors and strict:
        name, text = next(iter(errors.items()))
        raise ImageError(
            "H-IMG-COMPILE", f"{name} does not compile for the device: {text}", "mend it; mpy-cross shows the rest"
        )
    contents["typing.mpy"] = _compile(TYPING, "typing.py", optimise, arch)
    image = _romfs(contents)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(image)
    return ImageReport(out, len(image), len(contents), hashlib.sha256(image).hexdigest(), errors)


def device_image() -> Path:
    """The terminal's image of the sources as they are now, built once and kept in the cache folder by their digest."""
    state = hashlib.sha256()
    passes = [HOUSE / f"{name}.py" for name in ("hints", "inline", "prune", "shorten")]
    builder = [ROOT / "tools" / "image.py", *passes, TYPING]
    for path in [*_sources(ROOT, [ROOT / package for package in SHARED], ()).values(), *builder]:
        state.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    image = cache_dir() / "images" / f"{state.hexdigest()[:24]}.romfs"
    if not image.exists():
        part = image.with_suffix(f".{os.getpid()}.part")
        build_image(part)
        os.replace(part, image)
    return image


def device_command(
    image: Path, main: str, heap: str = DEFAULT_HEAP, args: Sequence[str] = (), bits: int = 32
) -> list[str]:
    """The words that start module `main`'s `main(args)` out of `image` on MicroPython, under a GC heap such as "128k"."""
    return [*micropython_command(bits, heap), str(BOOT), str(image), main, *args]


def _sources(root: Path, folders: Iterable[Path], exclude: Sequence[str]) -> dict[str, Path]:
    """Relative path → file, sorted, of everything that goes into the image."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in folder.rglob("*"):
            name = path.relative_to(root).as_posix()
            wanted = path.suffix == ".py" or path.suffix in DATA_SUFFIXES
            left_out = only_runtime(name) == "cpython" or any(fnmatch.fnmatchcase(name, glob) for glob in exclude)
            if path.is_file() and wanted and not left_out:
                found[name] = path
    return dict(sorted(found.items()))


def _compile_all(
    root: Path, sources: dict[str, Path], optimise: int, arch: str
) -> tuple[dict[str, bytes], dict[str, str]]:
    contents: dict[str, bytes] = {}
    errors: dict[str, str] = {}
    shortened = _shortened(sources) if optimise else {}

    def one(item: tuple[str, Path]) -> "tuple[str, bytes | HouseError]":
        name, path = item
        if path.suffix != ".py":
            return name, path.read_bytes()
        try:
            return name[:-3] + ".mpy", _compile(path, name, optimise, arch, shortened.get(name))
        except HouseError as error:
            return name, error

    with ThreadPoolExecutor(_WORKERS) as pool:
        for name, result in pool.map(one, sources.items()):
            if isinstance(result, bytes):
                contents[name] = result
            else:
                errors[name] = result.message
    return contents, errors


def _shortened(sources: dict[str, Path]) -> dict[str, str]:
    """The modules without hints and what nobody calls, with constants written out and names shortened; what is no Python is left to
    mpy-cross, which says why.

    In one thread: CPython 3.11's parser miscounts its depth when several threads build syntax trees.
    """
    texts = {name: path.read_text() for name, path in sources.items() if path.suffix == ".py"}
    texts = {name: text for name, text in texts.items() if _parses(text)}
    texts = prune({name: without_hints(text) for name, text in texts.items()})
    numbers = inline({_module(name): text for name, text in texts.items()})
    texts = {name: numbers[_module(name)] for name in texts}
    usage = usage_of(texts.values())
    return {name: shorten(text, usage) for name, text in texts.items()}


def _module(name: str) -> str:
    """The dotted name of a source."""
    return name[:-3].removesuffix("/__init__").replace("/", ".")


def _parses(text: str) -> bool:
    """Whether this is Python at all."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _compile(path: Path, name: str, optimise: int, arch: str, text: str | None = None) -> bytes:
    """The bytecode of one source. `text` is compiled in its stead. Tracebacks show the path `name` in a test image; else the module's dotted name,
    which its importers have in the table of names already.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, target = path, Path(folder) / "out.mpy"
        words = [f"-O{optimise}"]
        if arch == BYTECODE:
            text = _VIPER.sub("", path.read_text() if text is None else text)
        else:
            words.append(f"-march={arch}")
        if text is not None:
            source = Path(folder) / "source.py"
            source.write_text(text)
        told = _module(name) if optimise else name
        command = [str(mpy_cross()), *words, "-s", told, "-o", str(target), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise ImageError("H-IMG-COMPILE", done.stderr.strip()[-400:], "mend the source")
        return target.read_bytes()


def _romfs(contents: dict[str, bytes]) -> bytes:
    """A ROMFS image of the given files (relative paths with slashes)."""
    from mpremote.romfs import VfsRomWriter

    tree: dict = {}
    for name, data in contents.items():
        *folders, leaf = name.split("/")
        here = tree
        for folder in folders:
            here = here.setdefault(folder, {})
        here[leaf] = data
    writer = VfsRomWriter()
    _write_folder(writer, tree)
    return bytes(writer.finalise())


def _write_folder(writer, tree: dict) -> None:
    for name in sorted(tree):
        if isinstance(tree[name], dict):
            writer.opendir(name)
            _write_folder(writer, tree[name])
            writer.closedir()
        else:
            writer.mkfile(name, tree[name])
