"""How long a handheld sells on a flash of a given size: the terminal's own journal over littlefs on the NOR model, so many
fines a day, synchronised in the course of each day and at its end, until the days are over or a sale is refused for want of
room (RSK-005).
"""

from typing import Any

from protocol import records as r
from protocol.errors import RiskError
from terminal.journal.room import ROOM_OK
from terminal.journal.shelf import RETENTION
from tools.journal.soak.rig import Rig

DAY = 86400
SECTOR = 4096


def run(kib: int, fines: int, days: int) -> dict[str, Any]:
    """The report of one flash."""
    rig = Rig(blocks=kib * 1024 // SECTOR, retention=RETENTION, sound=True)
    least, warned, refused = rig.storage.free_bytes(), 0, 0
    for day in range(1, days + 1):
        began = rig.clock.utc
        try:
            for _ in range(fines):
                rig.transaction()
        except RiskError:
            refused = day
            break
        rig.clock.utc = began + DAY
        synchronise(rig)
        least = min(least, rig.storage.free_bytes())
        if rig.journal.room.state(True) != ROOM_OK:
            warned = warned or day
    return {
        "flash_kib": kib,
        "fines_a_day": fines,
        "days": days,
        "refused_on_day": refused or None,
        "warned_on_day": warned or None,
        "fines": rig.transactions,
        "records": rig.journal.head_seq,
        "least_free_kib": least // 1024,
        "kept_days": kept(rig),
    }


def synchronise(rig: Rig) -> None:
    """What the terminal does at the end of a session."""
    rig.journal.hear(rig.clock.utc)
    rig.settle()
    rig.journal.make_room()


def kept(rig: Rig) -> float:
    """Age of the oldest record kept, in days."""
    oldest = rig.journal.record_at(rig.journal.first_retained)
    return round((rig.clock.utc - oldest[0][r.UTC]) / DAY, 1) if oldest is not None else 0.0
