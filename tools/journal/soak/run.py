"""Runs the campaigns of the soak over worker processes and adds their figures up; progress on standard error, one
line a campaign.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.damage import ENDLESS
from tools.journal.soak.remembered import remembering

FULL = {"cuts": 1000, "turns": 60, "bytes": 20, "doubles": 20, "twice": 22, "flips": 20, "faults": 20, "pending": 30}


def run(transactions: dict[str, int], jobs: int, every: int = 1, say: bool = True) -> dict[str, Any]:
    """Run the named campaigns with so many transactions each; `every` n-th operation (or bit) only: 1 is the whole
    proof.

    Returns {campaign: figures}; figures["ok"] says that every oracle held.
    """
    report = {}
    for name, count in transactions.items():
        began = time.monotonic()
        with ProcessPoolExecutor(jobs) as pool:
            parts = [pool.submit(_share, name, count, share, jobs * every, say and share == 0) for share in range(jobs)]
            report[name] = _sum(name, count, every, [part.result() for part in parts])
        report[name]["seconds"] = round(time.monotonic() - began, 1)
        if say:
            print(f"\r{_line(report[name])}", file=sys.stderr)
    return report


def _share(name: str, transactions: int, share: int, shares: int, say: bool) -> dict[str, Any]:
    shown = [-1]

    def progress(done: int) -> None:
        percent = 100 * done // max(transactions, 1)
        if say and percent != shown[0]:
            shown[0] = percent
            print(f"\r{name}: {percent} %", end="", file=sys.stderr, flush=True)

    with remembering():
        return CAMPAIGNS[name](transactions, share, shares, progress)


def _sum(name: str, transactions: int, every: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The workers' figures together; what every worker saw whole is taken once."""
    outcomes: Counter[str] = Counter()
    for part in parts:
        outcomes.update(part["outcomes"])
    failures = [failure for part in parts for failure in part["failures"]]
    total = {
        "campaign": name, "transactions": transactions, "coverage": f"1 of {every}",
        "operations": parts[0]["operations"], "images": sum(part["images"] for part in parts),
        "distinct": sum(part["distinct"] for part in parts), "run": sum(part["run"] for part in parts),
        "outcomes": dict(sorted(outcomes.items())), "failures": failures, "ok": not failures and not outcomes["NOT HELD"] + outcomes[ENDLESS],
        "cpu_seconds": round(sum(part["cpu_seconds"] for part in parts), 1),
    }  # fmt: skip
    return total | {
        key: parts[0][key] for key in ("wear", "records", "raised_bits", "pages", "bits", "on_files") if key in parts[0]
    }


def _line(figures: dict[str, Any]) -> str:
    words = ", ".join(f"{count} {word}" for word, count in figures["outcomes"].items())
    of = f"{figures['operations']} operations" if figures["operations"] else f"{figures.get('bits', 0)} bits"
    return (
        f"{figures['campaign']}: {figures['transactions']} transactions, {of}, coverage {figures['coverage']}, "
        f"{figures['images']} images, {figures['distinct']} distinct, {figures['seconds']} s: {words}"
    )
