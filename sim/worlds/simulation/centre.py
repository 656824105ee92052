"""The server and the acquirer's host, inline: the real `Service.handle`, the real outbox `Worker`, the host's own book;
and their deaths.

A death before the commit is an error raised by the database engine's own commit hook, so that the real code rolls
back; one after it loses the reply. A restored backup is the database's image of earlier, marked as restored as the
operator's manual says.
"""

import random
from collections.abc import Callable

from sqlalchemy import Connection, event

from server import codes
from server.acquirer.iso import UNSURE, Answer, Request, decode, encode, reference
from server.acquirer.worker import Worker
from server.ingest.dispatch import Service
from server.ledger.posting import Identity
from server.sets import SignedSet
from server.store import restore
from server.store import tables as t
from sim.acquirer.book import APPROVE, APPROVED, INSUFFICIENT, Book
from sim.acquirer.host import Host
from sim.worlds.fleet import WILAYA
from sim.worlds.simulation.draws.asked import IN_VAIN, SLOW
from sim.worlds.simulation.draws.faults import (
    ACQUIRER,
    GRANTS,
    REFUSALS,
    REVERSAL_REFUSED,
    REVERSAL_UNSAID,
    SERVER,
    WORDS,
    Fault,
)
from sim.worlds.simulation.draws.workers import KIND as TWO_WORKERS
from sim.worlds.simulation.draws.workers import Line, ServerDied
from sim.worlds.simulation.factory import MOST_DEVICES, POOR, factory
from sim.worlds.simulation.schedule import Pause, Schedule, inline

WORK_MS, IDLE_MS = 10_000, 30_000
SAID = {**WORDS, **REFUSALS}
HOLDS_S = 120  # so long the host may hold a message, and longer than any story lets it
MERCHANTS = {f"SD{index + 1:06d}": frozenset({f"DZFINES{WILAYA:08d}"}) for index in range(MOST_DEVICES)}
"""What the contract with the acquirer says: under which number (field 42) each terminal (field 41) takes money."""
LATE_S = 450  # so long a message may be on its way, and longer than any is (`faults.py`)
_WAITING = "SELECT 1 FROM outbox WHERE state IN (0, 1) LIMIT 1"
_DUE = "SELECT 1 FROM outbox WHERE state IN (0, 1) AND next_at <= ? LIMIT 1"


class Busy(Exception):
    """HTTP 503."""


