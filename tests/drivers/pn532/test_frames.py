"""Frames of the PN532's host link: the user manual's own examples, every border of the lengths, and what is damaged."""

from drivers.pn532 import frames
from tests.support import dual

FIRMWARE_COMMAND = bytes.fromhex(
    "0000FF02FED4022A00"
)  # GetFirmwareVersion and its answer as every PN532 V1.6 gives them
FIRMWARE_ANSWER = bytes.fromhex("0000FF06FAD50332010607E800")
ERROR = bytes.fromhex("0000FF01FF7F8100")


def frame(content):
    """A frame from the chip with `content` after D5; the arithmetic of UM0701-02, 6.2.1.1 and 6.2.1.2, written out again."""
    body = b"\xd5" + content
    if len(body) < 256:
        head = bytes([len(body), (256 - len(body)) % 256])
    else:
        head = b"\xff\xff" + bytes(
            [len(body) // 256, len(body) % 256, (512 - len(body) // 256 - len(body) % 256) % 256]
        )
    return b"\x00\x00\xff" + head + body + bytes([(256 - sum(body) % 256) % 256, 0])


def written(head, data=b""):
    out = bytearray(frames.LONGEST + frames.OVERHEAD)
    return bytes(out[: frames.write(out, head, data)])


def found(parser, data):
    """What the parser finds in all of `data`: a list of (kind, content)."""
    out = []
    at = 0
    while at < len(data):
        kind = parser.feed(data, at, len(data))
        at = parser.at
        if kind == frames.GOT_DATA:
            out.append((kind, bytes(parser.body[: parser.length])))
        elif kind != frames.NOTHING:
            out.append((kind, b""))
    return out


def test_published_frames():
    assert written(b"\x02") == FIRMWARE_COMMAND
    assert found(frames.Parser(), FIRMWARE_ANSWER) == [(frames.GOT_DATA, bytes.fromhex("D50332010607"))]
    assert found(frames.Parser(), frames.ACK + frames.NACK + ERROR) == [
        (frames.GOT_ACK, b""), (frames.GOT_NACK, b""), (frames.GOT_ERROR, b""),
    ]  # fmt: skip


def test_normal_frames_end_at_255_bytes_and_extended_ones_at_265():
    for count in (0, 1, 100, 251, 252, 253, 254, 262):
        data = bytes([(7 * index) & 0xFF for index in range(count)])
        sent = written(b"\x40\x01", data)
        body = b"\xd4\x40\x01" + data
        extended = len(body) > 255
        assert len(sent) == len(body) + (10 if extended else 7)
        assert (sent[3:5] == b"\xff\xff") == extended
        start = 8 if extended else 5
        assert sent[start:-2] == body
        assert (sum(body) + sent[-2]) & 0xFF == 0
        back = frame(b"\x41\x00" + data)
        assert found(frames.Parser(), back) == [(frames.GOT_DATA, b"\xd5\x41\x00" + data)]
        dual.record(str(count), sent)


def test_frames_come_in_any_pieces_and_behind_any_noise():
    stream = b"\x55\x00\xff\x03\x00\x00" + frames.ACK + FIRMWARE_ANSWER + b"\x00\x00" + frame(b"\x41\x00" + bytes(255))
    whole = found(frames.Parser(), stream)
    assert [kind for kind, _ in whole] == [frames.DAMAGED, frames.GOT_ACK, frames.GOT_DATA, frames.GOT_DATA]
    parser = frames.Parser()
    single = []
    for byte in stream:
        single += found(parser, bytes([byte]))
    assert single == whole


def test_every_changed_byte_of_a_frame_is_noticed():
    good = frame(b"\x41\x00\x12\x34\x90\x00")
    for at in range(1, len(good) - 1):
        for flip in (0x01, 0x80, 0xFF):
            bad = bytearray(good)
            bad[at] ^= flip
            parser = frames.Parser()
            assert frames.GOT_DATA not in [kind for kind, _ in found(parser, bytes(bad))], (at, flip)
            if parser.within:
                parser.reset()  # what the link does after a pause
            assert found(parser, good) == [(frames.GOT_DATA, b"\xd5\x41\x00\x12\x34\x90\x00")]


def test_lost_zero_is_noticed_although_the_sum_stays_right():
    good = frame(b"\x41\x00\x02\x90\x00")
    for at in range(5, len(good) - 2):
        if not good[at]:
            parser = frames.Parser()
            assert found(parser, good[:at] + good[at + 1 :]) == [], at
            assert parser.within


def test_lengths_that_no_frame_has_are_damage():
    for head in ("0000FFFFFF000000", "0000FFFFFF010AF5", "0000FF0000", "0000FF0102"):
        assert [kind for kind, _ in found(frames.Parser(), bytes.fromhex(head))] == [frames.DAMAGED], head
    assert [kind for kind, _ in found(frames.Parser(), bytes.fromhex("0000FF02FED4032900"))] == [
        frames.DAMAGED
    ]  # to the chip
