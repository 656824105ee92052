"""The radio network between one terminal and the server: time, loss, duplicates, delays, damage; and the server's absence."""

import random
from collections.abc import Callable
from typing import Any

import cbor2

from drivers.contracts.small import Network
from protocol import sync as m
from protocol.errors import NetworkError
from sim.worlds.simulation.centre import Busy, Centre, ServerDied
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.oracle import said
from sim.worlds.simulation.schedule import Pause, Schedule

LATENCY_MS = (40, 400)


class Air(Network):
    """`post` as the terminal sees it; `faults` by number of the message, `name` the terminal's."""

    def __init__(
        self,
        schedule: Schedule,
        centre: Centre,
        rng: random.Random,
        faults: dict[int, Fault],
        tell: Callable[[str], None],
        broken: Callable[[str], None],
        name: str,
    ) -> None:
        self._schedule = schedule
        self._centre = centre
        self._rng = rng
        self._faults = faults
        self._tell, self._broken, self._name = tell, broken, name
        self._welcomed = 0  # sessions that this terminal has begun
        self._heard: set[bytes] = set()  # messages of it that were answered
        self._last = b""
        self.count = 0
        self.up = True
        self._unanswered = 0  # the question to an issuer, counted from now, whose answer is lost
        self._gone: Callable[[], None] = lambda: None
        self.hellos: Callable[[dict[int, Any]], None] = lambda _payload: None  # told of each HELLO, by its payload
        self.welcomes: Callable[[dict[int, Any], bool], None] = lambda _payload, _first: None
        """Told of each WELCOME that reaches the terminal whole: its payload, and whether it may begin a session. One that is asked for after a batch
        or the closing was refused does not, nor one in trouble.
        """
        self._refused = False  # whether that was so with the message before

    def heal(self) -> None:
        """No more faults."""
        self._faults, self.up, self._unanswered = {}, True, 0

    def lose_answer(self, number: int, then: Callable[[], None]) -> None:
        """The answer to the n-th question to an issuer from now on is lost on its way; `then` is what becomes of the network."""
        self._unanswered, self._gone = number, then

    async def post(self, path: str, body: bytes, timeout_ms: int) -> bytes:
        """One exchange. Raises NetworkError as the driver's contract says."""
        self.count += 1
        again, self._refused = self._refused, False
        if _is(body, m.TYPE_HELLO):
            self.hellos(cbor2.loads(cbor2.loads(body)[2]))
        fault = self._faults.pop(self.count, None)
        kind = fault.kind if fault else ""
        value = fault.value if fault and isinstance(fault.value, int) else 0
        if fault:
            self._tell(f"message {self.count}: {kind}")
        if not self.up or kind == "unreachable":
            await Pause(150)
            raise NetworkError("the server cannot be reached", "NET-001")
        if kind == "lose-request":
            await self._silence(timeout_ms)
        if kind == "delay-request":
            self._later(body, value)
            await self._silence(timeout_ms)
        if kind in ("duplicate-request", "late-duplicate"):
            self._later(body, value if kind == "late-duplicate" else 0)
        await Pause(self._rng.randint(*LATENCY_MS))
        reply = await self._reach(self._damage(body, kind, "request", value), timeout_ms)
        if _is(reply, m.TYPE_WELCOME):
            self._welcomed += not _in_trouble(body)
        if _is(body, m.TYPE_AUTHORISE) and self._unanswered:
            self._unanswered -= 1
            if not self._unanswered:
                self._tell(f"message {self.count}: the issuer's answer is lost")
                self._gone()
                await self._silence(timeout_ms)
        if kind == "lose-reply":
            await self._silence(timeout_ms)
        await Pause(self._rng.randint(*LATENCY_MS))
        whole = reply
        reply = self._last if kind == "stale-reply" and self._last else self._damage(reply, kind, "reply", value)
        self._last = reply
        if reply == whole and _is(reply, m.TYPE_WELCOME):
            self.welcomes(cbor2.loads(cbor2.loads(reply)[2]), not again and not _in_trouble(body))
        self._refused = _is(reply, m.TYPE_REFUSED) and (_is(body, m.TYPE_BATCH) or _is(body, m.TYPE_CLOSE))
        return reply

    async def _silence(self, timeout_ms: int) -> None:
        await Pause(timeout_ms)
        raise NetworkError("the server does not answer", "NET-002")

    def _later(self, body: bytes, seconds: int) -> None:
        """A copy that arrives by itself; whatever it is answered reaches nobody. What is of a session that is over by then must be refused, a HELLO
        only if it was heard before: a database that was put back may have forgotten that.
        """
        session, number = self._welcomed, self.count

        def arrive() -> None:
            try:
                reply = self._centre.handle(body)
            except (ServerDied, Busy, ConnectionError):
                return
            first = _is(body, m.TYPE_HELLO) and (body not in self._heard or self._centre.restored_at > 0)
            if self._welcomed > session + _is(body, m.TYPE_HELLO) and not first and not _is(reply, m.TYPE_REFUSED):
                self._broken(f"message {number} is of a session that is over, and was not refused")

        self._schedule.call(self._rng.randint(*LATENCY_MS) + seconds * 1000, arrive)

    async def _reach(self, body: bytes, timeout_ms: int) -> bytes:
        try:
            reply = self._centre.handle(body)
            self._heard.add(body)
            for sentence in said.results(self._centre, self._name, reply):
                self._broken(sentence)
            return reply
        except ConnectionError:
            await Pause(150)
            raise NetworkError("the server cannot be reached", "NET-001") from None
        except Busy:
            raise NetworkError("the server is busy", "NET-011", "try again a little later", 5) from None
        except ServerDied:
            await self._silence(timeout_ms)
            raise

    def _damage(self, body: bytes, kind: str, which: str, value: int) -> bytes:
        if kind == f"truncate-{which}":
            return body[: value % max(1, len(body))]
        if kind == f"flip-{which}":
            at = value % len(body)
            return body[:at] + bytes([body[at] ^ (1 << value % 8)]) + body[at + 1 :]
        return body


def _is(message: bytes, kind: str) -> bool:
    """Whether a message says that it is of this kind."""
    return kind.encode() in message[:64]


def _in_trouble(hello: bytes) -> bool:
    """Whether a HELLO says that its terminal cannot go on: it begins no session."""
    return m.TROUBLE in cbor2.loads(cbor2.loads(hello)[2])
