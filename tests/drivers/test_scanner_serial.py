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


async def test_what_scanners_put_around_their_lines_is_not_in_the_text():
    lines = [line.encode() for line in MRZ]
    for data in (
        b"\x02" + b"\r".join(lines) + b"\r\x03",
        b"\xef\xbb\xbf" + b"\r\n".join(lines) + b"\r\n\0",
        b"\x02\xef\xbb\xbf" + b"\r".join(lines) + b"\r\0\x03",
        b"\t".join(lines) + b"\t",
        b"\t".join(lines) + b"\t\r\n",
        b"\x02" + b"\x03\x02".join(lines) + b"\x03",
        b"\x02" + b"\x03\r\n\x02".join(lines) + b"\x03\r\n",
        b"\0" + b"\0\r".join(lines) + b"\0\r",
    ):
        for cut in (1, 2, 3, len(data) - 1):
            part = scanner((10, data[:cut]), (70, data[cut:]))
            assert await part.read_scan(100) == "\n".join(MRZ), data
            assert part.dropped == 0


async def test_what_belongs_around_a_line_spoils_the_scan_inside_it():
    for data in (
        b"AB\0CD\r",
        b"AB\x02CD\r",
        b"AB\xef\xbb\xbfCD\r",
        b"\xef\xbbAB\r",
        b"\xbfAB\r",
        b"AB\r\xef\xbb\xbfCD\r",
        b"AB\0",
    ):
        part = scanner((0, data))
        assert await part.read_scan(100) is None and part.dropped == 1, data
    for data in (b"\x02\x03", b"\0", b"\xef\xbb\xbf"):
        part = scanner((0, data), (90, b"ok\r"))
        assert await part.read_scan(100) is None and await part.read_scan(100) == "ok"


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


async def test_a_line_that_is_gone_is_no_scan_and_no_error():
    class Gone:
        async def read_into(self, buffer, timeout_ms):
            raise OSError

    part = SerialScanner(Gone())
    await part.discard()
    assert await part.read_scan(100) is None and part.lost == 2
