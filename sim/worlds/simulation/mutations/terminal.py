"""Broken builds of the terminal."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock
from weakref import WeakKeyDictionary

from protocol import records as r
from protocol import sync as s
from protocol import tlv
from sim.worlds.simulation import parts
from sim.worlds.simulation.mutations.base import Mutation, both
from terminal import risk
from terminal import sync as terminal_sync
from terminal.flows import ask, fine, login, payment, release, shift, signature
from terminal.journal.case import Case
from terminal.journal.journal import Journal
from terminal.journal.view import View


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

    return both(mock.patch.object(release, "tell", tell), mock.patch.object(shift, "tell", tell))


def _hand_untold() -> Any:
    """After a power cut a case whose disposition is on record is closed without a word."""
    plain = fine.Fine._hand

    async def hand(self: Any) -> str:
        return "close" if self.t.journal.view.case.disposition else await plain(self)

    return mock.patch.object(fine.Fine, "_hand", hand)


def _unanswered_closes() -> Any:
    """A case is closed whether anybody answers its last question or not."""
    plain = fine.Fine._hand

    async def hand(self: Any) -> str:
        await plain(self)
        return "close"

    return mock.patch.object(fine.Fine, "_hand", hand)


def _given_up_untold() -> Any:
    """What a boot closes, or what was given up before the power went, is told to nobody."""
    plain = Journal.open

    async def open_(self: Journal) -> None:
        await plain(self)
        self.view.hand = None

    async def end(self: Journal) -> None:
        await ends(self)
        self.view.hand = None

    ends = Journal.end_what_was_cut
    return both(mock.patch.object(Journal, "open", open_), mock.patch.object(Journal, "end_what_was_cut", end))


def _declined_untold() -> Any:
    """After a power cut nobody is told that the first card was declined."""
    return mock.patch.object(release, "note", lambda *_arguments: "")


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
        payload, count = terminal_sync.batches.fill(self.journal, self._held + 1, self.room)
        last = payload[s.FIRST_SEQ] + count - 1
        try:
            await plain(self)
        except terminal_sync.ServerError:
            raise
        except Exception:  # noqa: BLE001  a broken build
            self.journal.acknowledge(last, b"")
            self._held = last

    return mock.patch.object(terminal_sync.Sync, "_batch", batch)


def _rollback_unnoticed() -> Any:
    async def bind(self: Journal, *_arguments: Any) -> None:
        value = await self._se.counter(0)
        if value + 1 == self._stand.counter:
            await self._se.increment(0)

    return mock.patch.object(Journal, "_bind_counter", bind)


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
        if message[s.ACKED_SEQ] >= self.journal.acked_seq:
            plain(self, message)
        self._held = max(self._held, self.journal.acked_seq)

    return mock.patch.object(terminal_sync.Sync, "_acknowledge", acknowledge)


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


def _ack_of_another() -> Any:
    """The terminal looks at the number of an acknowledgement, not at the hash."""

    def acknowledge(self: Any, message: dict) -> None:
        seq = message[s.ACKED_SEQ]
        if seq <= self.journal.head_seq:
            self.journal.acknowledge(seq, message[s.ACKED_HASH])
            self._held = seq

    return mock.patch.object(terminal_sync.Sync, "_acknowledge", acknowledge)


def _loss_unseen() -> Any:
    return mock.patch.object(View, "_behind_a_gap", lambda *_arguments: None)


def _loss_untold() -> Any:
    async def told(t: Any) -> bool:  # noqa: ARG001 - in place of the real one
        return True

    return mock.patch.object(login, "told", told)


def _void_again() -> Any:
    return mock.patch.object(View, "paid", property(lambda self: self.last))


def _cut_not_ended() -> Any:
    """What was cut and whose case is over stays without an outcome."""
    plain = Journal.end_what_was_cut

    async def end(self: Journal) -> None:
        self.view.cut = {}
        await plain(self)

    return mock.patch.object(Journal, "end_what_was_cut", end)


def _missed_two() -> Any:
    """A loss is told for what was approved, or cut, only."""
    plain = View.missed

    def missed(self: View, gap: dict) -> None:
        told, nameless = dict(self.untold), 0 in self.cut
        plain(self, gap)
        if not (gap.get(r.GAP_COUNT, 1) or nameless or self.cut):
            self.untold = told

    return mock.patch.object(View, "missed", missed)


def _gap_once() -> Any:
    plain = Journal._build

    def build(self: Journal, kind: int, body: dict) -> dict:
        record = plain(self, kind, body)
        if kind == r.GAP:
            record[r.GAP_ONCE] = record[r.GAP_LAST]
        return record

    return mock.patch.object(Journal, "_build", build)


def _short_fine() -> Any:
    """Every fine is 100 DA short, once its notice is written."""
    plain = Case.__init__

    def init(self: Case, record: dict) -> None:
        plain(self, record)
        self.amount -= 10_000

    return mock.patch.object(Case, "__init__", init)


def _time_unheard() -> Any:
    return mock.patch.object(parts.VirtualClock, "set_utc", lambda *_arguments: None)


def _limits_off() -> Any:
    plain = risk.check_sale

    def check_sale(journal: Journal, limits: dict, amount: int, now: int) -> None:
        plain(journal, dict.fromkeys(limits, 1 << 40), amount, now)

    unheeded = mock.patch.object(risk, "check_card", lambda *_arguments: "")
    return both(mock.patch.object(risk, "check_sale", check_sale), unheeded)


def _release_declined() -> Any:
    """The issuer's word on a deferred payment releases the licence, whatever it is."""
    plain = View._apply_result

    def apply_result(self: View, record: dict) -> None:
        case, amount, pv = self.provisional.get(record[r.INTENT], (record[r.CASE], record[r.AMOUNT], ""))
        plain(self, record)
        self.releases[record[r.INTENT]] = (case, amount, record.get(r.PV, pv), r.AUTHORISATION_RESULT)

    return mock.patch.object(View, "_apply_result", apply_result)


