"""Start a program in a network and mount namespace of its own (Linux, root), and open sockets inside such a namespace.

As a script: `python namespace.py RUN_DIR PROGRAM ARG…` gives the program a loopback interface that nobody else can
reach, shows it RUN_DIR as /run/pcscd, and replaces itself with it. The program is ended when the process that started
it ends. Standard library only, since it runs as a plain file. Exit codes: 120 no namespaces here, 121 the folder
cannot be mounted, 122 no loopback, 127 no program.
"""

import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import threading

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

NO_NAMESPACE, NO_MOUNT, NO_LOOPBACK, NO_PROGRAM = 120, 121, 122, 127


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("16sH14s", b"lo", 0, b"")
        flags = struct.unpack("16sH14s", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(probe, _SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", flags | _IFF_UP, b""))


def enter(run_dir: str) -> int:
    """Move this process into new namespaces with `run_dir` at /run/pcscd; 0, or the exit code that says what failed."""
    libc = _libc()
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) != 0:
        return NO_NAMESPACE
    os.makedirs("/run/pcscd", exist_ok=True)
    if libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None) != 0:
        return NO_MOUNT
    if libc.mount(os.fsencode(run_dir), b"/run/pcscd", None, _MS_BIND, None) != 0:
        return NO_MOUNT
    try:
        _loopback_up()
    except OSError:
        return NO_LOOPBACK
    return 0


def socket_inside(pid: int, address: tuple[str, int], timeout: float) -> socket.socket:
    """A TCP socket connected to `address` as seen from the network namespace of process `pid`. Raises OSError.

    A short-lived thread joins the namespace, since a socket belongs to the namespace in which it was made and threads
    differ in theirs.
    """
    result: list[socket.socket | OSError] = []

    def join_and_connect() -> None:
        try:
            with open(f"/proc/{pid}/ns/net") as handle:
                if _libc().setns(handle.fileno(), CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            result.append(socket.create_connection(address, timeout))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=join_and_connect, name="namespace")
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise result[0]
    return result[0]


def main(words: list[str]) -> int:
    """Enter the namespaces and become the program."""
    failed = enter(words[0])
    if failed:
        return failed
    try:
        os.execvp(words[1], words[1:])
    except OSError:
        return NO_PROGRAM


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
