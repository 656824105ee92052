"""The serial scanner: one text per scan, whole or not at all."""

from drivers.scanner_serial import SerialScanner

MRZ = ("DLDZAA123456784<<<<<<<<<<<<<<<", "8503111M2804119DZA<<<<<<<<<<<4", "BENALI<<MOHAMED<<<<<<<<<<<<<<<")


class Line:
    """A serial line on which each chunk arrives after so many ms."""

    def __init__(self, chunks):
        self.chunks = chunks

    async def read_into(self, buffer, timeout_ms):
        if not self.chunks:
            return 0
        after, data = self.chunks[0]
        if after > timeout_ms:
            self.chunks[0] = (after - timeout_ms, data)
            return 0
        got = min(len(buffer), len(data))
        buffer[:got] = data[:got]
        if got == len(data):
            self.chunks.pop(0)
        else:
            self.chunks[0] = (0, data[got:])
        return got


def scanner(*chunks):
    return SerialScanner(Line(list(chunks)))


async def test_a_bar_code_is_one_line():
    assert await scanner((10, b"TSD1:ABC\r")).read_scan(100) == "TSD1:ABC"
    assert await scanner((10, b"TSD1:ABC\r\n")).read_scan(100) == "TSD1:ABC"


async def test_every_end_of_line_that_scanners_send_ends_a_line():
    for end in ("\r", "\n", "\r\n"):
        data = "".join(line + end for line in MRZ).encode()
        for cut in (1, 31, 32, len(data) - 1):
            part = scanner((10, data[:cut]), (70, data[cut:]))
            assert await part.read_scan(100) == "\n".join(MRZ)


async def test_three_lines_of_an_mrz_are_one_scan():
    data = "".join(line + "\r" for line in MRZ).encode()
    part = scanner((10, data[:20]), (30, data[20:70]), (70, data[70:]))
    assert await part.read_scan(100) == "\n".join(MRZ)
    assert part.dropped == 0


async def test_what_was_scanned_but_not_read_can_be_dropped():
    part = scanner((0, ("\r".join(MRZ) + "\r").encode()), (50, b"new\r"))
    await part.discard()
    assert await part.read_scan(100) == "new" and part.dropped == 0
    assert not any(part._chunk)


async def test_a_pause_divides_scans():
    part = scanner((0, b"one\r"), (90, b"two\r"))
    assert await part.read_scan(100) == "one"
    assert await part.read_scan(100) == "two"
    assert await part.read_scan(100) is None


async def test_half_a_line_spoils_the_scan():
    part = scanner((0, MRZ[0].encode() + b"\r" + MRZ[1].encode()[:9]), (200, b"next\r"))
    assert await part.read_scan(100) is None
    assert part.dropped == 1
    assert await part.read_scan(300) == "next"


async def test_too_long_and_unprintable_scans_are_dropped_whole():
    part = scanner((0, b"A" * 512 + b"\r"), (90, b"A" * 511 + b"\r"), (90, b"a\xffb\r"), (90, b"ok\r"))
    assert await part.read_scan(100) is None
    assert await part.read_scan(100) == "A" * 511
    assert await part.read_scan(100) is None
    assert await part.read_scan(100) == "ok"
    assert part.dropped == 2


async def test_what_was_scanned_does_not_stay_in_memory():
    part = scanner((0, b"DLDZA\r"))
    assert await part.read_scan(10) == "DLDZA"
    assert not any(part._text) and not any(part._chunk)
