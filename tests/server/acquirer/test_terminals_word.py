"""After a restore a terminal's own word about a void comes before the void's reversal: what its driver was told to stand is not given back."""

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime

import cbor2
import pytest
from sqlalchemy import Connection, select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, outbox, waiting
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import LOOKS_S, Worker
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.host import Host
from tests.server.acquirer.test_held_back import again, listed, refund, stands
from tests.server.acquirer.test_refused_repeats import _decide, _void
from tests.server.acquirer.test_returned import _alarms, _ask, _backup, _pay, acquirer  # noqa: F401 - a fixture
from tests.server.acquirer.test_voids import PAID, A, ended, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.ingest.lost.test_forsaken import _approved, _lost, _new_epoch

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
Back = Callable[[], None]


@pytest.fixture
def host(acquirer: Host) -> Host:  # noqa: F811
    return acquirer


def _told_refused(centre: Centre, handheld: Handheld, host: Host, kind: str, captured: bool) -> tuple[int, int, Back]:
    """A void that ended refused, written down by its terminal, and a backup of before that: (intent, sequence of the record that asked, restore)."""
    intent, back = _pay(centre, handheld), None
    if captured:
        assert _ask(centre, host) == [(t.STEP_CLEAR, False, "00")]
    if kind == "before":
        back = _backup(centre)
    centre.now += 3600
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    if kind == "asked":
        back = _backup(centre)
    (request,) = centre.claim()
    if kind == "sent":
        back = _backup(centre)
    if kind == "given up":
        centre.now += outbox.LEASE
        (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE and centre.answer(request, "63", "")
    if kind == "given up":
        back = _backup(centre)
        stands(centre, handheld, intent)
    (end,) = centre.hello(handheld)[s.VOIDS]
    assert (end[s.RESULT_OUTCOME], end[s.RESULT_REASON]) == (r.VOID_REFUSED, "63")
    centre.send(handheld, ended(handheld, intent, r.VOID_REFUSED, "63"))
    if not captured:
        assert _ask(centre, host) == [(t.STEP_CLEAR, False, "00")]
    assert centre.books() == PAID and back is not None
    centre.now += 86400
    return intent, seq, back


def _reversals(said: list[tuple[int, bool, str]]) -> list[tuple[int, bool, str]]:
    return [one for one in said if one[0] == t.STEP_REVERSE]


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("kind", ["before", "asked", "sent", "given up"])
@pytest.mark.parametrize("batches", [1, 2])
def test_a_void_that_its_terminal_knows_as_refused_stays_refused_and_nothing_is_reversed(
    either: Centre, handheld: Handheld, host: Host, kind: str, batches: int, captured: bool
) -> None:
    intent, seq, back = _told_refused(either, handheld, host, kind, captured)
    back()
    assert _reversals(_ask(either, host)) == []  # before the terminal speaks
    either.hello(handheld)
    first = seq
    if batches == 2:
        assert s.REJECTED not in either.send(handheld, seq, seq)
        assert _reversals(_ask(either, host)) == []
        first = seq + 1
    assert s.REJECTED not in either.send(handheld, first)
    assert all((step, repeat, said) == (t.STEP_CLEAR, True, "00") for step, repeat, said in _ask(either, host))
    assert either.books() == PAID and len(host.book.captures()) == 1 and _void(either) == r.VOID_REFUSED
    assert s.VOIDS not in either.hello(handheld) and listed(either) == []
    assert not any("have gone out since" in what for what in _alarms(either, handheld.name))
    either.now += 90 * 86400
    assert either.claim() == []
    refund(either, handheld, intent)  # two officers may decide otherwise
    assert [step for step, _, _ in _ask(either, host)] == [t.STEP_REVERSE] and either.books() == {}


@pytest.mark.parametrize("kind", ["asked", "given up"])
def test_what_was_given_back_by_a_refund_after_that_is_found_by_the_inquiry(
    either: Centre, handheld: Handheld, host: Host, kind: str
) -> None:
    """The reversal that waits in the backup kept the payment from being asked about at once."""
    intent, seq, back = _told_refused(either, handheld, host, kind, True)
    refund(either, handheld, intent)
    assert _ask(either, host)[-1][0] == t.STEP_REVERSE and either.books() == {}
    back()
    either.hello(handheld)
    either.send(handheld, seq)
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12")]
    assert either.books() == {} and host.book.captures() == []


def test_a_void_that_is_done_heals_once_its_terminal_has_spoken(either: Centre, handheld: Handheld, host: Host) -> None:
    intent = _pay(either, handheld)
    _ask(either, host)
    seq = void(handheld, intent)
    either.send(handheld, seq)
    back = _backup(either)
    _ask(either, host)
    either.hello(handheld)
    either.send(handheld, ended(handheld, intent, r.VOID_DONE))
    back()
    assert _ask(either, host) == []
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, seq)
    assert _ask(either, host) == [(t.STEP_REVERSE, True, "00")]
    assert either.books() == {} and _void(either) == r.VOID_DONE and s.VOIDS not in either.hello(handheld)


