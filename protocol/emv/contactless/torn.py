"""The torn transaction log of Kernel 2 (EMV Contactless Book C-2, states S9 to S11): in memory only, one payment long."""


class TornRecord:
    """What is needed to recover the answer of a GENERATE AC: `pan` (digits) and `psn` (int or None) find it again, the rest is the kernel's.

    `data`: {tag: value} of the data objects that were sent or decided; `drdol`, `cdol`: the bytes of RECOVER AC and of GENERATE AC; `explain`:
    why what was sent was as it was.
    """

    def __init__(self, pan: bytes, psn: "int | None", data: dict, drdol: bytes, cdol: bytes, explain: list) -> None:
        self.pan = pan
        self.psn = psn
        self.data = data
        self.drdol = drdol
        self.cdol = cdol
        self.explain = explain


class TornLog:
    """At most `size` records, the oldest goes first. Holds card data: `clear` when the payment is over."""

    def __init__(self, size: int = 1) -> None:
        self.size = size
        self.records: "list[TornRecord]" = []

    def add(self, record: TornRecord) -> None:
        """Keep a record in place of an older one of the same card."""
        self.take(record.pan, record.psn)
        self.records.append(record)
        while len(self.records) > self.size:
            self.records.pop(0)

    def find(self, pan: bytes, psn: "int | None") -> "TornRecord | None":
        """The record of this card, or None."""
        for record in self.records:
            if record.pan == pan and record.psn == psn:
                return record
        return None

    def take(self, pan: bytes, psn: "int | None") -> "TornRecord | None":
        """`find`, and the record leaves the log."""
        record = self.find(pan, psn)
        if record is not None:
            self.records.remove(record)
        return record

    def clear(self) -> None:
        """Forget all."""
        self.records = []
