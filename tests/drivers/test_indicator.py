"""Lights and sounder on a serial line: the frame's bytes, and a line that is gone stops nobody."""

from drivers.indicator_serial import SerialIndicator
from tests.support.dual import record


class _Line:
    def __init__(self, gone=False):
        self.sent = []
        self.gone = gone

    async def write(self, data):
        if self.gone:
            raise OSError(5)
        self.sent.append(bytes(data))


async def test_a_signal_is_one_frame_with_a_check_byte():
    line = _Line()
    await SerialIndicator(line).show(15, 0, ((1500, 500),))
    await SerialIndicator(line).show(0, 1, ())
    await SerialIndicator(line).show(0, 0, ((750, 200), (0, 200), (750, 200)))
    assert line.sent[0] == bytes.fromhex("A50F000196320F")
    assert line.sent[1] == bytes.fromhex("A5000100A4")
    assert line.sent[2] == bytes.fromhex("A50000034B1400144B14B2")
    record("frames", b"".join(line.sent))


async def test_what_does_not_fit_is_cut_and_a_lost_line_is_counted():
    line = _Line()
    await SerialIndicator(line).show(0xFF, 0x1F, ((9999, 9999),) * 12)
    assert line.sent[0][1:4] == bytes.fromhex("0F0F08") and len(line.sent[0]) == 21
    lost = SerialIndicator(_Line(gone=True))
    await lost.show(1, 0, ())
    assert lost.lost == 1
