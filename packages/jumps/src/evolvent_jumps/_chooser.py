"""Which method to take for a jump problem."""

from __future__ import annotations

from typing import Any

from evolvent import Hopping, JumpProblem, MassAction, load_algorithm

MANY_SITES = 4096  # from there on groups of sites cost less than a queue


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, JumpProblem):
        return None
    if problem.hopping is not None and all(isinstance(jump, MassAction | Hopping) for jump in problem.jumps):
        return _for_sites(problem.hopping.neighbours.n_sites)
    return 1.0, load_algorithm("Direct")(), "few channels"


def _for_sites(sites: int) -> tuple[float, Any, str]:
    if sites < MANY_SITES:
        return 1.0, load_algorithm("NSM")(), f"hops between {sites} sites"
    return 1.0, load_algorithm("DirectCRDirect")(), f"hops between as many as {sites} sites"
