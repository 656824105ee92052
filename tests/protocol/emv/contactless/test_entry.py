"""The entry point: pre-processing, the directory, selection of the combination, on both runtimes."""

from protocol.emv.contactless import directory
from tests.protocol.emv.contactless.scripted_tap import Tap, body, combination, fci, tap, txn
from tests.protocol.emv.scripted import APPROVED, DECLINED, PAN, PROVISIONAL, h, tlv

A, B = h("F00000544401"), h("F00000544402")


def _entry(aid, priority=b"\x01", kernel=None, extension=None, label=b"CIB TEST"):
    inner = tlv("4F", aid) + tlv("50", label) + (tlv("87", priority) if priority is not None else b"")
    if kernel is not None:
        inner += tlv("9F2A", kernel)
    return tlv("61", inner + (tlv("9F29", extension) if extension is not None else b""))


def _selected(card):
    return [name[7:] for name in card.names if name.startswith("SELECT F")]


def test_an_amount_at_the_limit_never_reaches_the_card():
    card = Tap()
    for amount in (0, 1000000, 5000000):
        result, trace = tap(card, transaction=txn(amount))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-143")
    assert not card.names and not trace.asked
    result, _ = tap(card, transaction=txn(999999), online={"arc": "51"})
    assert card.names and result.reason != "EMV-143"


def test_a_set_without_combinations_takes_no_contactless_card():
    parameters = body()
    parameters["contactless"] = []
    assert tap(Tap(), parameters)[0].reason == "EMV-143"


def test_priority_then_order_decides_and_a_refused_application_gives_way_to_the_next():
    both = body(combination(), combination(aid=B))
    for entries, expected in (
        (_entry(A, b"\x02") + _entry(B, b"\x01"), [B]),
        (_entry(A, b"\x02") + _entry(B, b"\x02"), [A]),
        (_entry(A, None) + _entry(B, b"\x0f"), [B]),
        (_entry(A, b"\x00") + _entry(B, b"\x0f"), [B]),
    ):
        card = Tap(directory=entries)
        assert tap(card, both)[0].outcome == APPROVED
        assert _selected(card) == [aid.hex().upper() for aid in expected]
    card = Tap(directory=_entry(A) + _entry(B, b"\x02"), replies={"SELECT F00000544401": h("6A82")})
    assert tap(card, both)[0].outcome == APPROVED and _selected(card) == ["F00000544401", "F00000544402"]
    card = Tap(directory=_entry(A) + _entry(B, b"\x02"), replies={"GPO": [h("6985")]})
    result, _ = tap(card, both)
    assert result.outcome == APPROVED and result.aid == B


def test_the_kernel_is_the_one_that_the_entry_names():
    for identifier, found in (
        (None, True),
        (b"", True),
        (h("03"), True),
        (h("04"), False),
        (h("43"), False),
        (h("830012"), False),
        (h("C3"), False),
    ):
        card = Tap(directory=_entry(A, kernel=identifier))
        result, _ = tap(card)
        assert (result.outcome == APPROVED) == found, identifier
        if not found:
            assert result.reason == "EMV-142" and not _selected(card)


def test_default_kernels_by_scheme():
    rows = [
        ("A0000000031010", 3),
        ("A0000000041010", 2),
        ("A00000002501", 4),
        ("A0000000651010", 5),
        ("A0000001523010", 6),
        ("A000000333010101", 7),
    ]
    for aid, kernel in rows:
        for nothing in (None, b"", h("00")):
            assert directory.requested_kernel(h(aid), nothing) == kernel
        assert directory.requested_kernel(h(aid), h("0000")) == 0  # that is a number, and it means any
    assert directory.requested_kernel(A, None) == 0 and directory.requested_kernel(A, h("00")) == 0
    assert (
        directory.requested_kernel(A, h("810012")) not in (0, 1, 2, 3)
        and directory.requested_kernel(A, h("41")) is None
        and directory.requested_kernel(A, h("030000000000000000")) is None
    )


