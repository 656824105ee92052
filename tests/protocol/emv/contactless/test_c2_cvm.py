"""CVM selection and action analysis of Kernel 2: decision tables."""

from protocol.emv import tags
from protocol.emv.contactless import outcome as o
from protocol.emv.contactless.c2 import cvm, data, decide
from tests.protocol.emv.contactless.scripted_c2 import AAC, ARQC, TC, Card2, combination, session
from tests.protocol.emv.scripted import h, txn
from tests.support.dual import record

ZERO, ONES = bytes(5), b"\xff" * 5
X = "00000064"  # amount X, 1.00

# AIP byte 1, CVM list (None: absent), amount, CVM limit, capability from the limit on and below -> word, results, TVR byte 3
CVMS = (
    ("02", None, 100, 101, "60", "08", o.NO_CVM, "3F0002", 0),  # the device, below the limit
    ("02", None, 100, 100, "60", "08", o.CONFIRMED, "010002", 0),
    ("12", "0200", 100, 100, "60", "08", o.CONFIRMED, "010002", 0),  # the device before the list
    ("00", "0200", 100, 100, "60", "08", o.NO_CVM, "3F0000", 0),  # the card verifies nobody
    ("10", None, 100, 100, "60", "08", o.NO_CVM, "3F0000", 0),
    ("10", "", 100, 100, "60", "08", o.NO_CVM, "3F0000", 0),
    ("10", "0200", 100, 100, "60", "08", o.ONLINE_PIN, "020000", 4),
    ("10", "0200", 99, 100, "60", "08", o.NO_CVM, "3F0001", 0x80),  # below the limit the reader has no CVM only
    ("10", "42031F03", 99, 100, "60", "08", o.NO_CVM, "1F0302", 0),
    ("10", "42031E031F03", 100, 100, "60", "08", o.ONLINE_PIN, "420300", 4),
    ("10", "42031E031F03", 100, 100, "20", "08", o.SIGNATURE, "1E0300", 0),
    ("10", "42031E031F03", 100, 100, "08", "08", o.NO_CVM, "1F0302", 0),
    ("10", "1E00", 100, 100, "60", "08", o.SIGNATURE, "1E0000", 0),
    ("10", "5E001F00", 100, 100, "40", "08", o.NO_CVM, "3F0001", 0x80),  # signature not supported, none neither
    ("10", "1E001F00", 100, 100, "48", "08", o.NO_CVM, "3F0001", 0x80),  # no leave to go on
    ("10", "0000", 100, 100, "60", "08", o.NO_CVM, "000001", 0x80),  # fail CVM processing
    ("10", "40000200", 100, 100, "60", "08", o.ONLINE_PIN, "020000", 4),
    ("10", "42000000", 100, 100, "20", "08", o.NO_CVM, "000001", 0x80),
    ("10", "0100", 100, 100, "F8", "08", o.NO_CVM, "3F0001", 0x80),  # no offline PIN over the air, whatever the set says
    ("10", "44001F00", 100, 100, "78", "08", o.NO_CVM, "1F0002", 0),
    ("10", "46001F00", 100, 100, "68", "08", o.NO_CVM, "1F0002", 0x40),  # unrecognised, and on
    ("10", "06001F00", 100, 100, "68", "08", o.NO_CVM, "3F0001", 0xC0),
    ("10", "02991F00", 100, 100, "68", "08", o.NO_CVM, "1F0002", 0),  # unknown condition
    ("10", "0299", 100, 100, "68", "08", o.NO_CVM, "3F0001", 0x80),
    ("10", "02001F99", 100, 100, "20", "08", o.NO_CVM, "3F0001", 0x80),
    ("10", "0201", 100, 100, "60", "08", o.NO_CVM, "3F0001", 0x80),  # unattended cash
    ("10", "0202", 100, 100, "60", "08", o.ONLINE_PIN, "020200", 4),  # not cash
    ("10", "0205", 100, 100, "60", "08", o.NO_CVM, "3F0001", 0x80),
    ("10", "1E061F00", 99, 99, "28", "08", o.SIGNATURE, "1E0600", 0),  # under X
    ("10", "1E061F00", 100, 99, "28", "08", o.NO_CVM, "1F0002", 0),
    ("10", "1E071F00", 101, 99, "28", "08", o.SIGNATURE, "1E0700", 0),  # over X
    ("10", "1E071F00", 100, 99, "28", "08", o.NO_CVM, "1F0002", 0),
)  # fmt: skip


def _session(aip, rules, amount, limit, capability="60", below="08", **more):
    card = Card2()
    entry = combination(cvm_limit=limit, cvm_capability=h(capability), no_cvm_capability=h(below), **more)
    s = session(card, entry, txn(amount=amount))
    s.card[tags.AIP] = h(aip) + b"\x80"
    s.card[tags.APPLICATION_CURRENCY] = h("0012")
    if rules is not None:
        s.card[tags.CVM_LIST] = h(X + "00000000" + rules)
    data.prepare(s)
    return s


def test_decision_table_of_the_cvm():
    for i, (aip, rules, amount, limit, capability, below, word, results, tvr) in enumerate(CVMS):
        s = _session(aip, rules, amount, limit, capability, below)
        assert cvm.select(s) == word, (i, s.explain)
        assert s.cvm == h(results) and s.tvr[2] == tvr, (i, s.cvm.hex(), s.explain)
        assert cvm.word_of(bytes(s.cvm)) == word
        record(str(i), str(s.explain))


