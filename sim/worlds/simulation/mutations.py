"""Deliberately broken builds, to show that the simulation would notice: each replaces one function of the real code for
the length of a `with`.

The list is closed by a test: every mutation must be caught in some of the seeds it is tried on. None of them is
reachable in a real build.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

from sqlalchemy import select, update

from protocol import records as r
from protocol import sync as s
from protocol import tlv
from server import epochs
from server.acquirer import outbox
from server.ingest import batch as ingest
from server.ingest import close, dispatch, gaps
from server.ingest.work import Work
from server.ledger import accounts, posting
from server.office import Office
from server.sets import Shelf
from server.store import tables as t
from sim.worlds.simulation import centre, parts
from terminal import sync as terminal_sync
from terminal.flows import ask, payment, release, signature
from terminal.journal.journal import Journal
from terminal.journal.view import View

Patch = Callable[[], "contextlib.AbstractContextManager[Any]"]


@dataclass(frozen=True)
class Mutation:
    """One broken build."""

    name: str
    what: str
    patch: Patch


def _ack_before_commit() -> Any:
    plain = dispatch.Service.handle

    def handle(self: dispatch.Service, body: bytes, now: int) -> bytes:
        checked = self.check(body)
        if isinstance(checked, dispatch.Authorise):
            return plain(self, body, now)
        reply = None
        try:
            with self.engine.begin() as connection:
                answer: Any = self.apply(connection, checked, now)
                reply = self.seal(answer)
        except centre.ServerDied:
            if reply is None:
                raise
        return reply

    return mock.patch.object(dispatch.Service, "handle", handle)


@contextlib.contextmanager
def _not_durable() -> Iterator[None]:
    """No fsync: what was appended in the last moments is gone after a power cut."""
    plain_append, plain_die = parts.Flash.append, parts.Power.die
    volatile: dict[int, list[tuple[parts.Flash, str, int]]] = {}

    def append(self: parts.Flash, name: str, data: bytes) -> None:
        length = max(0, self.size(name))
        volatile.setdefault(id(self.power), []).append((self, name, length))
        plain_append(self, name, data)

    def die(self: parts.Power) -> None:
        for flash, name, length in reversed(volatile.pop(id(self), [])[-1:]):
            flash.files[name] = flash.files.get(name, b"")[:length]
        plain_die(self)

    with mock.patch.object(parts.Flash, "append", append), mock.patch.object(parts.Power, "die", die):
        yield


def _counter_not_stepped() -> Any:
    async def increment(self: parts.Element, index: int) -> int:
        return self.counters[index]

    return mock.patch.object(parts.Element, "increment", increment)


@contextlib.contextmanager
def _shown_before_durable() -> Iterator[None]:
    """The outcome is shown, then written."""
    plain_append, plain_show = Journal.append, payment._show

    async def append(self: Journal, kind: int, body: dict, sealed: Any = None, private: Any = None) -> dict:
        if kind == r.PAYMENT_OUTCOME and r.CASE in body:
            record = dict(self._build(kind, body))
            if self.view.case is not None:
                self.view.case.outcome, self.view.case.outcome_record = record[r.OUTCOME], record
            terminal = _running.get(id(self))
            if terminal is not None:
                await plain_show(terminal, record, "")
        return await plain_append(self, kind, body, sealed, private)

    async def show(*_arguments: Any) -> None:
        return None

    plain_pay = payment.pay

    async def pay(terminal: Any, case: Any) -> int:
        _running[id(terminal.journal)] = terminal
        return await plain_pay(terminal, case)

    _running: dict[int, Any] = {}
    with (
        mock.patch.object(Journal, "append", append),
        mock.patch.object(payment, "_show", show),
        mock.patch.object(payment, "pay", pay),
    ):
        yield


def _no_dedup() -> Any:
    """The server takes what it has already: under a new payment identity."""
    plain = ingest.batch

    def batch(connection: Any, message: Any, now: int) -> Any:
        reply = plain(connection, message, now)
        for entry in message.entries[: reply[s.DUPLICATES]]:
            record = entry.record
            if record[r.KIND] == r.PAYMENT_OUTCOME and record[r.OUTCOME] == r.OUTCOME_APPROVED:
                place = accounts.Place(record.get(r.SCHEME, ""), 16, 1, record[r.UNIT])
                identity = (message.device.device, message.epoch, record[r.INTENT] + 1_000_000 + now)
                posting.post(
                    connection, identity, t.PART_OUTCOME, accounts.outcome_legs(place, 1, record[r.AMOUNT]), now
                )
        return reply

    return mock.patch.object(dispatch, "batch", batch)


@contextlib.contextmanager
def _repeat_as_new() -> Iterator[None]:
    plain = outbox.claim

    def claim(*arguments: Any, **named: Any) -> Any:
        return [replace(request, repeat=False) for request in plain(*arguments, **named)]

    with mock.patch.object(outbox, "claim", claim):
        yield


@contextlib.contextmanager
def _restored_as_new() -> Iterator[None]:
    """After a restore everything is sent as if for the first time."""
    with (
        mock.patch.object(centre.restore, "mark", lambda _connection, _now: None),
    ):
        yield


def _new_reference() -> Any:
    """Each try towards the acquirer has a reference of its own."""
    plain = centre.encode
    tries = iter(range(1, 1_000_000))

    def encode(request: Any, now: int) -> bytes:
        wire = plain(request, now)
        old = outbox_reference(request)
        return wire.replace(old, f"{next(tries):012d}".encode(), 1)

    def decode(message: bytes) -> Any:
        from server.acquirer import iso

        fields, _ = iso.iso8583.decode(message, iso.SPEC)
        device, epoch, intent = fields["60"].split("/")
        return iso.Answer(
            (device, int(epoch), int(intent)), iso._STEP_OF_ANSWER[fields["t"]], fields["39"],
            fields.get("38", "").strip(), fields["37"].strip(),
        )  # fmt: skip

    @contextlib.contextmanager
    def both() -> Iterator[None]:
        with mock.patch.object(centre, "encode", encode), mock.patch.object(centre, "decode", decode):
            yield

    return both()


def outbox_reference(request: Any) -> bytes:
    """Field 37 of a request as it should be."""
    from server.acquirer import iso

    return iso.reference(request.identity).encode()


def _unbalanced() -> Any:
    plain = accounts.outcome_legs

    def rows(identity: Any, part: int, legs: Any, now: int) -> Any:
        key = {"device": identity[0], "epoch": identity[1], "intent": identity[2], "part": part}
        header = {**key, "amount": sum(a for _, a in legs if a > 0), "at": now}
        return header, [{**key, "leg": n, "account": account, "amount": a} for n, (account, a) in enumerate(legs)]

    def legs(place: Any, outcome: int, amount: int) -> Any:
        found = plain(place, outcome, amount)
        return found[:1] if outcome == r.OUTCOME_APPROVED else found

    @contextlib.contextmanager
    def both() -> Iterator[None]:
        with mock.patch.object(posting, "rows", rows), mock.patch.object(accounts, "outcome_legs", legs):
            yield

    return both()


@contextlib.contextmanager
def _result_twice() -> Iterator[None]:
    """The terminal writes a result down each time that it hears it."""
    plain = View.apply

    def apply(self: View, record: dict) -> None:
        kept = dict(self.provisional)
        plain(self, record)
        if record[r.KIND] == r.AUTHORISATION_RESULT:
            self.provisional = kept

    with mock.patch.object(View, "apply", apply):
        yield


def _release_untold() -> Any:
    async def tell(t: Any) -> None:
        t.journal.view.releases.clear()

    return mock.patch.object(release, "tell", tell)


def _personal_lost() -> Any:
    plain = Journal.blob
    return mock.patch.object(
        Journal, "blob", lambda self, folder, seq: plain(self, folder, seq) if folder == "sealed" else None
    )


def _result_not_taken() -> Any:
    async def take(self: Any, message: dict) -> None:
        return None

    return mock.patch.object(terminal_sync.Sync, "_take_results", take)


def _ack_not_checked() -> Any:
    """The terminal believes that what it sent has arrived, whatever came back."""
    plain = terminal_sync.Sync._batch

    async def batch(self: Any) -> None:
        payload, count = self._fill(self._held + 1)
        last = payload[s.FIRST_SEQ] + count - 1
        try:
            await plain(self)
        except terminal_sync.ServerError:
            raise
        except Exception:  # noqa: BLE001  a broken build
            self._journal.acknowledge(last, b"")
            self._held = last

    return mock.patch.object(terminal_sync.Sync, "_batch", batch)


def _gap_accepted() -> Any:
    """The server takes a batch that begins after a gap."""
    plain = ingest._sort

    def sort(connection: Any, message: Any, head: Any, now: int) -> Any:
        intake = plain(connection, message, head, now)
        if intake.whole:
            intake.whole, intake.draft, intake.new = False, None, list(message.entries)
        intake.new = intake.new[1:] or intake.new
        return intake

    return mock.patch.object(ingest, "_sort", sort)


def _fork_unflagged() -> Any:
    return mock.patch.object(ingest.forks.audit, "alarm", lambda *_arguments: None)


def _fork_posted() -> Any:
    return mock.patch.object(ingest.forks, "_hold", lambda *_arguments: None)


def _rollback_unnoticed() -> Any:
    async def bind(self: Journal, *_arguments: Any) -> None:
        value = await self._se.counter(0)
        if value + 1 == self._stand.counter:
            await self._se.increment(0)

    return mock.patch.object(Journal, "_bind_counter", bind)


def _outbox_forgets() -> Any:
    """The request is taken out of the outbox before the answer is there."""
    plain = outbox.claim

    def claim(connection: Any, now: int, limit: int = 16) -> Any:
        found = plain(connection, now, limit)
        for request in found:
            where = outbox._where(t.outbox, request.identity, request.step)
            connection.execute(outbox.update(t.outbox).where(where).values(state=t.STATE_FAILED, response="30"))
        return found

    return mock.patch.object(outbox, "claim", claim)


def _sealed_kept() -> Any:
    return mock.patch.object(outbox, "delete", lambda table: outbox.update(table).values(device=table.c.device))


def _interrupted_forgotten() -> Any:
    """After a power cut the open intent is not closed, so the next payment takes its place."""
    plain = View._apply_to_case

    def apply(self: View, case: Any, kind: int, record: dict) -> None:
        plain(self, case, kind, record)
        case.intent = 0

    return mock.patch.object(View, "_apply_to_case", apply)


def _approved_instead_of_provisional() -> Any:
    """A silent switch to "success": what is to be authorised later is stored and shown as approved."""
    plain = payment._Session._record

    async def record(self: Any, body: dict, result: Any, *more: Any) -> Any:
        if result.outcome == r.OUTCOME_PROVISIONAL:
            result.outcome = r.OUTCOME_APPROVED
        return await plain(self, body, result, *more)

    return mock.patch.object(payment._Session, "_record", record)


def _backup_ignored() -> Any:
    """The terminal never goes back behind what was acknowledged once."""
    plain = terminal_sync.Sync._acknowledge

    def acknowledge(self: Any, message: dict) -> None:
        if message[s.ACKED_SEQ] >= self._journal.acked_seq:
            plain(self, message)
        self._held = max(self._held, self._journal.acked_seq)

    return mock.patch.object(terminal_sync.Sync, "_acknowledge", acknowledge)


def _gap_for_nothing() -> Any:
    return mock.patch.object(gaps.accounts, "gap_legs", lambda *_arguments: [])


def _gap_undeclared() -> Any:
    """The server takes a gap record without looking."""
    return mock.patch.object(gaps, "declared", lambda *_arguments: None)


def _one_officer() -> Any:
    """Whoever approves counts as somebody else."""
    plain = Office.verify

    def verify(self: Office, message: bytes, content_type: str) -> Any:
        number, payload = plain(self, message, content_type)
        return number + (content_type == epochs.APPROVAL), payload

    return mock.patch.object(Office, "verify", verify)


def _unsigned() -> Any:
    async def compared(t: Any, body: dict[int, Any]) -> None:
        await ask.acknowledge(t, "signature", amount=body[r.AMOUNT])

    return mock.patch.object(signature, "_compared", compared)


def _cryptogram_again() -> Any:
    """A card's cryptogram serves every later payment of the same amount."""
    plain = payment._Session._seal
    kept: WeakKeyDictionary[Any, dict[tuple[int, bytes], Any]] = WeakKeyDictionary()  # per boot of a terminal

    async def seal(self: Any, de55: bytes, record: Any = None) -> bytes:
        what = (self._case.amount, next(bytes(v) for _, tag, v in tlv.walk(de55) if tag == 0x9F27))
        own = {**self._facts, "pan": bytes(self._facts["pan"])}
        self._facts, used = kept.setdefault(self._t, {}).setdefault(what, (own, bytes(de55)))
        return await plain(self, used, record)

    return mock.patch.object(payment._Session, "_seal", seal)


