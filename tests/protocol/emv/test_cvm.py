"""Cardholder verification: the decision table of the CVM list, with results, TVR byte 3 and TSI exact (Book 4, 6.3.4.5)."""

from tests.protocol.emv.scripted import DECLINED, PROVISIONAL, Card, aid_entry, body, h, pay, txn
from tests.support.dual import record

X_Y = "0000100000080000"  # 4,096 and 524,288 centimes
OPEN = bytes(5)


def _pay(rules, capabilities="20A8C8", transaction=None, pins=(), fields=None, tries=3, terminal_type=0x22, **more):
    changes = {"8E": h(X_Y + rules) if rules is not None else None, "9F0D": OPEN, "9F0E": OPEN, "9F0F": OPEN}
    changes.update(fields or {})
    card = Card(fields=changes)
    card.tries = tries
    aid = aid_entry(
        tac_denial=OPEN, tac_online=OPEN, tac_default=OPEN, capabilities=h(capabilities), terminal_type=terminal_type
    )
    result, trace = pay(card, body(aid), transaction, pins=list(pins), **more)
    return result, trace, card


# rules, capabilities, amount, type, pins -> CVM results, TVR byte 3, TSI bit, signature
TABLE = (
    ("1F00", "20A8C8", 500000, 0, (), "1F0002", 0x00, False),  # no CVM
    ("1E00", "20A8C8", 500000, 0, (), "1E0000", 0x00, True),  # signature: result unknown
    ("5E00", "20A8C8", 500000, 0, (), "5E0000", 0x00, True),  # the "go on" bit stays in the results
    ("0000", "20A8C8", 500000, 0, (), "000001", 0x80, False),  # fail CVM
    ("40001F00", "20A8C8", 500000, 0, (), "1F0002", 0x00, False),  # fail, but go on
    ("0100", "20A8C8", 500000, 0, (b"1234",), "010002", 0x00, False),
    ("0100", "20A8C8", 500000, 0, (None,), "010001", 0x88, False),  # bypassed
    ("41001F00", "20A8C8", 500000, 0, (None,), "1F0002", 0x08, False),
    ("41000400", "20B8C8", 500000, 0, (None,), "040001", 0x88, False),  # bypass holds for every PIN after it
    ("0100", "2028C8", 500000, 0, (), "3F0001", 0x90, False),  # no offline PIN at all: no PIN pad
    ("0400", "20A8C8", 500000, 0, (), "3F0001", 0x80, False),  # plaintext only: some offline PIN is there
    ("0200", "20A8C8", 500000, 0, (), "3F0001", 0x90, False),  # online PIN not supported
    ("42001E00", "20A8C8", 500000, 0, (), "1E0000", 0x10, True),
    ("0300", "20A8C8", 500000, 0, (b"1234",), "030000", 0x00, True),  # PIN and signature: left to the signature
    ("0300", "2088C8", 500000, 0, (), "3F0001", 0x80, False),  # no signature, so not this one
    ("0600", "20A8C8", 500000, 0, (), "3F0001", 0xC0, False),  # biometry: not recognised
    ("6F001F00", "20A8C8", 500000, 0, (), "1F0002", 0x40, False),
    ("2000", "20A8C8", 500000, 0, (), "3F0001", 0xC0, False),
    ("1F01", "20A8C8", 500000, 0, (), "3F0001", 0x80, False),  # unattended cash: condition not met
    ("1F02", "20A8C8", 500000, 0, (), "1F0202", 0x00, False),  # neither cash nor cashback
    ("1F02", "20A8C8", 500000, 9, (), "3F0001", 0x80, False),
    ("1F05", "20A8C8", 500000, 9, (), "1F0502", 0x00, False),  # cashback
    ("1F04", "20A8C8", 500000, 1, (), "1F0402", 0x00, False),  # manual cash: attended
    ("04031F00", "20A8C8", 500000, 0, (), "1F0002", 0x00, False),  # if supported: it is not, no bit is set
    ("02031F03", "20A8C8", 500000, 0, (), "1F0302", 0x00, False),
    ("1F061E00", "20A8C8", 4095, 0, (), "1F0602", 0x00, False),  # under X
    ("1F061E00", "20A8C8", 4096, 0, (), "1E0000", 0x00, True),  # not under
    ("1F071E00", "20A8C8", 4096, 0, (), "1E0000", 0x00, True),  # not over
    ("1F071E00", "20A8C8", 4097, 0, (), "1F0702", 0x00, False),
    ("1F081E00", "20A8C8", 524287, 0, (), "1F0802", 0x00, False),
    ("1F091E00", "20A8C8", 524288, 0, (), "1E0000", 0x00, True),
    ("1F091E00", "20A8C8", 524289, 0, (), "1F0902", 0x00, False),
    ("1F0A1E00", "20A8C8", 500000, 0, (), "1E0000", 0x00, True),  # unknown condition: passed over
    ("1F80", "20A8C8", 500000, 0, (), "3F0001", 0x80, False),
    ("41005E001F00", "2088C8", 500000, 0, (b"0000", None), "1F0002", 0x08, False),
    ("41001E01", "20A8C8", 500000, 0, (None,), "410001", 0x88, False),  # the last *performed* one is reported
)


