"""One case, as the journal's records tell it, and what becomes of it with its payment (`terminal.journal.view`)."""

from protocol import records as r

_OF_PAID = (r.SEQ, r.INTENT, r.UTC, r.OUTCOME, r.AMOUNT, r.CARD_TOKEN, r.SCHEME, r.LAST4)  # what a void needs
_CASE = (int, str, str, int, int, int, int, str, bool, int, int, int)


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
        self.void: "dict | None" = None  # the payment that was voided, until the paper that says so is printed

    def snapshot(self) -> list:
        """The case as a CBOR array; `restored` is its inverse."""
        return [
            self.number, self.pv, self.offence, self.tariff, self.amount, self.points, self.seq, self.place,
            self.acknowledged, self.intent, self.outcome, self.outcome_record, self.disposition, self.void,
        ]  # fmt: skip

    @staticmethod
    def restored(kept: list) -> "Case":
        """The case of a snapshot. Raises TypeError if it is none."""
        check(kept[:11] + kept[12:13], _CASE)
        for at in (11, 13):
            if len(kept) > at and not (kept[at] is None or isinstance(kept[at], dict)):
                raise TypeError
        case = Case({
            r.CASE: kept[0], r.PV: kept[1], r.OFFENCE: kept[2], r.TARIFF: kept[3], r.AMOUNT: kept[4], r.POINTS: kept[5],
            r.SEQ: kept[6], r.PLACE: kept[7],
        })  # fmt: skip
        case.acknowledged, case.intent, case.outcome, case.outcome_record, case.disposition = kept[8:13]
        case.void = kept[13] if len(kept) > 13 else None
        return case


def check(items: list, kinds: tuple) -> list:
    """`items`, if they are of these kinds. Raises TypeError."""
    if not isinstance(items, list) or len(items) != len(kinds):
        raise TypeError
    for at in range(len(kinds)):
        if not isinstance(items[at], kinds[at]):
            raise TypeError
    return items


def unknown(record: dict) -> Case:
    """The case of a void whose notice is lost: what the void says of it, no more."""
    said = {r.PV: "", r.OFFENCE: "", r.TARIFF: 0, r.POINTS: 0}
    for key in (r.CASE, r.AMOUNT, r.SEQ):
        said[key] = record[key]
    case = Case(said)
    case.intent = record[r.INTENT]
    return case


def unpaid(case: Case) -> Case:
    """The case again, and nothing of the payment that it had."""
    case.intent = case.outcome = case.disposition = 0
    case.outcome_record = None
    return case


def over(case: Case) -> Case:
    """A case that was paid and closed: what a void needs of it."""
    record = case.outcome_record or {}
    case.intent = record[r.INTENT]
    case.outcome_record = {key: record[key] for key in _OF_PAID if key in record}
    return case
