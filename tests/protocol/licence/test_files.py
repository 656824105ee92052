"""A file that is gone on with after the channel was lost must still be the same file."""

from protocol.crypto.pure import PureCrypto
from protocol.licence import channel, files
from protocol.licence.errors import MessagingError, ReadError
from tests.support.dual import raises, record

DG5 = 5
ONE = b"\x67\x82\x02\x00" + b"1" * 512
OTHER = b"\x67\x82\x02\x01" + b"2" * 513


class Chip:
    """A chip whose channel is lost once, before the command `lose_at`; from then on its files are `later`."""

    def __init__(self, first, later, lose_at, only_select=False, most=255, word=0x6A86, select_word=0x9000):
        self.most, self.word, self.select_word = most, word, select_word
        self.held, self.later, self.lose_at = first, later, lose_at
        self.only_select = only_select
        self.chunk, self.reads, self.awaited = 240, 0, False
        self.given, self.probes, self.sizes_matter = 0, 0, False
        self.sent = []
        self.current = None

    def send(self, command):
        if len(self.sent) + 1 == self.lose_at:
            self.lose_at = 0
            raise MessagingError("the channel is lost", detail="mac")
        answer = yield ("apdu", command)
        return answer

    def rebuild(self, cause, forgiven=0):
        self.held, self.current = self.later, None
        yield ("apdu", b"open again")

    def answer(self, command):
        """What the chip says, as its channel hands it over."""
        self.sent.append(command)
        if command == b"open again":
            return None
        if command[1] == 0xA4 and self.select_word != 0x9000:
            return b"", self.select_word
        if command[1] == 0xA4:
            self.current = self.held[command[-1]]
            return b"", 0x9000
        if command[2] & 0x80:
            if self.only_select:
                return b"", 0x6A86
            self.current = self.held[command[2] & 0x1F]
            at = command[3]
        else:
            at = command[2] << 8 | command[3]
        if command[4] > self.most:
            return b"", self.word
        assert self.current is not None, "no file is selected"
        return self.current[at : at + command[4]], 0x9000


def read(chip):
    state = files.FileRead(PureCrypto(), DG5)
    machine = files.read(chip, state)
    answer = None
    while True:
        try:
            request = machine.send(answer)
        except StopIteration:
            return state
        answer = chip.answer(request[1]) if request[0] == "apdu" else None


def test_after_a_lost_channel_the_file_is_selected_again_and_its_head_is_read():
    chip = Chip({DG5: ONE}, {DG5: ONE}, 3)
    state = read(chip)
    assert state.complete and state.content == ONE
    assert chip.sent[2:5] == [b"open again", b"\x00\xb0\x85\x00\x04", b"\x00\xb0\x01\xe0\x24"]
    record("sent", b"".join(chip.sent))


def test_another_file_after_a_lost_channel_is_another_chip():
    chip = Chip({DG5: ONE}, {DG5: OTHER}, 3)
    error = raises(ReadError, read, chip)
    assert error.code == "LIC-033" and error.detail == "DG5"
    assert chip.sent[-1] == b"\x00\xb0\x85\x00\x04", "nothing was read of the other file but its head"


def test_a_head_cut_short_is_another_chip_too():
    for cut in (ONE[:3], b"\x67", OTHER[:4]):
        assert raises(ReadError, read, Chip({DG5: ONE}, {DG5: cut}, 3)).code == "LIC-033"


def test_a_chip_that_knows_no_short_identifiers_is_selected_again_by_name():
    chip = Chip({DG5: ONE}, {DG5: ONE}, 5, only_select=True)
    assert read(chip).content == ONE
    assert [command for command in chip.sent if command[1:2] == b"\xa4"] == [b"\x00\xa4\x02\x0c\x02\x00\x05"] * 2


def test_a_chip_that_refuses_large_pieces_is_read_by_the_way_that_it_knows():
    for most in (16, 100, 223):
        for word in (0x6A86, 0x6985, 0x6B00, 0x6F00):
            for options in ({"only_select": True}, {"select_word": 0x6A82}, {"select_word": 0x6D00}, {}):
                chip = Chip({DG5: ONE}, {DG5: ONE}, 0, most=most, word=word, **options)
                state = read(chip)
                assert state.complete and state.content == ONE, (most, word)
                assert len(chip.sent) < 25 + len(ONE) // min(most, 64) * 4


def test_a_chip_that_refuses_every_size_is_asked_a_few_times():
    for word in (0x6A86, 0x6985, 0x6B00, 0x6F00):
        for options in ({"only_select": True}, {"select_word": 0x6A82}, {}):
            chip = Chip({DG5: ONE}, {DG5: ONE}, 0, most=0, word=word, **options)
            state = read(chip)
            assert not state.complete and (state.denied or state.absent) and len(chip.sent) <= 6


def _fetch(command, part):
    """What `channel.exchange` makes of a chip that always announces more, in pieces of `part` bytes: (error, bytes it gave)."""
    machine = channel.exchange(command)
    given = [0]

    def run():
        next(machine)
        while True:
            given[0] += part
            machine.send(bytes(part) + b"\x61\x00")

    return raises(ReadError, run), given[0]


def test_an_answer_that_always_goes_on_ends_where_the_command_asked_for_no_more():
    error, given = _fetch(b"\x00\xb0\x81\x00\xf0", 256)
    assert error.detail == "61xx" and given == 1024 + 256
    error, given = _fetch(b"\x00\xb0\x81\x00\xf0", 15)
    assert given == 30  # pieces too small for a reading that ends
    error, given = _fetch(b"\x00\xb0\x81\x00\x00\x40\x00", 256)
    assert given == 65 * 256
