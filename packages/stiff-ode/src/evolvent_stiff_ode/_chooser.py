"""Which method to take, from what the problem and the tolerances tell."""

from __future__ import annotations

from typing import Any


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin has nothing to say."""
    return None
