"""What a terminal cannot take any more is told again and again, and keeps nothing else waiting: results, receipts, ends of voids."""

from protocol import records as r
from protocol import sync as s
from server.acquirer import voids
from server.ingest import results
from tests.server.centre import Centre
from tests.server.handheld import Handheld, open_reply

TOKEN = bytes(8)


def _settle(centre: Centre) -> None:
    """Let the acquirer approve until nothing waits."""
    while requests := centre.claim():
        for request in requests:
            assert centre.answer(request, "00")


def _told(reply: dict[int, object]) -> list[int]:
    return [result[s.RESULT_INTENT] for result in reply.get(s.RESULTS, ())]  # type: ignore[attr-defined]


def test_results_that_nobody_can_take_keep_no_later_one_waiting(either: Centre, handheld: Handheld) -> None:
    """The outcomes of most are lost in the terminal, after they had been acknowledged; it never writes their results down."""
    intents = [handheld.pay(r.OUTCOME_PROVISIONAL) for _ in range(3 * results.MAX_PENDING + 1)]
    either.hello(handheld)
    either.send(handheld)
    _settle(either)
    for _ in range(2):
        told = [_told(either.hello(handheld)) for _ in range(4)]
        assert all(len(each) == results.MAX_PENDING and each == sorted(each) for each in told)
        assert set().union(*told) == set(intents), "each has its turn within four sessions"


def test_sixteen_results_written_down_and_lost_leave_room_for_the_seventeenth(
    either: Centre, handheld: Handheld
) -> None:
    handheld.tells = True
    for _ in range(results.MAX_PENDING):
        handheld.pay(r.OUTCOME_PROVISIONAL)
    either.hello(handheld)
    either.send(handheld)
    _settle(either)
    first = len(handheld.records) + 1
    for intent in _told(either.hello(handheld)):
        handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=200_000, auth_code="123456")
    last = len(handheld.records)
    later = handheld.pay(r.OUTCOME_PROVISIONAL)
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    either.hello(handheld)
    kind, ack = either.say(handheld.batch(last + 1, gap=first))
    assert (kind, ack[s.ACKED_SEQ]) == (s.TYPE_ACK, len(handheld.records))
    _settle(either)
    assert later in _told(either.hello(handheld)) + _told(either.hello(handheld))


def test_receipts_for_which_a_terminal_has_no_record_left_keep_no_other_waiting(
    either: Centre, handheld: Handheld
) -> None:
    """The records that say so are lost, or never written: nothing comes back."""
    intents = [handheld.pay(r.OUTCOME_APPROVED) for _ in range(results.MAX_CLEARED + 5)]
    waiting = [handheld.pay(r.OUTCOME_PROVISIONAL) for _ in range(results.MAX_PENDING + 1)]
    either.hello(handheld)
    for first in range(1, len(handheld.records) + 1, 90):
        either.send(handheld, first, min(first + 89, len(handheld.records)))
    _settle(either)
    seen: set[int] = set()
    for _ in range(3):
        reply = either.hello(handheld)
        seen |= {pair[0] for pair in open_reply(reply[s.CLEARED], either.keys.public("ack"))[1][s.CLEARED]}
    assert seen == set(intents) and not seen & set(waiting), "no receipt before the result is written down"


def test_ends_of_voids_that_nobody_writes_down_keep_no_other_waiting(either: Centre, handheld: Handheld) -> None:
    asked = []
    for _ in range(voids.MAX_PENDING + 2):
        intent = handheld.pay(r.OUTCOME_APPROVED)
        handheld.records[-1][r.CARD_TOKEN] = TOKEN
        handheld.write(
            r.VOID, intent=intent, amount=200_000, void_state=r.VOID_ASKED, second_officer=1300, card_token=TOKEN
        )
        asked.append(intent)
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld)
    _settle(either)
    told = [[end[s.RESULT_INTENT] for end in either.hello(handheld)[s.VOIDS]] for _ in range(2)]
    assert [len(each) for each in told] == [voids.MAX_PENDING] * 2
    assert set(told[0]) | set(told[1]) == set(asked)


def test_what_was_written_down_arrived_and_is_lost_in_the_terminal_is_told_again(
    either: Centre, handheld: Handheld
) -> None:
    """The record of a result, of a receipt and of a void's end; then the gap record that names them."""
    deferred, taken = handheld.pay(r.OUTCOME_PROVISIONAL), handheld.pay(r.OUTCOME_APPROVED)
    handheld.records[-1][r.CARD_TOKEN] = TOKEN
    either.hello(handheld)
    either.send(handheld)
    _settle(either)
    asked = {"void_state": r.VOID_ASKED, "second_officer": 1300, "card_token": TOKEN}
    handheld.write(r.VOID, intent=taken, amount=200_000, **asked)
    either.hello(handheld)
    either.send(handheld, 7)
    _settle(either)
    first = handheld.write(r.AUTHORISATION_RESULT, intent=deferred, outcome=1, amount=200_000)
    handheld.write(r.VOID, intent=taken, amount=200_000, void_state=r.VOID_DONE)
    last = handheld.write(r.CARD_DATA_ERASED, intents=[deferred, taken], receipt=bytes(32))
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, first)
    reply = either.hello(handheld)
    assert not {s.RESULTS, s.VOIDS, s.CLEARED} & reply.keys()
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, last + 1)
    reply = either.hello(handheld)
    assert _told(reply) == [deferred] and [end[s.RESULT_INTENT] for end in reply[s.VOIDS]] == [taken]
    assert open_reply(reply[s.CLEARED], either.keys.public("ack"))[1][s.CLEARED][0][0] == taken
    books = either.books()
    handheld.write(r.AUTHORISATION_RESULT, intent=deferred, outcome=1, amount=200_000)
    handheld.write(r.VOID, intent=taken, amount=200_000, void_state=r.VOID_DONE)
    handheld.write(r.CARD_DATA_ERASED, intents=[deferred, taken], receipt=bytes(32))
    assert s.REJECTED not in either.send(handheld, last + 2)
    assert not {s.RESULTS, s.VOIDS, s.CLEARED} & either.hello(handheld).keys() and either.books() == books
