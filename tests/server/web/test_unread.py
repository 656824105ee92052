"""A client that does not take what it is answered (`server.web.patience`), on real sockets: the server's own, a front's, and over TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from server.web.patience import PatientProtocol
from tests.server.served import wait_for
from tests.server.web.test_bounds import Connect, _front, _secured, _threads, rest
from tests.server.web.test_door import Front, request, response

PATIENCE = 0.3
MUCH = 8 << 20  # more than any socket holds
LITTLE = 60_000  # what an event loop holds without a word, and more than the sockets of these tests
KEPT = 1.5
CLOSE = "Connection: close\r\n"
_CONFIG = uvicorn.Config


@pytest.fixture(
    params=[(_threads, "auto"), (_front, "auto"), (_secured, "auto"), (_secured, "asyncio")],
    ids=["threads", "front", "tls", "tls of asyncio"],
)
def connect(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    serve, loop = request.param
    monkeypatch.setattr("server.wire.envelope.seal", lambda *_: bytes(MUCH))
    monkeypatch.setattr(PatientProtocol, "answer_patience", PATIENCE)
    said = {"loop": loop, "timeout_keep_alive": KEPT}
    monkeypatch.setattr(uvicorn, "Config", lambda app, **more: _CONFIG(app, **{**more, **said}))
    with serve(tmp_path) as found:
        yield found


@pytest.mark.parametrize("more", ["", CLOSE], ids=["stays", "closes"])
def test_who_does_not_take_an_answer_is_not_waited_for(connect: Connect, more: str) -> None:
    """Nor for longer over TLS than until its connection is closed, since there a loop does not tell what has not left."""
    with connect() as sock:
        sock.sendall(request(more=more))
        threading.Event().wait(KEPT + 4 * PATIENCE)
        assert len(rest(sock)) < MUCH


def test_who_ends_without_taking_its_answer_is_not_waited_for(connect: Connect) -> None:
    with connect() as sock:
        sock.sendall(request())
        threading.Event().wait(PATIENCE)
        sock.setblocking(False)
        with contextlib.suppress(ssl.SSLError):
            if isinstance(sock, ssl.SSLSocket):
                sock.unwrap()  # says so without reading
            else:
                sock.shutdown(socket.SHUT_WR)
        threading.Event().wait(4 * PATIENCE)
        raw = socket.socket(fileno=sock.detach())
        raw.settimeout(5)
        assert len(rest(raw)) < MUCH
        raw.close()


def test_who_takes_an_answer_in_time_has_all_of_it_and_the_next(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PatientProtocol, "answer_patience", 2.0)
    with connect() as sock, sock.makefile("rb") as stream:
        for _ in range(2):
            sock.sendall(request())
            threading.Event().wait(1.1)  # together longer than that
            status, _, body = response(stream)
            assert (status, len(body)) == (200, MUCH)


@pytest.mark.parametrize("more", ["", CLOSE], ids=["stays", "closes"])
def test_what_is_little_is_not_kept_for_ever_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str) -> None:
    monkeypatch.setattr("server.wire.envelope.seal", lambda *_: bytes(LITTLE))
    monkeypatch.setattr(PatientProtocol, "answer_patience", PATIENCE)
    front = Front(tmp_path)
    try:
        front.listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(front.listening.getsockname())
            sock.sendall(request(more=more))
            wait_for(lambda: front.server.server_state.connections)
            wait_for(lambda: not front.server.server_state.connections, 5)
    finally:
        front.stop()
