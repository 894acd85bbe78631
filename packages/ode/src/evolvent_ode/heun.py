"""Heun's second-order method."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class Heun(RungeKutta):
    """Heun's method, the explicit trapezoidal rule: second order for crude tolerances.

    Order 2, two evaluations of f a step, error estimated by Euler's method.

    References
    ----------
    E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993,
    doi:10.1007/978-3-540-78862-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "Heun", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    0.3679
    """

    tableau = Tableau(order=2, c=(0.0, 1.0), a=((), (1.0,)), b=(1 / 2, 1 / 2), error=(-1 / 2, 1 / 2), error_order=1)
