"""What a driver is asked for: the tariff's amount for the offence, by what a person is shown and by every record of the case."""

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import cbor2

from protocol import records as r
from sim.worlds.fleet import tariff_body
from sim.worlds.simulation.draws import ahead

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

Rows = dict[tuple[str, int], Any]
_OF_MONEY = (r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)
_TAKEN = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


@lru_cache(maxsize=8)
def tariff(version: int = 1) -> dict[str, int]:
    """Centimes by offence, in a version of the tariff; which one is in force, `in_force.py` knows."""
    if version > 1:
        lines = ((line["code"], line["amount"], line["payable"]) for line in tariff_body()["lines"])
        return {code: amount + ahead.STEP * (version - 1) * payable for code, amount, payable in lines}
    return {line["code"]: line["amount"] for line in tariff_body()["lines"]}


def shown(device: "Device", screen: str, fields: dict[str, Any], versions: int) -> str | None:
    """What is wrong with the amount that a person is shown, if anything: of the offence that he is told, or of the case that is open. `versions`: how
    many of the tariff there may be.
    """
    if "amount" not in fields:
        return None
    case = device.terminal.journal.view.case
    offence = (fields.get("code") if screen == "acknowledge" else case and case.offence) or ""
    right = tariff().get(offence)
    if right is None or any(tariff(version)[offence] == fields["amount"] for version in range(1, versions + 1)):
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
            asked[case] = right = tariff(record[r.TARIFF])[record[r.OFFENCE]]
            if record[r.AMOUNT] != right:
                yield f"{name}: notice {seq} asks for {record[r.AMOUNT]} centimes; the tariff says {right}"
        elif asked.get(case, record[r.AMOUNT]) != record[r.AMOUNT]:
            yield f"{name}: record {seq} is of {record[r.AMOUNT]} centimes, the notice of its case of {asked[case]}"


def passed(device: "Device", limits: dict[str, int]) -> str | None:
    """The limit that a terminal has passed with what it took offline, approved or deferred, and was never told to have arrived, if any."""
    taken: dict[str, int] = {"offline_total_max": 0, "offline_count_max": 0}
    cards: dict[bytes, int] = {}
    officers: dict[int, int] = {}
    arrived = cbor2.loads(device.flash.files["state/acked"])[0] if "state/acked" in device.flash.files else 0
    for record, _ in device.held(max(arrived, device.once) + 1):
        if record[r.KIND] != r.PAYMENT_OUTCOME or record[r.OUTCOME] not in _TAKEN:
            continue
        if record[r.OUTCOME] == r.OUTCOME_APPROVED and record.get(r.ONLINE) == r.ONLINE_ANSWERED:
            continue
        amount, card, officer = record[r.AMOUNT], record.get(r.CARD_TOKEN, b"")[:8], record[r.OFFICER]
        taken["tx_max"] = max(amount, taken.get("tx_max", 0))
        taken["offline_total_max"] += amount
        taken["offline_count_max"] += 1
        officers[officer] = officers.get(officer, 0) + amount
        if card:
            cards[card] = cards.get(card, 0) + amount
    taken["card_offline_max"] = max(cards.values(), default=0)
    taken["officer_offline_max"] = max(officers.values(), default=0)
    for name, much in sorted(taken.items()):
        if much > limits[name]:
            return f"{device.label} has taken {much} offline; {name} of the signed limits is {limits[name]}"
    return None
