"""Application selection: list of AIDs, PSE and its failures, partial names, priority, choice, refusals."""

from tests.protocol.emv.scripted import (
    AID,
    APPROVED,
    DECLINED,
    OTHER_AID,
    PAN_DIGITS,
    Card,
    aid_entry,
    body,
    h,
    pay,
    tlv,
)

PSE = "SELECT 315041592E5359532E4444463031"
FIRST, SECOND = "SELECT F00000544401", "SELECT F00000544402"


def _two(**changes):
    return body(aid_entry(), aid_entry(aid=OTHER_AID, label="EDAHABIA TEST"), **changes)


def _both_cards(first=2, second=1):
    card = Card()
    card.aids = [(AID, "CIB TEST", first), (OTHER_AID, "EDAHABIA TEST", second)]
    return card


def _directory(*entries):
    """Replies of a PSE with one record."""
    inner = b"".join(
        [
            tlv("61", tlv("4F", aid) + tlv("50", label) + tlv("87", bytes([priority])))
            for aid, label, priority in entries
        ]
    )
    fci = tlv("6F", tlv("84", b"1PAY.SYS.DDF01") + tlv("A5", h("880101")))
    return {PSE: fci + h("9000"), "READ 1 1": tlv("70", inner) + h("9000"), "READ 1 2": h("6A83")}


def _listed(*entries):
    """As `_directory`; once it was read, READ 1 1 gives the application's own record."""
    replies, read = _directory(*entries), []

    def record(card, _):
        read.append(1)
        return replies_first if len(read) == 1 else tlv("70", card.record) + h("9000")

    replies_first, replies["READ 1 1"] = replies["READ 1 1"], record
    return replies


def test_application_absent_ends_the_transaction():
    card = Card()
    card.aids = [(h("A0000000031010"), "OTHER", 1)]
    result, _ = pay(card)
    assert (result.outcome, result.reason, result.terminated) == (DECLINED, "EMV-110", True)


def test_blocked_card_ends_the_transaction():
    for name, parameters in ((FIRST, body()), (PSE, body(pse=True))):
        result, _ = pay(Card(replies={name: h("6A81")}), parameters)
        assert (result.outcome, result.reason) == (DECLINED, "EMV-111")


def test_blocked_application_is_not_offered():
    fci = tlv("6F", tlv("84", AID) + tlv("A5", tlv("50", b"X")))
    result, _ = pay(Card(replies={FIRST: fci + h("6283")}))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-112")


def test_a_blocked_application_that_says_nothing_leaves_the_other_one():
    for parameters in (_two(), _two(pse=True), body(aid_entry(aid=AID[:5]))):
        card = _both_cards(1, 2)
        card.replies = _listed((AID, b"CIB TEST", 1), (OTHER_AID, b"EDAHABIA TEST", 2)) if parameters["pse"] else {}
        card.replies["SELECT F000005444"] = card.replies[FIRST] = h("6283")
        card.replies["SELECT F000005444 NEXT"] = lambda card, _: card._select(AID[:5], True)
        result, _ = pay(card, parameters, choose=0)
        assert (result.aid, result.outcome) == (OTHER_AID, APPROVED), parameters["pse"]


def test_blocked_application_alone_is_told_as_blocked():
    for parameters in (body(), body(pse=True)):
        card = Card(replies=_directory((AID, b"CIB TEST", 1)) if parameters["pse"] else {})
        card.replies[FIRST] = h("6283")
        result, _ = pay(card, parameters)
        assert (result.outcome, result.reason) == (DECLINED, "EMV-112")


def test_what_an_exact_name_found_does_not_hide_the_others_of_a_partial_one():
    for aids in (
        (aid_entry(partial=False), aid_entry(aid=AID[:5])),
        (aid_entry(aid=AID[:5]), aid_entry(partial=False)),
    ):
        _, trace = pay(_both_cards(1, 2), body(*aids))
        assert trace.of("choose") == [("choose", ["CIB TEST", "EDAHABIA TEST"])]


def test_the_parameters_of_the_whole_name_come_before_those_of_its_beginning():
    strict = aid_entry(tac_denial=h("FFFFFFFFFF"), floor=1)
    for aids in ((aid_entry(aid=AID[:5]), strict), (strict, aid_entry(aid=AID[:5]))):
        for pse in (False, True):
            card = Card(kinds=(0x00,), replies=_listed((AID, b"CIB TEST", 1)) if pse else {})
            assert pay(card, body(*aids, pse=pse))[0].reason == "Z1"


