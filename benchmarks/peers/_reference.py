"""The truth: SciPy's DOP853 at the tightest tolerance that double precision bears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._case import Case

TIGHT = 3e-14


def integrate(f: Callable[[float, np.ndarray], np.ndarray], y0: np.ndarray, case: Case) -> np.ndarray:
    """Solve ``y' = f(t, y)`` for `y0` of any shape, and return the states at the case's save times."""
    from scipy.integrate import solve_ivp

    solution = solve_ivp(
        lambda t, y: np.ravel(f(t, y.reshape(y0.shape))),
        case.t_span,
        y0.ravel(),
        "DOP853",
        case.saves,
        rtol=TIGHT,
        atol=TIGHT,
    )
    assert solution.success, solution.message
    return solution.y.T.reshape(-1, *y0.shape)


def trajectory(case: Case) -> np.ndarray:
    """States at the save times, time leading."""
    return integrate(lambda t, y: np.asarray(case.rhs(t, y, case.params)), case.y0, case)


def trajectory_until(t1: float) -> Callable[[Case], np.ndarray]:
    """As `trajectory`, but not a number after `t1`: for chaos, which no solver follows for long."""

    def reference(case: Case) -> np.ndarray:
        from dataclasses import replace

        early = case.saves[case.saves <= t1]
        states = trajectory(replace(case, saves=early, t_span=(case.t_span[0], t1)))
        missing = np.full((len(case.saves) - len(early), *case.y0.shape), np.nan)
        return np.concatenate([states, missing])

    return reference


def ensemble(case: Case) -> np.ndarray:
    """Final states of all trajectories, solved together as one large system: the trajectories lead."""
    count = len(case.params[case.varied])
    y0 = np.repeat(case.y0.astype(float)[:, None], count, axis=1)
    states = integrate(lambda t, y: np.stack(case.rhs(t, y, case.params)), y0, case)
    return states[-1].T
