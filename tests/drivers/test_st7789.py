"""The display driver: initialisation, windows, pixels of fills and bands, as bytes on the bus."""

from drivers.st7789 import St7789
from tests.support import dual


class Bus:
    """An SPI bus that keeps (opcode, data) in order, of long data only the beginning (a device's heap is small)."""

    def __init__(self):
        self.sent = []
        self.largest = 0
        self.total = 0
        self.inked = 0

    async def command(self, opcode, data=b""):
        self.sent.append((opcode, bytearray(data)))

    async def data(self, data):
        self.largest = max(self.largest, len(data))
        self.total += len(data)
        for value in data:
            self.inked += value != 0
        kept = self.sent[len(self.sent) - 1][1]
        if len(kept) < 4000:
            kept.extend(bytes(data))


class Waits:
    """An async sleep that only notes how long, and after how many commands."""

    def __init__(self, bus):
        self.bus = bus
        self.noted = []

    async def sleep(self, duration):
        self.noted.append((len(self.bus.sent), duration))


def make():
    bus = Bus()
    waits = Waits(bus)
    return St7789(bus, waits.sleep), bus, waits


async def started():
    display, bus, waits = make()
    await display.start()
    bus.sent = []
    return display, bus


async def test_initialisation_resets_wakes_and_sets_the_pixel_format():
    display, bus, waits = make()
    await display.start()
    opcodes = [opcode for opcode, _ in bus.sent]
    assert opcodes == [0x01, 0x11, 0x3A, 0x36, 0x21, 0x13, 0x2A, 0x2B, 0x2C, 0x29]
    assert bytes(bus.sent[2][1]) == b"\x55"
    assert bytes(bus.sent[3][1]) == b"\x60"
    assert waits.noted[0][0] == 1 and waits.noted[0][1] >= 120
    assert waits.noted[1][0] == 2 and waits.noted[1][1] >= 5
    assert bus.total == 320 * 240 * 2 and bus.inked == 0


async def test_first_drawing_initialises_by_itself_and_only_once():
    display, bus, _ = make()
    await display.fill(0, 0, 1, 1, 0xFFFF)
    await display.fill(0, 0, 1, 1, 0xFFFF)
    assert [opcode for opcode, _ in bus.sent].count(0x01) == 1


async def test_fill_opens_the_window_and_sends_each_pixel_once():
    display, bus = await started()
    await display.fill(300, 200, 20, 40, 0x1234)
    assert bus.sent[0] == (0x2A, bytearray(b"\x01\x2c\x01\x3f"))
    assert bus.sent[1] == (0x2B, bytearray(b"\x00\xc8\x00\xef"))
    assert bus.sent[2] == (0x2C, bytearray(b"\x12\x34" * 800))
    assert bus.largest <= 1280


async def test_band_draws_ink_in_the_foreground_colour():
    display, bus = await started()
    await display.band(8, 3, 16, 2, b"\x80\x01\x00\xff", 0xF800, 0x001F)
    red, blue = b"\xf8\x00", b"\x00\x1f"
    assert bytes(bus.sent[2][1]) == red + blue * 14 + red + blue * 8 + red * 8


async def test_band_of_odd_width_sends_no_padding():
    display, bus = await started()
    await display.band(0, 0, 11, 3, b"\xff\xff\x00\x00\x80\x20", 0xFFFF, 0)
    pixels = bytes(bus.sent[2][1])
    assert len(pixels) == 2 * 11 * 3
    assert pixels == b"\xff" * 22 + b"\0" * 22 + b"\xff\xff" + b"\0" * 18 + b"\xff\xff"


async def test_bands_of_every_width_are_complete():
    display, bus = await started()
    for width in (1, 7, 8, 9, 96, 104, 112, 319, 320):
        bus.sent = []
        stride = (width + 7) >> 3
        await display.band(0, 0, width, 5, b"\xaa" * (5 * stride), 0x0102, 0x0304)
        expected = bytearray()
        for x in range(width):
            expected.extend(b"\x01\x02" if x % 2 == 0 else b"\x03\x04")
        assert bytes(bus.sent[2][1]) == bytes(expected) * 5, width


async def test_rectangles_outside_the_display_are_refused():
    display, bus = await started()
    for x, y, width, height in ((-1, 0, 5, 5), (0, 236, 5, 5), (316, 0, 5, 5), (0, 0, 0, 5)):
        await dual.araises(ValueError, display.fill(x, y, width, height, 0))
    assert bus.sent == []


async def test_sleep_ends_the_picture_and_drawing_wakes_again():
    display, bus = await started()
    await display.sleep()
    assert [opcode for opcode, _ in bus.sent] == [0x28, 0x10]
    await display.fill(0, 0, 1, 1, 0)
    assert 0x11 in [opcode for opcode, _ in bus.sent] and 0x29 in [opcode for opcode, _ in bus.sent]


async def test_a_panel_whose_bus_failed_is_initialised_before_the_next_drawing():
    for failing in range(5):
        display, bus = await started()
        kept, count = (bus.command, bus.data), [0]

        def fails(plain, count=count, failing=failing):
            async def call(*arguments):
                count[0] += 1
                if count[0] == failing + 1:
                    raise OSError("the bus is gone")
                await plain(*arguments)

            return call

        bus.command, bus.data = fails(kept[0]), fails(kept[1])
        try:
            await display.fill(0, 0, 64, 64, 0xFFFF)
            raise AssertionError("nothing failed")
        except OSError:
            pass
        bus.sent = []
        await display.fill(0, 0, 8, 8, 0xFFFF)
        opcodes = [opcode for opcode, _ in bus.sent]
        assert opcodes[:2] == [0x01, 0x11] and opcodes[-4:] == [0x29, 0x2A, 0x2B, 0x2C], opcodes
