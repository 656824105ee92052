"""Online authorisation: response codes, issuer authentication, scripts, the second GENERATE AC, reversals."""

from tests.protocol.emv.scripted import APPROVED, DECLINED, PROVISIONAL, Card, aid_entry, body, h, pay, tlv
from tests.support.dual import record

AUTH = h("01020304050607083030")


def _pay(online, kinds=(0x80, 0x40), replies=None, fields=None, aip="1900"):
    card = Card(kinds=kinds, replies=replies, fields=fields, aip=aip)
    result, trace = pay(card, body(aid_entry(floor=1)), online=online)
    return result, card, trace


def _script(template, *commands, identifier="11223344"):
    inner = tlv("9F18", h(identifier)) if identifier else b""
    for command in commands:
        inner += tlv("86", h(command))
    return tlv(template, inner)


def test_issuer_approves():
    result, card, trace = _pay({"arc": "00", "auth_code": "123456"})
    assert (result.outcome, result.reason, result.arc, result.auth_code) == (APPROVED, "00", "00", "123456")
    assert card.commands[-1][2] == 0x50 and card.commands[-1][5:7] == b"00"
    assert result.de55 == trace.of("online")[0][1]
    assert result.cid == 0x80 and not result.reversal
    assert result.track2 == b""
    record("de55", result.de55)


def test_issuer_declines():
    for arc in ("05", "51", "01", "91"):
        result, card, _ = _pay({"arc": arc}, kinds=(0x80, 0x00))
        assert (result.outcome, result.reason, result.reversal) == (DECLINED, arc, False)
        assert card.commands[-1][2] == 0x00 and card.commands[-1][5:7] == arc.encode()


def test_issuer_declines_and_is_never_deferred():
    result, _, _ = _pay({"arc": "05"}, kinds=(0x80, 0x00))
    assert result.outcome != PROVISIONAL and result.de55 == b""


def test_card_declines_what_the_issuer_approved():
    result, _, _ = _pay({"arc": "00"}, kinds=(0x80, 0x00))
    assert (result.outcome, result.reason, result.reversal) == (DECLINED, "Z1", True)


def test_signature_that_breaks_after_an_online_approval_is_reversed():
    def broken(card, command):
        card.cda_damage = 1
        return card.generate(command[2], command[5 : 5 + command[4]])

    result, _, _ = _pay({"arc": "00"}, replies={"GAC 2": broken})
    assert (result.outcome, result.reason, result.reversal) == (DECLINED, "EMV-121", True)


def test_malformed_second_answer_after_an_approval_is_reversed():
    for reply in ("6985", "9000", "77009000"):
        result, _, _ = _pay({"arc": "00"}, replies={"GAC 2": h(reply)})
        assert (result.outcome, result.reversal) == (DECLINED, True), reply


def test_request_without_an_answer_is_never_followed_by_a_tc():
    card = Card(kinds=(0x80, 0x00), fields={"9F0D": bytes(5)})
    result, _ = pay(card, body(aid_entry(floor=1, tac_default=bytes(5))), online={"sent": True})
    assert (result.outcome, result.reason, result.reversal) == (DECLINED, "Z3", True)
    assert card.commands[-1][2] == 0x00
    assert ("RULE", "no-second-cryptogram") in result.explain


def test_issuer_authentication_by_command():
    result, card, _ = _pay({"arc": "00", "issuer_auth": AUTH}, aip="1D00")
    assert card.commands[card.names.index("EXTERNAL")] == h("008200000A") + AUTH
    assert result.tsi[0] & 0x10 and result.outcome == APPROVED


def test_issuer_authentication_that_fails_is_seen_by_the_card():
    result, card, _ = _pay({"arc": "00", "issuer_auth": AUTH}, aip="1D00", replies={"EXTERNAL": h("6300")})
    assert card.commands[-1][7:12] == h("0000008040")
    assert result.tvr == h("0000008040") and tlv("95", h("0000008000")) in result.de55
    assert ("TVR B5b7", "external-authenticate 91") in result.explain


def test_issuer_authentication_in_the_second_generate_ac():
    result, card, _ = _pay({"arc": "00", "issuer_auth": AUTH}, fields={"8D": h("8A02910A9505")})
    assert "EXTERNAL" not in card.names
    assert card.commands[-1][5:17] == b"00" + AUTH
    assert result.outcome == APPROVED and not result.tsi[0] & 0x10


def test_issuer_authentication_of_a_wrong_length_is_not_sent():
    result, card, _ = _pay({"arc": "00", "issuer_auth": b"1234567"}, aip="1D00")
    assert "EXTERNAL" not in card.names and result.tsi[0] & 0x10
    assert ("TVR B5b7", "external-authenticate 91") in result.explain


