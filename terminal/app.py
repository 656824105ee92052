"""The application: `build(ports)` puts it together, `Terminal.run` is its life from boot to power-off.

One flow at a time; every coded error is shown and leads back to a place from which the officer can go on. A journal or secure element that
cannot be trusted stops the terminal: it says so and sells nothing (design §3).
"""

from protocol import records as r
from protocol.errors import JournalError, OfficerError, ParameterError, RiskError, SecureElementError, TasdidError
from terminal import identity, localtime, parameters, phases
from terminal.face.face import Face
from terminal.flows import ask, login
from terminal.journal.journal import Journal
from terminal.journal.room import ROOM_LOW, ROOM_OK
from terminal.patience import ROUND_S, Patience
from terminal.ports import Ports
from terminal.vault import Vault

_IDLE_MS = ROUND_S * 1000
_LANGUAGES = ("ar", "fr", "en")
_LANGUAGE = "state/language"


def build(ports: Ports, language: str = "fr") -> "Terminal":
    """The application over these ports."""
    return Terminal(ports, language)


class Terminal:
    """The terminal's state that flows share. Flows are functions and classes in `terminal.flows`; they get this object as `t`."""

    def __init__(self, ports: Ports, language: str) -> None:
        self.ports = ports
        self.face = Face(
            ports.display,
            ports.keypad,
            ports.scanner,
            ports.diagnostic,
            ports.atlas,
            language,
            ports.strings,
            self._look,
        )
        self.engine = self.face.engine
        self.officer: "dict | None" = None
        self.identity: identity.Identity
        self.journal: Journal
        self.vault: Vault
        self.reached = False  # whether the last exchange with the server came off (`terminal.session`)
        self.patience = Patience()
        self.quiet_after = 0  # UTC before which nothing but unsent records is a reason to synchronise unasked
        self.parameters: parameters.Parameters
        self.room = ROOM_OK  # as it was last seen
        self.kept = language  # that the storage has, or that it need not have
        self.askable = False  # whether the identity and the journal's place are known: then the centre can be asked

    def now(self) -> int:
        """UTC seconds."""
        return self.ports.clock.now()[0]

    def parameter(self, kind: str) -> parameters.ParameterSet:
        """The signed set of a kind in force now. Raises ParameterError."""
        return self.parameters.load(kind, self.now())

    def limits(self) -> dict:
        """The signed limits in force."""
        return self.parameter("limits").body

    def pv_number(self, case: int) -> str:
        """Report number: the device's digits and its case number, without gaps."""
        return self.identity.device[-6:] + "-%05d" % case

    def note(self, event: str, **fields) -> None:  # noqa: ANN003
        """Tell the technician's port; never personal data."""
        if self.ports.diagnostic is not None:
            self.ports.diagnostic.emit(event, fields)

    def note_error(self, error: TasdidError) -> None:
        """Tell the technician's port of an error that the officer need not answer."""
        self.note("error", code=error.code)

    async def run(self) -> None:
        """Boot, then serve officers for ever. What cannot be trusted stops it; from that only a new epoch leads back."""
        while True:
            try:
                await self._boot()
            except TasdidError as error:
                await self._stopped(error)
                continue
            try:
                while True:
                    await self._session()
            except (JournalError, SecureElementError) as error:
                await self._stopped(error)

    async def _stopped(self, trouble: TasdidError) -> None:
        from terminal.flows import stopped

        await stopped.stay(self, trouble)

    async def _boot(self) -> None:
        """Self-test, journal, parameters; a payment that a power cut interrupted is closed as *interrupted*."""
        ports = self.ports
        await self.face.show("boot")
        ports.storage.mount()  # not before: what is wrong with it is told on the screen
        self._recall_language()
        info = await ports.se.info()
        await self._self_test()
        self.identity = identity.load(ports.storage)
        self.vault = Vault(ports.storage, ports.se, ports.crypto)
        await self.vault.open()
        self.journal = Journal(self.vault, ports.se, ports.clock, ports.crypto, self.identity.device)
        self.parameters = parameters.Parameters(ports.storage, ports.crypto, self.identity.key)
        self.askable = True
        await self.journal.open()
        if self.vault.unfinished and not self.journal.room.uncounted():
            await self.vault.finish(self.journal.epoch, True)
        view = self.journal.view
        self.note(
            "boot",
            secure_element=info["part"],
            stand_in=info["stand_in"],
            head=self.journal.head_seq,
            torn=self.journal.recovered_torn_tail,
        )
        if self.journal.head_seq == 0:
            await self.journal.append(r.PROVISIONED, {r.WILAYA: self.identity.wilaya, r.FORCE: self.identity.force})
        self.journal.officer, self.journal.unit = view.officer, view.unit
        if not self.journal.crowded():
            await self.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        await self.journal.end_what_was_cut()
        await self._recall_totals()

    async def _recall_totals(self) -> None:
        """What the last shift came to, while it is closed: the power may have gone before anybody had read it."""
        view = self.journal.view
        if not view.shift_open and view.shift_first > 1:
            await self._network("recall")

    async def _self_test(self) -> None:
        """Randomness must come from the part and differ (rule 8)."""
        first = await self.ports.se.random(32)
        if first == await self.ports.se.random(32):
            raise SecureElementError("the secure element's random numbers repeat", "SEC-010", "call a technician")

    async def _session(self) -> None:
        """One officer, from log-in to log-out."""
        key = await self._waiting("login_number", entry="")
        if key is None:
            return
        try:
            if not await login.log_in(self, key):
                return
        except OfficerError as error:
            self.note_error(error)
            if error.code == "OFC-003":
                if await ask.acknowledge(self, "locked"):  # new credentials come with a session
                    await self._guard(self._network, "session")
            else:
                await ask.show_error(self, error)
            return
        except (RiskError, ParameterError) as error:
            await self._report(error)  # no room, or no list of officers by this clock: what helps needs nobody to be in
            await self._guard(self._network, "session")
            return
        except JournalError:  # after a failed append only a boot knows what is there
            raise
        except TasdidError as error:
            await self._report(error)
            return
        await self.parameters.settle(self.journal, self.now(), False)
        if self.journal.view.case is not None:
            await self._guard(self._fine, True)
        while self.officer is not None:
            await self._home()

    async def _home(self) -> None:
        await self._look_at_room()
        await self.parameters.settle(self.journal, self.now(), False)
        if self.journal.view.releases or self.journal.hand:
            await self._guard(self._network, "tell")
        self._keep_language()
        officer = self.officer or {"unit": ""}
        key = await self._waiting("home", unit=officer["unit"], room=self.room)
        if key in ("1", "5") and self.journal.hand:  # what these write ends it
            await self._guard(self._network, "tell")
            if self.journal.hand:
                return
        if key == "1":
            await self._guard(self._fine, False)
        elif key == "2":
            await self._guard(self._network, "synchronise")
        elif key == "3":
            await self._guard(self._network, "close")
        elif key == "5":
            await self._guard(self._of_paid, "void")
        elif key == "6":
            await self._guard(self._of_paid, "again")
        elif key in ("4", "lang"):
            self.face.lang = _LANGUAGES[(_LANGUAGES.index(self.face.lang) + 1) % 3]
        elif key == "cancel":
            if await ask.acknowledge(self, "confirm_out"):
                self.officer = None
        if self.officer is not None and self.journal.view.case is not None:  # a void has opened it again
            await self._guard(self._fine, True)

    async def _waiting(self, screen: str, **fields) -> "str | None":  # noqa: ANN003
        """A screen between two works, and the next key; None after a round in which none was pressed: then what is owed is sent, if it is time to.
        Nobody need be logged in for that: the device's key signs.
        """
        await self.face.show(screen, **fields)
        key = await self.face.key(_IDLE_MS)
        if key is None and self.patience.idle():
            await self._network("quiet_sync")
        return key

    def _recall_language(self) -> None:
        """The language that an officer chose before the power went."""
        try:
            kept = self.ports.storage.read(_LANGUAGE, 2)
        except JournalError:
            return
        for lang in _LANGUAGES:
            if lang.encode() == kept:
                self.face.lang = self.kept = lang

    def _keep_language(self) -> None:
        """Keep it once it has changed, whatever becomes of that: the storage has worse to tell of."""
        if self.face.lang != self.kept:
            self.kept = self.face.lang
            try:
                self.ports.storage.replace(_LANGUAGE, self.kept.encode())
            except JournalError as error:
                self.note_error(error)

    async def _look_at_room(self) -> None:
        """Tell the officer once when the storage begins to fill up; the main menu goes on saying it. Sales stop much later."""
        room = self.journal.room.state()
        if room == ROOM_LOW and self.room == ROOM_OK:
            await self._report(RiskError("the terminal's storage is filling up", "RSK-014", "synchronise today"))
        self.room = room

    async def _fine(self, resume: bool) -> None:
        """One fine, or the open case after a reboot."""
        if not resume:  # before anything is asked of the driver
            self.journal.require()
        phases.enter(phases.FINE)
        from terminal.flows.fine import Fine

        flow = Fine(self)
        try:
            await (flow.resume() if resume else flow.run())
        finally:
            phases.leave(phases.FINE)

    async def _of_paid(self, name: str) -> None:
        """The last case: its payment is taken back ("void"), or its papers are printed again ("again")."""
        phases.enter(phases.FINE)
        try:
            if name == "void":
                from terminal.flows.void import void as flow
            else:
                from terminal.flows.again import again as flow
            await flow(self)
        finally:
            flow = None
            phases.leave(phases.FINE)

    async def _network(self, name: str) -> None:
        """A flow of `terminal.flows.shift` by name."""
        phases.enter(phases.NETWORK)
        from terminal.flows import shift

        try:
            await getattr(shift, name)(self)
        finally:
            await self.ports.network.close()
            phases.leave(phases.NETWORK)

    async def _guard(self, flow, *arguments) -> None:  # noqa: ANN001, ANN002
        """Run a flow; a coded error is shown and ends it, but an unreliable journal or secure element ends more than that."""
        try:
            await flow(*arguments)
        except (JournalError, SecureElementError):
            raise
        except TasdidError as error:
            await self._report(error)

    async def _report(self, error: TasdidError) -> None:
        self.note_error(error)
        await ask.show_error(self, error)

    def _look(self) -> int:
        """The status bar, as things are now; how many ms the minute lasts."""
        utc = self.now()
        journal = self.journal if self.askable else None
        self.face.status = (
            localtime.hhmm(utc),
            self.reached,
            journal.head_seq - journal.acked_seq if journal else 0,
            self.officer["number"] if self.officer else 0,
        )
        return (60 - utc % 60) * 1000
