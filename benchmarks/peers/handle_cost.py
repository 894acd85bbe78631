"""What a call of a compiled solve costs beside its machine code: what counts where a solve takes microseconds."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import evolvent as ev

from ._table import aligned

CALLS = 2_000
SAVES: dict[str, Any] = {
    "end": "end",
    "10 times": np.linspace(0.0, 1.0, 10),
    "200 times": np.linspace(0.0, 1.0, 200),
    "steps": None,
}


def decay(t, y, p):
    """As little as a system of equations can compute."""
    return -p * y


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers handle-cost",
        description="Time calls of a compiled solve whose machine code runs for about a microsecond.",
    )
    parser.add_argument("--rounds", type=int, default=10, help="the least time of so many counts (default: 10)")
    return parser.parse_args(words)


def least(call: Callable[[], Any], rounds: int) -> float:
    """Microseconds of a call, in the best of some rounds."""
    count = max(1, CALLS // rounds)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(count):
            call()
        times.append((time.perf_counter() - began) / count)
    return 1e6 * min(times)


def row(name: str, rounds: int) -> tuple[str, ...]:
    """The machine code's time, and what each kind of call takes more."""
    y0 = np.array([1.0, 2.0, 3.0])
    run = ev.compile(ev.ODEProblem(decay, y0, (0.0, 1.0), 1.0), "Tsit5", saveat=SAVES[name], rtol=1e-3)
    run()
    # Of the handle's own: the program with its operands in place.
    repeated = run._run._repeats[False, False, False, False].program
    _, memory = repeated([])
    code = least(lambda: repeated.code(memory.address), rounds)
    calls = (
        run,
        lambda: run(params=1.5),
        lambda: run(y0=y0),
        lambda: run(y0=y0, params=1.5),
        lambda: run(t_span=(0.0, 1.0)),
    )
    return (name, f"{code:.2f}", *(f"{least(call, rounds) - code:.1f}" for call in calls))


def main(words: Sequence[str]) -> None:
    """Print the table."""
    given = arguments(words)
    print("microseconds of a call of a handle beside its machine code; 3 equations, Tsit5, rtol = 1e-3")
    head = ("saveat", "code", "run()", "params=", "y0=", "y0=, params=", "t_span=")
    print(aligned([head, *(row(name, given.rounds) for name in SAVES)]))