def test_decision_table():
    for rules, capabilities, amount, kind, pins, results, byte3, signature in TABLE:
        fields = {"9F42": h("0012")}
        result, _, _ = _pay(rules, capabilities, txn(amount=amount, type=kind), pins, fields)
        got = (result.cvm_results, result.tvr[2], result.tsi[0] & 0x40, result.signature)
        assert got == (h(results), byte3, 0x40, signature), (rules, got, result.reason, result.explain)
        record(rules, result.cvm_results + result.tvr)


def test_card_that_does_not_support_verification():
    result, _, _ = _pay("0100", fields={})
    assert result.tvr[2] & 0x80
    card = Card(aip="0900", fields={"8E": h(X_Y + "0100")})
    result, trace = pay(card)
    assert (result.cvm_results, result.tvr[2], result.tsi[0] & 0x40) == (h("3F0000"), 0, 0)
    assert not trace.of("pin")


def test_missing_cvm_list_is_missing_data():
    result, _, _ = _pay(None)
    assert (result.cvm_results, result.tvr, result.tsi[0] & 0x40) == (h("3F0000"), h("2000000000"), 0)


def test_list_without_rules_verifies_nobody():
    result, _, _ = _pay("")
    assert (result.cvm_results, result.tvr[2], result.tsi[0] & 0x40) == (h("3F0000"), 0, 0)


def test_list_of_a_wrong_length_ends_the_transaction():
    for value in (h(X_Y)[:7], h(X_Y + "1F"), b""):
        result, _ = pay(Card(fields={"8E": value}))
        assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-102", "8E"), value


def test_amount_conditions_need_the_application_currency():
    for currency in (None, h("0978")):
        result, _, _ = _pay("1F061E00", transaction=txn(amount=1), fields={"9F42": currency})
        assert result.cvm_results == h("1E0000")


def test_unattended_cash():
    result, _, _ = _pay("1F01", transaction=txn(type=1), terminal_type=0x25)
    assert result.cvm_results == h("1F0102")
    result, _, _ = _pay("1F04", transaction=txn(type=1), terminal_type=0x25)
    assert result.cvm_results == h("3F0001")


def _online_pin(parameters_deferral=True):
    changes = {"8E": h(X_Y + "0200"), "9F0D": h("0000040000"), "9F0E": OPEN, "9F0F": h("0000040000")}
    aid = aid_entry(tac_denial=OPEN, tac_online=OPEN, tac_default=OPEN, capabilities=h("20E8C8"))
    return Card(fields=changes, kinds=(0x80, 0x00)), body(aid, deferral=parameters_deferral)


def test_online_pin_sets_its_bit_and_excludes_deferral():
    card, parameters = _online_pin()
    result, trace = pay(card, parameters, online_pin=True)
    assert (result.cvm_results, result.tvr[2]) == (h("020000"), 0x04)
    assert trace.of("online_pin")
    assert (result.outcome, result.reason) == (DECLINED, "Z3")


def test_an_online_pin_is_for_the_issuer_whatever_the_action_codes_say():
    """Neither the first nor the second GENERATE AC asks for a TC: nobody here can tell a right PIN from a wrong one."""
    changes = {"8E": h(X_Y + "0200"), "9F0D": OPEN, "9F0E": OPEN, "9F0F": OPEN}
    for kind, asked, rest in ((0x22, 0x80, 0x00), (0x23, 0x00, None)):
        card = Card(fields=changes, kinds=(asked, 0x00))
        aid = aid_entry(
            tac_denial=OPEN, tac_online=OPEN, tac_default=OPEN, capabilities=h("20E8C8"), terminal_type=kind
        )
        result, trace = pay(card, body(aid), online_pin=True)
        assert trace.of("online_pin") and ("RULE", "online-pin-goes-online") in result.explain
        assert (result.outcome, result.reason, result.de55) == (DECLINED, "Z3" if rest is not None else "Z1", b"")
        assert card.gacs == (1 if rest is None else 2)


def test_online_pin_that_was_bypassed():
    card, parameters = _online_pin()
    result, _ = pay(card, parameters, online_pin=None)
    assert (result.cvm_results, result.tvr[2]) == (h("020001"), 0x88)


def test_a_pin_that_was_bypassed_is_not_asked_for_online_either():
    """Book 4, 6.3.4.3: a bypass holds for every PIN after it; the next rule that needs one fails without asking."""
    _, parameters = _online_pin()
    for rules, online, results, byte3 in (
        ("41000200", True, "020001", 0x88),
        ("41004200" + "1F00", True, "1F0002", 0x08),
    ):
        card = Card(fields={"8E": h(X_Y + rules)}, kinds=(0x80, 0x00))
        result, trace = pay(card, parameters, pins=[None], online_pin=online)
        assert (result.cvm_results, result.tvr[2]) == (h(results), byte3), rules
        assert len(trace.of("pin")) == 1 and not trace.of("online_pin"), rules


def test_verification_that_failed_does_not_hide_a_deferral_decision():
    card = Card(fields={"8E": h(X_Y + "0000")}, kinds=(0x80, 0x00))
    tac = h("0000800000")
    result, _ = pay(card, body(aid_entry(tac_online=tac, tac_default=tac)))
    assert result.outcome == PROVISIONAL
    assert ("TAC-DEFAULT B3b8", "tvr 95") in result.explain