def test_the_clearings_repeat_and_a_refund_wait_for_no_terminal(either: Centre, handheld: Handheld, host: Host) -> None:
    voided, given_back = _pay(either, handheld), _pay(either, handheld)
    _ask(either, host)
    either.send(handheld, void(handheld, voided, case=1))
    refund(either, handheld, given_back)
    _pay(either, handheld)
    _backup(either)()
    assert sorted(_ask(either, host)) == [(t.STEP_CLEAR, True, "00"), (t.STEP_REVERSE, True, "00")]
    with reading(either.engine) as connection:
        o = t.outbox.c
        waits = connection.execute(select(o.intent, o.step).where(o.state < t.STATE_DONE)).all()
    assert waits == [(voided, t.STEP_REVERSE)]
    handheld.write(r.HEALTH_EVENT, health="x")
    either.hello(handheld)
    either.send(handheld, len(handheld.records))
    assert _ask(either, host) == [(t.STEP_REVERSE, True, "00")]


@pytest.mark.parametrize("early", [False, True])
def test_a_terminal_that_has_nothing_to_send_says_so_by_a_hello_that_cannot_be_one_of_before(
    either: Centre, handheld: Handheld, host: Host, early: bool
) -> None:
    intent = _pay(either, handheld)
    _ask(either, host)
    either.send(handheld, void(handheld, intent))
    _backup(either)()
    either.now += 0 if early else restore.WINDOW
    either.hello(handheld)
    assert _reversals(_ask(either, host)) == ([] if early else [(t.STEP_REVERSE, True, "00")])


def _silent(centre: Centre, handheld: Handheld, host: Host) -> tuple[str, int, int]:
    """A void is asked, the database restored, and its terminal does not speak for more than a day."""
    intent = _pay(centre, handheld)
    centre.send(handheld, void(handheld, intent))
    _backup(centre)()
    assert _ask(centre, host) == []
    centre.now += waiting.WAITS
    return handheld.name, 1, intent


def _listed(centre: Centre) -> list[tuple[int, str]]:
    with reading(centre.engine) as connection:
        return [(row["intent"], row["step"]) for row in failures.waiting(connection, centre.now)]


@pytest.mark.parametrize("decides", ["again", "give-up"])
def test_a_terminal_that_never_speaks_again_is_a_persons_to_decide(
    either: Centre, handheld: Handheld, host: Host, decides: str
) -> None:
    identity = _silent(either, handheld, host)
    assert _listed(either) == [(identity[2], "reversal")]
    if decides == "again":
        assert again(either, handheld, identity[2]) == ["reversal"]
        assert _ask(either, host)[-1] == (t.STEP_REVERSE, True, "25")
        assert either.books() == {} and _void(either) == r.VOID_DONE
    else:
        assert _decide(either, failures.give_up, identity) == "reversal"
        assert _ask(either, host) == [(t.STEP_CLEAR, True, "00")]
        assert either.books() == PAID and _void(either) == r.VOID_REFUSED
    assert _listed(either) == [] and listed(either) == []


