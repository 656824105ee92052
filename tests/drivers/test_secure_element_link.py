"""The secure element's link when the line says what it should not: its error, whatever it is, and never the answer to something else."""

from drivers.secure_element_link import LinkSecureElement
from protocol import cbor
from protocol.errors import SecureElementError
from tests.support.dual import araises


class _Line:
    """Answers each request with the next of `replies` (bytes after the length; None: nothing, an error: raised); `late` comes before the next."""

    def __init__(self, *replies, late=b""):
        self.replies = list(replies)
        self.late = late
        self.waiting = b""

    async def write(self, data):
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        if reply is not None:
            self.waiting += len(reply).to_bytes(2, "big") + reply

    async def read_into(self, buffer, timeout_ms):
        if not self.waiting:
            self.waiting, self.late = self.late, b""
            return 0
        count = min(len(buffer), len(self.waiting))
        buffer[:count], self.waiting = self.waiting[:count], self.waiting[count:]
        return count


def _said(result):
    return cbor.encode([0, result])


async def test_a_garbled_reply_is_the_elements_error():
    for reply in (
        b"\xff\xff\xff",
        b"\x82\x00",
        b"\x82\x00\x58\x41" + b"x" * 9,
        b"\x00",
        _said(b"abcd") + b"\x00",
        b"\x81\x00",
        b"\xa0",
    ):
        error = await araises(SecureElementError, LinkSecureElement(_Line(reply)).random(4))
        assert error.code == "SEC-003", reply


async def test_a_result_of_another_kind_or_length_is_the_elements_error():
    key = bytes(65)
    for call, good, bad in (
        (lambda se: se.info(), {}, (b"", 1, None, [])),
        (lambda se: se.random(4), b"abcd", (b"abc", b"abcde", "abcd", 4, None, True)),
        (lambda se: se.public_key(0), key, (key[1:], "x", 0)),
        (lambda se: se.generate_key(0), key, (key[1:], None)),
        (lambda se: se.sign(0, bytes(32)), bytes(64), (bytes(63), bytes(65), None)),
        (lambda se: se.verify(key, bytes(32), bytes(64)), False, (0, 1, None, b"")),
        (lambda se: se.ecdh(0, key), bytes(32), (bytes(31), 0)),
        (lambda se: se.hmac(0, b""), bytes(32), (bytes(33), "")),
        (lambda se: se.aes_ecb(0, bytes(16)), bytes(16), (bytes(32), None)),
        (lambda se: se.counter(0), 7, (b"\x07", "7", None, True)),
        (lambda se: se.increment(0), 7, (b"\x07", "7", None, False)),
        (lambda se: se.read_block(0, 0), bytes(32), (bytes(31), None)),
        (lambda se: se.write_block(0, 0, bytes(32)), None, (True, b"", 0)),
    ):
        assert await call(LinkSecureElement(_Line(_said(good)))) == good
        for wrong in bad:
            error = await araises(SecureElementError, call(LinkSecureElement(_Line(_said(wrong)))))
            assert error.code == "SEC-003", wrong


async def test_what_the_element_refuses_and_a_line_that_is_gone_are_told_apart():
    for reply, code in ((cbor.encode([1, "locked"]), "SEC-004"), (OSError(), "SEC-002"), (None, "SEC-002")):
        assert (await araises(SecureElementError, LinkSecureElement(_Line(reply)).counter(0))).code == code


async def test_a_late_reply_is_none_to_the_next_request():
    late = _said(b"late")
    line = _Line(None, _said(b"good"), late=len(late).to_bytes(2, "big") + late)
    part = LinkSecureElement(line)
    assert (await araises(SecureElementError, part.random(4))).code == "SEC-002"
    assert await part.random(4) == b"good"


async def test_a_line_that_never_falls_silent_is_given_up():
    class Noise(_Line):
        async def read_into(self, buffer, timeout_ms):
            buffer[:] = b"\xff" * len(buffer)
            return len(buffer)

    part = LinkSecureElement(Noise(_said(1), _said(1)))
    for code in ("SEC-003", "SEC-002"):
        assert (await araises(SecureElementError, part.counter(0))).code == code
