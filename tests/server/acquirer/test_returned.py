"""What was given back between a backup and its restore: the acquirer is asked, its word is followed, and what nobody can know is named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import delete, select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, outbox, settling
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.book import Book
from sim.acquirer.host import Host
from tests.server.acquirer.test_held_back import fork
from tests.server.acquirer.test_online import HostSays, ask, begin, take
from tests.server.acquirer.test_voids import CARD, PAID, A, ended, void
from tests.server.cards import ARQC, KEYS, TC, content
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def acquirer() -> Host:
    """The host, asked without a wire."""
    return Host(Book(KEYS))


def _ask(centre: Centre, acquirer: Host) -> list[tuple[int, bool, str]]:
    """Ask all that is due, and what follows from it: (step, whether as a repeat, response)."""
    said = []
    while requests := centre.claim():
        for request in requests:
            reply = acquirer.take(iso.encode(request, centre.now))
            assert reply is not None
            answer = iso.decode(reply)
            with centre.engine.begin() as connection:
                settling.settle(connection, request, answer, centre.now)
            said.append((request.step, request.repeat, answer.response))
    return said


def _pay(centre: Centre, handheld: Handheld, outcome: int = r.OUTCOME_APPROVED) -> int:
    """A payment with data that the host can open, sent."""
    first = len(handheld.records) + 1
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    kind = TC if outcome == r.OUTCOME_APPROVED else ARQC
    handheld.finish(intent, outcome, A, handheld.seal(KEYS.bdk, intent, A, content(A, kind)))
    handheld.records[-1][r.CARD_TOKEN] = CARD
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, first)
    return intent


def _give_back(centre: Centre, handheld: Handheld, intent: int) -> None:
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, (handheld.name, 1, intent), "officers 2001 and 2002", centre.now)


def _backup(centre: Centre) -> Callable[[], None]:
    """What puts the database back to how it is now, marked as restored."""
    tables = t.metadata.sorted_tables
    with reading(centre.engine) as connection:
        kept = {table: [dict(row._mapping) for row in connection.execute(select(table))] for table in tables}

    def back() -> None:
        with centre.engine.begin() as connection:
            for table, rows in kept.items():
                connection.execute(delete(table))
                if rows:
                    connection.execute(table.insert(), rows)
            restore.mark(connection, centre.now)

    return back


def _alarms(centre: Centre, device: str) -> list[str]:
    with reading(centre.engine) as connection:
        mine = (t.audit.c.device == device, t.audit.c.code == "RESTORED")
        return [row.what for row in connection.execute(select(t.audit).where(*mine).order_by(t.audit.c.number))]


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_a_refund_of_what_was_captured_before_the_backup_is_found_and_followed(
    either: Centre, handheld: Handheld, acquirer: Host, outcome: int
) -> None:
    intent = _pay(either, handheld, outcome)
    _ask(either, acquirer)
    back = _backup(either)
    _give_back(either, handheld, intent)
    _ask(either, acquirer)
    assert either.books() == {}
    back()
    assert either.books() == PAID
    assert _ask(either, acquirer) == [(t.STEP_CLEAR, True, "12")]
    assert either.books() == {} and acquirer.book.captures() == [] and either.claim() == []
    assert _alarms(either, handheld.name) == [
        f"payment {intent} of epoch 1, {A} centimes: the acquirer has reversed it since the backup; the books follow"
    ]
    with either.engine.begin() as connection:
        assert not outbox.reversible(connection, (handheld.name, 1, intent))


@pytest.mark.parametrize("together", [False, True])
def test_a_void_that_was_refused_since_a_refund_had_come_first_stays_refused(
    either: Centre, handheld: Handheld, acquirer: Host, together: bool
) -> None:
    """The backup has forgotten the refund; the reversal that the host tells of is none of the void's, which its terminal knows as refused."""
    intent = _pay(either, handheld)
    _ask(either, acquirer)
    back = _backup(either)
    _give_back(either, handheld, intent)
    _ask(either, acquirer)
    first = void(handheld, intent)
    last = ended(handheld, intent, r.VOID_REFUSED, codes.VOID_UNEXPECTED)
    back()
    _ask(either, acquirer)
    either.hello(handheld)
    if not together:
        assert s.REJECTED not in either.send(handheld, first, last - 1)
    assert s.REJECTED not in either.send(handheld, first if together else last)
    assert either.books() == {} and acquirer.book.captures() == [] and codes.RESULT_DIFFERS not in either.alarms()
    with reading(either.engine) as connection:
        assert connection.execute(select(t.voids.c.state)).scalars().all() == [r.VOID_REFUSED]


