"""One reading at a reader: wait for the card, read everything readable, resume after a card that was pulled."""

import secrets
from collections.abc import Callable

from drivers.contracts.card_reader import CardReader
from protocol.crypto import Crypto
from protocol.errors import CardRemovedError, CardSilentError, LicenceError
from protocol.licence.mrz import Mrz, other_password
from protocol.licence.profile import STREAM_LIMIT
from protocol.licence.reader import LicenceReading, Resume, read_licence
from protocol.licence.trust.anchors import TrustSet
from terminal.flows.drive import drive
from terminal.flows.licence.element import Curves
from tools.licence.trace import TracingReader

ALL_GROUPS = tuple(range(1, 15))
EXTENDED_ROOM = 0x7000  # bytes of one answer: less than what 15 bits of offset reach
TRIES = 4  # readings that may be interrupted before it is given up


async def read(
    reader: CardReader,
    crypto: Crypto,
    mrz: Mrz,
    trust: TrustSet,
    today: str,
    wait_ms: int,
    say: Callable[[str], None],
    trace: bool,
) -> "tuple[LicenceReading, dict[int, bytes]]":
    """(reading, {short identifier: content}). `say` gets progress and trace lines. Raises CardError, LicenceError."""
    resume = Resume()
    files: dict[int, bytes] = {}
    through = TracingReader(reader, say) if trace else reader

    async def progress(name: str, done: int, total: int) -> None:
        if done == total:
            say(f"{name}: {total} bytes")

    for attempt in range(1, TRIES + 1):
        await reader.wait_for_card(wait_ms)
        atr = await reader.connect()
        machine = read_licence(
            crypto, mrz, secrets.token_bytes, trust, today, ALL_GROUPS, portrait=True, resume=resume, archive=files,
            atr=atr, room=EXTENDED_ROOM if reader.extended_length else 0, hold=STREAM_LIMIT,
        )  # fmt: skip
        try:
            curves = Curves(None)  # here `cryptography` is faster than any part
            return await drive(through, machine, {**curves.handlers, "progress": progress}), files
        except (CardRemovedError, CardSilentError) as error:
            if attempt == TRIES:
                raise
            say(f"{error.code} {error.message}: present the same licence again, reading goes on where it stopped")
        except LicenceError as error:
            other = other_password(mrz, error)
            if other is None or attempt == TRIES:
                raise
            mrz = other
            say("the chip has no password made of the line: trying the number in it")
        finally:
            await reader.disconnect()
    raise AssertionError("the last attempt returns or raises")
