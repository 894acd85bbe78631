"""numbalsoda: ODEPACK's LSODA and Hairer's DOP853, called with a right side that numba compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._case import Case

METHODS = ("lsoda", "dop853")
INSTALL = "pip install numbalsoda, which builds with cmake and gfortran"
MAX_STEPS = 10_000_000


def load(method: str) -> None:
    """Import what a solve needs."""
    import numbalsoda  # noqa: F401


def right_side(case: Case) -> Any:
    """The case's right side as machine code; whoever calls its address keeps it alive."""
    import numba
    import numbalsoda

    from . import _right_sides

    return numba.cfunc(numbalsoda.lsoda_sig)(_right_sides.of(case.c_problem))


def times_of(case: Case) -> np.ndarray:
    """The start, which numbalsoda takes for the first of the times, and the save times."""
    return np.concatenate([case.t_span[:1], case.saves])


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """States at the save times."""
    import numbalsoda

    solver, rhs, times = getattr(numbalsoda, method), right_side(case), times_of(case)
    p, atol = case.flat_params, case.atol(tolerance)

    def run():
        states, success = solver(rhs.address, case.y0, times, p, tolerance, atol, MAX_STEPS)
        if not success:
            raise RuntimeError(f"{method} gave up")
        return states[1:]

    return run


def ensemble(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """Final states of all trajectories, on all threads."""
    import numba
    import numbalsoda

    from .with_c import parameter_rows

    solver, rhs, rows = getattr(numbalsoda, method), right_side(case), parameter_rows(case)
    y0, times = case.y0, np.array(case.t_span)

    @numba.njit(parallel=True)
    def solve(address, rows, y0, times):
        final = np.empty((len(rows), len(y0)))
        successes = 0
        for j in numba.prange(len(rows)):
            states, success = solver(address, y0, times, rows[j], tolerance, tolerance, MAX_STEPS)
            final[j] = states[-1]
            successes += success
        return final, successes

    def run():
        final, successes = solve(rhs.address, rows, y0, times)
        if successes < len(rows):
            raise RuntimeError(f"{method} gave up on {len(rows) - successes} trajectories")
        return final

    return run
