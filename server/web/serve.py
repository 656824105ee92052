"""Running the application on uvicorn: in the foreground for the command line, or in a thread for tests and demos.

with Serving(build(config)) as server:
    … server.url …                       stops by itself at the end of the block
"""

import contextlib
import errno
import gc
import signal
import socket
import threading
import time
from collections.abc import Iterator

import uvicorn
from starlette.applications import Starlette

from protocol.errors import ConfigError
from server.web.patience import PatientProtocol

START_S = 20.0
ENDING = (signal.SIGINT, signal.SIGTERM)
COLLECT_AFTER = 200_000
"""New containers before the cycle collector looks at them. A commit makes tens of thousands of rows and no cycles: with the
interpreter's 700 the collector takes a quarter of the writer's time."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. ConfigError CFG-030 if the address cannot be had; it says what to choose instead."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except (OSError, OverflowError, ValueError) as error:  # taken, no such port, no such name
        sock.close()
        number = error.errno if isinstance(error, OSError) else None
        where = f"{host}:{port}" if port else host
        raise ConfigError(f"cannot listen on {where}", "CFG-030", _instead(error), number) from error
    return sock


def _instead(error: Exception) -> str:
    """What to choose where one could not listen, by what the system says."""
    if isinstance(error, OverflowError):
        return "a port is a number from 0 to 65535"
    if isinstance(error, socket.gaierror | ValueError) or not isinstance(error, OSError):
        return "no machine has this name: choose another --host"
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return "this machine has no such address: choose another --host"
    if error.errno in (errno.EACCES, errno.EPERM):
        return "the system does not let you have this port: choose another --port, 1024 or more"
    return "another program has it: choose another --port"


class EndingServer(uvicorn.Server):
    """uvicorn whose end by a signal, or by several, is an end like any other: no exit code of the signal's, and nothing left undone.

    `hears`: it listens for signals itself, in the main thread; else somebody sets `should_exit`, and `force_exit` to be waited for no more.
    """

    def __init__(self, config: uvicorn.Config, hears: bool = True) -> None:
        super().__init__(config)
        self._hears = hears

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """What was heard is not raised once more (uvicorn does that). A server around this one hears what follows."""
        if not self._hears or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in ENDING}
        try:
            yield
        finally:
            deafen()
            for number, handler in before.items():
                if isinstance(getattr(handler, "__self__", None), uvicorn.Server):
                    signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; a second Ctrl-C keeps nobody waiting, but the application is told of the end all the same (uvicorn leaves that out then)."""
        await super().shutdown(sockets)
        if self.force_exit:
            await self.lifespan.shutdown()


def deafen() -> None:
    """All has ended, and so will the process: one more signal is not to be its exit code."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def runner(app: Starlette, protocol: type[PatientProtocol] = PatientProtocol) -> EndingServer:
    """The uvicorn server of an application, quiet, with bounded keep-alive and bounded waiting; `protocol` speaks HTTP."""
    return EndingServer(
        uvicorn.Config(
            app,
            http=protocol,
            ws="none",  # another protocol would have bounds of its own, or none
            log_level="warning",
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=5,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
    )


def settle() -> None:
    """For a process that writes or checks many records: what is loaded stays, and the collector comes seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, 50, 100)


class Serving:
    """A server in a thread of its own, for the length of a `with` block."""

    def __init__(self, app: Starlette, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = listen(host, port)
        self.host, self.port = self._socket.getsockname()[:2]
        self.url = f"http://{self.host}:{self.port}"
        self._server = runner(app)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def start(self) -> "Serving":
        """Start and wait until it answers. ConfigError CFG-031 if it does not."""
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise ConfigError("the server did not start", "CFG-031")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Answer what is in hand, then end."""
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> "Serving":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
