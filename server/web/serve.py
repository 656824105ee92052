"""Running the application on uvicorn: in the foreground for the command line, or in a thread for tests and demos.

with Serving(build(config)) as server:
    … server.url …                       stops by itself at the end of the block
"""

import gc
import socket
import threading
import time

import uvicorn
from starlette.applications import Starlette

from protocol.errors import ConfigError
from server.web.patience import PatientProtocol

START_S = 20.0
COLLECT_AFTER = 200_000
"""New containers before the cycle collector looks at them. A commit makes tens of thousands of rows and no cycles: with the
interpreter's 700 the collector takes a quarter of the writer's time."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. ConfigError CFG-030 if the address cannot be had."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(1024)
    except (OSError, OverflowError, ValueError) as error:  # taken, no such port, no such name
        sock.close()
        errno = error.errno if isinstance(error, OSError) else None
        raise ConfigError(f"cannot listen on {host}:{port}", "CFG-030", "choose another --port", errno) from error
    return sock


def runner(app: Starlette, protocol: type[PatientProtocol] = PatientProtocol) -> uvicorn.Server:
    """The uvicorn server of an application, quiet, with bounded keep-alive and bounded waiting; `protocol` speaks HTTP."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=protocol,
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
