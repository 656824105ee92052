"""A flash that fills up: the officer is warned long before, sales stop, and what was begun is still ended, settled
and there after a boot.
"""

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.errors import RiskError
from terminal.journal.journal import RESERVE, ROOM_LOW, ROOM_NONE, ROOM_OK
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
        said.append(made.journal.room(True))
        assert len(said) < 5000


def test_the_officer_is_warned_long_before_sales_stop(filled):
    made, said = filled
    assert said[0] == ROOM_OK and ROOM_LOW in said
    assert said == sorted(said)
    assert said.count(ROOM_LOW) > 40  # a shift
    assert made.journal.room(True) == ROOM_NONE


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


def test_sales_go_on_once_old_acknowledged_segments_may_go(filled):
    made, _ = filled
    made.journal.acknowledge(made.journal.head_seq, made.journal.head_hash)
    made.journal.retention = 3600
    made.clock.utc += 7200
    made.journal.server_utc = made.clock.utc
    for _ in range(150):
        made.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    assert made.journal.first_retained > 1
    assert made.storage.free_bytes() > RESERVE
    made.transaction()
