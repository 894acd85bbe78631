"""scikit-sundae: SUNDIALS' CVODE by its BDF, called with a right side that numba compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ._case import Case

METHODS = ("cvode", "cvode-sparse", "cvode-gmres")
INSTALL = "pip install numba scikit-sundae, whose wheel brings SUNDIALS and SuperLU_MT"
MAX_STEPS = 10_000_000
# As many directions as its Newton iteration makes use of on the Brusselator; the default of five takes twice as long.
KRYLOV_DIMENSION = 20


def load(method: str) -> None:
    """Import what a solve needs."""
    import numba  # noqa: F401
    import sksundae.cvode  # noqa: F401


def linear_solver(case: Case, method: str) -> dict[str, Any]:
    """Options that say how Newton's equations are solved."""
    if method == "cvode-sparse":
        assert case.sparsity is not None
        return {"linsolver": "sparse", "sparsity": case.sparsity(), "nthreads": 1}
    if method == "cvode-gmres":
        return {"linsolver": "gmres", "krylov_dim": KRYLOV_DIMENSION}
    return {"linsolver": "dense"}


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], np.ndarray]:
    """States at the save times."""
    import numba
    from sksundae.cvode import CVODE

    from . import _right_sides

    fill, shape = numba.njit(_right_sides.of(case.c_problem)), case.y0.shape
    times, y0, p = np.concatenate([case.t_span[:1], case.saves]), case.y0.ravel(), case.flat_params

    @numba.njit
    def rhs(t, y, dy):
        fill(t, y, dy, p)

    tolerances = {"rtol": tolerance, "atol": case.atol(tolerance)}
    solver = CVODE(rhs, method="BDF", max_num_steps=MAX_STEPS, **tolerances, **linear_solver(case, method))

    def run():
        solution = solver.solve(times, y0)
        if not solution.success:
            raise RuntimeError(solution.message)
        # Between two times alone it returns each of its steps.
        states = solution.y[-1:] if len(times) == 2 else solution.y[1:]
        return states.reshape(-1, *shape)

    return run
