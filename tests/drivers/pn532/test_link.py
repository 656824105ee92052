"""Commands to the PN532 when the line is bad: what is repeated, what must not be, and how a command ends that takes too long."""

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from protocol.errors import CardError, CardSilentError, NoCardError
from tests.drivers.pn532.scripted import ACK, Line, answer
from tests.support.dual import araises

GOOD = answer(b"\x41\x00\x90\x00")
BAD = GOOD[:-3] + b"\x01" + GOOD[-2:]
EXCHANGE = b"\x40\x01"


async def started(line):
    link = Link(line)
    await link.start()
    line.sent.clear()
    return link


async def exchange(link):
    count = await link.command(EXCHANGE, b"\x00\xa4\x04\x00", 1000, False)
    return bytes(link.parser.body[2:count])


async def test_set_up_wakes_names_configures_and_raises_the_speed():
    line = Line(lambda content: b"")
    await Link(line).start()
    assert line.codes() == ["ack", 0x14, 0x02, 0x12, 0x32, 0x32, 0x32, 0x10, "ack"]
    assert line.sent[-2] == b"\x10\x07"
    assert line.speeds == [115200, 921600]


async def test_damaged_answer_is_asked_for_again_and_the_card_hears_nothing_twice():
    line = Line(lambda content: ACK + BAD, on_nack=GOOD)
    link = await started(line)
    assert await exchange(link) == b"\x00\x90\x00"
    assert line.codes() == [0x40, "nack"]


async def test_answer_cut_in_the_middle_is_asked_for_again():
    for end in range(2, len(GOOD)):
        line = Line(lambda content, end=end: ACK + GOOD[:end], on_nack=GOOD)
        link = await started(line)
        if end < 3:
            continue  # no frame has begun: that is silence
        assert await exchange(link) == b"\x00\x90\x00", end
        assert line.codes() == [0x40, "nack"]


async def test_answer_without_its_acknowledgement_is_an_answer():
    for lost in (b"", ACK[:4], b"\x00\x00\xff\x00\x00\x00"):
        line = Line(lambda content, lost=lost: lost + GOOD, on_nack=GOOD)
        link = await started(line)
        assert await exchange(link) == b"\x00\x90\x00", lost


async def test_unheard_exchange_is_never_repeated():
    line = Line(lambda content: b"")
    link = await started(line)
    assert (await araises(CardError, exchange(link))).code == "CRD-010"
    assert line.codes() == [0x40]


async def test_unheard_question_is_repeated():
    tries = []

    def third(content):
        tries.append(content)
        return ACK + answer(b"\x01\x00") if len(tries) == 3 else b""

    line = Line(third)
    link = await started(line)
    assert await link.command(b"\x00\x06") == 3
    assert line.codes() == [0x00, "ack", 0x00, "ack", 0x00]


async def test_exchange_that_takes_too_long_is_stopped_and_its_late_answer_is_not_taken_for_another():
    answers = [ACK, ACK + answer(b"\x41\x00\x6a\x82") + answer(b"\x01\x00")]
    line = Line(lambda content: answers.pop(0))
    link = await started(line)
    await araises(CardSilentError, exchange(link))
    assert line.codes() == [0x40, "ack"]
    assert await link.command(b"\x00\x06") == 3
    assert bytes(link.parser.body[:3]) == b"\xd5\x01\x00"


async def test_noise_without_end_ends():
    line = Line(lambda content: bytes(100) * 60)
    link = await started(line)
    assert (await araises(CardError, exchange(link))).code == "CRD-010"


async def test_error_frame_and_foreign_part_are_coded():
    line = Line(lambda content: ACK + bytes.fromhex("0000FF01FF7F8100"))
    link = await started(line)
    error = await araises(CardError, exchange(link))
    assert (error.code, error.detail) == ("CRD-014", 0x40)

    class Other(Line):
        def _setup(self, content):
            return ACK + answer(bytes([content[0] + 1, 0x07, 1, 6, 7]))

    assert (await araises(CardError, Link(Other(None)).start())).code == "CRD-010"


async def test_nobody_on_the_line():
    class Dead(Line):
        def _setup(self, content):
            return b""

    line = Dead(None)
    assert (await araises(CardError, Link(line).start())).code == "CRD-010"
    assert set(line.codes()) == {"ack", 0x14}
    assert line.speeds == [115200, 115200, 921600]


class Stopwatch:
    """A clock in microseconds that the line moves on."""

    def __init__(self):
        self.us = 5000000

    def ticks_us(self):
        return self.us

    def ticks_diff(self, later, earlier):
        return later - earlier


