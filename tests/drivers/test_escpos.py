"""The ESC/POS driver against a scripted line, on both runtimes: what it sends, what it believes, what it never believes."""

from drivers.escpos import EscPosPrinter
from protocol.errors import PrinterError
from tests.support.dual import araises, record


class ScriptedLine:
    """A UART whose far end answers DLE EOT from `status` and GS r 1 while `marks` lasts; keeps everything that was sent."""

    def __init__(self, status=(0x12, 0x12, 0x12, 0x12), marks=1000):
        self.status = status
        self.marks = marks
        self.sent = bytearray()
        self.answers = bytearray()
        self.gone = False

    async def write(self, data):
        if self.gone:
            raise OSError("gone")
        data = bytes(data)
        self.sent.extend(data)
        if len(data) == 3 and data[:2] == b"\x10\x04":
            answer = self.status[data[2] - 1]
            if answer is not None:
                self.answers.append(answer)
        elif data[len(data) - 3 :] == b"\x1dr\x01" and self.marks:
            self.marks -= 1
            self.answers.append(0)

    async def read_into(self, buffer, timeout_ms):
        if self.gone:
            raise OSError("gone")
        count = min(len(buffer), len(self.answers))
        buffer[:count] = self.answers[:count]
        self.answers = self.answers[count:]
        return count

    def job(self):
        """What was sent after ESC @, without the marks."""
        data = bytes(self.sent)
        return data[data.find(b"\x1b@") + 2 :].replace(b"\x1dr\x01", b"")


def band(*rows):
    """48-byte rows from {column byte: value} maps."""
    out = bytearray(48 * len(rows))
    for y, row in enumerate(rows):
        for column in row:
            out[48 * y + column] = row[column]
    return bytes(out)


async def printed(*items):
    line = ScriptedLine()
    await EscPosPrinter(line).print_job(items)
    return line.job()


async def test_blank_rows_become_feeds():
    job = await printed(("raster", band({}, {}, {0: 1}, {}, {0: 2}), 5))
    assert job == b"\x1bJ\x02" + b"\x1dv0\x00\x01\x00\x01\x00\x01" + b"\x1bJ\x01" + b"\x1dv0\x00\x01\x00\x01\x00\x02", (
        job
    )


async def test_blank_columns_are_left_out_at_the_emptier_side():
    assert await printed(("raster", band({0: 1, 9: 2}), 1)) == b"\x1dv0\x00\x0a\x00\x01\x00\x01" + bytes(8) + b"\x02"
    assert await printed(("raster", band({40: 1}), 1)) == b"\x1ba\x02\x1dv0\x00\x08\x00\x01\x00\x01" + bytes(7)
    # columns 23 and 25 of 48: 22 blank bytes at either side may go
    assert await printed(("raster", band({23: 1, 25: 3}), 1)) == b"\x1ba\x01\x1dv0\x00\x04\x00\x01\x00\x00\x01\x00\x03"


async def test_the_same_justification_is_not_sent_twice():
    job = await printed(("raster", band({40: 1}), 1), ("raster", band({41: 1}), 1), ("raster", band({1: 1}), 1))
    assert job.count(b"\x1ba\x02") == 1 and job.count(b"\x1ba\x00") == 1


async def test_a_row_never_spells_a_real_time_command():
    job = await printed(("raster", band({0: 0x10, 1: 0x04, 2: 1}, {0: 0x10, 1: 0x14, 2: 0x10}, {0: 0x05}), 3))
    assert b"\x10\x04" not in job and b"\x10\x05" not in job and b"\x10\x14" not in job
    assert job[len(job) - 9 :] == b"\x10\x0c\x01\x10\x1c\x10\x0d\x00\x00"


async def test_feeds_longer_than_a_byte_are_divided():
    assert await printed(("feed", 600)) == b"\x1bJ\xff\x1bJ\xff\x1bJ\x5a"


async def test_qr_code_is_native_with_level_m():
    job = await printed(("qr", "TSD1:AB", 6))
    record("qr", job)
    assert job == (
        b"\x1ba\x01\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x06\x1d(k\x03\x001E1\x1d(k\x0a\x001P0TSD1:AB\x1d(k\x03\x001Q0"
    )


async def test_cut_feeds_to_the_tear_bar_and_cuts_only_where_there_is_a_cutter():
    assert await printed(("cut",)) == b"\x1bJ\x60\x1dVB\x00"
    line = ScriptedLine()
    await EscPosPrinter(line, cutter=False).print_job([("cut",)])
    assert line.job() == b"\x1bJ\x60"


