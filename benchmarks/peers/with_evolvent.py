"""evolvent on each backend: NumPy and torch arrays eagerly, JAX arrays under ``jax.jit``.

By Tsit5, which the C program and diffrax run too; for diffusion also by the method made for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from . import _torch_values
from ._case import Case

METHODS = ("eager", "eager-rock4", "torch", "jax")
ALGORITHMS = {"eager-rock4": "ROCK4"}
INSTALL = "pip install evolvent evolvent-torch evolvent-jax"
MAX_STEPS = 200_000


def load(method: str) -> None:
    """Import what a solve on the method's arrays needs."""
    import evolvent  # noqa: F401
    import evolvent_ode  # noqa: F401
    import evolvent_stepping  # noqa: F401

    if method == "torch":
        import torch  # noqa: F401

        import evolvent_torch  # noqa: F401
    if method == "jax":
        import evolvent_jax  # noqa: F401

        from . import _jax_values

        _jax_values.load()


def problem_of(case: Case, y0: Any, params: dict[str, Any]) -> Any:
    """The case as evolvent states it."""
    import evolvent as ev

    return ev.ODEProblem(case.rhs, y0=y0, t_span=case.t_span, params=params)


def saveat(case: Case) -> Any:
    """The times to save, in evolvent's words."""
    return "end" if case.final_only else case.saves


def adaptive(case: Case, tolerance: float) -> dict[str, Any]:
    """Options of an adaptive solve."""
    return {"rtol": tolerance, "atol": tolerance, "saveat": saveat(case), "max_steps": MAX_STEPS}


def fixed(case: Case, step: float) -> dict[str, Any]:
    """Options of a solve with equal steps."""
    return {"dt": step, "adaptive": False, "saveat": saveat(case), "max_steps": MAX_STEPS}


def jax_solver(case: Case, options: dict[str, Any]) -> Callable[[Any, Any], Any]:
    """States as a traceable function of initial state and parameters."""
    import evolvent as ev

    return lambda y0, params: ev.solve(problem_of(case, y0, params), "Tsit5", **options).y


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """States at the save times."""
    import evolvent as ev

    options = adaptive(case, tolerance)
    if method == "jax":
        import jax

        from . import _jax_values as values

        return values.finished(jax.jit(jax_solver(case, options)), *values.arrays_of(case))
    if method == "torch":
        import torch

        problem = problem_of(case, *_torch_values.arrays_of(case))
        return torch.no_grad()(lambda: ev.solve(problem, "Tsit5", **options).y)
    problem, algorithm = problem_of(case, case.y0, case.params), ALGORITHMS.get(method, "Tsit5")
    return lambda: ev.solve(problem, algorithm, backend="eager", **options).y


def gradient(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Derivative of the mean square of the states with respect to all weights, through the steps."""
    options = adaptive(case, tolerance)
    if method == "jax":
        import jax

        from . import _jax_values as values

        # Reverse mode checkpoints the loop by the number of steps that it may take.
        solve = jax_solver(case, options | {"max_steps": 4_096})
        return values.finished(jax.jit(values.gradient_of(solve, case)), *values.arrays_of(case))

    import torch

    import evolvent as ev

    y0, params = _torch_values.arrays_of(case, requires_grad=True)
    problem, weights = problem_of(case, y0, params), list(params.values())

    def solve_and_differentiate():
        states = ev.solve(problem, "Tsit5", **options).y
        parts = torch.autograd.grad(torch.mean(states**2), weights)
        return torch.cat([part.ravel() for part in parts])

    return solve_and_differentiate


def every_trajectory(case: Case, options: dict[str, Any], method: str) -> Callable[[], Any]:
    """Final states of all trajectories: mapped by JAX, or one batch of rows on the eager backend."""
    if method == "jax":
        import jax

        from . import _jax_values as values

        solve = jax_solver(case, options)
        every = values.over_ensemble(lambda y0, params: solve(y0, params)[-1], case)
        return values.finished(jax.jit(every), *values.arrays_of(case))

    import evolvent as ev

    shape = case.params[case.varied].shape
    rows = {name: np.full(shape, value, case.y0.dtype) for name, value in case.params.items()}
    y0, params = _torch_values.arrays_of(replace(case, params=rows)) if method == "torch" else (case.y0, rows)
    one = problem_of(case, y0, {name: value[0] for name, value in params.items()})
    many = ev.EnsembleProblem(one, params=params)
    backend = None if method == "torch" else "eager"
    return lambda: ev.solve(many, "Tsit5", backend=backend, **options).y[:, -1, ...]


def ensemble(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Final states, each trajectory with its own steps."""
    return every_trajectory(case, adaptive(case, tolerance), method)


def fixed_ensemble(case: Case, step: float, method: str) -> Callable[[], Any]:
    """Final states after equal steps."""
    return every_trajectory(case, fixed(case, step), method)
