"""Which non-stiff method to take, from what the problem and the tolerances tell."""

from __future__ import annotations

from typing import Any

from evolvent import ODEProblem, SecondOrderODEProblem, load_algorithm


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, ODEProblem | SecondOrderODEProblem):
        return None
    name, reason = preferred(problem, options)
    return 1.0, load_algorithm(name)(), reason


def preferred(problem: Any, options: dict[str, Any]) -> tuple[str, str]:
    """Name the method to take first, and say why."""
    if options.get("adaptive") is False:
        if isinstance(problem, SecondOrderODEProblem):
            return "Nystrom4", "fixed steps, and any acceleration; for long orbits name a symplectic method"
        return "RK4", "fixed steps: the classical fourth-order method"
    rtol = options.get("rtol")
    if rtol is None or hasattr(rtol, "aval") or 1e-7 <= rtol <= 1e-3:
        return "Tsit5", "non-stiff methods are tried first; a fifth-order pair suits moderate tolerances"
    if rtol > 1e-3:
        return "BS3", f"rtol = {rtol:g} is loose: a third-order pair costs least"
    if rtol < 1e-9:
        return "Vern9", f"rtol = {rtol:g} is tight: a ninth-order pair takes far fewer steps"
    return "Vern7", f"rtol = {rtol:g} is tight: a seventh-order pair takes fewer steps"
