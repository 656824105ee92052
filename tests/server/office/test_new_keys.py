"""A terminal whose secure element was exchanged: an approved new epoch brings its new key, and the old one signs nothing any more."""

import copy
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.ingest.dispatch import Service
from server.office import epochs
from server.store import devices
from server.store import tables as t
from server.store.engine import reading
from tests.server.beginnings import BackOffice, begin, told, trouble
from tests.server.centre import Centre
from tests.server.handheld import Handheld, dumps

BOOK = "treasury:16:1:BMP-16-01"


def _served(centre: Centre, handheld: Handheld) -> Handheld:
    """A terminal that has paid; the same one with another secure element."""
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    renewed = copy.copy(handheld)
    renewed.records, renewed.attached = list(handheld.records), copy.deepcopy(handheld.attached)
    renewed.key = ec.generate_private_key(ec.SECP256R1())
    return renewed


def _draft(centre: Centre, key: bytes) -> dict[int, Any]:
    with centre.engine.begin() as connection:
        return epochs.draft(connection, "TSD-000001", "secure element exchanged", centre.now, key)


def _both(centre: Centre, back: BackOffice, key: bytes) -> None:
    payload = _draft(centre, key)
    back.propose(payload)
    back.approve(payload)
    _later(centre)


def _later(centre: Centre) -> None:
    """What a running server knows after a minute."""
    centre.service = Service(centre.engine, centre.keys, centre.shelf)


def test_the_new_epoch_brings_the_new_key_and_ends_the_old_one(either: Centre, handheld: Handheld) -> None:
    renewed, back = _served(either, handheld), BackOffice(either)
    assert either.refused(renewed.hello(trouble="JRN-031")) == "SRV-013"  # nobody has approved
    _both(either, back, renewed.public())
    assert either.refused(renewed.hello()) == "SRV-013"  # in the old epoch the old key signs
    assert either.hello(handheld)[s.ACKED_SEQ] == 3
    assert either.refused(renewed.batch(1)) == "SRV-013"
    assert len(trouble(either, renewed)[s.COMMANDS]) == 1
    begin(renewed)
    old = copy.copy(handheld)
    old.epoch = 2
    assert either.refused(old.hello()) == "SRV-013"  # nor does the old key begin the new one
    seq = renewed.pay(r.OUTCOME_APPROVED, 300_000)
    assert either.hello(renewed)[s.ACKED_SEQ] == 3
    for number, record in enumerate(renewed.records[3:], 1):
        record[r.COUNTER] = number  # of another secure element
    for at in range(4, len(renewed.records)):
        renewed.records[at][r.PREV] = renewed.hash(at)
    assert s.REJECTED not in either.send(renewed, 4) and seq == 6
    assert either.books()[BOOK] == -500_000
    assert "SRV-033" not in either.alarms()
    late = handheld.batch(1)
    assert either.refused(handheld.hello()) == "SRV-016"  # this server has looked its key up before
    for again in (False, True):
        if again:
            _later(either)
            assert either.refused(handheld.hello()) == "SRV-013"
        for message in (handheld.hello(trouble="JRN-030"), old.hello(), late):
            assert either.refused(message) == "SRV-013"
    with reading(either.engine) as connection:
        (found,) = devices.receipt_keys(connection).values()
        former = connection.execute(select(t.former_keys.c.epoch)).scalars().all()
    assert found == [renewed.public().hex(), handheld.public().hex()] and former == [0]
    assert either.ledger()["epochs"][0]["new_key"] is True
    json.dumps(either.ledger())


def test_what_a_front_has_checked_by_the_old_key_counts_no_more(centre: Centre, handheld: Handheld) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    stale = centre.service
    old = copy.copy(handheld)
    old.epoch = 2
    _both(centre, back, renewed.public())
    begin(renewed)
    centre.hello(renewed)
    old.nonce = renewed.nonce
    centre.service = stale  # it knows the old key for another minute
    assert stale._register.find("TSD-000001").public_key == handheld.public()  # type: ignore[union-attr]
    batch = old.batch(1)
    assert centre.refused(batch) == "SRV-013" and centre.refused(old.hello()) == "SRV-013"


def test_an_epoch_without_a_key_stays_one_of_the_key_in_force(centre: Centre, handheld: Handheld) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    _both(centre, back, renewed.public())
    back.both()  # overtakes the one with the key
    _later(centre)
    assert centre.refused(renewed.hello(trouble="JRN-031")) == "SRV-013"
    begin(handheld, 3)  # the number that was approved before is not given again
    assert centre.hello(handheld)[s.ACKED_SEQ] == 3


def test_what_is_no_new_key_is_refused(centre: Centre, handheld: Handheld) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    for key in (handheld.public(), b"\x04" + bytes([17] * 64), b""):
        with pytest.raises(ParameterError) as error:
            _draft(centre, key)
        assert error.value.code == "PRM-043"
    payload = _draft(centre, renewed.public())
    for key, code in ((handheld.public(), "PRM-043"), ("text", "PRM-030")):
        with pytest.raises(ParameterError) as error:
            back.propose({**payload, epochs.NEW_KEY: key})
        assert error.value.code == code
    back.propose(payload)
    with pytest.raises(ParameterError) as error:
        back.approve({key: value for key, value in payload.items() if key != epochs.NEW_KEY})
    assert error.value.code == "PRM-032"  # both sign the key
    _both(centre, back, renewed.public())
    begin(renewed)
    centre.hello(renewed)
    with pytest.raises(ParameterError) as error:
        _draft(centre, handheld.public())  # which had its time
    assert error.value.code == "PRM-043"


