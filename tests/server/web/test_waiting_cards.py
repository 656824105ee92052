"""Cards that wait for an acquirer's host that says nothing: they keep no other message out, and a terminal has one of them. As processes, with
and without a front.
"""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from protocol import sync as s
from server import codes, keys
from server.web import sync
from tests.server.acquirer.test_online import authorise
from tests.server.handheld import Handheld, open_reply
from tests.server.served import ROOT, Line, wait_for, write_config

PATIENT = "online_timeout = 50\n"


class Silent:
    """A host that takes connections and says nothing."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.socket.settimeout(20)
        self.port: int = self.socket.getsockname()[1]
        self.held: list[socket.socket] = []

    def heard(self, questions: int) -> None:
        """Wait until so many more questions have come."""
        for _ in range(questions):
            connection = self.socket.accept()[0]
            connection.settimeout(20)
            assert connection.recv(2)
            self.held.append(connection)

    def asked_more(self) -> bool:
        """Whether anybody else has asked."""
        self.socket.settimeout(0)
        try:
            self.socket.accept()
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(20)
        return True

    def hang_up(self) -> None:
        """End all of them: no answer comes any more."""
        for connection in self.held:
            connection.close()
        self.held = []


Start = Callable[[list[Handheld], str], Line]


@pytest.fixture
def silent() -> Iterator[Silent]:
    host = Silent()
    yield host
    host.hang_up()
    host.socket.close()


@pytest.fixture(params=[0, 1], ids=["threads", "front"])
def start(tmp_path: Path, silent: Silent, request: pytest.FixtureRequest) -> Iterator[Start]:
    """A server of some terminals, which have said HELLO, before the silent host."""
    with contextlib.ExitStack() as ending:

        def begin(fleet: list[Handheld], more: str) -> Line:
            path = write_config(tmp_path, fleet, silent.port)
            path.write_text(path.read_text() + more)
            command = [sys.executable, "-m", "server", "--config", str(path), "--port", "0"]
            command += ["--fronts", str(request.param)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            ending.callback(process.stdout.close)
            ending.callback(process.wait, 30)
            ending.callback(process.terminate)
            ending.callback(silent.hang_up)
            line = Line(process.stdout.readline().split()[-1], keys.load(tmp_path / "keys").public("ack"))
            ending.callback(line.client.close)
            for handheld in fleet:
                wait_for(lambda handheld=handheld: line.client.post(s.PATH, content=handheld.hello()).is_success)
            return line

        yield begin


class Waiting:
    """A terminal that has asked and waits."""

    def __init__(self, line: Line, body: bytes) -> None:
        self._line = line
        url = line.client.base_url
        self.socket = socket.create_connection((url.host, url.port), timeout=20)
        head = f"POST {s.PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)

    def is_answered(self) -> bool:
        """Whether anything has come."""
        self.socket.setblocking(False)
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return False
        finally:
            self.socket.settimeout(20)

    def rest(self) -> bytes:
        """The whole answer."""
        with self.socket, self.socket.makefile("rb") as stream:
            return stream.read()

    def state(self) -> int:
        """What the answer says of the question."""
        head, _, body = self.rest().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        kind, said = open_reply(body, self._line._ack_key)
        assert kind == s.TYPE_AUTHORISED, said
        return said[s.STATE]


def asked(line: Line, body: bytes) -> dict[int, Any]:
    kind, said = line.say(body)
    assert kind == s.TYPE_AUTHORISED, said
    return said


def test_more_waiting_cards_than_messages_in_hand_keep_nobody_else_out(start: Start, silent: Silent) -> None:
    fleet = [Handheld(f"TSD-{number:06d}") for number in range(1, sync.MAX_IN_HAND + 10)]
    other = Handheld("TSD-900000")
    line = start([*fleet, other], PATIENT)
    waiting = [Waiting(line, authorise(handheld, 5)) for handheld in fleet]
    silent.heard(len(fleet))
    other.write(2, shift=1)
    assert line.say(other.hello())[0] == s.TYPE_WELCOME
    assert line.say(other.batch(1))[1][s.NEW] == 1
    assert not any(card.is_answered() for card in waiting)
    silent.hang_up()
    assert {card.state() for card in waiting} == {s.ASKED_DOUBTFUL}


def test_a_terminal_has_one_card_that_waits_and_another_payment_of_it_is_not_asked(
    start: Start, silent: Silent
) -> None:
    handheld = Handheld()
    line = start([handheld], PATIENT)
    first = Waiting(line, authorise(handheld, 5))
    silent.heard(1)
    assert asked(line, authorise(handheld, 5))[s.STATE] == s.ASKED_DOUBTFUL, "the same payment: the same answer"
    for _ in range(2):
        assert asked(line, authorise(handheld, 8))[s.STATE] == s.ASKED_NOT, "and it stays so"
    assert not silent.asked_more() and not first.is_answered()
    silent.hang_up()
    assert first.state() == s.ASKED_DOUBTFUL
    assert asked(line, authorise(handheld, 8))[s.STATE] == s.ASKED_NOT
    assert not silent.asked_more()
    later = Waiting(line, authorise(handheld, 11))
    silent.heard(1)
    silent.hang_up()
    assert later.state() == s.ASKED_DOUBTFUL, "the terminal's place is free again"


@pytest.mark.parametrize("most", [0, 2])
def test_more_cards_than_may_wait_are_told_at_once_that_nobody_was_asked(
    start: Start, silent: Silent, most: int
) -> None:
    fleet = [Handheld(f"TSD-{number:06d}") for number in range(1, 5)]
    line = start(fleet, PATIENT + f"online_waiting = {most}\n")
    waiting = [Waiting(line, authorise(handheld, 5)) for handheld in fleet[:most]]
    silent.heard(most)
    for handheld in fleet[most:]:
        assert asked(line, authorise(handheld, 5))[s.STATE] == s.ASKED_NOT
    assert not silent.asked_more() and not any(card.is_answered() for card in waiting)


def test_a_terminal_that_asks_on_many_connections_is_told_later(start: Start, silent: Silent) -> None:
    """Two of its questions are in hand at most: a third is refused before anything is written, and no other terminal is the worse for it."""
    handheld, other = Handheld(), Handheld("TSD-000002")
    line = start([handheld, other], PATIENT + "online_waiting = 2\n")
    first = Waiting(line, authorise(handheld, 5))
    silent.heard(1)
    more = [Waiting(line, authorise(handheld, intent)) for intent in range(6, 30)]
    second = Waiting(line, authorise(other, 5))
    silent.heard(1)
    said = [card.rest() for card in more]
    assert all(reply.startswith(b"HTTP/1.1 200") or reply.endswith(codes.BUSY.encode()) for reply in said)
    assert line.say(handheld.hello())[0] == s.TYPE_WELCOME
    assert not silent.asked_more() and not first.is_answered() and not second.is_answered()
