"""What the journal says is the case now: the state that the flows need, derived from records alone.

The view is fed every record once, in order, at boot and on every append; it never writes. So a power cut cannot leave
it different from the journal. A segment's head keeps a snapshot, so that a boot need not read everything
(`terminal.journal.head`).
"""

from protocol import records as r
from terminal.journal.case import Case, check, over, unknown, unpaid

_STATE = (
    int,
    bool,
    int,
    int,
    str,
    int,
    bool,
)  # the shapes of a snapshot's items: a check value says that it is whole, not that it is ours
_PAIR = (int, int)
_PROVISIONAL = (int, int, str)
_CUT = (int, int, int)
_RELEASE = (int, int, str, int)
_HAND = (int, int, int, int)
_EXPOSURE = (int, int, int, bytes, int)

_OF_CASE = (r.ACKNOWLEDGED, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.CASE_CLOSED)  # what follows on a case's notice
_IN_SHIFT = (
    r.LOGIN, r.NOTICE, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.RECEIPT_PRINTED, r.LICENCE_DISPOSITION, r.CASE_CLOSED, r.VOID,
)  # fmt: skip
_OF_HAND = (
    r.LOGIN,
    r.LICENCE_READ,
    r.NOTICE,
    r.CASE_CLOSED,
    r.VOID,
)  # each ends what is to be told of a licence, or begins it
_OF_PAYMENT = (r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.CASE_CLOSED)


def _pairs(items: list, kinds: tuple) -> dict:
    """A map kept as pairs of number and `kinds`."""
    found = {}
    for item in items:
        number, value = item
        check([number], (int,))
        found[number] = tuple(check(value, kinds))
    return found


def _numbers(items: list) -> dict:
    """A map kept as pairs of numbers."""
    return {pair[0]: pair[1] for pair in items if check(pair, _PAIR)}


def _kept(case: "Case | None") -> "list | None":
    return case.snapshot() if case is not None else None


def _found(kept: "list | None") -> "Case | None":
    return Case.restored(kept) if kept is not None else None