def _late_stands() -> Any:
    return mock.patch.object(outbox, "may_have_left", lambda *_arguments: False)


def _ack_of_another() -> Any:
    """The terminal looks at the number of an acknowledgement, not at the hash."""

    def acknowledge(self: Any, message: dict) -> None:
        seq = message[s.ACKED_SEQ]
        if seq <= self._journal.head_seq:
            self._journal.acknowledge(seq, message[s.ACKED_HASH])
            self._held = seq

    return mock.patch.object(terminal_sync.Sync, "_acknowledge", acknowledge)


def _closings_forgotten() -> Any:
    return mock.patch.object(Work, "closed", lambda *_arguments: None)


def _always_balanced() -> Any:
    plain = close._keep

    def keep(connection: Any, name: str, epoch: int, shift: tuple[int, int], told: Any, judgement: Any) -> None:
        plain(connection, name, epoch, shift, told, (judgement[0], [], True))

    return mock.patch.object(close, "_keep", keep)


@contextlib.contextmanager
def _sums_not_compared() -> Iterator[None]:
    """A terminal adds its shift up wrongly, and the centre looks only whether all records are there."""
    plain = Journal.append

    async def append(self: Journal, kind: int, body: dict, sealed: Any = None, private: Any = None) -> dict:
        if kind == r.SHIFT_CLOSED:
            body = {**body, r.TOTALS: {**body[r.TOTALS], r.OUTCOME_APPROVED: [99, 99]}}
        return await plain(self, kind, body, sealed, private)

    differing = mock.patch.object(close._Sums, "differing", lambda *_arguments: set())
    with mock.patch.object(Journal, "append", append), differing:
        yield


