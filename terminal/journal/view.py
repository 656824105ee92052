"""What the journal says is the case now: the state that the flows need, derived from records alone.

The view is fed every record once, in order, at boot and on every append; it never writes. So a power cut cannot leave it different from
the journal.
"""

from protocol import records as r


class Case:
    """One open case: from the notice to its closing."""

    def __init__(self, record: dict) -> None:
        self.number = record[r.CASE]
        self.pv = record[r.PV]
        self.offence = record[r.OFFENCE]
        self.tariff = record[r.TARIFF]
        self.amount = record[r.AMOUNT]
        self.points = record[r.POINTS]
        self.seq = record[r.SEQ]
        self.place = record.get(r.PLACE, "")
        self.acknowledged = False
        self.intent = 0  # seq of a payment intent without outcome; 0 = none
        self.outcome = 0
        self.outcome_record: "dict | None" = None
        self.disposition = 0


class View:
    """The present state of device, shift and case."""

    def __init__(self) -> None:
        self.shift = 0
        self.shift_open = False
        self.shift_first = 0
        self.officer = 0
        self.unit = ""
        self.cases = 0
        self.case: "Case | None" = None
        self.totals: dict = {}
        self.provisional: dict = {}  # intent seq -> (case number, centimes, pv)
        self.exposure: "list[tuple]" = []  # (seq, centimes, utc, card token) of outcomes taken offline, not yet acknowledged
        self.sets: dict = {}
        self.outage = False

    def apply(self, record: dict) -> None:
        """Take one record into account."""
        kind = record[r.KIND]
        r.totals_step(self.totals, record)
        if kind == r.SHIFT_OPENED:
            self.shift = record[r.SHIFT]
            self.shift_open = True
            self.shift_first = record[r.SEQ]
            self.unit = record[r.UNIT]
            self.totals = {}
        elif kind == r.SHIFT_CLOSED:
            self.shift_open = False
        elif kind == r.LOGIN:
            self.officer = record[r.OFFICER]
        elif kind == r.NOTICE:
            self.cases = record[r.CASE]
            self.case = Case(record)
        elif kind == r.PARAMETERS_APPLIED:
            self.sets[record[r.SET_KIND]] = record[r.SET_VERSION]
        elif kind == r.OUTAGE_BEGIN:
            self.outage = True
        elif kind == r.OUTAGE_END:
            self.outage = False
        elif kind == r.AUTHORISATION_RESULT:
            self.provisional.pop(record[r.INTENT], None)
        elif self.case is not None:
            self._apply_to_case(self.case, kind, record)

    def _apply_to_case(self, case: Case, kind: int, record: dict) -> None:
        if kind == r.ACKNOWLEDGED:
            case.acknowledged = True
        elif kind == r.PAYMENT_INTENT:
            case.intent = record[r.SEQ]
        elif kind == r.PAYMENT_OUTCOME:
            case.intent = 0
            case.outcome = record[r.OUTCOME]
            case.outcome_record = record
            if case.outcome == r.OUTCOME_PROVISIONAL:
                self.provisional[record[r.INTENT]] = (case.number, record[r.AMOUNT], case.pv)
            if case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
                self.exposure.append((record[r.SEQ], record[r.AMOUNT], record[r.UTC], record.get(r.CARD_TOKEN, b"")))
        elif kind == r.LICENCE_DISPOSITION:
            case.disposition = record[r.DISPOSITION]
        elif kind == r.CASE_CLOSED:
            self.case = None

    def acknowledged(self, seq: int) -> None:
        """The server has everything up to `seq`: it no longer counts as offline exposure."""
        self.exposure = [item for item in self.exposure if item[0] > seq]
