"""Which method to take for a jump problem."""

from __future__ import annotations

from typing import Any

from evolvent import Hopping, JumpProblem, MassAction, load_algorithm


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, JumpProblem):
        return None
    if problem.hopping is not None and all(isinstance(jump, MassAction | Hopping) for jump in problem.jumps):
        # DirectCRDirect has more to write at each event, and was not measured faster for any number of sites.
        return 1.0, load_algorithm("NSM")(), f"hops between {problem.hopping.neighbours.n_sites} sites"
    return 1.0, load_algorithm("Direct")(), "few channels"
