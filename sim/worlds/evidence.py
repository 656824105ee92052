"""What lies in the terminal's storage right now, read from outside: the patrol's proof that something is durable *before* it is shown.

Reads the POSIX folder, or the littlefs volume in the flash image with a foreign littlefs (littlefs-python). Frames and CBOR are read with cbor2.
"""

import binascii
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cbor2

_LOOKS = 40  # at an image that a device is writing


def segments(store: Path) -> Iterator[bytes]:
    """The journal's segment files in order, whichever kind of storage it is."""
    if store.is_dir():
        for path in sorted((store / "journal").glob("*.seg")):
            yield path.read_bytes()
        return
    yield from _volume(store)


def _volume(store: Path) -> list[bytes]:
    """The same out of a flash image; read again where it was taken in the middle of the device's writing."""
    from littlefs import LittleFSError

    for _ in range(_LOOKS):
        try:
            return _read(bytearray(store.read_bytes()))
        except LittleFSError:
            time.sleep(0.05)
    return _read(bytearray(store.read_bytes()))


def _read(image: bytearray) -> list[bytes]:
    from littlefs import LittleFS, UserContext

    context = UserContext(len(image))
    context.buffer = image
    volume = LittleFS(context=context, block_size=4096, block_count=len(image) // 4096, mount=True)
    found = []
    for name in sorted(volume.listdir("/journal")) if "journal" in volume.listdir("/") else ():
        with volume.open(f"/journal/{name}", "rb") as file:
            found.append(file.read())
    return found


def records(store: Path) -> list[dict[int, Any]]:
    """Every whole record in the journal, oldest first."""
    found = []
    for data in segments(store):
        at = 0
        while at + 11 <= len(data) and data[at] in (0xA9, 0xC5):  # an entry; a piece of the segment's head
            end = at + 7 + int.from_bytes(data[at + 1 : at + 3], "big")
            if end + 4 > len(data) or binascii.crc32(data[at + 1 : end]) != int.from_bytes(data[end : end + 4], "big"):
                break
            if data[at] == 0xA9:
                found.append(cbor2.loads(cbor2.loads(data[at + 7 : end])[0]))
            at = end + 4
    return found
