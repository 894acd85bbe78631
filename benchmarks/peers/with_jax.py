"""JAX alone: its experimental ``odeint``, and Tsit5 as the plainest loop that ``lax.scan`` allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _jax_values as values
from ._case import Case

METHODS = ("odeint", "scan")
INSTALL = "pip install jax"

# Ch. Tsitouras, https://doi.org/10.1016/j.camwa.2011.06.002: the stages, the last row being the step itself.
STAGES = (
    (0.161,),
    (-0.008480655492356989, 0.335480655492357),
    (2.8971530571054935, -6.359448489975075, 4.3622954328695815),
    (5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525),
    (5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383),
    (
        0.09646076681806523,
        0.01,
        0.4798896504144996,
        1.379008574103742,
        -3.2900695154360807,
        2.324710524099774,
    ),
)
TIMES = (0.161, 0.327, 0.9, 0.9800255409045097, 1.0, 1.0)


def load(method: str) -> None:
    """Import what a solve needs."""
    values.load()
    import jax.experimental.ode  # noqa: F401


def trajectory(case: Case, tolerance: float, method: str) -> Callable[[], Any]:
    """States at the save times, by ``odeint`` (Dormand and Prince's method of order 5)."""
    import jax
    import jax.numpy as jnp
    from jax.experimental.ode import odeint

    rhs = values.rhs_of(case)
    times = jnp.asarray(np.concatenate([case.t_span[:1], case.saves]))

    @jax.jit
    def solve(y0, params):
        return odeint(lambda y, t, p: rhs(t, y, p), y0, times, params, rtol=tolerance, atol=tolerance)[1:]

    return values.finished(solve, *values.arrays_of(case))


def fixed_ensemble(case: Case, step: float, method: str) -> Callable[[], Any]:
    """Final states after equal steps, all trajectories as columns of one state."""
    import jax

    rhs, scalar = values.rhs_of(case), case.y0.dtype.type
    steps = round((case.t_span[1] - case.t_span[0]) / step)
    h = scalar(step)

    @jax.jit
    def solve(y0, params):
        def advance(carry, n):
            y, k = carry
            t = scalar(case.t_span[0]) + n.astype(h.dtype) * h
            slopes = [k]
            for weights, c in zip(STAGES, TIMES, strict=True):
                stage = y + h * sum(scalar(a) * slope for a, slope in zip(weights, slopes, strict=True))
                slopes.append(rhs(t + scalar(c) * h, stage, params))
            return (stage, slopes[-1]), None

        y = jax.numpy.broadcast_to(y0[:, None], (len(y0), len(params[case.varied])))
        (y, _), _ = jax.lax.scan(advance, (y, rhs(scalar(case.t_span[0]), y, params)), jax.numpy.arange(steps))
        return y.T

    return values.finished(solve, *values.arrays_of(case))
