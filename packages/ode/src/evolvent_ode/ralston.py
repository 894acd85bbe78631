"""Ralston's second-order method."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class Ralston(RungeKutta):
    """Ralston's method: the second-order method of two stages with the least bound on its error.

    Order 2, two evaluations of f a step, error estimated by Euler's method.

    References
    ----------
    A. Ralston, Runge-Kutta methods with minimum error bounds, Mathematics of Computation 16 (1962) 431-437,
    doi:10.1090/S0025-5718-1962-0150954-0.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "Ralston", rtol=1e-6, atol=1e-6).y[-1, 0]), 4)
    0.3679
    """

    tableau = Tableau(order=2, c=(0.0, 2 / 3), a=((), (2 / 3,)), b=(1 / 4, 3 / 4), error=(-3 / 4, 3 / 4), error_order=1)
