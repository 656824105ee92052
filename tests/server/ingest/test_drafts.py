"""Drafts: what a batch writes is the same whether it was made where it was checked or record by record in the writer, packed on the way
from one process to the other or not; and a draft is used only where what it rests on holds.
"""

import hashlib
import pickle
import random
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import insert, select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest.work import Work
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from server.wire.batches import TELLING, Batch, Entry
from tests.server.centre import Centre
from tests.server.handheld import Handheld

WRITTEN = (
    t.raw,
    t.private,
    t.cases,
    t.payments,
    t.postings,
    t.legs,
    t.outbox,
    t.sealed,
    t.authorisations,
    t.voids,
    t.heads,
    t.audit,
)


def patrol(handheld: Handheld, chance: random.Random) -> None:
    """A day on which everything happens that a terminal writes down."""
    for _ in range(12):
        what = chance.randrange(8)
        if what < 4:
            outcome = chance.choice(
                (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED)
            )
            handheld.pay(outcome, 1000 * chance.randint(1, 9), blob=chance.randbytes(20))
        if what in (3, 4):
            blob = chance.randbytes(9)
            seq = handheld.write(r.LICENCE_READ, verdict=2, findings=[], private=hashlib.sha256(blob).digest())
            handheld.attached[s.PRIVATE][seq] = blob
        if what == 5 and handheld.cases:
            handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=chance.randint(1, 3))
        if what == 6:
            handheld.unsigned.add(handheld.pay(r.OUTCOME_APPROVED) + 1)
            handheld.utc -= chance.choice((0, 60))
        if what == 7 and handheld.cases:
            handheld.write(r.NOTICE, case=handheld.cases, pv="twice", offence="66/A-1", amount=5)  # a second one
        if chance.random() < 0.3:
            handheld.write(r.HEALTH_EVENT, health="battery")
        if chance.random() < 0.2:
            case = handheld.notice()
            intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=100)  # not what the notice asks for
            handheld.finish(intent, chance.choice((r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)), 100)


def content(centre: Centre) -> dict[str, list[Any]]:
    """All that was written, in the order of its keys."""
    with reading(centre.engine) as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
            for table in WRITTEN
        }


def drafted(centre: Centre, body: bytes) -> Batch:
    checked = centre.service.check(body)
    assert isinstance(checked, Batch), checked
    return checked


def undrafted(batch: Batch) -> Batch:
    batch.draft = None
    return batch


def packed(batch: Batch) -> Batch:
    return pickle.loads(pickle.dumps(batch))


WAYS = (lambda batch: batch, undrafted, packed, lambda batch: undrafted(packed(batch)))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("step", [5, 60])
def test_both_ways_write_the_same(tmp_path: Path, seed: int, step: int) -> None:
    handheld = Handheld()
    patrol(handheld, random.Random(seed))
    hello = handheld.hello()
    bodies = [
        handheld.batch(at, min(at + step - 1, len(handheld.records)))
        for at in range(1, len(handheld.records) + 1, step)
    ]
    found, replies = [], []
    for way, change in enumerate(WAYS):
        centre = Centre(tmp_path / str(way), handheld)
        centre.say(hello)
        said = []
        for body in bodies:
            with centre.engine.begin() as connection:
                said.append(centre.service.apply(connection, change(drafted(centre, body)), centre.now))
        found.append(content(centre))
        replies.append(said)
        assert len(found[-1]["raw"]) == len(handheld.records)
    assert found[1] == found[0] and found[2] == found[0] and found[3] == found[0]
    assert replies[1] == replies[0] and replies[2] == replies[0] and replies[3] == replies[0]


def test_whole_fines_are_drafted_and_what_refers_elsewhere_is_not(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED):
        handheld.pay(outcome)
    whole = drafted(centre, handheld.batch(1))
    assert whole.draft is not None
    assert {table: len(rows) for table, rows in whole.draft.rows.items()} == {
        "cases": 4, "payments": 4, "postings": 2, "legs": 4, "sealed": 2, "outbox": 2
    }  # fmt: skip
    assert whole.draft.cases == (1, 4) and len(whole.draft.unasked) == 4
    assert drafted(centre, handheld.batch(3)).draft is None  # its intent is not among them