@pytest.mark.parametrize("left", [False, True])
def test_a_word_that_comes_after_a_person_had_the_reversal_sent_is_named(
    either: Centre, handheld: Handheld, host: Host, left: bool
) -> None:
    """Whether it has left, the acquirer says when it is asked about what it had captured."""
    intent, seq, back = _told_refused(either, handheld, host, "asked", True)
    back()
    assert again(either, handheld, intent) == ["reversal"]
    (request,) = either.claim()
    either.hello(handheld)
    either.send(handheld, seq + 1)
    with either.engine.begin() as connection:
        assert not outbox.hold(connection, request, either.now)  # what has not left yet is kept back
    (what,) = (one for one in _alarms(either, handheld.name) if "have gone out since" in one)
    assert what.startswith(f"payment {intent} of epoch 1, {A} centimes") and listed(either) == [("reversal", "63")]
    assert _void(either) == r.VOID_REFUSED and again(either, handheld, intent) == []
    if left:
        host.take(iso.encode(request, either.now))
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12" if left else "00")]
    assert either.books() == ({} if left else PAID) and (codes.RESULT_DIFFERS in either.alarms()) == left


def test_what_waits_too_long_for_its_terminal_is_named_once_by_the_worker(
    either: Centre, handheld: Handheld, host: Host
) -> None:
    async def write(operation: Callable[[Connection], object], _device: str = "") -> object:
        with either.engine.begin() as connection:
            return operation(connection)

    worker = Worker(write, AcquirerLink("127.0.0.1", 1), lambda: either.now)

    def named() -> list[str]:
        asyncio.run(worker.step())
        with reading(either.engine) as connection:
            return list(connection.execute(select(t.audit.c.what).where(t.audit.c.code == "WAITING")).scalars())

    intent = _pay(either, handheld)
    _ask(either, host)
    either.send(handheld, void(handheld, intent))
    _backup(either)()
    restored = either.now
    assert _ask(either, host) == [] and named() == []
    either.now = restored + waiting.WAITS - 1
    assert named() == []
    since = f"{datetime.fromtimestamp(restored, UTC):%Y-%m-%d %H:%M} UTC"
    for _ in range(3):
        either.now += LOOKS_S
        (what,) = named()
    assert what == (
        f"step 3 of payment {intent} of epoch 1, {A} centimes: its terminal has not said how its void ended since {since}"
    )


@pytest.mark.parametrize("known", [False, True])
def test_a_new_epoch_ends_the_wait_for_records_that_nobody_can_send(
    either: Centre, handheld: Handheld, host: Host, known: bool
) -> None:
    """The terminal had named a head far beyond what came again; a void of the new epoch, a month later, waits for nothing and is no repeat."""
    old = _pay(either, handheld)
    _ask(either, host)
    seq = void(handheld, old)
    either.send(handheld, seq)
    _backup(either)()
    assert _reversals(_ask(either, host)) == []
    for _ in range(200):
        handheld.write(r.HEALTH_EVENT, health="x")
    if known:
        either.hello(handheld)
        either.send(handheld, seq + 1, seq + 5)
    assert _reversals(_ask(either, host)) == []
    _new_epoch(either, handheld)
    either.send(handheld, len(handheld.records))
    assert _reversals(_ask(either, host)) == [(t.STEP_REVERSE, True, "00")]
    either.now += 30 * 86400
    intent = _pay(either, handheld)
    assert _ask(either, host) == [(t.STEP_CLEAR, False, "00")]
    either.send(handheld, void(handheld, intent))
    assert _ask(either, host) == [(t.STEP_REVERSE, False, "00")]
    assert either.books() == {}