def test_a_void_that_was_refused_for_another_reason_and_yet_carried_out_is_named(
    either: Centre, handheld: Handheld, acquirer: Host
) -> None:
    """The driver was told that the payment stands: it may be this, or a refund of the centre that is forgotten. The record is honest."""
    intent = _pay(either, handheld)
    _ask(either, acquirer)
    back = _backup(either)
    first = void(handheld, intent)
    either.send(handheld, first)
    (request,) = either.claim()
    acquirer.take(iso.encode(request, either.now))  # carried out; nobody hears of it
    either.now += 3600
    (request,) = either.claim()
    answer = iso.decode(acquirer.take(iso.encode(request, either.now)) or b"")
    with either.engine.begin() as connection:
        settling.settle(connection, request, replace(answer, amount=A // 2), either.now)
    (end,) = either.hello(handheld)[s.VOIDS]
    assert (end[s.RESULT_OUTCOME], end[s.RESULT_REASON]) == (r.VOID_REFUSED, codes.OTHER_AMOUNT)
    last = ended(handheld, intent, r.VOID_REFUSED, codes.OTHER_AMOUNT)
    back()
    _ask(either, acquirer)
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, first, last)
    assert codes.RESULT_DIFFERS in either.alarms() and either.books() == {}


@pytest.mark.parametrize("later", [False, True])
def test_what_was_given_up_before_the_restore_and_is_approved_after_it_is_declined_and_reversed(
    either: Centre, handheld: Handheld, acquirer: Host, later: bool
) -> None:
    """The host knew nothing of the payment when its reversal came, and remembers that: it refuses to clear, and its approval would stand."""
    back = _backup(either)
    first = len(handheld.records) + 1
    intent = _pay(either, handheld, r.OUTCOME_PROVISIONAL)
    (request,) = either.claim()
    either.answer(request, "30", "")
    with either.engine.begin() as connection:
        failures.give_up(connection, (handheld.name, 1, intent), either.now)
    assert _ask(either, acquirer) == [(t.STEP_REVERSE, False, "25")]
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    back()
    either.hello(handheld)
    either.send(handheld, first, seq - 1 if later else seq)
    said = _ask(either, acquirer)
    assert said[0] == (t.STEP_AUTHORISE, True, "00") and said[-1][0] == t.STEP_REVERSE and said[-1][2] == "00"
    if later:
        assert either.send(handheld, seq)[s.REJECTED] == [[seq, codes.RESULT_DIFFERS]]
        (what,) = (one for one in _alarms(either, handheld.name) if "refuses to clear" in one)
        assert what.startswith(f"payment {intent} of epoch 1, {A} centimes")
    else:
        assert codes.REVERSED in either.alarms()
    assert acquirer.book.captures() == [] and set(either.books().values()) <= {0}
    (entry,) = acquirer.book.entries.values()
    assert (entry.authorised, entry.reversed) == ("00", True)


def test_what_was_given_back_before_it_was_cleared_is_not_captured_after_the_restore(
    either: Centre, handheld: Handheld, acquirer: Host
) -> None:
    """The host knows nothing of the reversal's payment (25), and does not forget."""
    intent = _pay(either, handheld)
    back = _backup(either)
    _give_back(either, handheld, intent)
    assert _ask(either, acquirer) == [(t.STEP_REVERSE, False, "25")]
    back()
    assert _ask(either, acquirer) == [(t.STEP_CLEAR, True, "12")]
    assert either.books() == {} and acquirer.book.captures() == [] and either.count("sealed") == 0
    said = _alarms(either, handheld.name)
    assert len(said) == 2 and all(f"payment {intent} of epoch 1, {A} centimes" in what for what in said)
    assert "had not been cleared by the time of the backup" in said[0]


def test_what_stands_is_asked_about_once_and_stands(either: Centre, handheld: Handheld, acquirer: Host) -> None:
    intents = [_pay(either, handheld) for _ in range(2)]
    _ask(either, acquirer)
    _backup(either)()
    assert _ask(either, acquirer) == [(t.STEP_CLEAR, True, "00")] * 2
    assert either.books() == {account: 2 * amount for account, amount in PAID.items()}
    assert len(acquirer.book.captures()) == 2 and not acquirer.book.doubles and _alarms(either, handheld.name) == []
    _give_back(either, handheld, intents[0])
    assert _ask(either, acquirer) == [(t.STEP_REVERSE, True, "00")] and either.books() == PAID


@pytest.mark.parametrize("response", ["25", "30", "63"])
def test_an_inquiry_that_is_answered_otherwise_moves_nothing_and_is_named(
    centre: Centre, handheld: Handheld, acquirer: Host, response: str
) -> None:
    intent = _pay(centre, handheld)
    _ask(centre, acquirer)
    _backup(centre)()
    (request,) = centre.claim()
    assert centre.answer(request, response) and centre.books() == PAID and centre.claim() == []
    what = f"payment {intent} of epoch 1, {A} centimes, was captured before the backup; the acquirer now answers {response}"
    assert _alarms(centre, handheld.name) == [what]
    centre.hello(handheld)
    centre.send(handheld)  # the card data come again, and are not sent to anybody
    assert centre.claim() == []


def test_a_refund_that_is_asked_while_the_inquiry_waits_comes_after_it(
    centre: Centre, handheld: Handheld, acquirer: Host
) -> None:
    intent = _pay(centre, handheld)
    _ask(centre, acquirer)
    _backup(centre)()
    _give_back(centre, handheld, intent)
    assert _ask(centre, acquirer) == [(t.STEP_CLEAR, True, "00"), (t.STEP_REVERSE, True, "00")]
    assert centre.books() == {} and _alarms(centre, handheld.name) == []


@pytest.mark.parametrize("first", [True, False])
def test_a_void_that_the_terminal_tells_again_is_done_whether_the_acquirer_was_asked_before_or_not(
    either: Centre, handheld: Handheld, acquirer: Host, first: bool
) -> None:
    intent = _pay(either, handheld)
    _ask(either, acquirer)
    back = _backup(either)
    seq = void(handheld, intent)
    either.hello(handheld)
    either.send(handheld, seq)
    _ask(either, acquirer)
    ended(handheld, intent, r.VOID_DONE)
    either.hello(handheld)
    either.send(handheld, seq + 1)
    back()
    if first:
        assert _ask(either, acquirer) == [(t.STEP_CLEAR, True, "12")]
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, seq)
    _ask(either, acquirer)
    assert either.books() == {} and either.count("voids") == 1 and s.VOIDS not in either.hello(handheld)
    with reading(either.engine) as connection:
        assert connection.execute(select(t.voids.c.state)).scalar() == r.VOID_DONE


