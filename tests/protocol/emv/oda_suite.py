"""One of the two sets of emv_oda.json reproduced by the kernel: each certificate and signature opened, each field at its place (Book 2, 5 and 6).

The source gives no static data: the hash inside the ICC certificate and the one of the signed static data are compared as numbers only,
and `card_key` walks the rest of the kernel's way without it. Both runtimes.
"""

from protocol.crypto.pure import PureCrypto
from protocol.emv import state, tags
from protocol.emv.oda import authenticate, certificates
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.params import CaKey, EmvParams
from tests.protocol.emv.scripted import aid_entry, h, txn
from tests.support.dual import raises


def ca_entry(capk, expiry="20991231"):
    """The CA key as the parameter set has it."""
    return {
        "rid": h(capk["rid"]), "index": int(capk["index"], 16), "modulus": h(capk["modulus"]),
        "exponent": h(capk["exponent"]), "sha1": h(capk["hash"]), "expiry": expiry,
    }  # fmt: skip


def session(vector, date, certificate="issuer_cert", data="icc_data", crypto=None):
    """A session that has read the card of the set."""
    entry = ca_entry(vector["capk"])
    aid = entry["rid"] + h("1010")
    s = state.Session(
        txn(date=date),
        EmvParams({"aids": [aid_entry(aid=aid)], "ca_keys": [entry]}),
        crypto or PureCrypto(),
        h(vector["terminal_dynamic_data"]),
    )
    s.aid = s.params.aids[0]
    state.fill_terminal(s)
    s.card[tags.DF_NAME] = aid
    s.card[tags.CA_KEY_INDEX] = bytes([entry["index"]])
    s.card[tags.ISSUER_CERTIFICATE] = h(vector[certificate])
    s.card[tags.ICC_CERTIFICATE] = h(vector["icc_cert"])
    for tag in vector[data]:
        s.card[int(tag, 16)] = h(vector[data][tag])
    s.pan = tags.pan_digits(s.card[tags.PAN])
    return s


def dated(vector):
    """A day on which the issuer's certificate is valid."""
    dates = vector["transaction_dates_yymmdd"]
    return dates.get("issuer_cert_valid") or dates["valid"]


def card_key(s):
    """`certificates.icc_key` but for the hash over the static data that nobody has."""
    checked = certificates.hash_holds

    def without(crypto, opened, parts, what):
        if what != "icc":
            checked(crypto, opened, parts, what)

    certificates.hash_holds = without
    try:
        return certificates.icc_key(s, [])
    finally:
        certificates.hash_holds = checked


def check(vector, crypto=None):
    """AssertionError or CertificateError if anything of the set is otherwise."""
    s = session(vector, dated(vector), crypto=crypto)
    assert CaKey(ca_entry(vector["capk"])).digest_holds(s.crypto)
    assert vector["capk"]["kind"] == "test"
    assert vector["icc_cert_static_data"] is None
    _issuer(s, vector)
    _card(s, vector)
    if "ssad" in vector:
        _static(s, vector)
    _dynamic(s, vector)
    _wrong(s, vector)
    _dates(vector, crypto)


def _fields(opened, said, *places):
    """The whole block, its hash and each field: (name, start, end)."""
    assert opened == h(said["recovered"])
    assert opened[-21:-1] == h(said["hash"])
    for name, start, end in (("format", 1, 2),) + places:
        assert opened[start:end] == h(said[name]), name


def _issuer(s, vector):
    said = vector["issuer"]
    ca = s.params.ca_keys[0]
    opened = certificates.open_signature(s.crypto, (ca.modulus, ca.exponent), h(vector["issuer_cert"]), 0x02, "issuer")
    _fields(
        opened, said, ("issuer_id", 2, 6), ("cert_expiry_mmyy", 6, 8), ("cert_serial", 8, 11), ("hash_algorithm", 11, 12),
        ("public_key_algorithm", 12, 13),
    )  # fmt: skip
    assert certificates.issuer_key(s) == (h(said["modulus"]), h(said["exponent"]))


def _card(s, vector):
    said = vector["icc"]
    opened = certificates.open_signature(s.crypto, certificates.issuer_key(s), h(vector["icc_cert"]), 0x04, "icc")
    _fields(
        opened, said, ("application_pan", 2, 12), ("cert_expiry_mmyy", 12, 14), ("cert_serial", 14, 17), ("hash_algorithm", 17, 18),
        ("public_key_algorithm", 18, 19),
    )  # fmt: skip
    day = vector["transaction_dates_yymmdd"].get("icc_cert_valid")
    if day:
        s.terminal[tags.DATE] = h(day)
    s.icc_key = card_key(s)
    assert s.icc_key == (h(said["modulus"]), h(said["exponent"]))
    rest = h(vector["icc_data"]["9F48"])
    assert s.icc_key[0].endswith(rest) or not rest


