"""Records that a terminal has lost for good: the chain goes on, what they took is held in suspense, somebody is told."""

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def _lose(centre: Centre, handheld: Handheld, **change: object) -> dict[int, object]:
    """1-3 an approved payment, sent; 4-6 another, lost; 7-9 a third, 10 the gap record: sent. The ACK."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld, 1)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    handheld.pay(r.OUTCOME_APPROVED, 250_000)
    record = {"first": 4, "gap_last": 6, "gap_hash": handheld.hash(6), "gap_count": 1, "gap_total": 300_000}
    record.update(change)
    handheld.write(r.GAP, **record)
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(7, gap=4))
    assert kind == s.TYPE_ACK, ack
    return ack


def test_what_follows_lost_records_is_posted_and_their_money_is_held_in_suspense(
    centre: Centre, handheld: Handheld
) -> None:
    ack = _lose(centre, handheld)
    assert (ack[s.ACKED_SEQ], ack[s.ACKED_HASH], ack[s.NEW]) == (10, handheld.hash(10), 4)
    assert s.REJECTED not in ack and s.WANTED not in ack
    assert centre.books() == {
        "receivable:CIB TEST": 450_000, "treasury:16:1:BMP-16-01": -450_000,
        "missing:TSD-000001": 300_000, "suspense:16:1:BMP-16-01": -300_000,
    }  # fmt: skip
    (gap,) = centre.ledger()["gaps"]
    assert (gap["first"], gap["last"], gap["count"], gap["amount"], gap["declared_seq"]) == (4, 6, 1, 300_000, 10)
    assert centre.alarms() == ["GAP"]


@pytest.mark.parametrize(("first", "last"), [(5, 6), (4, 4), (5, 5), (4, 6)])
def test_a_loss_that_has_grown_before_it_was_told_is_one_gap_here(
    centre: Centre, handheld: Handheld, first: int, last: int
) -> None:
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld, 1)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    counted = {"gap_count": 1, "gap_total": 300_000}
    once = counted if last == 6 else {"gap_count": 0, "gap_total": 0}
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last), **once)
    handheld.write(r.HEALTH_EVENT, health="battery")
    handheld.write(r.GAP, first=4, gap_last=6, gap_hash=handheld.hash(6), **counted)
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(7, gap=4))
    assert kind == s.TYPE_ACK and s.REJECTED not in ack and centre.alarms() == ["GAP"]
    (gap,) = centre.ledger()["gaps"]
    assert (gap["first"], gap["last"], gap["amount"]) == (4, 6, 300_000)
    assert gap["declared_seq"] == (7 if (first, last) == (4, 6) else 9)


@pytest.mark.parametrize(("first", "last"), [(3, 5), (5, 7), (2, 4)])
def test_a_gap_record_across_the_edge_of_the_gap_on_file_says_something_else(
    centre: Centre, handheld: Handheld, first: int, last: int
) -> None:
    _lose(centre, handheld)
    seq = handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last), gap_count=0, gap_total=0)
    centre.hello(handheld)
    expected = None if first < 4 and last >= 6 else [[seq, codes.GAP_OTHERWISE]]
    assert centre.send(handheld, seq).get(s.REJECTED) == expected


@pytest.mark.parametrize("arrived", [True, False])
def test_a_loss_that_is_declared_again_since_its_gap_record_is_lost_too_is_one_gap_here(
    centre: Centre, handheld: Handheld, arrived: bool
) -> None:
    """The first gap record, 10, had arrived and its ACK had not, or it never did: then it is a gap of its own."""
    counted = {"first": 4, "gap_last": 6, "gap_count": 1, "gap_total": 300_000}
    if arrived:
        _lose(centre, handheld)
    else:
        handheld.pay(r.OUTCOME_APPROVED, 200_000)
        centre.hello(handheld)
        centre.send(handheld, 1)
        handheld.pay(r.OUTCOME_APPROVED, 300_000)
        handheld.pay(r.OUTCOME_APPROVED, 250_000)
        handheld.write(r.GAP, gap_hash=handheld.hash(6), **counted)
        centre.hello(handheld)
        assert centre.say(handheld.batch(7, 9, gap=4))[0] == s.TYPE_ACK
    handheld.write(r.GAP, gap_hash=handheld.hash(6), **counted)
    handheld.write(r.GAP, first=10, gap_last=10, gap_hash=handheld.hash(10), gap_count=0, gap_total=0)
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(11) if arrived else handheld.batch(11, gap=10))
    assert kind == s.TYPE_ACK and s.REJECTED not in ack and ack[s.ACKED_SEQ] == 12, ack
    gaps = sorted((gap["first"], gap["last"], gap["amount"], gap["declared_seq"]) for gap in centre.ledger()["gaps"])
    assert gaps == ([(4, 6, 300_000, 10)] if arrived else [(4, 6, 300_000, 11), (10, 10, 0, 12)])
    assert centre.books()["suspense:16:1:BMP-16-01"] == -300_000


def test_one_that_says_hello_again_and_again_behind_a_lost_beginning_is_one_alarm(
    centre: Centre, handheld: Handheld
) -> None:
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    for _ in range(5):
        centre.say(handheld.hello(first_retained=3))
    assert centre.alarms() == ["GAP"]


def test_what_the_centre_had_when_the_loss_was_declared_is_the_terminals_affair(
    centre: Centre, handheld: Handheld
) -> None:
    ack = _lose(centre, handheld, gap_once=3)
    assert ack[s.NEW] == 4 and s.REJECTED not in ack and centre.alarms() == ["GAP"]


def test_the_same_batch_again_changes_nothing(centre: Centre, handheld: Handheld) -> None:
    _lose(centre, handheld)
    kind, ack = centre.say(handheld.batch(7, gap=4))
    assert (kind, ack[s.ACKED_SEQ], ack[s.NEW], ack[s.DUPLICATES]) == (s.TYPE_ACK, 10, 0, 4)
    assert centre.count("gaps") == 1 and centre.books()["missing:TSD-000001"] == 300_000


def test_without_the_declaration_the_range_is_asked_for(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, 1, 3)
    _, ack = centre.say(handheld.batch(6, gap=5))
    assert (ack[s.ACKED_SEQ], ack[s.WANTED]) == (3, [[4, 6]])  # the gap does not begin where the chain stands
    assert centre.count("gaps") == 0


def test_running_totals_that_go_back_over_a_gap_are_refused(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, 1, 3)
    assert centre.refused(handheld.batch(5, gap=4, cum_count=0, cum_total=0)) == "SRV-019"
    assert centre.refused(handheld.batch(5, gap=4, cum_count=1, cum_total=200_001)) == "SRV-019"
    assert centre.count("gaps") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"gap_total": 299_999},
        {"gap_count": 2},
        {"gap_hash": bytes(32)},
        {"gap_last": 5, "gap_count": 2},
        {"first": 5, "gap_total": 300_001},
    ],
)
def test_a_gap_record_that_does_not_agree_is_named_and_the_money_stays_in_suspense(
    centre: Centre, handheld: Handheld, change: dict[str, object]
) -> None:
    ack = _lose(centre, handheld, **change)
    assert ack[s.REJECTED] == [[10, "SRV-043"]]
    assert centre.books()["missing:TSD-000001"] == 300_000
    assert centre.ledger()["gaps"][0]["declared_seq"] is None


def test_an_outcome_whose_intent_is_lost_is_posted_all_the_same(centre: Centre, handheld: Handheld) -> None:
    """Outcomes are stored twice, intents once."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    handheld.write(r.GAP, first=1, gap_last=2, gap_hash=handheld.hash(2), gap_count=0, gap_total=0)
    centre.hello(handheld)
    _, ack = centre.say(handheld.batch(3, gap=1))
    assert ack[s.ACKED_SEQ] == 4 and s.REJECTED not in ack
    assert centre.books() == {"receivable:CIB TEST": 200_000, "treasury:16:1:BMP-16-01": -200_000}
    assert [request.identity[2] for request in centre.claim()] == [2]