@pytest.mark.parametrize("by", ["gap", "two gaps", "epoch after the restore", "epoch before the restore"])
def test_a_word_that_may_be_among_lost_records_is_named_once(
    either: Centre, handheld: Handheld, host: Host, by: str
) -> None:
    """Nobody says that the void was refused: the reversal goes out, and the driver may have been told that the payment stands."""
    intent, seq, back = _told_refused(either, handheld, host, "asked", True)
    lost = {"gap": [seq + 1], "two gaps": [seq + 1, seq + 3]}.get(by, [])
    if by == "epoch before the restore":
        _approved(either)
        command = either.say(handheld.hello(trouble="JRN-030"))[1][s.COMMANDS][0]
        back()
        _lost(handheld, len(handheld.records))
        either.say(handheld.hello(approval=cbor2.loads(cbor2.loads(command)[2])[5]))
    else:
        back()
        for one in lost:
            if one > len(handheld.records):
                handheld.write(r.HEALTH_EVENT, health="x")
            handheld.write(r.GAP, first=one, gap_last=one, gap_hash=handheld.hash(one), gap_count=0, gap_total=0)
        either.hello(handheld)
        assert _reversals(_ask(either, host)) == []
        for one in lost:
            assert s.REJECTED not in either.say(handheld.batch(one + 1, one + 1, gap=one))[1]
    if by == "epoch after the restore":
        _new_epoch(either, handheld)
    (what,) = (
        what for what in _alarms(either, handheld.name) if "how its void ended may be among lost records" in what
    )
    assert what.startswith(f"payment {intent} of epoch 1, {A} centimes: ")
    if not lost:
        either.send(handheld, len(handheld.records))
    assert _reversals(_ask(either, host)) == [(t.STEP_REVERSE, True, "00")] and either.books() == {}


@pytest.mark.parametrize("sent", [True, False])
@pytest.mark.parametrize("later", [0, 2 * restore.WINDOW])
def test_a_word_that_comes_in_a_second_branch_is_named_once(
    either: Centre, handheld: Handheld, host: Host, sent: bool, later: int
) -> None:
    """A copy of the terminal, of before it heard that its void was refused, speaks first; the terminal may have more to say than the copy."""
    intent, seq, back = _told_refused(either, handheld, host, "asked", True)
    copied = copy.copy(handheld)
    copied.records, copied.attached = handheld.records[:seq], {s.SEALED: {}, s.PRIVATE: {}}
    copied.write(r.HEALTH_EVENT, health="a copy")
    back()
    either.hello(copied)
    either.send(copied, seq + 1)
    if sent:
        assert _reversals(_ask(either, host)) == [(t.STEP_REVERSE, True, "00")]
    either.now += later
    for _ in range(2):
        handheld.write(r.HEALTH_EVENT, health="x")
        either.hello(handheld)
        last = len(handheld.records)
        said = either.say(handheld.batch(seq + 1))[1][s.REJECTED]
        assert said == [[number, codes.FORK] for number in range(seq + 1, last + 1)]
    (what,) = (what for what in _alarms(either, handheld.name) if "says that its void was refused" in what)
    assert what.startswith(f"payment {intent} of epoch 1, {A} centimes: record {seq + 1}, which is not of the chain")
    assert f"here it is {'done' if sent else 'asked'}" in what


def test_the_end_of_an_earlier_void_is_no_word_about_the_one_that_is_done(centre: Centre, handheld: Handheld) -> None:
    """With another card, refused at once; that record is declared lost, and found again."""
    intent = _pay(centre, handheld)
    centre.hello(handheld)
    centre.send(handheld, void(handheld, intent, card_token=b"\x99" * 8))
    (told,) = centre.hello(handheld)[s.VOIDS]
    end = ended(handheld, intent, r.VOID_REFUSED, told[s.RESULT_REASON])
    gap = handheld.write(r.GAP, first=end, gap_last=end, gap_hash=handheld.hash(end))
    void(handheld, intent)
    centre.hello(handheld)
    centre.say(handheld.batch(gap, len(handheld.records), gap=end))
    while requests := centre.claim():
        for request in requests:
            assert centre.answer(request, "00")
    centre.send(handheld, ended(handheld, intent, r.VOID_DONE))
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    centre.send(handheld, handheld.write(r.HEALTH_EVENT, health="x"))
    centre.say(handheld.batch(end, end))
    assert not any("says that its void was refused" in what for what in _alarms(centre, handheld.name))


