"""Replies that no server of ours gives, to the client on either runtime: each is a NetworkError."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.drivers import net_http_client
from tests.support import cross

LONG = b"a" * 70_000
REPLIES = {
    "first line": b"HTTP/1.1 200 " + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "no line": b"a" * 500_000,
    "header": b"HTTP/1.1 200 OK\r\nX: " + LONG + b"\r\nContent-Length: 0\r\n\r\n",
    "2 KB": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000 + b"\r\nContent-Length: 0\r\n\r\n",
    "huge body": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
    "negative": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "empty lines": b"\r\n" * 100,
    "nothing": b"",
}


@pytest.fixture
def answering() -> Iterator[Callable[[bytes], int]]:
    """Answers whatever it is asked with these bytes; gives its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    said: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return  # closed: the test is over
            with connection:
                try:
                    connection.recv(1000)
                    connection.sendall(said[0])
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1000)
                except OSError:
                    continue  # the client has given up

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()

    def begin(reply: bytes) -> int:
        said[:] = [reply]
        return listening.getsockname()[1]

    yield begin
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join(5)


def _on_device(calls: list[tuple[Any, ...]]) -> list[Any]:
    return cross.run_on_device("tests.drivers.net_http_client", "run", calls)


@pytest.mark.parametrize("what", REPLIES)
def test_a_reply_beyond_all_bounds_is_a_network_error(answering: Callable[[bytes], int], what: str) -> None:
    (told,) = net_http_client.run(answering(REPLIES[what]), b"", "localhost", 1, 2500, 0)
    assert told.split()[0] in ("NET-001", "NET-004")


@pytest.mark.parametrize("what", ["no line", "header"])
def test_so_it_is_on_the_device(answering: Callable[[bytes], int], what: str) -> None:
    """There a line has no bound but the heap."""
    (told,) = _on_device([(answering(REPLIES[what]), b"", "localhost", 1, 2500, 0)])
    assert isinstance(told, list), getattr(told, "trace", told)
    assert told[0].split()[0] in ("NET-001", "NET-004")