def test_issuer_authentication_of_a_wrong_length_is_not_cut_to_what_the_second_generate_ac_takes():
    for data in (bytes(range(1, 18)), b"1234567"):
        result, card, _ = _pay({"arc": "00", "issuer_auth": data}, fields={"8D": h("8A0291109505")})
        assert card.commands[-1][5:28] == b"00" + bytes(16) + h("0000008040")
        assert ("TVR B5b7", "external-authenticate 91") in result.explain and not result.tsi[0] & 0x10
    result, card, _ = _pay({"arc": "00", "issuer_auth": bytes(range(1, 17))}, fields={"8D": h("8A0291109505")})
    assert card.commands[-1][5:28] == b"00" + bytes(range(1, 17)) + h("0000008000")


def test_scripts_run_before_and_after_the_second_generate_ac():
    scripts = _script("71", "00DA000001AA", "00DA000001BB") + _script("72", "00DA000001CC", identifier="55667788")
    result, card, _ = _pay({"arc": "00", "scripts": scripts})
    assert card.names[-4:] == ["PUT", "PUT", "GAC 2", "PUT"]
    assert result.script_results == h("20112233442055667788")
    assert result.tsi[0] & 0x04 and result.tvr[4] == 0


def test_scripts_run_after_a_declined_authorisation_too():
    result, card, _ = _pay({"arc": "05", "scripts": _script("72", "00DA000001CC")}, kinds=(0x80, 0x00))
    assert card.names[-1] == "PUT" and result.outcome == DECLINED


def test_script_stops_at_the_first_command_that_fails():
    answers = [h("9000"), h("6985"), h("9000")]
    result, card, _ = _pay(
        {"arc": "00", "scripts": _script("71", "00DA000001AA", "00DA000001BB", "00DA000001CC")},
        replies={"PUT": lambda c, _: answers.pop(0)},
    )
    assert result.script_results == h("1211223344")
    assert card.names.count("PUT") == 2
    assert card.commands[-1][7:12] == h("0000008020")
    assert result.tvr == h("0000008020") and tlv("95", h("0000008000")) in result.de55


def test_warnings_are_no_script_failures():
    for sw in ("6200", "63C1", "9001"):
        result, _, _ = _pay({"arc": "00", "scripts": _script("71", "00DA000001AA")}, replies={"PUT": h(sw)})
        assert result.script_results == h("2011223344"), sw


def test_malformed_scripts_fail_without_ending_the_transaction():
    for contents in (h("86"), h("8603"), h("860100"), h("9F1804112233448602 00DA")):
        result, _, _ = _pay({"arc": "00", "scripts": tlv("71", contents)})
        assert (result.outcome, result.script_results[0] & 0xF0) in ((APPROVED, 0x00), (APPROVED, 0x10))
        assert "TVR B5b6" in [what for what, _ in result.explain], contents


def test_scripts_longer_than_a_terminal_must_take_are_refused():
    result, card, _ = _pay({"arc": "00", "scripts": _script("71", "00DA00007F" + "AA" * 127)})
    assert "PUT" not in card.names and ("TVR B5b6", "script-malformed 71") in result.explain


def test_hosts_whole_chip_data_is_taken_apart():
    data = tlv("8A", b"00") + tlv("91", AUTH) + _script("72", "00DA000001CC")
    result, card, _ = _pay({"data": data}, fields={"8D": h("8A02910A")})
    assert (result.outcome, result.arc) == (APPROVED, "00")
    assert card.commands[-2][5:17] == b"00" + AUTH and card.names[-1] == "PUT"


def test_malformed_answer_of_the_host_counts_as_sent_without_an_answer():
    for online in ({"arc": ""}, {"arc": "000"}, {"data": h("8A03")}, {"data": h("8A02FFFF")}, {}):
        result, card, _ = _pay(online, kinds=(0x80, 0x00))
        assert (result.outcome, result.reason, result.reversal, result.de55) == (DECLINED, "Z3", True, b""), online
        assert card.commands[-1][2] == 0x00 and card.commands[-1][5:7] == b"Z3"


def test_a_terminal_that_is_online_only_takes_nothing_the_issuer_did_not_see():
    for kind in (0x21, 0x14, 0x22):
        card = Card(kinds=(0x80, 0x40), aip="1900")
        sets = body(aid_entry(floor=1, terminal_type=kind, tac_online=h("FFFFFFFFFF"), tac_default=bytes(5)))
        result, _ = pay(card, sets, online=None)
        second = card.commands[-1][2] & 0xC0
        if kind == 0x22:
            assert (result.outcome, result.reason, second) == (APPROVED, "Y3", 0x40)
        else:
            assert (result.outcome != APPROVED, second) == (True, 0x00), kind
