"""The simulated acquirer started again: what it was asked before still counts."""

from pathlib import Path

import iso8583
import pytest

from protocol import records as r
from server.acquirer import iso
from sim.acquirer.book import Book
from sim.acquirer.diary import Diary
from sim.acquirer.host import Host
from tests.server.cards import KEYS, TC
from tests.server.test_acquirer_link import START, Patrol

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def test_a_host_that_is_started_again_knows_what_it_was_asked(tmp_path: Path) -> None:
    patrol = Patrol(tmp_path)
    patrol.pay(r.OUTCOME_APPROVED, TC)
    patrol.sync()
    message = bytes(iso.encode(patrol.centre.claim()[0], START))
    diary = tmp_path / "requests"
    first = Host(Book(KEYS), diary=Diary(diary))
    answer = first.take(message)
    assert answer is not None and iso8583.decode(answer, iso.SPEC)[0]["39"] == "00"
    captures = first.book.captures()
    assert len(captures) == 1
    with diary.open("ab") as file:
        file.write(b"\1\0cut")  # a stop in the midst of the next
    for _ in range(2):
        again = Host(Book(KEYS), diary=Diary(diary))
        assert again.book.captures() == captures
    fields, _ = iso8583.decode(message, iso.SPEC)
    other = bytes(iso8583.encode({**fields, "37": "999999999999"}, iso.SPEC)[0])
    answer = again.take(other)
    assert (
        answer is not None and iso8583.decode(answer, iso.SPEC)[0]["39"] == "63"
    )  # the same cryptogram under another reference
    assert again.book.captures() == captures and Host(Book(KEYS), diary=Diary(diary)).book.replays == 1
