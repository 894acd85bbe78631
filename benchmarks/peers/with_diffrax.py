"""diffrax: Tsit5 and Kvaerno5 under ``jax.jit``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _jax_values as values
from ._case import Case

METHODS = ("tsit5", "kvaerno5")
ALGORITHMS = {"tsit5": "Tsit5", "kvaerno5": "Kvaerno5"}
INSTALL = "pip install diffrax"
MAX_STEPS = 200_000


def load(method: str) -> None:
    """Import what a solve needs."""
    values.load()
    import diffrax  # noqa: F401


def solver(case: Case, tolerance: float, method: str) -> Callable[[Any, Any], Any]:
    """An adaptive solve as a function of initial state and parameters."""
    import diffrax

    term = diffrax.ODETerm(values.rhs_of(case))
    control = diffrax.PIDController(rtol=tolerance, atol=case.atol(tolerance))
    saveat = diffrax.SaveAt(t1=True) if case.final_only else diffrax.SaveAt(ts=case.saves)

    def solve(y0, params):
        return diffrax.diffeqsolve(
            term,
            getattr(diffrax, ALGORITHMS[method])(),
            *case.t_span,
            dt0=None,
            y0=y0,
            args=params,
            saveat=saveat,
            stepsize_controller=control,
            # The default of 4,096 is too few for t 0..100; a gradient checkpoints its loop by this number.
            max_steps=MAX_STEPS if case.task == "trajectory" else 4_096,
        ).ys

    return solve


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """States at the save times."""
    import jax

    return values.finished(jax.jit(solver(case, tolerance, method)), *values.arrays_of(case))


def gradient(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Derivative through the checkpointed loop, diffrax's default."""
    import jax

    return values.finished(jax.jit(values.gradient_of(solver(case, tolerance, method), case)), *values.arrays_of(case))


def ensemble(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Final states of all trajectories, each with its own steps."""
    import jax

    solve = solver(case, tolerance, method)
    every = values.over_ensemble(lambda y0, params: solve(y0, params)[-1], case)
    return values.finished(jax.jit(every), *values.arrays_of(case))


def fixed_ensemble(case: Case, step: float, method: str) -> Callable[[], Any]:
    """Final states after equal steps."""
    import diffrax
    import jax

    term, scalar = diffrax.ODETerm(values.rhs_of(case)), case.y0.dtype.type
    t0, t1 = map(scalar, case.t_span)
    steps = round((case.t_span[1] - case.t_span[0]) / step)

    def solve(y0, params):
        # Rounding may leave a sliver of an interval for one step more.
        return diffrax.diffeqsolve(term, diffrax.Tsit5(), t0, t1, scalar(step), y0, params, max_steps=steps + 1).ys[-1]

    return values.finished(jax.jit(values.over_ensemble(solve, case)), *values.arrays_of(case))
