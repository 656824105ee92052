"""Terminal action analysis: the decision table over TVR, TAC and IAC, first request and unable to go online."""

from protocol.crypto.pure import PureCrypto
from protocol.emv import state, tags
from protocol.emv.params import EmvParams
from protocol.emv.steps import taa
from tests.protocol.emv.scripted import APPROVED, DECLINED, PROVISIONAL, UN, Card, aid_entry, body, h, pay, txn
from tests.support.dual import record

ZERO = bytes(5)
ONES = b"\xff" * 5
FLOOR = h("0000008000")
EXPIRED = h("0040000000")


def _session(tvr, tac=(ZERO, ZERO, ZERO), iac=(None, None, None), terminal_type=0x22, oda="cda"):
    denial, online, default = tac
    entry = aid_entry(tac_denial=denial, tac_online=online, tac_default=default, terminal_type=terminal_type)
    s = state.Session(txn(), EmvParams(body(entry)), PureCrypto(), UN)
    s.aid = s.params.aids[0]
    s.tvr[:] = tvr
    s.oda = oda
    s.icc_key = (b"", b"") if oda == "cda" else None
    s.card[tags.SDA_TAG_LIST] = b"\x82"
    for tag, value in zip((tags.IAC_DENIAL, tags.IAC_ONLINE, tags.IAC_DEFAULT), iac):  # noqa: B905  MicroPython has no strict
        if value is not None:
            s.card[tag] = value
    return s


# TVR, TACs (denial, online, default), IACs, terminal type, method -> request
REQUESTS = (
    (ZERO, (ONES, ONES, ONES), (ONES, ONES, ONES), 0x22, "cda", taa.TC),  # nothing set, nothing matches
    (FLOOR, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, "cda", taa.TC),  # set, but nobody minds
    (FLOOR, (FLOOR, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, "cda", taa.AAC),
    (FLOOR, (ZERO, ZERO, ZERO), (FLOOR, ZERO, ZERO), 0x22, "cda", taa.AAC),
    (FLOOR, (FLOOR, FLOOR, FLOOR), (ZERO, ZERO, ZERO), 0x22, "cda", taa.AAC),  # denial comes first
    (FLOOR, (ZERO, FLOOR, ZERO), (ZERO, ZERO, ZERO), 0x22, "cda", taa.ARQC),
    (FLOOR, (ZERO, ZERO, ZERO), (ZERO, FLOOR, ZERO), 0x22, "cda", taa.ARQC),
    (FLOOR, (ZERO, EXPIRED, ZERO), (ZERO, EXPIRED, ZERO), 0x22, "cda", taa.TC),  # another bit
    (FLOOR, (ZERO, ZERO, FLOOR), (ZERO, ZERO, FLOOR), 0x22, "cda", taa.TC),  # default codes are not asked yet
    (FLOOR, (ZERO, ZERO, ZERO), (None, None, None), 0x22, "cda", taa.ARQC),  # absent IAC-Online: ones
    (FLOOR, (ZERO, ZERO, ZERO), (None, ZERO, ZERO), 0x22, "cda", taa.TC),  # absent IAC-Denial: zeros
    (FLOOR, (ZERO, ZERO, FLOOR), (ZERO, ZERO, ZERO), 0x23, "cda", taa.AAC),  # offline-only: default instead of online
    (FLOOR, (ZERO, FLOOR, ZERO), (ZERO, FLOOR, ZERO), 0x23, "cda", taa.TC),
    (FLOOR, (ZERO, ZERO, ZERO), (ZERO, ZERO, None), 0x26, "cda", taa.AAC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, "dda", taa.ARQC),  # offline approval needs CDA
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, "sda", taa.ARQC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, "none", taa.ARQC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x23, "dda", taa.AAC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x21, "cda", taa.ARQC),  # online only: the issuer is always asked
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x14, "cda", taa.ARQC),
    (FLOOR, (FLOOR, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x21, "cda", taa.AAC),
)


def test_decision_table_of_the_first_request():
    for i, (tvr, tac, iac, kind, oda, expected) in enumerate(REQUESTS):
        s = _session(tvr, tac, iac, kind, oda)
        assert taa.first_request(s) == expected, i
        record(str(i), str(s.explain))


