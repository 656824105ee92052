"""The key matrix behind its serial controller."""

from drivers.keypad_serial import SerialKeypad
from tests.support import dual


class Line:
    """A serial line on which each chunk arrives after so many ms; moves the clock."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.now = 0

    async def read_into(self, buffer, timeout_ms):
        if not self.chunks or self.chunks[0][0] > timeout_ms:
            self.now += timeout_ms
            if self.chunks:
                self.chunks[0] = (self.chunks[0][0] - timeout_ms, self.chunks[0][1])
            return 0
        after, data = self.chunks[0]
        self.now += after
        got = min(len(buffer), len(data))
        buffer[:got] = data[:got]
        if got == len(data):
            self.chunks.pop(0)
        else:
            self.chunks[0] = (0, data[got:])
        return got

    def ticks_ms(self):
        return self.now

    def ticks_diff(self, later, earlier):
        return later - earlier


def keypad(*chunks):
    line = Line(list(chunks))
    return SerialKeypad(line, line), line


async def test_every_key_has_its_code():
    pad, _ = keypad((5, b"0123456789"))
    for name in "0123456789":
        if name == "8":
            assert await pad.read_key(0) is None  # the ninth and tenth in one burst are beyond the 8 kept
            break
        assert await pad.read_key(10) == name
    codes = b"\x0d\x1b\x08\x11\x12\x13\x149"
    for at, name in enumerate(("ok", "cancel", "clear", "up", "down", "menu", "lang", "9")):
        pad, _ = keypad((0, codes[at : at + 1]))
        assert await pad.read_key(0) == name


async def test_releases_and_noise_are_passed_over_within_the_time_out():
    pad, line = keypad((10, b"\xb1"), (10, b"\x00\x7f"), (10, b"\x31"))
    assert await pad.read_key(100) == "1"
    assert pad.unknown == 2
    assert line.now == 30


async def test_a_stream_of_releases_does_not_stretch_the_time_out():
    pad, line = keypad(*[(40, b"\xb1")] * 20)
    assert await pad.read_key(100) is None
    assert line.now <= 140


async def test_no_key_within_the_time_out_is_none_and_the_key_is_not_lost():
    pad, _ = keypad((150, b"5"))
    assert await pad.read_key(100) is None
    assert await pad.read_key(100) == "5"


async def test_forgotten_keys_do_not_come():
    pad, _ = keypad((0, b"12"))
    assert await pad.read_key(0) == "1"
    await pad.forget()
    assert await pad.read_key(0) is None


async def test_keys_that_are_still_on_the_line_are_forgotten_too_and_those_pressed_later_are_not():
    pad, line = keypad((0, b"1" * 40), (0, b"\r"), (50, b"5"))
    await pad.forget()
    assert line.now < 10 and not any(pad._buffer)
    assert await pad.read_key(100) == "5"


async def test_a_line_that_never_rests_or_is_gone_ends_the_forgetting():
    pad, line = keypad(*[(1, b"\x00")] * 1000)
    await pad.forget()
    assert line.now < 100

    class Gone(Line):
        async def read_into(self, buffer, timeout_ms):
            raise OSError

    line = Gone([])
    pad = SerialKeypad(line, line)
    await pad.forget()
    assert pad.lost == 1


async def test_typed_digits_do_not_stay_in_memory():
    pad, _ = keypad((0, b"4711"))
    for name in "4711":
        assert await pad.read_key(0) == name
    assert not any(pad._buffer) and not any(pad._waiting)
    dual.record("unknown", pad.unknown)


async def test_a_line_that_is_gone_is_nobody_there_and_may_come_back():
    class Gone(Line):
        away = 3

        async def read_into(self, buffer, timeout_ms):
            if self.away:
                self.away -= 1
                raise OSError
            return await Line.read_into(self, buffer, timeout_ms)

        async def sleep_ms(self, duration):
            self.now += duration

    line = Gone([(0, b"\r")])
    pad = SerialKeypad(line, line)
    assert await pad.read_key(800) is None and line.now == 800 and pad.lost == 2
    assert await pad.read_key(1000) == "ok" and pad.lost == 3
    line.away = 1
    assert await pad.read_key(0) is None