def test_a_directory_may_say_no_more_of_a_name_than_a_number_has_room_in():
    for more, told in ((PAN_DIGITS[:2], PAN_DIGITS[:2]), (PAN_DIGITS[:3], b""), (PAN_DIGITS[6:], b"")):
        card = Card(replies=_listed((AID + more, PAN_DIGITS, 1)))
        card.aids = [(AID + more, PAN_DIGITS.decode(), 1)]
        result, _ = pay(card, body(aid_entry(label=""), pse=True))
        assert (result.outcome, result.aid, result.label) == (APPROVED, AID + told, "F00000544401")
        assert [name for name in card.names if name.startswith("SELECT F")] == ["SELECT " + (AID + more).hex().upper()]


def test_two_applications_are_offered_best_first():
    card = _both_cards()
    result, trace = pay(card, _two(), choose=1)
    assert trace.of("choose") == [("choose", ["EDAHABIA TEST", "CIB TEST"])]
    assert (result.aid, result.label, result.outcome) == (AID, "CIB TEST", APPROVED)


def test_applications_without_a_priority_come_last_in_the_order_met():
    for first, second, labels in ((0, 0, ["CIB TEST", "EDAHABIA TEST"]), (0, 15, ["EDAHABIA TEST", "CIB TEST"])):
        _, trace = pay(_both_cards(first, second), _two())
        assert trace.of("choose") == [("choose", labels)]


def test_cancelled_choice_ends_the_transaction():
    for answer in (None, 7):
        result, _ = pay(_both_cards(), _two(), choose=answer)
        assert (result.outcome, result.reason) == (DECLINED, "EMV-113")


def test_without_choice_the_best_that_needs_no_confirmation_is_taken():
    result, trace = pay(_both_cards(2, 0x81), _two(choice=False))
    assert (result.aid, trace.of("choose")) == (AID, [])
    result, trace = pay(_both_cards(0x82, 0x81), _two(choice=False))
    assert trace.of("choose") and result.aid == OTHER_AID


def test_only_application_that_wants_confirmation_is_asked_about():
    card = Card()
    card.aids = [(AID, "CIB TEST", 0x81)]
    _, trace = pay(card)
    assert trace.of("choose") == [("choose", ["CIB TEST"])]


def test_partial_name_finds_all_applications_below_it():
    card = Card()
    card.aids = [(AID + b"\x01", "ONE", 1), (AID + b"\x02", "TWO", 2)]
    result, trace = pay(card, choose=0)
    assert trace.of("choose") == [("choose", ["ONE", "TWO"])]
    assert result.aid == AID + b"\x01"
    assert card.names[:2] == [FIRST, FIRST + " NEXT"]


def test_longer_name_is_not_taken_where_partial_selection_is_off():
    card = Card()
    card.aids = [(AID + b"\x01", "ONE", 1)]
    result, _ = pay(card, body(aid_entry(partial=False)))
    assert result.reason == "EMV-110"


def test_card_that_repeats_itself_on_select_next_does_not_hang():
    fci = tlv("6F", tlv("84", AID + b"\x01") + tlv("A5", tlv("50", b"X"))) + h("9000")
    card = Card(replies={FIRST: fci, FIRST + " NEXT": fci})
    result, _ = pay(card)
    assert card.names.count(FIRST + " NEXT") == 1
    assert result.outcome == DECLINED


def test_pse_gives_the_list_without_selecting_each():
    card = Card(replies=_directory((AID, b"CIB TEST", 1), (h("A0000000031010"), b"OTHER", 1)))
    taken = {}

    def first(card, _):
        taken["n"] = taken.get("n", 0) + 1
        return _directory((AID, b"CIB TEST", 1))["READ 1 1"] if taken["n"] == 1 else tlv("70", card.record) + h("9000")

    card.replies["READ 1 1"] = first
    result, trace = pay(card, _two(pse=True))
    assert (result.outcome, result.aid) == (APPROVED, AID)
    assert card.names[:4] == [PSE, "READ 1 1", "READ 1 2", FIRST]
    assert card.names.count(FIRST) == 1 and not trace.of("choose")


def test_longer_name_in_the_pse_is_not_taken_where_partial_selection_is_off():
    longer = AID + b"\x01"
    for partial, reason in ((False, "EMV-110"), (True, "Y1")):
        card = Card(replies=_directory((longer, b"CIB TEST", 1)))
        card.aids = [(longer, "CIB TEST", 1)]
        records = [card.replies["READ 1 1"]]
        card.replies["READ 1 1"] = lambda card, _, left=records: (
            left.pop() if left else tlv("70", card.record) + h("9000")
        )
        result, _ = pay(card, body(aid_entry(partial=partial), pse=True))
        assert result.reason == reason, (partial, result.reason)
        assert (PSE in card.names, result.aid) == (True, longer if partial else b"")


