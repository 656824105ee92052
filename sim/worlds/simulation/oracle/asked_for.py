"""What a driver is asked for: the tariff's amount for the offence, by what a person is shown and by every record of the case."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cbor2

from protocol import records as r
from sim.worlds.fleet import tariff_body

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

Rows = dict[tuple[str, int], Any]
_OF_MONEY = (r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)


@lru_cache(maxsize=1)
def tariff() -> dict[str, int]:
    """Centimes by offence: one tariff is in force all the time."""
    return {line["code"]: line["amount"] for line in tariff_body()["lines"]}


def shown(device: "Device", screen: str, fields: dict[str, Any]) -> str | None:
    """What is wrong with the amount that a person is shown, if anything: of the offence that he is told, or of the case that is open."""
    if "amount" not in fields:
        return None
    case = device.terminal.journal.view.case
    offence = fields.get("code") if screen == "acknowledge" else case and case.offence
    right = tariff().get(offence or "")
    if right is None or right == fields["amount"]:
        return None
    return f"{device.label} shows {screen} with {fields['amount']} centimes; the tariff says {right} for {offence}"


def amounts(rows: Rows) -> Iterator[str]:
    """Notices ask for what the tariff says, and whatever is paid or given back of a case is what its notice asked for."""
    asked: dict[tuple[str, int, int], int] = {}
    for (name, seq), row in sorted(rows.items()):
        if row.kind != r.NOTICE and row.kind not in _OF_MONEY or row.rejected is not None:
            continue
        record = cbor2.loads(bytes(row.record))
        case = (name, record[r.EPOCH], record.get(r.CASE, 0))
        if row.kind == r.NOTICE:
            asked[case] = right = tariff()[record[r.OFFENCE]]
            if record[r.AMOUNT] != right:
                yield f"{name}: notice {seq} asks for {record[r.AMOUNT]} centimes; the tariff says {right}"
        elif asked.get(case, record[r.AMOUNT]) != record[r.AMOUNT]:
            yield f"{name}: record {seq} is of {record[r.AMOUNT]} centimes, the notice of its case of {asked[case]}"
