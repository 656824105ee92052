"""Receipts on 58 mm paper, Arabic above French: `print_receipt` for the flows, and `print_slip` for what the cardholder signs.

`facts` keys: authority {"ar", "fr"}, force 1|2, unit, pv, utc (seconds), place, plate ("" if none), code, text_ar, text_fr, points,
amount (centimes), terminal, seq, officer (number), disposition (records.DISPOSITION_*), valid_days, qr (text of `protocol.claim`);
with a card also scheme, last4, auth_code, aid, tvr, cryptogram (bytes), reason, interface (records.INTERFACE_*, where it
is known). `outcome` is not read: the kind says it.
"""

from typing import TYPE_CHECKING

from terminal.receipts.layout import KINDS, receipt_items, slip_items

if TYPE_CHECKING:
    from typing import Any

    from drivers.contracts.printer import Printer
    from terminal.face.text import TextEngine


async def print_receipt(
    printer: "Printer", engine: "TextEngine", kind: str, facts: "dict[str, Any]", copy: int
) -> None:
    """Print one receipt and return when the printer has confirmed it.

    `kind`: one of KINDS; `copy`: records.COPY_*. Raises PrinterError. Memory: one band of 1,152 bytes and the shaped lines of one
    block.
    """
    await printer.print_job(receipt_items(engine, kind, facts, copy))


async def print_slip(printer: "Printer", engine: "TextEngine", facts: "dict[str, Any]", copy: int) -> None:
    """Print the slip to sign, as `print_receipt`. Of `facts` it takes authority, force, pv, utc, amount, terminal, seq, officer and the card's."""
    await printer.print_job(slip_items(engine, facts, copy))


__all__ = ["KINDS", "print_receipt", "print_slip", "receipt_items", "slip_items"]
