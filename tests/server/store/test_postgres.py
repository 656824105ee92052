"""The same server on PostgreSQL: schema, ingest, settlement, and two writers that meet on one device."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, outbox
from server.store import tables as t
from server.store.engine import open_engine
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster

A = 200_000


@pytest.fixture
def url(cluster: Cluster) -> str:
    return cluster.url()


@pytest.fixture
def centre(tmp_path: Path, url: str, handheld: Handheld) -> Iterator[Centre]:
    centre = Centre(tmp_path, handheld, url=url)
    yield centre
    centre.engine.dispose()


def test_the_migrations_make_the_same_tables(url: str) -> None:
    engine = open_engine(url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), t.metadata) == []
    engine.dispose()


def test_a_shift_from_batch_to_result(centre: Centre, handheld: Handheld) -> None:
    first = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, 300_000)
    handheld.pay(r.OUTCOME_DECLINED)
    centre.hello(handheld)
    assert centre.send(handheld)[s.NEW] == 10
    assert centre.send(handheld)[s.DUPLICATES] == 10
    for request in centre.claim():
        centre.answer(request, "00")
    assert centre.books() == {"receivable:CIB TEST": 500_000, "treasury:16:1:BMP-16-01": -500_000}
    (result,) = centre.hello(handheld)[s.RESULTS]
    assert result[s.RESULT_INTENT] == intent
    handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=300_000)
    assert s.RESULTS not in centre.send(handheld, 11)
    totals = {1: [1, A], 2: [1, 300_000], 3: [1, A], 11: [1, 300_000]}
    last = handheld.write(r.SHIFT_CLOSED, first=first, totals=totals)
    centre.send(handheld, last)
    assert centre.say(handheld.close(first, last, totals))[1][s.BALANCED] is True
    assert centre.ledger()["balanced"] is True


def test_a_fork_is_kept_and_taken_out_of_the_books(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.records.clear()
    handheld.cases = 0
    handheld.attached[s.SEALED].clear()
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    assert len(centre.send(handheld)[s.REJECTED]) == 3
    assert centre.books() == {}


def test_two_server_processes_that_get_the_same_batch_post_it_once(centre: Centre, handheld: Handheld) -> None:
    """Two processes are two services with an engine each; the row lock on the device's head decides who is first."""
    handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    body = handheld.batch(1)
    services = [centre.service, type(centre.service)(open_engine(centre.url), centre.keys)]
    start = threading.Barrier(2)
    errors: list[BaseException] = []

    def send(at: int) -> None:
        start.wait()
        for _ in range(20):
            try:
                services[at].handle(body, centre.now)
            except Exception as error:  # noqa: BLE001 - reported by the main thread
                errors.append(error)

    threads = [threading.Thread(target=send, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    services[1].engine.dispose()
    assert errors == []
    assert centre.count("raw") == 3 and centre.count("postings") == 1
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A


def test_two_workers_share_the_outbox_without_sending_anything_twice(centre: Centre, handheld: Handheld) -> None:
    for _ in range(10):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld)
    taken: list[list[object]] = [[], []]
    start = threading.Barrier(2)

    def work(at: int) -> None:
        start.wait()
        for _ in range(10):
            with centre.engine.begin() as connection:
                taken[at] += [request.identity for request in outbox.claim(connection, centre.now, 3)]

    threads = [threading.Thread(target=work, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken[0]) + len(taken[1]) == len(set(taken[0] + taken[1])) == 10


@pytest.fixture
def both(centre: Centre, tmp_path: Path, handheld: Handheld) -> list[Centre]:
    """The same centre on either database."""
    return [centre, Centre(tmp_path / "sqlite", handheld)]


@pytest.mark.parametrize("tells", [False, True])
def test_records_with_texts_that_postgresql_cannot_keep_are_set_aside_by_either_database(
    both: list[Centre], handheld: Handheld, tells: bool
) -> None:
    handheld.tells = tells
    good = handheld.pay(r.OUTCOME_APPROVED)
    bad = [
        handheld.pay(r.OUTCOME_APPROVED, scheme="CIB\0X") + 1,
        handheld.write(r.NOTICE, case=9, pv="a\0", offence="x", amount=5, points=1),
        handheld.write(r.LICENCE_READ, verdict=1, findings=["a\0"]),
    ]
    if tells:  # where records are listed, this terminal's unit is that of the first
        bad.append(handheld.write(r.LICENCE_READ, verdict=1, unit="a\0"))
    after = handheld.pay(r.OUTCOME_APPROVED, 300_000)
    for each in both:
        each.hello(handheld)
        reply = each.send(handheld)
        assert reply[s.ACKED_SEQ] == len(handheld.records) == each.count("raw")
        assert reply[s.REJECTED] == [[seq, codes.BAD_RECORD] for seq in bad]
        assert each.books() == {"receivable:CIB TEST": A + 300_000, "treasury:16:1:BMP-16-01": -A - 300_000}
        assert [request.identity[2] for request in each.claim()] == [good, after]


def test_hellos_with_texts_that_postgresql_cannot_keep_are_malformed_for_either_database(
    both: list[Centre], handheld: Handheld
) -> None:
    for each in both:
        for change in ({"firmware": "a\0"}, {"trouble": "a\0"}, {"sets": {"a\0": 1}}, {"health": {"\0": 1}}):
            assert each.refused(handheld.hello(**change)) == codes.MALFORMED
        each.hello(handheld)


def test_a_device_whose_name_postgresql_cannot_keep_is_unknown_to_either_database(both: list[Centre]) -> None:
    for each in both:
        assert each.refused(Handheld("TSD\0").hello()) == codes.UNKNOWN_DEVICE


def test_an_acquirers_answer_that_postgresql_cannot_keep_is_nonsense(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.hello(handheld)
    centre.send(handheld)
    (request,) = centre.claim()
    fields, _ = iso.iso8583.decode(iso.encode(request, centre.now), iso.SPEC)
    for wrong in ({"39": "0\0", "38": "123456"}, {"39": "00", "38": "12\x00345"}):
        message, _ = iso.iso8583.encode({**fields, "t": "0110", **wrong}, iso.SPEC)
        with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_NONSENSE):
            iso.decode(bytes(message))
