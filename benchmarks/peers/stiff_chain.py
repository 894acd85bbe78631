"""How a stiff system's costs grow with its size: a chain of cells, each with Robertson's reaction, that leak."""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from . import _measure, with_evolvent
from ._table import aligned, seconds
from .compile_cost import growth

SIZES = (10, 100, 1_000, 10_000)
OPTIONS = {"rtol": 1e-6, "atol": 1e-10, "saveat": "end"}
METHODS = ("auto", *with_evolvent.STIFF)
STEADY_RUNS = 5
# Enough for a median where a run is quick; once is enough to see how a long one grows.
STEADY_SECONDS = 10.0


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers stiff-chain",
        description="Time compilation and solves of chains of stiff cells, in fresh processes with an empty cache.",
    )
    parser.add_argument("methods", nargs="*", metavar="method", help=f"any of {', '.join(METHODS)} (default: auto)")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="N", help="how many cells")
    parser.add_argument("--backend", default="native", help="of evolvent (default: native)")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each size (default: 3)")
    parser.add_argument("--longest", type=float, default=300.0, help="seconds after which a process is ended")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if unknown := [name for name in given.methods if name not in METHODS]:
        parser.error(f"no method is called {', '.join(unknown)}; there are {', '.join(METHODS)}")
    return given


def times_here(method: str, cells: int, backend: str) -> tuple[float, float, float]:
    """Seconds of the first solve and of a handle's run, and the steps that it took; body of a fresh process."""
    with_evolvent.load(f"{backend}-{method}")
    import evolvent as ev
    from evolvent_testing.problems import robertson_chain

    problem, algorithm = robertson_chain(np, cells=cells).problem(), with_evolvent.ALGORITHMS[method]
    options = OPTIONS | {"backend": backend, "max_steps": with_evolvent.MAX_STEPS}
    start = time.perf_counter()
    handle = ev.compile(problem, algorithm, **options)
    solution = handle()
    first = time.perf_counter() - start
    runs: list[float] = []
    while not runs or (len(runs) < STEADY_RUNS and sum(runs) < STEADY_SECONDS):
        start = time.perf_counter()
        handle()
        runs.append(time.perf_counter() - start)
    return first, statistics.median(runs), float(solution.stats.n_steps)


def times_in_a_fresh_process(method: str, cells: int, backend: str, longest: float) -> tuple[float, float, float]:
    """The same in a process of its own, whose cache is empty."""
    command = [sys.executable, "-m", __package__, "stiff-chain", method, "--here"]
    command += ["--sizes", str(cells), "--backend", backend]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"EVOLVENT_CACHE_DIR": folder}
        options = {"cwd": _measure.ROOT, "env": environment, "capture_output": True, "text": True, "check": False}
        try:
            child = subprocess.run(command, **options, timeout=longest)
        except subprocess.TimeoutExpired:
            print(f"{method}, {cells:,} cells: not done after {longest:g} s")
            return math.nan, math.nan, math.nan
    if child.returncode:
        print(f"{method}, {cells:,} cells failed: {(child.stderr.splitlines() or [''])[-1]}")
        return math.nan, math.nan, math.nan
    first, run, steps = json.loads(child.stdout.splitlines()[-1])
    return first, run, steps


def fitted(sizes: Sequence[int], costs: Sequence[float]) -> str:
    """The exponent e of cost ~ size^e, by least squares on the logarithms of what was measured."""
    points = [(size, cost) for size, cost in zip(sizes, costs, strict=True) if cost > 0.0]
    if len(points) < 2:
        return "-"
    x, y = np.log(points).T
    return f"{np.polyfit(x, y, 1)[0]:.2f}"


def table(method: str, sizes: Sequence[int], backend: str, rounds: int, longest: float) -> str:
    """Medians of each size; in each round all sizes have their turn."""
    times: dict[int, list[tuple[float, float, float]]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            # What failed or took too long once is not tried again.
            if not any(math.isnan(first) for first, _, _ in times[size]):
                times[size].append(times_in_a_fresh_process(method, size, backend, longest))
    lines = [("cells", "equations", "first solve", "compilation", "exponent", "handle", "exponent", "steps", "a step")]
    compiling, running, before = [], [], None
    for size in sizes:
        first, run, steps = map(statistics.median, zip(*times[size], strict=True))
        cost = first - run
        grown = [growth(now, size, before and (before[i], before[2])) for i, now in enumerate((cost, run))]
        count, each = ("-", "-") if math.isnan(steps) else (f"{steps:,.0f}", seconds(run / max(steps, 1.0)))
        sized = (f"{size:,}", f"{3 * size:,}", seconds(first))
        lines.append((*sized, seconds(cost), grown[0], seconds(run), grown[1], count, each))
        compiling.append(cost)
        running.append(run)
        before = cost, run, size
    fits = f"fitted exponents: compilation {fitted(sizes, compiling)}, run {fitted(sizes, running)}"
    return f"{aligned(lines)}\n{fits}"


def main(words: Sequence[str]) -> None:
    """Print a table for each method."""
    given = arguments(words)
    methods = given.methods or ["auto"]
    if given.here:
        print(json.dumps(times_here(methods[0], given.sizes[0], given.backend)))
        return
    for method in methods:
        print(
            f"\n{method}: cells with Robertson's reaction, t 0..100, rtol 1e-6, atol 1e-10, {given.backend}", flush=True
        )
        try:
            with_evolvent.load(f"{given.backend}-{method}")
        except ImportError as error:
            print(f"left out: {error} ({with_evolvent.INSTALL})")
            continue
        print(table(method, given.sizes, given.backend, given.rounds, given.longest), flush=True)