def test_anything_wrong_with_the_pse_leads_to_the_list():
    good = _directory((AID, b"CIB TEST", 1))
    for reply in (
        h("6A82"),
        h("6283"),
        h("6D00"),
        h("9000"),
        h("6F039000"),
        h("6F0484027878A5009000"),
        good[PSE][:-5] + h("0B9000"),
    ):
        card = Card(replies={PSE: reply})
        result, _ = pay(card, body(pse=True))
        assert (result.outcome, result.reason) == (APPROVED, "Y1"), reply
        assert card.names[1] == FIRST


def test_endless_directory_is_bounded():
    card = Card(replies=_directory((AID, b"X", 1)))
    card.replies["READ 1 1"] = h("70009000")
    for number in range(2, 255):
        card.replies["READ 1 " + str(number)] = h("70009000")
    pay(card, body(pse=True))
    assert card.names.index(FIRST) == 21


def test_refused_final_select_leads_to_the_next_application():
    count = {}

    def once(card, command):
        count["n"] = count.get("n", 0) + 1
        return card._select(AID, False) if count["n"] == 1 else h("6A82")

    card = _both_cards(1, 2)
    card.replies[FIRST] = once
    result, _ = pay(card, _two())
    assert (result.aid, result.label, result.outcome) == (OTHER_AID, "EDAHABIA TEST", APPROVED)
    assert ("SELECT", "refused 6A82") in result.explain


def test_gpo_conditions_not_satisfied_leads_to_the_next_application():
    def only_other(card, command):
        if card.names[-2] == FIRST:
            return h("6985")
        return card._answer("GPO", command)

    card = _both_cards(1, 2)
    card.replies["GPO"] = only_other
    result, trace = pay(card, _two())
    assert result.aid == OTHER_AID
    assert len(trace.of("choose")) == 1
    assert ("GPO", "conditions-not-satisfied") in result.explain


def test_gpo_conditions_not_satisfied_by_the_only_application():
    result, _ = pay(Card(replies={"GPO": h("6985")}))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-110")


def test_final_select_that_answers_another_name_ends_the_transaction():
    seen = []

    def changes(card, command):
        seen.append(1)
        name = AID if len(seen) == 1 else AID + b"\x09"
        return tlv("6F", tlv("84", name) + tlv("A5", tlv("50", b"X"))) + h("9000")

    result, _ = pay(Card(replies={FIRST: changes}))
    assert (result.reason, result.detail) == ("EMV-108", "84")


def test_label_is_printable_ascii_of_the_preferred_name_only_in_code_table_1():
    for inner, label in (
        (tlv("50", b"PLAIN"), "PLAIN"), (tlv("50", b"A\x00\xffB"), "AB"), (tlv("50", b"\x01"), "CIB TEST"),
        (tlv("50", b"P") + tlv("9F11", b"\x01") + tlv("9F12", b"NAME"), "NAME"),
        (tlv("50", b"P") + tlv("9F11", b"\x06") + tlv("9F12", b"NAME"), "P"), (b"", "CIB TEST"),
    ):  # fmt: skip
        fci = tlv("6F", tlv("84", AID) + tlv("A5", inner)) + h("9000")
        result, _ = pay(Card(pdol="", replies={FIRST: fci}))
        assert result.label == label, inner


def test_status_61_and_6c_are_followed():
    whole = Card()._select(AID, False)
    card = Card(replies={FIRST: bytes([0x61, len(whole) - 2]), "INS c0": whole})
    result, _ = pay(card)
    assert result.outcome == APPROVED
    assert card.names.count("INS c0") == 2


def test_a_label_that_may_be_the_cards_number_is_passed_over():
    """Five digits or more, in one run or not, whole or in part: the other name counts, or the parameters' one."""
    number = PAN_DIGITS
    for name, preferred, label in (
        (number, None, "CIB TEST"),
        (number[:5], None, "CIB TEST"), (b"9 9 9 9 9", None, "CIB TEST"), (number[-8:], None, "CIB TEST"), (b"9999 9900 0000 0", None, "CIB TEST"),
        (b"A" + number[:15], None, "CIB TEST"), (b"99999900x0000018", None, "CIB TEST"), (b"CIB", number, "CIB"), (number, b"OR", "OR"),
        (number, number, "CIB TEST"), (b"CARD 2026", None, "CARD 2026"),
    ):  # fmt: skip
        inner = tlv("50", name) + (tlv("9F11", b"\x01") + tlv("9F12", preferred) if preferred else b"")
        fci = tlv("6F", tlv("84", AID) + tlv("A5", inner)) + h("9000")
        result, _ = pay(Card(pdol="", replies={FIRST: fci}))
        assert (result.label, result.outcome) == (label, APPROVED), name
