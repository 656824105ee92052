"""Elliptic-curve work for the secure element, stepped by hand; the key agreement of RFC 5903 section 8.1."""

from protocol import pack
from protocol.crypto import KeyFormatError
from protocol.crypto.pure import PureCrypto
from protocol.licence import curves
from protocol.licence.errors import UnsupportedError
from tests.support.dual import raises, record

I = "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433"  # noqa: E741  the RFC's own letters
GI = "DAD0B65394221CF9B051E1FECA5787D098DFE637FC90B9EF945D0C37725811805271A0461CDB8252D61F1C456FA3E59AB1F45B33ACCF5F58389E0577B8990BB3"
GR = "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF6356FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB"
GIR = "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE522BDE0AF0D8585B8DEF9C183B5AE38F50235206A8674ECB5D98EDB20EB153A2"


def point(text):
    return b"\x04" + bytes.fromhex(text)


def nothing(count):
    raise AssertionError("no random bytes are needed")


class Part:
    """A secure element with the RFC's key: what it is asked goes into `asked`; it tells first coordinates only."""

    def __init__(self):
        self.asked = []

    def answer(self, request):
        self.asked.append(request[0])
        if request[0] == "ec_key":
            return point(GI)
        assert request[0] == "ec_agree"
        return PureCrypto().ec_multiply("P-256", bytes.fromhex(I), request[1])[1:33]


def run(machine, part=None, changed=None):
    """The machine's result; `part` answers, else every answer is None; `changed` alters an answer."""
    answer = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration as end:
            return end.value
        answer = None if part is None else part.answer(request)
        if changed is not None and request[0] == "ec_agree":
            answer = changed(answer)


def test_a_whole_product_comes_of_two_first_coordinates():
    part, crypto = Part(), PureCrypto()
    pair = run(curves.key_pair(crypto, "P-256", nothing), part)
    assert (pair.public, pair.private) == (point(GI), b"")
    assert run(curves.product(crypto, "P-256", pair, point(GR)), part) == point(GIR)
    assert part.asked == ["ec_key", "ec_agree", "ec_agree"]
    assert run(curves.secret(crypto, "P-256", pair, point(GR)), part) == point(GIR)[1:33]
    assert len(part.asked) == 4


def test_a_pair_on_another_base_has_the_secret_of_its_first_coordinate():
    part, crypto = Part(), PureCrypto()
    pair = run(curves.key_pair(crypto, "P-256", nothing, point(GR)), part)
    assert pair.public[:33] == point(GIR)[:33] and pair.private == b""
    crypto.ec_check("P-256", pair.public)
    other = (7).to_bytes(32, "big")  # whoever multiplies our public key gets what the part gets of theirs
    theirs = crypto.ec_multiply("P-256", other, point(GR))
    assert (
        run(curves.secret(crypto, "P-256", pair, theirs), part) == crypto.ec_multiply("P-256", other, pair.public)[1:33]
    )
    record("public", pair.public[1:33])


def test_without_a_part_and_on_other_curves_the_work_is_done_here():
    crypto = PureCrypto()
    scalar = pack.be(pack.int_from(bytes.fromhex(I)) - 1, 40)
    pair = run(curves.key_pair(crypto, "P-256", lambda count: scalar))
    assert (pair.public, pair.private) == (point(GI), bytes.fromhex(I))
    assert run(curves.product(crypto, "P-256", pair, point(GR)), None) == point(GIR)
    part = Part()
    pair = run(curves.key_pair(crypto, "brainpoolP256r1", lambda count: bytes(count - 1) + b"\x04"), part)
    assert pair.private[-1] == 5 and pair.public == crypto.ec_multiply("brainpoolP256r1", b"\x05")
    assert part.asked == []


def test_a_point_off_the_curve_never_reaches_the_part():
    part, crypto = Part(), PureCrypto()
    bad = point(GR)[:-1] + b"\x00"
    pair = run(curves.key_pair(crypto, "P-256", nothing), part)
    for make in (curves.product, curves.secret):
        raises(KeyFormatError, run, make(crypto, "P-256", pair, bad), part)
    raises(KeyFormatError, run, curves.key_pair(crypto, "P-256", nothing, bad), part)
    raises(KeyFormatError, run, curves.verify(crypto, "P-256", bad, bytes(32), bytes(64)), part)
    assert part.asked == ["ec_key"]


def test_nonsense_from_the_part_is_an_error_not_a_key():
    crypto = PureCrypto()
    pair = run(curves.key_pair(crypto, "P-256", nothing), Part())
    for changed in (lambda x: x[:-1] + bytes((x[-1] ^ 1,)), lambda x: b"\xff" * 32):
        raises(KeyFormatError, run, curves.product(crypto, "P-256", pair, point(GR)), Part(), changed)
    raises(KeyFormatError, run, curves.key_pair(crypto, "P-256", nothing, point(GR)), Part(), lambda x: b"\xff" * 32)
    for changed in (lambda x: None, lambda x: x[:31]):
        error = raises(UnsupportedError, run, curves.secret(crypto, "P-256", pair, point(GR)), Part(), changed)
        assert error.code == "LIC-061"


def test_digests_of_any_length_reach_the_part_as_numbers_of_32_bytes():
    crypto = PureCrypto()
    for size in (20, 28, 32, 48, 64):
        digest = bytes(range(1, size + 1))
        machine = curves.verify(crypto, "P-256", point(GI), digest, bytes(64))
        request = next(machine)
        assert request[:2] == ("ec_verify", point(GI)) and request[3] == bytes(64)
        assert request[2] == (bytes(32 - size) + digest if size < 32 else digest[:32])
        for said in (True, False):
            again = curves.verify(crypto, "P-256", point(GI), digest, bytes(64))
            next(again)
            try:
                again.send(said)
            except StopIteration as end:
                assert end.value is said