async def test_no_more_than_two_marks_are_open_and_every_job_ends_with_one():
    line = ScriptedLine()
    rows = bytes([0x81]) * (48 * 24)
    await EscPosPrinter(line).print_job([("raster", rows, 24)] * 8)
    assert bytes(line.sent[len(line.sent) - 3 :]) == b"\x1dr\x01"
    assert bytes(line.sent).count(b"\x1dr\x01") == 5  # after every second band of 1,160 bytes, and at the end
    record("sent", bytes(line.sent))


async def test_silence_is_unknown_and_stops_the_job():
    status = await EscPosPrinter(ScriptedLine((None,) * 4)).status()
    assert status.online is None and status.paper is None and status.cover_open is None and status.near_end is None
    error = await araises(PrinterError, EscPosPrinter(ScriptedLine((None,) * 4)).print_job([("feed", 1)]))
    assert error.code == "PRN-002" and error.detail is None


async def test_noise_is_no_status():
    for noise in (0x00, 0xFF, 0x11, 0x13, 0x92, 0x02):
        status = await EscPosPrinter(ScriptedLine((noise,) * 4)).status()
        assert status.paper is None, noise


async def test_each_cause_has_its_code_before_a_byte_is_printed():
    for status, code in (
        ((0x1A, 0x32, 0x12, 0x72), "PRN-003"),
        ((0x1A, 0x16, 0x12, 0x12), "PRN-004"),
        ((0x1A, 0x52, 0x52, 0x12), "PRN-005"),
        ((0x1A, 0x12, 0x12, 0x12), "PRN-006"),
    ):
        line = ScriptedLine(status)
        error = await araises(PrinterError, EscPosPrinter(line).print_job([("feed", 1)]))
        assert error.code == code and error.detail is None
        assert b"\x1b@" not in bytes(line.sent)


async def test_near_end_is_told_and_prints():
    line = ScriptedLine((0x12, 0x12, 0x12, 0x1E))
    printer = EscPosPrinter(line)
    status = await printer.status()
    assert status.near_end is True and status.paper is True
    await printer.print_job([("feed", 1)])


async def test_a_job_that_is_not_confirmed_did_not_print():
    line = ScriptedLine(marks=2)
    rows = bytes([0x81]) * (48 * 24)
    printer = EscPosPrinter(line, patience_ms=1000)
    error = await araises(PrinterError, printer.print_job([("raster", rows, 24)] * 20))
    assert error.code == "PRN-006" and error.detail == 4  # two marks, each after two bands, were answered


async def test_paper_out_in_mid_job_names_the_item_in_doubt():
    line = ScriptedLine(marks=1)
    rows = bytes([0x81]) * (48 * 24)

    def items():
        for i in range(20):
            if i == 3:
                line.status = (0x1A, 0x32, 0x12, 0x72)
            yield ("raster", rows, 24)

    error = await araises(PrinterError, EscPosPrinter(line).print_job(items()))
    assert error.code == "PRN-003" and error.detail == 2
    assert bytes(line.sent).find(b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08") > 0  # the rest shall not come out later


async def test_after_a_broken_job_the_next_one_first_makes_the_printer_answer():
    line = ScriptedLine(marks=0)
    printer = EscPosPrinter(line, patience_ms=500)
    await araises(PrinterError, printer.print_job([("feed", 1)]))
    line.sent = bytearray()
    error = await araises(PrinterError, printer.print_job([("feed", 1)]))
    assert error.code == "PRN-002" and b"\x1b@" not in bytes(line.sent)
    line.marks = 100
    await printer.print_job([("feed", 1)])
    assert bytes(1152) in bytes(line.sent)  # an unfinished raster would have been filled with white


async def test_a_line_that_goes_is_a_silent_printer():
    line = ScriptedLine()

    def items():
        yield ("feed", 1)
        line.gone = True
        yield ("raster", bytes([0x81]) * (48 * 24), 24)

    error = await araises(PrinterError, EscPosPrinter(line).print_job(items()))
    assert error.code == "PRN-002" and error.detail == 0


async def test_long_answers_are_not_mistaken_for_proofs():
    line = ScriptedLine(marks=0)
    printer = EscPosPrinter(line, patience_ms=500)

    def items():
        yield ("feed", 1)
        line.answers.extend(b"\x37\x25\x00\x14\x00\x00\x0f\x11\x13")  # DLE DC4's answer, automatic status, XON, XOFF

    error = await araises(PrinterError, printer.print_job(items()))
    assert error.code == "PRN-006"


async def test_an_unknown_item_is_refused():
    error = await araises(PrinterError, EscPosPrinter(ScriptedLine()).print_job([("picture", b"")]))
    assert error.code == "PRN-007" and error.detail == "picture"
