"""Broken builds of the server, and of what it says to the acquirer."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import iso8583
from sqlalchemy import and_, bindparam, select, update

from protocol import records as r
from protocol import sync as s
from server.acquirer import iso, outbox, settling
from server.ingest import batch as ingest
from server.ingest import close, dispatch, results, sessions
from server.ingest.flush import Sheaf
from server.ingest.lost import gaps, suspense, untaken
from server.ingest.voiding import Voiding
from server.ingest.work import Work
from server.ledger import accounts, posting
from server.office import epochs, failures
from server.office.signing import Office
from server.sets import Shelf
from server.store import devices, restore
from server.store import tables as t
from sim.worlds.simulation import centre
from sim.worlds.simulation.mutations.base import Mutation, both
from terminal.journal.journal import Journal


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
        mock.patch.object(centre.restore, "mark", lambda *_arguments: None),
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


def _turn_ignored() -> Any:
    """What another process has claimed since is settled, and sent, all the same."""

    def held(request: Any) -> Any:
        c = t.outbox.c
        mine = (c.device == request.identity[0], c.epoch == request.identity[1], c.intent == request.identity[2])
        return and_(*mine, c.step == request.step, c.state == t.STATE_DOUBTFUL)

    return mock.patch.object(outbox, "held", held)


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


def _outbox_forgets() -> Any:
    """The request is taken out of the outbox before the answer is there."""
    plain = outbox.claim

    def claim(connection: Any, *arguments: Any, **named: Any) -> Any:
        found = plain(connection, *arguments, **named)
        for request in found:
            where = outbox.where(t.outbox, request.identity, request.step)
            connection.execute(outbox.update(t.outbox).where(where).values(state=t.STATE_FAILED, response="30"))
        return found

    return mock.patch.object(outbox, "claim", claim)


def _sealed_kept() -> Any:
    return mock.patch.object(settling, "delete", lambda table: outbox.update(table).values(device=table.c.device))


def _gap_for_nothing() -> Any:
    return mock.patch.object(suspense.accounts, "gap_legs", lambda *_arguments: [])


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


def _late_stands() -> Any:
    return mock.patch.object(settling, "may_have_left", lambda *_arguments: False)


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
    return mock.patch.object(suspense, "_known", lambda *_arguments: None)


def _put_back_never() -> Any:
    return mock.patch.object(suspense, "put_back", lambda *_arguments: None)


def _recalled_never() -> Any:
    return mock.patch.object(suspense, "recall", lambda *_arguments: None)


def _refusal_is_verdict() -> Any:
    return mock.patch.object(settling, "BROKEN", frozenset())


def _error_ends_void() -> Any:
    return mock.patch.object(iso, "UNSURE", ())


def _untaken_stands() -> Any:
    return mock.patch.object(untaken, "look", lambda *_arguments: None)


def _word_unheard() -> Any:
    return mock.patch.object(Voiding, "_tells_of_before", lambda *_arguments: False)


def _refusal_ends_void() -> Any:
    plain = settling._failed

    def failed(connection: Any, answer: Any, request: Any, now: int) -> None:
        plain(connection, answer, replace(request, repeat=False), now)

    return mock.patch.object(settling, "_failed", failed)


@contextlib.contextmanager
def _again_as_new() -> Iterator[None]:
    """What failed goes out as if the host had never heard of it."""
    plain = failures.again

    def again(connection: Any, identity: Any, now: int, clear: bool = False) -> list[str]:
        names = plain(connection, identity, now, clear)
        mine = outbox.where(t.outbox, identity)
        doubtful = t.outbox.c.state == t.STATE_DOUBTFUL
        connection.execute(update(t.outbox).where(mine, doubtful).values(state=t.STATE_NEW, tries=0))
        return names

    with mock.patch.object(failures, "again", again):
        yield


def _not_told_again() -> Any:
    return mock.patch.object(gaps, "_tell_again", lambda *_arguments: None)


@contextlib.contextmanager
def _fork_sent() -> Iterator[None]:
    """What a fork holds is out of the ledger, and on its way to the acquirer."""
    plain = ingest.forks.hold_payment

    def hold(connection: Any, identity: Any, now: int) -> None:
        before = connection.execute(select(t.outbox).where(outbox.where(t.outbox, identity))).all()
        plain(connection, identity, now)
        for row in before:
            mine = outbox.where(t.outbox, identity, row.step)
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


def _any_session() -> Any:
    """What is of an earlier session is taken."""

    def check_bound(connection: Any, head: Any, message: Any) -> Any:  # noqa: ARG001 - in place of the real one
        return devices.head(connection, head.device) if restore.settle(connection, head) else head

    return mock.patch.object(sessions, "check_bound", check_bound)


def _hello_again() -> Any:
    return mock.patch.object(sessions, "begin", lambda *_: None)


def _result_of_anybody() -> Any:
    """What is told of a payment may be about another terminal's."""
    c, p = t.results.c, t.payments.c
    same = and_(c.device == p.device, c.epoch == p.epoch, c.intent == p.intent)
    chosen = select(t.results).join(t.payments, same).where(c.epoch == bindparam("epoch"), p.result_seq.is_(None))
    return mock.patch.object(results, "_PENDING", chosen.order_by(c.told, c.intent).limit(results.MAX_PENDING))


def _signature_dropped() -> Any:
    plain = Sheaf._raw

    def raw(self: Sheaf, message: Any, found: list[Any]) -> None:
        plain(self, message, [(*row[:4], None, row[5]) for row in found])

    return mock.patch.object(Sheaf, "_raw", raw)