class View:
    """The present state of device, shift and case."""

    def __init__(self) -> None:
        self.shift = 0
        self.shift_open = False
        self.shift_first = 0  # a shift begins directly behind the closing before it; below 0: no shift is open, but a lost record may have opened one
        self.officer = 0
        self.unit = ""
        self.cases = 0
        self.case: "Case | None" = None
        self.totals: dict = {}
        self.provisional: dict = {}  # intent seq -> (case number, centimes, pv)
        self.releases: dict = {}  # intent seq -> (case number, centimes, pv, kind of what released it): no officer has been told yet
        self.exposure: "list[tuple]" = []  # (seq, centimes, utc, card token, officer) taken offline, not yet acknowledged
        self.sets: dict = {}
        self.outage = False
        self.sealed: dict = {}  # intent seq -> seq of the outcome whose sealed card data is kept
        self.erased: "list[int]" = []  # outcomes whose sealed data the last such record declares erased
        self.last: "Case | None" = None  # of this shift's approved payments whose case is closed: see `paid`
        self.voiding: "Case | None" = None  # a void was asked for and has not ended; its `void` says in which record
        self.orphan: "tuple | None" = (
            None  # (seq, case number, centimes) of an intent without outcome whose notice is lost
        )
        self.cut: dict = {}  # the same of those whose case is over, by intent (0: its intent is lost too): nobody has their outcomes
        self.ended: dict = {}  # payments that a boot's word has ended -> (seq of that, case number, centimes): if it is lost it is said again
        self.verdict = False  # a licence was judged, and there is neither a notice nor a closing yet
        self.hand: "tuple | None" = (
            None  # (case number or 0, disposition, seq, kind) given up, or a void that waits; no log-in since
        )
        self.untold: dict = {}  # first lost seq -> last lost seq: payments are among these, or may be, and nobody who was told has logged in
        self.seq = 0  # of the last record that was taken into account; set before those of a segment are, and so is …
        self.total = 0  # … the running total of approved centimes after it
        self.once = 0  # the centre once had everything up to here: set before a boot's records are …
        self.bounds: "list[tuple]" = []  # … but of records first to last up to once only: (last, first, once), the greatest first
        self.gaps: dict = {}  # first lost seq -> last lost seq, as gap records have declared them

    def snapshot(self) -> dict:
        """The state as a CBOR map; `restore` is its inverse."""
        return {
            1: [self.shift, self.shift_open, self.shift_first, self.officer, self.unit, self.cases, self.outage],
            2: _kept(self.case),
            3: self.totals,
            4: self.sets,
            5: [[intent, list(self.provisional[intent])] for intent in sorted(self.provisional)],
            6: [list(item) for item in self.exposure],
            7: [[intent, self.sealed[intent]] for intent in sorted(self.sealed)],
            8: [[first, self.gaps[first]] for first in sorted(self.gaps)],
            9: [_kept(self.last), _kept(self.voiding), self.verdict],
            10: [[intent, list(self.releases[intent])] for intent in sorted(self.releases)],
            11: list(self.orphan) if self.orphan else None,
            12: [[first, self.untold[first]] for first in sorted(self.untold)],
            13: [list(self.cut[intent]) for intent in sorted(self.cut)],
            15: [[intent, list(self.ended[intent])] for intent in sorted(self.ended)],
            16: True,
            17: list(self.hand) if self.hand else None,
        }

    def restore(self, kept: dict) -> None:
        """Take over a snapshot. Raises TypeError, ValueError, IndexError or KeyError if it is none; then this view is of no use any more."""
        state = check(kept[1], _STATE)
        self.shift, self.shift_open, self.shift_first, self.officer, self.unit, self.cases, self.outage = state
        self.case = _found(kept[2])
        self.totals, self.sets = check([kept[3], kept[4]], (dict, dict))
        if not (self.shift_open or kept.get(16)):  # before, they were those of the shift that is closed
            self.totals, self.shift_first = {}, min(self.shift_first, 0)
        _pairs([[key, self.totals[key]] for key in self.totals], _PAIR)
        for kind in self.sets:
            check([kind, self.sets[kind]], (str, int))
        self.provisional = _pairs(kept[5], _PROVISIONAL)
        self.exposure = [tuple(check(item, _EXPOSURE)) for item in kept[6]]
        self.sealed, self.gaps = _numbers(kept[7]), _numbers(kept[8])
        paid, voiding, self.verdict = kept.get(9, (None, None, False))
        check([self.verdict], (bool,))
        told = kept.get(12) or []
        self.untold = {0: 0} if told is True else _numbers(told)  # before, a snapshot did not say which
        self.last, self.voiding = _found(paid), _found(voiding)
        self.releases = _pairs(kept.get(10, ()), _RELEASE)
        self.orphan = tuple(check(kept[11], _CUT)) if kept.get(11) else None
        self.hand = tuple(check(kept[17], _HAND)) if kept.get(17) else None
        self.cut = {item[0]: tuple(check(item, _CUT)) for item in kept.get(13, ())}
        self.ended = _pairs(kept.get(15, ()), _CUT)

    def apply(self, record: dict) -> None:
        """Take one record into account."""
        kind = record[r.KIND]
        before, self.seq = self.seq, record[r.SEQ]
        lost = self.seq - before - 1
        self.shift_first = self.shift_first or before + 1
        if lost > 0:
            approved = record.get(r.CUM_TOTAL, 0) - r.approved_step(record)[1] - self.total
            self._behind_a_gap(lost, approved, self.upto(self.seq - 1) - before)
        self.total = record.get(r.CUM_TOTAL, 0)
        self.cases = max(self.cases, record.get(r.CASE, 0))
        if kind == r.SHIFT_OPENED:
            self._opened(record[r.SHIFT], record)
        elif kind in _IN_SHIFT and self.shift_first < 0 and record.get(r.REASON) != "power":  # that is a boot's
            self._opened(self.shift + 1, record)
        r.totals_step(self.totals, record)
        if kind == r.PAYMENT_OUTCOME and self._interrupted(record):
            return
        if kind in _OF_CASE or kind == r.NOTICE:
            self._without_outcome(kind, record)
        if kind in _OF_HAND:
            asked = record.get(r.VOID_STATE) == r.VOID_ASKED
            due = r.DISPOSITION in record and (asked or record.get(r.CLOSURE) == r.CLOSURE_ABANDONED)
            self.hand = (record.get(r.CASE, 0), record[r.DISPOSITION], self.seq, kind) if due else None
        if kind == r.SHIFT_CLOSED:
            self.shift_open, self.shift_first, self.totals = False, self.seq + 1, {}
            self.shift = max(self.shift, record.get(r.SHIFT, 0))
            self.last = None
        elif kind == r.LOGIN:
            self.officer = record[r.OFFICER]
            self._logged_in()
        elif kind == r.NOTICE:
            self.cases = record[r.CASE]
            self.case = Case(record)
            self.verdict = False
        elif kind == r.LICENCE_READ:
            self.verdict = True
        elif kind == r.VOID:
            self._apply_void(record)
        elif kind == r.PARAMETERS_APPLIED:
            self.sets[record[r.SET_KIND]] = record[r.SET_VERSION]
        elif kind == r.OUTAGE_BEGIN:
            self.outage = True
        elif kind == r.OUTAGE_END:
            self.outage = False
        elif kind == r.AUTHORISATION_RESULT:
            self._apply_result(record)
        elif kind == r.CARD_DATA_ERASED:
            self.erased = [self.sealed.pop(intent) for intent in record[r.INTENTS] if intent in self.sealed]
        elif kind == r.GAP:
            self.missed(record)
            self.gaps[record[r.FIRST]] = record[r.GAP_LAST]
        elif kind == r.LICENCE_DISPOSITION:
            self._told(record)
        if kind in _OF_CASE:
            self.verdict = False  # its notice was there, be it lost
            if self.case is not None and record.get(r.CASE, self.case.number) != self.case.number:
                self.case = None  # its closing is lost, and the notice of another case too
        if kind in _OF_PAYMENT:
            self._paid_again(kind, record)
        if kind == r.PAYMENT_INTENT and self.case is None:
            self.orphan = (record[r.SEQ], record.get(r.CASE, 0), record[r.AMOUNT])
        if kind == r.PAYMENT_OUTCOME:
            self._apply_money(record)
        if self.case is not None and kind not in (r.NOTICE, r.VOID):
            self._apply_to_case(self.case, kind, record)

    def _interrupted(self, record: dict) -> bool:
        """Whether an outcome is a boot's word on a payment that was cut and whose case is over. A result counts all the same."""
        intent, case, orphan = record[r.INTENT], self.case, self.orphan
        if not self.cut.pop(intent, None) and record.get(r.REASON) != "power":
            return False
        self.ended[intent] = record[r.SEQ], record.get(r.CASE, 0), record[r.AMOUNT]
        open_ = case is not None and intent in (case.intent, (case.outcome_record or {}).get(r.INTENT))
        return not open_ and (orphan is None or orphan[0] != intent)

    def _opened(self, shift: int, record: dict) -> None:
        """A shift was opened, be it by a lost record; where the closing before it is lost too, it begins with this one."""
        if self.shift_open and shift != self.shift:
            self.shift_first, self.totals = self.seq, {}
        self.shift, self.shift_open, self.shift_first = shift, True, abs(self.shift_first)
        self.unit = record.get(r.UNIT, "")
        self.last = None  # that the one before was closed may be lost

    def _behind_a_gap(self, lost: int, approved: int, had: int) -> None:
        """So many records before this one are lost, in them so many centimes were approved, and the centre had the first `had` of them. A payment
        that may be among these, or whose outcome the centre had, is not called cut, its case is not offered again, and who logs in is told;
        a verdict's notice and closing may be among them. Nothing is sent between an intent and its outcome.
        """
        self.cases += (lost + 2) // 3  # a notice in every third record at most: no report number is given twice
        if not self.shift_open:
            self.shift_first = -abs(self.shift_first)
        if lost > 1:
            self.verdict = False
        case, orphan, paid, void, ended = self.case, self.orphan, self.last, self.voiding, False
        if case is not None:
            may = self._had_more(case.intent) if case.intent else had > 1  # intent and outcome are two records
            if case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
                may = False
            if may or approved >= case.amount:  # of another payment, if it has one: then its closing is lost too
                self.case, ended = None, True
        if orphan is not None and (approved >= orphan[2] or self._had_more(orphan[0])):
            self.orphan, ended = None, True
        if paid is not None and approved >= paid.amount:
            self.last = None  # there is a later one
        if void is not None and (approved >= void.amount or had > 2):
            void.pv, ended = "", True  # its end and another payment may be: its case is not open again
        if ended:
            self.untold[self.seq - lost] = self.seq - 1

    def _without_outcome(self, kind: int, record: dict) -> None:
        """A case that is over, by its closing or by a record of another one: a payment of it without outcome was cut, unless the closing
        says that it was not deferred.
        """
        case, cut = self.case, self.orphan
        if case is not None and case.intent:
            cut = (case.intent, case.number, case.amount)
        if cut is None:
            deferred = kind == r.CASE_CLOSED and record[r.CLOSURE] == r.CLOSURE_PROVISIONAL
            number, known = record.get(r.CASE), case is not None and case.outcome == r.OUTCOME_PROVISIONAL
            if deferred and not (known or number in [held[0] for held in self.provisional.values()]):
                self.cut[0] = (0, 0, 0)
            return
        own = kind != r.NOTICE and record.get(r.CASE, cut[1]) == cut[1]
        if not own or kind == r.CASE_CLOSED:
            self.orphan = None
            if not own or record[r.CLOSURE] == r.CLOSURE_PROVISIONAL:
                self.cut[cut[0]] = cut

    def upto(self, seq: int) -> int:
        """The last record up to `seq` that the centre had: of lost ones, those that it had when they were declared, not what it closed over."""
        seq = min(seq, self.once)
        for last, first, once in self.bounds:
            if first <= seq <= last:
                seq = min(seq, max(once, first - 1))
        return seq

    def _had_more(self, intent: int) -> bool:
        return self.upto(intent + 1) > intent

    @property
    def paid(self) -> "Case | None":
        """The payment that can be voided: `last`, unless records behind it are lost, acknowledged or not: a void of it may be among them."""
        case = self.last
        if case is None or any(last > case.outcome_record[r.SEQ] for last in self.gaps.values()):  # type: ignore[index]
            return None
        return case

    @property
    def lost(self) -> bool:
        """Whether RSK-016 is to be told: payments are among lost records, or may be, and nobody who was told has logged in."""
        return bool(self.untold)

    def missed(self, gap: dict) -> None:
        """A gap record, written or not: it is told, unless it says that no payment is lost, none was cut whose case is over, and no deferred one
        can be among what the centre never had: an intent and an outcome are two records.
        """
        first, last = gap[r.FIRST], gap[r.GAP_LAST]
        once = gap.get(r.GAP_ONCE, self.upto(last))
        said = {intent: (self.sealed.get(intent, 0),) + self.provisional[intent][:2] for intent in self.provisional}
        said.update(self.ended)
        for intent in said:  # as a segment's head remembers
            seq = said[intent][0]
            if max(first, once + 1) <= seq <= last and not self._lost(seq):
                self.cut[intent] = (intent,) + said[intent][1:]
        if gap.get(r.GAP_COUNT, 1) > 0 or self.cut or last - max(once, first - 1) > 1:
            self.untold[first] = last
        self.cut.pop(0, None)

    def _logged_in(self) -> None:
        """Who logs in was told what gap records had named by then; of what was found missing later a log-in of before says nothing."""
        for first in sorted(self.untold):
            last = self.untold[first]
            if not last or self.declared(first, last):
                del self.untold[first]

    def _paid_again(self, kind: int, record: dict) -> None:
        """A case that has another payment, or is closed anew: the one before was given back, be it that this is lost."""
        number = record.get(r.CASE)
        intent = record[r.SEQ] if kind == r.PAYMENT_INTENT else record.get(r.INTENT)
        paid, void = self.last, self.voiding
        if paid is not None and paid.number == number and paid.intent != intent:
            self.last = None
            if self.case is None and kind in _OF_CASE and kind != r.CASE_CLOSED:
                self.case = unpaid(paid)
        if void is not None and void.number == number and void.intent != intent:
            self.voiding = None

    def _apply_money(self, record: dict) -> None:
        """An outcome counts even when its notice was lost."""
        outcome = record[r.OUTCOME]
        intent = record[r.INTENT]
        if self.orphan is not None and self.orphan[0] <= intent:  # a later one is its case's too
            self.orphan = None
        if r.SEALED in record:
            self.sealed[intent] = record[r.SEQ]
        if outcome == r.OUTCOME_PROVISIONAL:
            known = self.case is not None and self.case.number == record.get(r.CASE)
            self.provisional[intent] = (record.get(r.CASE, 0), record[r.AMOUNT], self.case.pv if known else "")  # type: ignore[union-attr]
        offline = outcome == r.OUTCOME_PROVISIONAL or record.get(r.ONLINE) != r.ONLINE_ANSWERED
        if offline and outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            token = record.get(r.CARD_TOKEN, b"")
            self.exposure.append((record[r.SEQ], record[r.AMOUNT], record[r.UTC], token, record[r.OFFICER]))

    def _apply_result(self, record: dict) -> None:
        """What the issuer said of a provisional payment; approved, the licence goes back."""
        intent = record[r.INTENT]
        open_ = self.case
        if open_ is not None and (open_.intent == intent or open_.number == record[r.CASE]):
            if (open_.outcome_record or {}).get(r.INTENT) != intent:
                self.case = None  # its outcome is lost
        self.cut.pop(intent, None)
        self.ended.pop(intent, None)
        if self.orphan is not None and self.orphan[0] == intent:
            self.orphan = None
        case, amount, pv = self.provisional.pop(intent, (record[r.CASE], record[r.AMOUNT], ""))
        if record[r.OUTCOME] == r.OUTCOME_APPROVED:
            self.releases[intent] = (case, amount, record.get(r.PV, pv), r.AUTHORISATION_RESULT)

    def _told(self, record: dict) -> None:
        """An officer has read of the release of that case."""
        if record[r.DISPOSITION] == r.DISPOSITION_RETAINED:
            return
        for intent in sorted(self.releases):
            if self.releases[intent][0] == record.get(r.CASE):
                del self.releases[intent]
                return

    def _apply_to_case(self, case: Case, kind: int, record: dict) -> None:
        if kind == r.ACKNOWLEDGED:
            case.acknowledged = True
        elif kind == r.PAYMENT_INTENT:
            unpaid(case).intent = record[r.SEQ]
        elif kind == r.PAYMENT_OUTCOME:
            case.intent = 0
            case.outcome = record[r.OUTCOME]
            case.outcome_record = record
        elif kind == r.LICENCE_DISPOSITION:
            if record.get(r.CASE, case.number) == case.number:
                case.disposition = record[r.DISPOSITION]
        elif kind == r.RECEIPT_PRINTED:
            if record.get(r.CASE, case.number) == case.number:
                case.void = None
        elif kind == r.CASE_CLOSED:
            self.case = None
            if (
                record[r.CLOSURE] == r.CLOSURE_PAID
                and case.outcome == r.OUTCOME_APPROVED
                and case.outcome_record is not None
            ):
                self.last = over(case)

    def _apply_void(self, record: dict) -> None:
        """A void asked for is open until its end; done, its case is open again and unpaid."""
        state = record[r.VOID_STATE]
        if state == r.VOID_ASKED:
            case, open_ = self.last, self.case
            if open_ is not None and open_.outcome == r.OUTCOME_APPROVED and open_.outcome_record is not None:
                case = over(open_)  # its closing is lost
            self.case = None
            if case is None or case.intent != record[r.INTENT]:
                case = unknown(record)
            case.void = {r.SEQ: record[r.SEQ]}
            self.voiding, self.last = case, None
            return
        if self.last is not None and self.last.intent == record[r.INTENT]:
            self.voiding, self.last = self.last, None  # that it was asked for is lost
        case = self.voiding
        if case is None or case.intent != record[r.INTENT]:
            return
        self.voiding, case.void = None, None
        if state == r.VOID_REFUSED:
            self.releases[case.intent] = (case.number, case.amount, case.pv, r.VOID)
        if state == r.VOID_DONE and self.case is None and case.pv:
            case.void = {key: record[key] for key in (r.SEQ, r.UTC) if key in record}
            for key in (r.SCHEME, r.LAST4):
                if case.outcome_record is not None and key in case.outcome_record:
                    case.void[key] = case.outcome_record[key]
            self.case = unpaid(case)

    def due(self) -> "tuple[bool, bool]":
        """(whether a result or the end of a void, whether a receipt for sealed card data is still to come from the centre).

        Nothing is awaited for an outcome that a gap record declares lost: the centre may never have had it, and what never came has no
        result. A segment's head may remember such an outcome all the same. What the centre does say of it is taken as ever.
        """
        result = self.waits() or bool(self.awaited())
        return result, any(not self._lost(self.sealed[intent]) for intent in self.sealed)

    def awaited(self) -> "list[int]":
        """The centimes of each deferred payment whose result is still to come."""
        held = self.provisional
        return [held[intent][1] for intent in held if not self._lost(self.sealed.get(intent, intent))]

    def waits(self) -> bool:
        """Whether a void waits for its end."""
        asked = self.voiding.void if self.voiding is not None else None
        return self.voiding is not None and not (asked is not None and self._lost(asked[r.SEQ]))

    def _lost(self, seq: int) -> bool:
        return self.declared(seq, seq)

    def declared(self, first: int, last: int) -> bool:
        """Whether a gap record says that these records are lost."""
        return any(begin <= first and last <= self.gaps[begin] for begin in self.gaps)

    def acknowledged(self, seq: int) -> None:
        """The server has everything up to `seq`: it no longer counts as offline exposure, and no word of it is said again."""
        self.exposure = [item for item in self.exposure if item[0] > seq]
        self.ended = {key: self.ended[key] for key in self.ended if self.ended[key][0] > seq or key in self.provisional}
