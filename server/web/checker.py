"""A process that checks messages: signatures, strict parsing, restoring of records (`server.messages.check`).

Started by `server.web.checkers`, never by hand. Reads frames from standard input, writes frames to standard output: four bytes of
length, then a pickle; both ends are this server's own. The first frame is the database's URL, where devices' public keys are looked
up; every further one is a list of bodies and is answered with the list of what was found. Ends when its input does, so that it
never outlives the server, whatever ends that.
"""

import pickle
import signal
import sys
from typing import BinaryIO

from server.messages import check
from server.store.devices import Register
from server.store.engine import open_engine


def frame(value: object) -> bytes:
    """A value as it crosses the pipe."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(4, "big") + data


def _read(stream: BinaryIO) -> object | None:
    """The next frame's value; None at the end."""
    size = stream.read(4)
    if len(size) < 4:
        return None
    return pickle.loads(stream.read(int.from_bytes(size, "big")))


def main() -> None:
    """Check until the input ends."""
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches the whole group; the server ends this by closing the pipe
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    url = _read(reader)
    if not isinstance(url, str):
        return
    engine = open_engine(url, migrate=False)
    register = Register(engine)
    while True:
        bodies = _read(reader)
        if not isinstance(bodies, list):
            break
        writer.write(frame([check(body, register.find) for body in bodies]))
        writer.flush()
    engine.dispose()


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError):
        sys.exit(0)
