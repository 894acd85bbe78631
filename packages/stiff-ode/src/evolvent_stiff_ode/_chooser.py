"""Which method to take, from what the problem, its arrays and the tolerances tell."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from evolvent import DAEProblem, ODEProblem, SecondOrderODEProblem, SplitODEProblem, load_algorithm
from evolvent.trees import flatten

from ._probe import Spectrum, spectrum_of

SMALL = 60  # equations up to which one factorisation a step costs less than keeping the last one
LARGE = 200  # equations from which it is worth to look at the spectrum first
STAGES = 250  # of a stabilised method, beyond which factorisations are cheaper
STEPS = 100  # that a solve is taken to need
FORCED = 20.0  # what the span is in units of the fastest time, where an explicit method has no trouble


def choose(problem: Any, options: dict[str, Any], backend: Any) -> tuple[float, Any, str] | None:
    """Propose a method as (score, algorithm, reason); None where non-stiff methods do."""
    if isinstance(problem, DAEProblem):
        return 2.0, _method("DFBDF"), "a residual: backward differentiation formulas of variable order"
    if not isinstance(problem, ODEProblem | SecondOrderODEProblem | SplitODEProblem):
        return None
    rtol = _known(options.get("rtol"))
    n = _size(problem)
    found = _proposal(problem, options, backend, rtol, n)
    return None if found is None else (2.0, *found)


def _proposal(problem: Any, options: dict[str, Any], backend: Any, rtol: float, n: int) -> tuple[Any, str] | None:
    if getattr(problem, "mass", None) is not None:
        return _implicit(rtol, n), f"a mass matrix: {_why(rtol, n)}"
    if isinstance(problem, SplitODEProblem) and problem.stiff is not False:
        name = "KenCarp4" if rtol >= 1e-7 else "KenCarp58"
        return _method(name), "a split problem: an implicit-explicit pair solves for the first part alone"
    if problem.stiff is False:
        return None
    if options.get("adaptive") is False:
        return (_implicit(rtol, n), f"said to be stiff, {_why(rtol, n)}") if problem.stiff else None
    if n >= LARGE and not backend.traced:
        return _by_spectrum(problem, backend, rtol, n)
    if problem.stiff:
        return _implicit(rtol, n), f"said to be stiff, {_why(rtol, n)}"
    return _switching(rtol, n), f"explicit steps until they prove stiff, then {_why(rtol, n)}"


def _by_spectrum(problem: Any, backend: Any, rtol: float, n: int) -> tuple[Any, str] | None:
    """For many equations: what the Jacobian's largest eigenvalue at the start says."""
    found: Spectrum | None = spectrum_of(problem, backend)
    if found is None:
        return (_implicit(rtol, n), f"said to be stiff, {_why(rtol, n)}") if problem.stiff else None
    span = abs(float(problem.t_span[1]) - float(problem.t_span[0]))
    rate = f"the fastest rate is about {found.radius:.2g}"
    stages = sqrt(found.radius * span / STEPS / 0.65)
    if not problem.stiff and found.radius * span <= FORCED * STEPS:
        return _switching(rtol, n), f"{n} equations, and {rate}: hardly stiff at the start"
    if found.diffusive and stages <= STAGES:
        name = "ROCK2" if rtol >= 1e-4 else "ROCK4"
        return _method(name), f"{n} equations, {rate}, real and negative as in diffusion: stages instead of matrices"
    if problem.stiff or found.diffusive:
        return _implicit(rtol, n), f"{n} equations, and {rate}: {_why(rtol, n)}"
    return _switching(
        rtol, n
    ), f"{n} equations, and {rate}: explicit steps until they prove stiff, then {_why(rtol, n)}"


def _switching(rtol: float, n: int) -> Any:
    from .auto_switch import AutoSwitch

    nonstiff = "Tsit5" if rtol >= 1e-7 else ("Vern7" if rtol >= 1e-9 else "Vern9")
    return AutoSwitch(_method(nonstiff), _implicit(rtol, n))


def _implicit(rtol: float, n: int) -> Any:
    if n > SMALL:
        return _method("QNDF")
    return _method("Rosenbrock23" if rtol > 1e-2 else "Rodas5P")


def _why(rtol: float, n: int) -> str:
    if n > SMALL:
        return f"for {n} equations, a multistep method that keeps its factorisation"
    if rtol > 1e-2:
        return f"a second-order Rosenbrock method for rtol = {rtol:g}"
    return f"a fifth-order Rosenbrock method for {n} equation{'s' if n > 1 else ''}"


def _method(name: str) -> Any:
    return load_algorithm(name)()


def _size(problem: Any) -> int:
    leaves = flatten(problem.state0, lists=False)[0]
    return sum(int(np.prod(np.shape(leaf), dtype=np.int64)) for leaf in leaves)


def _known(rtol: Any) -> float:
    """The tolerance as a number; the default where it is not given or traced."""
    return 1e-6 if rtol is None or hasattr(rtol, "aval") else float(rtol)
