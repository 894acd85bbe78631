"""What evolvent's own choice costs beside the best of its methods: the test problems with known solutions."""

from __future__ import annotations

import argparse
import csv
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from ._table import aligned, seconds, times
from ._work_precision import time_at

METHODS = (
    "Tsit5",
    "Vern7",
    "Vern9",
    "VCABM",
    "ROCK2",
    "ROCK4",
    "Rosenbrock23",
    "Rodas4",
    "Rodas5P",
    "KenCarp4",
    "Kvaerno5",
    "RadauIIA5",
    "RadauIIA",
    "QNDF",
    "FBDF",
)
TOLERANCES = (1e-4, 1e-6, 1e-8)
SWEEP = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9)
RUNS = 5
TRIED = 400  # steps that tell how long one takes
SHORT = 0.05  # seconds of a run that is repeated
FAR = 100.0  # times the tolerance: an error beyond it is no solution


@dataclass(frozen=True)
class Run:
    """One method at one tolerance; seconds are those of the machine code."""

    problem: str
    tolerance: float
    method: str
    chosen: str
    status: str
    error: float
    seconds: float
    steps: int
    f: int
    jacobians: int
    factorisations: int

    @property
    def solved(self) -> bool:
        """Whether the end was reached."""
        return self.status == "SUCCESS" and math.isfinite(self.error)


def problem_makers(names: Sequence[str]) -> dict[str, Any]:
    """The problems by these names; by default the stiff ones, those with algebraic equations, and non-stiff DETEST."""
    from evolvent_testing.problems import dae_problems, reference_problems, stiff_problems

    known = {**reference_problems(), **stiff_problems(), **dae_problems()}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no problem is called {', '.join(unknown)}; there are {', '.join(known)}")
    usual = [name for name in known if name not in reference_problems() or name.startswith("detest_")]
    return {name: known[name] for name in names or usual}


def measured(name: str, reference: Any, method: str | None, tolerance: float, longest: float) -> Run:
    """Solve with a handle on the native backend; a solve that would take longer than `longest` is stopped."""
    import evolvent as ev

    problem = reference.problem()
    options = {"rtol": tolerance, "atol": reference.scale * tolerance, "saveat": "end", "throw": False}
    label = method or "chooser"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run = ev.compile(problem, method, backend="native", max_steps=TRIED, **options)
            solution = run()
            if solution.status.name == "MAX_STEPS":
                each = max(solution.stats.seconds / TRIED, 1e-8)
                run = ev.compile(problem, method, backend="native", max_steps=int(longest / each) + TRIED, **options)
                solution = run()
            least = solution.stats.seconds
            # A first run may compile what goes on after many steps.
            for _ in range((RUNS if least < SHORT else 1) if solution.status.name == "SUCCESS" else 0):
                least = min(least, run().stats.seconds)
    except ev.InputError as error:
        return Run(name, tolerance, label, "", type(error).__name__, math.nan, math.nan, 0, 0, 0, 0)
    stats = solution.stats
    error = max(reference.error(solution.y[-1]), 10.0**-reference.digits)
    counts = (stats.n_steps, stats.n_f, stats.n_jacobians, stats.n_factorisations)
    return Run(name, tolerance, label, stats.algorithm, solution.status.name, error, least, *counts)


def runs_of(name: str, maker: Any, methods: Sequence[str], longest: float) -> Iterator[Run]:
    """The chooser at its tolerances, and each method over the sweep."""
    reference = maker(np)
    for tolerance in TOLERANCES:
        yield measured(name, reference, None, tolerance, longest)
    for method in methods:
        for tolerance in SWEEP:
            run = measured(name, reference, method, tolerance, longest)
            yield run
            if not run.solved:
                # What fails or takes too long will not do better with less room.
                break


def time_to(own: Run, runs: Sequence[Run]) -> float:
    """What a method takes to be as good as a solve.

    Where both errors at the end are below the tolerance they tell little of the way there, which most stiff problems
    have forgotten: both were as accurate as asked. Elsewhere its curve is looked up at the error.
    """
    same = [run for run in runs if run.solved and run.tolerance == own.tolerance]
    for run in same:
        if max(own.error, run.error) <= own.tolerance:
            return run.seconds
    points = [(run.error, run.seconds) for run in runs if run.solved and run.error <= FAR * run.tolerance]
    if len(points) > 1:
        time, outside = time_at(own.error, points)
        if not outside:
            return time
    return min((run.seconds for run in same if run.error <= 2.0 * own.error), default=math.nan)


def compared(runs: Sequence[Run]) -> Iterator[tuple[Run, str, float]]:
    """Each of the chooser's solves with the best method, and its time as a multiple of the best one's."""
    for own in (run for run in runs if run.method == "chooser"):
        best, least = "", math.nan
        for method in dict.fromkeys(run.method for run in runs if run.method != "chooser"):
            ones = [run for run in runs if run.method == method and run.problem == own.problem]
            time = time_to(own, ones)
            if time > 0.0 and not time >= least:
                best, least = method, time
        yield own, best, own.seconds / least


def table(runs: Sequence[Run]) -> str:
    """The chooser's solves, the worst first, and what they would have taken with the best method."""
    header = ("problem", "rtol", "chosen", "status", "error / rtol", "time", "steps", "f", "J", "LU", "best", "ratio")
    found = sorted(compared(runs), key=lambda entry: (entry[0].solved, -entry[2] if entry[2] > 0.0 else 0.0))
    lines = [
        (
            own.problem,
            f"{own.tolerance:.0e}",
            own.chosen,
            own.status,
            f"{own.error / own.tolerance:.2g}",
            seconds(own.seconds),
            *map(str, (own.steps, own.f, own.jacobians, own.factorisations)),
            best,
            times(ratio),
        )
        for own, best, ratio in found
    ]
    failed = sum(not own.solved for own, _, _ in found)
    above = sum(ratio > 3.0 for _, _, ratio in found)
    return f"{aligned([header, *lines])}\n{len(found)} solves: {failed} failed, {above} took more than 3 times the best"


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers chooser",
        description="Solve the reference problems without naming a method, and with each method, at equal error.",
    )
    parser.add_argument("problems", nargs="*", metavar="problem", help="by default the stiff ones, DAEs and DETEST")
    parser.add_argument("--methods", nargs="+", default=METHODS, metavar="NAME", help=f"default: {' '.join(METHODS)}")
    parser.add_argument("--longest", type=float, default=3.0, help="seconds after which a run is stopped (default: 3)")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all runs")
    return parser.parse_args(words)


def main(words: Sequence[str]) -> None:
    """Print the table."""
    given = arguments(words)
    runs: list[Run] = []
    for name, maker in problem_makers(given.problems).items():
        print(f"{name} ", end="", flush=True)
        runs += runs_of(name, maker, given.methods, given.longest)
    print()
    print(table(runs))
    if given.csv:
        with given.csv.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([column.name for column in fields(Run)])
            writer.writerows(map(astuple, runs))