def test_records_that_turn_up_after_their_gap_was_closed_are_named_and_not_posted(
    centre: Centre, handheld: Handheld
) -> None:
    _lose(centre, handheld)
    books = centre.books()
    _, ack = centre.say(handheld.batch(1))
    assert ack[s.REJECTED] == [[4, "SRV-044"], [5, "SRV-044"], [6, "SRV-044"]]
    assert (ack[s.ACKED_SEQ], ack[s.NEW]) == (10, 0)
    assert centre.books() == books and centre.count("forks") == 3  # kept there, and no fork
    centre.say(handheld.batch(1))
    assert centre.alarms().count("SRV-044") == 1 and codes.FORK not in centre.alarms()
    with reading(centre.engine) as connection:
        said = connection.exec_driver_sql("SELECT what FROM audit WHERE code = 'SRV-044'").scalar()
    assert said == "records 4 to 6 were declared lost and have come: kept, not posted; they are the lost ones"


def test_after_a_restore_the_gap_is_told_again_and_held_once(centre: Centre, handheld: Handheld) -> None:
    _lose(centre, handheld)
    books = centre.books()
    other = Centre(centre.folder / "restored", handheld)
    other.hello(handheld)
    other.send(handheld, 1, 3)
    other.say(handheld.batch(7, gap=4))
    assert other.books() == books