def _static(s, vector):
    said = vector["ssad_recovered"]
    opened = certificates.open_signature(s.crypto, certificates.issuer_key(s), h(vector["ssad"]), 0x03, "ssad")
    _fields(opened, said, ("hash_algorithm", 2, 3), ("data_authentication_code", 3, 5))
    failed = raises(CertificateError, certificates.hash_holds, s.crypto, opened, [b"other static data"], "ssad")
    assert failed.detail == "ssad-hash"


def _dynamic(s, vector):
    said = vector["sdad_recovered"]
    opened = certificates.open_signature(s.crypto, s.icc_key, h(vector["sdad"]), 0x05, "sdad")
    _fields(opened, said, ("hash_algorithm", 2, 3))
    assert opened[3] == said["icc_dynamic_data_length"] == len(h(said["icc_dynamic_data"]))
    told = tags.build_dol(h(vector["ddol"]), s.get)
    assert told == s.un
    dynamic = authenticate.open_dynamic(s, h(vector["sdad"]), [told])
    assert dynamic == h(said["icc_dynamic_data"])
    assert s.terminal[tags.ICC_DYNAMIC_NUMBER] == h(said["icc_dynamic_number"])
    if "cryptogram" in said:
        at = 1 + dynamic[0]
        assert dynamic[at : at + 9] == h(said["cid"] + said["cryptogram"])
        assert dynamic[at + 9 : at + 29] == h(said["transaction_data_hash_code"])


def _refused(vector, name, function, *arguments):
    """The wrong value is the right one but for its last byte, and is refused."""
    good, wrong = h(vector[name]), h(vector[name + "_invalid"])
    assert good[:-1] == wrong[:-1] and good != wrong
    return raises(CertificateError, function, *arguments).detail


def _wrong(s, vector):
    issuer = certificates.issuer_key(s)
    opened = certificates.open_signature
    assert _refused(vector, "sdad", authenticate.open_dynamic, s, h(vector["sdad_invalid"]), [s.un])
    if "ssad" not in vector:
        return
    assert _refused(vector, "ssad", opened, s.crypto, issuer, h(vector["ssad_invalid"]), 0x03, "ssad")
    assert _refused(vector, "icc_cert", opened, s.crypto, issuer, h(vector["icc_cert_invalid"]), 0x04, "icc")
    other = session(vector, dated(vector), "issuer_cert_invalid", crypto=s.crypto)
    assert _refused(vector, "issuer_cert", certificates.issuer_key, other) in ("issuer-frame", "issuer-rsa")
    _wrong_data(s, vector, issuer)


def _wrong_data(s, vector, issuer):
    """The card's data with the other exponents and a remainder whose last byte differs, all at once and one at a time."""
    good, wrong = vector["icc_data"], vector["icc_data_invalid"]
    other = session(vector, dated(vector), data="icc_data_invalid", crypto=s.crypto)
    assert raises(CertificateError, certificates.issuer_key, other).detail == "issuer-hash"
    assert (wrong["5A"], wrong["92"], wrong["9F48"][:-2]) == (good["5A"], good["92"], good["9F48"][:-2])
    for tag, rule in (("9F32", "issuer-hash"), ("9F47", "icc-exponent"), ("9F48", "icc-modulus")):
        changed = session(vector, vector["transaction_dates_yymmdd"]["icc_cert_valid"], crypto=s.crypto)
        changed.card[int(tag, 16)] = h(wrong[tag])
        assert raises(CertificateError, card_key, changed).detail == rule, tag
    assert wrong["9F32"] == wrong["9F47"] == "010001"  # the other one that the books allow


def _dates(vector, crypto):
    """Each certificate on the day after its end; the card's has ended before its issuer's."""
    dates = vector["transaction_dates_yymmdd"]
    if "issuer_cert_expired" not in dates:
        return
    late = session(vector, dates["issuer_cert_expired"], crypto=crypto)
    assert raises(CertificateError, certificates.issuer_key, late).detail == "issuer-expired"
    s = session(vector, dates["icc_cert_valid"], crypto=crypto)
    assert certificates.issuer_key(s) and card_key(s)
    s.terminal[tags.DATE] = h(dates["icc_cert_expired"])
    assert raises(CertificateError, card_key, s).detail == "icc-expired"
