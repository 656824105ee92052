"""What must arrive besides money: the licence's release at an officer, and who the driver was at the centre."""

import hashlib
from collections.abc import Iterator
from typing import Any

import cbor2
from sqlalchemy import Connection, text

from protocol import records as r


class Arrivals:
    """Remembers which releases a person was shown, and asks at the end whether any is missing."""

    def __init__(self) -> None:
        self.told: set[tuple[str, str]] = set()  # device, report

    def shown(self, name: str, screen: str, fields: dict[str, Any]) -> None:
        """A screen of device `name`."""
        if screen == "licence_hand" and fields.get("disposition") == r.DISPOSITION_RELEASE_GRANTED:
            self.told.add((name, fields["pv"]))

    def missing(
        self, connection: Connection, rows: dict[tuple[str, int], Any], excused: set[str], forgotten: dict[str, int]
    ) -> Iterator[str]:
        """What of the records at the centre did not reach whom it is for; devices that were tampered with are `excused`. Up to which record a
        device's storage was lost says `forgotten`: what it was about to tell an officer went with it.
        """
        kept = {
            (row.device, row.seq): hashlib.sha256(bytes(row.blob)).digest()
            for row in connection.execute(text("SELECT device, seq, blob FROM private"))
        }
        for (name, seq), row in sorted(rows.items()):
            if name in excused or row.rejected is not None or row.kind not in (r.NOTICE, r.AUTHORISATION_RESULT):
                continue
            record = cbor2.loads(bytes(row.record))
            if row.kind == r.NOTICE and r.PRIVATE in record and kept.get((name, seq)) != record[r.PRIVATE]:
                yield f"the centre cannot tell whom notice {seq} of {name} is about"
            elif row.kind == r.AUTHORISATION_RESULT and record[r.OUTCOME] == r.OUTCOME_APPROVED:
                if (name, record[r.PV]) not in self.told and seq > forgotten.get(name, 0):
                    yield f"{name}: no officer was told that the licence of report {record[r.PV]} goes back"
