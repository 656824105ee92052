"""A serial line with a script instead of a chip, for tests on both runtimes: it answers what the test says, and remembers what was sent."""

import asyncio

ACK = bytes.fromhex("0000ff00ff00")
NACK = bytes.fromhex("0000ffff0000")


def answer(content):
    """A normal frame from the chip."""
    body = b"\xd5" + content
    return b"\x00\x00\xff" + bytes([len(body), 256 - len(body)]) + body + bytes([(256 - sum(body) % 256) % 256, 0])


class Line:
    """`script(content)` gives the bytes for each command's content (code first), `on_nack` those for a NACK. Set-up commands are answered here."""

    def __init__(self, script, on_nack=b""):
        self.script = script
        self.on_nack = on_nack
        self.sent = []
        self.speeds = []
        self._waiting = b""

    async def write(self, data):
        data = bytes(data)
        if data == ACK:
            self.sent.append("ack")
        elif data == NACK:
            self.sent.append("nack")
            self._waiting += self.on_nack
        elif data[:3] == b"\x00\x00\xff":
            content = data[9:-2] if data[3:5] == b"\xff\xff" else data[6:-2]
            self.sent.append(content)
            self._waiting += self._setup(content)

    def _setup(self, content):
        if content[0] == 0x02:
            return ACK + answer(bytes([0x03, 0x32, 1, 6, 7]))
        if content[0] in (0x14, 0x12, 0x32, 0x10):
            return ACK + answer(bytes([content[0] + 1]))
        return self.script(content)

    async def read_into(self, buffer, timeout_ms):
        if not self._waiting:
            await asyncio.sleep(0)
            return 0
        count = min(len(buffer), len(self._waiting))
        buffer[:count] = self._waiting[:count]
        self._waiting = self._waiting[count:]
        return count

    def set_baudrate(self, baudrate):
        self.speeds.append(baudrate)

    def codes(self):
        """What was sent: codes of commands, "ack", "nack"."""
        return [one if isinstance(one, str) else one[0] for one in self.sent]
