"""A reversal that overtakes what it reverses: a host that knows nothing of a request which was sent may act on it yet, so it is asked
until it can no longer hold the request. What it then never knew is named; what surely never left is believed at once.
"""

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server.acquirer import iso, outbox, settling
from server.acquirer.iso import Answer, Request
from server.ingest.dispatch import Asked
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.book import Book
from sim.acquirer.host import Host
from tests.server.acquirer.test_online import A, HostSays, authorise, begin, silent, take
from tests.server.acquirer.test_voids import paid, void
from tests.server.cards import ARQC, KEYS, content
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = [
    pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning"),
    pytest.mark.usefixtures("greeted"),
]


def due(centre: Centre) -> list[Request]:
    """What is sent now, without waiting."""
    with centre.engine.begin() as connection:
        return outbox.claim(connection, centre.now)


def doubt(centre: Centre, handheld: Handheld) -> tuple[int, HostSays]:
    """A payment that was put to its issuer without an answer and declined as in doubt; its intent."""
    host = HostSays(centre)
    host.error = silent(unsent=False)
    intent = begin(handheld)
    blob = handheld.seal(KEYS.bdk, intent, A, content(A, ARQC))
    centre.say(authorise(handheld, intent, A, blob))
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    return intent, host


def notes(centre: Centre) -> list[str]:
    """What the audit log has of reversals that ended without the host's word."""
    with reading(centre.engine) as connection:
        found = connection.execute(select(t.audit).where(t.audit.c.level == t.LEVEL_WARNING))
        return [row.what for row in found if row.code == "REVERSAL"]


def unsettled(centre: Centre) -> int:
    with reading(centre.engine) as connection:
        return outbox.unsettled(connection)


def test_an_approval_that_comes_after_its_reversal_is_reversed(centre: Centre, handheld: Handheld) -> None:
    _, asked = doubt(centre, handheld)
    host, centre.now = Host(Book(KEYS)), centre.now + 1
    (reversal,) = due(centre)
    assert iso.decode(host.take(iso.encode(reversal, centre.now)) or b"").response == "25"
    assert not centre.answer(reversal, "25") and unsettled(centre) == 1
    question = iso.encode(asked.asked[0], centre.now)
    assert iso.decode(host.take(question) or b"").response == "00"  # it had waited at the host
    centre.now += 2
    (again,) = due(centre)
    assert again.repeat
    answer = iso.decode(host.take(iso.encode(again, centre.now)) or b"")
    assert centre.answer(again, answer.response)
    (entry,) = host.book.entries.values()
    assert entry.authorised == "00" and entry.reversed and host.types == ["0400", "0100", "0401"]
    assert unsettled(centre) == 0 and notes(centre) == [] and centre.alarms() == [] and centre.books() == {}


def test_a_host_that_never_heard_of_it_is_asked_until_it_can_hold_it_no_longer_and_then_named(
    centre: Centre, handheld: Handheld
) -> None:
    intent, _ = doubt(centre, handheld)
    begun, sent = centre.now, []
    while unsettled(centre):
        for request in due(centre):
            sent.append(centre.now - begun)
            ended = centre.answer(request, "25")
            assert ended == (sent[-1] >= outbox.HOLDS) and (notes(centre) != []) == ended
        centre.now += 1
    assert sent[:4] == [0, 1, 3, 7] and sent[-1] == outbox.HOLDS and len(sent) == 13
    (note,) = notes(centre)
    assert f"payment {intent} " in note and centre.alarms() == [] and centre.books() == {}


def test_an_answer_counts_from_when_it_was_given_however_late_it_is_written_down(
    centre: Centre, handheld: Handheld
) -> None:
    """The process stood still with a 25 in hand until the host could have held the question no longer."""
    doubt(centre, handheld)
    [request] = due(centre)
    sent = centre.now
    centre.now += outbox.HOLDS + 100
    nothing = Answer(request.identity, request.step, settling.NO_RECORD, "", iso.reference(request.identity))
    with centre.engine.begin() as connection:
        assert not settling.settle(connection, request, nothing, centre.now, sent=sent)
    assert notes(centre) == [] and unsettled(centre) == 1
    [again] = centre.claim()
    assert again.repeat and centre.answer(again, settling.NO_RECORD) and len(notes(centre)) == 1


@pytest.mark.parametrize("response", ["00", "91"])
def test_what_the_issuer_was_reached_for_is_not_believed_to_be_unknown_either(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    HostSays(centre, response)
    intent = begin(handheld)
    centre.say(authorise(handheld, intent))
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (reversal,) = due(centre)
    assert not centre.answer(reversal, "25") and unsettled(centre) == 1


def test_a_clearing_that_was_sent_may_come_after_its_reversal_too(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    (clearing,) = due(centre)
    assert centre.answer(clearing, "25")  # to a person, whose void comes now
    centre.send(handheld, void(handheld, intent))
    (reversal,) = due(centre)
    assert not centre.answer(reversal, "25")
    assert s.VOIDS not in centre.hello(handheld)
    (reversal,) = centre.claim()
    assert centre.answer(reversal, "25") and len(notes(centre)) == 1
    assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_DONE


def test_of_what_surely_never_left_the_host_is_believed_at_once(centre: Centre, handheld: Handheld) -> None:
    """A void of a clearing that was kept back, and an outcome in doubt whose question never came."""
    intent = paid(handheld)
    void(handheld, intent)
    take(handheld, begin(handheld), r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    for reversal in due(centre):
        assert reversal.step == t.STEP_REVERSE and centre.answer(reversal, "25")
    assert unsettled(centre) == 0 and notes(centre) == [] and centre.alarms() == []


def test_after_a_restore_nothing_surely_never_left(centre: Centre, handheld: Handheld) -> None:
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    take(handheld, begin(handheld), r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.hello(handheld)
    centre.send(handheld)
    (reversal,) = due(centre)
    assert not centre.answer(reversal, "25") and unsettled(centre) == 1


def test_a_reversal_asked_for_again_begins_anew_whatever_comes_of_the_one_under_way(
    centre: Centre, handheld: Handheld
) -> None:
    """The issuer's approval is written down late, after the first reversal left; the host's word on that one is older."""
    intent, asked = doubt(centre, handheld)
    centre.now += outbox.HOLDS
    (first,) = due(centre)
    said = Answer((handheld.name, 1, intent), t.STEP_AUTHORISE, "00", "123456", iso.reference(asked.asked[0].identity))
    message = centre.service.check(authorise(handheld, intent, A, asked.asked[0].sealed or b""))
    with centre.engine.begin() as connection:
        centre.service.answered(connection, Asked(message, asked.asked[0]), said, False, centre.now)  # type: ignore[arg-type]
    assert not centre.answer(first, "25") and notes(centre) == []
    (second,) = due(centre)
    assert second.repeat and not centre.answer(second, "25")
    centre.now += outbox.HOLDS
    (third,) = due(centre)
    assert centre.answer(third, "00") and unsettled(centre) == 0 and centre.alarms() == []
