"""Work-precision diagrams: time over error of every peer, from loose to tight tolerances."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import _measure, _table
from ._case import Case
from ._compare import entries_of, installed, rows_of
from ._peers import Peer, chosen
from ._work_precision import frontier
from .cases import CASES

DEFAULT_CASES = ("lorenz-short", "lotka-volterra", "pleiades", "brusselator-2d")
DEFAULT_PEERS = (
    "c-tsit5",
    "numbalsoda",
    "evolvent-native",
    "evolvent-eager",
    "diffrax-tsit5",
    "scipy-rk45",
    "scipy-dop853",
    "scipy-lsoda",
)
TOLERANCES = tuple(10.0**-power for power in range(2, 11))


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers work-precision",
        description=f"Time over error, rtol from {TOLERANCES[0]:g} to {TOLERANCES[-1]:g}: tables and a picture.",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help=f"{', '.join(DEFAULT_CASES)} by default")
    parser.add_argument(
        "--peers", nargs="+", default=list(DEFAULT_PEERS), metavar="NAME", help="names, or their beginnings"
    )
    parser.add_argument("--tolerances", nargs="+", type=float, default=TOLERANCES, metavar="TOL", help="loose to tight")
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each peer and tolerance (default: 0.5)")
    parser.add_argument(
        "--longest", type=float, default=5.0, help="a peer stops where one solve takes longer, in seconds (default: 5)"
    )
    parser.add_argument("--png", type=Path, default=Path("work_precision.png"), metavar="FILE", help="the picture")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures")
    given = parser.parse_args(words)
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(CASES)}")
    if bad := [name for name in given.cases if CASES[name].task != "trajectory"]:
        parser.error(f"{', '.join(bad)}: only a single trajectory with adaptive steps has a work-precision curve")
    return given


def sweep(case: Case, peers: list[Peer], tolerances: Sequence[float], longest: float) -> list[_measure.Entry]:
    """Solve at each tolerance, for the error; a peer drops out after a solve that took too long."""
    # The truth costs more than any solve here: it is computed once.
    reference = case.reference(case)
    fixed, entries, running = replace(case, reference=lambda case: reference), [], list(peers)
    for tolerance in tolerances:
        there = replace(fixed, tolerances=(tolerance,))
        found = entries_of(running, there, "", math.inf, lambda said, at=tolerance: print(f"at {at:g}: {said}"))
        entries += found
        quick = {entry.peer for entry in found if entry.once <= longest}
        running = [peer for peer in running if peer.name in quick]
    return entries


def measure(case: Case, given: argparse.Namespace) -> list[_table.Row]:
    """Rows of all peers and tolerances; ratios are relative to the case's baseline, or else to the first peer."""
    peers = installed(chosen(case.peers, given.peers), print)
    entries = sweep(case, peers, given.tolerances, given.longest)
    if not entries:
        return []
    _measure.run_rounds(entries, given.seconds)
    names = list(dict.fromkeys(entry.peer for entry in entries))
    baseline = case.baseline if case.baseline in names else names[0]
    return rows_of(case, entries, dict.fromkeys(names, math.nan), baseline)


def text(rows: list[_table.Row]) -> str:
    """One line for each peer and tolerance."""
    order = list(dict.fromkeys(row.peer for row in rows))
    lines = [("peer", "rtol", "steady", "error")]
    for row in sorted(rows, key=lambda row: (order.index(row.peer), -row.tolerance)):
        lines.append((row.peer, f"{row.tolerance:.0e}", _table.seconds(row.steady), f"{row.error:.1e}"))
    return _table.aligned(lines)


def draw(path: Path, measured: dict[str, list[_table.Row]]) -> None:
    """A panel for each case, a curve for each peer; the same peer has the same colour everywhere."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(row.peer for rows in measured.values() for row in rows))
    styles = {
        name: {"color": colormaps["tab20"](i % 20), "marker": "osD^v<>PX*"[i % 10]} for i, name in enumerate(names)
    }
    columns = min(2, len(measured))
    height = math.ceil(len(measured) / columns)
    figure = Figure(figsize=(7.0 * columns, 5.0 * height), layout="constrained")
    panels = figure.subplots(height, columns, squeeze=False).ravel()
    for panel, (case, rows) in zip(panels, measured.items(), strict=False):
        for name in names:
            points = [(row.error, row.steady) for row in rows if row.peer == name]
            draw_curve(panel, name, points, styles[name])
        panel.set(title=case, xlabel="largest error", ylabel="seconds", xscale="log", yscale="log")
        panel.invert_xaxis()
        panel.grid(alpha=0.3)
        panel.legend(fontsize="x-small")
    for unused in panels[len(measured) :]:
        unused.set_visible(False)
    figure.savefig(path, dpi=150)


def draw_curve(panel: Any, name: str, points: list[tuple[float, float]], style: dict[str, Any]) -> None:
    """All points of a peer, joined where each is worth its time: a solve that another one beats is off the line."""
    shown = [point for point in points if 0.0 < point[0] < math.inf]
    if shown:
        panel.plot(*zip(*shown, strict=True), linestyle="", markersize=4, **style)
        panel.plot(*zip(*frontier(shown), strict=True), linewidth=1.2, markersize=4, label=name, **style)


def main(words: Sequence[str]) -> None:
    """Print a table for each case, then draw them all."""
    given = arguments(words)
    measured = {}
    for name in given.cases or DEFAULT_CASES:
        print(f"\n{CASES[name].name}: {CASES[name].title}", flush=True)
        if rows := measure(CASES[name], given):
            measured[name] = rows
            print(text(rows), flush=True)
    if measured:
        draw(given.png, measured)
        print(f"\n{given.png}")
    if given.csv:
        _table.write_csv(given.csv, [row for rows in measured.values() for row in rows])