def test_a_draft_begins_with_new_cases_only(centre: Centre, handheld: Handheld) -> None:
    """A case number that was used before is the business of the slow way, which looks it up."""
    centre.hello(handheld)
    handheld.notice()
    handheld.notice()
    centre.send(handheld)
    handheld.cases = 0
    handheld.notice()
    batch = handheld.batch(3)
    assert drafted(centre, batch).draft is not None
    _, reply = centre.say(batch)
    assert reply[s.REJECTED] == [[3, codes.SECOND_NOTICE]]
    assert centre.count("cases") == 2
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.heads.c.last_case)).scalar() == 2


def test_a_draft_gives_way_to_a_question_that_was_put_to_the_issuer(centre: Centre, handheld: Handheld) -> None:
    """Declined by the terminal, approved by the issuer: it is reversed, as without a draft."""
    centre.hello(handheld)
    intent = handheld.pay(r.OUTCOME_DECLINED)
    asked = {"amount": 200_000, "utc": 1, "digest": b"", "state": s.ASKED_ANSWERED, "response": "00", "asked": 1}
    with centre.engine.begin() as connection:
        connection.execute(insert(t.authorisations).values(device=handheld.name, epoch=1, intent=intent, **asked))
    assert drafted(centre, handheld.batch(1)).draft is not None
    centre.send(handheld)
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.outbox.c.step)).scalars().all() == [t.STEP_REVERSE]


def test_after_a_restore_nothing_is_new_to_the_acquirer(centre: Centre, handheld: Handheld) -> None:
    """A draft says "never sent", which nobody knows of records that the terminal had before the restore."""
    handheld.pay(r.OUTCOME_APPROVED)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    assert drafted(centre, handheld.batch(1)).draft is not None
    centre.send(handheld)
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.outbox.c.state)).scalars().all() == [t.STATE_DOUBTFUL]


def test_a_draft_gives_way_if_its_first_record_was_the_last_one_before_a_restore(
    centre: Centre, handheld: Handheld
) -> None:
    """An intent, whose outcome may have been sent to the acquirer."""
    centre.hello(handheld)
    case = handheld.notice()
    centre.send(handheld)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=200_000)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    handheld.finish(intent, r.OUTCOME_APPROVED, 200_000)
    assert drafted(centre, handheld.batch(intent)).draft is not None
    centre.send(handheld, intent)
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.outbox.c.state)).scalars().all() == [t.STATE_DOUBTFUL]


@pytest.mark.parametrize("later", [10, restore.WINDOW + 10])
@pytest.mark.parametrize("paid", [0, 1])
def test_a_late_hello_does_not_tell_what_was_reported_before_a_restore(
    centre: Centre, handheld: Handheld, paid: int, later: int
) -> None:
    """It is the first that comes, and names a head of long ago; what came after that head was sent to the acquirer."""
    for _ in range(paid):
        handheld.pay(r.OUTCOME_APPROVED)
    late = handheld.hello()
    handheld.pay(r.OUTCOME_APPROVED)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.say(late)
    centre.now += later
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED)  # this one is new
    centre.send(handheld)
    with reading(centre.engine) as connection:
        found = connection.execute(select(t.outbox.c.state).order_by(t.outbox.c.intent)).scalars().all()
    assert found == [t.STATE_DOUBTFUL] * (paid + 1) + [t.STATE_NEW]


def test_time_that_goes_back_within_a_batch_is_noted_and_posted(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    handheld.write(r.LOGIN)
    handheld.utc -= 3600
    handheld.pay(r.OUTCOME_APPROVED)
    reply = centre.send(handheld)
    assert s.REJECTED not in reply and reply[s.NEW] == 4
    assert centre.count("postings") == 1
    with reading(centre.engine) as connection:
        assert codes.CLOCK_BACK in connection.execute(select(t.audit.c.code)).scalars().all()


def test_a_packed_batch_has_its_records_again(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED, blob=b"sealed")
    handheld.write(r.HEALTH_EVENT, health="battery")
    batch = drafted(centre, handheld.batch(1))
    again = packed(batch)
    assert [entry.record for entry in again.entries] == handheld.records
    assert again.entries == batch.entries and isinstance(again.entries[0], Entry)
    assert (again.ends, again.draft, again.raw, again.device) == (batch.ends, batch.draft, batch.raw, batch.device)


def test_every_kind_that_brings_something_is_looked_at_by_drafts() -> None:
    work = Work(cast(Any, None), cast(Any, None), 1, cast(Any, None), 0, 0)
    assert work._handlers.keys() == TELLING
