"""Published keys and certificates (vectors emv_oda.json, capk.json): what the kernel recovers is what they say.

The source gives no static data, so the hash of the ICC certificates cannot be checked there: those are opened only.
"""

from protocol.crypto.pure import PureCrypto
from protocol.emv import state, tags
from protocol.emv.oda import authenticate, certificates
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.params import CaKey, EmvParams
from tests.protocol.emv.scripted import aid_entry, h, txn
from tests.support.dual import raises, record, vector_cases, vectors


def _entry(capk, expiry="20991231"):
    return {
        "rid": h(capk["rid"]), "index": int(capk["index"], 16), "modulus": h(capk["modulus"]),
        "exponent": h(capk["exponent"]), "sha1": h(capk["hash"]), "expiry": expiry,
    }  # fmt: skip


def _session(vector, date, certificate="issuer_cert", data="icc_data"):
    entry = _entry(vector["capk"])
    aid = entry["rid"] + h("1010")
    s = state.Session(
        txn(date=date),
        EmvParams({"aids": [aid_entry(aid=aid)], "ca_keys": [entry]}),
        PureCrypto(),
        h(vector["terminal_dynamic_data"]),
    )
    s.aid = s.params.aids[0]
    state.fill_terminal(s)
    s.card[tags.DF_NAME] = aid
    s.card[tags.CA_KEY_INDEX] = bytes([entry["index"]])
    s.card[tags.ISSUER_CERTIFICATE] = h(vector[certificate])
    for tag in vector[data]:
        s.card[int(tag, 16)] = h(vector[data][tag])
    s.pan = tags.pan_digits(s.card[tags.PAN])
    return s


def _dated(vector):
    dates = vector["transaction_dates_yymmdd"]
    return dates.get("issuer_cert_valid") or dates["valid"]


def test_every_ca_key_has_its_check_sum():
    crypto = PureCrypto()
    count = 0
    for capk in vector_cases("capk.json"):
        assert CaKey(_entry(capk)).digest_holds(crypto), capk["index"]
        count += 1
    assert count == 30


def test_a_ca_key_with_a_changed_byte_does_not_hold():
    for capk in vector_cases("capk.json"):
        entry = _entry(capk)
        entry["modulus"] = entry["modulus"][:-1] + bytes([entry["modulus"][-1] ^ 1])
        assert not CaKey(entry).digest_holds(PureCrypto())
        return


def test_issuer_keys_are_recovered():
    whole = vectors("emv_oda.json")
    for name in ("cda", "sda_dda"):
        vector = whole[name]
        s = _session(vector, _dated(vector))
        modulus, exponent = certificates.issuer_key(s)
        assert modulus == h(vector["issuer"]["modulus"]), name
        assert exponent == h(vector["issuer"]["exponent"])
        record(name, modulus)


def test_issuer_certificate_that_was_changed_or_expired_is_refused():
    vector = vectors("emv_oda.json")["sda_dda"]
    s = _session(vector, _dated(vector), certificate="issuer_cert_invalid")
    assert raises(CertificateError, certificates.issuer_key, s).detail in ("issuer-frame", "issuer-rsa")
    s = _session(vector, vector["transaction_dates_yymmdd"]["issuer_cert_expired"])
    assert raises(CertificateError, certificates.issuer_key, s).detail == "issuer-expired"
    s = _session(vector, _dated(vector), data="icc_data_invalid")
    assert raises(CertificateError, certificates.issuer_key, s).detail == "issuer-hash"


def test_issuer_certificate_of_another_pan_is_refused():
    vector = vectors("emv_oda.json")["sda_dda"]
    s = _session(vector, _dated(vector))
    s.pan = b"4761730001010119"
    assert certificates.issuer_key(s)
    s = _session(vector, _dated(vector))
    s.pan = b"5761739001010119"
    assert raises(CertificateError, certificates.issuer_key, s).detail == "issuer-identifier"


def test_icc_certificates_open():
    whole = vectors("emv_oda.json")
    for name in ("cda", "sda_dda"):
        vector = whole[name]
        s = _session(vector, _dated(vector))
        opened = certificates.open_signature(s.crypto, certificates.issuer_key(s), h(vector["icc_cert"]), 0x04, "icc")
        assert opened == h(vector["icc"]["recovered"]), name
        assert opened[-21:-1] == h(vector["icc"]["hash"])


def test_icc_certificate_that_was_changed_is_refused():
    vector = vectors("emv_oda.json")["sda_dda"]
    s = _session(vector, _dated(vector))
    key = certificates.issuer_key(s)
    raises(CertificateError, certificates.open_signature, s.crypto, key, h(vector["icc_cert_invalid"]), 0x04, "icc")


def test_signed_static_data_opens_and_its_hash_is_compared():
    vector = vectors("emv_oda.json")["sda_dda"]
    s = _session(vector, _dated(vector))
    key = certificates.issuer_key(s)
    opened = certificates.open_signature(s.crypto, key, h(vector["ssad"]), 0x03, "ssad")
    assert opened == h(vector["ssad_recovered"]["recovered"] + vector["ssad_recovered"]["hash"] + "BC") or (
        opened == h(vector["ssad_recovered"]["recovered"])
    )
    assert opened[3:5] == h(vector["ssad_recovered"]["data_authentication_code"])
    failed = raises(CertificateError, certificates.hash_holds, s.crypto, opened, [b"other static data"], "ssad")
    assert failed.detail == "ssad-hash"
    raises(CertificateError, certificates.open_signature, s.crypto, key, h(vector["ssad_invalid"]), 0x03, "ssad")


def test_signed_dynamic_data_give_the_icc_dynamic_data():
    whole = vectors("emv_oda.json")
    for name in ("cda", "sda_dda"):
        vector = whole[name]
        s = _session(vector, _dated(vector))
        s.icc_key = (h(vector["icc"]["modulus"]), h(vector["icc"]["exponent"]))
        dynamic = authenticate.open_dynamic(s, h(vector["sdad"]), [s.un])
        assert dynamic == h(vector["sdad_recovered"]["icc_dynamic_data"]), name
        assert s.terminal[tags.ICC_DYNAMIC_NUMBER] == h(vector["sdad_recovered"]["icc_dynamic_number"])


def test_cda_cryptogram_lies_behind_the_dynamic_number():
    vector = vectors("emv_oda.json")["cda"]
    s = _session(vector, _dated(vector))
    s.icc_key = (h(vector["icc"]["modulus"]), h(vector["icc"]["exponent"]))
    dynamic = authenticate.open_dynamic(s, h(vector["sdad"]), [s.un])
    at = 1 + dynamic[0]
    expected = vector["sdad_recovered"]
    assert dynamic[at : at + 9] == h(expected["cid"] + expected["cryptogram"])
    assert dynamic[at + 9 : at + 29] == h(expected["transaction_data_hash_code"])


def test_signed_dynamic_data_over_another_number_are_refused():
    for vector in vectors("emv_oda.json").values():
        s = _session(vector, _dated(vector))
        s.icc_key = (h(vector["icc"]["modulus"]), h(vector["icc"]["exponent"]))
        assert (
            raises(CertificateError, authenticate.open_dynamic, s, h(vector["sdad"]), [b"\0\0\0\0"]).detail
            == "sdad-hash"
        )
        raises(CertificateError, authenticate.open_dynamic, s, h(vector["sdad_invalid"]), [s.un])
