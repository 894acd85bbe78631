"""One case: who can take part, what each of them needs, and the rows of the table."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from . import _measure
from ._case import Case
from ._peers import Peer, all_peers, chosen
from ._table import Row
from ._work_precision import UNKNOWN, equal_error_ratio, ratio_at


def installed(names: Sequence[str], say: Callable[[str], None]) -> list[Peer]:
    """The peers whose libraries can be imported; the others are named, with what would bring them."""
    known, found = all_peers(), []
    missing: dict[str, list[str]] = {}
    for name in names:
        try:
            known[name].load()
        except ImportError as error:
            missing.setdefault(f"{error} ({known[name].module.INSTALL})", []).append(name)
        else:
            found.append(known[name])
    for reason, those in missing.items():
        say(f"left out: {', '.join(those)}: {reason}")
    return found


def entries_of(
    peers: list[Peer], case: Case, baseline: str, seconds: float, say: Callable[[str], None]
) -> list[_measure.Entry]:
    """Prepare every peer; one that fails is named with its error, and the others go on."""
    reference = case.reference(case)
    entries = []
    for peer in peers:
        try:
            # Every ratio at equal error needs the baseline's whole curve, however slow it is.
            slow = math.inf if peer.name == baseline else seconds
            entries += _measure.prepare(peer, case, reference, slow)
        # Whatever a peer's solver raises: the comparison of the others must not die of it.
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            say(f"{peer.name} failed on {case.name}: {type(error).__name__}: {reason}")
    return entries


def compare(
    case: Case,
    wanted: Sequence[str] = (),
    baseline: str = "",
    seconds: float = 1.0,
    first: bool = True,
    say: Callable[[str], None] = print,
) -> tuple[list[Row], str]:
    """Measure a case.

    Parameters
    ----------
    case
        What is solved.
    wanted
        Beginnings of the names of the peers that take part; none means all.
    baseline
        The peer that ratios are relative to; the case's own when empty.
    seconds
        Time spent on each peer at each tolerance.
    first
        Whether to time a first solve in a fresh process too.
    say
        Where remarks go.

    Returns
    -------
    rows, baseline
        One row for each peer and tolerance, those at the case's own tolerance first; and the baseline's name.
    """
    baseline = baseline or case.baseline
    names = [name for name in case.peers if name == baseline or name in chosen(case.peers, list(wanted))]
    peers = installed(names, say)
    entries = entries_of(peers, case, baseline, seconds, say)
    if not entries:
        return [], baseline
    if all(entry.peer != baseline for entry in entries):
        say(f"{baseline} is not there to compare with: ratios are relative to {entries[0].peer}")
        baseline = entries[0].peer
    known = all_peers()
    at_first = dict.fromkeys((entry.peer for entry in entries), math.nan)
    for name in at_first if first else ():
        with tempfile.TemporaryDirectory() as empty:
            at_first[name] = _measure.first_solve(known[name], case, Path(empty))
    _measure.run_rounds(entries, seconds)
    return rows_of(case, entries, at_first, baseline), baseline


def rows_of(case: Case, entries: list[_measure.Entry], at_first: dict[str, float], baseline: str) -> list[Row]:
    """Ratios of everything to the baseline: at the same tolerance, at the peer's error and at the baseline's."""
    curves = {name: [(e.error, e.steady) for e in entries if e.peer == name] for name in at_first}
    reference = {entry.tolerance: entry.steady for entry in entries if entry.peer == baseline}
    own_tolerance = (e for e in entries if e.peer == baseline and e.tolerance == case.tolerances[0])
    own_point = next(((e.error, e.steady) for e in own_tolerance), None)
    rows = []
    for entry in entries:
        main = entry.tolerance == case.tolerances[0]
        here = (entry.error, entry.steady)
        fair = equal_error_ratio([here, *curves[entry.peer]], curves[baseline])
        there = ratio_at(own_point, curves[entry.peer]) if main and own_point else UNKNOWN
        rows.append(
            Row(
                case.name,
                entry.peer,
                entry.tolerance,
                at_first[entry.peer] if main else math.nan,
                entry.steady,
                entry.error,
                entry.steady / reference.get(entry.tolerance, math.nan),
                fair.value,
                fair.extrapolated,
                there.value,
                there.extrapolated,
            )
        )
    return sorted(rows, key=lambda row: row.tolerance != case.tolerances[0])
