"""Which method to take for a jump problem."""

from __future__ import annotations

from typing import Any

import numpy as np

from evolvent import Hopping, JumpProblem, MassAction, VariableRate, load_algorithm
from evolvent.trees import flatten

from ._network import SMALL

FEW, SOME = 10, 100  # channels
MANY_RATES = 10.0  # that a jump changes, in the mean


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, JumpProblem):
        return None
    varying = [jump for jump in problem.jumps if isinstance(jump, VariableRate)]
    if problem.over is not None:
        return _integrated(problem, options, backend, "something moves the state between the jumps")
    if any(jump.upper_bound is None for jump in varying):
        return _integrated(problem, options, backend, "a rate varies, and has no upper_bound")
    if varying:
        return 1.0, load_algorithm("Coevolve")(), "rates vary within bounds: candidates are thinned out"
    if problem.hopping is not None and all(isinstance(jump, MassAction | Hopping) for jump in problem.jumps):
        return 1.0, load_algorithm("NSM")(), f"hops between {problem.hopping.neighbours.n_sites} sites"
    name, reason = _by_size(problem)
    return 1.0, load_algorithm(name)(), reason


def _integrated(problem: Any, options: dict[str, Any], backend: Any, why: str) -> tuple[float, Any, str]:
    method, reason = load_algorithm("HazardIntegration")().resolved(problem, options, backend)
    return 1.0, method, f"{why}: the hazard is integrated along ({reason})"


def _by_size(problem: JumpProblem) -> tuple[str, str]:
    """The method for constant rates.

    ======================= ============= =========================================
    channels                method        reason
    ======================= ============= =========================================
    up to FEW, or SMALL     Direct        summing up all rates is cheapest
    with as few species
    up to SOME              SortingDirect a short search finds what fires often
    more; jumps change few  CCNRM         a cost that does not grow with channels
    more; jumps change many RSSACR        the same, and few of the rates computed
    ======================= ============= =========================================
    """
    n = problem.n_jumps
    if n <= FEW or max(n, _species(problem)) <= SMALL:
        return "Direct", "few channels"
    if n <= SOME:
        return "SortingDirect", f"{n} channels"
    changed = _rates_changed(problem)
    if changed > MANY_RATES:
        return "RSSACR", f"{n} channels, and a reaction changes the rates of {changed:.0f} in the mean"
    return "CCNRM", f"{n} channels, and a reaction changes the rates of few"


def _species(problem: JumpProblem) -> int:
    return sum(int(np.prod(np.shape(leaf))) for leaf in flatten(problem.y0)[0])


def _rates_changed(problem: JumpProblem) -> float:
    """How many reactions' rates one reaction changes, in the mean."""
    reactions = [jump for jump in problem.jumps if isinstance(jump, MassAction)]
    takers: dict[Any, int] = {}
    for jump in reactions:
        for row in jump.reactants:
            for species in row:
                takers[species] = takers.get(species, 0) + 1
    rows = [row for jump in reactions for row in jump.net]
    return sum(takers.get(species, 0) for row in rows for species in row) / max(len(rows), 1)
