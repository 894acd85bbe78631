"""How a large stiff system's costs grow with its size: the two-dimensional Brusselator on finer and finer grids."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence

import numpy as np

from . import _measure, with_evolvent
from ._table import aligned, seconds
from .stiff_chain import fitted

SIZES = (32, 64, 128, 256)
OPTIONS = {"rtol": 1e-5, "atol": 1e-5, "saveat": "end"}
ROUGH = {"rtol": 1e-1, "atol": 1e-1}  # a few steps: for them everything is compiled
METHODS = ("auto", *with_evolvent.STIFF)


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers brusselator-size",
        description="Solve the Brusselator on N x N points, in fresh processes with an empty cache.",
    )
    parser.add_argument("methods", nargs="*", metavar="method", help=f"any of {', '.join(METHODS)} (default: qndf)")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="N", help="points along each axis")
    parser.add_argument("--backend", default="native", help="of evolvent (default: native)")
    parser.add_argument("--longest", type=float, default=600.0, help="seconds after which a solve is ended")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(words)
    if unknown := [name for name in given.methods if name not in METHODS]:
        parser.error(f"no method is called {', '.join(unknown)}; there are {', '.join(METHODS)}")
    return given


def measured_here(method: str, points: int, backend: str, longest: float) -> dict[str, float | str]:
    """What one solve takes; body of a fresh process."""
    with_evolvent.load(f"{backend}-{method}")
    import evolvent as ev
    from evolvent_testing.problems import brusselator_periodic

    problem, algorithm = brusselator_periodic(np, points=points).problem(), with_evolvent.ALGORITHMS[method]
    options = OPTIONS | {"backend": backend, "throw": False, "max_steps": with_evolvent.MAX_STEPS}
    before, start = _peak(), time.perf_counter()
    # With a limit too, as in the solve itself, so that the same programs are made.
    ev.solve(problem, algorithm, **options | ROUGH, wall_time=longest)
    first = time.perf_counter() - start
    start, busy = time.perf_counter(), time.process_time()
    solution = ev.solve(problem, algorithm, **options, wall_time=longest)
    stats = solution.stats
    return {
        "status": str(solution.status.name),
        "first": first,
        "run": time.perf_counter() - start,
        "busy": time.process_time() - busy,
        "steps": stats.n_steps,
        "factorisations": stats.n_factorisations,
        "solves": stats.n_solves,
        "before": before,
        "peak": _peak(),
    }


def _peak() -> int:
    """The most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def measured(method: str, points: int, backend: str, longest: float) -> dict[str, float | str] | None:
    """The same in a process of its own, whose cache is empty."""
    command = [sys.executable, "-m", __package__, "brusselator-size", method, "--here"]
    command += ["--sizes", str(points), "--backend", backend, "--longest", str(longest)]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"EVOLVENT_CACHE_DIR": folder}
        child = subprocess.run(command, cwd=_measure.ROOT, env=environment, capture_output=True, text=True, check=False)
    if child.returncode:
        print(f"{method}, N = {points} failed: {(child.stderr.splitlines() or [''])[-1]}")
        return None
    return json.loads(child.stdout.splitlines()[-1])


def table(method: str, sizes: Sequence[int], backend: str, longest: float) -> str:
    """A line for each size."""
    names = ("rough solve", "run", "processor", "steps", "LU", "solves", "a step", "imports", "peak", "status")
    lines = [("N", "equations", *names)]
    done, costs = [], []
    for size in sizes:
        found = measured(method, size, backend, longest)
        if found is None:
            continue
        each = found["busy"] / max(found["steps"], 1)
        counts = [f"{found[name]:,}" for name in ("steps", "factorisations", "solves")]
        times = [seconds(found[name]) for name in ("first", "run", "busy")]
        memory = [f"{found[name] / 1e6:,.0f} MB" for name in ("before", "peak")]
        lines.append((f"{size}", f"{2 * size * size:,}", *times, *counts, seconds(each), *memory, found["status"]))
        done.append(2 * size * size)
        costs.append(each)
    return f"{aligned(lines)}\nfitted exponent of a step's cost: {fitted(done, costs)}"


def main(words: Sequence[str]) -> None:
    """Print a table for each method."""
    given = arguments(words)
    methods = given.methods or ["qndf"]
    if given.here:
        print(json.dumps(measured_here(methods[0], given.sizes[0], given.backend, given.longest)))
        return
    for method in methods:
        print(f"\n{method}: Brusselator on N x N points, t 0..11.5, rtol 1e-5, {given.backend}", flush=True)
        try:
            with_evolvent.load(f"{given.backend}-{method}")
        except ImportError as error:
            print(f"left out: {error} ({with_evolvent.INSTALL})")
            continue
        print(table(method, given.sizes, given.backend, given.longest), flush=True)
