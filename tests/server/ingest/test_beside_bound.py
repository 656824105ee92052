"""How many records are kept beside a chain has a bound: what is over it is not kept, is told so, and is not asked for again."""

import copy

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import forks
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.ingest.test_bounds import _said
from tests.server.ingest.test_shown_branches import _copied, _paid, _show

MOST = 12


@pytest.fixture
def parted(either: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch) -> Handheld:
    """A terminal of whose chain the centre has one record; a copy has carried it on."""
    monkeypatch.setattr(forks, "MOST", MOST)
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    _paid(copied, 3)
    either.hello(copied)
    either.send(copied)
    _paid(handheld, 9)
    either.hello(handheld)
    return handheld


def _counted(centre: Centre) -> int:
    with reading(centre.engine) as connection:
        return connection.exec_driver_sql("SELECT forks FROM heads").scalar_one()


def test_what_is_over_the_bound_is_not_kept_and_one_alarm_says_so(either: Centre, parted: Handheld) -> None:
    ack = _show(either, parted, 2, 10)
    assert ack[s.REJECTED] == [[seq, codes.FORK] for seq in range(2, 11)]
    for _ in range(2):
        ack = _show(either, parted, 8, 20)
        said = [[seq, codes.FORK if seq < 14 else codes.BESIDE_FULL] for seq in range(8, 21)]
        assert ack[s.REJECTED] == said and ack[s.ACKED_SEQ] == 11
    _show(either, parted, 21, 28)
    assert either.count("forks") == MOST == _counted(either)
    assert _said(either, codes.BESIDE_FULL) == [f"{MOST} records lie beside the chain: no more are kept"]
    assert either.alarms().count(codes.FORK) == 2, "one for each piece that was kept"
    either.books()


def test_nothing_is_held_for_what_is_not_kept(either: Centre, parted: Handheld) -> None:
    """What is held is told by what lies beside the chain."""
    _show(either, parted, 12, 28)
    assert either.count("forks") == MOST
    books = either.books()
    _show(either, parted, 2, 11)
    assert either.books() == books != {}


def test_who_asks_about_what_is_over_the_bound_need_not_show_it(either: Centre, parted: Handheld) -> None:
    assert s.BESIDE not in _show(either, parted, 28, 28, s.ASKED)
    _show(either, parted, 2, 28)
    assert _show(either, parted, 28, 28, s.ASKED)[s.BESIDE] == 1
    assert _show(either, parted, 1, 2, s.ASKED)[s.BESIDE] == 1, "the first one is the chain's"


def test_records_of_a_closed_gap_have_the_same_bound(
    either: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forks, "MOST", 3)
    handheld.write(r.SHIFT_OPENED)
    for _ in range(6):
        handheld.write(r.HEALTH_EVENT, health="n")
    either.hello(handheld)
    either.send(handheld, 1, 1)
    kind, ack = either.say(handheld.batch(7, 7, gap=2))
    assert kind == s.TYPE_ACK and ack[s.ACKED_SEQ] == 7
    for _ in range(2):
        ack = either.send(handheld, 2, 6)
        said = [[seq, codes.GAP_CLOSED if seq < 5 else codes.BESIDE_FULL] for seq in range(2, 7)]
        assert ack[s.REJECTED] == said and ack[s.ACKED_SEQ] == 7
    other = copy.copy(handheld)
    other.records = copy.deepcopy(handheld.records)
    for at in range(1, 6):
        other.records[at][r.HEALTH] = "m"
    either.send(other, 2, 6)
    assert either.count("forks") == 3