def test_a_clearing_that_is_refused_without_a_restore_is_for_a_person(centre: Centre, handheld: Handheld) -> None:
    _pay(centre, handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "12") and centre.books() == PAID and centre.alarms() == ["ACQUIRER"]


def test_nothing_is_cleared_whose_issuer_had_refused(centre: Centre, handheld: Handheld) -> None:
    """The card approved, and its record says that nobody was asked: it is another card that the issuer has refused under this name."""
    centre.hello(handheld)
    HostSays(centre, "05")
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    ask(centre, handheld, intent, amount=A)
    handheld.finish(intent, r.OUTCOME_APPROVED, A)
    assert s.REJECTED not in centre.send(handheld)
    _backup(centre)()
    assert centre.claim() == [] and centre.books() == {} and centre.alarms()[0] == codes.FORK


def test_old_payments_are_not_asked_about_and_counted_in_an_alarm(
    centre: Centre, handheld: Handheld, acquirer: Host
) -> None:
    _pay(centre, handheld)
    _ask(centre, acquirer)
    centre.now += restore.INQUIRY_S + 10
    _backup(centre)()
    assert centre.claim() == []
    assert _alarms(centre, "")[-1].startswith(
        "the acquirer is asked about 0 payments that it had captured; not about 1 older ones"
    )


