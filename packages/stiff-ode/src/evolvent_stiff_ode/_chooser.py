"""Which method to take, from what the problem, its arrays and the tolerances tell."""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from evolvent import DAEProblem, ODEProblem, SecondOrderODEProblem, SplitODEProblem, load_algorithm
from evolvent.trees import flatten

from ._probe import Spectrum, spectrum_of

SMALL = 50  # equations up to which one factorisation a step costs less than keeping the last one
MEDIUM = 90  # equations up to which to keep it is worth a stable method, where multistep formulas may be unstable
LARGE = 200  # equations from which it is worth to look at the spectrum first
STAGES = 250  # of a stabilised method, beyond which factorisations are cheaper
STEPS = 100  # that a solve is taken to need
FEW = 10  # equations for which methods of many stages are soon compiled
TIGHT = 1e-7  # relative tolerances below which their high order pays
ROUNDING = 1e-17  # of the largest entry: absolute tolerances below it ask for more than one linear solve gives
FORCED = 20.0  # what the span is in units of the fastest time, where an explicit method has no trouble


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where non-stiff methods do."""
    if isinstance(problem, DAEProblem):
        return 2.0, _method("DFBDF"), "a residual: backward differentiation formulas of variable order"
    if not isinstance(problem, ODEProblem | SecondOrderODEProblem | SplitODEProblem):
        return None
    asked = _asked(problem, options)
    found = _proposal(problem, options, backend, asked)
    return None if found is None else (2.0, *found)


class Asked(NamedTuple):
    """What decides between implicit methods: the relative tolerance, the size, whether less than rounding is asked."""

    rtol: float
    n: int
    fine: bool


def _asked(problem: Any, options: dict[str, Any]) -> Asked:
    leaves = flatten(problem.state0, lists=False)[0]
    n = sum(int(np.prod(np.shape(leaf), dtype=np.int64)) for leaf in leaves)
    return Asked(_known(options.get("rtol")), n, n <= FEW and _below_rounding(options.get("atol"), leaves))


def _below_rounding(atol: Any, leaves: Any) -> bool:
    """Whether an absolute tolerance is below what the largest entries' rounding leaves of the smallest ones."""
    if atol is None or any(hasattr(x, "aval") for x in (atol, *leaves)):
        return False
    try:
        least = min(float(np.min(np.asarray(x))) for x in flatten(atol, lists=False)[0])
        return least < ROUNDING * max(float(np.max(np.abs(np.asarray(x)))) for x in leaves)
    except (TypeError, ValueError, RuntimeError):
        # On another device, or no numbers: then it is not known.
        return False


def _proposal(problem: Any, options: dict[str, Any], backend: Any, asked: Asked) -> tuple[Any, str] | None:
    rtol, n = asked.rtol, asked.n
    if getattr(problem, "mass", None) is not None:
        return _implicit(asked), f"a mass matrix: {_why(asked)}"
    if isinstance(problem, SplitODEProblem) and problem.stiff is not False:
        name = "KenCarp4" if rtol >= 1e-7 else "KenCarp58"
        return _method(name), "a split problem: an implicit-explicit pair solves for the first part alone"
    if problem.stiff is False:
        return None
    if options.get("adaptive") is False:
        return (_implicit(asked), f"said to be stiff, {_why(asked)}") if problem.stiff else None
    if n >= LARGE and not backend.traced:
        return _by_spectrum(problem, backend, asked)
    if problem.stiff:
        return _implicit(asked), f"said to be stiff, {_why(asked)}"
    return _switching(asked), f"explicit steps until they prove stiff, then {_why(asked)}"


def _by_spectrum(problem: Any, backend: Any, asked: Asked) -> tuple[Any, str] | None:
    """For many equations: what the Jacobian's largest eigenvalue at the start says."""
    rtol, n = asked.rtol, asked.n
    found: Spectrum | None = spectrum_of(problem, backend)
    if found is None:
        return (_implicit(asked), f"said to be stiff, {_why(asked)}") if problem.stiff else None
    span = abs(float(problem.t_span[1]) - float(problem.t_span[0]))
    rate = f"the fastest rate is about {found.radius:.2g}"
    stages = sqrt(found.radius * span / STEPS / 0.65)
    if not problem.stiff and found.radius * span <= FORCED * STEPS:
        return _switching(asked), f"{n} equations, and {rate}: hardly stiff at the start"
    if found.diffusive and stages <= STAGES:
        name = "ROCK2" if rtol >= 1e-4 else "ROCK4"
        return _method(name), f"{n} equations, {rate}, real and negative as in diffusion: stages instead of matrices"
    if problem.stiff or found.diffusive:
        return _implicit(asked), f"{n} equations, and {rate}: {_why(asked)}"
    steps = f"explicit steps until they prove stiff, then {_why(asked)}"
    return _switching(asked), f"{n} equations, and {rate}: {steps}"


def _switching(asked: Asked) -> Any:
    from .auto_switch import AutoSwitch

    nonstiff = "Tsit5" if asked.rtol >= 1e-7 else ("Vern7" if asked.rtol >= 1e-9 else "Vern9")
    return AutoSwitch(_method(nonstiff), _implicit(asked))


def _implicit(asked: Asked) -> Any:
    if asked.n > SMALL:
        return _method("RadauIIA5" if asked.n <= MEDIUM else "QNDF")
    if asked.rtol > 1e-2:
        return _method("Rosenbrock23")
    return _method("RadauIIA9" if _iterates(asked) else "Rodas5P")


def _iterates(asked: Asked) -> bool:
    return asked.n <= FEW and (asked.rtol < TIGHT or asked.fine)


def _why(asked: Asked) -> str:
    equations = f"{asked.n} equation{'s' if asked.n > 1 else ''}"
    if asked.n > SMALL:
        kind = "a Radau" if asked.n <= MEDIUM else "a multistep"
        return f"for {equations}, {kind} method that keeps its factorisation"
    if asked.rtol > 1e-2:
        return f"a second-order Rosenbrock method for rtol = {asked.rtol:g}"
    if not _iterates(asked):
        return f"a fifth-order Rosenbrock method for {equations}"
    if asked.fine:
        return "iterations, since atol is below the rounding errors of one linear solve"
    return f"a ninth-order Radau method for {equations} and rtol = {asked.rtol:g}"


def _method(name: str) -> Any:
    return load_algorithm(name)()


def _known(rtol: Any) -> float:
    """The tolerance as a number; the default where it is not given or traced."""
    return 1e-6 if rtol is None or hasattr(rtol, "aval") else float(rtol)
