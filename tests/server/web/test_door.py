"""The front's way from HTTP to the check and back without ASGI (`server.web.door`): what is usual goes through it, what is unusual is
answered all the same, and the limit of what is in hand holds for both.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import sync as s
from server import codes, config, keys
from server.store.engine import open_engine
from server.web import app, serve, sync
from server.web.door import DoorProtocol, Told
from tests.server.handheld import open_reply
from tests.server.served import wait_for, write_config

REPLY = {s.NONCE: b"", s.DEVICE: "", s.CODE: "SRV-999", s.MESSAGE: "for a test"}


class Desk:
    """Answers when the test says so, or at once."""

    def __init__(self) -> None:
        self.waiting: list[Told] = []
        self.at_once = True
        self.loop: asyncio.AbstractEventLoop | None = None

    def ask(self, _checked: Any, told: Told) -> None:
        """Of a front's desk."""
        self.loop = asyncio.get_running_loop()
        if self.at_once:
            told((s.TYPE_REFUSED, dict(REPLY)), None)
        else:
            self.waiting.append(told)

    async def answer(self, _checked: Any) -> Any:
        """The same for ASGI."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.ask(_checked, lambda reply, code: done.set_result((reply, code)))
        reply, code = await done
        if reply is None:
            raise codes.RefusedError(code, "not now")
        return reply

    async def counts(self) -> dict[str, int]:
        """Of a front's desk."""
        return {"ok": True}

    async def audited(self, now: bool) -> dict[str, Any]:
        """Of a front's desk."""
        raise AssertionError("a recomputation is asked for")

    def damaged(self, what: str) -> None:
        """Of a front's desk."""
        raise AssertionError(what)

    def release(self, reply: Any = (s.TYPE_REFUSED, REPLY), code: str | None = None) -> None:
        """Answer all that waits."""
        assert self.loop is not None
        waiting, self.waiting = self.waiting, []
        for told in waiting:
            self.loop.call_soon_threadsafe(told, reply and (reply[0], dict(reply[1])), code)


class Front:
    """A front on a port, before a desk of the test's."""

    def __init__(self, folder: Path, protocol: type[DoorProtocol] = DoorProtocol) -> None:
        url = f"sqlite:///{folder / 'server.db'}"
        open_engine(url).dispose()
        loaded = config.load(write_config(folder, []), url)
        self.desk, self.ack_key = Desk(), keys.load(folder / "keys").public("ack")
        self.app = app.build_front(
            loaded, self.desk.answer, self.desk.ask, self.desk.counts, self.desk.audited, self.desk.damaged
        )
        self.listening = serve.listen("127.0.0.1", 0)
        self.server = serve.runner(self.app, protocol)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listening]}, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)

    def connect(self) -> socket.socket:
        """A connection."""
        return socket.create_connection(self.listening.getsockname(), timeout=15)

    def in_hand(self) -> int:
        """Messages in hand."""
        return self.app.door._limit._in_hand  # type: ignore[attr-defined]

    def stop(self) -> None:
        """End it."""
        self.server.should_exit = True
        self.thread.join(20)
        self.listening.close()
        assert not self.thread.is_alive()


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    front = Front(tmp_path)
    yield front
    front.stop()


