"""What goes wrong, drawn from a seed: a list of faults, each tied to a count (the n-th message, the n-th durable
operation …), so that leaving one out does not move the others. `Fault.tell` is its line in a story.
"""

import random
from dataclasses import dataclass

from sim.acquirer.book import LESS, PARTIAL, VIP
from sim.worlds.simulation.parts import HOW

NETWORK = (
    "lose-request", "lose-reply", "duplicate-request", "delay-request", "late-duplicate", "truncate-request",
    "truncate-reply", "flip-reply", "flip-request", "stale-reply", "unreachable",
)  # fmt: skip
SERVER = ("die-before-commit", "die-after-commit", "server-down", "busy")
ACQUIRER = ("host-silent", "host-deaf", "die-before-send", "die-after-answer", "host-later")
WORDS = {
    "host-later": "91",
    "host-late": "68",
    "host-busy": "09",
    "host-broken": "96",
}  # what the host says instead of its answer
REFUSALS = {
    "host-invalid": "12",
    "host-format": "30",
    "host-security": "63",
}  # … and what is no verdict, and fails (`refusals.py`)
REVERSAL_UNSAID = (
    "reversal-unsaid"  # a reversal is carried out, nobody hears of it, and its repeats are refused (`refusals.py`)
)
REVERSAL_REFUSED = "reversal-refused"  # a reversal is refused when it is asked for the first time (`refusals.py`)
GRANTS = {
    "host-partial": PARTIAL,
    "host-less": LESS,
    "host-vip": VIP,
}  # how the issuer judges that one request, if it is an authorisation
DEVICE = ("cut", "pull", "tear", "clock-jump", "outage", "upgrade")
AHEAD = {
    "tariff-ahead": "tariff",
    "officers-ahead": "officers",
}  # kinds of parameter sets that are published before their day (`ahead.py`)
RARE = ("backup-restore", "new-set", "rollback", "clone", "twin")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong. `device` -1: at the centre. `at`: the count it is tied to; `value`: how, how long, how far.

    Of WORDS and GRANTS only "host-later" is drawn here, the others in a few seeds (`grants.py`); with a `value` the host has not acted
    either, nor on a reversal, or a question while the card waits, that it refuses.
    """

    kind: str
    device: int
    at: int
    value: int | str = 0

    def ends(self) -> int:
        """Until when (seconds) the trouble phase must last for it to take place; 0 for what is tied to a count."""
        value = self.value if isinstance(self.value, int) else 0
        last = {"backup-restore": value, "rollback": value, "outage": self.at + value, "drawer": self.at + value}
        last["lost-journal"] = self.at + 300  # until two officers have looked at it
        last["lost-results"] = self.at + 900  # until there are some
        last["lost-again"] = self.at + 900  # until the terminal hears of the restore
        last["lost-any"] = self.at + 400  # until there is what is to be lost
        last["lost-deferred"] = self.at + 400
        last["tariff-ahead"] = last["officers-ahead"] = max(self.at, value)
        last["lost-money"], last["lost-booked"] = self.at + 460, self.at + 400
        last["decision-forgotten"] = 840  # until there is one
        last["copy-works"] = last["twin-online"] = 600  # until it is copied, both have spoken, and officers have looked
        last["suspense-decided"] = last["fork-decided"] = self.at + 240  # until two officers have looked
        timed = ("refund", "pull", "clock-jump", "upgrade", "new-set", "clone", "twin", "lost-records")
        return last.get(self.kind, self.at if self.kind in timed else 0) + 60

    def tell(self) -> str:
        """One line."""
        where = f"terminal {self.device + 1}" if self.device >= 0 else "the centre"
        tied = {
            "cut": f"power cut at durable operation {self.at} ({self.value})",
            "cut-set": f"power cut ({self.value}) at durable operation {self.at} after a set is kept that is in force as it comes",
            "pull": f"battery pulled {self.at} s after the beginning",
            "tear": f"payment {self.at}: card pulled at APDU {self.value}",
            "clock-jump": f"clock jumps by {self.value} s at {self.at} s",
            "outage": f"no network from {self.at} s for {self.value} s",
            "upgrade": f"upgraded from release 0.1.0 at {self.at} s",
            "drawer": f"switched off at {self.at} s for {self.value} s",
            "backup-restore": f"database of {self.at} s restored at {self.value} s",
            "refund": f"a payment is given back after {self.at} s",
            REVERSAL_UNSAID: f"reversal {self.at} is carried out, nobody hears of it, and {self.value} repeats are refused",
            REVERSAL_REFUSED: f"reversal {self.at} is refused when it comes for the first time, and a restore follows",
            "tight-limits": f"tight limits (number {self.value}) of what is taken offline",
            "two-workers": f"two processes ask the acquirer in turn (pace {self.at})",
            "lost-money": f"up to {self.value} records, approved payments among them, lost after {self.at} s",
            "lost-booked": f"up to {self.value} records, approved payments among them, lost before they are sent again after {self.at} s",
            "decision-forgotten": f"database of the time of proposal {(self.at + 1) // 2} restored {self.value} s later",
            "suspense-decided": f"two officers decide about suspense from {self.at} s on (their way: {self.value})",
            "fork-decided": f"two officers decide about forks from {self.at} s on (their way: {self.value})",
            "copy-works": f"it is copied once its work is done, and it and its copy take payments without a network (their way: {self.value})",
            "twin-online": f"one of it and its copy keeps its network meanwhile, or both do (their way: {self.value})",
            "new-set": f"a newer parameter set is published at {self.at} s",
            "tariff-ahead": f"the next tariff is published at {self.at} s, in force from {self.value} s on",
            "officers-ahead": f"the next list of officers is published at {self.at} s, in force from {self.value} s on",
            "rollback": f"storage of {self.at} s put back at {self.value} s",
            "lost-records": f"up to {self.value} records and their copies lost at {self.at} s",
            "lost-results": f"up to {self.value} records, results among them, and their copies lost after {self.at} s",
            "lost-again": f"up to {self.value} records that are to be sent again lost after {self.at} s",
            "lost-any": f"up to {self.value} records of any kind and their copies lost after {self.at} s",
            "lost-deferred": f"a deferred payment's {('outcome', 'intent and outcome')[self.value == 2]} lost after {self.at} s",
            "lost-journal": f"the whole journal lost at {self.at} s",
            "clone": f"storage of terminal copied into another at {self.at} s",
            "twin": f"terminal copied, keys included, at {self.at} s",
            "server-down": f"server stopped from message {self.at} on for {self.value} s",
        }
        counted = f"{self.kind} at message {self.at}" + (f" ({self.value})" if self.value else "")
        return f"{where}: {tied.get(self.kind, counted)}"


def draw(rng: random.Random, devices: int, seconds: int) -> list[Fault]:
    """The faults of a seed for `devices` terminals that work for about `seconds`."""
    found: list[Fault] = []
    for device in range(devices):
        found += [_network(rng, device) for _ in range(rng.choice((0, 1, 2, 4, 6)))]
        found += [_device(rng, device, seconds) for _ in range(rng.choice((0, 1, 1, 2, 3)))]
    found += [_centre(rng) for _ in range(rng.choice((0, 1, 2, 4, 6)))]
    if rng.random() < 0.35:
        found.append(_rare(rng, devices, seconds))
    return found


def _network(rng: random.Random, device: int) -> Fault:
    kind = rng.choice(NETWORK)
    value = {"delay-request": rng.choice((9, 20, 60, 400)), "late-duplicate": rng.choice((5, 30, 300))}
    return Fault(kind, device, rng.randint(1, 18), value.get(kind, rng.randrange(1, 1000)))


def _device(rng: random.Random, device: int, seconds: int) -> Fault:
    kind = rng.choice(("cut", "cut", "cut", *DEVICE))
    if kind == "cut":
        return Fault(kind, device, rng.randint(1, 160), rng.choice(HOW))
    if kind == "tear":
        return Fault(kind, device, rng.randint(1, 3), rng.randint(1, 12))
    if kind == "clock-jump":
        far = rng.choice((-400 * 86400, -86400, -600, 600, 86400, 5 * 366 * 86400))
        return Fault(kind, device, rng.randint(1, seconds), far)
    if kind == "outage":
        return Fault(kind, device, rng.randint(1, seconds), rng.choice((60, 600, 3600)))
    return Fault(kind, device, rng.randint(1, seconds))


def _centre(rng: random.Random) -> Fault:
    kind = rng.choice(SERVER + ACQUIRER)
    if kind == "server-down":
        return Fault(kind, -1, rng.randint(1, 20), rng.choice((30, 300, 1200)))
    return Fault(kind, -1, rng.randint(1, 20 if kind in SERVER else 6))


def _rare(rng: random.Random, devices: int, seconds: int) -> Fault:
    kind = rng.choice(("backup-restore", "backup-restore", *RARE))
    first = rng.randint(1, seconds)
    if kind == "backup-restore":
        return Fault(kind, -1, first, first + rng.randint(1, seconds))
    if kind == "new-set":
        return Fault(kind, -1, first)
    if kind == "rollback":
        return Fault(kind, rng.randrange(devices), first, first + rng.randint(60, seconds))
    return Fault(kind, rng.randrange(devices), first)