def test_a_missing_list_is_told_to_the_card():
    s = _session("10", None, 1, 0)
    cvm.select(s)
    assert s.tvr[0] == 0x20


def test_a_reader_that_does_not_know_devices_walks_the_list():
    s = _session("12", "1E00", 100, 100, configuration=h("10"))
    assert cvm.select(s) == o.SIGNATURE


def test_an_amount_in_another_currency_meets_no_amount_condition():
    s = _session("10", "1E061F00", 1, 0, "28")
    s.card[tags.APPLICATION_CURRENCY] = h("0978")
    assert cvm.select(s) == o.NO_CVM


def test_the_capability_in_9f33_follows_the_amount():
    s = _session("10", "1F00", 100, 100, "E8")
    assert s.terminal[0x9F33] == h("2000C8")
    cvm.select(s)
    assert s.terminal[0x9F33] == h("2068C8")


BIT = h("0000008000")
OTHER = h("0040000000")
PIN = h("0000040000")

# TVR, TACs (denial, online, default), IACs, terminal type, TC allowed, CDA -> kind
REQUESTS = (
    (ZERO, (ONES, ONES, ONES), (ONES, ONES, ONES), 0x22, True, True, TC),
    (BIT, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, True, True, TC),
    (BIT, (BIT, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, True, True, AAC),
    (BIT, (ZERO, ZERO, ZERO), (BIT, ZERO, ZERO), 0x22, True, True, AAC),
    (BIT, (BIT, ONES, ONES), (ZERO, ZERO, ZERO), 0x21, True, True, AAC),  # denial first, online-only too
    (BIT, (ZERO, BIT, ZERO), (ZERO, ZERO, ZERO), 0x22, True, True, ARQC),
    (BIT, (ZERO, ZERO, ZERO), (ZERO, BIT, ZERO), 0x22, True, True, ARQC),
    (BIT, (ZERO, OTHER, ZERO), (ZERO, OTHER, ZERO), 0x22, True, True, TC),
    (BIT, (ZERO, ZERO, BIT), (ZERO, ZERO, BIT), 0x22, True, True, TC),  # default codes are for offline-only terminals
    (BIT, (ZERO, ZERO, ZERO), (None, None, None), 0x22, True, True, ARQC),  # absent: zeros, ones, ones
    (ZERO, (ONES, ONES, ONES), (None, None, None), 0x22, True, True, TC),
    (BIT, (ZERO, ZERO, ZERO), (None, ZERO, ZERO), 0x22, True, True, TC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x21, True, True, ARQC),  # online-only
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x24, True, True, ARQC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x23, True, True, TC),  # offline-only
    (BIT, (ZERO, BIT, ZERO), (ZERO, BIT, ZERO), 0x23, True, True, TC),
    (BIT, (ZERO, ZERO, BIT), (ZERO, ZERO, ZERO), 0x23, True, True, AAC),
    (BIT, (ZERO, ZERO, ZERO), (ZERO, ZERO, None), 0x26, True, True, AAC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, False, True, ARQC),  # no TC allowed
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x23, False, True, AAC),
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, True, False, ARQC),  # nothing proves a TC
    (ZERO, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x23, True, False, AAC),
    (PIN, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, True, True, ARQC),  # an online PIN goes online
    (PIN, (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x23, True, True, AAC),
)  # fmt: skip


def _decided(tvr, tac, iac, kind, offline, cda):
    entry = combination(terminal_type=kind, offline=offline, tac_denial=tac[0], tac_online=tac[1], tac_default=tac[2])
    s = session(Card2(), entry)
    s.card[tags.AIP] = h("1980")
    s.tvr[:] = tvr
    s.oda = "cda" if cda else "none"
    for tag, value in zip((tags.IAC_DENIAL, tags.IAC_ONLINE, tags.IAC_DEFAULT), iac):  # noqa: B905  MicroPython has no strict
        if value is not None:
            s.card[tag] = value
    return s


def test_decision_table_of_the_request():
    for i, (tvr, tac, iac, kind, offline, cda, expected) in enumerate(REQUESTS):
        s = _decided(tvr, tac, iac, kind, offline, cda)
        assert decide.request(s) == (expected, cda and expected != AAC), (i, s.explain)
        record(str(i), str(s.explain))


def test_every_bit_of_every_code_counts():
    for bit in range(40):
        tvr = (1 << bit).to_bytes(5, "big")
        others = bytes([b ^ 0xFF for b in tvr])
        for owner in (0, 1):
            pair = [(ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO)]
            pair[owner] = (tvr, ZERO, ZERO)
            assert decide.request(_decided(tvr, pair[0], pair[1], 0x22, True, True))[0] == AAC
            pair[owner] = (others, tvr, ZERO)
            assert decide.request(_decided(tvr, pair[0], pair[1], 0x22, True, True))[0] == ARQC
            pair[owner] = (others, others, tvr)
            assert decide.request(_decided(tvr, pair[0], pair[1], 0x23, True, True))[0] == AAC


def test_a_failed_cda_is_not_asked_for_again():
    s = _decided(h("0400000000"), (ZERO, ZERO, ZERO), (ZERO, ZERO, ZERO), 0x22, True, True)
    assert decide.request(s) == (ARQC, False)
