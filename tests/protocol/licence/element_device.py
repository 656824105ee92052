"""One reading with a secure element over a serial link, on either runtime: called by the conformance tests. Not a test file itself."""

import asyncio
import hashlib

from drivers.card_link import LinkReader
from drivers.secure_element_link import LinkSecureElement
from drivers.uart_link import LinkUart
from protocol.crypto.pure import PureCrypto
from protocol.licence.reader import read_licence
from protocol.licence.trust.anchors import TrustSet
from terminal.flows.drive import drive
from terminal.flows.licence.element import Curves
from tests.protocol.licence import replay


def run(slot_port, element_port, text, anchors, today, seed):
    """Read the card in the slot; [verdict, chip, access, findings]. `element_port` 0: no secure element takes part."""
    state = [seed]

    def rnd(count):
        out = b""
        while len(out) < count:
            state[0] = hashlib.sha256(state[0]).digest()
            out += state[0]
        return out[:count]

    async def progress(name, done, total):
        pass

    async def read():
        se = LinkSecureElement(LinkUart("127.0.0.1", element_port)) if element_port else None
        reader = LinkReader("127.0.0.1", slot_port, timeout_ms=20000)
        curves = Curves(se)
        curves.handlers["progress"] = progress
        trust = TrustSet([{"country": country, "purpose": "idl", "cert": der} for country, der in anchors])
        machine = read_licence(PureCrypto(), replay.printed(text), rnd, trust, today, (1, 11))
        try:
            await reader.connect()
            return await drive(reader, machine, curves.handlers)
        finally:
            machine.close()
            await curves.forget()
            reader.close()

    try:
        reading = asyncio.run(read())
    finally:
        asyncio.new_event_loop()
    return [reading.verdict, reading.chip, reading.access, reading.findings]
