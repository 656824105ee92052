"""The sealed card data in raw flash pages, as a stranger finds them: littlefs-python for the files, `cryptography` for the cipher.

`look` while they are there; `scan` after the acquirer's receipt: the erased ones are in no page in the clear, and for the
ciphertext that a page may still hold there is no key any more (domain §4, `terminal.vault`).
"""

import hashlib
import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from littlefs import LittleFS

from drivers.contracts.secure_element import BLOCK_VAULT, SLOTS_VAULT
from sim.worlds.fleet import Fleet

BLOCK = 4096
PIECE = 32  # bytes by which a page is recognised


@dataclass
class Kept:
    """A sealed file as it lay on the flash: ciphertext, its key, what it says."""

    cipher: bytes
    key: bytes
    plain: bytes


@dataclass
class RawFlash:
    """What was seen of sealed files, by sequence number of their outcome."""

    seen: dict[int, Kept] = field(default_factory=dict)

    def look(self, fleet: Fleet) -> None:
        """Take note of the sealed files that there are now."""
        keys = _keys(fleet)
        image = fleet.store("micropython").read_bytes()
        volume = LittleFS(block_size=BLOCK, block_count=len(image) // BLOCK, mount=False)
        volume.context.buffer[:] = image
        volume.mount()
        if "sealed" not in volume.listdir("/"):
            return
        for name in volume.listdir("/sealed"):
            if name.endswith(".tmp"):
                continue
            with volume.open(f"/sealed/{name}", "rb") as file:
                content = file.read()
            key = keys.get(content[0])
            if key is not None:
                self.seen[int(name)] = Kept(content[1:], key, _opened(key, f"sealed/{name}", content[1:]))

    def holds(self, seq: int, digest: bytes) -> bool:
        """Whether a file was seen whose clear form is what the record binds."""
        return seq in self.seen and hashlib.sha256(self.seen[seq].plain).digest() == digest

    def scan(self, fleet: Fleet, erased: list[int]) -> tuple[list[str], int]:
        """(what raw pages give away of the erased ones, how many pages still hold their ciphertext).

        One key must be left: an older one beside it would open what nobody looked at in time.
        """
        image = fleet.store("micropython").read_bytes()
        keys = set(_keys(fleet).values())
        found = [] if len(keys) == 1 else [f"{len(keys)} keys in the element"]
        pages = 0
        for seq in erased:
            kept = self.seen[seq]
            if kept.plain[:PIECE] in image:
                found.append(f"{seq}: in the clear")
            if kept.key in keys:
                found.append(f"{seq}: its key is still there")
            if kept.cipher[:PIECE] in image:
                pages += 1
                found += [f"{seq}: opened" for key in keys if _opened(key, f"sealed/{seq}", kept.cipher) == kept.plain]
        return found, pages


def _keys(fleet: Fleet) -> dict[int, bytes]:
    """The vault's keys in the secure element, by the number that files name."""
    blocks = json.loads(fleet.element_state.read_text())["blocks"]
    found = {}
    for number, slot in enumerate(SLOTS_VAULT, 1):
        block = bytes.fromhex(blocks.get(f"{slot}.{BLOCK_VAULT}", ""))
        if block[:16].strip(b"\0"):
            found[number] = block[:16]
    return found


def _opened(key: bytes, name: str, data: bytes) -> bytes:
    """AES-128 in counter mode; the counter begins with the file's name."""
    start = hashlib.sha256(name.encode()).digest()[:12] + bytes(4)
    machine = Cipher(algorithms.AES(key), modes.CTR(start)).decryptor()
    return machine.update(data) + machine.finalize()
