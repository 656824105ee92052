"""A flash that fills up: the officer is warned long before, sales stop, and what was begun is still ended, settled
and there after a boot.
"""

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.errors import RiskError
from sim.worlds import fleet
from terminal.journal.room import RESERVE, ROOM_LOW, ROOM_NONE, ROOM_OK, SPARE
from terminal.journal.shelf import FLOOR
from tests.support.hearing import daily
from tools.journal import room
from tools.journal.soak import rig
from tools.journal.soak.checks import open_journal


@pytest.fixture
def filled(monkeypatch):
    """A rig on 192 sectors that never hears from the server, run until a sale is refused; and what `room` said after
    each transaction.
    """
    monkeypatch.setattr(rig, "BLOCKS", 192)
    monkeypatch.setattr(rig, "RETENTION", 10**9)
    made = rig.Rig()
    made.settle = lambda: None
    said = []
    while True:
        try:
            made.transaction()
        except RiskError as error:
            assert error.code == "RSK-005"
            return made, said
        said.append(made.journal.room.state(True))
        assert len(said) < 5000


def test_the_officer_is_warned_long_before_sales_stop(filled):
    made, said = filled
    assert said[0] == ROOM_OK and ROOM_LOW in said
    assert said == sorted(said)
    assert said.count(ROOM_LOW) > 40  # a shift
    assert made.journal.room.state(True) == ROOM_NONE


def test_what_was_begun_is_ended_and_settled_in_the_reserve(filled):
    made, _ = filled
    case = made.transactions
    made.append(r.ACKNOWLEDGED, {r.CASE: case})
    for kind in (r.LICENCE_DISPOSITION, r.RECEIPT_PRINTED, r.CASE_CLOSED):
        made.append(kind, {r.CASE: case, r.DISPOSITION: 1, r.COPY: 1, r.CLOSURE: 3})
    for number in range(100):
        body = {
            r.CASE: case,
            r.PV: "000001-00001",
            r.INTENT: number,
            r.AMOUNT: 1,
            r.OUTCOME: r.OUTCOME_DECLINED,
            r.REASON: "51",
        }
        made.append(r.AUTHORISATION_RESULT, body)
        made.append(r.LICENCE_DISPOSITION, {r.CASE: case, r.DISPOSITION: r.DISPOSITION_RELEASE_GRANTED})
    made.journal.acknowledge(made.journal.head_seq, made.journal.head_hash)
    journal, _ = open_journal(LittlefsStorage(made.flash.copy()), made.element.value, made.clock.utc)
    assert (journal.head_seq, journal.head_hash) == (made.journal.head_seq, made.journal.head_hash)


def test_sales_go_on_after_the_session_in_which_old_acknowledged_segments_may_go(filled):
    """A week after the centre has had them; no rotation need come for it."""
    made, _ = filled
    made.journal.hear(made.clock.utc)
    made.acknowledge(made.journal.head_seq)
    for _ in range(150):
        made.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    assert made.journal.first_retained == 1 and made.journal.room.state(True) == ROOM_NONE
    head = made.journal.head_seq
    made.clock.utc += FLOOR + 86400
    daily(made.journal, made.clock.utc)
    made.journal.make_room()
    assert made.journal.head_seq == head and made.journal.first_retained > 1
    assert made.storage.free_bytes() > RESERVE
    made.transaction()


def test_a_flash_too_small_for_the_retention_goes_on_selling():
    report = room.run(832, 10, 30)
    print(report)
    assert (report["refused_on_day"], report["warned_on_day"], report["fines"]) == (None, None, 300)
    assert 7 <= report["kept_days"] < 20


def test_the_handheld_as_it_is_shipped_holds_sixty_days_of_forty_fines():
    """By what three days take; `tasdid journal room` plays all of them (and the soak does)."""
    kib = fleet.FLASH_BYTES // 1024
    one, four = (room.run(kib, 40, days)["least_free_kib"] for days in (1, 4))
    print(one, four)
    assert one - (one - four) / 3 * 60 > SPARE // 1024


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_sixty_days_of_forty_fines_on_the_shipped_flash():
    report = room.run(fleet.FLASH_BYTES // 1024, 40, 70)
    print(report)
    assert (report["refused_on_day"], report["warned_on_day"]) == (None, None)