class Paced(Line):
    """A line that takes its time: each byte what its speed says, the chip `work` microseconds between ACK and answer; `pieces` of reading."""

    def __init__(self, script, work, on_nack=b"", pieces=64, buffered=False):
        Line.__init__(self, script, on_nack)
        self.clock, self.work, self.pieces, self.buffered = Stopwatch(), work, pieces, buffered
        self.speed = 115200
        self.acked = False

    def set_baudrate(self, baudrate):
        Line.set_baudrate(self, baudrate)
        self.speed = baudrate

    def spend(self, count):
        self.clock.us += count * 10000000 // self.speed

    async def write(self, data):
        self.spend(len(data))
        self.acked = False
        await Line.write(self, data)

    async def read_into(self, buffer, timeout_ms):
        if not self.acked and not self.buffered:
            self.acked = True
            return await self._part(buffer, 6)
        if self.acked and self._waiting[:3] == b"\x00\x00\xff":
            self.clock.us += self.work
        return await self._part(buffer, self.pieces)

    async def _part(self, buffer, most):
        if self._waiting:
            self.spend(1)
        count = await Line.read_into(self, memoryview(buffer)[:most], 0)
        self.spend(max(0, count - 1) if self.buffered else 0)
        return count


async def _timed(speed, **how):
    line = Paced(lambda content: ACK + GOOD, **how)
    link = Link(line, speed, line.clock)
    await link.start()
    await exchange(link)
    return link.took_us


async def test_what_an_exchange_took_does_not_depend_on_the_line():
    """But for the ACK's first byte, and the answer's preamble where the line is read byte by byte: never too short, never three bytes too long."""
    byte = {115200: 87, 921600: 11}  # microseconds
    for speed in (115200, 921600):
        for pieces, more in ((1, 3), (3, 1), (64, 1)):
            took = await _timed(speed, work=4321, pieces=pieces)
            assert 4321 <= took <= 4321 + more * byte[speed] + 2, (speed, pieces, took)


async def test_an_answer_that_is_asked_for_again_took_longer_and_none_took_less_than_nothing():
    prompt = await _timed(921600, work=1000)
    line = Paced(lambda content: ACK + BAD, work=1000, on_nack=GOOD)
    link = Link(line, 921600, line.clock)
    await link.start()
    await exchange(link)
    assert link.took_us > prompt
    assert await _timed(921600, work=-50000) == 0


class Broken(Line):
    """A line that is gone: `at` names what fails, after `good` times."""

    def __init__(self, at, good=0):
        Line.__init__(self, lambda content: ACK + answer(bytes([content[0] + 1, 0])))
        self.at, self.good = at, good

    def _count(self, name):
        if name == self.at:
            self.good -= 1
            if self.good < 0:
                raise OSError("the line is closed")

    async def write(self, data):
        self._count("write")
        await Line.write(self, data)

    async def read_into(self, buffer, timeout_ms):
        self._count("read")
        return await Line.read_into(self, buffer, timeout_ms)

    def set_baudrate(self, baudrate):
        self._count("speed")
        Line.set_baudrate(self, baudrate)


def _calls(reader):
    return (
        reader.card_present,
        lambda: reader.wait_for_card(0),
        reader.connect,
        lambda: reader.wait_for_removal(0),
    )


async def test_a_line_that_is_gone_is_a_card_error_of_every_method_and_none_of_disconnect():
    for at, most in (("write", 12), ("read", 24), ("speed", 2)):
        for good in range(most):
            reader = Pn532Reader(Link(Broken(at, good)))
            for call in _calls(reader):
                try:
                    await call()
                except NoCardError:
                    pass
                except CardError as error:
                    assert error.code in ("CRD-010", "CRD-017"), error.code
            await reader.disconnect()
        reader = Pn532Reader(Link(Broken(at)))
        for call in _calls(reader):
            assert (await araises(CardError, call())).code == "CRD-010"
        await reader.disconnect()


async def test_what_a_card_said_is_gone_when_it_is_released_or_was_pulled_away():
    for pulled in (False, True):
        await _forgotten(pulled)


async def _forgotten(pulled):
    record = bytes.fromhex("70125A08") + bytes(range(0x40, 0x60))

    def script(content):
        if content[0] == 0x4A:  # one of type A
            return ACK + answer(bytes.fromhex("4B010100042004A1B2C3D40578807002" if content[2] == 0 else "4B00"))
        if content[0] == 0x40 and content[5] == 0x0C:
            return ACK + answer(b"\x41\x00" + record + b"\x90\x00")
        return ACK + answer(bytes((content[0] + 1, content[0] == 0x40)))  # 01: the card does not answer

    link = Link(Line(script))
    reader = Pn532Reader(link)
    await reader.connect()
    assert await reader.transceive(bytes.fromhex("00B2010C00")) == record + b"\x90\x00"
    buffers = (link._out, link._in, link.parser.body)
    assert any(record[8:16] in bytes(buffer) for buffer in buffers)
    if pulled:
        await araises(CardError, reader.transceive(bytes.fromhex("00B2011400")))
    await reader.disconnect()
    assert all(bytes(buffer) == bytes(len(buffer)) for buffer in buffers)
