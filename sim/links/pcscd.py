"""pcscd with the virtual reader vpcd: started for the simulator, or found running.

vpcd listens on all addresses. So, where this process is root and the kernel lets it, the daemon gets a network and
mount namespace of its own: its ports can be reached by the simulator alone, its socket lies in a temporary folder,
and any number of them run side by side. Its clients find it through PCSCLITE_CSOCK_NAME, which `ensure` sets for this
process and its children; children find its namespace through TASDID_PCSCD. Otherwise the machine's own daemon is
used, and `Daemon.note` says that its ports are open to the network.
"""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from protocol.errors import ConfigError
from sim.links import namespace

SYSTEM_SOCKET = "/run/pcscd/pcscd.comm"
CLIENT_VARIABLE = "PCSCLITE_CSOCK_NAME"
OUR_VARIABLE = "TASDID_PCSCD"
FIRST_PORT = 35963
"""vpcd's first slot, "Virtual PCD 00 00"; the second slot is on the next port."""
_DRIVER = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so"
_HINT = "apt-get install --no-install-recommends pcscd vsmartcard-vpcd (make setup does it)"


@dataclass
class Daemon:
    """A running pcscd. `namespace_pid` is set if it lives in a namespace of its own; `note` is empty or says what
    is not ideal.
    """

    socket_name: str
    namespace_pid: int | None = None
    note: str = ""
    process: subprocess.Popen[bytes] | None = None
    folder: str = ""
    removed: dict[int, float] = field(default_factory=dict)
    """When (time.monotonic) the last card left each port: pcscd must see the slot empty before the next card goes in."""

    def connect(self, port: int, timeout: float = 5.0) -> socket.socket:
        """A TCP connection to vpcd's `port`: a card goes in. Raises OSError."""
        address = ("127.0.0.1", port)
        if self.namespace_pid is None:
            return socket.create_connection(address, timeout)
        return namespace.socket_inside(self.namespace_pid, address, timeout)

    def stop(self) -> None:
        """End the daemon if `ensure` started it; nothing happens for a daemon that was found running."""
        global _current
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None
            for variable in (CLIENT_VARIABLE, OUR_VARIABLE):
                os.environ.pop(variable, None)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if _current is self:
            _current = None


_current: Daemon | None = None


def why_not() -> str:
    """Empty if `ensure` can work here, else the reason."""
    if shutil.which("pcscd", path=_path()) is None:
        return "pcscd is not installed"
    if not Path(_DRIVER).exists():
        return "vpcd (vsmartcard-vpcd) is not installed"
    if os.geteuid() != 0 and not _answers(SYSTEM_SOCKET):
        return "pcscd is not running and only root can start it"
    return ""


def ensure() -> Daemon:
    """The daemon of this process: made once, ended at exit. Raises ConfigError CFG-080 (missing), CFG-081 (does not start)."""
    global _current
    if _current is not None and (_current.process is None or _current.process.poll() is None):
        return _current
    inherited = _inherited()
    if inherited is None:
        reason = why_not()
        if reason:
            raise ConfigError(reason, "CFG-080", _HINT)
        inherited = _start_private() if os.geteuid() == 0 else None
        inherited = inherited or _shared()
        atexit.register(inherited.stop)
    _current = inherited
    return _current


def _path() -> str:
    return os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def _inherited() -> Daemon | None:
    pid, _, name = os.environ.get(OUR_VARIABLE, "").partition(":")
    if name and _answers(name):
        return Daemon(name, int(pid))
    return None


def _start_private() -> Daemon | None:
    """A daemon in its own namespaces; None if the kernel refuses them."""
    folder = tempfile.mkdtemp(prefix="tasdid-pcscd-")
    os.chmod(folder, 0o755)
    launcher = str(Path(namespace.__file__).resolve())
    command = [
        sys.executable,
        launcher,
        folder,
        shutil.which("pcscd", path=_path()) or "pcscd",
        "--foreground",
        "--critical",
    ]
    process = _spawn(command, folder)
    name = folder + "/pcscd.comm"
    if not _wait(name, process):
        process.kill()
        code = process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        if code in (namespace.NO_NAMESPACE, namespace.NO_MOUNT, namespace.NO_LOOPBACK):
            return None
        raise ConfigError("pcscd does not start", "CFG-081", _HINT, detail=code)
    os.environ[CLIENT_VARIABLE] = name
    os.environ[OUR_VARIABLE] = f"{process.pid}:{name}"
    return Daemon(name, process.pid, "", process, folder)


def _shared() -> Daemon:
    """The machine's daemon, started if need be (root)."""
    note = "vpcd's ports 35963 and 35964 are reachable from the network: put a firewall rule before them"
    if _answers(SYSTEM_SOCKET):
        return Daemon(SYSTEM_SOCKET, note=note)
    folder = tempfile.mkdtemp(prefix="tasdid-pcscd-")
    process = _spawn([shutil.which("pcscd", path=_path()) or "pcscd", "--foreground", "--critical"], folder)
    if not _wait(SYSTEM_SOCKET, process):
        process.kill()
        raise ConfigError("pcscd does not start", "CFG-081", _HINT, detail=process.wait())
    return Daemon(SYSTEM_SOCKET, None, note, process, folder)


def _spawn(command: list[str], folder: str) -> "subprocess.Popen[bytes]":
    with open(folder + "/pcscd.log", "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _wait(name: str, process: "subprocess.Popen[bytes]", seconds: float = 8.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        if _answers(name):
            return True
        time.sleep(0.02)
    return False


def _answers(name: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(name)
        except OSError:
            return False
    return True
