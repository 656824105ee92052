"""Trying again unasked: ever less often, not all terminals at once, never before the server said, and at once when somebody asks."""

from protocol import records as r
from protocol import sync as m
from protocol.crypto.pure import PureCrypto
from protocol.errors import NetworkError
from terminal.patience import ROUND_S, Patience
from tests.support.centre import Handheld
from tests.support.menu import Menu

_LEAST, _MOST = (0, 1, 3, 7, 7, 7), (1, 3, 7, 15, 15, 15)


def _gone():
    return NetworkError("the server cannot be reached", "NET-001", detail=900)


def _waited(patience):
    """Rounds without an attempt."""
    rounds = 0
    while not patience.idle():
        rounds += 1
    return rounds


def test_each_failure_waits_longer_up_to_eight_minutes_and_never_the_same_for_all():
    seen = [[] for _ in _MOST]
    for number in range(0, 256, 7):
        patience = Patience()
        assert _waited(patience) == 0
        for step in range(len(_MOST)):
            patience.failed(bytes([number]) * 32, _gone())
            seen[step].append(_waited(patience))
        patience.held()
        assert _waited(patience) == 0
        patience.failed(bytes(32), _gone())
        assert _waited(patience) == _LEAST[0]
    for step in range(len(_MOST)):
        assert (min(seen[step]), max(seen[step])) == (_LEAST[step], _MOST[step])
        assert len(set(seen[step])) == _MOST[step] - _LEAST[step] + 1
    assert _MOST[-1] * ROUND_S < 480


def test_a_server_that_says_later_is_not_asked_before():
    for later, rounds in ((1, 1), (ROUND_S, 1), (ROUND_S + 1, 2), (600, 20)):
        patience = Patience()
        patience.failed(bytes(32), NetworkError("the server is busy", "NET-011", detail=later))
        assert _waited(patience) == rounds


class Acknowledging:
    """Takes whatever comes, unless it is busy."""

    def __init__(self, journal):
        self.journal = journal
        self.busy = False
        self.held = 0

    def __call__(self, kind, payload):
        if self.busy:
            raise NetworkError("the server is busy", "NET-011", detail=900)
        if kind != m.TYPE_HELLO:
            self.held = self.journal.head_seq
        item = self.journal.record_at(self.held) if self.held else None
        said = {m.ACKED_SEQ: self.held, m.ACKED_HASH: PureCrypto().sha256(item[1]) if item else bytes(32)}
        if kind != m.TYPE_HELLO:
            return m.TYPE_ACK, said
        said.update({m.SERVER_UTC: 1700000100, m.RETRY_AFTER: 0})
        return m.TYPE_WELCOME, said


async def _menu(answer):
    parts = Handheld(answer)
    await parts.journal.open()
    await parts.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    return Menu(parts)


async def _idle(error, rounds, keys=()):
    """How often the server was asked in so many idle rounds, before each of which somebody may press a key."""
    asked = []

    def answer(kind, payload):
        asked.append(kind)
        raise error()

    t = await _menu(answer)
    for _ in range(rounds):
        t.face.keys = list(keys)
        await t._home()
    return len(asked)


async def test_an_idle_terminal_does_not_ask_for_ever_every_half_minute():
    asked = await _idle(_gone, 120)
    assert 8 <= asked <= 17  # an hour


async def test_an_idle_terminal_lets_a_busy_server_be():
    assert await _idle(lambda: NetworkError("the server is busy", "NET-011", detail=900), 120) == 4


async def test_what_the_officer_asks_for_is_tried_at_once():
    asked = await _idle(_gone, 10, ("2", "ok"))
    assert asked == 10


async def test_what_a_busy_server_says_to_the_officer_counts_for_unasked_attempts_too():
    asked = []

    def answer(kind, payload):
        asked.append(kind)
        raise NetworkError("the server is busy", "NET-011", detail=300)

    t = await _menu(answer)
    t.face.keys = ["2", "ok"]
    await t._home()
    for _ in range(10):
        await t._home()
    assert len(asked) == 1
    await t._home()
    assert len(asked) == 2


async def test_a_session_that_held_ends_the_waiting():
    t = await _menu(None)
    server = t.ports.network.answer = Acknowledging(t.journal)
    server.busy = True
    t.face.keys = ["2", "ok"]
    await t._home()
    server.busy = False
    t.face.keys = ["2", "ok"]
    await t._home()
    await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    count = len(t.ports.network.sent)
    await t._home()
    assert len(t.ports.network.sent) > count and t.journal.acked_seq == t.journal.head_seq
