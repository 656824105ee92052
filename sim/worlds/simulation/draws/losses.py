"""Storage that is lost for good, drawn apart so that the rest of a seed's plan is what it always was.

    lost-records   some records that nobody has acknowledged cannot be read any more, nor their second copies: a gap
    lost-results   the same, caught between a WELCOME and its acknowledgement: among them what the acquirer said of deferred payments
    lost-again     records that had arrived, and that a backup has made the centre forget, before they are sent again
    lost-journal   all of it is gone: the terminal stops, and two officers of the back office give it a new epoch
    lost-any       any records that follow each other, acknowledged or not, of an open case or not (`forgotten.py` judges what follows)
    lost-deferred  in some of the seeds that would draw lost-records or lost-any: during an outage, the outcome of a deferred payment whose case is
                   over, alone or with its intent, before anybody has it

None is drawn together with another of them, a copied terminal or an upgrade, and only the first three together with a restored backup.
Save in lost-any a range of lost records has no voids, erasures and closings of cases, and nothing of an open case.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from protocol import records as r
from protocol.errors import ParameterError
from server.office import epochs
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.draws.faults import RARE, Fault
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.four_eyes import FIRST, SECOND, Officers
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.schedule import Pause

SHARE = 0.35  # of the seeds in which it may happen
LOOK_MS = 30_000  # the back office looks at its alarms this often
RESULTS_SHARE = 0.5  # of those that lose nothing else
LOOKS_S = 900  # so long results are waited for
RESTORED_SHARE = 0.25  # of the seeds in which a backup is restored
ANY_SHARE = 0.08  # of those that lose nothing else, restore nothing and copy or upgrade no terminal
AGAIN_SHARE = 0.5
ANY_LOOKS_S = 240  # so long a record of the wanted kind is waited for
DEFERRED_SHARE = 0.2  # of those that lose records, or any, and restore nothing
DEFERRED_LOOKS_S = 300  # so long one is waited for, without a network
_WANTED = (
    0, 0, r.NOTICE, r.ACKNOWLEDGED, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.CASE_CLOSED,
    r.CARD_DATA_ERASED, r.VOID, r.VOID, r.VOID,
)  # fmt: skip
KEPT_WHOLE = (r.VOID, r.CARD_DATA_ERASED, r.CASE_CLOSED, r.GAP, r.NEW_EPOCH)
NEVER_LOST = (r.GAP, r.NEW_EPOCH)
_GONE = ("journal/", "copies/", "sealed", "private", "state/")
_OPEN = "SELECT COUNT(*) FROM epochs WHERE device = ? AND state = 1"  # approved: the terminal has only to ask
_BEGUN = "SELECT COUNT(*) FROM epochs WHERE device = ? AND state = 2"


@dataclass(frozen=True)
class Lost:
    """One record that is nowhere to be read any more."""

    device: str
    epoch: int
    seq: int
    record: dict[int, Any]
    data: bytes


def draw(seed: int, devices: int, faults: list[Fault], seconds: int) -> list[Fault]:
    """What a seed loses beside its other faults; nothing in most."""
    for fault in faults:
        if fault.kind == "backup-restore":
            return _restored(random.Random(f"lost and restored {seed}"), devices, faults, fault)
    found = _one_kind(seed, devices, faults, seconds)
    apart = any(fault.kind in RARE and fault.kind != "new-set" or fault.kind == "upgrade" for fault in faults)
    found = found if found or apart else _any(random.Random(f"lost any {seed}"), devices, seconds)
    return _deferred(random.Random(f"lost deferred {seed}"), found)


def _deferred(rng: random.Random, found: list[Fault]) -> list[Fault]:
    """In some seeds a deferred payment is lost instead of what was found to be, and an outage defers some."""
    if rng.random() >= DEFERRED_SHARE or not found or found[0].kind not in ("lost-records", "lost-any"):
        return found
    device, at = found[0].device, rng.randint(1, 120)
    return [Fault("outage", device, at, DEFERRED_LOOKS_S + 100), Fault("lost-deferred", device, at, rng.choice((1, 2)))]


def _one_kind(seed: int, devices: int, faults: list[Fault], seconds: int) -> list[Fault]:
    rng = random.Random(f"losses {seed}")
    if any(fault.kind in RARE for fault in faults):
        return []
    if rng.random() >= SHARE:
        return _results(random.Random(f"lost results {seed}"), devices, faults)
    device, at = rng.randrange(devices), rng.randint(60, seconds)
    if any(fault.kind == "upgrade" and fault.device == device for fault in faults):
        return []
    if rng.random() < 0.5:
        return [Fault("lost-records", device, at, rng.randint(1, 6))]
    return [Fault("lost-journal", device, at)]


def _results(rng: random.Random, devices: int, faults: list[Fault]) -> list[Fault]:
    if rng.random() >= RESULTS_SHARE:
        return []
    device = rng.randrange(devices)
    if any(fault.kind == "upgrade" and fault.device == device for fault in faults):
        return []
    return [Fault("lost-results", device, rng.randint(1, 300), rng.randint(1, 4))]


def _restored(rng: random.Random, devices: int, faults: list[Fault], restore: Fault) -> list[Fault]:
    """A loss about the time of a backup and its restore: records, results that were just written down, or what is to be sent again."""
    device, most = rng.randrange(devices), rng.randint(1, 6)
    drawn, kind = rng.random() < RESTORED_SHARE, rng.choice(("lost-records", "lost-results", "lost-again"))
    at = rng.randint(max(1, restore.at - 60), int(restore.value) + 120)
    if not drawn or any(fault.kind == "upgrade" and fault.device == device for fault in faults):
        return []
    early = {"lost-results": max(1, at - 60), "lost-again": int(restore.value)}
    return [Fault(kind, device, early.get(kind, at), most)]


def _any(rng: random.Random, devices: int, seconds: int) -> list[Fault]:
    if rng.random() >= ANY_SHARE:
        return []
    return [Fault("lost-any", rng.randrange(devices), rng.randint(20, seconds // 2), rng.randint(1, 6))]


def asked_again(seed: int, shifts: list[list[Task]], faults: list[Fault]) -> list[list[Task]]:
    """Where any records are lost: some officers want a void once more."""
    rng = random.Random(f"lost any void {seed}")
    lossy = [fault.device for fault in faults if fault.kind == "lost-any"]
    changed = [list(shift) for shift in shifts]
    for shift in lossy:
        tasks: list[Task] = []
        for task in shifts[shift]:
            tasks.append(task)
            if task.what == "void" and rng.random() < AGAIN_SHARE:
                tasks += [Task("idle", seconds=rng.choice((30, 30, 60, 120))), task]
        changed[shift] = tasks
    return changed


class Wish:
    """Which records a terminal loses (`lost-any`): some that follow each other, with one of a kind among them, in half of the draws those just
    written; the last one stays, since without it a terminal stops (JRN-030), and gap records and new epochs.
    """

    def __init__(self, rng: random.Random, most: int) -> None:
        self._rng, self._most = rng, most
        self.kind = rng.choice(_WANTED)
        self.later_ms = 1000 * rng.choice((0, 0, 0, 1, 3, 10, 30, 120))  # so long after the record is there
        self._latest = rng.random() < 0.5

    def there(self, device: Any, after: int) -> bool:
        """Whether what is wished for has been written behind record `after`, and something behind it."""
        new = [record[r.KIND] for record, _ in device.held(after + 1)]
        return self.kind in new[:-1]

    def choose(self, device: Any) -> list[Lost]:
        """The records, of those that the terminal holds; none if it holds nothing that may be lost."""
        head = device.terminal.journal.head_seq
        here = [item for item in held(device, 1) if item.seq < head]
        wanted = [at for at, item in enumerate(here) if item.record[r.KIND] == self.kind]
        if not wanted:
            wanted = [at for at, item in enumerate(here) if item.record[r.KIND] not in NEVER_LOST]
        if not wanted:
            return []
        first = last = wanted[-1] if self._latest else self._rng.choice(wanted)
        for _ in range(self._most - 1):  # it grows around that record, ahead or back
            ahead = self._rng.random() < 0.6
            at = last + 1 if ahead else first - 1
            if 0 <= at < len(here) and here[at].record[r.KIND] not in NEVER_LOST:
                first, last = min(first, at), max(last, at)
        return here[first : last + 1]


def choose(device: Any, most: int, rng: random.Random, results: bool | None = False) -> list[Lost]:
    """Up to `most` records that follow each other, of those that are not acknowledged, not the last and not of an open case; `results`:
    with a result among them, else without; None: whatever is there.
    """
    journal = device.terminal.journal
    case = journal.view.case or journal.view.voiding
    end = min(journal.head_seq, case.seq if case is not None else journal.head_seq)
    here = [item for item in held(device, journal.acked_seq + 1) if item.seq < end]
    runs = [
        run for run in _runs(here, most, results is not False) if run and results in (None, any(map(_is_result, run)))
    ]
    return rng.choice(runs) if runs else []


def deferred(device: Any, intent_too: bool) -> list[Lost]:
    """The last outcome of a deferred payment that is not acknowledged and whose case is over, with its intent or alone; none if there is none."""
    journal = device.terminal.journal
    case = journal.view.case
    here = [item for item in held(device, journal.acked_seq + 1) if item.seq < journal.head_seq]
    for item in reversed(here):
        if not _is_deferred(item) or case is not None and case.number == item.record[r.CASE]:
            continue
        first = item.record[r.INTENT] if intent_too else item.seq
        return [other for other in here if first <= other.seq <= item.seq]
    return []


def _is_deferred(item: Lost) -> bool:
    return item.record[r.KIND] == r.PAYMENT_OUTCOME and item.record[r.OUTCOME] == r.OUTCOME_PROVISIONAL


def held(device: Any, first: int) -> list[Lost]:
    """The records that a terminal holds, from number `first` on."""
    name = device_name(device.index)
    return [Lost(name, record[r.EPOCH], record[r.SEQ], record, data) for record, data in device.held(first)]


def _is_result(item: Lost) -> bool:
    return item.record[r.KIND] == r.AUTHORISATION_RESULT


def _runs(here: list[Lost], most: int, results: bool) -> Iterator[list[Lost]]:
    """From each record on, those that may be lost together."""
    for begin in range(len(here)):
        run: list[Lost] = []
        for item in here[begin : begin + most]:
            if item.record[r.KIND] in KEPT_WHOLE or _is_result(item) and not results:
                break
            run.append(item)
        yield run


def spoil(files: dict[str, bytes], lost: list[Lost]) -> None:
    """Make records unreadable wherever they are kept."""
    for name in [name for name in files if name.startswith(("journal/", "copies/"))]:
        for item in lost:
            at = files[name].find(item.data)
            if at >= 0:
                middle = at + len(item.data) // 2
                files[name] = files[name][:middle] + bytes((files[name][middle] ^ 0x55,)) + files[name][middle + 1 :]


def everything(device: Any) -> list[Lost]:
    """All records that a terminal holds."""
    return held(device, 1)


def erase(files: dict[str, bytes]) -> None:
    """All that the application has written is gone; what provisioning wrote is not."""
    for name in [name for name in files if name.startswith(_GONE)]:
        del files[name]


class BackOffice:
    """Two officers, each with a key; they read the alarms, propose and approve. `work` is their day on the schedule."""

    def __init__(self, centre: Centre, name: str, tell: Callable[[str], None], fail: Callable[[str], None]) -> None:
        self._centre, self._name, self._tell, self._fail = centre, name, tell, fail
        self._officers = Officers()

    async def work(self, utc: Callable[[], int]) -> None:
        """Wait for the alarm, propose; a minute later the other one approves. The chain may have gone on, before or after that: then again."""
        asked = "SELECT COUNT(*) FROM audit WHERE device = ? AND code = 'EPOCH' AND what LIKE '%asks for a new epoch%'"
        while True:
            await Pause(LOOK_MS)
            if not self._centre.up or not factory().look(asked, self._name) or factory().look(_OPEN, self._name):
                continue
            if factory().look(_BEGUN, self._name):
                return
            with self._centre.engine.begin() as connection:
                payload = epochs.draft(connection, self._name, "storage lost", utc())
                epochs.propose(
                    connection, self._officers.office, self._officers.sign(FIRST, epochs.PROPOSAL, payload), utc()
                )
            self._tell(f"officer {FIRST} proposes a new epoch after record {payload[3]}")
            self._alone(payload, utc())
            await Pause(2 * LOOK_MS)
            try:
                with self._centre.engine.begin() as connection:
                    epochs.approve(
                        connection, self._officers.office, self._officers.sign(SECOND, epochs.APPROVAL, payload), utc()
                    )
            except ParameterError as refused:
                self._tell(f"not approved: {refused.code}")
                continue
            self._tell(f"officer {SECOND} approves it")

    def _alone(self, payload: dict[int, Any], utc: int) -> None:
        """One officer's signature on both is refused."""
        try:
            with self._centre.engine.begin() as connection:
                epochs.approve(
                    connection, self._officers.office, self._officers.sign(FIRST, epochs.APPROVAL, payload), utc
                )
        except ParameterError:
            return
        self._fail("one officer alone has proposed and approved a new epoch")