def _sets_kept() -> Any:
    return mock.patch.object(Shelf, "newer", lambda *_arguments: [])


def _known_in_suspense() -> Any:
    return mock.patch.object(gaps, "_known", lambda *_arguments: None)


def _put_back_never() -> Any:
    return mock.patch.object(gaps, "put_back", lambda *_arguments: None)


def _not_told_again() -> Any:
    return mock.patch.object(gaps, "_tell_again", lambda *_arguments: None)


@contextlib.contextmanager
def _fork_sent() -> Iterator[None]:
    """What a fork holds is out of the ledger, and on its way to the acquirer."""
    plain = ingest.forks.hold_payment

    def hold(connection: Any, identity: Any, now: int) -> None:
        before = connection.execute(select(t.outbox).where(outbox._where(t.outbox, identity))).all()
        plain(connection, identity, now)
        for row in before:
            mine = outbox._where(t.outbox, identity, row.step)
            connection.execute(update(t.outbox).where(mine).values(state=row.state))

    with mock.patch.object(ingest.forks, "hold_payment", hold):
        yield


def _own_head() -> Any:
    """After a restore only what the backup knows counts as doubtful."""
    plain = centre.restore.settle

    def settle(connection: Any, head: Any) -> bool:
        changed = plain(connection, head)
        if changed:
            mine = t.heads.c.device == head.device
            connection.execute(update(t.heads).where(mine).values(doubtful_seq=head.seq))
        return changed

    return mock.patch.object(centre.restore, "settle", settle)