def _recorded(kind: int, change: dict[int, Any], only: Callable[[dict], bool] = lambda _record: True) -> Any:
    """Records of a kind (0: of any) say something else in some of their keys."""
    plain = Journal._build

    def build(self: Journal, what: int, body: dict) -> dict:
        record = plain(self, what, body)
        if what == kind or not kind:
            record.update({key: value for key, value in change.items() if key in record and only(record)})
        return record

    return mock.patch.object(Journal, "_build", build)


def _first_digits() -> Any:
    plain = payment._Session._record

    async def record(self: Any, body: dict, result: Any, *more: Any) -> Any:
        pan = bytes(result.pan).decode()
        written, sealed = await plain(self, body, result, *more)
        if r.LAST4 in written:
            written[r.LAST4] = pan[:4]
        return written, sealed

    return mock.patch.object(payment._Session, "_record", record)


def _login_ends_all() -> Any:
    return mock.patch.object(View, "_logged_in", lambda self: self.untold.clear())


def _shift_at_opening() -> Any:
    plain = View._opened

    def opened(self: View, number: int, record: dict) -> None:
        plain(self, number, record)
        self.shift_first, self.totals = self.seq, {}

    return mock.patch.object(View, "_opened", opened)


def _void_off_paid() -> Any:
    """What was voided is taken off what was paid in the same shift, be it that it was paid in another."""
    plain = ask.acknowledge

    async def acknowledge(t: Any, screen: str, **fields: Any) -> bool:
        if screen == "shift_summary":
            fields["count"] -= fields["voided_count"]
            fields["total"] -= fields["voided_total"]
        return await plain(t, screen, **fields)

    return mock.patch.object(ask, "acknowledge", acknowledge)


def _shift_untold() -> Any:
    async def recall(_t: Any) -> None:
        return None

    return mock.patch.object(shift, "recall", recall)


TERMINAL = (
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
    Mutation(
        "hand-untold", "a case goes on after a power cut as if its officer knew where the licence is", _hand_untold
    ),
    Mutation("unanswered-closes", "a licence's question that nobody answers closes its case", _unanswered_closes),
    Mutation("given-up-untold", "what was given up before the power went is told to nobody", _given_up_untold),
    Mutation("declined-untold", "a declined payment is not told after a power cut", _declined_untold),
    Mutation("loss-unseen", "a boot that finds records lost takes no payment to be among them", _loss_unseen),
    Mutation("loss-untold", "nobody is warned that payments are lost", _loss_untold),
    Mutation("void-again", "a payment is offered for voiding though its void may be lost", _void_again),
    Mutation(
        "cut-not-ended",
        "a deferred payment whose outcome is lost is not interrupted once its case is over",
        _cut_not_ended,
    ),
    Mutation("missed-two", "a lost intent and outcome that the centre never had are told to nobody", _missed_two),
    Mutation("gap-once", "a gap record says that the centre once had all that is lost", _gap_once),
    Mutation("login-ends-all", "a log-in of before a loss was found counts as a warning of it", _login_ends_all),
    Mutation("short-fine", "a driver is asked for less than his notice says", _short_fine),
    Mutation("time-unheard", "what the centre says of the time sets no clock", _time_unheard),
    Mutation("limits-off", "no limit keeps a payment from being taken offline", _limits_off),
    Mutation("release-declined", "a declined payment releases the licence too", _release_declined),
    Mutation(
        "scheme-const",
        "every payment is booked under one scheme",
        lambda: _recorded(r.PAYMENT_OUTCOME, {r.SCHEME: "CIB TEST"}),
    ),
    Mutation("last4-first4", "the card's first digits are recorded as its last", _first_digits),
    Mutation("points-zero", "a notice records no points", lambda: _recorded(r.NOTICE, {r.POINTS: 0})),
    Mutation("officer-lost", "every record is of officer 1", lambda: _recorded(0, {r.OFFICER: 1})),
    Mutation(
        "void-refused-retained",
        "a refused void is recorded as if the licence were kept",
        lambda: _recorded(r.VOID, {r.DISPOSITION: r.DISPOSITION_RETAINED}),
    ),
    Mutation(
        "unpaid-closed-paid",
        "a case that is not paid is closed as paid",
        lambda: _recorded(r.CASE_CLOSED, {r.CLOSURE: r.CLOSURE_PAID}, lambda one: one[r.CLOSURE] == r.CLOSURE_UNPAID),
    ),
    Mutation("shift-at-opening", "a shift begins where it is opened, not behind the one before", _shift_at_opening),
    Mutation("void-off-paid", "a shift's summary takes what was voided off what was paid", _void_off_paid),
    Mutation("shift-untold", "a power cut behind a closing hides what the shift came to", _shift_untold),
    Mutation("personal-lost", "personal data stay in the terminal", _personal_lost),
)
