"""Terminal risk management and processing restrictions: TVR bytes 1, 2 and 4."""

from protocol.emv.steps import risk
from tests.protocol.emv.scripted import (
    DECLINED,
    PAN_DIGITS,
    PROVISIONAL,
    Card,
    aid_entry,
    body,
    h,
    pay,
    sha256,
    tlv,
    txn,
)

LIMITS = {"9F14": b"\x03", "9F23": b"\x05"}


def _pay(fields=None, transaction=None, replies=None, aid=None, **more):
    """Everything goes online (ones), so that only the bits are looked at."""
    whole = {"9F0E": bytes(5)}
    whole.update(fields or {})
    entry = aid_entry(tac_denial=bytes(5), **(aid or {}))
    card = Card(kinds=(0x00, 0x00), fields=whole, replies=replies)
    parameters = more.pop("parameters", {})
    return pay(card, body(entry, **parameters), transaction, **more)[0]


def test_floor_limit_counts_from_the_limit_itself():
    for amount, byte4 in ((999999, 0x00), (1000000, 0x80), (1000001, 0x80)):
        assert _pay(transaction=txn(amount=amount)).tvr[3] == byte4


def test_amounts_spent_before_count_towards_the_floor_limit():
    assert _pay(identified={"logged": 499999}).tvr[3] == 0x00
    assert _pay(identified={"logged": 500000}).tvr[3] == 0x80


def test_random_selection_target_is_biased():
    assert risk.target(0, 1000, 500, 20, 80) == 20000
    assert risk.target(499, 1000, 500, 20, 80) == 20000
    assert risk.target(500, 1000, 500, 20, 80) == 20000
    assert risk.target(750, 1000, 500, 20, 80) == 50000
    assert risk.target(999, 1000, 500, 20, 80) == 79880
    assert risk.target(10, 1000, 1000, 20, 80) == 20000
    assert risk.target(10, 0, 0, 20, 80) == 20000


def test_random_selection_takes_one_to_ninety_nine():
    aid = {"target_pct": 50, "max_target_pct": 50}
    for byte, selected in (
        (0, True),
        (49, True),
        (50, False),
        (98, False),
        (99, True),
        (148, True),
        (149, False),
        (197, False),
    ):
        assert bool(_pay(aid=aid, random=byte).tvr[3] & 0x10) == selected, byte


def test_generator_that_is_stuck_goes_online():
    assert _pay(aid={"target_pct": 1}, random=255).tvr[3] == 0x10


def test_no_random_number_is_asked_without_a_target():
    _, trace = pay(Card())
    assert not trace.of("random")


def test_target_of_ninety_nine_selects_everything():
    assert _pay(aid={"target_pct": 99}, random=98).tvr[3] == 0x10


def _counters(atc, last):
    return {"GET 9F36": tlv("9F36", h(atc)) + h("9000"), "GET 9F13": tlv("9F13", h(last)) + h("9000")}


def test_velocity():
    for atc, last, byte2, byte4 in (
        ("0104", "0103", 0x00, 0x00), ("0106", "0103", 0x00, 0x00), ("0107", "0103", 0x00, 0x40), ("0108", "0103", 0x00, 0x40),
        ("0109", "0103", 0x00, 0x60), ("0103", "0103", 0x00, 0x60), ("0102", "0103", 0x00, 0x60), ("0001", "0000", 0x08, 0x00),
        ("0009", "0000", 0x08, 0x60), ("0000", "0000", 0x08, 0x60),
    ):  # fmt: skip
        result = _pay(LIMITS, replies=_counters(atc, last))
        assert (result.tvr[1], result.tvr[3]) == (byte2, byte4), (atc, last)


def test_counters_that_cannot_be_read_count_as_exceeded():
    for name in ("GET 9F36", "GET 9F13"):
        replies = _counters("0104", "0103")
        replies[name] = h("6A88")
        result = _pay(LIMITS, replies=replies)
        assert (result.tvr[1], result.tvr[3]) == (0x00, 0x60)


def test_one_limit_alone_means_no_velocity_checking():
    for tag in LIMITS:
        card = Card(fields={tag: b"\x00"})
        result, _ = pay(card)
        assert result.tvr[3] == 0 and "GET 9F36" not in card.names


def test_malformed_counter_ends_the_transaction():
    replies = _counters("0104", "0103")
    replies["GET 9F13"] = h("9F1301039000")
    result = _pay(LIMITS, replies=replies)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-102")


def test_exception_file():
    assert _pay(parameters={"exceptions": [sha256(PAN_DIGITS)]}).tvr[0] == 0x10
    assert _pay(parameters={"exceptions": [sha256(b"9999990000000026")]}).tvr[0] == 0x00
    assert _pay(identified={"exception": True}).tvr[0] == 0x10


def test_a_hot_listed_card_is_not_deferred():
    for listed, outcome in ((False, PROVISIONAL), (True, DECLINED)):
        entry = aid_entry(tac_denial=bytes(5), floor=1)
        card = Card(kinds=(0x80, 0x00))
        result, _ = pay(card, body(entry), identified={"exception": listed})
        assert (result.outcome, result.reason) == (outcome, "DEFERRED" if outcome == PROVISIONAL else "Z3")


def test_terminal_can_force_online():
    assert _pay(identified={"online": True}).tvr[3] == 0x08


def test_caller_stops_before_anything_that_changes_the_card():
    card = Card()
    result, _ = pay(card, identified="limit of the day")
    assert (result.outcome, result.reason, result.detail, result.terminated) == (
        DECLINED,
        "STOP",
        "limit of the day",
        True,
    )
    assert card.names[-1] == "READ 2 2"


def test_application_version():
    assert _pay({"9F08": h("0002")}).tvr[1] == 0x80
    assert _pay({"9F08": None}).tvr[1] == 0x00


def test_dates():
    for effective, expiry, byte2 in (
        ("261122", "261122", 0x00), ("261123", "301231", 0x20), ("240101", "261121", 0x40), (None, "261130", 0x00),
        ("991231", "301231", 0x00), ("240101", "991231", 0x40),
    ):  # fmt: skip
        fields = {"5F25": h(effective) if effective else None, "5F24": h(expiry)}
        assert _pay(fields).tvr[1] == byte2, (effective, expiry)


def test_usage_control():
    for usage, country, kind, byte2 in (
        ("FF00", "0012", 0, 0x00), ("FE00", "0012", 0, 0x10), ("2100", "0012", 0, 0x00), ("0900", "0012", 0, 0x00),
        ("1500", "0012", 0, 0x10), ("1500", "0250", 0, 0x00), ("2900", "0250", 0, 0x10), ("0100", None, 0, 0x00),
        ("8100", "0012", 1, 0x00), ("4100", "0012", 1, 0x10), ("4100", "0250", 1, 0x00), ("2180", "0012", 9, 0x00),
        ("2140", "0012", 9, 0x10), ("1540", "0250", 9, 0x00), (None, "0012", 0, 0x00),
    ):  # fmt: skip
        fields = {"9F07": h(usage) if usage else None, "5F28": h(country) if country else None}
        assert _pay(fields, transaction=txn(type=kind)).tvr[1] == byte2, (usage, country, kind)


def test_risk_management_runs_whatever_the_card_says():
    card = Card(kinds=(0x00,), aip="1100")
    result, _ = pay(card, body(aid_entry(floor=1)))
    assert result.tvr[3] == 0x80 and result.tsi[0] & 0x08
