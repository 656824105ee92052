"""How the campaign "pending" damages a flash: sectors, pages, and the places of what was approved.

Damage that falls anywhere seldom takes both copies of a payment's outcome. So each approved outcome that nobody has acknowledged is sought on the
flash, and both its copies are spoilt at once, in every fourth of their bytes, in their pages, and together with all records up to every later
one: then a gap record has money to tell of.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from protocol import cbor
from protocol import records as r
from sim.parts.nor.flash import BLOCK, PAGE, PAGES, NorFlash
from tools.journal.soak.checks import NotHeld
from tools.journal.soak.damage import Intact

Damage = tuple[str, Callable[[NorFlash], None]]
EVERY_BYTE = 4  # of an outcome's frame
OWN = 24  # bytes by which a frame is found


def on_sectors(whole: Intact) -> Iterator[Damage]:
    """Each sector that reading touches erased, zeroed, exchanged with each other."""
    sectors = sorted({page // PAGES for page in whole.pages})

    def put(flash: NorFlash, sector: int, value: int) -> None:
        flash.blocks[sector] = bytes((value,)) * BLOCK

    def exchange(flash: NorFlash, a: int, b: int) -> None:
        flash.blocks[a], flash.blocks[b] = flash.blocks[b], flash.blocks[a]

    for at, sector in enumerate(sectors):
        yield f"sector {sector} erased", partial(put, sector=sector, value=0xFF)
        yield f"sector {sector} zeroed", partial(put, sector=sector, value=0)
        for other in sectors[at + 1 :]:
            yield f"sectors {sector} and {other} exchanged", partial(exchange, a=sector, b=other)


def copies(whole: Intact, samples: int) -> Iterator[Damage]:
    """Pages copied over others."""
    chance = random.Random(7)

    def copy(flash: NorFlash, source: int, target: int) -> None:
        flash.copy_page(source, target)

    for _ in range(samples):
        source, target = chance.choice(whole.pages), chance.choice(whole.pages)
        yield f"page {source} over {target}", partial(copy, source=source, target=target)


def on_payments(whole: Intact) -> Iterator[Damage]:
    """Both copies of each approved outcome that is not acknowledged, and all records from one to another."""
    places_of = {seq: _everywhere(whole, seq) for seq in range(whole.acked + 1, len(whole.shown) + 1)}
    found = [seq for seq in places_of if r.approved_step(cbor.decode(whole.shown[seq]))[0]]
    for at, seq in enumerate(found):
        places = places_of[seq]
        for byte in range(0, min(len(place) for place in places), EVERY_BYTE):
            yield f"record {seq}, byte {byte} of its copies", partial(_flip, places=places, byte=byte)
        for value in (0, 0xFF):
            yield f"record {seq}, its pages {value:02x}", partial(_fill, places=places, value=value)
        for later in range(at + 1, len(found)):
            several = [place for between in range(seq, found[later] + 1) for place in places_of[between]]
            yield f"records {seq} to {found[later]}", partial(_flip, places=several, byte=0)


def _everywhere(whole: Intact, seq: int) -> list[range]:
    """Where the copies of a record lie on the flash. Raises NotHeld."""
    at = whole.frames[seq][0][1].find(cbor.decode(whole.shown[seq])[r.PREV])
    copies = []
    for name, frame in whole.frames[
        seq
    ]:  # a frame's beginning has its number, no other record names this one before; one of them lies in one sector
        copies.append([*_places(whole, name, frame, 0)] or [*_places(whole, name, frame, at)])
    if not all(copies):
        raise NotHeld(f"a copy of record {seq} is not found on the flash")
    return [place for each in copies for place in each]


def _places(whole: Intact, name: str, frame: bytes, at: int) -> Iterator[range]:
    """Where the pages of a file hold a frame from byte `at` on, up to the end of a sector at most; found by its next bytes, which no other has."""
    for sector in sorted({page // PAGES for page in whole.parts[name]}):
        content = whole.blocks[sector]
        found = content.find(frame[at : at + OWN])
        while found >= 0:
            if (sector * BLOCK + found) // PAGE in whole.parts[name]:
                yield range(sector * BLOCK + found, sector * BLOCK + min(found + len(frame) - at, BLOCK))
            found = content.find(frame[at : at + OWN], found + 1)


def _flip(flash: NorFlash, places: Iterable[range], byte: int) -> None:
    """One bit of each place other."""
    for address in {place[byte] for place in places}:
        flash.flip(address // BLOCK, address % BLOCK, byte % 8)


def _fill(flash: NorFlash, places: Iterable[range], value: int) -> None:
    """The pages of places zeroed or erased."""
    for page in {address // PAGE for place in places for address in place}:
        block, start = page // PAGES, page % PAGES * PAGE
        content = flash.blocks[block]
        flash.blocks[block] = content[:start] + bytes((value,)) * PAGE + content[start + PAGE :]
