"""Published certificates: parsed as their index says, signatures verified (P-384 with SHA-512, RSA 4096, explicit parameters)."""

from protocol.crypto.ec import Curve
from protocol.crypto.pure import PureCrypto
from protocol.der import Der, DerError, wrap
from protocol.errors import FormatError
from protocol.licence.errors import TrustError
from protocol.licence.trust import algorithms, x509
from tests.support.dual import raises, record, vector_path, vectors


def der(name):
    with open(vector_path("trust/" + name), "rb") as stream:
        return stream.read()


def test_fields_are_those_of_the_index():
    for row in vectors("trust/index.json")["certificates"]:
        found = x509.parse(der(row["file"]))
        assert found.serial.hex().upper() == row["serial"]
        assert found.subject_key.hex().upper() == row["ski"] and found.authority_key.hex().upper() == row["aki"]
        assert found.not_before == row["not_before"].replace("-", "").replace("T", "").replace(":", "")[:14]
        assert found.not_after == row["not_after"].replace("-", "").replace("T", "").replace(":", "")[:14]
        assert found.is_ca and found.may(x509.CERT_SIGN) and not found.weak()
        assert found.country() == row["file"][:2]
        assert found.key.kind == ("RSA" if row["key"] == "rsa" else "ECDSA")
        record(row["file"], found.key.curve)


def test_the_private_key_period_of_the_algerian_authority_ended_in_2025():
    found = x509.parse(der("DZ_CSCA_2020.der"))
    assert (found.key_from, found.key_to) == ("20200130000000", "20250130000000")
    assert found.key_usable_at("20250130") and not found.key_usable_at("20250131")
    assert found.valid_at("20350330") and not found.valid_at("20350331") and not found.valid_at("20200129")


def test_explicit_parameters_that_equal_brainpool_are_named_so():
    assert x509.parse(der("AT_CSCA.der")).key.curve == "brainpoolP384r1"


def test_explicit_parameters_with_one_changed_bit_are_not_supported():
    data = bytearray(der("AT_CSCA.der"))
    at = bytes(data).find(bytes.fromhex("04a8c7dd22ce28268b39b55416f0447c"))
    assert at > 0
    for offset in (at, at - 60, at + 60):
        changed = bytearray(data)
        changed[offset] ^= 1
        assert raises(TrustError, x509.parse, bytes(changed)).code == "LIC-061"


def parameters(more=b"", cofactor=b"\x02\x01\x01"):
    """A key on P-256 whose curve is written out, with this cofactor and `more` behind it."""
    curve = Curve("P-256")
    prime, a, b, base, order = algorithms._known(curve)
    number = wrap(0x02, b"\0" + prime), wrap(0x02, b"\0" + order)
    field = wrap(0x30, bytes.fromhex("06072A8648CE3D0101") + number[0])
    fields = (
        bytes.fromhex("020101")
        + field
        + wrap(0x30, wrap(4, a) + wrap(4, b))
        + wrap(4, base)
        + number[1]
        + cofactor
        + more
    )
    return Der(wrap(0x30, wrap(0x30, bytes.fromhex("06072A8648CE3D0201") + wrap(0x30, fields)) + wrap(3, b"\0" + base)))


def test_explicit_parameters_end_where_they_end():
    assert algorithms.read_public_key(parameters()).curve == "P-256"
    assert algorithms.read_public_key(parameters(cofactor=b"")).curve == "P-256"
    for cofactor, more in (
        (b"\x03\x01\x01", b""),
        (b"\x02\x01\x01", b"\x05\x00"),
        (b"", b"\x04\x01\x01"),
        (b"\x02\x01\x01", b"\xff"),
    ):
        raises(DerError, algorithms.read_public_key, parameters(more, cofactor))
    assert raises(TrustError, algorithms.read_public_key, parameters(cofactor=b"\x02\x01\x02")).code == "LIC-061"


def test_self_signatures_and_the_link_certificate_hold():
    crypto = PureCrypto()
    old, new, link = [x509.parse(der("DZ_CSCA_" + name + ".der")) for name in ("2015", "2020", "2020_link")]
    assert old.issued(crypto, old) and new.issued(crypto, new) and old.issued(crypto, link)
    assert not new.issued(crypto, link) and not old.issued(crypto, new)
    assert x509.same_name(old.subject, link.issuer)


def test_rsa_4096_self_signature_holds_and_breaks_with_one_bit():
    crypto = PureCrypto()
    data = der("FR_CSCA.der")
    found = x509.parse(data)
    assert found.issued(crypto, found)
    changed = data[:-1] + bytes((data[-1] ^ 1,))
    assert not found.issued(crypto, x509.parse(changed))


def test_a_certificate_cut_anywhere_is_refused():
    data = der("DZ_CSCA_2020.der")
    for length in range(0, len(data), 7):
        raises(TrustError, x509.parse, data[:length])
    raises(TrustError, x509.parse, data + b"\0")


def test_a_certificate_with_any_changed_byte_never_verifies():
    crypto = PureCrypto()
    data = der("DZ_CSCA_2020.der")
    good = x509.parse(data)
    for at in range(0, len(data), 61):
        changed = bytearray(data)
        changed[at] ^= 0x41
        try:
            assert not good.issued(crypto, x509.parse(bytes(changed)))
        except (TrustError, FormatError):
            continue


def with_first(data, old, new):
    """`data` with the first occurrence of some bytes replaced by as many others."""
    at = bytes(data).find(old)
    assert at > 0 and len(old) == len(new)
    return data[:at] + new + data[at + len(old) :]


def test_the_algorithm_inside_must_be_the_one_outside():
    data = der("DZ_CSCA_2020.der")
    sha512, sha384 = bytes.fromhex("2a8648ce3d040304"), bytes.fromhex("2a8648ce3d040303")
    assert raises(TrustError, x509.parse, with_first(data, sha512, sha384)).code == "LIC-060"
    both = with_first(with_first(data, sha512, sha384), sha512, sha384)
    x509.parse(both)  # equal again: parsed, though the signature no longer holds


def test_an_unknown_extension_is_passed_over_only_if_it_is_not_critical():
    data = der("DZ_CSCA_2020.der")
    key_usage, key_period, unknown = (
        b"\x06\x03\x55\x1d\x0f\x01\x01\xff",
        b"\x06\x03\x55\x1d\x10",
        b"\x06\x03\x55\x1d\x7f",
    )
    assert raises(TrustError, x509.parse, with_first(data, key_usage, unknown + key_usage[5:])).code == "LIC-061"
    assert x509.parse(with_first(data, key_period, unknown)).key_to == ""
    other_arc = b"\x06\x03\x56\x1d\x0f\x01\x01\xff"
    assert raises(TrustError, x509.parse, with_first(data, key_usage, other_arc)).code == "LIC-061"