def test_no_word_is_missed_where_nothing_waits_for_it(centre: Centre, handheld: Handheld, host: Host) -> None:
    intent = _pay(centre, handheld)
    _ask(centre, host)
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    handheld.write(r.HEALTH_EVENT, health="x")
    handheld.write(r.GAP, first=seq + 1, gap_last=seq + 1, gap_hash=handheld.hash(seq + 1), gap_count=0, gap_total=0)
    centre.hello(handheld)
    centre.say(handheld.batch(seq + 2, gap=seq + 1))
    _new_epoch(centre, handheld)
    assert not any("how its void ended" in what for what in _alarms(centre, handheld.name))


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("carried_out", [True, False])
def test_a_word_that_comes_after_the_reversal_was_sent_and_refused_lets_the_clearing_go_and_is_named(
    either: Centre, handheld: Handheld, host: Host, captured: bool, carried_out: bool
) -> None:
    """What a host that refuses a repeat has reversed, it says when it is asked to clear."""
    intent, seq, back = _told_refused(either, handheld, host, "asked", captured)
    back()
    assert again(either, handheld, intent) == ["reversal"]
    (request,) = either.claim()
    if carried_out:
        host.take(iso.encode(request, either.now))
    assert either.answer(request, "63", "") and listed(either) == [("reversal", "63")]
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, seq)
    (what,) = (one for one in _alarms(either, handheld.name) if "have gone out since" in one)
    assert what.startswith(f"payment {intent} of epoch 1, {A} centimes")
    assert _void(either) == r.VOID_REFUSED and listed(either) == [("reversal", "63")]
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12" if carried_out else "00")]
    assert either.books() == ({} if carried_out else PAID) and again(either, handheld, intent) == []


@pytest.mark.parametrize(
    ("reason", "said"), [("63", "63"), ("--", None), ("++", None), ("==", None), ("SRV-053", None), ("SRV-037", None)]
)
def test_whatever_reason_a_terminal_has_the_reversal_that_may_have_left_is_listed(
    centre: Centre, handheld: Handheld, host: Host, reason: str, said: str | None
) -> None:
    intent = _pay(centre, handheld)
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    _backup(centre)()
    ended(handheld, intent, r.VOID_REFUSED, reason)
    assert again(centre, handheld, intent) == ["reversal"]
    assert [request.step for request in centre.claim()] == [t.STEP_REVERSE]
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, seq)
    assert listed(centre) == [("reversal", said)] and again(centre, handheld, intent) == []


@pytest.mark.parametrize("answered", [True, False])
def test_what_its_terminal_knows_as_refused_at_once_stays_so_after_another_restore(
    either: Centre, handheld: Handheld, host: Host, answered: bool
) -> None:
    """A fork held the payment when its driver wanted it back; the backup has no fork, and would have the void carried out."""
    intent = _pay(either, handheld)
    _ask(either, host)
    back = _backup(either)
    either.now += 3600
    seq = void(handheld, intent)
    ended(handheld, intent, r.VOID_REFUSED, codes.VOID_UNEXPECTED)
    back()
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "00")]
    either.hello(handheld)
    either.send(handheld, seq, seq)
    assert again(either, handheld, intent) == ["reversal"]  # a person does not wait for its terminal
    (request,) = either.claim()
    if answered:
        assert either.answer(request, "63", "")
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, seq + 1)
    assert listed(either) == [("reversal", None)] and again(either, handheld, intent) == []
    _ask(either, host)
    later = _backup(either)
    either.now += 3600
    later()
    either.hello(handheld)
    assert _reversals(_ask(either, host)) == [] and either.books() == PAID and len(host.book.captures()) == 1
    refund(either, handheld, intent)
    assert [step for step, _, _ in _ask(either, host)] == [t.STEP_REVERSE] and either.books() == {}
