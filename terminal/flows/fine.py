"""One fine, from the licence to its hand-back: the declared states, and what each does.

The position is kept in the journal: each state that matters writes its record before it shows anything, and `resume` finds the state again
from the open case after a power cut. Personal data lives in `self` only, and encrypted beside the journal until the case is closed.
"""

from typing import TYPE_CHECKING

from drivers.contracts.secure_element import SLOT_TOKEN_HMAC
from protocol import records as r
from protocol import tokens
from protocol.errors import CardError, JournalError, LicenceError, MrzError, SecureElementError, TasdidError
from terminal import personal, phases
from terminal.flows import ask, offence

if TYPE_CHECKING:
    from typing import Any

TRANSITIONS = {
    "identify": ("read", "document", "abandon", "end"),
    "document": ("identify", "plate", "abandon", "end"),
    "read": ("identify", "plate", "abandon", "end"),
    "plate": ("offence", "abandon"),
    "offence": ("acknowledge", "abandon"),
    "acknowledge": ("choose", "abandon"),
    "choose": ("pay", "notice", "abandon"),
    "abandon": ("plate", "offence", "choose", "end"),
    "pay": ("receipt", "choose"),
    "receipt": ("hand", "choose"),
    "notice": ("hand",),
    "hand": ("close", "end"),
    "close": ("end",),
}
_RETYPE = ("LIC-021", "LIC-024")  # the chip refuses what was typed
_FIELDS = (("number", 9), ("birth", 7), ("expiry", 7))


