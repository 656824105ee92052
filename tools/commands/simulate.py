"""`tasdid simulate`: the whole system by seed, faults included; a failing seed is shrunk to a short story
(`sim.worlds.simulation`).

Exit codes: 0 every invariant held in every seed (or every mutation was caught), 1 one did not, 2 bad usage.
"""

import json
import logging
import multiprocessing
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Annotated, Any

import typer

HELD, DID_NOT_HOLD = 0, 1
_CHUNK = 8
MOST_CPU_S = 0.5  # what a seed may take
_MOST_DRAWN = 1_000_000
_MOST_PLAYED = 10_000_000
_LOOKED_AT = 3_000  # seeds in which every kind that is drawn occurs


def run(
    seeds: Annotated[int, typer.Option(help="how many seeds", min=1, max=_MOST_PLAYED)] = 100,
    first: Annotated[int, typer.Option(help="the first seed", min=0)] = 0,
    jobs: Annotated[int, typer.Option(help="processes side by side", min=1, max=64)] = 1,
    mutations: Annotated[
        bool, typer.Option("--mutations", help="try each deliberately broken build on the seeds")
    ] = False,
    mutation: Annotated[str, typer.Option(help="only this broken build")] = "",
    story: Annotated[bool, typer.Option("--story", help="tell what happened in each seed")] = False,
    shrinking: Annotated[bool, typer.Option("--shrink/--no-shrink", help="shorten the first failing seed")] = True,
    fault: Annotated[
        str,
        typer.Option(
            "--with",
            help="only seeds that draw this kind of fault, as lost-any, or each of several, as lost-records,backup-restore",
        ),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="the same for programs: one JSON document")] = False,
) -> None:
    """Play seeds: terminals, cards, radio, server, acquirer and power, with faults; every invariant checked throughout."""
    numbers = _drawing(fault, first, seeds) if fault else range(first, first + seeds)
    if mutations or mutation:
        raise typer.Exit(_mutations(numbers, mutation, jobs, as_json))
    began = time.monotonic()
    failed: list[dict[str, Any]] = []
    figures: Counter[str] = Counter()
    cpu: dict[int, float] = {}
    for done, result in enumerate(_results([(seed, "") for seed in numbers], jobs), 1):
        cpu[result["seed"]] = round(result["cpu_s"], 3)
        figures.update(result["figures"])
        figures.update({f"fault {kind}": 1 for kind in result["kinds"]})
        if result["broken"]:
            failed.append({"seed": result["seed"], "broken": result["broken"]})
        if story and not as_json:
            typer.echo("\n".join(result["story"]))
        _progress(done, seeds, len(failed), as_json)
    report: dict[str, Any] = {
        "first": first, "seeds": seeds, "failed": failed, "cpu_s_mean": round(sum(cpu.values()) / len(cpu), 3),
        "cpu_s_max": max(cpu.values()), "slow": _slow(cpu), "wall_s": round(time.monotonic() - began, 1),
        "figures": {key: value for key, value in sorted(figures.items()) if not key.startswith("fault ")},
        "seeds_with_fault": {key[6:]: value for key, value in sorted(figures.items()) if key.startswith("fault ")},
    }  # fmt: skip
    if failed and shrinking:
        report["story"] = _shrunk(failed[0]["seed"], "")
    _tell(report, as_json)
    raise typer.Exit(DID_NOT_HOLD if failed else HELD)


def _slow(cpu: dict[int, float]) -> list[list[float]]:
    """Seeds that took more than what one may take, the slowest first: [seed, seconds of CPU]; at most 20."""
    over = [[seed, seconds] for seed, seconds in cpu.items() if seconds > MOST_CPU_S]
    return sorted(over, key=lambda one: -one[1])[:20]


def _drawing(kinds: str, first: int, count: int) -> list[int]:
    """The first `count` seeds that draw a fault of each of these kinds."""
    from sim.worlds.simulation.draws.plan import draw

    known = {fault.kind for seed in range(_LOOKED_AT) for fault in draw(seed).faults}
    if not known.issuperset(kinds.split(",")):
        raise typer.BadParameter(f"--with takes kinds of fault, separated by commas: {', '.join(sorted(known))}")
    found: list[int] = []
    for seed in range(first, first + _MOST_DRAWN):
        if {fault.kind for fault in draw(seed).faults}.issuperset(kinds.split(",")):
            found.append(seed)
            if len(found) == count:
                return found
    raise typer.BadParameter(f"--with: {len(found)} of {_MOST_DRAWN} seeds draw {kinds}")


