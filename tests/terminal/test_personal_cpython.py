"""The authority opens what a terminal sealed, with libraries that the terminal does not use."""

import asyncio

import cbor2
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from drivers.contracts.secure_element import SLOT_PV_HMAC
from terminal import personal
from tests.terminal.test_personal import DRIVER, Terminal


def test_the_authority_opens_a_report() -> None:
    terminal = Terminal()
    message = cbor2.loads(asyncio.run(personal.seal(terminal, 7, DRIVER)))
    protected, unprotected, sealed = message.value if isinstance(message, cbor2.CBORTag) else message
    context = cbor2.dumps(["TSD-000001", 1, 7])
    key = asyncio.run(terminal.hmac(SLOT_PV_HMAC, context))[:16]
    aad = cbor2.dumps(["Encrypt0", protected, context])
    content = cbor2.loads(AESCCM(key).decrypt(unprotected[6].rjust(13, b"\0"), sealed, aad))
    assert content == {0: "00123-115-16", 1: "109876543", 2: "BENALI", 3: "AMINA", 4: "19880704"}
