"""Which non-stiff method to take, from what the problem and the tolerances tell."""

from __future__ import annotations

from typing import Any

from evolvent import ODEProblem, SecondOrderODEProblem, load_algorithm


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where this plugin solves no such problem."""
    if not isinstance(problem, ODEProblem | SecondOrderODEProblem):
        return None
    rtol = options.get("rtol")
    fixed = options.get("adaptive") is False
    if isinstance(problem, SecondOrderODEProblem) and fixed:
        return (
            1.0,
            load_algorithm("VelocityVerlet")(),
            "second-order form and fixed steps: a symplectic method keeps energies bounded",
        )
    if fixed:
        return 1.0, load_algorithm("RK4")(), "fixed steps: the classical fourth-order method"
    if rtol is not None and not hasattr(rtol, "aval"):
        if rtol < 1e-9:
            return (
                1.0,
                load_algorithm("Vern9")(),
                f"rtol = {rtol:g} is tight: a ninth-order pair takes far fewer steps",
            )
        if rtol < 1e-7:
            return (
                1.0,
                load_algorithm("Vern7")(),
                f"rtol = {rtol:g} is tight: a seventh-order pair takes fewer steps",
            )
        if rtol > 1e-3:
            return 1.0, load_algorithm("BS3")(), f"rtol = {rtol:g} is loose: a third-order pair costs least"
    return (
        1.0,
        load_algorithm("Tsit5")(),
        "non-stiff methods are tried first; a fifth-order pair suits moderate tolerances",
    )