def _quiet() -> None:
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)


def _play(case: tuple[int, str]) -> dict[str, Any]:
    """One seed under one broken build ("" for none), in whatever process; plain data."""
    from sim.worlds.simulation import mutations as broken
    from sim.worlds.simulation import run as simulation
    from sim.worlds.simulation.shrink import story

    _quiet()
    simulation.settle()
    seed, name = case
    if name:
        with broken.by_name(name).patch():
            outcome = simulation.simulate(seed, hasty=True)
    else:
        outcome = simulation.simulate(seed)
    return {
        "seed": seed, "mutation": name, "broken": outcome.broken, "cpu_s": outcome.cpu_s, "figures": outcome.figures,
        "kinds": sorted({fault.kind for fault in outcome.plan.faults}), "story": story(outcome),
    }  # fmt: skip


def _results(cases: list[tuple[int, str]], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1:
        yield from map(_play, cases)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(_play, cases, chunksize=_CHUNK)


def _progress(done: int, of: int, failed: int, quiet: bool) -> None:
    if not quiet and done % 100 == 0 and done < of:
        typer.echo(f"{done} of {of} seeds, {failed} failed", err=True)


def _shrunk(seed: int, name: str) -> list[str]:
    """The short story of a failing seed."""
    import contextlib

    from sim.worlds.simulation import mutations as broken
    from sim.worlds.simulation import run as simulation
    from sim.worlds.simulation import shrink

    _quiet()
    with broken.by_name(name).patch() if name else contextlib.nullcontext():
        small, runs = shrink.shrink(simulation.simulate(seed))
        return [*shrink.story(small), f"  (shrunk in {runs} runs)"]


def _tell(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(report, indent=1))
        return
    held = report["seeds"] - len(report["failed"])
    typer.echo(
        f"{held} of {report['seeds']} seeds held; CPU {report['cpu_s_mean']} s a seed, at most {report['cpu_s_max']} s; "
        f"{report['wall_s']} s in all"
    )
    typer.echo(", ".join(f"{value} {key.replace('_', ' ')}" for key, value in report["figures"].items()))
    if report["slow"]:
        slow = ", ".join(f"{seed} ({seconds} s)" for seed, seconds in report["slow"])
        typer.echo(f"over {MOST_CPU_S} s of CPU: {slow}")
    for failure in report["failed"][:10]:
        typer.echo(f"seed {failure['seed']}: {failure['broken'][0]}", err=True)
    for line in report.get("story", ()):
        typer.echo(line, err=True)


def _mutations(numbers: Sequence[int], only: str, jobs: int, as_json: bool) -> int:
    """Each broken build on the seeds: in how many it is caught, and by what first."""
    from sim.worlds.simulation.mutations import MUTATIONS

    names = [mutation.name for mutation in MUTATIONS if not only or mutation.name == only]
    if not names:
        raise typer.BadParameter(f"--mutation is one of: {', '.join(m.name for m in MUTATIONS)}")
    rows = []
    for name in names:
        caught = [result for result in _results([(seed, name) for seed in numbers], jobs) if result["broken"]]
        what = next(mutation.what for mutation in MUTATIONS if mutation.name == name)
        row = {
            "mutation": name, "what": what, "caught": len(caught), "seeds": len(numbers),
            "first_seed": caught[0]["seed"] if caught else None, "by": caught[0]["broken"][0] if caught else "",
        }  # fmt: skip
        rows.append(row)
        if not as_json:
            typer.echo(f"{name:26} caught in {row['caught']:4} of {row['seeds']}  {row['by'][:90]}")
    if only and rows[0]["caught"]:
        story = _shrunk(rows[0]["first_seed"], only)
        if as_json:
            rows[0]["story"] = story
        else:
            typer.echo("\n".join(story))
    if as_json:
        typer.echo(json.dumps({"mutations": rows}, indent=1))
    return HELD if all(row["caught"] for row in rows) else DID_NOT_HOLD
