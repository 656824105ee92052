"""What every card reader must do (drivers/contracts/card_reader.py): one suite, run over each driver and on both runtimes.

The slot on the other side holds the test card of tests/sim/cards/echo.py and is steered through the card itself, so
that the suite needs nothing but the reader. Commands of that card (CLA 80): 01 = echo data, 02 = P1P2 bytes of
answer, 03 = leave now, 04 = go silent, 05 = count of commands since power-on. After 03 and 04 the card comes back by
itself.
"""

from protocol.errors import CardError, CardRemovedError, CardSilentError, NoCardError
from tests.support.dual import araises

ATR = bytes.fromhex("3B6500005453444944")
CONTACTLESS_ATR = bytes.fromhex("3B85800154534449444A")  # what PC/SC makes of the same card's ATS
ECHO = b"\x80\x01\x00\x00"
SIZE = b"\x80\x02"
LEAVE = b"\x80\x03\x00\x00"
SILENT = b"\x80\x04\x00\x00"
COUNT = b"\x80\x05\x00\x00\x00"


async def exchange(reader, atr=ATR) -> None:
    """A present card: ATR, short and long commands and answers, several in a row."""
    await reader.wait_for_card(3000)
    assert await reader.card_present()
    assert await reader.connect() == atr
    assert await reader.transceive(ECHO + b"\x03abc\x00") == b"abc\x90\x00"
    assert await reader.transceive(ECHO + b"\xff" + b"x" * 255 + b"\x00") == b"x" * 255 + b"\x90\x00"
    assert await reader.transceive(SIZE + b"\x01\x00\x00") == bytes(256) + b"\x90\x00"
    if reader.extended_length:
        assert await reader.transceive(ECHO + b"\x00\x04\x00" + b"y" * 1024 + b"\x00\x00") == b"y" * 1024 + b"\x90\x00"
        assert len(await reader.transceive(SIZE + b"\x10\x00\x00\x00\x00")) == 4098
    assert await reader.transceive(b"\x80\x7f\x00\x00") == b"\x6d\x00"
    await reader.disconnect()


async def reset_by_connect(reader) -> None:
    """`connect` powers the card afresh: nothing is left of the session before; disconnect ends the session and never raises."""
    await reader.wait_for_card(3000)
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    assert await reader.transceive(COUNT) == b"\x02\x90\x00"
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    await reader.disconnect()
    await reader.disconnect()
    assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-006"
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    await reader.disconnect()


async def leaves(reader) -> None:
    """A card that leaves in the middle of an APDU: CardRemovedError, then no card, then shortly after it is back."""
    await reader.wait_for_card(3000)
    await reader.connect()
    await araises(CardRemovedError, reader.transceive(LEAVE))
    assert isinstance(await araises(CardError, reader.transceive(COUNT)), CardError)
    await reader.disconnect()
    await reader.wait_for_card(5000)
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    await reader.disconnect()


async def goes_silent(reader) -> None:
    """A card that stops answering: CardSilentError after the reader's own time-out; once presented again it works."""
    await reader.wait_for_card(3000)
    await reader.connect()
    await araises(CardSilentError, reader.transceive(SILENT))
    await reader.disconnect()
    assert await reader.wait_for_removal(5000)
    await reader.wait_for_card(5000)
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    await reader.disconnect()


async def says_too_much(reader) -> None:
    """An answer of 16 KB to a short command is not taken into memory; the session is over, the next one works."""
    await reader.wait_for_card(3000)
    await reader.connect()
    assert (await araises(CardError, reader.transceive(SIZE + b"\x40\x00\x00"))).code == "CRD-007"
    assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-006"
    await reader.disconnect()
    await reader.connect()
    assert await reader.transceive(COUNT) == b"\x01\x90\x00"
    await reader.disconnect()


async def empty(reader) -> None:
    """No card at all: said by every operation, within the time given."""
    assert not await reader.card_present()
    assert (await araises(NoCardError, reader.connect())).code == "CRD-002"
    await araises(NoCardError, reader.wait_for_card(60))
    assert await reader.wait_for_removal(60)
    assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-006"
    await reader.disconnect()
