"""The person at a terminal: looks at the screen, presses the key that follows from it. Knows what to do from a list of
tasks, nothing of the code.

`QuietFace` is the terminal's face without its display: screens arrive here with their fields, keys come from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.contracts.small import Diagnostic, Display, Keypad, Scanner
from protocol import records as r
from sim.worlds.simulation.factory import OFFICER, PIN, SECOND, factory
from sim.worlds.simulation.schedule import Pause
from terminal.face.face import Face

KEY_MS = 350
PATIENCE = 6  # troubles in one fine before the officer gives up
AWAY_MS = 200_000  # longer than any question waits
OFTEN = 4  # synchronisations in a row after which he waits a minute for the next one


@dataclass(frozen=True)
class Task:
    """What the officer does next on the home screen: "fine", "void" (of the last payment), "sync", "idle" (`seconds`), "close"."""

    what: str
    driver: str = ""
    card: str = ""
    later: bool = False  # the driver pays later
    offence: int = 1  # line on the first page
    seconds: int = 0
    abandon: int = 0  # the reason's line: the case is given up instead of paid
    tap: bool = False  # the card is held to the antenna
    agrees: bool = True  # a signature, if one is asked for
    back: bool = True  # a card that was torn off the antenna is presented again
    leaves: bool = False  # he walks away from the last question, what to do with the licence

    def tell(self) -> str:
        """In words."""
        if self.what == "fine":
            how = "" if self.agrees else "signs wrongly, "
            how += "card " if not self.tap else "tapped " if self.back else "tapped once "
            ends = f"abandoned for reason {self.abandon}" if self.abandon else how + self.card
            return f"fine, {'pays later' if self.later else ends}" + self._leaving()
        if self.what == "void":
            return "void, card " + self.card + self._leaving()
        return self.what + (f" {self.seconds} s" if self.seconds else "")

    def _leaving(self) -> str:
        return ", and walks away" if self.leaves else ""


class Officer(Scanner):
    """One officer. `tasks` are done in order; `settling` makes him synchronise until nothing waits, then close the shift once."""

    def __init__(self, tasks: list[Task], tell: Callable[[str], None]) -> None:
        self.tasks = tasks
        self.tell = tell
        self.task = Task("idle")
        self.screen = ""
        self.fields: dict[str, Any] = {}
        self.settling = False
        self.settled: Callable[[], bool] = lambda: False
        self.closed = False
        self.idle_until = 0
        self.troubles = 0
        self.paid = 0
        self.busy = False
        self.gone = False  # the last question about a licence is one that he has walked away from
        self.left = False  # … which he does once in a task
        self.unconfirmed = False  # he wants to close the shift, and has not been asked whether he is sure
        self.asks = self.waited = False  # he asks the centre again and again when the terminal has stopped
        self.wait_after = 0  # ms he leaves the terminal alone after asking it to synchronise
        self.asked = 0  # so often he has, until nothing waits

    @property
    def done(self) -> bool:
        """Whether all tasks are behind him."""
        return not self.tasks and not self.busy

    def see(self, screen: str, fields: dict[str, Any]) -> None:
        """A screen appears."""
        self.screen, self.fields = screen, fields
        self.gone = self.gone and screen != "licence_hand"
        if screen == "home" or screen == "login_number" and not fields.get("second"):
            self.busy = False

    async def discard(self) -> None:
        """He scans only when he is asked: nothing is left over."""

    async def read_scan(self, timeout_ms: int) -> str | None:
        """The scanner: he scans the licence when he is asked for it."""
        if self.screen != "mrz_entry":
            return None
        await Pause(KEY_MS)
        return factory().scan(self.task.driver) if self.task.driver else None

    async def press(self, timeout_ms: int | None) -> str | None:
        """The next key, or None after the time-out."""
        key = self._decide()
        if isinstance(key, int):
            await Pause(min(key, timeout_ms if timeout_ms is not None else key))
            return None
        await Pause(KEY_MS)
        return key

    def _decide(self) -> str | int:
        """A key's name, or for how many ms he does nothing."""
        handler = getattr(self, "_on_" + self.screen, None)
        if handler is not None:
            return handler()
        return "ok"

    @staticmethod
    def _type(target: str, typed: int) -> str:
        return target[typed] if typed < len(target) else "ok"

    def _on_login_number(self) -> str | int:
        if self.fields.get("second"):
            return self._type(str(SECOND), len(self.fields["entry"]))
        if self.unconfirmed:  # the terminal was started anew before it asked: nothing is closed
            self.closed = self.unconfirmed = False
        if self.closed or (not self.tasks and not self.settling):
            return 120_000
        return self._type(str(OFFICER), len(self.fields["entry"]))

    def _on_confirm_close(self) -> str:
        self.unconfirmed = False
        return "ok"

    def _on_abandon_reason(self) -> str:
        return str(self.task.abandon or 1)

    def _on_login_pin(self) -> str:
        return self._type(PIN, self.fields["stars"])

    def _on_home(self) -> str | int:
        if self.wait_after:
            waited = min(self.wait_after, 30_000)  # the terminal synchronises by itself between
            self.wait_after -= waited
            return waited
        if not self.tasks:
            return self._settle() if self.settling else 30_000
        self.task = self.tasks[0]
        if self.task.what == "idle" and self.task.seconds > 0:
            self.tasks[0] = Task("idle", seconds=self.task.seconds - 30)
            return 30_000
        self.tasks.pop(0)
        self.troubles = self.paid = 0
        self.left = False
        if self.task.what == "idle":
            return 1000
        self.busy = True
        self.tell(f"officer: {self.task.tell()}")
        return {"fine": "1", "sync": "2", "close": "3", "void": "5"}[self.task.what]

    def _settle(self) -> str | int:
        if self.closed:  # closing did not work, and never will: a twin
            return 30_000
        self.busy = True
        if self.settled():
            self.closed = self.unconfirmed = True
            return "3"
        self.asked += 1
        self.wait_after = 20_000 if self.asked <= OFTEN else 60_000
        return "2"

    def _on_mrz_entry(self) -> str | int:
        return "cancel" if not self.task.driver else 100

    def _on_plate_entry(self) -> str:
        return self._type("0012311916", len(self.fields["entry"]))

    def _on_offence_list(self) -> str:
        return str(self.task.offence)

    def _on_pay_choice(self) -> str:
        self.paid += 1
        if self.task.abandon:
            return "cancel"
        return "2" if self.task.later or not self.task.card or self.paid > 2 else "1"

    def _on_licence_hand(self) -> str | int:
        released = self.fields["disposition"] == r.DISPOSITION_RELEASE_GRANTED
        if not self.task.leaves or self.left or released:
            return "ok"
        self.gone = self.left = True
        self.tell("officer: walks away")
        return AWAY_MS

    def _on_syncing(self) -> int:
        return 60_000  # he waits, and touches nothing

    def _on_card_choose(self) -> str:
        return "ok"

    def _on_card_pin(self) -> str:
        return self._type("1234", self.fields["stars"])

    def _on_signature(self) -> str:
        return "ok" if self.task.agrees else "cancel"

    def _on_error(self) -> str | int:
        self.troubles += 1
        if self.fields["code"].startswith(("JRN", "SEC")):
            self.waited = self.asks and not self.waited
            return 45_000 if self.waited else "ok" if self.asks else 600_000
        return "cancel" if self.troubles > PATIENCE else "ok"

    def _on_locked(self) -> str | int:
        return 600_000


class QuietFace(Face):
    """The face without drawing. `watch(screen, fields)` is called before the person sees it."""

    def __init__(
        self,
        officer: Officer,
        watch: Callable[[str, dict[str, Any]], None],
        atlas: bytes,
        strings: bytes,
    ) -> None:
        super().__init__(Display(), Keypad(), None, None, atlas, "fr", strings)
        self._officer = officer
        self._watch = watch

    async def show(self, screen: str, **fields: object) -> None:
        """A screen appears."""
        self._watch(screen, fields)
        self._officer.see(screen, fields)

    async def refresh(self) -> None:
        """Nothing is drawn."""

    def forget(self) -> None:
        """He types nothing ahead."""

    async def key(self, timeout_ms: "int | None" = None) -> "str | None":
        """The officer's next key."""
        return await self._officer.press(timeout_ms)


class Notes(Diagnostic):
    """The technician's port: events go to the story."""

    def __init__(self, tell: Callable[[str, dict[str, Any]], None]) -> None:
        self._tell = tell

    def emit(self, event: str, fields: dict) -> None:
        """One event."""
        self._tell(event, fields)
