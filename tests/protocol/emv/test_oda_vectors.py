"""Published keys and certificates (vectors emv_oda.json, capk.json): what the kernel recovers is what they say.

`oda_suite` reproduces every value; test_oda_unread_cpython.py shows that none is left unread.
"""

from protocol.crypto.pure import PureCrypto
from protocol.emv.oda import authenticate, certificates
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.params import CaKey
from tests.protocol.emv import oda_suite
from tests.protocol.emv.scripted import h
from tests.support.dual import raises, record, vector_cases, vectors


def test_every_value_of_both_sets():
    whole = vectors("emv_oda.json")
    assert sorted(whole) == ["cda", "sda_dda"]
    for name in ("cda", "sda_dda"):
        oda_suite.check(whole[name])
        record(name, h(whole[name]["icc"]["modulus"]))


def test_every_ca_key_has_its_check_sum():
    crypto = PureCrypto()
    kinds = {"live": 0, "test": 0}
    for capk in vector_cases("capk.json"):
        assert CaKey(oda_suite.ca_entry(capk)).digest_holds(crypto), capk["index"]
        kinds[capk["kind"]] += 1
    assert kinds == {"live": 11, "test": 19}


def test_a_ca_key_with_a_changed_byte_does_not_hold():
    for capk in vector_cases("capk.json"):
        entry = oda_suite.ca_entry(capk)
        entry["modulus"] = entry["modulus"][:-1] + bytes([entry["modulus"][-1] ^ 1])
        assert not CaKey(entry).digest_holds(PureCrypto())
        return


def test_issuer_certificate_of_another_pan_is_refused():
    vector = vectors("emv_oda.json")["sda_dda"]
    s = oda_suite.session(vector, oda_suite.dated(vector))
    s.pan = b"4761730001010119"
    assert certificates.issuer_key(s)
    s = oda_suite.session(vector, oda_suite.dated(vector))
    s.pan = b"5761739001010119"
    assert raises(CertificateError, certificates.issuer_key, s).detail == "issuer-identifier"


def test_signed_dynamic_data_over_another_number_are_refused():
    for vector in vectors("emv_oda.json").values():
        s = oda_suite.session(vector, oda_suite.dated(vector))
        s.icc_key = (h(vector["icc"]["modulus"]), h(vector["icc"]["exponent"]))
        assert (
            raises(CertificateError, authenticate.open_dynamic, s, h(vector["sdad"]), [b"\0\0\0\0"]).detail
            == "sdad-hash"
        )
        raises(CertificateError, authenticate.open_dynamic, s, h(vector["sdad_invalid"]), [s.un])