class Centre:
    """Server and host. `handle` takes a message; `begin` puts the outbox workers' lives on the schedule."""

    def __init__(self, schedule: Schedule, faults: list[Fault], tell: Callable[[str], None]) -> None:
        self._schedule = schedule
        self._tell = tell
        self._server_faults = {fault.at: fault for fault in faults if fault.kind in SERVER}
        self._host_faults = {fault.at: fault for fault in faults if fault.kind in (*ACQUIRER, *SAID, *GRANTS)}
        self._questions = {fault.at: fault for fault in faults if fault.kind in (*IN_VAIN, SLOW)}
        self._made = factory()
        self._made.load(self._made.blank)
        self.engine = self._made.engine
        self.book = Book(self._made.host, {self._made.pan(POOR): INSUFFICIENT}, self._made.pins, merchants=MERCHANTS)
        self.host = Host(self.book)
        self.versions: list[int] = []
        self.dated: list[SignedSet] = []  # sets that have days of their own, in the order of their publication
        self.dated_at: list[int] = []  # when they were published, seconds UTC
        self._turned_down = {fault.at for fault in faults if fault.kind == REVERSAL_REFUSED}
        self._unsaid = {fault.at: int(fault.value) for fault in faults if fault.kind == REVERSAL_UNSAID}
        self._reversals: dict[Identity, int] = {}  # payments whose reversal was asked for; how many repeats are refused
        self.granted: list[tuple[Identity, int]] = []  # (payment, step) of what it approved, of another amount
        self.refused: list[
            tuple[Identity, int, str]
        ] = []  # (payment, step, response) of what the host refused to judge
        self.messages = self.asked = self.waited = 0
        self.commits = 0
        self.down_until = 0
        self.restored_at = -1_000_000
        self.die_at_commit = False
        self.after_commit: Callable[[], None] = lambda: None
        self.life = 0  # how often the process began
        self.hurried = False
        self._paces = [random.Random(fault.at) for fault in faults if fault.kind == TWO_WORKERS]
        self.start()

    def start(self) -> None:
        """The server's process begins: it knows only what the database holds."""
        self.service = Service(
            self.engine, self._made.server, self._made.shelf(self.versions, self.dated), self.ask_waiting
        )
        self.life += 1
        self._workers = [self._worker(None)] if not self._paces else [self._worker(self._paces[0]) for _ in range(2)]

    def _worker(self, pace: random.Random | None) -> Worker:
        line = Line(self, pace)
        return Worker(line.write, line, lambda: self._schedule.utc, holds=HOLDS_S)

    def begin(self) -> None:
        """Begin to work."""
        for number in range(len(self._workers)):
            self._schedule.spawn(self._work(number), number * 3_000)

    def die(self, seconds: int, why: str) -> None:
        """The process ends, and comes back later."""
        self._tell(f"the server dies ({why}), back in {seconds} s")
        self.down_until = self._schedule.now + seconds * 1000
        self.granted.clear()  # what it was told may have gone with it
        self.start()
        raise ServerDied

    @property
    def utc(self) -> int:
        """Its clock, seconds."""
        return self._schedule.utc

    @property
    def up(self) -> bool:
        """Whether it answers now."""
        return self._schedule.now >= self.down_until

    def heal(self) -> None:
        """No more faults."""
        self._server_faults, self._host_faults, self._questions = {}, {}, {}
        self.host.silent = self.host.deaf = 0
        self.down_until = 0
        self.hurried = True

    def publish(self, version: int) -> None:
        """A newer parameter set."""
        self.versions.append(version)
        self.start()

    def publish_dated(self, kind: str, start: int) -> None:
        """The next version of a kind, in force from `start` (seconds UTC) on."""
        version = 2 + sum(one.kind == kind for one in self.dated)
        self.dated.append(self._made.dated(kind, version, start))
        self.dated_at.append(self.utc)
        self._tell(f"{kind} {version} is published, in force in {start - self.utc} s")
        self.start()

    def handle(self, body: bytes) -> bytes:
        """One message. ConnectionError when the server is down, Busy, or ServerDied when it dies over it."""
        if not self.up:
            raise ConnectionError
        self.messages += 1
        fault = self._server_faults.pop(self.messages, None)
        kind = fault.kind if fault else ""
        if kind == "busy":
            raise Busy
        if kind == "server-down" and fault is not None:
            self.die(int(fault.value), "stopped")
        self.die_at_commit = kind == "die-before-commit"
        try:
            reply = self.service.handle(body, self._schedule.utc)
        except ServerDied:
            if self.up:
                self.die(10, "before the commit")
            raise
        finally:
            self.die_at_commit = False
        self.commits += 1
        self.after_commit()
        if kind == "die-after-commit":
            self.die(10, "after the commit")
        return reply

    def restore(self, image: bytes) -> None:
        """The database is replaced by a backup."""
        self._made.load(image)
        with self.engine.begin() as connection:
            restore.mark(connection, self._schedule.utc, LATE_S)
        self.restored_at = self._schedule.now
        self.granted.clear()
        self.refused.clear()  # the alarms are forgotten with what they named
        self.start()
        self._tell("the database is restored from a backup")

    def backup(self) -> bytes:
        """The database's image."""
        return self._made.dump()

    def ask_waiting(self, request: Request, now: int) -> Answer:
        """A question to the issuer while the card waits."""
        self.waited += 1
        fault = self._questions.pop(self.waited, None)
        if fault is None:
            return self.ask_host(request, now, True)
        self.asked += 1
        self._tell(f"a card waits for its issuer ({fault.kind})")
        if fault.kind == "host-shut":
            return Answer(request.identity, request.step, "91", "", reference(request.identity))
        error = codes.AcquirerError("the acquirer does not answer", codes.ACQUIRER_UNREACHABLE)
        error.unsent = fault.kind != SLOW
        if fault.kind == SLOW:
            message = encode(request, now)
            self._schedule.call(int(fault.value) * 1000, lambda: self._late(message))
        raise error

    def _late(self, message: bytes) -> None:
        """The host comes to a question that nobody waits for any more."""
        answer = self.host.take(message)
        self._tell(
            f"the host comes to a question of earlier and says {decode(answer).response if answer else 'nothing'}"
        )

    def ask_host(self, request: Request, now: int, waits: bool = False) -> Answer:
        """One exchange with the acquirer's host, as `AcquirerLink.exchange`; `waits`: a card waits for it."""
        self.asked += 1
        if request.step == t.STEP_REVERSE and (said := self._repeated(request, now)) is not None:
            return said
        fault = self._host_faults.pop(self.asked, None)
        kind = fault.kind if fault else ""
        if kind == "die-before-send":
            self.die(10, "before sending to the acquirer")
        if kind == "host-deaf":
            self.host.deaf = 1
        if kind == "host-silent":
            self.host.silent = 1
        unheard = fault is not None and kind in SAID and bool(fault.value)
        unheard = unheard or kind in REFUSALS and (waits or request.step == t.STEP_REVERSE)
        self.book.usual = GRANTS.get(kind, APPROVE)
        answer = None if unheard else self.host.take(encode(request, now))
        self.book.usual = APPROVE
        if kind in GRANTS and request.step == t.STEP_AUTHORISE:
            self._tell(f"the issuer's word on the authorisation is {GRANTS[kind]}")
        if kind == "die-after-answer":
            self.die(10, "with the acquirer's answer in hand")
        if kind in SAID:
            word = SAID[kind]
            if kind in WORDS and request.step == t.STEP_REVERSE and self.asked % 2:
                word = UNSURE[self.asked // 2 % len(UNSURE)]  # an error of its own, which it says as well
            self._tell(f"the acquirer says {word} to step {request.step}")
            if kind in REFUSALS and not waits:
                self._note_refusal(request, word)
            return Answer(request.identity, request.step, word, "", reference(request.identity))
        if answer is None:
            self._tell(f"the acquirer does not answer ({kind})")
            raise codes.AcquirerError("the acquirer does not answer", codes.ACQUIRER_UNREACHABLE)
        said = decode(answer)
        if said.response in APPROVED and said.amount != request.amount and not self._paces:
            self.granted.append((request.identity, request.step))
        return said

    def _repeated(self, request: Request, now: int) -> Answer | None:
        """What is said to a reversal that was carried out unheard: nothing the first time, then that it is refused; to one that is turned down: that,
        the first time; None to any other.
        """
        if request.identity not in self._reversals:
            refused = self._unsaid.pop(len(self._reversals) + 1, 0)
            self._reversals[request.identity] = refused
            if len(self._reversals) in self._turned_down and not refused:
                self._tell("the acquirer refuses a reversal")
                self._note_refusal(request, "63")
                return Answer(request.identity, request.step, "63", "", reference(request.identity))
            if refused:
                self.host.take(encode(request, now))
                self._tell("the acquirer carries a reversal out, and its answer is lost")
                raise codes.AcquirerError("the acquirer does not answer", codes.ACQUIRER_UNREACHABLE)
        elif self._reversals[request.identity]:
            self._reversals[request.identity] -= 1
            response = "30" if self.asked % 2 else "12"
            self._tell(f"the acquirer says {response} to the repeat of a reversal that it has carried out")
            self._note_refusal(request, response)
            return Answer(request.identity, request.step, response, "", reference(request.identity))
        return None

    def _note_refusal(self, request: Request, response: str) -> None:
        """It is to be named. With two processes what one was told may be lost with it, or come when the other has asked again."""
        if not self._paces:
            self.refused.append((request.identity, request.step, response))

    def is_reversed(self, identity: Identity) -> bool:
        """What the acquirer says on the telephone."""
        return self.book.is_reversed(reference(identity))

    async def _work(self, number: int) -> None:
        """A worker, every few seconds."""
        while True:
            await Pause(WORK_MS if self._made.look(_WAITING) else IDLE_MS)
            if not self.up:
                continue
            if not self._made.look(_DUE, self._schedule.utc):
                continue
            before = self.asked
            try:
                step = self._workers[number].step()
                if self._paces:
                    await step
                else:
                    inline(step)
            except ServerDied:
                continue
            if self.asked != before:
                self.after_commit()


def _commit_hook(_connection: Connection) -> None:
    if _current is not None and _current.die_at_commit:
        raise ServerDied


_current: Centre | None = None


def current(centre: Centre | None) -> None:
    """The centre whose deaths the database obeys; there is one database a process."""
    global _current
    engine = factory().engine
    if not event.contains(engine, "commit", _commit_hook):
        event.listen(engine, "commit", _commit_hook)
    _current = centre
