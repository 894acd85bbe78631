"""Which method to take for a jump problem."""

from __future__ import annotations

from typing import Any

from evolvent import JumpProblem, load_algorithm


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, JumpProblem):
        return None
    return 1.0, load_algorithm("Direct")(), "few channels"