class Fine:
    """One run of the flow for terminal `t`."""

    def __init__(self, t) -> None:  # noqa: ANN001 - Terminal
        self.t = t
        self.state = "identify"
        self.mrz: "Any" = None  # an Mrz once it is known
        self.document = ""  # "paper" or "foreign" when there is no chip to read
        self.vehicle = "B"  # category that the vehicle driven demands; another is chosen behind the menu key
        self.driver: "Any" = None  # a map of what was read, see flows.licence.read
        self.plate = ""
        self.line: dict = {}
        self.tariff_version = 0
        self.duplicate = False  # whether papers may be out since before the power went
        self.note = ""  # key of what is said of the 10-day document, if there is none
        self.back = "plate"  # where the officer goes on who does not abandon after all

    async def run(self) -> None:
        """Run to the end; a state that is not declared as a successor is a programming error."""
        try:
            while self.state != "end":
                following = await self._step()
                if following not in TRANSITIONS[self.state]:
                    raise RuntimeError(self.state + " may not go to " + following)
                self.state = following
        finally:
            self._leave(phases.LICENCE)

    async def _step(self) -> str:
        """One state. What breaks off between a verdict and its notice leads to abandoning: every verdict ends in a closed case (domain §4)."""
        try:
            return await getattr(self, "_" + self.state)()
        except (JournalError, SecureElementError):
            raise
        except TasdidError as error:
            view = self.t.journal.view
            if self.state == "abandon" or not view.verdict or view.case is not None:
                raise
            self.t.note_error(error)
            await ask.show_error(self.t, error)
        self.back = "plate" if self.state in ("identify", "read", "document") else "offence"
        return "abandon"

    async def resume(self) -> None:
        """Go on with the journal's open case after a reboot: say what happened, then continue where the records stand."""
        case = self.t.journal.view.case
        from terminal.flows import release

        await self.recall(case)
        declined = case.outcome == r.OUTCOME_DECLINED and release.note(self.t.journal, case.outcome_record[r.SEQ])
        self.duplicate = case.void is None  # else it is its void that has opened it, and nothing of what follows is out
        asked = case.disposition and release.asked(self.t.journal, case)
        if asked and case.disposition == r.DISPOSITION_RETAINED:
            self.note = release.note(self.t.journal, case.seq)  # before there is a paper of another thing
        if case.void is not None:
            await self.print_void(case, True)
        if asked:
            self.state = "hand"
        elif case.outcome == r.OUTCOME_INTERRUPTED:
            await ask.acknowledge(self.t, "interrupted", amount=case.amount)
            self.state = "choose"
        elif case.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
            self.state = "receipt"
        elif declined:  # nobody may have read it
            await ask.outcome(self.t, case.outcome_record)
            self.duplicate = True
            self.state = "receipt"
        else:
            self.state = "choose"
        await self.run()

    async def recall(self, case) -> None:  # noqa: ANN001 - Case
        """What the papers need of a case that is not fresh in memory."""
        blob = self.t.journal.blob("private", case.seq)
        if blob is not None:
            self.plate = (await personal.unseal(self.t, case.number, blob)).get("plate", "")
        self.line = await offence.line_of(self.t, case.offence, case)
        self.tariff_version = case.tariff

    async def _identify(self) -> str:
        """The MRZ: scanned, or three numbers typed from the card's back, each with its check digit."""
        phases.enter(phases.LICENCE)
        if self.t.ports.scanner is not None:
            await self.t.ports.scanner.discard()  # a second scan of the last driver's licence is not this driver's
        typed: dict = {}
        while True:
            for field, length in _FIELDS:
                if field not in typed:
                    text = await ask.digits(self.t, "mrz_entry", length, length, scan=True, field=field)
                    if text is None:
                        return "end"
                    if text == "menu":
                        from terminal.flows.licence import document

                        following = await document.menu(self.t, self)
                        if following != "identify":
                            return following
                        break
                    if not text.isdigit():
                        typed = {"scan": text}
                        break
                    typed[field] = text
            if "scan" not in typed and len(typed) < len(_FIELDS):
                continue  # back from the menu
            try:
                self.mrz = self._mrz(typed)
                return "read"
            except MrzError as error:
                if not await ask.show_error(self.t, error):
                    return "end"
                if error.detail in typed:
                    del typed[error.detail]
                else:
                    typed = {}

    @staticmethod
    def _mrz(typed: dict):  # noqa: ANN205 - Mrz
        from protocol.licence import mrz as mrz_format

        if "scan" in typed:
            return mrz_format.parse(typed["scan"])
        number, birth, expiry = typed["number"], typed["birth"], typed["expiry"]
        return mrz_format.from_fields("A" + number[:8], number[8:], birth[:6], birth[6:], expiry[:6], expiry[6:])

    async def _read(self) -> str:
        """Read the chip; a card that was pulled goes on where it stopped, and no try leaves a record before the verdict."""
        from protocol.licence.reader import Resume
        from terminal.flows import licence

        resume = Resume()
        portrait = True
        while self.driver is None:
            try:
                self.driver = await licence.read(self.t, self.mrz, resume, self.vehicle, portrait)
            except MemoryError:
                if not portrait:
                    raise
                portrait = False  # what there is no room for on a crowded heap: read afresh without it
                resume = Resume()
            except (LicenceError, CardError) as error:
                if error.code == ask.CANCELLED:
                    return "end"
                other = None
                if isinstance(error, LicenceError):
                    from protocol.licence.mrz import other_password

                    other = other_password(self.mrz, error)
                if other is not None:
                    self.mrz = other
                elif await ask.show_error(self.t, error):
                    if error.code in _RETYPE:
                        return "identify"
                elif await ask.acknowledge(self.t, "licence_unreadable", code=error.code):
                    from terminal.flows.licence import document

                    self.driver = document.unreadable(self.t, self.mrz, error.code, self.vehicle)
                else:
                    return "end"
        resume.clear()
        return await self._judged(self.mrz.number if self.mrz else "")

    async def _document(self) -> str:
        """A paper or foreign licence: its number is typed, nothing is verified, and the record says so."""
        from terminal.flows.licence import document

        self.driver = await document.unverified(self.t, self.document, self.vehicle)
        if self.driver is None:
            return "identify"
        return await self._judged(self.driver["number"])

    async def _judged(self, number: str) -> str:
        """Record the verdict, then show it."""
        from terminal.flows import licence

        driver = self.driver or {}
        mac = await self.t.ports.se.hmac(SLOT_TOKEN_HMAC, b"licence" + number.encode())
        body = {r.VERDICT: driver["verdict"], r.FINDINGS: driver["findings"], r.LICENCE_TOKEN: tokens.keyed(mac)}
        if "reason" in driver:
            body[r.REASON] = driver["reason"]
        self.mrz = None
        await self.t.journal.append(r.LICENCE_READ, body)
        going = await licence.show_verdict(self.t, driver)
        driver["picture"] = None  # nobody looks at it again
        return "plate" if going else "abandon"

    async def _plate(self) -> str:
        self._leave(phases.LICENCE)
        text = await ask.digits(self.t, "plate_entry", 8, 12)
        if text is None:
            self.back = "plate"
            return "abandon"
        self.plate = text[:-5] + "-" + text[-5:-2] + "-" + text[-2:]
        return "offence"

    async def _offence(self) -> str:
        found = await offence.choose(self.t)
        if found is None:
            self.back = "offence"
            return "abandon"
        self.line, self.tariff_version = found
        return "acknowledge"

    async def _abandon(self) -> str:
        """No notice, or a notice that is given up: a reason, and the licence goes back unless its holder has left."""
        from terminal.flows import abandon

        case = self.t.journal.view.case
        why = await abandon.reason(self.t)
        if why is None and case is None:
            why = r.ABANDON_IDLE
        if not why:
            return self.back
        await abandon.record(self.t, case, why)
        from terminal.flows import release

        await release.hand(self.t)
        return "end"

    async def _acknowledge(self) -> str:
        """The notice exists from here on; then the driver sees amount and points and acknowledges them."""
        t = self.t
        case = t.journal.view.cases + 1
        content = {"plate": self.plate}
        content.update((self.driver or {})["report"])
        await t.journal.append(
            r.NOTICE,
            {
                r.CASE: case,
                r.PV: t.pv_number(case),
                r.OFFENCE: self.line["code"],
                r.TARIFF: self.tariff_version,
                r.AMOUNT: self.line["amount"],
                r.POINTS: self.line["points"],
                r.PLACE: t.identity.place,
            },
            private=await personal.seal(t, case, content),
        )
        self.driver = None
        if await ask.acknowledge(
            t,
            "acknowledge",
            code=self.line["code"],
            text=self.line,
            amount=self.line["amount"],
            points=self.line["points"],
        ):
            await t.journal.append(r.ACKNOWLEDGED, {r.CASE: case})
        return "choose"

    async def _choose(self) -> str:
        """Pay by card now, or later: paying is the driver's choice (domain §1). The officer may give the case up."""
        self.back = "choose"
        while True:
            await self.t.face.show("pay_choice", amount=self.t.journal.view.case.amount)
            key = await self.t.face.key(ask.IDLE_MS)
            if key == "1":
                return "pay"
            if key == "2":
                return "notice"
            if key == "cancel":
                return "abandon"

    def _leave(self, phase: tuple) -> None:
        """Leave a phase that had a card: the antenna's driver goes with it."""
        self.t.ports.release()
        phases.leave(phase)

    async def _pay(self) -> str:
        phases.enter(phases.PAYMENT)
        self.duplicate = False
        try:
            return await self._paying()
        finally:
            self._leave(phases.PAYMENT)

    async def _paying(self) -> str:
        from terminal.flows import payment

        case = self.t.journal.view.case
        try:
            outcome = await payment.pay(self.t, case)
        except (JournalError, SecureElementError):
            raise
        except TasdidError as error:
            if case.intent:  # nothing may be offered beside it: the next boot ends it
                raise JournalError(
                    "a payment was begun and has no outcome", "JRN-026", "start the terminal again"
                ) from None
            if error.code != ask.CANCELLED:
                await ask.show_error(self.t, error)
            outcome = case.outcome
            return "receipt" if outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL) else "choose"
        if outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED):
            return "receipt"
        return "choose"

    async def _receipt(self) -> str:
        outcome = self.t.journal.view.case.outcome
        await self._print(outcome, outcome == r.OUTCOME_PROVISIONAL)
        return "choose" if outcome == r.OUTCOME_DECLINED else "hand"

    async def _notice(self) -> str:
        await self._print(0, True)
        return "hand"

    async def print_void(self, case, done: bool) -> bool:  # noqa: ANN001 - Case
        """The paper of a void: done, or waiting for the bank's word. False if the officer went on without it."""
        phases.enter(phases.PAPER)
        from terminal.flows import papers

        try:
            return await papers.print_void(self.t, self, case, done)
        finally:
            papers = None
            phases.leave(phases.PAPER)

    async def _print(self, outcome: int, notice: bool) -> None:
        """The papers that are due: the outcome's receipt, the notice with the 10-day document, or both."""
        phases.enter(phases.PAPER)
        from terminal.flows import papers

        try:
            case, copy = self.t.journal.view.case, r.COPY_DUPLICATE if self.duplicate else 0
            if outcome:
                await papers.print_outcome(self.t, self, case, copy or r.COPY_DRIVER)
            if notice and not await papers.print_notice(self.t, self, case, copy):
                self.note = "hand.unprinted.note"
        finally:
            papers = None
            phases.leave(phases.PAPER)

    async def _hand(self) -> str:
        """The licence goes back only on *approved* (domain §4). Where nobody answers nobody is in any more, and the case stays open: who logs in next
        is asked.
        """
        case = self.t.journal.view.case
        disposition = case.disposition  # on record already when the power went, or nobody answered
        fields: dict = {"pv": case.pv} if disposition else {}  # who is asked later has not just seen the case
        if not disposition:
            disposition = r.DISPOSITION_RETURNED if case.outcome == r.OUTCOME_APPROVED else r.DISPOSITION_RETAINED
            await self.t.journal.append(r.LICENCE_DISPOSITION, {r.CASE: case.number, r.DISPOSITION: disposition})
        key = await ask.answer(self.t, "licence_hand", disposition=disposition, days=10, note=self.note, **fields)
        if key is None:
            self.t.officer = None
            return "end"
        return "close"

    async def _close(self) -> str:
        case = self.t.journal.view.case
        closure = {
            r.OUTCOME_APPROVED: r.CLOSURE_PAID,
            r.OUTCOME_PROVISIONAL: r.CLOSURE_PROVISIONAL,
            r.OUTCOME_DECLINED: r.CLOSURE_DECLINED,
        }.get(case.outcome, r.CLOSURE_UNPAID)
        await self.t.journal.append(r.CASE_CLOSED, {r.CASE: case.number, r.CLOSURE: closure})
        return "end"
