"""The strict DER reader: what it accepts, and what it refuses with the offset."""

from protocol import der
from protocol.der import Der, DerError
from tests.support.dual import ON_DEVICE, raises, skip


def h(text):
    return bytes.fromhex(text)


def test_elements_are_walked_without_copying():
    outer = Der(h("3009020105040200ff0500"))
    inner = outer.enter()
    outer.finish()
    assert inner.integer() == 5 and inner.octets() == h("00ff")
    assert inner.peek() == der.NULL and inner.optional(der.OID) is None and inner.more()
    item = inner.optional(der.NULL)
    assert item is not None and item.whole() == h("0500") and item.content() == b""
    inner.finish()
    assert inner.peek() == -1


def test_lengths_must_be_definite_shortest_and_inside():
    for bad in (
        "30",
        "3080",
        "308101",
        "30810100",
        "3082007f" + "00" * 127,
        "308400000001aa",
        "3002aa",
        "1f0100",
        "30ff",
    ):
        error = raises(DerError, Der(h(bad)).next)
        assert error.code == "FMT-080" and error.detail == 0
    assert Der(h("0481" + "80" + "00" * 128)).octets() == bytes(128)
    assert Der(h("04820100" + "00" * 256)).octets() == bytes(256)


def test_a_reader_of_ber_takes_every_form_of_a_length_and_hands_that_on():
    for form in ("02", "8102", "820002", "8400000002"):
        whole = h("30" + form + "0500")
        assert Der(whole, ber=True).enter().next().tag == 5
        if form != "02":
            raises(DerError, Der(whole).next)
    reader = Der(h("30803080050000003180000004810107000005"), ber=True)
    inner = reader.enter()
    assert (reader.peek(), inner.next().tag, inner.next().content(), inner.octets()) == (5, 0x30, b"", b"\x07")
    inner.finish()
    raises(DerError, Der(h("3080308005000000"), ber=True).next)  # one end is missing
    assert (
        Der(h("24800401010402020300000500"), ber=True).octets() == b"\x01\x02\x03"
        and Der(h("2400"), ber=True).octets() == b""
    )
    raises(DerError, Der(h("2403040101")).octets)
    assert Der(h("24082403040101040102"), ber=True).octets() == b"\x01\x02"  # pieces of pieces
    assert Der(h("240924072405240304010a"), ber=True).octets() == b"\x0a"
    raises(DerError, Der(h("240b240924072405240304010a"), ber=True).octets)  # five levels
    raises(DerError, Der(h("2403020101"), ber=True).octets)
    raises(DerError, Der(h("04800000"), ber=True).next)  # octets have their length told
    raises(DerError, Der(h("3084FFFFFFFF00"), ber=True).next)
    raises(DerError, Der(h("30FF0500"), ber=True).next)
    raises(DerError, Der(h("3080" * 3000), ber=True).next)
    raises(DerError, Der(h("30801F0000000000"), ber=True).next)
    raises(DerError, Der(h("300430810105"), ber=True).next().reader().next)  # what an element holds is read strictly


def test_integers_are_in_their_one_form():
    assert Der(h("020100")).integer_bytes() == b"\0" and Der(h("02020080")).integer_bytes() == b"\x80"
    for bad in ("0200", "0201ff", "0202007f", "020200"):
        raises(DerError, Der(h(bad)).integer_bytes)
    raises(DerError, Der(h("02050100000000")).integer)


def test_booleans_bits_and_oids_are_strict():
    assert Der(h("0101ff")).boolean() and not Der(h("010100")).boolean()
    raises(DerError, Der(h("010101")).boolean)
    assert Der(h("030300abcd")).bits() == h("abcd")
    for bad in ("0300", "030201fe"):
        raises(DerError, Der(h(bad)).bits)
    assert Der(h("03020780")).flags() == 0x8000 and Der(h("03020106")).flags() == 0x0600
    assert Der(h("06032a0304")).oid() == h("2a0304")
    for bad in ("0600", "06022a80", "0602802a"):
        raises(DerError, Der(h(bad)).oid)
    assert der.oid_text(h("2a8648ce3d030107")) == "1.2.840.10045.3.1.7"
    assert der.oid_text(h("678108010101")) == "2.23.136.1.1.1" and der.oid_text(b"") == ""


def test_times_become_one_form():
    assert Der(b"\x17\x0d200130000000Z").time() == "20200130000000"
    assert Der(b"\x17\x0d500130235959Z").time() == "19500130235959"
    assert Der(b"\x18\x0f20500130000000Z").time() == "20500130000000"
    assert der.generalized_time(b"20250130000000Z") == "20250130000000"
    for bad in (
        b"\x17\x0d201330000000Z",
        b"\x17\x0d20013000000xZ",
        b"\x17\x0b2001300000Z",
        b"\x18\x0d200130000000Z",
        b"\x05\x00",
    ):
        raises(DerError, Der(bad).time)
    raises(DerError, der.generalized_time, b"20250130000000+")


def test_bytes_after_the_end_are_refused():
    reader = Der(h("05000500"))
    reader.next()
    raises(DerError, reader.finish)
    reader.next()
    reader.finish()
    raises(DerError, reader.next)


def test_wrap_and_read_are_inverse():
    for size in (0, 1, 127, 128, 255, 256, 5000):
        assert Der(der.wrap(0x04, bytes(size))).octets() == bytes(size)


def test_a_length_of_three_bytes_is_written_and_measured():
    if ON_DEVICE:
        skip("64 KB twice do not fit the device's heap")
    whole = der.wrap(0x04, bytes(65536))
    assert whole[:5] == h("0483010000")
    item = Der(whole).next()
    assert (item.body, item.end) == (5, 65541)


def test_certificates_of_some_states_are_read_only_where_that_is_asked_for():
    assert Der(b"\x02\x02\x8f\x11").serial() == b"\x8f\x11" and Der(b"\x02\x03\x00\x00\x05").serial() == b"\x05"
    assert Der(b"\x02\x01\x00").serial() == b"\x00"
    raises(DerError, Der(b"\x02\x00").serial)
    assert Der(b"\x01\x01\x01").boolean(False) and not Der(b"\x01\x01\x00").boolean(False)
    raises(DerError, Der(b"\x01\x01\x01").boolean)
    raises(DerError, Der(b"\x01\x02\xff\xff").boolean, False)
    short = b"\x17\x0b1801010203Z"
    assert Der(short).time(False) == "20180101020300"
    raises(DerError, Der(short).time)
    raises(DerError, Der(b"\x18\x0b1801010203Z").time, False)
