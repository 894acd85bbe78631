"""What compilation costs as a model grows: many scalar equations in a Python loop, or few operations on long arrays."""

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
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import _measure, with_evolvent
from ._table import aligned, seconds

OPTIONS = {"rtol": 1e-6, "atol": 1e-6, "saveat": "end"}
STEADY_RUNS = 5


def loop(t, y, p):
    """Independent logistic equations, one after the other; no two of them have a factor in common."""
    return [(1.0 + i / len(y)) * y[i] * (1.0 - y[i]) for i in range(len(y))]


def array(t, y, p):
    """The same equations as one."""
    return p * y * (1.0 - y)


MODELS: dict[str, tuple[Callable[..., Any], tuple[int, ...]]] = {
    "loop": (loop, (125, 250, 500, 1_000, 2_000)),
    "array": (array, (100, 1_000, 10_000, 100_000, 1_000_000)),
}


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers compile-cost",
        description="Time the first solve in fresh processes with an empty cache, less a steady run, at several sizes.",
    )
    parser.add_argument("models", nargs="*", metavar="model", help=f"any of {', '.join(MODELS)}; all by default")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help="how many equations")
    parser.add_argument("--backend", default="native", help="of evolvent (default: native)")
    parser.add_argument("--rounds", type=int, default=3, help="processes for each size (default: 3)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if unknown := [name for name in given.models if name not in MODELS]:
        parser.error(f"no model is called {', '.join(unknown)}; there are {', '.join(MODELS)}")
    return given


def times_here(model: str, size: int, backend: str) -> tuple[float, float, float]:
    """Seconds of the first solve, of a solve that is not the first, and of a handle's run; body of a fresh process."""
    with_evolvent.load(backend)
    import evolvent as ev

    y0, rates = np.full(size, 0.1), 1.0 + np.arange(size) / size
    problem = ev.ODEProblem(MODELS[model][0], y0=y0, t_span=(0.0, 1.0), params=rates)

    def solve():
        return ev.solve(problem, "Tsit5", backend=backend, **OPTIONS).y

    def seconds_of(run):
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    first = seconds_of(solve)
    again = statistics.median(seconds_of(solve) for _ in range(STEADY_RUNS))
    handle = ev.compile(problem, "Tsit5", backend=backend, **OPTIONS)
    handle()
    return first, again, statistics.median(seconds_of(handle) for _ in range(STEADY_RUNS))


def times_in_a_fresh_process(model: str, size: int, backend: str) -> tuple[float, float, float]:
    """The same in a process of its own, whose cache is empty."""
    command = [sys.executable, "-m", __package__, "compile-cost", model, "--here"]
    command += ["--sizes", str(size), "--backend", backend]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"EVOLVENT_CACHE_DIR": folder}
        child = subprocess.run(command, cwd=_measure.ROOT, env=environment, capture_output=True, text=True, check=False)
    if child.returncode:
        print(f"{model} of {size:,} failed: {(child.stderr.splitlines() or [''])[-1]}")
        return math.nan, math.nan, math.nan
    first, again, handle = json.loads(child.stdout.splitlines()[-1])
    return first, again, handle


def growth(cost: float, size: int, before: tuple[float, int] | None) -> str:
    """The exponent e of cost ~ size^e between two sizes: 1 is linear."""
    if before is None or not (cost > 0.0 and before[0] > 0.0):
        return "-"
    return f"{math.log(cost / before[0]) / math.log(size / before[1]):.2f}"


def table(model: str, sizes: Sequence[int], backend: str, rounds: int) -> str:
    """Medians of each size; in each round all sizes have their turn."""
    times: dict[int, list[tuple[float, float, float]]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            times[size].append(times_in_a_fresh_process(model, size, backend))
    lines = [("equations", "first solve", "next solve", "handle", "compilation", "an equation", "exponent")]
    before = None
    for size in sizes:
        first, again, handle = map(statistics.median, zip(*times[size], strict=True))
        cost = first - handle
        each = (f"{size:,}", seconds(first), seconds(again), seconds(handle), seconds(cost), seconds(cost / size))
        lines.append((*each, growth(cost, size, before)))
        before = cost, size
    return aligned(lines)


def main(words: Sequence[str]) -> None:
    """Print a table for each model."""
    given = arguments(words)
    if given.here:
        print(json.dumps(times_here(given.models[0], given.sizes[0], given.backend)))
        return
    try:
        with_evolvent.load(given.backend)
    except ImportError as error:
        print(f"evolvent's {given.backend} backend is not installed: {error} ({with_evolvent.INSTALL})")
        return
    for model in given.models or MODELS:
        print(f"\n{model}: logistic equations, t 0..1, Tsit5, rtol = atol = 1e-6, {given.backend}", flush=True)
        print(table(model, given.sizes or MODELS[model][1], given.backend, given.rounds), flush=True)