def test_inquiries_leave_room_for_the_day_s_work(centre: Centre, handheld: Handheld) -> None:
    for _ in range(10 * restore.INQUIRIES):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    for first in range(1, len(handheld.records) + 1, 90):
        centre.send(handheld, first, min(first + 89, len(handheld.records)))
    while requests := centre.claim():
        for request in requests:
            centre.answer(request, "00")
    _backup(centre)()
    with reading(centre.engine) as connection:
        due: list[Any] = connection.execute(select(t.outbox.c.next_at)).scalars().all()  # type: ignore[assignment]
    assert max(due.count(when) for when in due) <= 2 * restore.INQUIRIES and max(due) <= centre.now + 10


@pytest.mark.parametrize("refunded", [False, True])
def test_a_refused_void_stays_refused_unless_the_acquirer_says_that_the_payment_was_given_back(
    centre: Centre, handheld: Handheld, acquirer: Host, refunded: bool
) -> None:
    """Written down by the terminal, nothing lost: the driver was told that the payment stands."""
    intent = _pay(centre, handheld)
    _ask(centre, acquirer)
    centre.send(handheld, void(handheld, intent))
    (request,) = centre.claim()
    centre.answer(request, "63", "")
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, ended(handheld, intent, r.VOID_REFUSED))
    back = _backup(centre)
    if refunded:
        _give_back(centre, handheld, intent)
        _ask(centre, acquirer)
        assert centre.books() == {}
    back()
    assert _ask(centre, acquirer) == [(t.STEP_CLEAR, True, "12" if refunded else "00")]
    assert centre.books() == ({} if refunded else PAID)
    assert any(f"step 3 of payment {intent} " in what and "left so" in what for what in _alarms(centre, handheld.name))
    assert (codes.RESULT_DIFFERS in centre.alarms()) == refunded


def test_a_clearing_of_a_fork_that_had_failed_is_not_asked_again(centre: Centre, handheld: Handheld) -> None:
    intent = _pay(centre, handheld)
    (request,) = centre.claim()
    centre.answer(request, "63", "")
    fork(centre, handheld, intent + 1)
    _backup(centre)()
    assert centre.claim() == [] and centre.books() == {}
    assert "left so" in _alarms(centre, handheld.name)[-1]


def test_a_clearing_beside_a_refused_void_is_asked_again_and_its_reversal_is_not(
    either: Centre, handheld: Handheld
) -> None:
    intent = _pay(either, handheld)
    for response in ("63", "12"):
        (request,) = either.claim()
        either.answer(request, response, "")
        if request.step == t.STEP_CLEAR:
            either.send(handheld, void(handheld, intent))
    _backup(either)()
    assert [(request.step, request.repeat) for request in either.claim()] == [(t.STEP_CLEAR, True)]


def test_what_was_declined_before_the_restore_and_is_nothing_to_reverse_is_nobodys_to_decide(
    centre: Centre, handheld: Handheld
) -> None:
    """The host answers 12 to the reversal of what its issuer refused."""
    back = _backup(centre)
    HostSays(centre, "05")
    centre.hello(handheld)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    take(handheld, intent, r.OUTCOME_DECLINED)
    centre.send(handheld)
    assert centre.claim() == []
    back()
    centre.hello(handheld)
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_REVERSE, True)
    centre.now += outbox.HOLDS
    assert centre.answer(request, "12", "")
    with reading(centre.engine) as connection:
        assert failures.listed(connection) == []
        said = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "REVERSAL")).scalars().all()
    assert (
        said[0] == f"payment {intent}: not taken, the issuer may know of it" and "nothing of it to reverse" in said[1]
    )
