"""The simulated host's wire: what it makes of the fields of ISO 8583:1987 messages, which are built here and not by the server."""

import iso8583
import pytest

from sim.acquirer.book import Book, auth_code, card_digest
from sim.acquirer.host import SPEC, Host
from tests.server.cards import ARQC, KEYS, PAN, TC, content
from tests.server.handheld import Handheld

A = 200_000
REFERENCE = "REF000000007"
PURCHASES = ("000000", "001000", "003000")
OTHERS = ("200000", "010000", "090000", "310000", "")
"""Field 3 of a refund, cash, a purchase with cashback, a balance inquiry; and none, though it is mandatory in 0100, 0220 and 0400."""

pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)  # EMV is triple DES


def message(handheld: Handheld, mti: str, processing: str, blob: bytes | None = None, **more: str) -> bytes:
    fields = {
        "t": mti, "3": processing, "4": f"{A:012d}", "7": "1130063324", "11": "000007", "12": "063300", "13": "1130", "22": "051",
        "37": REFERENCE, "41": "SD000001", "42": "DZFINES00000016", "48": blob.hex().upper() if blob else "", "49": "012",
        "60": f"{handheld.name}/1/7", **more,
    }  # fmt: skip
    return bytes(iso8583.encode({key: value for key, value in fields.items() if value}, SPEC)[0])


def said(host: Host, asked: bytes) -> tuple[str, str]:
    """Message type and field 39 of the answer."""
    answer = host.take(asked)
    assert answer is not None
    fields, _ = iso8583.decode(answer, SPEC)
    return fields["t"], fields["39"]


def sealed(handheld: Handheld, kind: int) -> bytes:
    return handheld.seal(KEYS.bdk, 7, A, content(A, kind))


@pytest.mark.parametrize("processing", PURCHASES)
def test_a_purchase_is_authorised_cleared_and_reversed_whatever_account_it_names(
    handheld: Handheld, processing: str
) -> None:
    host = Host(Book(KEYS))
    assert said(host, message(handheld, "0100", processing, sealed(handheld, ARQC))) == ("0110", "00")
    assert said(host, message(handheld, "0220", processing, **{"38": auth_code(REFERENCE)})) == ("0230", "00")
    assert [capture.card for capture in host.book.captures()] == [card_digest(PAN)]
    assert said(host, message(handheld, "0400", processing)) == ("0410", "00")
    assert host.book.captures() == []


@pytest.mark.parametrize("processing", OTHERS)
@pytest.mark.parametrize("mti", ["0100", "0101", "0220", "0221"])
def test_what_is_no_purchase_is_refused_and_changes_nothing(handheld: Handheld, mti: str, processing: str) -> None:
    host = Host(Book(KEYS))
    asked = message(handheld, mti, processing, sealed(handheld, ARQC if mti < "0200" else TC))
    assert said(host, asked)[1] == "12"
    assert host.book.entries == {} and host.book.captures() == []


@pytest.mark.parametrize("processing", OTHERS)
@pytest.mark.parametrize("mti", ["0400", "0401"])
def test_a_reversal_says_what_it_takes_back(handheld: Handheld, mti: str, processing: str) -> None:
    """A reversal repeats the processing code of the purchase; one of another transaction takes nothing back."""
    host = Host(Book(KEYS))
    assert said(host, message(handheld, "0220", "000000", sealed(handheld, TC))) == ("0230", "00")
    assert said(host, message(handheld, mti, processing)) == ("0410", "12")
    assert len(host.book.captures()) == 1
    assert said(host, message(handheld, mti, "000000")) == ("0410", "00")


def test_what_was_refused_so_can_be_asked_for_rightly_as_new(handheld: Handheld) -> None:
    host = Host(Book(KEYS))
    blob = sealed(handheld, ARQC)
    assert said(host, message(handheld, "0100", "200000", blob)) == ("0110", "12")
    assert said(host, message(handheld, "0100", "000000", blob)) == ("0110", "00")
    assert host.book.doubles == 0 and host.book.replays == 0