def test_partial_names_and_exact_ones():
    longer = A + h("07")
    card = Tap(directory=_entry(longer))
    assert tap(card)[0].outcome == APPROVED and _selected(card) == [longer.hex().upper()]
    assert tap(Tap(directory=_entry(longer)), body(combination(partial=False)))[0].reason == "EMV-142"


def test_an_application_tapped_says_no_more_of_its_name_than_a_number_has_room_in():
    rows = ((b"", b""), (PAN[:2], PAN[:2]), (PAN[:3], b""), (PAN, b""), (PAN + b"\xff\xff", b""))
    for kind, outcome in ((0x40, APPROVED), (0x80, PROVISIONAL), (0x00, DECLINED)):
        for more, told in rows:
            result, trace = tap(Tap(kind=kind, directory=_entry(A + more)))
            assert (result.outcome, result.aid) == (outcome, A + told)
            assert trace.of("identified")[0][1]["aid"] == A + told
            assert outcome == DECLINED or tlv("84", A + more) in result.de55
    replies = {"SELECT F00000544401AB": fci(A + PAN, tlv("9F38", Tap().pdol))}
    card = Tap(directory=_entry(A, extension=h("AB")), replies=replies)
    assert tap(card, body(combination(extended=True)))[0].aid == A


def test_extended_selection_is_sent_where_the_set_allows_it():
    replies = {"SELECT F00000544401AB": fci(A, tlv("9F38", Tap().pdol))}
    card = Tap(directory=_entry(A, extension=h("AB")), replies=replies)
    assert tap(card, body(combination(extended=True)))[0].outcome == APPROVED and _selected(card) == ["F00000544401AB"]
    card = Tap(directory=_entry(A, extension=h("AB")))
    assert tap(card)[0].outcome == APPROVED and _selected(card) == ["F00000544401"]


def test_a_card_without_a_usable_directory_has_nothing_in_common():
    for reply in (h("6A82"), h("6A81"), h("6D00")):
        assert tap(Tap(replies={"SELECT PPSE": reply}))[0].reason == "EMV-142"
    assert tap(Tap(directory=_entry(h("F000005445"))))[0].reason == "EMV-142"
    assert tap(Tap(directory=_entry(h("F0000054"))))[0].reason == "EMV-142"
    assert tap(Tap(directory=tlv("61", tlv("50", b"X"))))[0].reason == "EMV-142"
    assert tap(Tap(directory=tlv("61", tlv("50", b"X")) * 2))[0].reason == "EMV-142"
    assert tap(Tap(directory=_entry(A, b"\x01\x02")))[0].reason == "EMV-142"


def test_a_malformed_directory_is_refused_with_its_code():
    ppse = b"2PAY.SYS.DDF01"
    rows = [
        (fci(ppse, b""), "EMV-104"), (fci(b"1PAY.SYS.DDF01", tlv("BF0C", _entry(A))), "EMV-108"), (h("6F00") + h("9000"), "EMV-108"),
        (h("7000") + h("9000"), "EMV-108"), (fci(ppse, tlv("BF0C", h("6105"))), "EMV-101"),
        (fci(ppse, tlv("BF0C", _entry(A) + _entry(A, b"\x02"))), "EMV-103"),
        (fci(ppse, tlv("BF0C", tlv("61", tlv("4F", A) + tlv("4F", B)))), "EMV-103"), (fci(ppse, tlv("BF0C", b"") * 2), "EMV-103"),
    ]  # fmt: skip
    for reply, reason in rows:
        result, _ = tap(Tap(replies={"SELECT PPSE": reply}))
        assert (result.outcome, result.reason) == (DECLINED, reason)


def test_an_application_that_answers_for_another_is_refused():
    result, _ = tap(Tap(replies={"SELECT F00000544401": fci(B, b"")}))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-108")