def test_a_database_of_before_learns_the_new_key_by_the_approval_that_the_terminal_shows(
    centre: Centre, handheld: Handheld
) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    _both(centre, back, renewed.public())
    approval = told(centre, renewed)
    with centre.engine.begin() as connection:  # as a backup of before has it
        connection.execute(delete(t.epochs))
    _later(centre)
    begin(renewed)
    assert centre.refused(renewed.hello()) == "SRV-016"  # then a terminal shows its approval
    odd: list[Any] = [
        approval[:-1] + b"\0",
        b"",
        dumps([]),
        dumps([b"", {}, dumps([1]), bytes(64)]),
        bytes(600),
        7,
        [1],
        "text",
    ]
    for wrong in odd:
        assert centre.refused(renewed.hello(approval=wrong)) == "SRV-013"
    stranger = copy.copy(renewed)
    stranger.key = ec.generate_private_key(ec.SECP256R1())
    assert centre.refused(stranger.hello(approval=approval)) == "SRV-013"
    assert centre.say(renewed.hello(approval=approval))[0] == s.TYPE_WELCOME
    _later(centre)
    assert s.REJECTED not in centre.send(renewed, 4)
    assert centre.refused(handheld.hello()) == "SRV-013"


def test_the_former_secure_element_is_not_told_of_an_epoch_that_it_could_never_begin(
    either: Centre, handheld: Handheld
) -> None:
    renewed, back = _served(either, handheld), BackOffice(either)
    _both(either, back, renewed.public())
    assert s.COMMANDS not in trouble(either, handheld)
    assert s.COMMANDS not in either.hello(handheld)
    assert either.send(handheld)[s.ACKED_SEQ] == 3  # nor has its session ended for it
    assert len(trouble(either, renewed)[s.COMMANDS]) == 1


def _backup(centre: Centre) -> bytes:
    """The database as it is now."""
    centre.restart()
    return (centre.folder / "server.db").read_bytes()


def _restore(centre: Centre, backup: bytes) -> None:
    centre.engine.dispose()
    (centre.folder / "server.db").write_bytes(backup)
    centre.restart()


def _ordinary(centre: Centre, back: BackOffice, handheld: Handheld) -> bytes:
    """An epoch that brings no key; its approval, as the terminal keeps it."""
    back.both()
    _later(centre)
    approval = told(centre, handheld)
    begin(handheld)
    centre.hello(handheld)
    return approval


def test_a_database_of_before_the_key_learns_it_by_the_approval_of_a_later_epoch(
    centre: Centre, handheld: Handheld
) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    backup = _backup(centre)
    _both(centre, back, renewed.public())
    begin(renewed)
    centre.hello(renewed)
    renewed.pay(r.OUTCOME_APPROVED, 300_000)
    centre.send(renewed, 4)
    approval = _ordinary(centre, back, renewed)
    _restore(centre, backup)
    assert centre.refused(renewed.hello()) == "SRV-016"
    assert centre.refused(handheld.hello(approval=approval, epoch=3)) == "SRV-013"  # which it does not name
    assert centre.say(renewed.hello(approval=approval))[0] == s.TYPE_WELCOME
    _later(centre)
    renewed.pay(r.OUTCOME_APPROVED, 100_000)
    assert s.REJECTED not in centre.send(renewed, 8)
    assert centre.books()[BOOK] == -300_000
    assert centre.refused(handheld.hello()) == "SRV-013"


@pytest.mark.parametrize("late", [False, True])
def test_an_approval_that_names_the_key_in_force_exchanges_nothing(
    centre: Centre, handheld: Handheld, late: bool
) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    front = Service(centre.engine, centre.keys, centre.shelf)
    front.handle(handheld.hello(), centre.now)  # it has looked the terminal up, and knows its first key
    _both(centre, back, renewed.public())
    begin(renewed)
    centre.hello(renewed)
    _later(centre)
    backup = _backup(centre)
    centre.send(renewed, 4)
    approval = _ordinary(centre, back, renewed)
    _restore(centre, backup)
    if late:
        centre.service = front
    assert centre.refused(renewed.hello()) == "SRV-016"
    assert centre.say(renewed.hello(approval=approval))[0] == s.TYPE_WELCOME
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.former_keys.c.epoch)).scalars().all() == [0]
        assert devices.head(connection, "TSD-000001").key_epoch == 2
        assert epochs.listed(connection)[0]["new_key"] is False


def test_in_trouble_behind_a_restored_database_a_terminal_gets_a_later_epoch_with_its_key(
    centre: Centre, handheld: Handheld
) -> None:
    renewed, back = _served(centre, handheld), BackOffice(centre)
    renewed.epoch = 3  # which this database has never heard of, nor of its key
    assert centre.refused(renewed.hello(trouble="JRN-030")) == "SRV-016"
    _both(centre, back, renewed.public())
    assert s.COMMANDS not in trouble(centre, renewed)  # epoch 2 is over for it
    _both(centre, back, renewed.public())
    assert len(trouble(centre, renewed)[s.COMMANDS]) == 1
    begin(renewed, 4)
    assert centre.hello(renewed)[s.ACKED_SEQ] == 3
