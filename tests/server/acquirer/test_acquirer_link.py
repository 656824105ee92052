"""Server and host over real TCP: approvals, lost answers, a host that is away; charged exactly once."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import iso8583
import pytest
from cbor2 import loads
from sqlalchemy import Connection, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso
from server.acquirer.iso import Request
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.store import restore
from server.store import tables as t
from sim.acquirer import emv
from sim.acquirer.book import (
    APPROVE,
    IN_PROGRESS,
    INSUFFICIENT,
    LATE,
    LESS,
    MALFUNCTION,
    PARTIAL,
    UNAVAILABLE,
    VIP,
    Book,
)
from sim.acquirer.host import Host
from tests.server.cards import ARQC, KEYS, PAN, TC, content, de55, short
from tests.server.centre import Centre
from tests.server.handheld import START, Handheld, dumps

A = 200_000
AID = bytes.fromhex("A000000003")
TOLD = (0x9F26, 0x9F27, 0x9F36, 0x95)
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


class Patrol:
    """A device with one shift to settle, the centre, and a host."""

    def __init__(self, folder: Path) -> None:
        self.handheld = Handheld()
        self.centre = Centre(folder, self.handheld)
        self.host = Host(Book(KEYS))

    def pay(self, outcome: int, kind: int, amount: int = A, **card: Any) -> int:
        handheld = self.handheld
        case = handheld.notice(amount)
        intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=amount)
        handheld.finish(intent, outcome, amount, handheld.seal(KEYS.bdk, intent, amount, content(amount, kind, **card)))
        return intent

    def pay_short(self, outcome: int, kind: int, amount: int = A) -> int:
        """Today's form: the record says in clear what the sealed data leave out; the sequence of its outcome."""
        handheld, data = self.handheld, de55(amount, kind)
        said = emv.parse(data)
        intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(amount), amount=amount)
        clear = [*(said[tag] for tag in TOLD), AID]
        blob = handheld.seal_short(KEYS.bdk, intent, amount, short(data, TOLD), clear, 10)
        seq = handheld.finish(intent, outcome, amount, blob)
        more = {r.CRYPTOGRAM: clear[0], r.CID: clear[1][0], r.ATC: 1, r.TVR: clear[3], r.AID: AID}
        handheld.records[seq - 1].update(more)
        return seq

    def alter(self, seq: int, key: int, value: Any) -> None:
        """What the server's database holds of a record is changed behind its back."""
        with self.centre.engine.begin() as connection:
            where = t.raw.c.seq == seq
            record = loads(connection.execute(select(t.raw.c.record).where(where)).scalar())
            connection.execute(update(t.raw).where(where).values(record=dumps({**record, key: value})))

    def sync(self) -> dict[int, Any]:
        centre, handheld = self.centre, self.handheld
        acked = centre.hello(handheld)[s.ACKED_SEQ]
        return centre.send(handheld, acked + 1)

    async def write(self, operation: Callable[[Connection], Any], _device: str = "") -> Any:
        with self.centre.engine.begin() as connection:
            return operation(connection)

    def clock(self) -> int:
        self.centre.now += 4000  # whatever waits is due
        return self.centre.now

    async def settle(self, rounds: int, timeout: float = 5.0) -> int:
        """Let a worker work; how many requests it settled."""
        link = AcquirerLink("127.0.0.1", self.host.port, timeout)
        worker = Worker(self.write, link, self.clock)
        try:
            return sum([await worker.step() for _ in range(rounds)])
        finally:
            await link.close()


@pytest.fixture
def patrol(tmp_path: Path) -> Patrol:
    return Patrol(tmp_path)


def run(patrol: Patrol, story: Callable[[], Any]) -> None:
    async def whole() -> None:
        await patrol.host.start()
        try:
            await story()
        finally:
            await patrol.host.stop()

    asyncio.run(whole())


def test_a_shift_is_authorised_cleared_and_agrees_with_the_capture_list(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC, 300_000)
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC, 400_000, pan="9999990200000003")  # an issuer that the host does not know
    patrol.sync()

    async def story() -> None:
        assert await patrol.settle(2) == 4

    run(patrol, story)
    assert [request for request in patrol.host.types] == ["0220", "0100", "0100", "0220"]
    assert sorted(capture.amount for capture in patrol.host.book.captures()) == [A, 300_000]
    assert patrol.centre.books()["treasury:16:1:BMP-16-01"] == -500_000
    assert patrol.centre.count("sealed") == 0
    results = patrol.centre.hello(patrol.handheld)[s.RESULTS]
    assert [(x[s.RESULT_OUTCOME], x[s.RESULT_REASON]) for x in results] == [(1, "00"), (3, "05")]


