"""The truth: SciPy's methods at the tightest tolerances that double precision bears, or published digits."""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ._case import Case

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "evolvent-benchmarks"
TIGHT = 3e-14
TIGHT_AND_STIFF = 1e-11


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


def published(final_state: Sequence[float]) -> Callable[[Case], np.ndarray]:
    """A final state that is known in advance."""
    return lambda case: np.array(final_state)[None]


def stiff_with_jump(jump: float) -> Callable[[Case], np.ndarray]:
    """The final state by Radau with the case's sparsity, started afresh at a time where the right side jumps.

    It takes minutes, and is kept beside the C programs for the next time.
    """

    def reference(case: Case) -> np.ndarray:
        words = f"{inspect.getsource(case.rhs)}\0{case.t_span}\0{jump}\0{TIGHT_AND_STIFF}".encode()
        key = hashlib.sha256(words + case.y0.tobytes() + case.flat_params.tobytes()).hexdigest()[:16]
        file = CACHE / f"{case.name}-{key}.npy"
        if not file.exists():
            start, end = case.t_span
            state = case.y0
            for part in (start, np.nextafter(jump, start)), (jump, end):
                state = by_radau(case, state, part)
            file.parent.mkdir(parents=True, exist_ok=True)
            np.save(file, state)
        return np.load(file)[None]

    return reference


def by_radau(case: Case, y0: np.ndarray, span: tuple[float, float]) -> np.ndarray:
    """The state at the end of `span`."""
    from scipy.integrate import solve_ivp

    solution = solve_ivp(
        lambda t, y: np.ravel(case.rhs(t, y.reshape(y0.shape), case.params)),
        span,
        y0.ravel(),
        "Radau",
        span[1:],
        rtol=TIGHT_AND_STIFF,
        atol=TIGHT_AND_STIFF,
        jac_sparsity=case.sparsity(),
    )
    assert solution.success, solution.message
    return solution.y[:, -1].reshape(y0.shape)
