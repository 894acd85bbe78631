"""Euler's method."""

from __future__ import annotations

from dataclasses import dataclass

from ._runge_kutta import RungeKutta
from ._tableau import Tableau


@dataclass(frozen=True)
class Euler(RungeKutta):
    """Euler's method: for teaching, and for right-hand sides so rough that no order pays.

    Order 1, one evaluation of f a step, fixed steps only.

    References
    ----------
    E. Hairer, S. P. Nørsett, G. Wanner, Solving Ordinary Differential Equations I, Springer 1993,
    doi:10.1007/978-3-540-78862-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "Euler", dt=1e-3).y[-1, 0]), 3)
    0.368
    """

    tableau = Tableau(order=1, c=(0.0,), a=((),), b=(1.0,))
