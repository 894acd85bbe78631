"""evolvent on each backend: natively, NumPy and torch arrays eagerly, JAX arrays under ``jax.jit``.

By Tsit5, which the C program and diffrax run too, unless the method's name ends with another one; ``auto`` leaves the
choice to evolvent. A handle is what `evolvent.compile` returns; the others are plain calls of `evolvent.solve`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from . import _torch_values
from ._case import Case

# Those that the installed packages do not have are left out of the table, with a note.
IMPLICIT = (
    "Rosenbrock23",
    "Rodas4",
    "Rodas42",
    "Rodas4P",
    "Rodas5",
    "Rodas5P",
    "TRBDF2",
    "KenCarp4",
    "KenCarp47",
    "KenCarp58",
    "Kvaerno4",
    "Kvaerno5",
    "RadauIIA5",
    "RadauIIA9",
    "QNDF",
    "FBDF",
)
STABILISED = ("RKC", "ROCK2", "ROCK4")
STIFF = {name.lower(): name for name in (*IMPLICIT, *STABILISED)}
METHODS = (
    "native",
    "native-handle",
    "native-handle-dop853",
    "native-handle-vern7",
    "native-handle-vern8",
    "native-handle-vern9",
    *(f"native-handle-{name}" for name in STIFF),
    "native-handle-auto",
    "native-rock4",
    "native-rodas5p",
    "native-auto",
    "eager",
    "eager-rock4",
    "torch",
    "jax",
    "jax-rodas4",
    "jax-rodas5p",
    "jax-kvaerno5",
    "jax-rock2",
)
ALGORITHMS = {"dop853": "DOP853", "vern7": "Vern7", "vern8": "Vern8", "vern9": "Vern9", "auto": None, **STIFF}
INSTALL = "pip install evolvent evolvent-native evolvent-torch evolvent-jax"
MAX_STEPS = 200_000


def load(method: str) -> None:
    """Import what a solve on the method's arrays needs."""
    import evolvent as ev

    if algorithm_of(method) not in (None, *ev.algorithms()):
        raise ImportError("no installed package has the algorithm")
    packages = ["evolvent", "evolvent_stepping", "evolvent_ode"]
    if find_spec("evolvent_stiff_ode"):
        packages.append("evolvent_stiff_ode")
    if backend_of(method) == "native":
        import llvmlite.binding  # noqa: F401

        packages.append("evolvent_native")
    for package in packages:
        import_all(package)
    if backend_of(method) == "torch":
        import torch  # noqa: F401

        import evolvent_torch  # noqa: F401
    if backend_of(method) == "jax":
        import evolvent_jax  # noqa: F401

        from . import _jax_values

        _jax_values.load()


def import_all(package: str) -> None:
    """Import every module of a package: most are loaded when first needed, which a solve should not wait for."""
    for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if not module.name.endswith("__main__"):
            import_module(module.name)


def backend_of(method: str) -> str:
    """The backend that a method of NumPy arrays or tensors asks for."""
    return method.partition("-")[0]


def algorithm_of(method: str) -> str | None:
    """The algorithm that a method's name ends with, or Tsit5; None for evolvent's own choice."""
    return ALGORITHMS.get(method.rpartition("-")[2], "Tsit5")


def problem_of(case: Case, y0: Any, params: dict[str, Any]) -> Any:
    """The case as evolvent states it."""
    import evolvent as ev

    return ev.ODEProblem(case.rhs, y0=y0, t_span=case.t_span, params=params)


def saveat(case: Case) -> Any:
    """The times to save, in evolvent's words."""
    return "end" if case.final_only else case.saves


def adaptive(case: Case, tolerance: float) -> dict[str, Any]:
    """Options of an adaptive solve."""
    return {"rtol": tolerance, "atol": case.atol(tolerance), "saveat": saveat(case), "max_steps": MAX_STEPS}


def fixed(case: Case, step: float) -> dict[str, Any]:
    """Options of a solve with equal steps."""
    return {"dt": step, "adaptive": False, "saveat": saveat(case), "max_steps": MAX_STEPS}


def jax_solver(case: Case, options: dict[str, Any], method: str) -> Callable[[Any, Any], Any]:
    """States as a traceable function of initial state and parameters."""
    import evolvent as ev

    algorithm = algorithm_of(method)
    return lambda y0, params: ev.solve(problem_of(case, y0, params), algorithm, **options).y


def run_of(problem: Any, method: str, options: dict[str, Any]) -> Callable[[], Any]:
    """A call that solves a problem of NumPy arrays: by a handle, or from the beginning each time."""
    import evolvent as ev

    options = {"backend": backend_of(method), **options}
    algorithm = algorithm_of(method)
    return (
        ev.compile(problem, algorithm, **options)
        if "handle" in method
        else lambda: ev.solve(problem, algorithm, **options)
    )


def states_of(case: Case, options: dict[str, Any], method: str) -> Callable[[], Any]:
    """States at the save times, by steps that the options describe."""
    if backend_of(method) == "jax":
        import jax

        from . import _jax_values as values

        return values.finished(jax.jit(jax_solver(case, options, method)), *values.arrays_of(case))
    if method == "torch":
        import torch

        run = run_of(problem_of(case, *_torch_values.arrays_of(case)), method, options)
        return torch.no_grad()(lambda: run().y)
    run = run_of(problem_of(case, case.y0, case.params), method, options)
    return lambda: run().y


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """States at the save times, with the steps that the tolerance asks for."""
    return states_of(case, adaptive(case, tolerance), method)


def fixed_trajectory(case: Case, step: float, method: str) -> Callable[[], Any]:
    """States at the save times after equal steps."""
    return states_of(case, fixed(case, step), method)


def gradient(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Derivative of the mean square of the states with respect to all weights, through the steps."""
    options = adaptive(case, tolerance)
    if backend_of(method) == "jax":
        import jax

        from . import _jax_values as values

        # Reverse mode checkpoints the loop by the number of steps that it may take.
        solve = jax_solver(case, options | {"max_steps": 4_096}, method)
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
    """Final states of all trajectories: mapped by JAX, or in the ensemble of the backend."""
    if backend_of(method) == "jax":
        import jax

        from . import _jax_values as values

        solve = jax_solver(case, options, method)
        every = values.over_ensemble(lambda y0, params: solve(y0, params)[-1], case)
        return values.finished(jax.jit(every), *values.arrays_of(case))

    import evolvent as ev

    shape = case.params[case.varied].shape
    rows = {name: np.full(shape, value, case.y0.dtype) for name, value in case.params.items()}
    y0, params = _torch_values.arrays_of(replace(case, params=rows)) if method == "torch" else (case.y0, rows)
    one = problem_of(case, y0, {name: value[0] for name, value in params.items()})
    run = run_of(ev.EnsembleProblem(one, params=params), method, options)
    return lambda: run().y[:, -1, ...]


def ensemble(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """Final states, each trajectory with its own steps."""
    return every_trajectory(case, adaptive(case, tolerance), method)


def fixed_ensemble(case: Case, step: float, method: str) -> Callable[[], Any]:
    """Final states after equal steps."""
    return every_trajectory(case, fixed(case, step), method)
