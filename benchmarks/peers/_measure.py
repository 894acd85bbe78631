"""Stopwatch: the first solve in a fresh process, and steady times of all peers in turn."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._case import Case
from ._peers import Peer

ROOT = Path(__file__).parents[2]
ROUNDS = 7


@dataclass
class Entry:
    """One peer at one tolerance, and what was measured of it."""

    peer: str
    tolerance: float
    solve: Callable[[], Any]
    error: float
    once: float
    times: list[float] = field(default_factory=list)

    @property
    def steady(self) -> float:
        """Median over the rounds, in seconds a call."""
        return statistics.median(self.times)

    def run_round(self, seconds: float) -> None:
        """Repeat the call for about `seconds`, at least once, and keep the mean."""
        count = max(1, round(seconds / self.once))
        start = time.perf_counter()
        for _ in range(count):
            self.solve()
        self.times.append((time.perf_counter() - start) / count)


def first_solve(peer: Peer, case: Case, cache: Path) -> float:
    """Seconds that a new process takes from its imports to its first result, or NaN when it fails.

    What evolvent compiles is kept in the folder `cache`, and looked for there.
    """
    command = [sys.executable, "-m", __package__, case.name, "--first", peer.name]
    environment = os.environ | {"EVOLVENT_CACHE_DIR": str(cache)}
    child = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return float(json.loads(child.stdout.splitlines()[-1])) if child.returncode == 0 else math.nan


def first_solve_here(peer: Peer, case: Case) -> float:
    """Body of that process."""
    peer.load()
    start = time.perf_counter()
    peer.prepare(case, case.tolerances[0])()
    return time.perf_counter() - start


def prepare(peer: Peer, case: Case, reference: Any, slow: float) -> list[Entry]:
    """Solve once at each tolerance, for the error; a peer slower than `slow` only at the case's own.

    Its curve goes on without a tolerance at which it fails, but for the case's own.
    """
    entries: list[Entry] = []
    for tolerance in case.tolerances:
        solve = peer.prepare(case, tolerance)
        try:
            error = case.error(solve(), reference)
        # Whatever a peer's solver raises.
        except Exception:
            if not entries:
                raise
            continue
        start = time.perf_counter()
        solve()
        once = time.perf_counter() - start
        entries.append(Entry(peer.name, tolerance, solve, error, once))
        if entries[0].once > slow:
            break
    return entries


def run_rounds(entries: list[Entry], seconds: float) -> None:
    """Time all entries in turn, `ROUNDS` times: a drift of the machine's speed meets all of them alike.

    An entry that needs more than its share of `seconds` takes part in fewer rounds, and in one at least.
    """
    share = seconds / ROUNDS
    for number in range(ROUNDS):
        for entry in entries:
            if number == 0 or number * entry.once < seconds:
                entry.run_round(share)
