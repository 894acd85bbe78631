"""Jump processes: time for a path by evolvent and by other simulators, and time for an event by size."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import evolvent as ev

from . import _jump_models as models
from . import _jump_peers as peers
from ._table import aligned, seconds

ROUNDS = 7
SIZES = (10, 100, 1_000, 10_000)
CONSTANT_WORK = ("CCNRM", "RSSACR", "DirectCR", "NextReaction", "SortingDirect")
SLOW = ("rebop", "GillesPy2 C++")
EXACT = ("CCNRM", "RSSACR", "NextReaction")
SIR: dict[str, Callable[[Any], peers.Runs]] = {
    "c": peers.c_loop,
    "evolvent Direct": peers.evolvent_with("Direct"),
    "evolvent": peers.evolvent_with(None),
    "evolvent end": peers.evolvent_with(None, saveat="end"),
    "rebop": peers.rebop,
    "libroadrunner": peers.roadrunner,
    "GillesPy2 C++": peers.gillespy2_compiled,
    "GillesPy2 NumPy": peers.gillespy2_numpy,
}
NETWORK: dict[str, Callable[[Any], peers.Runs]] = {
    "evolvent": peers.evolvent_with(None, saveat="end"),
    **{f"evolvent {name}": peers.evolvent_with(name, saveat="end") for name in EXACT},
    "rebop": peers.rebop,
    "libroadrunner": peers.roadrunner,
    "GillesPy2 C++": peers.gillespy2_compiled,
}


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers jumps", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="part", help=f"any of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each simulator (default: 2)")
    parser.add_argument("--peers", nargs="+", default=[], metavar="NAME", help="beginnings of names: evolvent, c")
    parser.add_argument("--first", metavar="MODEL", help=argparse.SUPPRESS)
    return parser.parse_args(words)


def prepared(model: Any, rows: dict[str, Any], wanted: list[str]) -> dict[str, peers.Runs]:
    """The simulators that are there, each having run once."""
    found = {}
    for name, peer in rows.items():
        if wanted and not name.startswith(tuple(wanted)):
            continue
        try:
            run, count = peer(model)
            run(0)
        # Whatever a simulator raises: the comparison of the others must not die of it.
        except Exception as error:
            print(f"left out: {name}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}", flush=True)
            continue
        found[name] = run, count
    return found


def per_path(found: dict[str, peers.Runs], budget: float) -> dict[str, float]:
    """Seconds a path, the mean over many; all take turns, and the median of the rounds counts."""
    rounds: dict[str, list[float]] = {name: [] for name in found}
    counts = {}
    for name, (run, paths) in found.items():
        began = time.perf_counter()
        run(1)
        spent = time.perf_counter() - began
        counts[name] = int(budget / ROUNDS / max(spent, 1e-7))
        if spent > budget:
            # Once is enough of what takes that long.
            rounds[name].append(spent / paths)
    for number in range(ROUNDS):
        for name, (run, paths) in found.items():
            if rounds[name] and rounds[name][0] * paths > budget:
                continue
            count = max(counts[name], 1)
            began = time.perf_counter()
            for k in range(count):
                run(2 + number * count + k)
            rounds[name].append((time.perf_counter() - began) / (count * paths))
    return {name: statistics.median(times) for name, times in rounds.items()}


def table(model: Any, rows: dict[str, Any], given: argparse.Namespace) -> None:
    """Print one model's times, and their ratios to the first row's."""
    print(f"\n{model.title}", flush=True)
    times = per_path(prepared(model, rows, given.peers), given.seconds)
    first = next(iter(times.values()))
    lines = [("simulator", "a path", f"x {next(iter(times))}")]
    lines += [(name, seconds(spent), f"{spent / first:.3g}") for name, spent in times.items()]
    print(aligned(lines), flush=True)


def sir(given: argparse.Namespace) -> None:
    """One core, every event kept."""
    table(models.sir(), SIR, given)


def networks(given: argparse.Namespace) -> None:
    """Real networks, the counts at the end kept."""
    table(models.multistate(), NETWORK, given)
    # The whole span takes rebop an hour and GillesPy2 minutes: all of them on its beginning, and who can on the whole.
    table(models.egfr(0.012), NETWORK, given)
    table(models.egfr(), {name: peer for name, peer in NETWORK.items() if name not in SLOW}, given)


def threads(given: argparse.Namespace) -> None:
    """A thousand final counts on one core and on all."""
    import evolvent_native._many as many

    ensemble = ev.EnsembleProblem(models.sir().problem, trajectories=1_000)
    cores = many.cores()
    times: dict[int, list[float]] = {1: [], cores: []}
    usual = many.cores
    for seed in range(2 * ROUNDS):
        for count in times:
            many.cores = lambda count=count: count
            began = time.perf_counter()
            ev.solve(ensemble, "Direct", saveat="end", seed=seed)
            times[count].append(time.perf_counter() - began)
    many.cores = usual
    spent = {count: statistics.median(found[2:]) for count, found in times.items()}
    lines = [("cores", "1,000 paths", "times faster")]
    lines += [(str(count), seconds(t), f"{spent[1] / t:.2f}") for count, t in spent.items()]
    print("\nSIR, final counts alone")
    print(aligned(lines), flush=True)


def size(given: argparse.Namespace) -> None:
    """Nanoseconds an event of random walks, by the number of sites."""
    lines = [("method", *(f"{n:,} sites" for n in SIZES))]
    for name in CONSTANT_WORK:
        row = [name]
        for n in SIZES:
            # About as many events in each.
            model = models.diffusion(n, 2e4 / n)
            run = ev.compile(model.problem, name, saveat="end")
            times = []
            for seed in range(5):
                began = time.perf_counter()
                solution = run(seed=seed)
                times.append((time.perf_counter() - began) / solution.stats.n_accepted)
            row.append(f"{1e9 * statistics.median(times):.0f} ns")
        lines.append(tuple(row))
        print(" ".join(row), file=sys.stderr, flush=True)
    print("\nrandom walks on a line, an event")
    print(aligned(lines), flush=True)


FIRST = {"sir": models.sir, "egfr": models.egfr}


def first(given: argparse.Namespace) -> None:
    """The first simulation in a fresh process, imports excluded."""
    lines = [("model", "empty cache", "warm cache")]
    for name in FIRST:
        empty, warm = [], []
        for _ in range(3):
            import tempfile

            with tempfile.TemporaryDirectory() as folder:
                empty.append(_in_process(name, folder))
                warm.append(_in_process(name, folder))
        lines.append((name, seconds(statistics.median(empty)), seconds(statistics.median(warm))))
    print("\nfirst simulation, beyond imports")
    print(aligned(lines), flush=True)


def _in_process(name: str, cache: str) -> float:
    import os

    command = [sys.executable, "-m", "benchmarks.peers", "jumps", "--first", name]
    root = Path(__file__).parents[2]
    environment = os.environ | {"EVOLVENT_CACHE_DIR": cache}
    out = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout
    return float(out.splitlines()[-1])


def first_here(name: str) -> None:
    """Body of that process."""
    import llvmlite.binding  # noqa: F401

    from .with_evolvent import import_all

    for package in ("evolvent_stepping", "evolvent_jumps", "evolvent_native"):
        import_all(package)
    problem = FIRST[name]().problem
    began = time.perf_counter()
    ev.solve(problem, saveat="end", seed=1)
    print(time.perf_counter() - began)


PARTS = {"sir": sir, "networks": networks, "threads": threads, "size": size, "first": first}


def main(words: Sequence[str]) -> None:
    """Print the tables."""
    given = arguments(words)
    if given.first:
        first_here(given.first)
        return
    for part in given.parts:
        PARTS[part](given)