MUTATIONS = (
    Mutation("ack-before-commit", "the server acknowledges before its transaction is committed", _ack_before_commit),
    Mutation("no-fsync", "the terminal's last append is lost at a power cut", _not_durable),
    Mutation("counter-not-stepped", "the secure element's counter stays", _counter_not_stepped),
    Mutation("shown-before-durable", "the outcome is shown, then written", _shown_before_durable),
    Mutation("interrupted-forgotten", "a cut payment is not closed as interrupted", _interrupted_forgotten),
    Mutation(
        "success-for-provisional", "provisional is stored and shown as approved", _approved_instead_of_provisional
    ),
    Mutation("unsigned", "whatever the officer says of a signature, it counts", _unsigned),
    Mutation("cryptogram-again", "one cryptogram is sealed for several payments", _cryptogram_again),
    Mutation("ack-not-checked", "the terminal takes silence for an acknowledgement", _ack_not_checked),
    Mutation("ack-of-another", "an acknowledgement of another branch's record is taken", _ack_of_another),
    Mutation("backup-ignored", "the terminal does not go back when the server was restored", _backup_ignored),
    Mutation("rollback-unnoticed", "journal and counter are not compared at boot", _rollback_unnoticed),
    Mutation("result-twice", "a result becomes a record each time it is heard", _result_twice),
    Mutation("result-not-taken", "results never become records", _result_not_taken),
    Mutation("release-untold", "no officer is told that a licence goes back", _release_untold),
    Mutation("personal-lost", "personal data stay in the terminal", _personal_lost),
    Mutation("no-dedup", "records that came before are posted again", _no_dedup),
    Mutation("gap-accepted", "the server skips a batch's first record", _gap_accepted),
    Mutation("gap-for-nothing", "the money of lost records is not held in suspense", _gap_for_nothing),
    Mutation("gap-undeclared", "gap records are not compared with the gaps", _gap_undeclared),
    Mutation("known-in-suspense", "what results explain of a gap stays in suspense", _known_in_suspense),
    Mutation("put-back-never", "a result that comes after its gap puts nothing back", _put_back_never),
    Mutation("not-told-again", "a result that had arrived and was lost since is told no more", _not_told_again),
    Mutation("closings-forgotten", "the centre does not note that a case is over", _closings_forgotten),
    Mutation("always-balanced", "every shift is told to balance", _always_balanced),
    Mutation("sums-not-compared", "the sums of a shift are not compared", _sums_not_compared),
    Mutation("sets-kept", "newer parameter sets are not handed out", _sets_kept),
    Mutation("one-officer", "one officer alone gives a terminal a new epoch", _one_officer),
    Mutation("fork-unflagged", "a second branch raises no alarm", _fork_unflagged),
    Mutation("fork-posted", "a payment in two branches stays posted", _fork_posted),
    Mutation("fork-sent", "a payment in two branches goes to the acquirer", _fork_sent),
    Mutation("unbalanced", "postings without their second leg", _unbalanced),
    Mutation("repeat-as-new", "a doubtful request is sent as new", _repeat_as_new),
    Mutation("restored-as-new", "after a restore nothing counts as doubtful", _restored_as_new),
    Mutation("own-head", "after a restore what the backup lacks counts as new", _own_head),
    Mutation("new-reference", "each try towards the acquirer has its own reference", _new_reference),
    Mutation("outbox-forgets", "a request is dropped before its answer", _outbox_forgets),
    Mutation("late-approval-stands", "a host that knows nothing of a question is believed at once", _late_stands),
    Mutation("sealed-kept", "sealed card data stay after their result", _sealed_kept),
)
"""In the order of the chain: terminal, radio, server, acquirer."""


def by_name(name: str) -> Mutation:
    """The mutation `name`. KeyError."""
    return {mutation.name: mutation for mutation in MUTATIONS}[name]