def _undated() -> Any:
    plain_rows, plain_draft = posting.rows, Sheaf.add_draft

    def rows(identity: Any, part: int, legs: Any, _now: int) -> Any:
        return plain_rows(identity, part, legs, 0)

    def add_draft(self: Sheaf, message: Any, draft: Any) -> None:
        plain_draft(self, message, draft)
        for row in self.inserts.get("postings", ()):
            row["at"] = 0

    return both(mock.patch.object(posting, "rows", rows), mock.patch.object(Sheaf, "add_draft", add_draft))


def _asked_with(**change: Any) -> Any:
    """The host is sent something else than the outbox says."""
    plain = centre.encode

    def encode(request: Any, now: int) -> bytes:
        return plain(replace(request, **change), now)

    return mock.patch.object(centre, "encode", encode)


def _asked_for_refund() -> Any:
    """Every request wants the money to go to the card's holder (processing code 20)."""
    plain = centre.encode

    def encode(request: Any, now: int) -> bytes:
        fields, _ = iso8583.decode(plain(request, now), iso.SPEC)
        return bytes(iso8583.encode({**fields, "3": "200000"}, iso.SPEC)[0])

    return mock.patch.object(centre, "encode", encode)


def _case_offence() -> Any:
    plain = Work._notice

    def notice(self: Work, entry: Any) -> str | None:
        said = plain(self, entry)
        if said is None:
            self.cases[entry.record[r.CASE]].update({"pv": "", "offence": ""})
        return said

    return mock.patch.object(Work, "_notice", notice)


def _result_code() -> Any:
    plain = results._result
    return mock.patch.object(results, "_result", lambda *arguments: {**plain(*arguments), s.RESULT_REASON: ""})


def _any_amount() -> Any:
    return mock.patch.object(iso.Answer, "about", lambda *_arguments: True)


def _closed_unpaid_silent() -> Any:
    return mock.patch.object(gaps, "closed_unpaid", lambda *_arguments: None)


SERVER = (
    Mutation("ack-before-commit", "the server acknowledges before its transaction is committed", _ack_before_commit),
    Mutation("no-dedup", "records that came before are posted again", _no_dedup),
    Mutation("any-session", "what is bound to an earlier session is taken", _any_session),
    Mutation("hello-again", "a HELLO that was heard before begins a session", _hello_again),
    Mutation("gap-accepted", "the server skips a batch's first record", _gap_accepted),
    Mutation("gap-for-nothing", "the money of lost records is not held in suspense", _gap_for_nothing),
    Mutation("gap-undeclared", "gap records are not compared with the gaps", _gap_undeclared),
    Mutation("known-in-suspense", "what results explain of a gap stays in suspense", _known_in_suspense),
    Mutation("put-back-never", "a result that comes after its gap puts nothing back", _put_back_never),
    Mutation(
        "recalled-never",
        "a result that is lost stays in suspense when a restored server hears it again",
        _recalled_never,
    ),
    Mutation("refusal-is-verdict", "what the host refuses to judge counts as declined", _refusal_is_verdict),
    Mutation(
        "error-ends-void",
        "a reversal that the host answers by an error of its own has come to nothing",
        _error_ends_void,
    ),
    Mutation(
        "word-unheard", "after a restore a terminal's word that a void was refused counts for nothing", _word_unheard
    ),
    Mutation("untaken-stands", "what an issuer approved stands where its outcome is lost", _untaken_stands),
    Mutation("refusal-ends-void", "a repeated reversal that is refused ends its void", _refusal_ends_void),
    Mutation("again-as-new", "what failed and is asked again is sent as new", _again_as_new),
    Mutation("not-told-again", "a result that had arrived and was lost since is told no more", _not_told_again),
    Mutation(
        "closed-unpaid-silent",
        "a case that is closed as deferred without a payment raises no alarm",
        _closed_unpaid_silent,
    ),
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
    Mutation("turn-ignored", "a process goes on with what another has claimed since", _turn_ignored),
    Mutation("new-reference", "each try towards the acquirer has its own reference", _new_reference),
    Mutation("outbox-forgets", "a request is dropped before its answer", _outbox_forgets),
    Mutation("late-approval-stands", "a host that knows nothing of a question is believed at once", _late_stands),
    Mutation("result-of-anybody", "a terminal is told of other terminals' payments", _result_of_anybody),
    Mutation("signature-dropped", "records are stored without their signatures", _signature_dropped),
    Mutation("undated", "postings bear no time", _undated),
    Mutation("other-merchant", "requests name another merchant's account", lambda: _asked_with(wilaya=99)),
    Mutation("code-left-out", "clearings do not name the approval they rest on", lambda: _asked_with(auth_code="")),
    Mutation("iso-processing", "requests ask for a refund instead of a purchase", _asked_for_refund),
    Mutation("case-offence", "the centre keeps cases without report number and offence", _case_offence),
    Mutation("result-code", "a terminal is told results without the issuer's response code", _result_code),
    Mutation(
        "other-amount-silent",
        "an approval of another amount raises no alarm",
        lambda: mock.patch.object(settling, "another_amount", lambda *_arguments: None),
    ),
    Mutation("any-amount", "an answer about another amount is believed", _any_amount),
    Mutation("sealed-kept", "sealed card data stay after their result", _sealed_kept),
)
