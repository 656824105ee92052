"""The contact transaction from application selection to outcome (EMV 4.4 Book 3, 8.2 and 10; Book 4, 6.3). See `protocol.emv`.

Runs the steps in order and turns what breaks EMV into a declined outcome with a coded error; no path leads to an approval
but `_approved`. Does no I/O. A card link's CardError passes through: the caller records *interrupted*.
"""


class Result:
    """What came of it; the attributes are listed in `protocol.emv`. Holds card data until `forget()`."""

    def __init__(self) -> None:
        self.outcome = 0
        self.reason = ""
        self.detail = ""
        self.terminated = True
        self.error: "Exception | None" = None
        self.aid = b""
        self.label = ""
        self.pan = b""
        self.psn: "int | None" = None
        self.expiry = b""
        self.track2 = b""
        self.tvr = b""
        self.tsi = b""
        self.cvm_results = b""
        self.cid = 0
        self.cryptogram = b""
        self.atc = 0
        self.iad = b""
        self.un = b""
        self.de55 = b""
        self.auth_code = ""
        self.arc = ""
        self.oda = "none"
        self.cda_ok = False
        self.signature = False
        self.pin_ok = False
        self.reversal = False
        self.advice = False
        self.explain: "list[tuple[str, str]]" = []

    def forget(self) -> None:
        """Drop the card data (PAN, expiry, track 2, chip data) once they are sealed or no longer needed."""
        self.pan = self.expiry = self.track2 = self.de55 = b""
