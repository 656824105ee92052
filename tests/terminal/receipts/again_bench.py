"""A terminal with a printer, a journal and a case, for tests of papers on both runtimes. No test file."""

from protocol import records as r
from protocol.errors import PrinterError
from terminal.journal.room import Room  # noqa: F401 - before the bench: imported through it, it nests too deep for the device's stack
from tests.support.centre import Handheld
from tests.support.listening import Listening


class Face:
    """Gives the keys of a screen in order, and keeps what was shown; who has no key left has gone."""

    lang = "fr"

    def __init__(self, keys):
        self.keys = keys
        self.shown = []

    async def show(self, screen, **fields):
        self.shown.append((screen, fields))

    async def key(self, timeout_ms=None):
        waiting = self.keys.get(self.shown[-1][0])
        return waiting.pop(0) if waiting else None

    def screens(self):
        return [screen for screen, _ in self.shown]


class Tariff:
    """A signed set with one offence."""

    def items(self, name):
        return [{"code": "66/D-24", "ar": "الهاتف", "fr": "Téléphone"}]


class PaperBench(Handheld):
    """`troubles`: codes of the printer, in order, then it prints; `keys`: {screen: [keys]}. `papers`: the texts of each paper that came out whole."""

    def __init__(self, troubles=(), keys=None):
        Handheld.__init__(self, None)
        self.clock.utc = 1773493500  # 2026-03-14 14:05 in Algeria
        self.face = Face(keys or {})
        self.engine = Listening()
        self.printer = self
        self.officer = {"number": 1007, "force": 1, "unit": "U"}
        self.authority = {"ar": "وزارة المالية", "fr": "Ministère des Finances"}
        self.troubles = list(troubles)
        self.papers = []

    def parameter(self, kind):
        return Tariff()

    def release(self):
        """Of the ports: no card is held."""

    async def print_job(self, items):
        """The printer's part."""
        self.engine.texts = []
        for index, _ in enumerate(items):
            if self.troubles and index == 9:
                raise PrinterError("trouble", self.troubles.pop(0), detail=index)
        self.papers.append("\n".join(self.engine.texts))

    def notice(self, number):
        """The record that opens a case."""
        pv = "000001-%05d" % number
        return {r.CASE: number, r.PV: pv, r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 500000, r.POINTS: 6}

    async def case(self, number, outcome=0, closure=r.CLOSURE_PAID, seconds=60):
        """One case from its notice to its end, `seconds` from step to step; its intent's sequence number."""
        append = self.journal.append
        await append(r.NOTICE, self.notice(number))
        intent = 0
        self.clock.utc += seconds
        if outcome:
            intent = (await append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000}))[r.SEQ]
            paid = {r.CASE: number, r.INTENT: intent, r.AMOUNT: 500000, r.OUTCOME: outcome, r.LAST4: "0019"}
            await append(r.PAYMENT_OUTCOME, paid)
        self.clock.utc += seconds
        if closure != r.CLOSURE_ABANDONED:
            kept = r.DISPOSITION_RETURNED if outcome == r.OUTCOME_APPROVED else r.DISPOSITION_RETAINED
            await append(r.LICENCE_DISPOSITION, {r.CASE: number, r.DISPOSITION: kept})
        await append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: closure})
        return intent

    def printed(self):
        """The copies that were recorded: (case, copy)."""
        found = [item[0] for item in self.journal.entries(1)]
        return [(record[r.CASE], record[r.COPY]) for record in found if record[r.KIND] == r.RECEIPT_PRINTED]
