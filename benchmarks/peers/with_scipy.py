"""SciPy: ``solve_ivp`` with its explicit, implicit and switching methods, and the older ``odeint``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ._case import Case

METHODS = ("rk45", "dop853", "lsoda", "radau", "bdf", "odeint")
NAMES = {"radau": "Radau"}
TAKES_SPARSITY = ("radau", "bdf")
INSTALL = "pip install scipy"


def load(method: str) -> None:
    """Import what a solve needs."""
    import scipy.integrate  # noqa: F401


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """States at the save times."""
    from scipy.integrate import odeint, solve_ivp

    rhs, params, shape = case.rhs, case.params, case.y0.shape

    def f(t, y):
        return rhs(t, y, params)

    def flat(t, y):
        return rhs(t, y.reshape(shape), params).ravel()

    f = f if case.y0.ndim == 1 else flat
    y0, times = case.y0.ravel(), np.concatenate([case.t_span[:1], case.saves])

    options = {"rtol": tolerance, "atol": case.atol(tolerance)}
    if case.sparsity and method in TAKES_SPARSITY:
        options["jac_sparsity"] = case.sparsity()

    def by_odeint():
        return odeint(f, y0, times, **options, tfirst=True, mxstep=100_000)[1:]

    def by_solve_ivp():
        solution = solve_ivp(f, case.t_span, y0, NAMES.get(method, method.upper()), case.saves, **options)
        if not solution.success:
            raise RuntimeError(solution.message)
        return solution.y.T.reshape(-1, *shape)

    return by_odeint if method == "odeint" else by_solve_ivp
