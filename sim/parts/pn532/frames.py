"""The chip's side of the host link (UM0701-02, 6.2.1): takes the host's bytes apart, puts answers into frames."""

from collections.abc import Iterator

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")
ERROR = bytes.fromhex("0000ff01ff7f8100")
HOST, CHIP = 0xD4, 0xD5
LONGEST = 265


def frame(content: bytes) -> bytes:
    """An information frame from the chip, normal up to 255 bytes, else extended."""
    body = bytes([CHIP]) + content
    count = len(body)
    if count <= 0xFF:
        length = bytes([count, (0x100 - count) & 0xFF])
    else:
        high, low = divmod(count, 0x100)
        length = bytes([0xFF, 0xFF, high, low, (0x200 - high - low) & 0xFF])
    return b"\x00\x00\xff" + length + body + bytes([(0x10000 - sum(body)) & 0xFF, 0])


class Inbox:
    """Bytes from the host. `take` yields "ack", "nack", or the content of an information frame; damaged frames vanish without a word."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def clear(self) -> None:
        """Forget what is not a whole frame yet."""
        self._bytes.clear()

    def take(self, data: bytes) -> Iterator["bytes | str"]:
        """Everything that is complete now."""
        self._bytes += data
        while True:
            start = self._bytes.find(b"\x00\xff")
            if start < 0:
                del self._bytes[: max(0, len(self._bytes) - 1)]
                return
            head = self._bytes[start + 2 :]
            if len(head) < 2:
                return
            if head[:2] in (b"\x00\xff", b"\xff\x00"):
                del self._bytes[: start + 4]
                yield "ack" if head[0] == 0 else "nack"
                continue
            if head[:2] == b"\xff\xff":
                if len(head) < 5:
                    return
                first, count, sound = 5, head[2] << 8 | head[3], sum(head[2:5]) & 0xFF == 0
            else:
                first, count, sound = 2, head[0], sum(head[:2]) & 0xFF == 0
            if not sound or not 0 < count <= LONGEST:
                del self._bytes[: start + 2]
                continue
            if len(head) < first + count + 1:
                return
            body = bytes(head[first : first + count])
            check = head[first + count]
            del self._bytes[: start + 2 + first + count + 1]
            if (sum(body) + check) & 0xFF == 0 and body[0] == HOST:
                yield body[1:]
