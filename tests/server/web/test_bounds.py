"""What a client may send before anything is made of it (`server.web.bounds`), on real sockets: the server's own, a front's, and over TLS."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import sync as s
from server import certificates, codes, config
from server.web import app, bounds, serve, tls
from tests.server.served import wait_for, write_config
from tests.server.web.test_door import Front, request, response

Connect = Callable[[], socket.socket]
POST = f"POST {s.PATH} HTTP/1.1\r\nHost: localhost\r\n".encode()
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"


@contextlib.contextmanager
def _threads(folder: Path) -> Iterator[Connect]:
    with serve.Serving(app.build(config.load(write_config(folder, [])))) as server:
        yield lambda: socket.create_connection((server.host, server.port), timeout=15)


@contextlib.contextmanager
def _front(folder: Path) -> Iterator[Connect]:
    front = Front(folder)
    front.app.door._ask = lambda checked, told: asyncio.get_running_loop().call_soon(front.desk.ask, checked, told)  # type: ignore[attr-defined]
    try:
        yield front.connect
    finally:
        front.stop()


@contextlib.contextmanager
def _secured(folder: Path) -> Iterator[Connect]:
    application = app.build(config.load(write_config(folder, [])))
    door = tls.secure(application, certificates.make(folder / "tls", certificates.NAME, 30))
    listening = serve.listen("127.0.0.1", 0)
    context = ssl.create_default_context(cadata=(folder / "tls" / "ca.der").read_bytes())

    def connect() -> socket.socket:
        plain = socket.create_connection(listening.getsockname(), timeout=15)
        return context.wrap_socket(plain, server_hostname=certificates.NAME)

    with serve.Serving(application):
        thread = threading.Thread(target=door.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        wait_for(lambda: door.started)
        yield connect
        door.should_exit = True
        thread.join(20)
    listening.close()


@pytest.fixture(params=[_threads, _front, _secured], ids=["threads", "front", "tls"])
def connect(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Connect]:
    with request.param(tmp_path) as found:
        yield found


def rest(sock: socket.socket) -> bytes:
    """What comes until the connection ends, however it does."""
    found = b""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while piece := sock.recv(65536):
            found += piece
    return found


@pytest.mark.parametrize("pieces", [1, 700], ids=["at once", "in pieces"])
@pytest.mark.parametrize(
    ("start", "unit", "count"),
    [
        (POST, b"a: b\r\n", bounds.LINES + 3),
        (POST, b"name: %b\r\n" % bytes(500).replace(b"\0", b"v"), 19),
        (POST + b"one: ", b"v", bounds.HEAD * 3),
        (b"POST /", b"u", bounds.HEAD * 3),
        (CHUNKED, b"a: b\r\n", bounds.LINES + 3),
        (CHUNKED + b"one: ", b"v", bounds.HEAD * 3),
    ],
    ids=["short headers", "headers", "one header", "address", "trailers", "one trailer"],
)
def test_a_head_or_trailers_without_end_end_the_connection(
    connect: Connect, start: bytes, unit: bytes, count: int, pieces: int
) -> None:
    with connect() as sock:
        sent = start + unit * count
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            for at in range(0, len(sent), len(sent) // pieces + 1):
                sock.sendall(sent[at : at + len(sent) // pieces + 1])
        rest(sock)
    with connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request())
        assert response(stream)[0] == 200, "and nobody else's"


def test_a_head_that_is_too_large_is_told_so(connect: Connect) -> None:
    for sent in (POST + b"a: b\r\n" * (bounds.LINES + 3), POST + b"a: " + b"v" * bounds.HEAD + b"\r\n\r\n"):
        with connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(request())
            assert response(stream)[0] == 200
            sock.sendall(sent)
            status, headers, body = response(stream)
            assert (status, headers["connection"], body) == (431, "close", codes.TOO_LARGE.encode())
            assert stream.read() == b""


def test_requests_sent_ahead_of_the_reply_end_the_connection(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    for one in (GET, request(path="/v1%2Fsync"), request()):
        with connect() as sock:
            with contextlib.suppress(ConnectionError, ssl.SSLError):
                sock.sendall(one * 5000)
            assert rest(sock).count(b"HTTP/1.1 ") < 5000
    assert not [record for record in caplog.records if record.exc_info]


def test_what_a_request_may_take_is_taken(connect: Connect) -> None:
    long = b"X-Long: " + b"v" * (bounds.HEAD - 200) + b"\r\n"
    short = b"".join(b"X-%d: v\r\n" % number for number in range(bounds.LINES - 2))
    body = bytes(60_000)
    chunks = b"1\r\nx\r\n" * 3000 + b"0\r\nX-Trailer: v\r\n\r\n"
    with connect() as sock, sock.makefile("rb") as stream:
        for more in (long, short):
            sock.sendall(POST + more + b"Content-Length: 60000\r\n\r\n")
            for at in range(0, len(body), 5000):
                sock.sendall(body[at : at + 5000])
            assert response(stream)[0] == 200
            sock.sendall(POST + more.replace(b"X-0: v\r\n", b"") + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
            assert response(stream)[0] == 200
            sock.sendall(request(path="/v1%2Fsync") * 2)
            assert [response(stream)[0] for _ in range(2)] == [200, 200]


def test_another_protocol_is_not_spoken(connect: Connect) -> None:
    """An upgrade is an ordinary request, and what follows it has the same bounds."""
    upgrade = GET[:-2] + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    with connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(upgrade + b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
        assert response(stream)[0] == 200
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            sock.sendall(b"a: b\r\n" * (bounds.HEAD + 2))
        assert b"101" not in rest(sock)


def test_who_reads_no_answer_gets_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front that is full answers "later" at once, past uvicorn's own queue: the answers may not pile up."""
    front = Front(tmp_path)
    monkeypatch.setattr("server.web.sync.MAX_IN_HAND", 0)
    try:
        with front.connect() as sock:
            sock.settimeout(0.2)
            sent: Any = 0
            with pytest.raises(ConnectionError):
                while sent < 1 << 26:
                    with contextlib.suppress(TimeoutError):
                        sent += sock.send(request() * 1000)
    finally:
        front.stop()


def test_one_connection_too_many_is_closed_and_the_others_are_served(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds.BoundedProtocol, "most", 3)
    with contextlib.ExitStack() as held:
        socks = [held.enter_context(connect()) for _ in range(3)]
        with contextlib.suppress(ConnectionError, ssl.SSLError), connect() as more:
            more.sendall(GET)
            assert rest(more) == b""
        for sock in socks:
            sock.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
            assert rest(sock).startswith(b"HTTP/1.1 200")
    with connect() as sock:
        sock.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
        assert rest(sock).startswith(b"HTTP/1.1 200")


def test_a_server_that_ends_waits_for_no_rest_of_a_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as held:
        with _threads(tmp_path) as connect:
            socks = [held.enter_context(connect()) for _ in range(3)]
            for sock in socks:
                sock.sendall(POST + b"Content-Length: 100\r\n\r\nhalf")
            with connect() as sock:  # so that these have been heard
                sock.sendall(GET.replace(b"Host", b"Connection: close\r\nHost"))
                assert rest(sock).startswith(b"HTTP/1.1 200")
        assert [rest(sock) for sock in socks] == [b"", b"", b""]
    assert [record.message for record in caplog.records if record.name.startswith("uvicorn")] == []