def request(body: bytes = b"x", version: str = "1.1", more: str = "", path: str = s.PATH) -> bytes:
    return f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def response(stream: Any) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next response; status 0 at the end of the connection."""
    status = stream.readline()
    if not status:
        return 0, {}, b""
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        headers[name.lower()] = value
    return int(status.split()[1]), headers, stream.read(int(headers.get("content-length", "0")))


def test_requests_one_after_the_other_on_a_connection(front: Front) -> None:
    with front.connect() as sock, sock.makefile("rb") as stream:
        for _ in range(3):
            sock.sendall(request())
            status, headers, body = response(stream)
            assert (status, headers["content-type"]) == (200, "application/cose")
            assert open_reply(body, front.ack_key) == (s.TYPE_REFUSED, REPLY)
    assert front.in_hand() == 0


def test_a_request_in_pieces_is_one(front: Front) -> None:
    with front.connect() as sock, sock.makefile("rb") as stream:
        whole = request(bytes(3000))
        for at in range(0, len(whole), 700):
            sock.sendall(whole[at : at + 700])
        assert response(stream)[0] == 200


class Hasty(DoorProtocol):
    """Waits half a second."""

    patience = 0.5


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"", [408, 0]),
        (b"POST /v1/sync HTTP/1.1\r\nHost:", [408, 0]),
        (request(bytes(3000))[:-1], [0]),
        (request(bytes(3000), path="/v1%2Fsync")[:-1], [0]),
        (request() + b"POST", [200, 408, 0]),
    ],
)
def test_a_client_that_sends_no_whole_request_is_not_waited_for(
    tmp_path: Path, sent: bytes, statuses: list[int]
) -> None:
    front = Front(tmp_path, Hasty)
    try:
        with front.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(sent)
            assert [response(stream)[0] for _ in statuses] == statuses
    finally:
        front.stop()
    assert front.in_hand() == 0


@pytest.mark.parametrize("path", [s.PATH, "/v1%2Fsync"])
def test_what_the_desk_takes_long_for_is_waited_for(tmp_path: Path, path: str) -> None:
    front = Front(tmp_path, Hasty)
    try:
        front.desk.at_once = False
        with front.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(request(path=path))
            wait_for(lambda: bool(front.desk.waiting))
            threading.Event().wait(3 * Hasty.patience)
            front.desk.release()
            assert response(stream)[0] == 200
    finally:
        front.stop()


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (request() + request(), [200, 200]),
        (request(more="Expect: 100-continue\r\n"), [100, 200]),
        (request(version="1.0"), [200, 0]),
        (request(more="Connection: close\r\n"), [200, 0]),
        (request(path="/v1%2Fsync"), [200]),
        (request(path="/v1/sink"), [404]),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", [200]),
        (b"GET /v1/sync HTTP/1.1\r\nHost: localhost\r\n\r\n", [405]),
        (b"POST /v1/sync HTTP/1.1\r\nno header\r\n\r\n", [400, 0]),
    ],
)
def test_what_is_unusual_is_answered_too(front: Front, sent: bytes, statuses: list[int]) -> None:
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(sent)
        assert [response(stream)[0] for _ in statuses] == statuses
    assert front.in_hand() == 0


def test_a_second_request_before_the_reply_waits_for_it(front: Front) -> None:
    front.desk.at_once = False
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request() + request())
        for _ in range(2):
            wait_for(lambda: front.desk.waiting)
            assert len(front.desk.waiting) == 1
            front.desk.release()
            assert response(stream)[0] == 200


def test_a_body_over_the_limit_is_cut_off_and_the_connection_goes_on(front: Front) -> None:
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request(bytes(70_000)))
        status, _, body = response(stream)
        assert (status, body) == (413, codes.TOO_LARGE.encode())
        sock.sendall(request())
        assert response(stream)[0] == 200


def test_too_much_in_hand_says_later_at_the_door_and_behind_it(front: Front) -> None:
    front.desk.at_once = False
    held = [front.connect() for _ in range(sync.MAX_IN_HAND)]
    for number, sock in enumerate(held):
        sock.sendall(request(more="Expect: 100-continue\r\n" if number % 2 else ""))
    wait_for(lambda: front.in_hand() == sync.MAX_IN_HAND)
    for more in ("", "Expect: nothing\r\nX: y\r\n"):
        with front.connect() as sock, sock.makefile("rb") as stream:
            sock.sendall(request(more=more))
            status, headers, body = response(stream)
            assert (status, headers["retry-after"], body) == (503, sync.RETRY_S, codes.BUSY.encode())
    front.desk.release()
    for number, sock in enumerate(held):
        with sock, sock.makefile("rb") as stream:
            assert [response(stream)[0] for _ in range(1 + number % 2)][-1] == 200
    wait_for(lambda: front.in_hand() == 0)


def test_what_was_not_written_is_said_to_come_later(front: Front) -> None:
    front.desk.at_once = False
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request())
        wait_for(lambda: front.desk.waiting)
        front.desk.release(None, codes.NOT_WRITTEN)
        status, headers, body = response(stream)
        assert (status, headers["retry-after"], body) == (503, sync.RETRY_S, codes.NOT_WRITTEN.encode())


def test_who_hangs_up_is_no_longer_in_hand_once_the_desk_has_answered(front: Front) -> None:
    front.desk.at_once = False
    with front.connect() as sock:
        sock.sendall(request())
        wait_for(lambda: front.desk.waiting)
    front.desk.release()
    wait_for(lambda: front.in_hand() == 0)


def test_a_check_that_fails_is_one_request_s_trouble(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_body: bytes) -> Any:
        raise ValueError("broken")

    door = front.app.door  # type: ignore[attr-defined]
    with front.connect() as sock, sock.makefile("rb") as stream:
        with monkeypatch.context() as patch:
            patch.setattr(door, "_check", broken)
            sock.sendall(request())
            assert response(stream)[0] == 500
        sock.sendall(request())
        assert response(stream)[0] == 200
    assert front.in_hand() == 0


def test_a_front_that_is_told_to_end_answers_what_is_in_hand(front: Front) -> None:
    front.desk.at_once = False
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request())
        wait_for(lambda: front.desk.waiting)
        front.server.should_exit = True
        wait_for(lambda: not any(server.is_serving() for server in front.server.servers))
        front.desk.release()
        status, headers, _ = response(stream)
        assert (status, headers.get("connection")) == (200, "close")
        assert response(stream)[0] == 0


@pytest.mark.parametrize("told", [(None, codes.NOT_WRITTEN), ((s.TYPE_REFUSED, REPLY), None)], ids=["later", "reply"])
def test_a_request_before_the_last_of_a_connection_that_ended_troubles_nobody(front: Front, told: Any) -> None:
    """The second request is read, the garbage behind it ends the connection, and only then the first is answered."""
    front.desk.at_once = False
    with front.connect() as sock:
        sock.sendall(request() * 2 + b"\0garbage\r\n\r\n")
        wait_for(lambda: front.desk.waiting)
        assert sock.recv(999).startswith(b"HTTP/1.1 400")
    failed: list[BaseException] = []

    def tell(first: Told) -> None:
        try:
            first(told[0] and (told[0][0], dict(told[0][1])), told[1])
        except BaseException as error:  # noqa: BLE001 - a front dies of it
            failed.append(error)

    waiting, front.desk.waiting = front.desk.waiting, []
    assert front.desk.loop is not None
    for first in waiting:
        front.desk.loop.call_soon_threadsafe(tell, first)
    wait_for(lambda: front.in_hand() == 0)
    assert failed == []
    front.desk.at_once = True
    with front.connect() as sock, sock.makefile("rb") as stream:
        sock.sendall(request())
        assert response(stream)[0] == 200
