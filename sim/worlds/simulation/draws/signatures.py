"""Cards whose holders sign: where they take another card's place, and what must hold while a signature is asked for."""

import dataclasses
import random
from typing import TYPE_CHECKING, Any

from protocol import records as r
from sim.worlds.simulation.factory import SIGNING
from sim.worlds.simulation.officer import Task

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device

SIGNED, AGREES = 1 / 6, 1 / 2
_TAKEN = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)


def draw(seed: int, shifts: list[list[Task]]) -> list[list[Task]]:
    """Some cards want a signature, half of which is not the holder's; drawn apart, so that the rest of a seed's plan is what it always was.

    A card whose payment is voided afterwards stays as it is.
    """
    rng = random.Random(f"signatures {seed}")
    changed = []
    for shift in shifts:
        tasks = list(shift)
        for index, task in enumerate(shift):
            drawn, card, agrees = rng.random(), rng.choice(tuple(SIGNING)), rng.random() < AGREES
            voided = index + 1 < len(shift) and shift[index + 1].what == "void"
            if task.what == "fine" and drawn < SIGNED and not voided:
                tasks[index] = dataclasses.replace(task, card=card, agrees=agrees)
        changed.append(tasks)
    return changed


def problem(device: "Device", screen: str, fields: dict[str, Any]) -> str:
    """A sentence if a terminal asks for a signature too late or without its slip on record, or takes what the officer refused; else ""."""
    if screen not in ("signature", "outcome"):
        return ""
    journal = device.terminal.journal
    case = journal.view.case
    if screen == "signature":
        last = journal.record_at(journal.head_seq)
        slip = last is not None and last[0][r.KIND] == r.RECEIPT_PRINTED
        if case is None or not case.intent or not slip:
            return f"{device.label} asks for a signature after the outcome, or without a slip"
    if screen == "outcome" and fields["outcome"] in _TAKEN and case is not None and case.outcome_record is not None:
        if case.outcome_record.get(r.HOLDER) == r.HOLDER_SIGNATURE and not device.officer.task.agrees:
            return f"{device.label} takes a payment whose signature the officer refused"
    return ""