def test_every_bit_of_every_code_counts():
    for bit in range(40):
        tvr = (1 << bit).to_bytes(5, "big")
        others = bytes([b ^ 0xFF for b in tvr])
        for owner in (0, 1):
            pair = [(ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO)]
            pair[owner] = (tvr, ZERO, ZERO)
            assert taa.first_request(_session(tvr, pair[0], pair[1])) == taa.AAC
            pair[owner] = (others, tvr, ZERO)
            assert taa.first_request(_session(tvr, pair[0], pair[1])) == taa.ARQC
            pair[owner] = (others, others, tvr)
            assert taa.defaulted(_session(tvr, pair[0], pair[1]))
            pair[owner] = (others, others, others)
            assert not taa.defaulted(_session(tvr, pair[0], pair[1]))


def test_each_match_is_explained_with_owner_and_bit():
    s = _session(h("0040008000"), (ZERO, FLOOR, ZERO), (ZERO, h("0040008000"), ZERO))
    taa.first_request(s)
    assert [what for what, _ in s.explain] == ["TAC-ONLINE B4b8", "IAC-ONLINE B2b7", "IAC-ONLINE B4b8"]


# TAC-Default, IAC-Default, card's second answer, deferral -> outcome, reason, second request
UNABLE = (
    (FLOOR, ZERO, 0x00, True, PROVISIONAL, "DEFERRED", 0x00),
    (ZERO, FLOOR, 0x00, True, PROVISIONAL, "DEFERRED", 0x00),
    (ZERO, None, 0x00, True, PROVISIONAL, "DEFERRED", 0x00),
    (FLOOR, ZERO, 0x00, False, DECLINED, "Z3", 0x00),
    (FLOOR, ZERO, 0x40, True, DECLINED, "EMV-120", 0x00),  # TC although AAC was asked
    (FLOOR, ZERO, 0x80, True, DECLINED, "EMV-120", 0x00),
    (ZERO, ZERO, 0x40, True, APPROVED, "Y3", 0x50),
    (ZERO, ZERO, 0x40, False, APPROVED, "Y3", 0x50),
    (ZERO, ZERO, 0x00, True, DECLINED, "EMV-123", 0x50),  # never deferred
    (ZERO, ZERO, 0x80, True, DECLINED, "EMV-123", 0x50),
)


def test_decision_table_of_unable_to_go_online():
    for i, (tac, iac, second, deferral, outcome, reason, asked) in enumerate(UNABLE):
        card = Card(kinds=(0x80, second), fields={"9F0D": iac, "9F0E": ZERO, "9F0F": FLOOR})
        aid = aid_entry(floor=1, tac_denial=ZERO, tac_online=FLOOR, tac_default=tac)
        result, trace = pay(card, body(aid, deferral=deferral))
        assert (result.outcome, result.reason) == (outcome, reason), (i, result.reason, result.explain)
        assert card.names.count("GAC 2") == 1 and card.commands[-1][2] == asked
        assert card.commands[-1][5:7] == (b"Z3" if asked == 0 else b"Y3")
        frozen = trace.of("online")[0][1]
        assert (result.de55 == frozen) == (outcome == PROVISIONAL)
        if outcome == DECLINED:
            assert result.de55 == b"" and result.track2 == b""
        record(str(i), result.de55 + result.cryptogram)


def test_tc_unable_to_go_online_is_the_only_cryptogram_presented():
    card = Card(kinds=(0x80, 0x40), fields={"9F0D": ZERO, "9F0E": ZERO, "9F0F": FLOOR})
    result, trace = pay(card, body(aid_entry(floor=1, tac_denial=ZERO, tac_online=FLOOR, tac_default=ZERO)))
    arqc = trace.of("online")[0][1][3:11]
    assert arqc not in result.de55
    assert (result.cid, result.cda_ok) == (0x40, True)
    assert result.de55[:11] == h("9F2608") + result.cryptogram


def test_tc_unable_to_go_online_with_a_broken_signature_is_declined():
    card = Card(kinds=(0x80, 0x40), fields={"9F0D": ZERO, "9F0E": ZERO, "9F0F": FLOOR})

    def broken(card, command):
        card.cda_damage = 1
        return card.generate(command[2], command[5 : 5 + command[4]])

    card.replies["GAC 2"] = broken
    result, _ = pay(card, body(aid_entry(floor=1, tac_denial=ZERO, tac_online=FLOOR, tac_default=ZERO)))
    assert (result.outcome, result.reason, result.de55) == (DECLINED, "EMV-121", b"")
