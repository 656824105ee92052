"""How long a card takes, measured by the driver at the model that takes the time it states: a relay's delay is in it, the host link is not."""

import asyncio

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from protocol import apdu
from sim.cards.emv.contactless import build, profile
from sim.parts.pn532 import Pn532
from sim.pki import make_pki
from tests.drivers.pn532.wire import Wire


class Patient(Wire):
    """A line on which an answer may be late."""

    async def read_into(self, buffer, timeout_ms: int) -> int:
        for _ in range(1 + timeout_ms // 40):
            count = await Wire.read_into(self, buffer, timeout_ms)
            if count:
                return count
        return 0


def measured(folder, **changes) -> int:
    async def run() -> int:
        chip = Pn532(pace=True)
        reader = Pn532Reader(Link(Patient(chip)))
        card = build({**profile("cda-approve"), **changes}, make_pki(folder))
        await chip.field.insert(card)
        await reader.connect()
        for name in (b"2PAY.SYS.DDF01", card.application.aid):
            assert (await reader.transceive(apdu.command(0, 0xA4, 4, 0, name, 256)))[-2:] == b"\x90\x00"
        options = b"\x83\x08" + bytes(8)
        assert (await reader.transceive(apdu.command(0x80, 0xA8, 0, 0, options, 256)))[-2:] == b"\x90\x00"
        answer, took = await reader.transceive_timed(apdu.command(0x80, 0xEA, 0, 0, bytes(4), 256))
        assert answer[-2:] == b"\x90\x00" and len(answer) == 14
        await reader.disconnect()
        await chip.close()
        return took

    return asyncio.run(run())


def test_a_relays_delay_is_measured(tmp_path):
    relay = {"low": 10, "high": 20, "estimate": 24, "takes": 3000}
    near, far = measured(tmp_path), measured(tmp_path, relay=relay)
    assert near >= 12 and far >= 3000 and far > near