def test_what_the_outcome_record_says_in_clear_goes_beside_the_sealed_data(patrol: Patrol) -> None:
    patrol.pay_short(r.OUTCOME_APPROVED, TC)
    patrol.pay_short(r.OUTCOME_PROVISIONAL, ARQC, 300_000)
    patrol.sync()
    for request in patrol.centre.claim():
        fields, _ = iso8583.decode(iso.encode(request, START), iso.SPEC)
        (record,) = [x for x in patrol.handheld.records if x.get(r.INTENT) == request.identity[2]]
        said = emv.parse(bytes.fromhex(fields["55"]))
        assert list(said) == [*TOLD, 0x84] and said[0x9F26] == record[r.CRYPTOGRAM] and said[0x9F36] == b"\0\1"

    async def story() -> None:
        assert await patrol.settle(2) == 3

    run(patrol, story)
    assert sorted(capture.amount for capture in patrol.host.book.captures()) == [A, 300_000]
    assert patrol.centre.count("sealed") == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [(r.CRYPTOGRAM, bytes(8)), (r.CID, 0x80), (r.ATC, 2), (r.TVR, bytes(5)), (r.AID, AID + b"\0"), (r.KIND, r.VOID)],
)
def test_what_was_altered_on_its_way_to_the_acquirer_is_not_captured(patrol: Patrol, key: int, value: Any) -> None:
    seq = patrol.pay_short(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    patrol.alter(seq, key, value)
    run(patrol, lambda: patrol.settle(2))
    assert patrol.host.types == ["0220"] and patrol.host.book.captures() == []
    assert [entry.captured for entry in patrol.host.book.entries.values()] == ["63"]
    assert patrol.centre.alarms() == ["ACQUIRER"]


def test_a_reversal_says_nothing_of_the_card_and_script_results_yield_to_what_opens_the_data() -> None:
    clear = iso.in_clear({r.CRYPTOGRAM: bytes(8), r.CID: 0x40, r.AID: AID})
    assert clear.hex() == "9f2608" + "00" * 8 + "9f270140" + "8405" + AID.hex()
    for step, scripts, expected in (
        (t.STEP_REVERSE, b"", None),
        (t.STEP_AUTHORISE, bytes(5), clear),
        (t.STEP_CLEAR, b"", clear),
        (t.STEP_CLEAR, bytes(5), clear + bytes.fromhex("9f5b05") + bytes(5)),
        (t.STEP_CLEAR, bytes(250), clear),
        (t.STEP_REVERSE, bytes(5), bytes.fromhex("9f5b05") + bytes(5)),
    ):
        request = Request(("TSD-000001", 1, 3), step, False, A, START, "", b"sealed", 16, scripts, clear)
        fields, _ = iso8583.decode(iso.encode(request, START), iso.SPEC)
        assert fields.get("55", "").lower() == (expected or b"").hex()
    without = Request(("TSD-000001", 1, 3), t.STEP_CLEAR, False, A, START, "", None, 16, b"", clear)
    assert "55" not in iso8583.decode(iso.encode(without, START), iso.SPEC)[0]


def test_a_forged_cryptogram_is_declined(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC, master=bytes(16))
    patrol.sync()
    run(patrol, lambda: patrol.settle(2))
    (result,) = patrol.centre.hello(patrol.handheld)[s.RESULTS]
    assert (result[s.RESULT_OUTCOME], result[s.RESULT_REASON]) == (3, "82")
    assert patrol.host.book.captures() == []
    assert patrol.centre.books() == {}


def test_lost_answers_are_asked_for_by_repeats_and_nobody_is_charged_twice(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()
    patrol.host.silent = 1

    async def story() -> None:
        assert await patrol.settle(1) == 0
        patrol.host.silent = 0
        assert await patrol.settle(1) == 1
        patrol.host.silent = 2
        assert await patrol.settle(2) == 0
        assert await patrol.settle(1) == 1

    run(patrol, story)
    assert patrol.host.types == ["0100", "0101", "0220", "0221", "0221"]
    assert patrol.host.book.doubles == 0
    assert len(patrol.host.book.captures()) == 1
    assert patrol.centre.books()["treasury:16:1:BMP-16-01"] == -A


def test_requests_that_never_arrived_are_repeated_and_accepted(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    patrol.host.deaf = 2
    run(patrol, lambda: patrol.settle(3))
    assert patrol.host.types == ["0221"]
    assert len(patrol.host.book.captures()) == 1


def test_a_host_that_is_away_stops_nothing_and_loses_nothing(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()

    async def away() -> None:
        await patrol.host.start()
        await patrol.host.stop()
        assert await patrol.settle(2) == 0

    asyncio.run(away())
    patrol.pay(r.OUTCOME_APPROVED, TC)
    assert patrol.sync()[s.NEW] == 3
    run(patrol, lambda: patrol.settle(3))
    assert len(patrol.host.book.captures()) == 2


def test_an_issuer_that_is_unavailable_is_asked_again(patrol: Patrol) -> None:
    patrol.host.book.profiles[PAN] = UNAVAILABLE
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()

    async def story() -> None:
        assert await patrol.settle(2) == 0
        patrol.host.book.profiles[PAN] = APPROVE
        assert await patrol.settle(2) == 2

    run(patrol, story)
    assert patrol.host.types == ["0100", "0101", "0101", "0220"]


@pytest.mark.parametrize("profile", [LATE, IN_PROGRESS, MALFUNCTION])
def test_what_the_host_left_open_is_asked_again_as_a_repeat_and_captured_once(patrol: Patrol, profile: str) -> None:
    patrol.host.book.profiles[PAN] = profile
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()

    async def story() -> None:
        assert await patrol.settle(1) == 0
        assert await patrol.settle(2) == 2

    run(patrol, story)
    assert patrol.host.types == ["0100", "0101", "0220"]
    assert patrol.host.book.doubles == 0 and len(patrol.host.book.captures()) == 1


@pytest.mark.parametrize("profile", [PARTIAL, LESS])
def test_what_is_approved_in_part_is_declined_and_given_back_over_the_wire(patrol: Patrol, profile: str) -> None:
    patrol.host.book.profiles[PAN] = profile
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.pay(r.OUTCOME_APPROVED, TC)  # its own limit is the card's affair
    patrol.sync()
    patrol.host.silent = 1  # the first answer is lost

    run(patrol, lambda: patrol.settle(4))
    assert patrol.host.types.count("0400") == 1 and patrol.host.book.doubles == 0
    (capture,) = patrol.host.book.captures()
    assert capture.amount == A
    given_back = [entry for entry in patrol.host.book.entries.values() if entry.reversed]
    assert [(entry.amount, entry.granted) for entry in given_back] == [(A, A // 2)]
    (result,) = patrol.centre.hello(patrol.handheld)[s.RESULTS]
    assert (result[s.RESULT_OUTCOME], result[s.RESULT_REASON]) == (r.OUTCOME_DECLINED, codes.OTHER_AMOUNT)
    assert patrol.centre.alarms() == [codes.OTHER_AMOUNT]
    assert patrol.centre.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


@pytest.mark.parametrize("profile", [PARTIAL, LESS])
def test_what_is_approved_in_part_while_the_card_waits_is_doubt_over_the_wire(patrol: Patrol, profile: str) -> None:
    """A real question over TCP: the host answers about half of it."""
    patrol.host.book.profiles[PAN] = profile
    handheld = patrol.handheld
    intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
    blob = handheld.seal(KEYS.bdk, intent, A, content(A, ARQC))
    assert blob is not None
    patrol.centre.hello(handheld)
    patrol.centre.service.ask = lambda request, now: replies[request.step]
    replies: dict[int, Any] = {}

    async def story() -> None:
        link = AcquirerLink("127.0.0.1", patrol.host.port, 5.0)
        request = Request((handheld.name, 1, intent), t.STEP_AUTHORISE, False, A, handheld.utc, "", blob, 16)
        replies[t.STEP_AUTHORISE] = await link.exchange(request, patrol.centre.now)
        await link.close()
        payload = {
            s.NONCE: handheld.nonce, s.EPOCH: 1, s.INTENT: intent, s.AMOUNT: A, s.UTC: handheld.utc, s.CARD_DATA: blob
        }  # fmt: skip
        kind, said = patrol.centre.say(handheld.message(s.TYPE_AUTHORISE, payload))
        assert (kind, said[s.STATE]) == (s.TYPE_AUTHORISED, s.ASKED_DOUBTFUL)
        extra = {"outcome": r.OUTCOME_DECLINED, "amount": A, "scheme": "CIB TEST", "last4": "0017"}
        handheld.write(r.PAYMENT_OUTCOME, intent=intent, **extra, online=r.ONLINE_DOUBTFUL)
        patrol.sync()
        await patrol.settle(3)

    run(patrol, story)
    assert replies[t.STEP_AUTHORISE].amount == A // 2
    assert patrol.host.types == ["0100", "0400"]
    (entry,) = patrol.host.book.entries.values()
    assert entry.reversed and patrol.host.book.captures() == [] and patrol.centre.books() == {}


def test_an_approval_by_another_code_is_captured_whole(patrol: Patrol) -> None:
    patrol.host.book.profiles[PAN] = VIP
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()
    run(patrol, lambda: patrol.settle(2))
    assert patrol.host.types == ["0100", "0220"]
    assert [capture.amount for capture in patrol.host.book.captures()] == [A] and patrol.centre.alarms() == []
    assert patrol.centre.books()["treasury:16:1:BMP-16-01"] == -A


def test_answers_that_come_twice_are_taken_once(patrol: Patrol) -> None:
    for outcome, kind in ((r.OUTCOME_APPROVED, TC), (r.OUTCOME_PROVISIONAL, ARQC), (r.OUTCOME_APPROVED, TC)):
        patrol.pay(outcome, kind)
    patrol.sync()
    patrol.host.echoed = 4
    run(patrol, lambda: patrol.settle(3))
    assert patrol.host.echoed == 0 and patrol.host.types == ["0220", "0100", "0220", "0220"]
    assert len(patrol.host.book.captures()) == 3 and patrol.centre.alarms() == []
    assert patrol.centre.books()["treasury:16:1:BMP-16-01"] == -3 * A


def test_insufficient_funds_decline_a_provisional_but_not_what_the_card_approved(patrol: Patrol) -> None:
    patrol.host.book.profiles[PAN] = INSUFFICIENT
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    run(patrol, lambda: patrol.settle(2))
    assert [capture.amount for capture in patrol.host.book.captures()] == [A]
    assert patrol.centre.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


def test_a_server_restored_from_a_backup_charges_nobody_twice(patrol: Patrol, tmp_path: Path) -> None:
    """The terminal sends its retained records again, without card data; the host knows the references."""
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    run(patrol, lambda: patrol.settle(2))
    before = patrol.centre.books()
    (result,) = patrol.centre.hello(patrol.handheld)[s.RESULTS]
    patrol.handheld.write(r.AUTHORISATION_RESULT, intent=result[s.RESULT_INTENT], outcome=1, amount=A)
    patrol.handheld.attached[s.SEALED].clear()

    patrol.centre = Centre(tmp_path / "restored", patrol.handheld)  # the oldest backup of all: nothing in it
    patrol.sync()
    assert patrol.centre.books() != before
    run(patrol, lambda: patrol.settle(3))
    assert patrol.centre.books() == before
    assert patrol.host.book.doubles == 0 and len(patrol.host.book.captures()) == 2
    assert s.RESULTS not in patrol.centre.hello(patrol.handheld)


def test_a_server_marked_as_restored_sends_what_it_knows_nothing_of_as_repeats(patrol: Patrol, tmp_path: Path) -> None:
    """The terminal still has its card data, since it had not heard of the result: they must not make a new request."""
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    run(patrol, lambda: patrol.settle(2))
    patrol.centre = Centre(tmp_path / "restored", patrol.handheld)
    patrol.centre.now += 86400
    with patrol.centre.engine.begin() as connection:
        restore.mark(connection, patrol.centre.now)
    patrol.sync()
    run(patrol, lambda: patrol.settle(3))
    assert patrol.host.book.doubles == 0 and len(patrol.host.book.captures()) == 2
    assert patrol.host.types[3:] and all(kind[3] == "1" for kind in patrol.host.types[3:])
    assert patrol.centre.books() == {"receivable:CIB TEST": 2 * A, "treasury:16:1:BMP-16-01": -2 * A}
    assert "RESTORED" in patrol.centre.alarms()


def test_a_host_that_talks_nonsense_leaves_the_payment_doubtful(patrol: Patrol) -> None:
    patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
    patrol.sync()
    patrol.host.take = lambda message: b"0110garbage"  # type: ignore[method-assign]
    run(patrol, lambda: patrol.settle(1))
    (request,) = patrol.centre.claim()
    assert request.repeat is True
    assert patrol.centre.books() == {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}


def test_a_silent_host_is_given_up_after_the_time_out(patrol: Patrol) -> None:
    async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def story() -> None:
        patrol.pay(r.OUTCOME_PROVISIONAL, ARQC)
        patrol.sync()
        (request,) = patrol.centre.claim()
        silent = await asyncio.start_server(never, "127.0.0.1", 0)
        link = AcquirerLink("127.0.0.1", silent.sockets[0].getsockname()[1], 0.1)
        with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_UNREACHABLE):
            await link.exchange(request, patrol.centre.now)
        silent.close()

    asyncio.run(story())
