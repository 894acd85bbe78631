"""Which method to take for a jump problem."""

from __future__ import annotations

from typing import Any

from evolvent import Hopping, JumpProblem, MassAction, VariableRate, load_algorithm


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
    return _constant(problem)


def _constant(problem: Any) -> tuple[float, Any, str]:
    """The method for rates that stay as they are between the jumps."""
    return 1.0, load_algorithm("Direct")(), "few channels"


def _integrated(problem: Any, options: dict[str, Any], backend: Any, why: str) -> tuple[float, Any, str]:
    method, reason = load_algorithm("HazardIntegration")().resolved(problem, options, backend)
    return 1.0, method, f"{why}: the hazard is integrated along ({reason})"
