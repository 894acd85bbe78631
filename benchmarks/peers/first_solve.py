"""What a new process waits for: the first solve, with nothing cached, and with what an earlier process left."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path

from . import _measure
from ._case import Case
from ._compare import installed
from ._peers import Peer, chosen
from ._table import aligned, seconds
from .cases import CASES

DEFAULT_CASES = ("lorenz", "pollu", "hires")
# Of a case with many methods, those whose first solve is asked for when no peer is named.
DEFAULT_PEERS = {
    "hires": ("evolvent-native-rodas5p", "evolvent-native-auto", "numbalsoda-lsoda", "sundae-cvode", "diffrax-kvaerno5")
}


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers first",
        description="Time the first solve in fresh processes, imports excluded, with an empty and with a warm cache.",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help=f"{', '.join(DEFAULT_CASES)} by default")
    parser.add_argument("--peers", nargs="+", default=[], metavar="NAME", help="names, or their beginnings")
    parser.add_argument("--rounds", type=int, default=7, help="processes of each kind for each peer (default: 7)")
    given = parser.parse_args(words)
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(CASES)}")
    return given


def rounds_of(peers: list[Peer], case: Case, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds to the first result with an empty and with a warm cache; in each round all peers have their turn."""
    times: dict[str, list[tuple[float, float]]] = {peer.name: [] for peer in peers}
    for _ in range(rounds):
        for peer in peers:
            with tempfile.TemporaryDirectory() as folder:
                empty = _measure.first_solve(peer, case, Path(folder))
                times[peer.name].append((empty, _measure.first_solve(peer, case, Path(folder))))
    return times


def main(words: Sequence[str]) -> None:
    """Print a table for each case."""
    given = arguments(words)
    for name in given.cases or DEFAULT_CASES:
        case = CASES[name]
        print(f"\n{case.name}: {case.title}", flush=True)
        names = chosen(case.peers, given.peers) if given.peers else list(DEFAULT_PEERS.get(name, case.peers))
        peers = installed(names, print)
        lines = [("peer", "empty cache", "warm cache")]
        for peer, times in rounds_of(peers, case, given.rounds).items():
            empty, warm = zip(*times, strict=True)
            lines.append((peer, seconds(statistics.median(empty)), seconds(statistics.median(warm))))
        print(aligned(lines), flush=True)
