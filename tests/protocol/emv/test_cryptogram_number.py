"""A cryptogram that holds the card's number: it would stand in record and receipt in clear."""

from tests.protocol.emv.scripted import DECLINED, Card, h, pay


def _answer(kind, value):
    return {"GAC 1": h("800E" + f"{kind:02X}" + "0102" + value + "06011203A00000"[:6] + "9000")}


def test_a_cryptogram_that_is_the_cards_number_ends_the_payment_and_is_not_told():
    numbers = (
        "9999990000000018", "1199999900000000", "999999000000AAAA", "9999990A00000018", "0018999999000000", "A9999A90000A0A18",
        "999999000AAAAAAA", "AA99999900A0AA18",
    )  # fmt: skip
    for kind in (0x00, 0x80):
        for number in numbers:
            result, _ = pay(Card(oda="none", kinds=(kind,), replies=_answer(kind, number)))
            assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-102", "9F26"), number
            assert not result.cryptogram
            for text in [str(result.error), repr(result.error)] + ["".join(pair) for pair in result.explain]:
                assert number[:6] not in text


def test_a_cryptogram_may_share_as_many_digits_with_the_number_as_a_receipt_may_have():
    for value in ("99999900AAAAAAAA", "AAAA9999AAAA0018", "A9A9A9A0A0A0A0A1"):  # eight of sixteen in their places
        result, _ = pay(Card(oda="none", kinds=(0x80, 0x00), replies=_answer(0x80, value)))
        assert result.detail != "9F26", value
