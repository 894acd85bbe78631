"""Command line of the comparison with other solvers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import (
    _measure,
    _table,
    brusselator_size,
    check_rodas4,
    chooser,
    compile_cost,
    first_solve,
    handle_cost,
    jumps,
    stiff_chain,
    work_precision_plot,
)
from ._compare import compare
from ._peers import all_peers
from .cases import CASES

COMMANDS = {
    "first": first_solve.main,
    "work-precision": work_precision_plot.main,
    "compile-cost": compile_cost.main,
    "handle-cost": handle_cost.main,
    "stiff-chain": stiff_chain.main,
    "brusselator-size": brusselator_size.main,
    "check-rodas4": check_rodas4.main,
    "chooser": chooser.main,
    "jumps": jumps.main,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Solve the same problems with evolvent and with others; one table per case.",
        epilog=f"Other measurements, each with its own --help, begin with a command: {', '.join(COMMANDS)}.",
    )
    parser.add_argument("cases", nargs="*", metavar="case", help=f"any of {', '.join(CASES)}; all by default")
    parser.add_argument(
        "--peers", nargs="+", default=[], metavar="NAME", help="names, or their beginnings: evolvent, c"
    )
    parser.add_argument("--baseline", default="", metavar="NAME", help="the peer that ratios are relative to")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each peer and tolerance (default: 1)")
    parser.add_argument("--no-first", action="store_true", help="leave out the first solve in a fresh process")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write all figures, the sweeps included")
    parser.add_argument("--list", action="store_true", help="list the cases and their peers, and stop")
    parser.add_argument("--first", metavar="NAME", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.cases if name not in CASES]:
        parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(CASES)}")
    return chosen


def main() -> None:
    """Measure the chosen cases and print their tables, or do what the command says."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        COMMANDS[sys.argv[1]](sys.argv[2:])
        return
    chosen = arguments()
    if chosen.first:
        print(json.dumps(_measure.first_solve_here(all_peers()[chosen.first], CASES[chosen.cases[0]])))
        return
    rows = []
    for name in chosen.cases or CASES:
        case = CASES[name]
        print(f"\n{case.name}: {case.title}", flush=True)
        if chosen.list:
            print("  " + ", ".join(case.peers))
            continue
        measured, baseline = compare(case, chosen.peers, chosen.baseline, chosen.seconds, not chosen.no_first)
        shown = [row for row in measured if row.tolerance == case.tolerances[0]]
        print(_table.text(shown, baseline), flush=True)
        if best := _table.best_of(shown, "evolvent-native"):
            print(best, flush=True)
        rows += measured
    if chosen.csv:
        _table.write_csv(chosen.csv, rows)


if __name__ == "__main__":
    main()
