"""The device side of the test suite, driven from CPython: the test image, and processes of 32-bit MicroPython that run it.

The image holds the shared packages, their shared tests and the helpers of tests/support, with asserts kept.
"""

import json
import os
import selectors
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.support import device_runner, dual, strict
from tools import image
from tools.house.paths import ROOT
from tools.house.toolchain import DEFAULT_HEAP, micropython_command, why_unavailable

RUNNER = "tests.support.device_runner"
HOST_ONLY = ("*_cpython.py", "*/conftest.py", "tests/support/strict.py", "tests/support/device.py", "tests/support/cross.py",
             "tests/support/collect.py", "tests/support/needs.py")  # fmt: skip
SILENCE = 180.0
"""Seconds without a line from the device after which its process is ended."""


def heap() -> str:
    """The device heap of the tests: TASDID_MPY_HEAP, else 192k."""
    return os.environ.get("TASDID_MPY_HEAP") or DEFAULT_HEAP


def vectors_dir() -> str:
    """The folder of the shared vectors (TASDID_VECTORS, else ../shared/vectors beside the project), or "" if absent."""
    folder = Path(os.environ.get("TASDID_VECTORS") or ROOT.parent / "shared" / "vectors")
    return str(folder) if folder.is_dir() else ""


class Device:
    """Builds the test image once and starts device processes on it. Folders are temporary; `close` removes them."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="tasdid-device-")
        self.folder = Path(self._folder.name)
        self.report: image.ImageReport | None = None
        self._why_not: str | None = None
        self._lines = ""

    def close(self) -> None:
        """Remove the image and the handed-over inputs."""
        self._folder.cleanup()

    def why_not(self) -> str:
        """Empty if the device can run here, else the reason."""
        if self._why_not is None:
            self._why_not = why_unavailable(32)
        return self._why_not

    def image(self) -> image.ImageReport:
        """The test image, built at first use; files that do not compile are left out and named in its report."""
        if self.report is None:
            folders = [ROOT / "tests" / name for name in (*image.SHARED, "support") if (ROOT / "tests" / name).is_dir()]
            self.report = image.build_image(
                self.folder / "tests.img",
                extra_dirs=folders,
                optimise=image.KEEP_ASSERTS,
                exclude=HOST_ONLY,
                strict=False,
            )
        return self.report

    def lines(self) -> str:
        """The vectors in line-by-line form for `dual.vector_cases`; "" if the vectors are absent."""
        source = vectors_dir()
        if source and not self._lines:
            target = self.folder / "lines"
            for path in Path(source).rglob("*.json"):
                rows = dual.walk(json.loads(path.read_text()))
                out = target / (path.relative_to(source).as_posix() + ".lines")
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
            self._lines = str(target)
        return self._lines

    def scratch(self, runtime: str) -> str:
        """A folder that the tests of one runtime may write in."""
        folder = self.folder / "scratch" / runtime
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def start(self, *args: str, size: str = "") -> "DeviceProcess":
        """Start the device runner with these arguments and this heap, or the tests' own. Raises HouseError if the toolchain is missing."""
        command = image.device_command(self.image().path, RUNNER, size or heap(), args)
        return DeviceProcess(command, self.folder)

    def run_module(self, module: str, names: Sequence[str], size: str = "") -> "DeviceProcess":
        """Start the planned tests of one test module; where it asks for a heap of its own, it is the application that is tested: warmed."""
        plan, scratch = self.folder / f"{module}.plan", self.scratch("device")
        plan.write_text("\n".join(names))
        return self.start(module, str(plan), vectors_dir(), self.lines(), scratch, "warm" if size else "", size=size)


class DeviceProcess:
    """One MicroPython process and the report lines that it prints; other output is kept for failure messages."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._errors = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed by close()
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._errors)
        self._buffer = b""
        self.printed: list[str] = []
        self.ended = ""

    def lines(self, silence: float = SILENCE) -> Iterator[dict]:
        """The report lines as they come; afterwards `ended` says how the process ended if it did not end well."""
        stream = self._process.stdout
        assert stream is not None
        with selectors.DefaultSelector() as selector:
            selector.register(stream, selectors.EVENT_READ)
            while True:
                if not selector.select(silence):
                    self._process.kill()
                    self.ended = f"no word from the device for {silence:.0f} s; it was ended"
                    break
                chunk = os.read(stream.fileno(), 65536)
                if not chunk:
                    break
                *complete, self._buffer = (self._buffer + chunk).split(b"\n")
                for raw in complete:
                    line = raw.decode(errors="replace").rstrip("\r")
                    if line.startswith(device_runner.MARK):
                        yield json.loads(line[1:])
                    else:
                        self.printed.append(line)
        self._finish()

    def _finish(self) -> None:
        code = self._process.wait()
        self._errors.seek(0)
        errors = self._errors.read().decode(errors="replace").strip()
        if code != 0 and not self.ended:
            self.ended = f"the device process ended with {code}"
        if self.ended and errors:
            self.ended += f"\n{errors[-3000:]}"

    def close(self) -> None:
        """End the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        self._errors.close()


def run_script(size: str, script: Path, *words: str) -> str:
    """What a script prints that 32-bit MicroPython runs from the sources, with this heap. Skips (fails in CI) if the device cannot run here."""
    why_not = why_unavailable(32)
    if why_not:
        strict.skip_missing(why_not)
    path = os.pathsep.join((str(ROOT), str(ROOT / "tools" / "house" / "device"), ".frozen"))
    done = subprocess.run(
        [*micropython_command(32, size), str(script), *words],
        check=False, env={**os.environ, "MICROPYPATH": path}, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


_shared: "list[Device]" = []


def shared() -> Device:
    """The one Device of this test session."""
    if not _shared:
        _shared.append(Device())
    return _shared[0]


def close_shared() -> None:
    """Called at the end of the session."""
    while _shared:
        _shared.pop().close()
